"""Starts the worker processes of the multi mapping, and sees to it that none outlives the run."""

from __future__ import annotations

import contextlib
import importlib
import multiprocessing
import os
import resource
import signal
import socket
import sys
import threading
import types
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import forkserver, resource_tracker
from multiprocessing.process import BaseProcess
from typing import Any

import psutil

from d4py_adaptive.errors import InputError, WorkerDied
from d4py_adaptive.mappings.interruption import SIGNALS, Interruption
from d4py_adaptive.mappings.job import Job
from d4py_adaptive.mappings.lending import Lending
from d4py_adaptive.mappings.links import LAUNCHER
from d4py_adaptive.mappings.process import Ends, run_worker
from d4py_adaptive.mappings.sockets import Connection, message
from d4py_adaptive.mappings.threads import capped_threads
from d4py_adaptive.wire.slab import PAGE_BYTES, Segment
from d4py_adaptive.wire.slots import SlabSize

IMPORTED_FIRST: set[str] = set()
"""Modules that change how imports work here; workers that are not forked import them before they read their job."""

START_METHODS = ("fork", "forkserver", "spawn")


@dataclass
class Child:
    """One worker process, as its launcher sees it."""

    number: int
    process: BaseProcess
    known: psutil.Process
    connection: Connection
    ending: int
    done: bool = False
    ended: bool = False


@contextlib.contextmanager
def workers(job: Job, interruption: Interruption) -> Iterator[tuple[list[Child], Lending]]:
    """The worker processes of a job, none of which outlives the block; and what they lend to the launcher."""
    method = job.start_method
    count = job.plan.workers
    links = _links(job)
    lenders = _lenders(links)
    pairs = sorted({(min(a, b), max(a, b)) for a, others in links.items() for b in others})
    _allow_open_files(2 * (len(pairs) + 3 * count) + count + 64)
    context: Any = multiprocessing.get_context(method)
    if method != "fork":
        resource_tracker.ensure_running()  # now, since it would let signals through that are held back below
    if method == "forkserver":
        context.set_forkserver_preload(["d4py_adaptive.mappings.forkserver", *_preloads(job)])
        with _without_main(method), _signals_held():
            forkserver.ensure_running()
    payload = b"" if method == "fork" else _by_value(job)
    segments = _segments(job)
    controls = [socket.socketpair() for _ in range(count)]
    joined = {pair: socket.socketpair() for pair in pairs}
    lifelines = [socket.socketpair() for _ in range(count)]
    everything: list[socket.socket | Segment] = [*segments.values()]
    everything += [end for pair in [*controls, *lifelines, *joined.values()] for end in pair]
    lending = Lending(segments, LAUNCHER, job.slab, keeps=False)
    children: list[Child] = []
    try:
        sys.stdout.flush()
        sys.stderr.flush()
        with capped_threads(count) if method == "fork" else contextlib.nullcontext():
            for number in range(count):
                lent = {lender: segments[lender] for lender in lenders[number]}
                ends = _ends_of(number, controls, joined, lifelines, lent, job.slab)
                if method == "fork":
                    ends.foreign += _not_of(ends, everything)
                inherited = job if method == "fork" else None
                name = f"d4py worker {number}"
                process = context.Process(target=run_worker, args=(number, inherited, ends), name=name)
                with _without_main(method), _quiet_fork(), _signals_held():
                    _start(process, method)
                child = Child(number, process, _known(process), Connection(controls[number][0]), _ending_of(process))
                children.append(child)
                if payload:
                    child.connection.send(message("job", sorted(IMPORTED_FIRST), payload=payload))
        for _, theirs in [*controls, *lifelines]:
            theirs.close()
        for pair in joined.values():
            for end in pair:
                end.close()
        yield children, lending
    finally:
        interruption.armed = False
        _kill(children)
        lending.close()
        for one in everything:
            one.close()


def _segments(job: Job) -> dict[int, Segment]:
    """Shared memory for each worker; the system's limit on the size of files holds for it too."""
    limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    allowed = job.slab.pool_bytes if limit == resource.RLIM_INFINITY else min(limit, job.slab.pool_bytes)
    return {number: Segment.create(number, max(PAGE_BYTES, allowed)) for number in range(job.plan.workers)}


def _preloads(job: Job) -> list[str]:
    """The modules that PEs say their work needs."""
    return sorted({name for node in job.workflow.nodes for name in node.prototype.preload})


def import_what_pes_need(job: Job) -> None:
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
    segments: dict[int, Segment],
    size: SlabSize,
) -> Ends:
    peers: dict[int, socket.socket] = {}
    for (low, high), (low_end, high_end) in joined.items():
        if number == low:
            peers[high] = low_end
        elif number == high:
            peers[low] = high_end
    return Ends(controls[number][1], peers, lifelines[number][1], segments, size, [])


def _not_of(ends: Ends, everything: list[socket.socket | Segment]) -> list[socket.socket | Segment]:
    """What a forked worker inherits and has no use for."""
    sockets = (ends.launcher, ends.lifeline, *ends.peers.values())
    own = {end.fileno() for end in sockets} | {segment.fileno() for segment in ends.segments.values()}
    return [end for end in everything if end.fileno() >= 0 and end.fileno() not in own]


def _links(job: Job) -> dict[int, set[int]]:
    """For each worker, those that it sends items to."""
    plan = job.plan
    links: dict[int, set[int]] = {number: set() for number in range(plan.workers)}
    for stream in job.workflow.streams:
        receivers = {plan.worker_of(receiver) for receiver in plan.instances_of[stream.target]}
        for sender in plan.instances_of[stream.source]:
            links[plan.worker_of(sender)] |= receivers - {plan.worker_of(sender)}
    return links


def _lenders(links: dict[int, set[int]]) -> dict[int, set[int]]:
    """For each worker, those whose buffers may reach it, since what arrives can be passed on; itself too."""
    lenders = {number: {number} for number in links}
    spread = list(links)
    while spread:
        sender = spread.pop()
        for receiver in links[sender]:
            if not lenders[sender] <= lenders[receiver]:
                lenders[receiver] |= lenders[sender]
                spread.append(receiver)
    return lenders


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


def _start(process: BaseProcess, method: str) -> None:
    try:
        process.start()
    except (OSError, EOFError) as error:
        hint = "; the fork server, which starts workers, seems to have been killed" if method == "forkserver" else ""
        raise WorkerDied(f"{process.name} could not be started: {type(error).__name__}: {error}{hint}") from error


def _known(process: BaseProcess) -> psutil.Process:
    """The process by its number and the time it started, so that no later one is taken for it."""
    try:
        return psutil.Process(process.pid)
    except psutil.NoSuchProcess:
        raise WorkerDied(f"{process.name} (pid {process.pid}) was killed as soon as it was started") from None


def _ending_of(process: BaseProcess) -> int:
    """A file descriptor that can be read when the process has ended.

    By the kernel where it offers that: multiprocessing's own is a pipe, which a process forked by a PE holds open.
    """
    assert process.pid is not None
    try:
        return os.pidfd_open(process.pid)
    except (AttributeError, OSError):
        return process.sentinel


def end_group(child: Child) -> None:
    """End the programs that a worker's PEs started, which belong to its process group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.known.pid, signal.SIGKILL)


def _kill(children: list[Child]) -> None:
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
            end_group(child)
    for child in children:
        child.process.join()
