"""The life of one worker process of the multi mapping."""

from __future__ import annotations

import contextlib
import fcntl
import importlib
import os
import pickle
import select
import selectors
import signal
import socket
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from d4py_adaptive.errors import RunError
from d4py_adaptive.mappings.interruption import SIGNALS
from d4py_adaptive.mappings.job import Job
from d4py_adaptive.mappings.lending import Lending
from d4py_adaptive.mappings.links import LAUNCHER
from d4py_adaptive.mappings.output import lines_of
from d4py_adaptive.mappings.reporting import report
from d4py_adaptive.mappings.sockets import Connection, message, read_message
from d4py_adaptive.mappings.threads import cap_threads, cap_threads_to_come
from d4py_adaptive.mappings.worker import Worker
from d4py_adaptive.telemetry.board import Board
from d4py_adaptive.wire.frame import Frame, Kind
from d4py_adaptive.wire.slab import Segment
from d4py_adaptive.wire.slots import SlabSize

QUIET_S = 0.001
"""An idle worker tells the others that it is idle after so long: at once, it would wake them for each item."""


@dataclass
class Ends:
    """What joins one worker to the others.

    Attributes:
        launcher: to whoever launched it.
        peers: to the other workers it exchanges frames with.
        lifeline: reads end-of-file when the launcher is gone, and nothing else ever; no other process holds it.
        segments: its own shared memory, and that of the workers whose buffers may reach it.
        size: how much of its own it may lend.
        foreign: what is not its own, which a forked process has to close.
    """

    launcher: socket.socket
    peers: dict[int, socket.socket]
    lifeline: socket.socket
    segments: dict[int, Segment]
    size: SlabSize
    foreign: list[socket.socket | Segment]


class _Links:
    """A worker's way to the rest of the run, over sockets, with shared memory for large buffers."""

    def __init__(self, connections: Mapping[int, Connection], lending: Lending) -> None:
        self._connections = connections
        self._lending = lending
        self.keep = lending.keep

    def send(self, worker: int, frame: Frame) -> None:
        """Send a frame to a worker or the launcher."""
        if frame.kind is Kind.CREDIT:
            self._lending.give_back_with(worker, frame)
        self._connections[worker].send(frame)

    def line(self, instance: str, text: str) -> None:
        """Send a printed line to the launcher."""
        self.send(LAUNCHER, message("line", instance, text))

    def event(self, event: Mapping[str, Any]) -> None:
        """Send an event to the launcher."""
        self.send(LAUNCHER, message("event", dict(event)))


def run_worker(number: int, job: Job | None, ends: Ends) -> None:
    """Be worker `number` until the launcher says goodbye, or is gone.

    Args:
        number: which worker.
        job: the job; None where this process did not inherit it, and the launcher sends it.
        ends: the sockets.
    """
    # A group of its own, so that the launcher can end what its PEs start.
    os.setpgid(0, 0)
    # The launcher leads: it hears the signal too, stops the sources, and ends this process if it must.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    for end in ends.foreign:
        end.close()
    _die_with_launcher(ends.lifeline)
    connections = {LAUNCHER: Connection(ends.launcher)} | {peer: Connection(end) for peer, end in ends.peers.items()}
    try:
        _work(number, job, connections, Lending(ends.segments, number, ends.size))
    finally:
        for connection in connections.values():
            connection.close()
        ends.lifeline.close()
    sys.stdout.flush()


def _work(number: int, job: Job | None, connections: dict[int, Connection], lending: Lending) -> None:
    rest: list[Frame] = []
    try:
        if job is None:
            job, rest = _await_job(connections[LAUNCHER])
            cap_threads(job.plan.workers)
        else:  # forked, with the cap in place
            cap_threads_to_come(job.plan.workers)
        worker = Worker(job, number, Board(job.workflow, job.plan, job.board), _Links(connections, lending))
    except Exception as error:  # noqa: BLE001 - whatever it is, the launcher must hear of it
        connections[LAUNCHER].send(message("broken", f"{type(error).__name__}: {error}"))
        _serve_until_goodbye(None, connections, lending)
        return
    with lines_of(worker):
        if not _take_in(LAUNCHER, rest, worker, lending):
            _serve_until_goodbye(worker, connections, lending)


def _await_job(launcher: Connection) -> tuple[Job, list[Frame]]:
    """The job, which is the first thing the launcher sends, and what came with it."""
    arrived = select.poll()
    arrived.register(launcher, select.POLLIN)
    while not launcher.closed:
        arrived.poll()
        frames = launcher.receive(at_most=1)
        if frames:
            for module in read_message(frames[0])[1]:
                importlib.import_module(module)
            (job,) = frames[0].items[0].buffers
            assert isinstance(job, bytearray)  # nothing is in shared memory yet
            return pickle.loads(job), frames[1:]
    raise RunError("the launcher went away before it sent the job")


def _die_with_launcher(lifeline: socket.socket) -> None:
    """End this process when the launcher is gone, whatever a PE is doing."""
    lifeline.setblocking(False)
    if hasattr(fcntl, "F_SETSIG"):
        # Linux: the kernel kills it when the other end closes, also in the middle of a C function that keeps the
        # interpreter's lock. Nothing is ever sent here, so that nothing else can trigger it.
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
        with contextlib.suppress(BlockingIOError):
            lifeline.recv(1)
            os._exit(1)  # it was gone already
    else:
        threading.Thread(target=_wait_for_the_end, args=(lifeline,), daemon=True).start()


def _wait_for_the_end(lifeline: socket.socket) -> None:
    lifeline.setblocking(True)
    lifeline.recv(1)
    os._exit(1)


def _serve_until_goodbye(worker: Worker | None, connections: dict[int, Connection], lending: Lending) -> None:
    """Run what can go on, pass frames in and out, and wait when there is nothing to do."""
    launcher = connections[LAUNCHER]
    told = False
    with selectors.DefaultSelector() as selector:
        for number, connection in connections.items():
            selector.register(connection, selectors.EVENT_READ, number)
        while True:
            went_on = worker is not None and not worker.aborted and worker.step()
            _give_back(lending, connections, is_idle=False)
            if worker is not None and not told:
                told = _report(worker, launcher)
            _watch_writable(selector, connections)
            events = selector.select(0 if went_on else QUIET_S if _has_word(worker, lending) else None)
            if not events and not went_on:
                if worker is not None:
                    worker.tell()
                _give_back(lending, connections, is_idle=True)
            for key, mask in events:
                connection = connections[key.data]
                if mask & selectors.EVENT_WRITE:
                    connection.push()
                if mask & selectors.EVENT_READ and _take_in(key.data, connection.receive(), worker, lending):
                    return
                if connection.closed:
                    selector.unregister(connection)
            if launcher.closed:
                return


def _has_word(worker: Worker | None, lending: Lending) -> bool:
    return (worker is not None and worker.has_word) or lending.has_returns


def _give_back(lending: Lending, connections: Mapping[int, Connection], is_idle: bool) -> None:
    for lender, frame in lending.returns(is_idle):
        connections[lender].send(frame)


def _take_in(sender: int, frames: list[Frame], worker: Worker | None, lending: Lending) -> bool:
    """Hand frames to the worker and obey orders; whether the launcher said goodbye."""
    for frame in frames:
        if frame.kind is Kind.CONTROL:
            if _obey(read_message(frame)[0], worker):
                return True
            continue
        if frame.kind is Kind.DATA:
            lending.open(frame)
        else:
            lending.take_back(sender, frame)
        if worker is not None and frame.kind is not Kind.RETURN:
            worker.receive(frame)
    return False


def _watch_writable(selector: selectors.BaseSelector, connections: Mapping[int, Connection]) -> None:
    for number, connection in connections.items():
        if not connection.closed:
            wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if connection.waiting else 0)
            if selector.get_key(connection).events != wanted:
                selector.modify(connection, wanted, number)


def _report(worker: Worker, launcher: Connection) -> bool:
    """Tell the launcher once how this worker ended; whether it has been told."""
    if worker.failure is not None:
        launcher.send(message("failure", worker.failure[0]))
        worker.abort()
        return True
    if worker.finished:
        report(worker)
        launcher.send(message("done"))
        return True
    return False


def _obey(order: str, worker: Worker | None) -> bool:
    """Do what the launcher says; whether it said goodbye."""
    if order == "stop" and worker is not None:
        worker.stop()
    elif order == "abort" and worker is not None:
        worker.abort()
    return order in ("goodbye", "abort")
