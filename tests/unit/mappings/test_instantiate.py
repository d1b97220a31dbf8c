"""Copies of a prototype PE."""

import logging
import random
import threading
from typing import Any

import pytest

from d4py_adaptive import GenericPE
from d4py_adaptive.dataflow.plan import InstanceRef
from d4py_adaptive.errors import WorkflowError
from d4py_adaptive.mappings.instantiate import instantiate


def prototype(**attributes: Any) -> Any:
    pe = GenericPE()
    pe._add_output("o")
    vars(pe).update(attributes)
    return pe


def test_an_instance_is_a_copy_with_its_id_and_rank() -> None:
    original = prototype(seen=[1])
    pe: Any = instantiate(original, InstanceRef(7, "Scale3", 2, 0), seed=1, explicit_seed=False)
    pe.seen.append(2)
    assert (pe.id, pe.rank, pe.seen) == ("Scale3", 7, [1, 2])
    assert (original.seen, original.rank) == ([1], 0)


def test_each_instance_has_random_numbers_of_its_own() -> None:
    original = prototype(generator=random.Random(3))
    pes: list[Any] = [instantiate(original, InstanceRef(n, "Scale3", n, 0), 1, False) for n in range(3)]
    assert len({pe.generator.random() for pe in pes}) == 3


def test_a_pe_that_cannot_be_copied_runs_itself_once(caplog: pytest.LogCaptureFixture) -> None:
    original = prototype(lock=threading.Lock())
    with caplog.at_level(logging.WARNING):
        pe = instantiate(original, InstanceRef(4, "Scale3", 0, 0), 1, False)
    assert pe is original
    assert (pe.id, pe.rank) == ("Scale3", 4)
    assert caplog.messages == ["Scale3 cannot be copied (cannot pickle '_thread.lock' object); it runs itself, once"]


@pytest.mark.parametrize("index", [0, 1])
def test_a_pe_that_cannot_be_copied_has_one_instance_and_one_run(index: int) -> None:
    original = prototype(lock=threading.Lock())
    if index == 0:
        original._runtime = object()  # it has run already
    with pytest.raises(WorkflowError) as caught:
        instantiate(original, InstanceRef(4, "Scale3", index, 0), 1, False)
    assert str(caught.value) == (
        "Scale3 cannot be copied (TypeError: cannot pickle '_thread.lock' object), so it can have one instance and "
        "one run; open files, connections and locks in preprocess, which every instance calls"
    )
