"""What workers lend each other, several of them in one process: who has what when, and that nobody sees stale data."""

from __future__ import annotations

import os
import random
from array import array as numbers_array
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, ClassVar

import numpy as np
import pytest

from d4py_adaptive import ConsumerPE, GenericPE, IterativePE, ProducerPE
from d4py_adaptive.errors import WireError
from d4py_adaptive.mappings.job import Job
from d4py_adaptive.mappings.lending import RETURN_SLOTS, Lending
from d4py_adaptive.mappings.process import _Links, _take_in
from d4py_adaptive.mappings.worker import Worker
from d4py_adaptive.telemetry.board import Board
from d4py_adaptive.wire.encoding import Buffer, Encoded, PlainWire
from d4py_adaptive.wire.frame import Frame, Kind, read_frames
from d4py_adaptive.wire.slab import PAGE_BYTES, Segment, Slab
from d4py_adaptive.wire.slots import MIB, Access, SlabSize, Slot

Make = Callable[..., Any]

POOL_BYTES = 8 * MIB
SMALL, LARGE, BEYOND = 40_000, MIB + 80, POOL_BYTES + 800
WIRE = PlainWire()


def numbers(nbytes: int = SMALL, start: int = 0) -> np.ndarray:
    return np.arange(start, start + nbytes // 8, dtype="f8")


class Stand:
    """Some workers' lendings, each with descriptors of its own, as it would have in a process of its own."""

    def __init__(self, workers: int, pool_bytes: int = POOL_BYTES) -> None:
        self.segments = {number: Segment.create(number, pool_bytes) for number in range(workers)}
        size = SlabSize(pool_bytes, 8 * pool_bytes)
        self.lendings = [Lending(self.seen(), number, size) for number in range(workers)]

    def seen(self) -> dict[int, Segment]:
        return {n: Segment(n, os.dup(segment.fileno()), segment.pool_bytes) for n, segment in self.segments.items()}

    def slab(self, worker: int) -> Slab:
        slab = self.lendings[worker]._slab
        assert slab is not None
        return slab

    def lent(self) -> list[int]:
        return [self.slab(worker).lent for worker in range(len(self.lendings))]

    def write(self, sender: int, item: object, *readers: int, is_alone: bool = False) -> Frame:
        """The frame with an item, as it arrives: made of bytes again."""
        keep = partial(self.lendings[sender].keep, workers=readers, is_alone=is_alone)
        return through_bytes(Frame(Kind.DATA, ports=[0], items=[WIRE.encode(item, keep)]))

    def read(self, reader: int, frame: Frame) -> Any:
        (frame,) = read_frames(frame.parts())
        self.lendings[reader].open(frame)
        return WIRE.decode(frame.items[0].body, frame.items[0].buffers)

    def give_back(self, reader: int, is_idle: bool = True) -> list[int]:
        """Let a reader give back what it can; to whom."""
        returned = list(self.lendings[reader].returns(is_idle))
        for lender, frame in returned:
            self.lendings[lender].take_back(reader, through_bytes(frame))
        return [lender for lender, _ in returned]

    def close(self) -> None:
        for lending in self.lendings:
            for leases in lending._leases.values():
                leases.close()
        for worker in range(len(self.lendings)):
            self.slab(worker).close()
        for segment in self.segments.values():
            segment.close()


def through_bytes(frame: Frame) -> Frame:
    (again,) = read_frames([b"".join(map(bytes, frame.parts()))])
    return again


def buffer_of(frame: Frame) -> Buffer | Slot:
    (buffer,) = frame.items[0].buffers
    return buffer


def slot_of(frame: Frame) -> Slot:
    buffer = buffer_of(frame)
    assert isinstance(buffer, Slot)
    return buffer


@pytest.fixture
def make_stand() -> Iterator[Callable[..., Stand]]:
    made: list[Stand] = []

    def make(*arguments: int) -> Stand:
        made.append(Stand(*arguments))
        return made[-1]

    yield make
    for stand in made:
        stand.close()


@pytest.fixture
def stand(make_stand: Make) -> Stand:
    made: Stand = make_stand(4)
    return made


# Lending and giving back.


def test_a_large_buffer_is_lent_and_comes_back_when_it_is_not_needed(stand: Stand) -> None:
    sent = numbers()
    frame = stand.write(0, sent, 1)
    slot = slot_of(frame)
    assert (slot.owner, slot.lender, slot.nbytes, slot.access) == (0, 0, SMALL, Access.IN_PLACE)
    sent[:] = -1
    got = stand.read(1, frame)
    np.testing.assert_array_equal(got, numbers())
    assert (stand.give_back(1), stand.lent()) == ([], [1, 0, 0, 0])
    del got
    assert (stand.give_back(1), stand.lent()) == ([0], [0, 0, 0, 0])
    assert stand.slab(0).free == POOL_BYTES


def test_where_there_is_no_room_the_bytes_travel(stand: Stand) -> None:
    frames = [stand.write(0, numbers(MIB, start), 1) for start in range(9)]
    assert [isinstance(buffer_of(frame), Slot) for frame in frames] == [True] * 8 + [False]
    held = [stand.read(1, frame) for frame in frames]
    assert [array[0] for array in held] == list(range(9))
    assert all(array.flags.writeable for array in held)
    del frames
    held.clear()
    stand.give_back(1)
    assert isinstance(buffer_of(stand.write(0, numbers(), 1)), Slot)


def test_without_memory_of_its_own_a_worker_lends_nothing(stand: Stand) -> None:
    lending = Lending({1: stand.seen()[1]}, 0, SlabSize(POOL_BYTES, 0))
    sent = bytearray(SMALL)
    kept = lending.keep(memoryview(sent), [1], is_alone=False)
    sent[:] = b"x" * SMALL
    assert kept == bytes(SMALL)
    lending.take_back(1, Frame(Kind.CREDIT))


def test_who_may_keep_nothing_copies(stand: Stand) -> None:
    """The launcher, whose results outlive the run."""
    lending = Lending(stand.seen(), -1, SlabSize(POOL_BYTES, 0), keeps=False)
    frame = stand.write(0, numbers(), -1)
    lending.open(frame)
    got = WIRE.decode(frame.items[0].body, frame.items[0].buffers)
    ((lender, returned),) = lending.returns(is_idle=True)
    stand.lendings[lender].take_back(-1, returned)
    assert stand.lent() == [0] * 4
    stand.write(0, numbers(start=500), 1)
    np.testing.assert_array_equal(got, numbers())
    got += 1


def test_a_frame_without_large_buffers_is_left_alone(stand: Stand) -> None:
    item = Encoded(b"body", (), 4)
    frame = Frame(Kind.DATA, ports=[0], items=[item])
    stand.lendings[1].open(frame)
    assert frame.items == [item]
    assert frame.items[0] is item


def test_a_busy_reader_gives_back_once_it_is_worth_a_frame(stand: Stand) -> None:
    for number in range(RETURN_SLOTS):
        assert stand.give_back(1, is_idle=False) == []
        stand.read(1, stand.write(0, numbers(), 1))
        stand.read(1, stand.write(2, numbers(), 1)) if number == 0 else None
    assert stand.lent() == [RETURN_SLOTS, 0, 1, 0]
    assert stand.give_back(1, is_idle=False) == [0]
    assert stand.lent() == [0, 0, 1, 0]
    assert stand.give_back(1, is_idle=True) == [2]
    assert stand.lent() == [0, 0, 0, 0]
    assert stand.give_back(1, is_idle=True) == []


def test_what_allows_more_takes_along_what_is_done_with(stand: Stand) -> None:
    frames = [Frame(Kind.CREDIT, 1, 0, 77, number=5, credit_bytes=9) for _ in range(3)]
    stand.read(1, stand.write(0, numbers(), 1))
    held = stand.read(1, stand.write(0, numbers(), 1))
    for frame, lender in zip(frames, (2, 0, 0), strict=True):
        stand.lendings[1].give_back_with(lender, frame)
    assert [len(frame.items) for frame in frames] == [0, 1, 0]
    credit = through_bytes(frames[1])
    assert (credit.first, credit.number, credit.credit_bytes) == (77, 5, 9)
    stand.lendings[0].take_back(1, credit)
    assert stand.lent() == [1, 0, 0, 0]
    stand.lendings[0].take_back(1, frames[0])
    del held
    assert stand.give_back(1) == [0]


def returning(*slots: int) -> Frame:
    body = numbers_array("Q", slots).tobytes()
    return Frame(Kind.RETURN, ports=[0], items=[Encoded(body, (), len(body))])


@pytest.mark.parametrize("number", [7, 2**63, 2**63 + 7])
def test_what_was_not_lent_cannot_come_back(stand: Stand, number: int) -> None:
    with pytest.raises(WireError):
        stand.lendings[0].take_back(1, returning(number))


def test_what_was_lent_comes_back_from_its_reader_once(stand: Stand) -> None:
    slot = slot_of(stand.write(0, numbers(), 1))
    with pytest.raises(WireError, match="from reader 2, and is lent to"):
        stand.lendings[0].take_back(2, returning(slot.number))
    stand.lendings[0].take_back(1, returning(slot.number))
    with pytest.raises(WireError, match="not lent to anybody"):
        stand.lendings[0].take_back(1, returning(slot.number))


# Lending on.


@pytest.mark.parametrize("nbytes", [SMALL, LARGE, BEYOND])
def test_what_arrived_and_is_written_again_alone_goes_on_as_it_is(stand: Stand, nbytes: int) -> None:
    first = stand.write(0, numbers(nbytes), 1)
    free = stand.slab(0).free
    array = stand.read(1, first)
    array += 1
    second = stand.write(1, array, 2, is_alone=True)
    del array
    array = stand.read(2, second)
    array += 1
    third = stand.write(2, array, 3, is_alone=True)
    del array
    slots = [slot_of(frame) for frame in (first, second, third)]
    assert {(slot.owner, slot.offset, slot.nbytes, slot.access) for slot in slots} == {
        (0, slots[0].offset, nbytes, Access.IN_PLACE)
    }
    assert [slot.lender for slot in slots] == [0, 1, 2]
    array = stand.read(3, third)
    np.testing.assert_array_equal(array, numbers(nbytes) + 2)
    assert (stand.lent(), stand.slab(0).free) == ([1, 0, 0, 0], free)

    assert [stand.give_back(reader) for reader in (1, 2, 3)] == [[], [], []], "the last one has it"
    del array
    assert [stand.give_back(reader) for reader in (1, 2)] == [[], []]
    for reader in (3, 2, 1):
        assert stand.lent() == [1, 0, 0, 0]
        assert stand.give_back(reader) == [reader - 1]
    assert (stand.lent(), stand.slab(0).free) == ([0, 0, 0, 0], POOL_BYTES)


def test_what_comes_home_is_read_too(stand: Stand) -> None:
    """The buffer of an item that went there and back stands on the reader's own slab."""
    array = stand.read(1, stand.write(0, numbers(), 1))
    array += 1
    back = stand.write(1, array, 0, is_alone=True)
    del array
    array = stand.read(0, back)
    np.testing.assert_array_equal(array, numbers() + 1)
    array += 1
    again = stand.write(0, array, 1, is_alone=True)
    del array
    array = stand.read(1, again)
    np.testing.assert_array_equal(array, numbers() + 2)
    del array
    for _ in range(4):
        for worker in (0, 1):
            stand.give_back(worker)
    assert (stand.lent(), stand.slab(0).free) == ([0] * 4, POOL_BYTES)


def test_several_arrays_of_an_item_go_on_each_for_itself(stand: Stand) -> None:
    item = stand.read(1, stand.write(0, {"a": numbers(), "b": [numbers(start=5)], "c": numbers(start=9)}, 1))
    item["c"] = item["c"][1:]
    item["d"] = numbers(start=20)
    frame = stand.write(1, item, 2, is_alone=True)
    assert [isinstance(slot, Slot) and (slot.owner, slot.lender) for slot in frame.items[0].buffers] == [
        (0, 1), (0, 1), (1, 1), (1, 1),
    ]  # fmt: skip
    del item
    stand.give_back(1)
    assert stand.lent() == [2, 2, 0, 0]
    item = stand.read(2, frame)
    assert [item["a"][0], item["b"][0][0], item["c"][0], item["d"][0]] == [0, 5, 10, 20]
    del item
    for reader in (2, 1):
        stand.give_back(reader)
    assert stand.lent() == [0] * 4


@pytest.mark.parametrize(("nbytes", "access"), [(SMALL, Access.COPY_OUT), (LARGE, Access.OWN_VIEW)])
def test_what_others_read_too_does_not_go_on(stand: Stand, nbytes: int, access: Access) -> None:
    first = stand.write(0, numbers(nbytes), 1, 2)
    assert slot_of(first).access is access
    array = stand.read(1, first)
    array += 1
    second = slot_of(stand.write(1, array, 3, is_alone=True))
    assert (second.owner, second.lender) == (1, 1)
    np.testing.assert_array_equal(stand.read(2, first), numbers(nbytes))


def test_what_was_copied_since_the_pool_ran_low_does_not_go_on(stand: Stand) -> None:
    stand.write(0, numbers(7 * MIB), 3)
    first = stand.write(0, numbers(), 1)
    assert slot_of(first).access is Access.COPY_OUT
    array = stand.read(1, first)
    assert slot_of(stand.write(1, array, 2, is_alone=True)).owner == 1


def test_what_a_fork_may_still_read_does_not_go_on(stand: Stand) -> None:
    array = stand.read(1, stand.write(0, numbers(), 1))
    stand.lendings[1]._leases[0].make_private()
    array += 1
    frame = stand.write(1, array, 2, is_alone=True)
    assert slot_of(frame).owner == 1
    np.testing.assert_array_equal(stand.read(2, frame), numbers() + 1)


VIEWS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "part": lambda array: array[1:],
    "every other": lambda array: array[::2],
    "reversed": lambda array: array[::-1],
    "twice over": lambda array: np.broadcast_to(array, (2, array.size)),
    "windows": lambda array: np.lib.stride_tricks.sliding_window_view(array, array.size // 2),
    "copied": lambda array: array.copy(),
    "new": lambda array: array + 0,
    "whole": lambda array: array[:],
    "reshaped": lambda array: array.reshape(50, -1),
    "fortran": lambda array: array.reshape(50, -1).T,
    "another type": lambda array: array.view("i4"),
}


@pytest.mark.parametrize("name", VIEWS)
def test_only_the_whole_of_what_arrived_goes_on(stand: Stand, name: str) -> None:
    array = stand.read(1, stand.write(0, numbers(), 1))
    view = VIEWS[name](array)
    del array
    expected = VIEWS[name](numbers())
    frame = stand.write(1, view, 2, is_alone=True)
    lenders = [slot.lender for slot in frame.items[0].buffers if isinstance(slot, Slot) and slot.owner == 0]
    assert lenders == ([1] if name in ("whole", "reshaped", "fortran", "another type") else [])
    del view
    got = stand.read(2, frame)
    np.testing.assert_array_equal(got, expected)
    assert (got.dtype, got.shape) == (expected.dtype, expected.shape)
    del got
    stand.give_back(2)
    stand.give_back(1)
    assert stand.lent() == [0] * 4


def test_several_readers_and_a_reader_here_get_a_copy(stand: Stand) -> None:
    array = stand.read(1, stand.write(0, numbers(LARGE), 1))
    for readers, is_alone in (((2, 3), True), ((2, 2), True), ((2,), False)):
        assert slot_of(stand.write(1, array, *readers, is_alone=is_alone)).owner == 1


def test_what_is_no_array_of_ours_is_copied(stand: Stand) -> None:
    own = np.frombuffer(bytearray(SMALL), "f8")
    for item in (numbers(), own, own[:], numbers().reshape(10, -1).T, bytearray(SMALL)):
        raw = memoryview(item).cast("B") if isinstance(item, bytearray) else memoryview(item)
        kept = stand.lendings[1].keep(memoryview(bytes(raw)), [2], is_alone=True)
        assert isinstance(kept, Slot)
        frame = stand.write(1, item, 2, is_alone=True)
        assert all(slot.owner == 1 for slot in frame.items[0].buffers if isinstance(slot, Slot))


# In workers, which decide what is alone.


class Connection:
    """A way from one worker to another in this process; what is sent waits as bytes."""

    def __init__(self) -> None:
        self.waiting: deque[bytes] = deque()

    def send(self, frame: Frame) -> None:
        self.waiting.append(b"".join(map(bytes, frame.parts())))


class Flow:
    """The workers of a job and what they lend each other; frames wait until they are delivered."""

    def __init__(self, job: Job, stand: Stand) -> None:
        self.stand = stand
        self.slots: list[Slot] = []
        workers = range(job.plan.workers)
        self.ways = {number: {other: Connection() for other in (-1, *workers)} for number in workers}
        board = Board(job.workflow, job.plan, None)
        self.workers = [Worker(job, number, board, self.links(number)) for number in workers]

    def links(self, number: int) -> _Links:
        lending = self.stand.lendings[number]
        ways: Any = self.ways[number]
        links = _Links(ways, lending)

        def keep(buffer: memoryview, workers: Sequence[int], is_alone: bool) -> Buffer | Slot:
            kept = lending.keep(buffer, workers, is_alone)
            if isinstance(kept, Slot):
                self.slots.append(kept)
            return kept

        links.keep = keep  # type: ignore[method-assign]
        return links

    def run(self) -> None:
        while any([*(worker.step() for worker in self.workers if not worker.aborted), self.deliver()]):
            pass
        assert [worker.failure for worker in self.workers] == [None] * len(self.workers)
        assert all(worker.finished for worker in self.workers)

    def deliver(self) -> bool:
        delivered = False
        for number, ways in self.ways.items():
            for other, way in ways.items():
                while other >= 0 and way.waiting:
                    frames = read_frames([way.waiting.popleft()])
                    _take_in(number, frames, self.workers[other], self.stand.lendings[other])
                    delivered = True
            for lender, frame in self.stand.lendings[number].returns(is_idle=True):
                ways[lender].send(frame)
                delivered = True
        return delivered

    def settle(self) -> None:
        """Give back all there is to give back."""
        while self.deliver():
            pass

    @property
    def lent_on(self) -> list[Slot]:
        return [slot for slot in self.slots if slot.lender != slot.owner]


@pytest.fixture
def make_flow(make_job: Make, make_stand: Make) -> Callable[..., Flow]:
    def make(pes: list[GenericPE], connections: Any, places: Sequence[Any], pool_bytes: int = POOL_BYTES) -> Flow:
        names = [f"{type(pe).__name__}{number}" for number, pe in enumerate(pes)]
        stages = [
            (names[number], place if isinstance(place, tuple) else (place,)) for number, place in enumerate(places)
        ]
        job = make_job(pes, connections, stages, 1)
        return Flow(job, make_stand(job.plan.workers, pool_bytes))

    return make


class Source(ProducerPE):
    nbytes = SMALL
    items = 4

    def _process(self, inputs: Any) -> None:
        for start in range(self.items):
            self.write("output", numbers(self.nbytes, start))


class Sink(ConsumerPE):
    kept: ClassVar[list[Any]] = []

    def _process(self, data: Any) -> None:
        data += 100
        self.kept.append(data)


class Quiet(ConsumerPE):
    """Keeps nothing."""

    sums: ClassVar[list[float]] = []

    def _process(self, data: Any) -> None:
        data += 100
        self.sums.append(float(data[0]))


class Passes(IterativePE):
    def _process(self, data: Any) -> Any:
        return data


class Adds(IterativePE):
    def _process(self, data: Any) -> Any:
        data += 1
        return data


class Writes(IterativePE):
    def _process(self, data: Any) -> None:
        self.write("output", data)


class Keeps(IterativePE):
    """Keeps something of what it passes on, and finds it unchanged at the end."""

    def __init__(self, keep: Callable[[Any], Any], unkeep: Callable[[Any], Any] = np.asarray) -> None:
        super().__init__()
        self.keep, self.unkeep = keep, unkeep
        self.held: list[Any] = []

    def _process(self, data: Any) -> Any:
        self.held.append(self.keep(data))
        return data

    def _postprocess(self) -> None:
        for start, held in enumerate(self.held):
            np.testing.assert_array_equal(np.asarray(self.unkeep(held)).view("f8")[:7], numbers(start=start)[:7])
        self.held.clear()


class Parts(IterativePE):
    def _process(self, data: Any) -> None:
        half = len(data) // 2
        self.write("output", data[:half])
        self.write("output", data[half:])


class Twice(IterativePE):
    def _process(self, data: Any) -> None:
        self.write("output", data)
        self.write("output", data)


@pytest.fixture(autouse=True)
def nothing_kept() -> Iterator[None]:
    yield
    Sink.kept.clear()
    Quiet.sums.clear()


def chain(length: int) -> list[tuple[int, str, int, str]]:
    return [(number, "output", number + 1, "input") for number in range(length - 1)]


@pytest.mark.parametrize("nbytes", [SMALL, LARGE, BEYOND])
def test_a_chain_of_workers_passes_an_array_on_without_a_copy(make_flow: Make, nbytes: int) -> None:
    source = Source()
    source.nbytes, source.items = nbytes, 1
    flow: Flow = make_flow([source, Passes(), Adds(), Sink()], chain(4), range(4))
    flow.run()
    assert [(slot.owner, slot.lender, slot.offset) for slot in flow.slots] == [
        (0, lender, flow.slots[0].offset) for lender in (0, 1, 2)
    ]
    np.testing.assert_array_equal(Sink.kept[0], numbers(nbytes) + 101)
    flow.settle()
    assert flow.stand.lent() == [1, 0, 0, 0]
    np.testing.assert_array_equal(Sink.kept[0], numbers(nbytes) + 101)
    Sink.kept.clear()
    flow.settle()
    assert flow.stand.lent() == [0] * 4
    assert [flow.stand.slab(worker).free for worker in range(4)] == [POOL_BYTES] * 4


def test_what_process_returns_goes_on_and_what_a_local_holds_is_copied(make_flow: Make) -> None:
    flow: Flow = make_flow([Source(), Passes(), Sink()], chain(3), range(3))
    flow.run()
    assert len(flow.lent_on) == 4
    flow = make_flow([Source(), Writes(), Sink()], chain(3), range(3))
    flow.run()
    assert len(flow.slots) == 8, "an item that a local of the PE still holds is not alone"
    assert flow.lent_on == []
    assert [array[0] for array in Sink.kept] == [100, 101, 102, 103] * 2


def test_an_array_goes_there_and_back(make_flow: Make) -> None:
    flow: Flow = make_flow([Source(), Adds(), Adds(), Quiet()], chain(4), [0, 1, 0, 1])
    flow.run()
    assert Quiet.sums == [102, 103, 104, 105]
    flow.settle()
    assert flow.stand.lent() == [0, 0]


KEPT: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "the array": (lambda data: data, np.asarray),
    "a view": (lambda data: data[:7], np.asarray),
    "a view of a view": (lambda data: data[:100][:50].reshape(5, 10)[0], np.asarray),
    "another type": (lambda data: data.view("u1"), np.asarray),
    "a memoryview": (memoryview, np.asarray),
    "a part of a memoryview": (lambda data: memoryview(data)[:10], np.asarray),
    "its data": (lambda data: data.data, np.asarray),
    "its base": (lambda data: data.base, np.asarray),
    "its base's base": (lambda data: data.base.base, lambda held: np.frombuffer(held, "f8")),
    "what that stands on": (lambda data: data.base.base.obj, lambda held: np.frombuffer(held, "f8")),
    "in a dict": (lambda data: {"data": data}, lambda held: held["data"]),
    "in a closure": (lambda data: lambda: data, lambda held: held()),
    "its ctypes": (lambda data: data.ctypes, lambda held: np.ctypeslib.as_array(held.data_as(POINTER), (7,))),
    "an iterator": (iter, lambda held: np.fromiter(held, "f8")),
    "its flat": (lambda data: data.flat, np.asarray),
    "a method": (lambda data: data.sum, lambda held: held.__self__),
}
POINTER = np.ctypeslib.ctypes.POINTER(np.ctypeslib.ctypes.c_double)


@pytest.mark.parametrize("name", KEPT)
def test_what_a_pe_keeps_something_of_does_not_go_on(make_flow: Make, name: str) -> None:
    flow: Flow = make_flow([Source(), Keeps(*KEPT[name]), Sink()], chain(3), range(3))
    flow.run()
    assert len(flow.slots) == 8
    assert flow.lent_on == []
    for start, array in enumerate(Sink.kept):
        np.testing.assert_array_equal(array, numbers(start=start) + 100)


def test_parts_and_what_is_written_twice_are_copied(make_flow: Make) -> None:
    source = Source()
    source.nbytes = 2 * SMALL
    flow: Flow = make_flow([source, Parts(), Twice(), Sink()], chain(4), range(4))
    flow.run()
    assert flow.lent_on == []
    firsts = [start + half * (SMALL // 8) + 100 for start in range(4) for half in (0, 1) for _ in range(2)]
    assert [array[0] for array in Sink.kept] == firsts
    assert [array[-1] - array[0] for array in Sink.kept] == [SMALL // 8 - 1] * 16


@pytest.mark.parametrize("nbytes", [SMALL, LARGE])
@pytest.mark.parametrize("places", [[0, 1, 2, 3], [0, 1, 2, 1], [0, 1, 1, 2]])
def test_what_has_several_readers_does_not_go_on(make_flow: Make, nbytes: int, places: list[int]) -> None:
    class Other(Sink):
        kept: ClassVar[list[Any]] = []

    source = Source()
    source.nbytes = nbytes
    streams = [(0, "output", 1, "input"), (1, "output", 2, "input"), (1, "output", 3, "input")]
    flow: Flow = make_flow([source, Passes(), Sink(), Other()], streams, places)
    flow.run()
    assert flow.lent_on == []
    for kept in (Sink.kept, Other.kept):
        for start, array in enumerate(kept):
            np.testing.assert_array_equal(array, numbers(nbytes, start) + 100)
    assert len(Sink.kept) == len(Other.kept) == 4


@pytest.mark.parametrize("nbytes", [SMALL, LARGE])
@pytest.mark.parametrize("order", [(2, 3), (3, 2)])
def test_what_a_fused_reader_gets_too_does_not_go_on(
    make_job: Make, make_stand: Make, nbytes: int, order: tuple[int, int]
) -> None:
    class Other(Sink):
        kept: ClassVar[list[Any]] = []

    source = Source()
    source.nbytes = nbytes
    streams = [(0, "output", 1, "input"), *((1, "output", reader, "input") for reader in order)]
    stages = [("Source0", (0,)), ("Passes1 Sink2", (1,)), ("Other3", (2,))]
    flow = Flow(make_job([source, Passes(), Sink(), Other()], streams, stages, 1), make_stand(3))
    flow.run()
    assert flow.lent_on == []
    for kept in (Sink.kept, Other.kept):
        assert len(kept) == 4
        for start, array in enumerate(kept):
            np.testing.assert_array_equal(array, numbers(nbytes, start) + 100)


def test_a_fused_chain_passes_on_what_arrived_too(make_job: Make, make_stand: Make) -> None:
    stages = [("Source0", (0,)), ("Passes1 Adds2", (1,)), ("Quiet3", (2,))]
    flow = Flow(make_job([Source(), Passes(), Adds(), Quiet()], chain(4), stages, 1), make_stand(3))
    flow.run()
    assert Quiet.sums == [101, 102, 103, 104]
    assert len(flow.lent_on) == 4
    flow.settle()
    assert flow.stand.lent() == [0, 0, 0]


@pytest.mark.parametrize("nbytes", [SMALL, LARGE])
def test_what_was_broadcast_does_not_go_on(make_flow: Make, nbytes: int) -> None:
    source, adds = Source(), Adds()
    source.nbytes = nbytes
    adds.inputconnections["input"]["grouping"] = "all"
    flow: Flow = make_flow([source, adds, Sink()], chain(3), [0, (1, 2), 3])
    flow.run()
    assert flow.lent_on == []
    assert sorted(array[0] for array in Sink.kept) == [101, 101, 102, 102, 103, 103, 104, 104]


@pytest.mark.parametrize("places", [[0, 1, 2, 3, 4, 5], [0, 1, 2, 1, 2, 3]])
def test_a_place_that_is_used_again_shows_nothing_of_before(make_flow: Make, places: list[int]) -> None:
    """A pool of a few pages, each used hundreds of times by chains that pass on, keep, change and copy."""

    class Restless(IterativePE):
        """Does with each array one of the things a PE may do, and checks all that it still has."""

        def __init__(self, seed: int) -> None:
            super().__init__()
            self.chance = random.Random(seed)
            self.held: list[tuple[Any, Any]] = []

        def _process(self, data: Any) -> Any:
            array, value = data
            assert (array == value).all(), "what arrives is what was written"
            for held, expected in self.held:
                assert (held == expected).all(), "what is kept stays as it is"
            do = self.chance.randrange(6)
            if do == 0:
                self.held = [*self.held[-3:], (array, value)]
            elif do == 1:
                self.held = [*self.held[-3:], (array[100:200], value)]
            elif do == 2:
                array += 1
                value += 1
            elif do == 3:
                array = array + 0
            elif do == 4:
                self.held.clear()
            return array, value

    class Many(ProducerPE):
        def _process(self, inputs: Any) -> None:
            chance = random.Random(7)
            for number in range(400):
                self.write("output", (np.full(chance.choice([2500, 3000, 9000]), 1000.0 * number), 1000 * number))

    class Last(ConsumerPE):
        seen = 0

        def _process(self, data: Any) -> None:
            array, value = data
            assert (array == value).all()
            array[:] = -1
            Last.seen += 1

    pes = [Many(), *(Restless(seed) for seed in range(4)), Last()]
    flow: Flow = make_flow(pes, chain(6), places, 40 * PAGE_BYTES)
    flow.run()
    assert Last.seen == 400
    assert len({slot.offset for slot in flow.slots}) < 40
    assert flow.lent_on
    for worker in flow.workers:
        for replica in worker.replicas:
            for instance in replica.instances.values():
                vars(instance.pe).pop("held", None)
    flow.settle()
    assert flow.stand.lent() == [0] * len(flow.workers)
