"""Notices a change of state in replicas whose code was read as stateless."""

from typing import Any

import numpy as np
import pytest

from d4py_adaptive import GenericPE
from d4py_adaptive.errors import WorkflowError
from d4py_adaptive.mappings.state_guard import StateGuard


@pytest.fixture
def pe() -> Any:
    pe: Any = GenericPE()
    pe.id, pe.gain, pe.seen, pe.table = "Scale1", 2, [], np.zeros(4)
    return pe


def test_what_does_not_change_passes(pe: Any) -> None:
    guard = StateGuard(pe)
    for number in range(1, 40):
        guard.after_item(number)
    pe.table, pe.seen = np.zeros(4), []  # other objects of the same value
    guard.look()


def change_gain(pe: Any) -> None:
    pe.gain = 3


def grow_seen(pe: Any) -> None:
    pe.seen.append(1)


def write_table(pe: Any) -> None:
    pe.table[2] = 1


def drop_gain(pe: Any) -> None:
    del pe.gain


def make_new(pe: Any) -> None:
    pe.new, pe.gain = 1, 0


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (change_gain, "self.gain"),
        (grow_seen, "self.seen"),
        (write_table, "self.table"),
        (drop_gain, "self.gain"),
        (make_new, "self.gain, self.new"),
    ],
)
def test_a_change_is_named(pe: Any, change: Any, names: str) -> None:
    guard = StateGuard(pe)
    change(pe)
    with pytest.raises(WorkflowError) as caught:
        guard.look()
    assert str(caught.value) == (
        f"Scale1 was replicated because its code keeps nothing between items, but its {names} changed; "
        "results of replicas cannot be trusted: set `stateless = False` on the PE, or `stateless = True` if this "
        "is only a cache"
    )


def test_what_the_runtime_sets_does_not_count(pe: Any) -> None:
    guard = StateGuard(pe)
    pe._runtime, pe.rank = object(), 7
    guard.look()


def test_looking_gets_rarer(pe: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    guard = StateGuard(pe)
    looked: list[int] = []
    number = 0
    monkeypatch.setattr(guard, "look", lambda: looked.append(number))
    for number in range(1, 70):
        guard.after_item(number)
    assert looked == [1, 2, 4, 8, 16, 32, 64]


def test_a_guard_that_comes_late_looks_at_once_and_then_at_twice_the_number(pe: Any) -> None:
    guard = StateGuard(pe)
    guard.after_item(100)
    pe.gain = 3
    guard.after_item(199)
    with pytest.raises(WorkflowError):
        guard.after_item(200)
