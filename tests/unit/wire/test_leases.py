"""The reader's end of a slab: memory that behaves as any other, and slots that come back when it dies."""

from __future__ import annotations

import copy
import errno
import gc
import io
import mmap
import os
import pickle
import random
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import psutil
import pytest

from d4py_adaptive.errors import WireError
from d4py_adaptive.wire import leases as leases_module
from d4py_adaptive.wire.leases import Leases, standing_on
from d4py_adaptive.wire.slab import PAGE_BYTES, Segment, Slab
from d4py_adaptive.wire.slots import MIB, Access, Slot

POOL_BYTES = 16 * MIB
SMALL, LARGE = 5 * PAGE_BYTES + 24, MIB + 24
"""Sizes that several readers copy, and map."""


class Stand:
    """A sender and its readers in one process."""

    def __init__(self, in_memory: bool) -> None:
        segment = Segment.create(0, POOL_BYTES, in_memory)
        self.slab = Slab(segment, 4 * POOL_BYTES)
        self.readers = {
            number: Leases(Segment(0, os.dup(segment.fileno()), segment.pool_bytes)) for number in (1, 2, 3)
        }

    def lend(self, array: np.ndarray, *readers: int) -> Slot:
        slot = self.slab.lend(memoryview(array).cast("B"), readers or [1])
        assert slot
        return slot

    def open(self, slot: Slot, reader: int = 1) -> np.ndarray:
        return np.frombuffer(self.readers[reader].open(slot), "f8")

    def give_back(self) -> None:
        for number, leases in self.readers.items():
            self.slab.release(number, [slot.number for slot in leases.returned()])

    def travels(self, item: Any) -> Any:
        """The item as one reader gets it, whatever can do so by way of the slab."""
        slots: list[Slot] = []

        def lend(buffer: pickle.PickleBuffer) -> bool:
            slot = self.slab.lend(buffer.raw(), [1])
            if slot is not None:
                slots.append(slot)
            return slot is None

        body = pickle.dumps(item, 5, buffer_callback=lend)
        return pickle.loads(body, buffers=map(self.readers[1].open, slots))

    def close(self) -> None:
        self.slab.close()
        for leases in self.readers.values():
            leases.close()


@pytest.fixture(params=[True, False], ids=["memory", "file"])
def stand(request: pytest.FixtureRequest) -> Iterator[Stand]:
    """A slab in both kinds of memory, the one of macOS too."""
    made = Stand(request.param)
    yield made
    made.close()


def numbers(nbytes: int = SMALL, start: int = 0) -> np.ndarray:
    return np.arange(start, start + nbytes // 8, dtype="f8")


CASES: dict[str, Callable[[Stand, np.ndarray], Slot]] = {
    "in place": lambda stand, array: stand.lend(array),
    "own view": lambda stand, array: stand.lend(np.resize(array, LARGE // 8), 1, 2),
    "copied": lambda stand, array: stand.lend(array, 1, 2),
    "beyond": lambda stand, array: stand.lend(np.resize(array, POOL_BYTES // 8 + 3)),
    "beyond, own view": lambda stand, array: stand.lend(np.resize(array, POOL_BYTES // 8 + 3), 1, 2),
}
EXPECTED = {
    "in place": Access.IN_PLACE, "own view": Access.OWN_VIEW, "copied": Access.COPY_OUT,
    "beyond": Access.IN_PLACE, "beyond, own view": Access.OWN_VIEW,
}  # fmt: skip


@pytest.fixture(params=CASES)
def opened(request: pytest.FixtureRequest, stand: Stand) -> np.ndarray:
    """What reader 1 gets of an array, in each of the ways there are."""
    slot = CASES[request.param](stand, numbers())
    assert slot.access is EXPECTED[request.param]
    return stand.open(slot)


def test_what_is_opened_is_ordinary_memory(opened: np.ndarray) -> None:
    expected = np.resize(numbers(), opened.size)
    np.testing.assert_array_equal(opened, expected)
    assert opened.flags.writeable
    assert opened.flags.aligned
    assert opened.flags.c_contiguous
    assert opened.ctypes.data % 64 == 0

    opened += 1
    opened[3:17] *= 2
    opened.sort()
    np.add.at(opened, [0, 0], 5)
    expected += 1
    expected[3:17] *= 2
    expected.sort()
    np.add.at(expected, [0, 0], 5)
    np.testing.assert_array_equal(opened, expected)

    np.testing.assert_array_equal(pickle.loads(pickle.dumps(opened, 5)), expected)
    buffers: list[pickle.PickleBuffer] = []
    body = pickle.dumps(opened, 5, buffer_callback=buffers.append)
    np.testing.assert_array_equal(pickle.loads(body, buffers=buffers), expected)
    np.testing.assert_array_equal(copy.deepcopy(opened), expected)
    saved = io.BytesIO()
    np.save(saved, opened)
    saved.seek(0)
    np.testing.assert_array_equal(np.load(saved), expected)


@pytest.mark.parametrize("case", CASES)
def test_the_memory_is_exactly_as_long_as_what_was_sent(stand: Stand, case: str) -> None:
    slot = CASES[case](stand, numbers())
    view = stand.readers[1].open(slot)
    assert (view.format, view.ndim, view.nbytes, view.readonly) == ("B", 1, slot.nbytes, False)
    assert len(memoryview(view.obj)) == slot.nbytes, "types may rebuild themselves from the owner of a buffer"


class Samples(bytearray):
    """Rebuilds itself as the documentation of pickle shows it."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        return type(self)._rebuilt, (pickle.PickleBuffer(self),), None

    @classmethod
    def _rebuilt(cls, buffer: Any) -> Samples:
        with memoryview(buffer) as view:
            return cls(view.obj)


TRAVELLERS: dict[str, Callable[[], Any]] = {
    "plain": numbers,
    "fortran": lambda: np.asfortranarray(np.arange(90_000.0).reshape(300, 300)),
    "strided": lambda: np.arange(90_000.0)[::3],
    "transposed": lambda: np.arange(90_000.0).reshape(300, 300).T[5:, ::2],
    "empty": lambda: np.zeros((0, 7)),
    "structured": lambda: np.zeros(5_000, [("station", "S5"), ("rate", "f8"), ("samples", "i4", 3)]),
    "complex": lambda: np.exp(1j * np.arange(20_000.0)),
    "odd itemsize": lambda: np.array([b"abc", b"defghij"] * 9_000),
    "objects": lambda: np.array([{"a": 1}, None, [2]] * 3_000, dtype=object),
    "dates": lambda: np.arange("2020-01-01", "2120-01-01", dtype="M8[D]"),
    "masked": lambda: np.ma.masked_greater(np.arange(50_000.0), 17),
    "several": lambda: {"a": numbers(), "b": [numbers(start=5), numbers(start=9)]},
}


@pytest.mark.parametrize("name", TRAVELLERS)
def test_every_kind_of_array_travels(stand: Stand, name: str) -> None:
    item, got = TRAVELLERS[name](), stand.travels(TRAVELLERS[name]())
    if isinstance(item, dict):
        assert str(item) == str(got)
        return
    assert (type(got), got.dtype, got.shape) == (type(item), item.dtype, item.shape)
    np.testing.assert_array_equal(got, item)
    assert got.flags.writeable
    if item.size:
        got[0] = got[-1]


def test_the_same_array_twice_is_one_array(stand: Stand) -> None:
    array = numbers()
    got = stand.travels([array, array])
    assert got[0] is got[1]


def test_an_object_that_is_no_array_travels(stand: Stand) -> None:
    sent = Samples(os.urandom(SMALL))
    got = stand.travels(sent)
    assert type(got) is Samples
    assert got == sent


def test_a_trace_of_seismology_can_be_worked_on(stand: Stand) -> None:
    obspy = pytest.importorskip("obspy")
    item = obspy.Stream([obspy.Trace(numbers(start=i), {"station": f"S{i}"}) for i in range(3)])
    got = stand.travels(item)
    assert got == item
    assert stand.readers[1].held == 3
    for stream in (item, got):
        stream.detrend("demean")
        stream.taper(0.1)
        stream[0].data *= 2
        stream.trim(stream[0].stats.starttime + 10)
    assert got == item
    del stream, got
    gc.collect()
    stand.give_back()
    assert stand.slab.lent == 0


def test_a_slot_comes_back_when_the_last_view_is_gone(stand: Stand) -> None:
    slot = stand.lend(numbers())
    leases, array = stand.readers[1], stand.open(slot)
    part = array[100:200].reshape(10, 10)[:, 3]
    assert (leases.held, leases.waiting) == (1, 0)
    del array
    assert leases.returned() == []
    part += 1
    del part
    assert (leases.held, leases.waiting) == (0, 1)
    assert leases.returned() == [slot]
    assert leases.returned() == []
    stand.slab.release(1, [slot.number])
    assert stand.slab.free == POOL_BYTES


def test_what_is_copied_comes_back_at_once(stand: Stand) -> None:
    slot = stand.lend(numbers(), 1, 2)
    array = stand.open(slot)
    assert stand.readers[1].returned() == [slot]
    stand.slab.withdraw(slot)
    stand.lend(numbers(start=1000))
    np.testing.assert_array_equal(array, numbers())


@pytest.mark.parametrize("case", CASES)
def test_who_may_keep_nothing_has_copies(stand: Stand, case: str) -> None:
    leases = Leases(Segment(0, os.dup(stand.readers[1]._segment.fileno()), POOL_BYTES), keeps=False)
    slot = CASES[case](stand, numbers())
    array = np.frombuffer(leases.open(slot), "f8")
    assert (leases.held, leases.returned()) == (0, [slot])
    stand.slab.withdraw(slot)
    CASES[case](stand, numbers(start=1000))  # the place is used again
    np.testing.assert_array_equal(array, np.resize(numbers(), array.size))
    assert array.ctypes.data % 64 == 0
    array += 1
    leases.close()


def test_what_waits_to_be_sent_back_is_counted(stand: Stand) -> None:
    slots = [stand.lend(numbers()), stand.lend(numbers(LARGE))]
    held = [stand.open(slot) for slot in slots]
    leases = stand.readers[1]
    assert (leases.held, leases.waiting) == (2, 0)
    held.clear()
    assert (leases.held, leases.waiting) == (0, 2)
    assert sorted(leases.returned()) == slots
    assert leases.waiting == 0


def as_arrived(view: memoryview) -> np.ndarray:
    """An array on memory that was opened, as pickle makes it."""
    buffers: list[pickle.PickleBuffer] = []
    body = pickle.dumps(np.zeros(view.nbytes // 8), 5, buffer_callback=buffers.append)
    array: np.ndarray = pickle.loads(body, buffers=[view])
    return array


def raw(array: np.ndarray) -> memoryview:
    """The buffer of an array as the wire gets it."""
    return pickle.PickleBuffer(array).raw()


@pytest.mark.parametrize("case", CASES)
def test_what_an_array_stands_on_can_be_told_if_it_may_go_on(stand: Stand, case: str) -> None:
    slot = CASES[case](stand, numbers())
    array = as_arrived(stand.readers[1].open(slot))
    found = standing_on(raw(array))
    assert bool(found) is (EXPECTED[case] is Access.IN_PLACE)
    if found is None:
        return
    assert found[0] == slot
    del array
    gc.collect()
    assert stand.readers[1].returned() == [], "who found it keeps it lent"
    del found
    assert stand.readers[1].returned() == [slot]


def test_only_the_whole_of_what_is_lent_is_found(stand: Stand) -> None:
    array = as_arrived(stand.readers[1].open(stand.lend(numbers())))
    for whole in (array, array[:], array.view("i4"), array.reshape(1, -1)):
        assert standing_on(raw(whole))
    for other in (array[1:], array[:-1], array + 0, numbers(), np.frombuffer(bytearray(SMALL), "f8")):
        assert standing_on(raw(other)) is None
    for buffer in (memoryview(bytearray(SMALL)), memoryview(bytes(SMALL)), memoryview(np.zeros(7))):
        assert standing_on(buffer) is None


@pytest.mark.parametrize("case", CASES)
def test_what_became_private_is_as_it_was_and_is_not_found(stand: Stand, case: str) -> None:
    slot = CASES[case](stand, numbers())
    leases = stand.readers[1]
    array = as_arrived(leases.open(slot))
    array[5] = -5
    leases.make_private()
    leases.make_private()
    assert standing_on(raw(array)) is None
    expected = np.resize(numbers(), array.size)
    expected[5] = -5
    np.testing.assert_array_equal(array, expected)
    later = stand.open(stand.lend(numbers(start=100)))
    np.testing.assert_array_equal(later, numbers(start=100))
    assert standing_on(raw(as_arrived(leases.open(stand.lend(numbers())))))
    stand.slab.withdraw(slot)
    CASES[case](stand, numbers(start=1000))  # the place is used again
    np.testing.assert_array_equal(array, expected)
    array += 1
    np.testing.assert_array_equal(later, numbers(start=100))


@pytest.mark.parametrize("nbytes", [SMALL, LARGE, POOL_BYTES + 24])
def test_several_readers_do_not_see_what_the_others_do(stand: Stand, nbytes: int) -> None:
    sent = numbers(nbytes)
    slot = stand.lend(sent, 1, 2, 3, 3)
    arrays = [stand.open(slot, reader) for reader in (1, 2, 3, 3)]
    for value, array in enumerate(arrays):
        array[::7] = -value
    for value, array in enumerate(arrays):
        expected = sent.copy()
        expected[::7] = -value
        np.testing.assert_array_equal(array, expected)
    stand.give_back()
    assert stand.slab.lent == (0 if nbytes == SMALL else 1)
    while arrays:
        arrays.pop()
        del array
        stand.give_back()
        assert bool(stand.slab.lent) == bool(arrays and nbytes != SMALL)
        array = None
    assert (stand.slab.lent, stand.slab.free) == (0, POOL_BYTES)


@pytest.mark.parametrize("nbytes", [SMALL, LARGE, POOL_BYTES + 24])
def test_a_slot_that_is_used_again_never_shows_what_was_there_before(stand: Stand, nbytes: int) -> None:
    places = set()
    for turn in range(4):
        sent = numbers(nbytes, start=turn * 1_000_000)
        # Alternating, so that pages which were private meet pages which are shared.
        readers = [1, 2] if turn % 2 == 0 else [1]
        slot = stand.lend(sent, *readers)
        places.add(slot.offset)
        for reader in readers:
            array = stand.open(slot, reader)
            np.testing.assert_array_equal(array, sent)
            array += 0.5  # pages of its own from here on, where they are private
            array[-1] = -1
            del array
        stand.give_back()
    assert len(places) == 1


def test_what_a_reader_changes_in_place_is_gone_with_the_slot(stand: Stand) -> None:
    sent = numbers()
    array = stand.open(stand.lend(sent))
    array[:] = -1
    assert sent[3] == 3
    del array
    stand.give_back()
    np.testing.assert_array_equal(stand.open(stand.lend(sent)), sent)


def test_who_holds_on_to_everything_starves_nobody(stand: Stand) -> None:
    held, ways = [], []
    for turn in range(40):
        sent = numbers(MIB, start=turn)
        slot = stand.lend(sent)
        ways.append(slot.access)
        held.append(stand.open(slot))
        stand.give_back()
        np.testing.assert_array_equal(held[-1], sent)
    assert ways == [Access.IN_PLACE] * 12 + [Access.COPY_OUT] * 28
    assert stand.slab.free == POOL_BYTES // 4
    for turn, array in enumerate(held):
        assert (array[0], array[-1]) == (turn, turn + array.size - 1)
    del array
    held.clear()
    stand.give_back()
    assert stand.slab.free == POOL_BYTES
    assert stand.lend(numbers()).access is Access.IN_PLACE


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
@pytest.mark.parametrize("case", ["own view", "beyond", "beyond, own view"])
def test_what_cannot_be_mapped_is_copied(stand: Stand, monkeypatch: pytest.MonkeyPatch, code: int, case: str) -> None:
    slot = CASES[case](stand, numbers())
    stand.readers[1].open(stand.lend(numbers()))  # the pool is mapped already

    class Exhausted(mmap.mmap):
        def __new__(cls, *_: Any, **__: Any) -> Any:
            raise OSError(code, os.strerror(code))

    monkeypatch.setattr(leases_module.mmap, "mmap", Exhausted)
    array = stand.open(slot)
    np.testing.assert_array_equal(array, np.resize(numbers(), array.size))
    assert array.ctypes.data % 64 == 0
    assert slot in stand.readers[1].returned()


def test_another_fault_is_not_hidden(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    slot = stand.lend(numbers(LARGE), 1, 2)
    os.close(stand.readers[1]._segment.fileno())
    monkeypatch.setattr(stand.readers[1]._segment, "_descriptor", os.open("/dev/null", os.O_RDONLY))
    with pytest.raises((OSError, ValueError)):
        stand.open(slot)


@pytest.mark.parametrize(
    ("offset", "nbytes"),
    [(POOL_BYTES, 1), (POOL_BYTES - PAGE_BYTES, PAGE_BYTES + 1), (100, 8), (0, 0), (2**40, 8), (0, 2**50)],
)
@pytest.mark.parametrize("access", Access)
def test_a_slot_of_somebody_else_is_refused(stand: Stand, offset: int, nbytes: int, access: Access) -> None:
    with pytest.raises(WireError, match="is it another sender's"):
        stand.readers[1].open(Slot(0, 0, 0, offset, nbytes, access))
    assert stand.readers[1].returned() == []


class Knot:
    """Rubbish that only the garbage collector takes away, and what stands on a slot with it."""

    def __init__(self, content: Any) -> None:
        self.itself = self
        self.content = content


@pytest.fixture
def eager_collector() -> Iterator[None]:
    """The garbage collector at every allocation, or nearly so."""
    before = gc.get_threshold()
    gc.set_threshold(1, 1, 1)
    yield
    gc.set_threshold(*before)


@pytest.mark.usefixtures("eager_collector")
def test_slots_may_come_back_in_the_middle_of_anything(stand: Stand) -> None:
    chance, opened = random.Random(1), 0
    for turn in range(600):
        nbytes = chance.choice([SMALL, SMALL, LARGE])
        readers = chance.choice([[1], [1, 2], [1, 2, 3, 3]])
        sent = numbers(nbytes, start=turn)
        slot = stand.slab.lend(sent.data.cast("B"), readers)
        if slot is None:
            gc.collect()
            continue
        for reader in readers:
            knot = Knot(stand.open(slot, reader))
            assert (knot.content[0], knot.content[-1]) == (turn, turn + sent.size - 1)
            opened += 1
        stand.give_back()
    del knot
    gc.collect()
    stand.give_back()
    assert opened > 600
    assert [leases.held for leases in stand.readers.values()] == [0, 0, 0]
    assert (stand.slab.lent, stand.slab.free) == (0, POOL_BYTES)


def test_slots_may_come_back_in_any_thread(stand: Stand) -> None:
    seen = [0] * 4
    arrays: list[list[Any]] = [[] for _ in seen]
    ended = threading.Event()

    def drop(own: int) -> None:
        while not ended.is_set() or arrays[own]:
            if arrays[own]:
                arrays[own].pop()
                seen[own] += 1

    threads = [threading.Thread(target=drop, args=(own,)) for own in range(len(seen))]
    for thread in threads:
        thread.start()
    for turn in range(1000):
        slot = stand.slab.lend(numbers(SMALL).data.cast("B"), [1])
        if slot is not None:
            arrays[turn % len(arrays)].append(stand.open(slot))
        stand.give_back()
    ended.set()
    for thread in threads:
        thread.join()
    stand.give_back()
    assert (stand.slab.lent, stand.readers[1].held) == (0, 0)
    assert sum(seen) > 0


def test_a_slot_may_come_back_while_another_is_opened(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = stand.lend(numbers()), stand.lend(numbers(start=100))
    held = [stand.open(first)]
    frombuffer = np.frombuffer

    def drops(*arguments: Any) -> Any:
        held.clear()
        return frombuffer(*arguments)

    monkeypatch.setattr(np, "frombuffer", drops)
    view = stand.readers[1].open(second)
    assert stand.readers[1].returned() == [first]
    assert stand.readers[1].held == 1
    monkeypatch.undo()
    np.testing.assert_array_equal(np.frombuffer(view), numbers(start=100))


def test_a_reader_that_is_given_up_leaves_its_arrays_alone(stand: Stand) -> None:
    array = stand.open(stand.lend(numbers()))
    view = stand.open(stand.lend(numbers(LARGE), 1, 2))
    gone = weakref.ref(stand.readers[1])
    stand.readers.pop(1).close()
    gc.collect()
    assert gone() is None
    np.testing.assert_array_equal(array, numbers())
    np.testing.assert_array_equal(view, numbers(LARGE))
    del array, view


def test_only_so_many_slots_are_mapped_by_themselves(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases_module, "_MOST_VIEWS", 3)
    stand.open(stand.lend(numbers()))  # what is in the pool shares one mapping
    before = psutil.Process().num_fds()
    kept = [stand.open(stand.lend(numbers(MIB, start), 1, 2)) for start in range(5)]
    assert psutil.Process().num_fds() == before + 3
    assert [array[0] for array in kept] == [0, 1, 2, 3, 4]
    assert stand.readers[1].held == 3
