"""What the fork server loads before it forks workers.

A batch system sends SIGTERM to every process of a job. The fork server must outlast it, since its death takes away the
means to tell when workers end; the processes it forks get the signal's ordinary meaning back.
"""

from __future__ import annotations

import os
import signal

from d4py_adaptive.mappings import process

__all__ = ["process"]


def _restore() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.register_at_fork(after_in_child=_restore)
