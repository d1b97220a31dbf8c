"""Random state per instance: different between instances, the same in every run with the same seed."""

from __future__ import annotations

import hashlib
import random
import sys
from typing import Any

from d4py_adaptive.dataflow.pe import GenericPE
from d4py_adaptive.dataflow.plan import InstanceRef


def instance_seed(seed: int, ref: InstanceRef, purpose: str = "") -> int:
    """A 64-bit seed that depends on the run's seed and the instance alone."""
    text = f"{seed}/{ref.pe}/{ref.index}/{purpose}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def reseed_attributes(pe: GenericPE, ref: InstanceRef, seed: int, explicit: bool) -> None:
    """Give a copy of a PE generators of its own where it holds some.

    The first instance keeps what its author made, unless the run's seed was asked for; every other copy would draw
    the very same numbers.
    """
    if ref.index == 0 and not explicit:
        return
    numpy_random = sys.modules.get("numpy.random")
    for name, value in list(vars(pe).items()):
        fresh = instance_seed(seed, ref, name)
        if isinstance(value, random.Random):
            value.seed(fresh)
        elif numpy_random is not None and isinstance(value, numpy_random.RandomState):
            value.seed(fresh % 2**32)
        elif numpy_random is not None and isinstance(value, numpy_random.Generator):
            setattr(pe, name, numpy_random.Generator(type(value.bit_generator)(fresh)))


class RandomScope:
    """An instance's own state of the global generators (`random`, `numpy.random`), put in place while it runs."""

    def __init__(self, seed: int) -> None:
        self._python: Any = random.Random(seed).getstate()
        self._seed = seed
        self._numpy: Any = None

    def load(self) -> None:
        """Put this state in place, numpy's too: the PE may import it only now."""
        from numpy import random as numpy_random

        random.setstate(self._python)
        if self._numpy is None:
            self._numpy = numpy_random.RandomState(self._seed % 2**32).get_state()
        numpy_random.set_state(self._numpy)

    def save(self) -> None:
        """Remember the state in place as this instance's."""
        from numpy import random as numpy_random

        self._python, self._numpy = random.getstate(), numpy_random.get_state()
