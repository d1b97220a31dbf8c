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

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Which signal came, if one did.

    Attributes:
        signal_number: number of the first signal, 0 before it.
        hard: a second one came, or the time for ending in order is over.
    """

    def __init__(self, on_signal: Callable[[], None]) -> None:
        self.signal_number = 0
        self.hard = False
        self._on_signal = on_signal
        self._timer: threading.Timer | None = None

    def handle(self, number: int, _frame: FrameType | None) -> None:
        """The signal handler.

        Raises:
            KeyboardInterrupt: this is not the first signal.
        """
        if self.signal_number:
            self.hard = True
            self._on_signal()
            raise KeyboardInterrupt
        self.signal_number = number
        self._timer = threading.Timer(DRAIN_S, os.kill, (os.getpid(), number))
        self._timer.daemon = True
        self._timer.start()
        self._on_signal()

    def done(self) -> None:
        """The run has ended: no signal is waited for any more."""
        if self._timer is not None:
            self._timer.cancel()

    def error(self) -> Interrupted:
        """What the run raises."""
        name = signal.Signals(self.signal_number).name
        how = (
            "at once, items under way are lost"
            if self.hard
            else "in order: its sources were stopped, all else finished"
        )
        return Interrupted(f"{name} ended the run {how}", self.signal_number)


@contextlib.contextmanager
def interruptible(on_signal: Callable[[], None]) -> Iterator[Interruption]:
    """Catch SIGINT and SIGTERM for the time of the block; outside the main thread, leave them alone.

    Args:
        on_signal: called from the handler, in the main thread, at every signal.
    """
    interruption = Interruption(on_signal)
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    for number in _SIGNALS:
        signal.signal(number, interruption.handle)
    try:
        yield interruption
    finally:
        interruption.done()
        for number, handler in before.items():
            signal.signal(number, handler)
