"""Time as a value that is passed in, so that what depends on it can be tested without waiting."""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], int]
"""A function that returns a monotonic time in nanoseconds."""

monotonic_ns: Clock = time.perf_counter_ns


def wall_time_s() -> float:
    """Seconds since the epoch, for records that people read."""
    return time.time()
