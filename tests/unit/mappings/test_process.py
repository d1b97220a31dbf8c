"""The parts of a worker process's life that need no process: orders, reports, frames in and out."""

import selectors
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from d4py_adaptive import IterativePE, ProducerPE
from d4py_adaptive.errors import RunError
from d4py_adaptive.mappings.job import Job
from d4py_adaptive.mappings.process import _await_job, _Links, _move_frames, _obey, _report, _watch_writable
from d4py_adaptive.mappings.sockets import Connection, message, read_message
from d4py_adaptive.mappings.worker import LAUNCHER
from d4py_adaptive.wire.frame import Frame, Kind

Make = Callable[..., Any]


@pytest.fixture
def ends() -> Iterator[tuple[Connection, Connection]]:
    launcher, worker = socket.socketpair()
    with launcher, worker:
        yield Connection(launcher), Connection(worker)


class Fails(ProducerPE):
    def _process(self, inputs: Any) -> int:
        raise ValueError("no")


class Numbers(ProducerPE):
    def _process(self, inputs: Any) -> int:
        return 1


def heard(connection: Connection) -> list[Any]:
    return [read_message(frame) for frame in connection.receive()]


def test_lines_and_events_go_to_the_launcher(ends: tuple[Connection, Connection]) -> None:
    launcher, worker = ends
    links = _Links({LAUNCHER: worker})
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


def test_frames_and_orders_are_told_apart(make_bench: Make, ends: tuple[Connection, Connection]) -> None:
    launcher, own = ends
    bench = make_bench(
        [Numbers(), IterativePE()], [(0, "output", 1, "input")], [("Numbers0", (0,)), ("IterativePE1", (1,))]
    )
    launcher.send(Frame(Kind.CREDIT, 1, 0, 77, credit_bytes=7))
    launcher.send(message("stop"))
    assert not _move_frames(own, selectors.EVENT_READ | selectors.EVENT_WRITE, bench.workers[0])
    assert bench.workers[0].outlets[0, 1].limit == 77
    assert bench.workers[0].stopping
    launcher.send(message("goodbye"))
    assert _move_frames(own, selectors.EVENT_READ, bench.workers[0])
    assert not _move_frames(own, 0, None)


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
