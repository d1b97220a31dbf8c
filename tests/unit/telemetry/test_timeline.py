"""The timeline: nothing is lost however long the run gets, and it stands where it belongs."""

from array import array
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from d4py_adaptive.telemetry.timeline import FIRST_SLOT_NS, KINDS, LENGTH, SLOTS, TimelineWriter, read_timeline

SLOT = FIRST_SLOT_NS
WHOLE = SLOTS * SLOT
"""How long a run may be before slots are joined."""

steps = st.tuples(
    st.one_of(st.integers(0, 3 * SLOT), st.integers(0, 3 * WHOLE)),
    st.tuples(*[st.one_of(st.just(0), st.integers(0, 2**40))] * len(KINDS)),
)


def memory() -> memoryview:
    return memoryview(array("q", bytes(8 * LENGTH)))


def sums_ns(rows: memoryview) -> list[int]:
    """What stands in all the slots of each kind, used or not."""
    data = rows.tolist()[LENGTH - len(KINDS) * SLOTS :]
    return [sum(data[kind * SLOTS : (kind + 1) * SLOTS]) for kind in range(len(KINDS))]


def slots_ns(rows: memoryview, kind: str = "compute") -> list[int]:
    return [round(seconds * 1e9) for seconds in read_timeline(rows.tolist())[1][kind]]


def test_a_new_timeline_is_empty() -> None:
    rows = memory()
    writer = TimelineWriter(rows, 5)
    assert writer.due_ns == 5 + SLOT
    assert read_timeline(rows.tolist()) == (SLOT / 1e9, dict.fromkeys(KINDS, (0.0,)))


@given(st.integers(0, 2**62), st.lists(steps, max_size=30))
def test_no_nanosecond_is_lost_whenever_it_is_recorded(origin_ns: int, recorded: list[Any]) -> None:
    rows, now_ns, totals = memory(), origin_ns, [0] * len(KINDS)
    writer = TimelineWriter(rows, origin_ns)
    for passed_ns, added in recorded:
        now_ns += passed_ns
        totals = [total + more for total, more in zip(totals, added, strict=True)]
        writer.record(totals, now_ns)
        assert sums_ns(rows) == totals
        slot_s, kinds = read_timeline(rows.tolist())
        used = len(kinds["compute"])
        assert 1 <= used <= SLOTS
        assert [len(seconds) for seconds in kinds.values()] == [used] * len(KINDS)
        assert [round(sum(seconds), 6) for seconds in kinds.values()] == [round(total / 1e9, 6) for total in totals]
        assert (used - 1) * slot_s <= (now_ns - origin_ns) / 1e9 + 1e-6
        assert now_ns < writer.due_ns <= now_ns + round(slot_s * 1e9)
        assert slot_s * 1e9 / SLOT in [2**doubled for doubled in range(64)]


def test_recorded_when_it_is_due_each_slot_has_its_own() -> None:
    rows = memory()
    writer = TimelineWriter(rows, 100)
    busy = total = 0
    for busy in (5, 0, 7, 9):
        total += busy
        writer.record([total, 0, 0, 0], writer.due_ns)
    assert slots_ns(rows) == [5, 0, 7, 9]


def test_what_was_long_not_recorded_is_spread_evenly() -> None:
    rows = memory()
    writer = TimelineWriter(rows, 0)
    writer.record([0, 0, 0, 10], SLOT)
    writer.record([4000, 0, 0, 30], 5 * SLOT)
    assert slots_ns(rows) == [0, 1000, 1000, 1000, 1000]
    assert slots_ns(rows, "starved") == [10, 5, 5, 5, 5]
    assert slots_ns(rows, "blocked") == [0] * 5


def test_a_slot_holds_no_more_than_its_length_wherever_in_it_is_recorded() -> None:
    rows = memory()
    writer = TimelineWriter(rows, 7)
    for now_ns in (5, SLOT // 3, 2 * SLOT + 9 * SLOT // 10, 3 * SLOT, 5 * SLOT + SLOT // 4):
        writer.record([now_ns, 0, now_ns // 2, 0], 7 + now_ns)
    assert slots_ns(rows) == pytest.approx([SLOT] * 5 + [SLOT // 4], abs=2)
    assert slots_ns(rows, "blocked") == pytest.approx([SLOT // 2] * 5 + [SLOT // 8], abs=3)


def test_slots_are_joined_two_by_two_when_the_run_outgrows_them() -> None:
    rows = memory()
    writer = TimelineWriter(rows, 0)
    for slot in range(SLOTS - 1):
        writer.record([sum(range(slot + 1)), 0, 0, 0], writer.due_ns)
    before = slots_ns(rows)
    assert before == list(range(SLOTS - 1))
    assert writer.due_ns == WHOLE
    writer.record([sum(before), 0, 0, 0], WHOLE)
    assert read_timeline(rows.tolist())[0] == 2 * SLOT / 1e9
    joined = slots_ns(rows)
    assert joined[: SLOTS // 2] == [sum(before[i : i + 2]) for i in range(0, SLOTS, 2)]
    assert sum(joined[SLOTS // 2 :]) == 0
    assert writer.due_ns == WHOLE + 2 * SLOT


def test_a_run_of_years_fits() -> None:
    rows = memory()
    writer = TimelineWriter(rows, 0)
    year_ns = 365 * 24 * 3600 * 10**9
    writer.record([10, 0, 0, 0], SLOT)
    writer.record([10 + year_ns, 0, 0, 0], year_ns)
    assert sum(slots_ns(rows)) == pytest.approx(year_ns + 10)
    assert SLOTS // 2 <= len(slots_ns(rows)) <= SLOTS
    assert max(slots_ns(rows)[:-1]) - min(slots_ns(rows)[:-1]) <= SLOT


def test_another_writer_goes_on_where_the_first_left_off() -> None:
    rows = memory()
    TimelineWriter(rows, 0).record([100, 0, 7, 0], 3 * WHOLE)
    slot_s = read_timeline(rows.tolist())[0]
    other = TimelineWriter(rows, 0)
    assert read_timeline(rows.tolist())[0] == slot_s == 4 * SLOT / 1e9
    other.resume([100, 0, 7, 0], 3 * WHOLE + 5)
    assert other.due_ns > 3 * WHOLE
    other.record([130, 1, 7, 0], 3 * WHOLE + 9 * 4 * SLOT)
    assert sums_ns(rows) == [130, 1, 7, 0]
    at = 3 * SLOTS // 4
    assert sum(slots_ns(rows)[at:]) == 30


@given(st.lists(st.integers(1, WHOLE), min_size=2, max_size=12))
def test_a_timeline_that_moves_each_time_keeps_its_sums(gaps: list[int]) -> None:
    rows, now_ns, total = memory(), 0, 0
    moments = [sum(gaps[: i + 1]) for i in range(len(gaps))]
    for now_ns, then_ns in pairwise(moments):
        writer = TimelineWriter(rows, 0)
        writer.resume([total, 0, 0, 0], now_ns)
        total += then_ns - now_ns
        writer.record([total, 0, 0, 0], then_ns)
    assert sums_ns(rows) == [total, 0, 0, 0]
