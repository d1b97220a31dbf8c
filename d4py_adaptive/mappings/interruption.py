"""Ctrl-C and SIGTERM: the first asks a run to end in order, the second ends it at once."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

from d4py_adaptive.errors import Interrupted

DRAIN_S = 10.0
"""How long what is under way may take to finish after the first signal."""

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Which signal came, if one did, and what it does.

    Attributes:
        signal_number: number of the first signal, 0 before it.
        hard: a second one came, or the time for ending in order is over.
        armed: the next signal after the first may leave what is running by KeyboardInterrupt; never while cleaning up.
    """

    def __init__(self) -> None:
        self.signal_number = 0
        self.hard = False
        self.armed = False
        self._on_signal: Callable[[], None] = _nothing
        self._timer: threading.Timer | None = None

    def listen(self, on_signal: Callable[[], None]) -> None:
        """Have a function called, in the main thread, at the first two signals; at once if one came already."""
        self._on_signal = on_signal
        if self.signal_number:
            on_signal()

    def handle(self, number: int, _frame: FrameType | None) -> None:
        """The signal handler: the first signal asks, the second insists, later ones change nothing.

        Raises:
            KeyboardInterrupt: this is the second signal, and the run goes on.
        """
        if not self.signal_number:
            self.signal_number = number
            self._timer = threading.Timer(DRAIN_S, os.kill, (os.getpid(), number))
            self._timer.daemon = True
            self._timer.start()
            self._on_signal()
        elif not self.hard:
            self.hard = True
            self._on_signal()
            if self.armed:
                self.armed = False
                raise KeyboardInterrupt

    def done(self) -> None:
        """The run has ended: no signal is waited for any more."""
        if self._timer is not None:
            self._timer.cancel()

    def error(self) -> Interrupted:
        """What the run raises."""
        name = signal.Signals(self.signal_number).name
        if self.hard:
            return Interrupted(f"{name} ended the run at once; items under way are lost", self.signal_number)
        return Interrupted(
            f"{name} ended the run in order: its sources were stopped, all else finished", self.signal_number
        )


def _nothing() -> None:
    """What a signal does before a mapping says otherwise."""


@contextlib.contextmanager
def interruptible() -> Iterator[Interruption]:
    """Catch SIGINT and SIGTERM for the time of the block; outside the main thread, leave them alone."""
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number in SIGNALS:
        signal.signal(number, interruption.handle)
    try:
        yield interruption
    finally:
        interruption.done()
        for number, handler in before.items():
            if handler is not None:  # None: one that C code installed, which Python cannot put back
                signal.signal(number, handler)
