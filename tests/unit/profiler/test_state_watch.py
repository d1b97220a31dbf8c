"""What calls change of a PE: named and counted, within a share of the time, and never an error."""

import json
import pickle
import threading
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from d4py_adaptive import GenericPE
from d4py_adaptive.dataflow.digest import digest
from d4py_adaptive.profiler import state_watch
from d4py_adaptive.profiler.state_watch import FREE_NS, StateChanges, StateWatch
from d4py_adaptive.testing.clocks import ManualClock


@pytest.fixture
def pe() -> Any:
    pe: Any = GenericPE()
    pe.id, pe.gain, pe.seen, pe.table = "Scale1", 2, [], np.zeros(4)
    return pe


def watched(pe: GenericPE, calls: int, call: Callable[[Any, int], object]) -> StateChanges:
    watch = StateWatch(pe, ManualClock())
    for number in range(1, calls + 1):
        watch.before_call(number)
        call(pe, number)
        watch.after_call()
    return watch.seen


def test_a_pe_that_keeps_nothing(pe: Any) -> None:
    seen = watched(pe, 40, lambda pe, _: pe.gain * 2)
    assert (seen.looks, seen.changed, seen.unseen) == (6, {}, {})  # calls 1, 2, 4, 8, 16, 32
    assert {name: seen.compared[name] for name in ("gain", "seen", "table")} == {"gain": 6, "seen": 6, "table": 6}


def test_changes_are_counted_by_attribute(pe: Any) -> None:
    def call(pe: Any, number: int) -> None:
        pe.seen.append(number)
        pe.table[0] = number >= 8
        pe.gain = 2  # the same value
        pe._runtime, pe.rank = object(), number

    seen = watched(pe, 40, call)
    assert (seen.looks, seen.changed) == (6, {"seen": 6, "table": 1})


def test_attributes_that_come_and_go(pe: Any) -> None:
    def call(pe: Any, number: int) -> None:
        if number == 1:
            pe.last = 0
        if number == 2:
            del pe.gain

    seen = watched(pe, 4, call)
    assert seen.changed == {"last": 1, "gain": 1}
    assert (seen.compared["last"], seen.compared["gain"]) == (3, 2)


def test_what_changes_between_calls_does_not_count(pe: Any) -> None:
    watch = StateWatch(pe, ManualClock())
    for number in (1, 2):
        pe.gain = number
        watch.before_call(number)
        watch.after_call()
    assert (watch.seen.looks, watch.seen.changed) == (2, {})


def test_a_call_that_failed_is_forgotten(pe: Any) -> None:
    watch = StateWatch(pe, ManualClock())
    watch.before_call(1)
    pe.gain = 3  # and no word of its end
    watch.before_call(2)
    watch.after_call()
    watch.after_call()
    assert (watch.seen.looks, watch.seen.changed) == (1, {})


class Awkward:
    def __reduce_ex__(self, protocol: Any) -> Any:
        raise BaseExceptionGroup("no", [KeyError("x")])

    @property
    def nbytes(self) -> int:
        raise ZeroDivisionError


def test_what_cannot_be_compared_is_named_with_the_reason(pe: Any, tmp_path: Path) -> None:
    with (tmp_path / "out").open("w") as file:
        pe.file, pe.numbers, pe.awkward = file, iter(number for number in range(100)), Awkward()
        pe.lock, pe.text = threading.Lock(), StringIO()

        def call(pe: Any, number: int) -> None:
            next(pe.numbers)
            pe.text.write("x")

        seen = watched(pe, 4, call)
    assert seen.unseen == {
        "file": "a TextIOWrapper cannot be looked into",
        "numbers": "a generator cannot be looked into",
        "awkward": "it cannot be compared: ExceptionGroup",
    }
    assert (seen.looks, seen.changed) == (3, {"text": 3})


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A clock that goes on with each digest, and how long digests of which attributes' values take."""

    class Slow(ManualClock):
        taken_ns = 0
        costs_ns: dict[Any, int] = {}

        def digest(self, value: object) -> bytes:
            cost_ns = self.costs_ns.get(type(value), 1_000)
            self.taken_ns += cost_ns
            self.advance(cost_ns)
            return digest(value)

    clock = Slow()
    monkeypatch.setattr(state_watch, "digest", clock.digest)
    return clock


@pytest.mark.parametrize("digest_ns", [2_000_000, 20_000_000, 200_000_000])
def test_looking_stays_within_its_share_of_the_time(pe: Any, slow: Any, digest_ns: int) -> None:
    slow.costs_ns = {list: digest_ns}
    watch = StateWatch(pe, slow, budget=0.01)
    for number in range(1, 10_001):
        watch.before_call(number)
        slow.advance(100_000_000)
        pe.seen.append(number)
        watch.after_call()
        once = 2 * digest_ns  # what it costs is not known before the first time
        assert slow.taken_ns <= once + FREE_NS + 0.01 * slow.now_ns, number
    assert watch.spent_ns == slow.taken_ns
    assert 1 < watch.seen.changed["seen"] < watch.seen.looks + 1
    assert watch.seen.compared["gain"] == watch.seen.looks  # the quick ones come first


def test_a_huge_attribute_is_passed_over_from_the_start(pe: Any, slow: Any) -> None:
    pe.huge = pe.__dict__.pop("table").repeat(2**22)
    slow.costs_ns = {np.ndarray: 200_000_000}
    watch = StateWatch(pe, slow)
    watch.before_call(1)
    watch.after_call()
    assert watch.seen.unseen == {"huge": "no time was left to compare it, which takes 402.7 ms"}
    slow.advance(10**12)
    watch.before_call(2)
    pe.huge[5] = 1
    watch.after_call()
    assert (watch.seen.unseen, watch.seen.changed) == ({}, {"huge": 1})


def test_a_slow_attribute_takes_no_time_from_the_quick_ones(pe: Any, slow: Any) -> None:
    del pe.seen
    pe.__dict__ = {"slow": [], **vars(pe)}
    slow.costs_ns = {list: FREE_NS // 2}
    watch = StateWatch(pe, slow)
    watch.before_call(1)
    watch.after_call()
    assert {watch.seen.compared[name] for name in ("slow", "gain", "table")} == {1}
    slow.advance(100 * (FREE_NS - 30_000))  # time to compare the slow one, or all others
    watch.before_call(2)
    watch.after_call()
    assert [watch.seen.compared[name] for name in ("slow", "gain", "table")] == [1, 2, 2]
    assert watch.seen.unseen == {}


def test_memory_is_bounded_where_each_call_makes_new_attributes(pe: Any) -> None:
    def call(pe: Any, number: int) -> None:
        for each in range(1_000):
            setattr(pe, f"of_{number}_{each}", each)

    seen = watched(pe, 4, call)
    assert len(seen.compared) <= 256
    assert len(seen.changed) <= 256
    assert seen.looks == 3


def test_what_was_seen_travels_and_merges(pe: Any) -> None:
    first = watched(pe, 4, lambda pe, number: pe.seen.append(number))
    pe.rows = iter(row for row in "ab")
    second = watched(pe, 8, lambda pe, number: setattr(pe, "gain", number))
    second.unseen["seen"] = "another instance could compare it"
    parts = [StateChanges.from_dict(json.loads(json.dumps(part.to_dict()))) for part in (first, second)]
    merged = StateChanges.merged([*parts, pickle.loads(pickle.dumps(first)), StateChanges()])
    assert (merged.looks, merged.changed) == (3 + 4 + 3, {"seen": 6, "gain": 4})
    assert merged.compared["gain"] == 10
    assert merged.unseen == {"rows": "a generator cannot be looked into"}
    assert (first.looks, StateChanges.merged([])) == (3, StateChanges())
