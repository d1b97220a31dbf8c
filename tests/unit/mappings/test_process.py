"""The parts of a worker process's life that need no process: orders, reports, frames in and out."""

import selectors
import socket
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np
import pytest

from d4py_adaptive import ConsumerPE, ProducerPE
from d4py_adaptive.errors import RunError, WireError
from d4py_adaptive.mappings.job import Job
from d4py_adaptive.mappings.lending import RETURN_SLOTS, Lending
from d4py_adaptive.mappings.links import LAUNCHER
from d4py_adaptive.mappings.process import _await_job, _Links, _obey, _report, _take_in, _watch_writable
from d4py_adaptive.mappings.sockets import Connection, message, read_message
from d4py_adaptive.wire.encoding import PlainWire
from d4py_adaptive.wire.frame import Frame, Kind
from d4py_adaptive.wire.slab import Segment
from d4py_adaptive.wire.slots import MIB, SlabSize, Slot

Make = Callable[..., Any]


@pytest.fixture
def ends() -> Iterator[tuple[Connection, Connection]]:
    launcher, worker = socket.socketpair()
    with launcher, worker:
        yield Connection(launcher), Connection(worker)


@pytest.fixture
def lendings() -> Iterator[list[Lending]]:
    """What workers 0 and 1 lend to each other."""
    segments = [Segment.create(number, MIB) for number in (0, 1)]
    yield [Lending(dict(enumerate(segments)), number, SlabSize(MIB, MIB)) for number in (0, 1)]
    for segment in segments:
        segment.close()


class Fails(ProducerPE):
    def _process(self, inputs: Any) -> int:
        raise ValueError("no")


class Numbers(ProducerPE):
    def _process(self, inputs: Any) -> int:
        return 1


def heard(connection: Connection) -> list[Any]:
    return [read_message(frame) for frame in connection.receive()]


def test_lines_and_events_go_to_the_launcher(ends: tuple[Connection, Connection], lendings: list[Lending]) -> None:
    launcher, worker = ends
    links = _Links({LAUNCHER: worker}, lendings[0])
    links.line("A[0]", "text")
    links.event({"event": "digest"})
    assert heard(launcher) == [("line", "A[0]", "text"), ("event", {"event": "digest"})]


@pytest.mark.parametrize(
    ("order", "goodbye", "stopping", "aborted"),
    [("stop", False, True, False), ("abort", True, False, True), ("goodbye", True, False, False)],
)
def test_orders(make_bench: Make, order: str, goodbye: bool, stopping: bool, aborted: bool) -> None:
    worker = make_bench([Numbers()], []).workers[0]
    assert _obey(order, worker) is goodbye
    assert (worker.stopping, worker.aborted) == (stopping, aborted)
    assert _obey(order, None) is goodbye


def test_a_worker_reports_once_how_it_ended(make_bench: Make, ends: tuple[Connection, Connection]) -> None:
    launcher, own = ends
    bench = make_bench([Numbers()], [])
    (worker,) = bench.workers
    assert not _report(worker, own)
    assert heard(launcher) == []
    bench.run()
    assert _report(worker, own)
    assert heard(launcher) == [("done",)]


def test_a_failure_is_reported_and_everything_else_left(make_bench: Make, ends: tuple[Connection, Connection]) -> None:
    launcher, own = ends
    bench = make_bench([Fails()], [])
    bench.run()
    assert _report(bench.workers[0], own)
    ((what, failure),) = heard(launcher)
    assert (what, failure.pe, failure.message) == ("failure", "Fails0", "no")
    assert bench.workers[0].aborted


CHAIN: tuple[Any, ...] = ([(0, "output", 1, "input")], [("Numbers0", (0,)), ("Keep1", (1,))])


class Keep(ConsumerPE):
    kept: ClassVar[list[Any]] = []

    def _process(self, data: Any) -> None:
        self.kept.append(data)


def test_frames_and_orders_are_told_apart(
    make_bench: Make, ends: tuple[Connection, Connection], lendings: list[Lending]
) -> None:
    launcher, own = ends
    worker = make_bench([Numbers(), Keep()], *CHAIN).workers[0]
    launcher.send(Frame(Kind.CREDIT, 1, 0, 77, credit_bytes=7))
    launcher.send(message("stop"))
    assert not _take_in(1, own.receive(), worker, lendings[0])
    assert worker.outlets[0, 1].limit == 77
    assert worker.stopping
    launcher.send(message("goodbye"))
    assert _take_in(LAUNCHER, own.receive(), worker, lendings[0])
    assert not _take_in(LAUNCHER, own.receive(), None, lendings[0])


def sent(lending: Lending, value: float, first: int) -> Frame:
    """A frame with an array from instance 0 to instance 1."""
    encoded = PlainWire().encode(np.full(10_000, value), lambda buffer: lending.keep(buffer, [1], is_alone=False))
    assert isinstance(encoded.buffers[0], Slot)
    return Frame(Kind.DATA, 0, 1, first, ports=[0], items=[encoded])


def test_arrays_that_arrive_are_opened_and_given_back(
    make_bench: Make, ends: tuple[Connection, Connection], lendings: list[Lending]
) -> None:
    sender, own = ends
    Keep.kept.clear()
    worker = make_bench([Numbers(), Keep()], *CHAIN).workers[1]
    for first in range(3):
        sender.send(sent(lendings[0], first, first))
    assert not _take_in(0, own.receive(), worker, lendings[1])
    while worker.replicas[0].ready:
        worker.run(worker.replicas[0])
    slab = lendings[0]._slab
    assert slab is not None
    assert ([array[0] for array in Keep.kept], slab.lent) == ([0, 1, 2], 3)
    Keep.kept.clear()

    # A frame that goes to the sender anyway takes them along.
    links = _Links({0: own}, lendings[1])
    links.send(0, Frame(Kind.END, 1, 0, 5))
    links.send(0, Frame(Kind.CREDIT, 1, 0, 77, number=3, credit_bytes=7))
    end, credit = sender.receive()
    assert (end.items, len(credit.items)) == ([], 1)
    lendings[0].take_back(1, credit)
    assert (slab.lent, slab.free) == (0, MIB)
    assert list(lendings[1].returns(is_idle=True)) == []


def test_a_worker_without_a_job_takes_nothing_and_gives_all_back(lendings: list[Lending]) -> None:
    """Its job broke; whoever sends to it meanwhile must not be left without room."""
    frames = [sent(lendings[0], first, first) for first in range(RETURN_SLOTS)]
    assert not _take_in(0, frames, None, lendings[1])
    del frames
    ((lender, returned),) = lendings[1].returns(is_idle=False)
    slab = lendings[0]._slab
    assert (lender, returned.kind, slab and slab.lent) == (0, Kind.RETURN, RETURN_SLOTS)
    assert not _take_in(1, [returned], None, lendings[0])
    assert slab
    assert slab.lent == 0


def test_slots_that_come_back_are_no_business_of_the_worker_s(make_bench: Make, lendings: list[Lending]) -> None:
    frame = sent(lendings[0], 1, 0)
    worker = make_bench([Numbers(), Keep()], *CHAIN).workers[0]
    lendings[1].open(frame)
    del frame
    ((_, returned),) = lendings[1].returns(is_idle=True)
    worker.receive = None  # it would be called
    assert not _take_in(1, [returned], worker, lendings[0])
    with pytest.raises(WireError, match="is not lent to anybody"):
        _take_in(1, [returned], worker, lendings[0])


def test_a_worker_that_did_not_inherit_its_job_is_sent_it(
    make_job: Make, ends: tuple[Connection, Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    import pickle

    launcher, own = ends
    job: Job = make_job([Numbers()], [])
    launcher.send(message("job", [], payload=pickle.dumps(job.seed)))
    launcher.send(message("stop"))
    got, rest = _await_job(own)
    assert got == job.seed  # type: ignore[comparison-overlap]
    assert [read_message(frame) for frame in rest] in ([("stop",)], [])


def test_a_launcher_that_goes_away_before_it_sent_the_job(ends: tuple[Connection, Connection]) -> None:
    launcher, own = ends
    launcher.close()
    with pytest.raises(RunError, match=r"^the launcher went away before it sent the job$"):
        _await_job(own)


def test_a_connection_is_watched_for_writing_only_while_something_waits(
    ends: tuple[Connection, Connection],
) -> None:
    launcher, own = ends
    with selectors.DefaultSelector() as selector:
        selector.register(own, selectors.EVENT_READ, own)
        _watch_writable(selector, {LAUNCHER: own})
        assert selector.get_key(own).events == selectors.EVENT_READ
        own.send(message("line", "A[0]", "x" * 3_000_000))
        assert own.waiting
        _watch_writable(selector, {LAUNCHER: own})
        assert selector.get_key(own).events == selectors.EVENT_READ | selectors.EVENT_WRITE
        while own.waiting:
            launcher.receive()
            own.push()
        _watch_writable(selector, {LAUNCHER: own})
        assert selector.get_key(own).events == selectors.EVENT_READ
