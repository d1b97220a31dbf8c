"""A process that hands back what it is handed, as workers of the multi mapping hand items on: to see what that takes.

An item is one block of bytes, so that the figures are those of the way alone: what pickling costs is asked elsewhere.
"""

from __future__ import annotations

import select
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from d4py_adaptive.errors import RunError
from d4py_adaptive.mappings.lending import Lending
from d4py_adaptive.mappings.outbox import BATCH_BYTES, BATCH_PAYLOAD_BYTES
from d4py_adaptive.mappings.sockets import Connection
from d4py_adaptive.wire.encoding import OUT_OF_BAND_BYTES, Buffer, PlainWire
from d4py_adaptive.wire.frame import Frame, Kind
from d4py_adaptive.wire.slab import Segment
from d4py_adaptive.wire.slots import MIB, SlabSize, Slot

PATIENCE_S = 5.0
"""How long to wait for the other process before it counts as lost; it may still have to import numpy."""

MOST_TOGETHER = 64
"""Items to a frame, as in a run (`Job.batch_items`)."""

_POOL_BYTES = 16 * MIB


def block(size: int) -> Any:
    """An item of so many bytes: an array where it is large enough to travel beside its pickle."""
    if size < OUT_OF_BAND_BYTES:
        return bytes(size)
    import numpy

    return numpy.ones(size, numpy.uint8)


def together(size: int, in_shared_memory: bool = False) -> int:
    """How many items of a size a worker puts into one frame, where they come fast."""
    room = BATCH_PAYLOAD_BYTES if in_shared_memory and size >= OUT_OF_BAND_BYTES else BATCH_BYTES
    return max(1, min(MOST_TOGETHER, room // size))


class End:
    """One of the two ends.

    Args:
        number: 0 or 1, which end it is.
        end: its socket.
        segments: the memory of both, by number.
    """

    def __init__(self, number: int, end: socket.socket, segments: dict[int, Segment]) -> None:
        self._peer = 1 - number
        self._connection = Connection(end)
        self._lending = Lending(segments, number, SlabSize(_POOL_BYTES, _POOL_BYTES))
        self._wire = PlainWire()

    def send(self, items: Sequence[object], in_shared_memory: bool) -> None:
        """Send items in one frame, large ones in shared memory if so wished.

        Raises:
            RunError: the other process does not take them.
        """
        for _, frame in self._lending.returns(is_idle=False):
            self._connection.send(frame)
        keep = self._lend if in_shared_memory else bytes
        encoded = [self._wire.encode(item, keep) for item in items]
        self._connection.send(Frame(Kind.DATA, ports=[0] * len(encoded), items=encoded))
        while self._connection.waiting:
            self._wait(select.POLLOUT, PATIENCE_S)
            self._connection.push()

    def _lend(self, buffer: memoryview) -> Buffer | Slot:
        return self._lending.keep(buffer, [self._peer], False)

    def receive(self, within_s: float | None) -> tuple[list[Any], bool] | None:
        """The items of the next frame, and whether any came in shared memory; None when the other end is closed.

        Raises:
            RunError: nothing came in time.
        """
        while not self._connection.closed:
            self._wait(select.POLLIN, within_s)
            for frame in self._connection.receive():
                if frame.kind is Kind.RETURN:
                    self._lending.take_back(self._peer, frame)
                    continue
                was_lent = any(isinstance(buffer, Slot) for item in frame.items for buffer in item.buffers)
                self._lending.open(frame)
                return [self._wire.decode(item.body, item.buffers) for item in frame.items], was_lent
        return None

    def _wait(self, event: int, within_s: float | None) -> None:
        poll = select.poll()
        poll.register(self._connection, event)
        if not poll.poll(None if within_s is None else within_s * 1000):
            raise RunError(f"the process that hands items back has not answered for {within_s:g} s")

    def there_and_back(self, size: int, number: int, in_shared_memory: bool) -> None:
        """Send so many items of a size, and wait until they are back.

        Raises:
            RunError: they did not come back.
        """
        self.send([block(size)] * number, in_shared_memory)
        answer = self.receive(PATIENCE_S)
        if answer is None or len(answer[0]) != number:
            raise RunError("the process that hands items back has ended")

    def close(self) -> None:
        """Close it, upon which the other process ends."""
        self._connection.close()
        self._lending.close()


def python_command(module: str, *arguments: object) -> list[str]:
    """The command that runs a module's `main` in another Python, which looks for modules where this one does."""
    script = f"import sys; sys.path[:] = {sys.path!r}; from {module} import main; main(*{arguments!r})"
    return [sys.executable, "-c", script]


@contextmanager
def echo() -> Iterator[End]:
    """An end whose other end is a process that hands back what it is handed, the way it got it.

    Raises:
        RunError: no such process can be had.
    """
    here, there = socket.socketpair()
    segments: dict[int, Segment] = {}
    try:
        for number in (0, 1):
            segments[number] = Segment.create(number, _POOL_BYTES)
        passed = [there.fileno(), *(segment.fileno() for segment in segments.values())]
        process = subprocess.Popen(
            python_command(__name__, *passed), pass_fds=passed, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
    except OSError as error:
        here.close()
        for segment in segments.values():
            segment.close()
        raise RunError(f"a second process is needed to hand items to, and cannot be started: {error}") from error
    finally:
        there.close()
    end = End(0, here, segments)
    try:
        yield end
    finally:
        end.close()
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def main(end: int, first: int, second: int) -> None:
    """Hand back what comes until the other end is closed; the arguments are file descriptors."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever is asked to stop closes the other end
    segments = {number: Segment(number, descriptor, _POOL_BYTES) for number, descriptor in enumerate((first, second))}
    other = End(1, socket.socket(fileno=end), segments)
    while (received := other.receive(None)) is not None:
        other.send(*received)
        del received
    other.close()
