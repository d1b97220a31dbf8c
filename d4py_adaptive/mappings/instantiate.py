"""Copies of a prototype PE: one per instance, each with random state of its own."""

from __future__ import annotations

import copy
import logging

from d4py_adaptive.dataflow.pe import GenericPE
from d4py_adaptive.dataflow.plan import InstanceRef
from d4py_adaptive.errors import WorkflowError
from d4py_adaptive.mappings.randomness import reseed_attributes

log = logging.getLogger(__name__)


def instantiate(prototype: GenericPE, ref: InstanceRef, seed: int, explicit_seed: bool) -> GenericPE:
    """A copy of the prototype for one instance.

    A PE that holds what cannot be copied (an open file, a lock) runs itself, as dispel4py would have it, and can
    therefore have one instance and one run.

    Raises:
        WorkflowError: it cannot be copied and would have to be.
    """
    try:
        pe = copy.deepcopy(prototype)
    except Exception as error:
        if ref.index > 0 or prototype._runtime is not None:
            raise WorkflowError(
                f"{ref.pe} cannot be copied ({type(error).__name__}: {error}), so it can have one instance and one "
                "run; open files, connections and locks in preprocess, which every instance calls"
            ) from error
        log.warning("%s cannot be copied (%s); it runs itself, once", ref.pe, error)
        pe = prototype
    reseed_attributes(pe, ref, seed, explicit_seed)
    pe.id = ref.pe
    pe.rank = ref.number
    return pe
