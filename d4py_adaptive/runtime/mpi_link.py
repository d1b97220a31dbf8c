"""What it takes to hand an item from one MPI rank to another; run as `mpiexec -n 2 python -m ...`, prints JSON."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from d4py_adaptive.clock import monotonic_ns
from d4py_adaptive.errors import RunError
from d4py_adaptive.profiler.host import Hops, hops
from d4py_adaptive.runtime.echo import block, python_command, together
from d4py_adaptive.wire.encoding import PlainWire
from d4py_adaptive.wire.frame import Frame, Kind, read_frames

ALLOWED_S = 20
"""Time that the two ranks may take: an MPI that cannot start often waits instead of saying so."""

_LONGEST_REASON = 160


def mpiexec() -> str | None:
    """The command that starts MPI's ranks: the one beside this Python, or else the one on the path."""
    beside = shutil.which("mpiexec", path=str(Path(sys.executable).parent))
    return beside or shutil.which("mpiexec")


def mpi_hops(command: str, allowed_s: float = ALLOWED_S) -> Hops:
    """The hops between two ranks.

    Args:
        command: what starts them, as `mpiexec` found it.
        allowed_s: how long they may take.

    Raises:
        RunError: they did not start, failed, or took too long.
    """
    ranks = [command, "-n", "2", *python_command(__name__, allowed_s)]
    try:
        process = subprocess.Popen(
            ranks, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        )
    except OSError as error:
        raise RunError(f"{command} cannot be started: {error.strerror}") from error
    try:
        out, errors = process.communicate(timeout=allowed_s)
    except subprocess.TimeoutExpired as error:
        raise RunError(f"{command} was given {allowed_s:g} s for two ranks, and was not done") from error
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    if process.returncode:
        raise RunError(f"{command} failed with code {process.returncode}: {_reason(errors or out)}")
    return _read(out, command)


def _reason(said: bytes) -> str:
    """The line of what MPI said that says most: Python's own last word, else the first line with letters in it."""
    lines = [line.strip() for line in said.decode(errors="replace").splitlines()]
    told = [line for line in lines if any(map(str.isalpha, line))]
    raised = [line for line in told if line.partition(":")[0].endswith(("Error", "Exception"))]
    return (raised or told or ["it did not say why"])[0][:_LONGEST_REASON]


def _read(out: bytes, command: str) -> Hops:
    try:
        found = json.loads(out)
        return Hops(*({int(size): float(taken) for size, taken in part.items()} for part in found))
    except (ValueError, AttributeError, TypeError) as error:
        raise RunError(f"two ranks under {command} should print figures; got {out[:_LONGEST_REASON]!r}") from error


class _Rank:
    """One of the two ranks."""

    def __init__(self, mpi: Any) -> None:
        self._mpi = mpi
        self._world = mpi.COMM_WORLD
        self._peer = 1 - self._world.rank
        self._wire = PlainWire()

    def send(self, items: list[Any]) -> None:
        encoded = [self._wire.encode(item) for item in items]
        parts = Frame(Kind.DATA, ports=[0] * len(encoded), items=encoded).parts()
        self._world.Send([b"".join(parts), self._mpi.BYTE], self._peer)

    def receive(self) -> list[Any]:
        status = self._mpi.Status()
        self._world.Probe(self._peer, status=status)
        room = bytearray(status.Get_count(self._mpi.BYTE))
        self._world.Recv([room, self._mpi.BYTE], self._peer)
        return [self._wire.decode(item.body, item.buffers) for frame in read_frames([room]) for item in frame.items]

    def there_and_back(self, size: int, number: int) -> None:
        self.send([block(size)] * number)
        self.receive()


def main(allowed_s: float) -> None:
    """Be one of the ranks: the first asks, the second hands back until it is handed nothing."""
    signal.setitimer(signal.ITIMER_REAL, allowed_s)  # ends it also where whoever started it cannot
    mpi = import_module("mpi4py.MPI")
    if mpi.COMM_WORLD.size != 2:
        raise RunError(
            f"mpiexec should start 2 ranks that know of each other; this one knows of {mpi.COMM_WORLD.size}: "
            "mpi4py and mpiexec are of different MPIs"
        )
    rank = _Rank(mpi)
    if mpi.COMM_WORLD.rank == 0:
        found = hops(rank.there_and_back, together, monotonic_ns)
        rank.send([])
        sys.stdout.write(json.dumps(found))
        return
    while items := rank.receive():
        rank.send(items)
