"""A slab between real processes: however they start and end, values are right and nothing is left."""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.util
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from real_processes import PATIENCE_S

from d4py_adaptive.errors import WireError
from d4py_adaptive.wire.leases import Leases
from d4py_adaptive.wire.slab import Segment, Slab
from d4py_adaptive.wire.slots import MIB, Access, Slot

POOL_BYTES = 16 * MIB
SMALL, LARGE, BEYOND = 50_000, MIB + 8, POOL_BYTES + 800
METHODS = ("fork", "forkserver", "spawn")

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


def numbers(nbytes: int, start: int = 0) -> np.ndarray:
    return np.arange(start, start + nbytes // 8, dtype="f8")


class Holder:
    """What a reading process does: it opens slots, changes what it got, and lets go of it when it is told to."""

    def __init__(self, leases: Leases) -> None:
        self.leases = leases
        self.arrays: dict[int, np.ndarray] = {}

    def open(self, slot: Slot) -> tuple[float, float]:
        array = np.frombuffer(self.leases.open(slot), "f8")
        self.arrays[slot.number] = array
        return float(array[0]), float(array.sum())

    def add(self, number: int, value: float) -> float:
        self.arrays[number] += value
        return float(self.arrays[number].sum())

    def drop(self, number: int) -> list[int]:
        del self.arrays[number]
        return self.returned()

    def returned(self) -> list[int]:
        return [slot.number for slot in self.leases.returned()]


def be_reader(segment: Segment, orders: Connection) -> None:
    holder = Holder(Leases(segment))
    while (order := orders.recv()) != ("end",):
        orders.send(getattr(holder, order[0])(*order[1:]))


def be_sender(segment: Segment, orders: Connection) -> None:
    """Lend to reader 1 what it is told to; never ends by itself."""
    slab = Slab(segment, 4 * POOL_BYTES)
    while True:
        orders.send(slab.lend(memoryview(numbers(*orders.recv())).cast("B"), [1]))


class Process:
    """A process at the other end, which is started with the segment."""

    def __init__(self, method: str, target: Any, segment: Segment) -> None:
        self.orders, their_orders = multiprocessing.Pipe()
        context: Any = multiprocessing.get_context(method)
        self.process = context.Process(target=target, args=(segment, their_orders), daemon=True)
        self.process.start()
        their_orders.close()

    def ask(self, *order: Any) -> Any:
        self.orders.send(order)
        return self.answer()

    def answer(self) -> Any:
        assert self.orders.poll(PATIENCE_S)
        return self.orders.recv()

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.join()

    def close(self) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it was killed
            self.orders.send(("end",))
        self.process.join(PATIENCE_S)
        assert self.process.exitcode in (0, -signal.SIGKILL)
        self.process.close()
        self.orders.close()


@pytest.fixture(params=[True, False], ids=["memory", "file"])
def in_memory(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[bool]:
    """Both kinds of memory, the one of macOS too; neither has a name at any time."""
    multiprocessing.util.get_temp_dir()  # multiprocessing's own files are not ours
    names = tmp_path / "names"
    names.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(names))
    shared = Path("/dev/shm")
    before = set(shared.iterdir()) if shared.is_dir() else set()
    yield request.param
    assert list(names.iterdir()) == []
    if shared.is_dir():
        assert [path for path in set(shared.iterdir()) - before if "d4py" in path.name] == []


@pytest.fixture
def slab(in_memory: bool) -> Iterator[Slab]:
    with closing(Slab(Segment.create(0, POOL_BYTES, in_memory), 4 * POOL_BYTES)) as made:
        yield made


@pytest.fixture
def ended() -> Iterator[ExitStack]:
    """Ends, when the test is over, the processes that it was given."""
    with ExitStack() as stack:
        yield stack


def lend(slab: Slab, array: np.ndarray, *readers: int) -> Slot:
    slot = slab.lend(memoryview(array).cast("B"), readers or [1])
    assert slot
    return slot


@pytest.mark.parametrize("method", METHODS)
def test_arrays_reach_a_process_however_it_was_started(slab: Slab, method: str) -> None:
    with closing(Process(method, be_reader, slab._segment)) as reader:
        for turn in range(3):
            sent = [numbers(nbytes, start=turn) for nbytes in (SMALL, LARGE, BEYOND)]
            slots = [lend(slab, array) for array in sent]
            for slot, array in zip(slots, sent, strict=True):
                assert reader.ask("open", slot) == (array[0], array.sum())
                assert reader.ask("add", slot.number, 1) == (array + 1).sum()
            for slot in slots:
                slab.release(1, reader.ask("drop", slot.number))
            assert (slab.lent, slab.free) == (0, POOL_BYTES)


@pytest.mark.parametrize("nbytes", [SMALL, LARGE, BEYOND])
def test_what_goes_to_all_stands_once_and_is_private_to_each(slab: Slab, ended: ExitStack, nbytes: int) -> None:
    readers = [ended.enter_context(closing(Process("fork", be_reader, slab._segment))) for _ in range(3)]
    for turn in range(3):
        sent = numbers(nbytes, start=1000 * turn)
        slot = lend(slab, sent, 0, 1, 2)
        for reader in readers:
            assert reader.ask("open", slot) == (sent[0], sent.sum()), "nothing of what was there before"
        for value, reader in enumerate(readers):
            assert reader.ask("add", slot.number, value) == (sent + value).sum()
        for value, reader in enumerate(readers):
            assert reader.ask("add", slot.number, 0) == (sent + value).sum()
        for value, reader in enumerate(readers):
            assert slab.lent == 1
            slab.release(value, reader.ask("drop", slot.number))
        assert (slab.lent, slab.free) == (0, POOL_BYTES)


def test_a_reader_that_is_killed_keeps_nothing(slab: Slab, ended: ExitStack) -> None:
    readers = {number: ended.enter_context(closing(Process("fork", be_reader, slab._segment))) for number in (1, 2)}
    slots = [lend(slab, numbers(nbytes), *to) for nbytes, to in ((LARGE, [1]), (LARGE, [1, 2]), (BEYOND, [2]))]
    readers[1].ask("open", slots[0])
    readers[1].ask("open", slots[1])
    readers[2].ask("open", slots[1])
    readers[1].kill()
    slab.forget(1)
    assert slab.lent == 2
    with pytest.raises(WireError, match="not lent to anybody"):
        slab.release(1, [slots[0].number])
    assert readers[2].ask("add", slots[1].number, 1) == (numbers(LARGE) + 1).sum()
    slab.release(2, readers[2].ask("drop", slots[1].number))
    slab.forget(2)
    assert (slab.lent, slab.free) == (0, POOL_BYTES)


def test_what_a_killed_sender_lent_stays(in_memory: bool, ended: ExitStack) -> None:
    segment = Segment.create(0, POOL_BYTES, in_memory)
    sender = ended.enter_context(closing(Process("fork", be_sender, segment)))
    leases = Leases(segment)
    slots = [sender.ask(nbytes, 7) for nbytes in (SMALL, LARGE, BEYOND)]
    opened = np.frombuffer(leases.open(slots[0]), "f8")
    sender.kill()
    np.testing.assert_array_equal(opened, numbers(SMALL, 7))
    for slot, nbytes in zip(slots[1:], (LARGE, BEYOND), strict=True):
        array = np.frombuffer(leases.open(slot), "f8")
        array += 1
        np.testing.assert_array_equal(array, numbers(nbytes, 7) + 1)
    del opened, array
    assert sorted(slot.number for slot in leases.returned()) == [0, 1, 2]
    leases.close()


def test_a_reader_that_lets_go_of_nothing_makes_nobody_wait(slab: Slab) -> None:
    with closing(Process("fork", be_reader, slab._segment)) as reader:
        ways = []
        for turn in range(30):
            slot = lend(slab, numbers(MIB, start=turn))
            ways.append(slot.access)
            assert reader.ask("open", slot)[0] == turn
            slab.release(1, reader.ask("returned"))
        assert ways == [Access.IN_PLACE] * 12 + [Access.COPY_OUT] * 18
        slots = [slab.lend(bytes(MIB), [1]) for _ in range(5)]  # none of these is taken by the reader
        assert [slot is None for slot in slots] == [False] * 4 + [True]
        for turn in range(30):
            assert reader.ask("add", turn, 0) == numbers(MIB, start=turn).sum()


WAYS = {
    "in place": (SMALL, [1], Access.IN_PLACE),
    "own view": (LARGE, [1, 2], Access.OWN_VIEW),
    "copied": (SMALL, [1, 2], Access.COPY_OUT),
    "beyond": (BEYOND, [1], Access.IN_PLACE),
    "beyond, own view": (BEYOND, [1, 2], Access.OWN_VIEW),
}


class Fork:
    """A copy of this process that says whether it holds true what it is to, once it is asked to look."""

    def __init__(self, array: np.ndarray, expected: np.ndarray) -> None:
        self.ours, theirs = socket.socketpair()
        self.ours.settimeout(PATIENCE_S)
        self.pid = os.fork()
        if self.pid == 0:
            signal.alarm(2 * int(PATIENCE_S))  # nobody may be left to ask
            try:
                array[1] = expected[1] = -17  # nobody else may see this
                theirs.send(b"changed")
                theirs.recv(1)
                theirs.send(b"right" if np.array_equal(array, expected) else b"wrong")
            finally:
                os._exit(0)
        theirs.close()
        assert self.ours.recv(7) == b"changed"

    def verdict(self) -> bytes:
        self.ours.send(b"?")
        return self.ours.recv(5)

    def close(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.ours.close()


@pytest.mark.parametrize("way", WAYS)
def test_a_fork_in_the_middle_has_memory_of_its_own(slab: Slab, ended: ExitStack, way: str) -> None:
    nbytes, readers, access = WAYS[way]
    leases = Leases(Segment(0, os.dup(slab._segment.fileno()), POOL_BYTES))
    slot = lend(slab, numbers(nbytes), *readers)
    assert slot.access is access
    array, expected = np.frombuffer(leases.open(slot), "f8"), numbers(nbytes)
    array[0] = expected[0] = 5
    first = ended.enter_context(closing(Fork(array, expected.copy())))
    np.testing.assert_array_equal(array, expected)
    array[2] = expected[2] = 6
    second = ended.enter_context(closing(Fork(array, expected.copy())))
    np.testing.assert_array_equal(array, expected)

    # The place is used again, and what is new shows here, but not in the copies of this process.
    del array
    for returned in leases.returned():
        for reader in readers:
            slab.release(reader, [returned.number])
    again = lend(slab, numbers(nbytes, start=100), *readers)
    assert again.offset == slot.offset
    later = np.frombuffer(leases.open(again), "f8")
    np.testing.assert_array_equal(later, numbers(nbytes, start=100))
    later += 1
    assert (first.verdict(), second.verdict()) == (b"right", b"right")
    np.testing.assert_array_equal(later, numbers(nbytes, start=100) + 1)
    del later
    leases.close()


ENDS = """
import atexit, gc, os, sys, threading
import numpy as np
from d4py_adaptive.wire.leases import Leases
from d4py_adaptive.wire.slab import Segment, Slab

segment = Segment.create(0, 16 * 2**20, in_memory=sys.argv[2] == "True")
slab = Slab(segment, 2**30)
leases = Leases(Segment(0, os.dup(segment.fileno()), segment.pool_bytes))
held = []
for nbytes, readers in ((50_000, [1]), (2**20 + 8, [1, 2]), (17 * 2**20, [1]), (17 * 2**20, [1, 2])):
    array = np.frombuffer(leases.open(slab.lend(bytes(nbytes), readers)), "u1")
    array += 1
    held.append(array[5:])

class Knot:
    pass

knot = Knot()
knot.itself, knot.held = knot, held
sys.modules["somewhere"] = knot
way = sys.argv[1]
if way == "at exit":
    atexit.register(lambda: (held.clear(), gc.collect(), slab.release(1, [slot.number for slot in leases.returned()])))
elif way == "closed":
    leases.close()
    slab.close()
elif way == "raises":
    raise SystemExit(0)
elif way == "thread":
    threading.Thread(target=lambda: threading.main_thread().join() or held.pop()).start()
print(len(held), held[0][0], held[3][-1])
"""


@pytest.mark.parametrize("way", ["plainly", "at exit", "closed", "raises", "thread"])
def test_a_process_may_end_with_slots_open(in_memory: bool, way: str) -> None:
    command = [sys.executable, "-X", "dev", "-W", "error", "-W", "ignore::ResourceWarning", "-c", ENDS]
    done = subprocess.run([*command, way, str(in_memory)], capture_output=True, text=True, timeout=PATIENCE_S)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == ("" if way == "raises" else "4 1 1\n")
