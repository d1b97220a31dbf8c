"""Durations of calls, added up in constant memory."""

from __future__ import annotations

from collections.abc import Iterable
from math import sqrt

from d4py_adaptive.telemetry.profile import ServiceTime
from d4py_adaptive.telemetry.sketch import bucket_of, merged, quantile_s

_HALF_WIDTH_95 = 1.96


class Calls:
    """Calls of one instance, or of several together.

    Attributes:
        number: how many.
        total_s: how long they took together.
        squares: their squares together.
        longest_s: the longest.
        buckets: the sketch of their durations.
    """

    __slots__ = ("buckets", "longest_s", "number", "squares", "total_s")

    def __init__(self) -> None:
        self.number = 0
        self.total_s = 0.0
        self.squares = 0.0
        self.longest_s = 0.0
        self.buckets: dict[int, int] = {}

    def add(self, duration_s: float) -> None:
        """One more call."""
        self.number += 1
        self.total_s += duration_s
        self.squares += duration_s * duration_s
        if duration_s > self.longest_s:
            self.longest_s = duration_s
        bucket = bucket_of(int(duration_s * 1e9))
        self.buckets[bucket] = self.buckets.get(bucket, 0) + 1

    def service(self, cpu_s: float | None = None) -> ServiceTime:
        """Their service time, and the processor's share of it where the calls' processor time is known."""
        number, deviation = self.number, self._deviation_s()
        p50_s, p95_s, p99_s = (min(quantile_s(self.buckets, share), self.longest_s) for share in (0.5, 0.95, 0.99))
        return ServiceTime(
            calls=number,
            timed=number,
            mean_s=self.total_s / number if number else 0.0,
            mean_error_s=_HALF_WIDTH_95 * deviation / number**0.5 if number else 0.0,
            p50_s=p50_s,
            p95_s=p95_s,
            p99_s=p99_s,
            max_s=self.longest_s,
            deviation_s=deviation,
            buckets=dict(sorted(self.buckets.items())),
            cpu_share=cpu_s / self.total_s if cpu_s is not None and self.total_s else None,
        )

    def _deviation_s(self) -> float:
        """The standard deviation; the sketch would say 0 where all durations fall in one bucket."""
        if self.number < 2:
            return 0.0
        return sqrt(max(0.0, self.squares - self.total_s**2 / self.number) / (self.number - 1))


def together(several: Iterable[Calls]) -> Calls:
    """All the calls as one."""
    parts, all_of_them = list(several), Calls()
    all_of_them.number = sum(calls.number for calls in parts)
    all_of_them.total_s = sum(calls.total_s for calls in parts)
    all_of_them.squares = sum(calls.squares for calls in parts)
    all_of_them.longest_s = max((calls.longest_s for calls in parts), default=0.0)
    all_of_them.buckets = merged(calls.buckets for calls in parts)
    return all_of_them
