"""What the fork server loads before it forks workers.

Ctrl-C and a batch system's SIGTERM go to every process of a job. The fork server must outlast them, since without it no
worker can be started; the processes it forks get SIGTERM's ordinary meaning back. It is started with both signals held
back, and lets them through again here, where they do nothing any more.
"""

from __future__ import annotations

import os
import signal

from d4py_adaptive.mappings import process
from d4py_adaptive.mappings.interruption import SIGNALS

__all__ = ["process"]


def _restore() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


os.register_at_fork(after_in_child=_restore)
for number in SIGNALS:
    signal.signal(number, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
