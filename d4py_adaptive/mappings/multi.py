"""The multi mapping: worker processes on this machine, joined by Unix sockets."""

from __future__ import annotations

import contextlib
import selectors
import signal
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from d4py_adaptive.errors import Failure, InputError, PEError, RunError, WorkerDied
from d4py_adaptive.mappings.base import Mapping
from d4py_adaptive.mappings.interruption import Interruption
from d4py_adaptive.mappings.job import Job, Observer
from d4py_adaptive.mappings.launch import (
    START_METHODS,
    Child,
    default_start_method,
    end_group,
    import_what_pes_need,
    workers,
)
from d4py_adaptive.mappings.lending import Lending
from d4py_adaptive.mappings.results import ResultSink
from d4py_adaptive.mappings.sockets import message, read_message
from d4py_adaptive.telemetry.board import Board, State
from d4py_adaptive.wire.frame import Frame, Kind

GRACE_S = 1.0
"""How long the other workers may take to leave their PEs after one failed, before they are killed."""


class MultiMapping(Mapping):
    """One process per worker, started by fork, forkserver or spawn."""

    name = "multi"
    parallel = True

    def settle(self, job: Job) -> Job:
        """The job with its start method chosen.

        Raises:
            InputError: there is no such start method.
        """
        method = job.start_method or default_start_method()
        if method not in START_METHODS:
            raise InputError(f"a start method is one of {', '.join(START_METHODS)}; got {method!r}")
        return replace(job, start_method=method)

    def run(self, job: Job, observer: Observer, interruption: Interruption) -> None:
        """Enact the job in worker processes (see `Mapping.run`)."""
        job = self.settle(job)
        board = Board(job.workflow, job.plan, job.board)
        ours, woken = socket.socketpair()
        woken.setblocking(False)

        def wake() -> None:
            with contextlib.suppress(BlockingIOError):
                ours.send(b"!")

        interruption.listen(wake)
        if job.start_method == "fork":
            before_ns = job.clock()
            import_what_pes_need(job)
            now_ns = job.clock()
            observer.event({"event": "preloaded", "seconds": (now_ns - before_ns) / 1e9})
            job = replace(job, origin_ns=now_ns)
        with ours, woken, _waking(ours), workers(job, interruption) as (children, lending):
            observer.started()
            _Launcher(job, observer, board, children, lending, interruption).run(woken)


class _Launcher:
    """Watches the workers of one run: takes results and lines, passes on orders, notices deaths."""

    def __init__(
        self,
        job: Job,
        observer: Observer,
        board: Board,
        children: list[Child],
        lending: Lending,
        interruption: Interruption,
    ) -> None:
        self._job = job
        self._observer = observer
        self._board = board
        self._children = children
        self._lending = lending
        self._interruption = interruption
        self._sink = ResultSink(job, observer)
        self._failure: Failure | None = None
        self._broken: str = ""
        self._death: WorkerDied | None = None
        self._told_to_stop = False

    def run(self, woken: socket.socket) -> None:
        """Watch until every worker is done.

        Raises:
            PEError: a PE failed.
            WorkerDied: a worker ended without being asked.
        """
        with selectors.DefaultSelector() as selector:
            selector.register(woken, selectors.EVENT_READ)
            for child in self._children:
                selector.register(child.connection, selectors.EVENT_READ, child)
                selector.register(child.ending, selectors.EVENT_READ, child)
            while not all(child.done for child in self._children) and not self._over:
                self._watch(selector, woken)
            if self._over:
                self._end_early(selector, woken)
            self._part(selector, woken)
        if not self._sink.complete:
            raise RunError("every worker finished, but results are missing; please report this")

    @property
    def _over(self) -> bool:
        return self._failure is not None or bool(self._broken) or self._death is not None

    def _watch(self, selector: selectors.BaseSelector, woken: socket.socket, timeout: float | None = None) -> None:
        for child in self._children:
            if not child.connection.closed:
                wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if child.connection.waiting else 0)
                selector.modify(child.connection, wanted, child)
        for key, mask in selector.select(timeout):
            if key.fileobj is woken:
                woken.recv(64)
                self._pass_on_stop()
            elif isinstance(key.fileobj, int):
                selector.unregister(key.fileobj)
                self._note_end(key.data, selector)
            elif not key.data.connection.closed:
                if mask & selectors.EVENT_WRITE:
                    key.data.connection.push()
                if mask & selectors.EVENT_READ:
                    self._take(key.data, selector)

    def _pass_on_stop(self) -> None:
        if self._interruption.signal_number and not self._told_to_stop:
            self._told_to_stop = True
            for child in self._children:
                child.connection.send(message("stop"))

    def _take(self, child: Child, selector: selectors.BaseSelector) -> None:
        self._hear_frames(child, child.connection.receive())
        if child.connection.closed:
            selector.unregister(child.connection)

    def _hear_frames(self, child: Child, frames: list[Frame]) -> None:
        for frame in frames:
            if frame.kind is Kind.CONTROL:
                self._hear(child, *read_message(frame))
            else:
                self._lending.open(frame)
                credit = self._sink.receive(frame)
                if credit is not None:
                    self._lending.give_back_with(child.number, credit)
                    child.connection.send(credit)
        for lender, returned in self._lending.returns(is_idle=True):
            self._children[lender].connection.send(returned)

    def _hear(self, child: Child, what: str, *rest: Any) -> None:
        if what == "line":
            self._observer.line(*rest)
        elif what == "event":
            self._observer.event(*rest)
        elif what == "done":
            child.done = True
        elif what == "failure":
            self._failure = self._failure or rest[0]
        elif what == "broken":
            self._broken = self._broken or f"worker {child.number} could not start: {rest[0]}"

    def _note_end(self, child: Child, selector: selectors.BaseSelector) -> None:
        """A process has ended: hear what it still said, then judge."""
        if not child.done:
            end_group(child)  # while the process, though it has ended, still holds its number
        child.process.join()
        child.ended = True
        if not child.connection.closed:
            selector.unregister(child.connection)
            self._hear_frames(child, child.connection.receive_last())
        if not child.done and self._failure is None and self._death is None:
            self._death = WorkerDied(self._obituary(child))

    def _obituary(self, child: Child) -> str:
        code = child.process.exitcode or 0
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        here = [c for c in self._board.read() if self._worker_of(c.pe, c.index) == child.number]
        busy = [f"{c.label} at item {c.item}" for c in here if c.state in (State.PROCESS, State.BLOCKED)]
        hosted = ", ".join(c.label for c in here)
        doing = f"while it ran {' inside '.join(reversed(busy))}" if busy else "while it ran no PE"
        hint = "; the kernel does this when memory runs out: try fewer workers" if code == -signal.SIGKILL else ""
        return f"worker {child.number} (pid {child.process.pid}) {how} {doing}; it hosted {hosted}{hint}"

    def _worker_of(self, pe: str, index: int) -> int:
        return self._job.plan.worker_of(self._job.plan.instances_of[pe][index])

    def _end_early(self, selector: selectors.BaseSelector, woken: socket.socket) -> None:
        """Let the workers leave their PEs, then raise what happened."""
        for child in self._children:
            child.connection.send(message("abort"))
        self._wait_for_ends(selector, woken, GRACE_S)
        if self._failure is not None:
            raise PEError(self._failure)
        if self._broken:
            raise RunError(self._broken)
        if self._death is not None:
            raise self._death

    def _part(self, selector: selectors.BaseSelector, woken: socket.socket) -> None:
        for child in self._children:
            child.connection.send(message("goodbye"))
        self._wait_for_ends(selector, woken, 10 * GRACE_S)

    def _wait_for_ends(self, selector: selectors.BaseSelector, woken: socket.socket, limit_s: float) -> None:
        deadline = time.monotonic() + limit_s
        while not all(child.ended for child in self._children):
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                return
            self._watch(selector, woken, left_s)


@contextlib.contextmanager
def _waking(end: socket.socket) -> Iterator[None]:
    """Have the C signal handler write to a socket, so that no signal falls between the last look and the wait."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    end.setblocking(False)
    before = signal.set_wakeup_fd(end.fileno(), warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
