"""What one worker's process takes of the machine."""

from __future__ import annotations

import contextlib
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

from d4py_adaptive.clock import Clock

LOOK_NS = 1_000_000_000
"""Threads are counted so often."""

_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


class Usage:
    """Measures the process from now on.

    Args:
        worker: number of the worker.
        clock: the time.
    """

    def __init__(self, worker: int, clock: Clock) -> None:
        self._worker = worker
        self._clock = clock
        self._born_ns = clock()
        self._cpu_s = _cpu_s()
        self._runnable_s = _runnable_s()
        self._faults = resource.getrusage(resource.RUSAGE_SELF).ru_majflt
        self._look_ns = self._born_ns + LOOK_NS // 10
        self._threads = 1

    def look(self, now_ns: int) -> None:
        """Count threads, if it is time to."""
        if now_ns >= self._look_ns:
            self._look_ns = now_ns + LOOK_NS
            self._threads = max(self._threads, _threads())

    def report(self) -> dict[str, Any]:
        """What the process has taken since."""
        self.look(self._look_ns)
        used = resource.getrusage(resource.RUSAGE_SELF)
        runnable_s = _runnable_s()
        return {
            "number": self._worker,
            "pid": os.getpid(),
            "wall_s": (self._clock() - self._born_ns) / 1e9,
            "cpu_s": _cpu_s() - self._cpu_s,
            "runnable_s": None if runnable_s is None or self._runnable_s is None else runnable_s - self._runnable_s,
            "peak_memory_bytes": used.ru_maxrss * _RSS_UNIT,
            "threads": self._threads,
            "page_faults": used.ru_majflt - self._faults,
        }


def _cpu_s() -> float:
    """Processor time of this process, all its threads, and of the programs that it started and that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _runnable_s() -> float | None:
    """How long this process's main thread has waited for a core; None where the system does not say."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int(Path("/proc/self/schedstat").read_text().split()[1]) / 1e9
    return None


def _threads() -> int:
    import psutil

    return int(psutil.Process().num_threads())
