"""The multi mapping: worker processes on this machine, joined by Unix sockets."""

from __future__ import annotations

import contextlib
import importlib
import multiprocessing
import os
import resource
import selectors
import signal
import socket
import sys
import threading
import time
import types
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from multiprocessing import forkserver, resource_tracker
from multiprocessing.process import BaseProcess
from typing import Any

import psutil

from d4py_adaptive.errors import Failure, InputError, PEError, RunError, WorkerDied
from d4py_adaptive.mappings.base import Mapping
from d4py_adaptive.mappings.interruption import SIGNALS, Interruption
from d4py_adaptive.mappings.job import Job, Observer
from d4py_adaptive.mappings.process import Ends, run_worker
from d4py_adaptive.mappings.results import ResultSink
from d4py_adaptive.mappings.sockets import Connection, message, read_message
from d4py_adaptive.telemetry.board import Board, State
from d4py_adaptive.wire.frame import Frame, Kind

START_METHODS = ("fork", "forkserver", "spawn")
GRACE_S = 1.0
"""How long the other workers may take to leave their PEs after one failed, before they are killed."""


@dataclass
class _Child:
    """One worker process, as its launcher sees it."""

    number: int
    process: BaseProcess
    known: psutil.Process
    connection: Connection
    ending: int
    done: bool = False
    ended: bool = False


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
        with ours, woken, _workers(job, interruption) as children:
            observer.started()
            _Launcher(job, observer, board, children, interruption).run(woken)


class _Launcher:
    """Watches the workers of one run: takes results and lines, passes on orders, notices deaths."""

    def __init__(
        self, job: Job, observer: Observer, board: Board, children: list[_Child], interruption: Interruption
    ) -> None:
        self._job = job
        self._observer = observer
        self._board = board
        self._children = children
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

    def _take(self, child: _Child, selector: selectors.BaseSelector) -> None:
        self._hear_frames(child, child.connection.receive())
        if child.connection.closed:
            selector.unregister(child.connection)

    def _hear_frames(self, child: _Child, frames: list[Frame]) -> None:
        for frame in frames:
            if frame.kind is Kind.CONTROL:
                self._hear(child, *read_message(frame))
            else:
                credit = self._sink.receive(frame)
                if credit is not None:
                    child.connection.send(credit)

    def _hear(self, child: _Child, what: str, *rest: Any) -> None:
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

    def _note_end(self, child: _Child, selector: selectors.BaseSelector) -> None:
        """A process has ended: hear what it still said, then judge."""
        if not child.done:
            _end_group(child)  # while the process, though it has ended, still holds its number
        child.process.join()
        child.ended = True
        if not child.connection.closed:
            selector.unregister(child.connection)
            self._hear_frames(child, child.connection.receive_last())
        if not child.done and self._failure is None and self._death is None:
            self._death = WorkerDied(self._obituary(child))

    def _obituary(self, child: _Child) -> str:
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
def _workers(job: Job, interruption: Interruption) -> Iterator[list[_Child]]:
    """The worker processes of a job, none of which outlives the block."""
    method = job.start_method
    count = job.plan.workers
    pairs = _pairs(job)
    _allow_open_files(2 * (len(pairs) + 3 * count) + 64)
    context: Any = multiprocessing.get_context(method)
    if method == "fork":
        _import_what_pes_need(job)
    else:
        resource_tracker.ensure_running()  # now, since it would let signals through that are held back below
    if method == "forkserver":
        context.set_forkserver_preload(["d4py_adaptive.mappings.forkserver", *_preloads(job)])
        with _without_main(method), _signals_held():
            forkserver.ensure_running()
    payload = b"" if method == "fork" else _by_value(job)
    controls = [socket.socketpair() for _ in range(count)]
    joined = {pair: socket.socketpair() for pair in pairs}
    lifelines = [socket.socketpair() for _ in range(count)]
    everything = [end for pair in [*controls, *lifelines, *joined.values()] for end in pair]
    children: list[_Child] = []
    try:
        sys.stdout.flush()
        sys.stderr.flush()
        for number in range(count):
            ends = _ends_of(number, controls, joined, lifelines, everything, foreign=method == "fork")
            inherited = job if method == "fork" else None
            process = context.Process(target=run_worker, args=(number, inherited, ends), name=f"d4py worker {number}")
            with _without_main(method), _quiet_fork(), _signals_held():
                process.start()
            child = _Child(
                number, process, psutil.Process(process.pid), Connection(controls[number][0]), _ending_of(process)
            )
            children.append(child)
            if payload:
                child.connection.send(message("job", payload=payload))
        for _, theirs in [*controls, *lifelines]:
            theirs.close()
        for pair in joined.values():
            for end in pair:
                end.close()
        yield children
    finally:
        interruption.armed = False
        _kill(children)
        for end in everything:
            end.close()


def _preloads(job: Job) -> list[str]:
    """The modules that PEs say their work needs."""
    return sorted({name for node in job.workflow.nodes for name in node.prototype.preload})


def _import_what_pes_need(job: Job) -> None:
    """Import once what every forked worker would import for itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        for name in _preloads(job):
            with contextlib.suppress(ImportError):  # the PE that needs it says so better
                importlib.import_module(name)


def _ends_of(
    number: int,
    controls: list[tuple[socket.socket, socket.socket]],
    joined: dict[tuple[int, int], tuple[socket.socket, socket.socket]],
    lifelines: list[tuple[socket.socket, socket.socket]],
    everything: list[socket.socket],
    foreign: bool,
) -> Ends:
    peers: dict[int, socket.socket] = {}
    for (low, high), (low_end, high_end) in joined.items():
        if number == low:
            peers[high] = low_end
        elif number == high:
            peers[low] = high_end
    own = {end.fileno() for end in [controls[number][1], lifelines[number][1], *peers.values()]}
    others = [end for end in everything if foreign and end.fileno() >= 0 and end.fileno() not in own]
    return Ends(controls[number][1], peers, lifelines[number][1], others)


def _pairs(job: Job) -> list[tuple[int, int]]:
    """The pairs of workers that exchange frames."""
    pairs: set[tuple[int, int]] = set()
    plan = job.plan
    for stream in job.workflow.streams:
        for sender in plan.instances_of[stream.source]:
            for receiver in plan.instances_of[stream.target]:
                a, b = plan.worker_of(sender), plan.worker_of(receiver)
                if a != b:
                    pairs.add((min(a, b), max(a, b)))
    return sorted(pairs)


def default_start_method() -> str:
    """`fork` where it is safe: on Linux, with no other Python thread; else `forkserver`, `spawn` on macOS."""
    if sys.platform == "darwin":
        return "spawn"
    return "fork" if threading.active_count() == 1 else "forkserver"


def _by_value(job: Job) -> bytes:
    """The job pickled; the user's own module by value, so that no worker runs its file a second time."""
    import cloudpickle

    modules = [sys.modules[name] for name in job.by_value if name in sys.modules]
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
    try:
        return bytes(cloudpickle.dumps(job, 5))
    except Exception as error:
        raise InputError(
            f"this workflow cannot be sent to worker processes ({type(error).__name__}: {error}); open files, "
            "connections and locks in preprocess, or use --start-method fork"
        ) from error
    finally:
        for module in modules:
            cloudpickle.unregister_pickle_by_value(module)


@contextlib.contextmanager
def _without_main(method: str) -> Iterator[None]:
    """Hide `__main__` from multiprocessing, which would run the user's script once more in every worker."""
    if method == "fork":
        yield
        return
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextlib.contextmanager
def _signals_held() -> Iterator[None]:
    """Keep signals from a process that starts until it ignores them and lets them through again."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _quiet_fork() -> Iterator[None]:
    """Do not warn of native threads at a fork: BLAS pools survive it, and no Python thread runs (see above)."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*multi-threaded.*fork", category=DeprecationWarning)
        yield


def _allow_open_files(wanted: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if wanted <= soft:
        return
    if hard != resource.RLIM_INFINITY and wanted > hard:
        raise InputError(f"so many workers need {wanted} open files, and this machine allows {hard}; use fewer workers")
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _ending_of(process: BaseProcess) -> int:
    """A file descriptor that can be read when the process has ended.

    By the kernel where it offers that: multiprocessing's own is a pipe, which a process forked by a PE holds open.
    """
    assert process.pid is not None
    try:
        return os.pidfd_open(process.pid)
    except (AttributeError, OSError):
        return process.sentinel


def _end_group(child: _Child) -> None:
    """End the programs that a worker's PEs started, which belong to its process group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.known.pid, signal.SIGKILL)


def _kill(children: list[_Child]) -> None:
    for child in children:
        child.connection.close()
        if child.ending != child.process.sentinel:
            os.close(child.ending)
        if child.ended:
            continue
        # Not by asking multiprocessing: a fork server that died takes its children for dead.
        with contextlib.suppress(psutil.NoSuchProcess):
            child.known.kill()
        if not child.done:
            _end_group(child)
    for child in children:
        child.process.join()
