"""The arithmetic of a slab: slots never overlap, nothing is lost, and who may read how."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from d4py_adaptive.errors import WireError
from d4py_adaptive.wire.slots import (
    KEPT_FREE,
    MIB,
    OWN_VIEW_BYTES,
    SLOT,
    Access,
    SlabSize,
    Slot,
    Slots,
    Spans,
    access_for,
)

PAGE, OWNER = 16, 3
bounded = settings(max_examples=200, derandomize=True, deadline=None)

# What a run may ask for: a buffer for some readers, or one of the loans back in one of the ways there are.
operations = st.lists(
    st.one_of(
        st.tuples(st.just("lend"), st.integers(1, 300), st.lists(st.integers(0, 3), min_size=1, max_size=4)),
        st.tuples(st.just("release"), st.integers(0, 50), st.just(None)),
        st.tuples(st.just("withdraw"), st.integers(0, 50), st.just(None)),
        st.tuples(st.just("forget"), st.integers(0, 3), st.just(None)),
    ),
    max_size=60,
)
u32, u64 = st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1)
sizes = st.builds(SlabSize, st.integers(0, 40 * PAGE), st.integers(0, 60 * PAGE))


def lend(slots: Slots, nbytes: int, *readers: int) -> Slot:
    slot = slots.lend(nbytes, readers or [0])
    assert slot
    return slot


class Model:
    """The same loans, kept in the plainest way; checks the slots against it after every step."""

    def __init__(self, size: SlabSize) -> None:
        self.size = size
        self.slots = Slots(OWNER, size, PAGE)
        self.loans: dict[int, tuple[Slot, list[int]]] = {}
        self.said: list[Any] = []

    def do(self, what: str, number: int, readers: list[int] | None) -> None:
        if what == "lend":
            assert readers is not None
            slot = self.slots.lend(number, readers)
            self.said.append(slot)
            if slot is not None:
                assert (slot.owner, slot.lender) == (OWNER, OWNER)
                self.loans[slot.number] = (slot, list(readers))
        elif what == "forget":
            self.said.append(self.slots.forget(number))
            for key, (slot, readers) in list(self.loans.items()):
                left = [reader for reader in readers if reader != number]
                self.loans[key] = (slot, left)
                if not left:
                    del self.loans[key]
        elif self.loans:
            key = sorted(self.loans)[number % len(self.loans)]
            self.take_back(key, what)
        self.check()

    def take_back(self, key: int, what: str) -> None:
        slot, readers = self.loans[key]
        if what == "withdraw":
            freed: range | None = self.slots.withdraw(key)
            readers = []
        else:
            freed = self.slots.release(readers.pop(), key)
        self.said.append(freed)
        if readers:
            assert freed is None
        else:
            assert freed is not None
            assert (freed.start, len(freed)) == (slot.offset, self.slots.length(slot.nbytes))
            del self.loans[key]

    def check(self) -> None:
        pool = self.size.pool_bytes // PAGE * PAGE
        end = pool + self.size.beyond_bytes // PAGE * PAGE
        taken: set[int] = set()
        for slot, _ in self.loans.values():
            assert slot.offset % PAGE == 0
            pages = set(range(slot.offset, slot.offset + slot.nbytes, PAGE))
            assert pages.isdisjoint(taken)
            taken |= pages
            limit = pool if slot.offset < pool else end
            assert slot.offset + self.slots.length(slot.nbytes) <= limit
        assert self.slots.lent == len(self.loans)
        assert self.slots.free == pool - PAGE * len({page for page in taken if page < pool})


@bounded
@given(sizes, operations)
def test_slots_never_overlap_and_nothing_is_lost(size: SlabSize, done: list[Any]) -> None:
    model = Model(size)
    for operation in done:
        model.do(*operation)
    for key in list(model.loans):
        model.slots.withdraw(key)
    pool, beyond = size.pool_bytes // PAGE * PAGE, size.beyond_bytes // PAGE * PAGE
    if pool:
        assert model.slots.lend(pool, [0]), "what was freed is one piece again"
    if beyond and 4 * beyond >= pool:
        assert model.slots.lend(beyond, [0]), "and so is what is beyond"


@bounded
@given(sizes, operations)
def test_the_same_requests_get_the_same_answers(size: SlabSize, done: list[Any]) -> None:
    one, other = Model(size), Model(size)
    for operation in done:
        one.do(*operation)
        other.do(*operation)
    assert one.said == other.said


def test_the_lowest_place_that_fits_is_used_again_first() -> None:
    slots = Slots(OWNER, SlabSize(100 * PAGE, 0), PAGE)
    a, b, c = [lend(slots, 10 * PAGE) for _ in range(3)]
    slots.release(0, c.number)
    slots.release(0, a.number)
    again, beside, larger = lend(slots, 4 * PAGE), lend(slots, 6 * PAGE), lend(slots, 7 * PAGE)
    assert (again.offset, beside.offset, larger.offset) == (a.offset, a.offset + 4 * PAGE, c.offset)
    assert [slot.number for slot in (a, b, c, again, beside, larger)] == [0, 1, 2, 3, 4, 5]


def test_neighbours_join_whatever_the_order_they_are_freed_in() -> None:
    for order in ((0, 1, 2), (2, 1, 0), (0, 2, 1), (1, 0, 2)):
        spans = Spans(0, 30)
        for _ in range(3):
            spans.take(10)
        assert spans.take(1) is None
        for i in order:
            spans.give(10 * i, 10)
        assert (spans.free, spans.take(30)) == (30, 0)


@pytest.mark.parametrize(("start", "length"), [(0, 10), (5, 10), (15, 10), (25, 10), (10, 0), (-5, 5), (35, 10)])
def test_what_is_free_cannot_be_freed(start: int, length: int) -> None:
    spans = Spans(0, 40)
    assert (spans.take(10), spans.take(10), spans.take(20)) == (0, 10, 20)
    spans.give(0, 10)
    spans.give(20, 10)
    with pytest.raises(WireError, match="cannot be freed: they are not in use"):
        spans.give(start, length)
    assert spans.free == 20
    spans.give(10, 10)
    assert spans.take(30) == 0


def test_only_what_is_large_goes_beyond_the_pool() -> None:
    slots = Slots(OWNER, SlabSize(40 * PAGE, 100 * PAGE), PAGE)
    larger = lend(slots, 41 * PAGE)
    assert (larger.offset, larger.access) == (40 * PAGE, Access.IN_PLACE)
    assert slots.free == 40 * PAGE
    lend(slots, 35 * PAGE)
    assert slots.lend(9 * PAGE, [0]) is None, "less than a quarter of the pool waits for the pool"
    quarter = lend(slots, 10 * PAGE, 0, 1)
    assert (quarter.offset, quarter.access) == (81 * PAGE, Access.OWN_VIEW)
    assert slots.lend(50 * PAGE, [0]) is None, "there is a limit"
    slots.release(0, larger.number)
    assert lend(slots, 41 * PAGE).offset == larger.offset


def test_a_slot_comes_back_from_each_of_its_readers_once() -> None:
    slots = Slots(OWNER, SlabSize(10 * PAGE, 0), PAGE)
    slot = lend(slots, PAGE, 1, 2, 2)
    assert slots.release(2, slot.number) is None
    with pytest.raises(WireError, match=r"slot 0 came back from reader 3, and is lent to \[1, 2\]"):
        slots.release(3, slot.number)
    assert slots.release(2, slot.number) is None
    with pytest.raises(WireError, match=r"from reader 2, and is lent to \[1\]"):
        slots.release(2, slot.number)
    assert slots.release(1, slot.number) == range(PAGE)
    with pytest.raises(WireError, match="from reader 1, and is not lent to anybody"):
        slots.release(1, slot.number)


def test_a_number_from_before_does_not_free_who_has_the_place_now() -> None:
    slots = Slots(OWNER, SlabSize(PAGE, 0), PAGE)
    before = lend(slots, PAGE, 1)
    slots.release(1, before.number)
    assert lend(slots, PAGE, 1).offset == before.offset
    with pytest.raises(WireError, match="not lent to anybody"):
        slots.release(1, before.number)
    assert slots.lent == 1


def test_a_number_that_was_never_given_out_is_refused() -> None:
    slots = Slots(OWNER, SlabSize(PAGE, 0), PAGE)
    with pytest.raises(WireError, match="slot 7 came back from reader 0"):
        slots.release(0, 7)
    with pytest.raises(WireError, match="slot 7 cannot be withdrawn: it is not lent"):
        slots.withdraw(7)


def test_a_reader_that_is_gone_keeps_nothing() -> None:
    slots = Slots(OWNER, SlabSize(10 * PAGE, 0), PAGE)
    for readers in ([1, 1], [1, 2], [2]):
        lend(slots, PAGE, *readers)
    assert slots.forget(1) == [range(PAGE)]
    assert slots.forget(1) == []
    assert slots.lent == 2
    assert slots.forget(2) == [range(PAGE, 2 * PAGE), range(2 * PAGE, 3 * PAGE)]
    assert slots.free == 10 * PAGE


def test_one_reader_works_in_place_and_several_have_views_of_their_own() -> None:
    assert access_for(1, 1, free=100, pool_bytes=100) is Access.IN_PLACE
    assert access_for(2, OWN_VIEW_BYTES, free=100, pool_bytes=100) is Access.OWN_VIEW
    assert access_for(2, OWN_VIEW_BYTES - 1, free=100, pool_bytes=100) is Access.COPY_OUT


@pytest.mark.parametrize("readers", [1, 2])
def test_readers_copy_when_the_pool_runs_low(readers: int) -> None:
    low = int(100 * KEPT_FREE)
    assert access_for(readers, OWN_VIEW_BYTES, low, 100) is not Access.COPY_OUT
    assert access_for(readers, OWN_VIEW_BYTES, low - 1, 100) is Access.COPY_OUT


def test_what_is_lent_says_how_low_the_pool_is_afterwards() -> None:
    slots = Slots(OWNER, SlabSize(8 * PAGE, 0), PAGE)
    lent = [slots.lend(PAGE, [0]) for _ in range(9)]
    assert lent.pop() is None
    assert [slot and slot.access for slot in lent] == [Access.IN_PLACE] * 6 + [Access.COPY_OUT] * 2


@pytest.mark.parametrize(
    ("buffer_mib", "memory_mib", "senders", "pool_mib", "beyond_mib"),
    [
        (3_000, 24_000, 2, 256, 6_000),
        (100, 1_000, 2, 50, 250),
        (8_000, 64_000, 128, 62.5, 250),
        (10, 2_000_000, 20, 1, 50_000),
        (250_000, 2_000_000, 1, 256, 1_000_000),
    ],
)
def test_the_size_fits_what_was_asked_for_and_the_machine(
    buffer_mib: int, memory_mib: int, senders: int, pool_mib: float, beyond_mib: float
) -> None:
    size = SlabSize.within(buffer_mib * MIB, memory_mib * MIB, senders)
    assert (size.pool_bytes / MIB, size.beyond_bytes / MIB) == (pool_mib, beyond_mib)


def test_the_least_size_is_still_one_that_works() -> None:
    assert SlabSize.within(1, 24_000 * MIB, 3) == SlabSize(MIB, 4_000 * MIB)


@bounded
@given(st.builds(Slot, u32, u32, u64, u64, u64, st.sampled_from(list(Access))))
def test_a_slot_is_the_same_after_its_way_through_a_table(slot: Slot) -> None:
    assert Slot.unpacked(b"---" + slot.packed(), 3) == slot


@pytest.mark.parametrize("table", [b"", bytes(SLOT.size - 1), bytes(SLOT.size), bytes(SLOT.size - 1) + b"\4"])
def test_bytes_that_are_no_slot_are_refused(table: bytes) -> None:
    with pytest.raises(WireError, match="a slot is 33 bytes, the last of them 1, 2 or 3"):
        Slot.unpacked(table)
