"""Frames over a Unix stream socket that never blocks: the portable transport between processes of one machine."""

from __future__ import annotations

import pickle
import socket
import sys
from collections import deque
from typing import Any

from d4py_adaptive.wire.encoding import Encoded
from d4py_adaptive.wire.frame import Frame, FrameReader, Kind

_SCRATCH_BYTES = 256 * 1024
_PIECES_AT_ONCE = 64
_READS_AT_ONCE = 16


class Connection:
    """One end of a connection to another process; what cannot be sent yet waits here, bounded by the credits.

    Attributes:
        closed: nothing more will be received.
        broken: nothing more can be sent; it is dropped, since whoever watches the processes ends the run.
    """

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._socket = end
        self._reader = FrameReader()
        self._out: deque[memoryview] = deque()
        self._scratch = memoryview(bytearray(_SCRATCH_BYTES))
        self.closed = False
        self.broken = False

    def fileno(self) -> int:
        """The file descriptor, for a selector."""
        return self._socket.fileno()

    @property
    def waiting(self) -> bool:
        """Whether something has not been sent yet."""
        return bool(self._out) and not self.closed and not self.broken

    def send(self, frame: Frame) -> None:
        """Send a frame, as much of it as goes at once; the rest when `push` is called."""
        if self.closed or self.broken:
            return
        for part in frame.parts():
            if len(part):
                self._out.append(memoryview(part).cast("B"))
        self.push()

    def push(self) -> None:
        """Send what waits, as far as it goes."""
        while self._out and not self.broken:
            try:
                sent = self._socket.sendmsg([self._out[i] for i in range(min(len(self._out), _PIECES_AT_ONCE))])
            except BlockingIOError:
                return
            except (BrokenPipeError, ConnectionResetError):
                self.broken = True
                return
            while sent:
                first = self._out[0]
                if sent < len(first):
                    self._out[0] = first[sent:]
                    break
                sent -= len(first)
                self._out.popleft()

    def receive(self, at_most: int = _READS_AT_ONCE) -> list[Frame]:
        """The frames that have arrived, read in at most so many pieces; large buffers are received where they stay."""
        frames: list[Frame] = []
        for _ in range(at_most):
            target = self._reader.target()
            direct = len(target) >= _SCRATCH_BYTES
            try:
                n = self._socket.recv_into(target if direct else self._scratch)
            except BlockingIOError:
                break
            except ConnectionResetError:
                n = 0
            if n == 0:
                self.closed = True
                break
            if not direct:
                self._spread(frames, self._scratch[:n])
                continue
            frame = self._reader.advance(n)
            if frame is not None:
                frames.append(frame)
        return frames

    def receive_last(self) -> list[Frame]:
        """All that a process which has ended still said; nothing comes after it."""
        frames = self.receive(at_most=sys.maxsize)
        self.closed = True
        return frames

    def _spread(self, frames: list[Frame], received: memoryview) -> None:
        while len(received):
            frame, used = self._reader.take(received)
            received = received[used:]
            if frame is not None:
                frames.append(frame)

    def close(self) -> None:
        """Close this end."""
        self.closed = self.broken = True
        self._socket.close()


def message(*values: Any, payload: bytes = b"") -> Frame:
    """A frame with a message between a worker and its launcher, and bytes of any length beside it."""
    body = pickle.dumps(values, 5)
    return Frame(Kind.CONTROL, ports=[0], items=[Encoded(body, (payload,) if payload else (), len(body))])


def read_message(frame: Frame) -> tuple[Any, ...]:
    """The message in a frame; only ever from a process of this run, over an inherited socket."""
    values: tuple[Any, ...] = pickle.loads(frame.items[0].body)
    return values
