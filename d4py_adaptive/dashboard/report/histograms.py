"""The distributions of service times: a histogram per PE, all above one logarithmic axis of time."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from d4py_adaptive.dashboard.report.axes import Mark, decade_marks
from d4py_adaptive.telemetry import sketch
from d4py_adaptive.telemetry.profile import PEProfile, ServiceTime

HEIGHT = 40
WIDTH = 1000


@dataclass(frozen=True, slots=True)
class Histogram:
    """A PE's histogram: an SVG path, and where its quantiles stand, by name."""

    pe: PEProfile
    area: str
    quantiles: tuple[tuple[str, float, float], ...]


@dataclass(frozen=True, slots=True)
class Histograms:
    """All histograms, and the marks of their axis."""

    marks: tuple[Mark, ...]
    rows: tuple[Histogram, ...]


def histograms_of(pes: Iterable[PEProfile]) -> Histograms | None:
    """The histograms of the PEs whose calls were timed; None where none were."""
    timed = [pe for pe in pes if any(pe.service.buckets.values())]
    if not timed:
        return None
    bounds = [sketch.bounds_ns(bucket) for pe in timed for bucket, count in pe.service.buckets.items() if count]
    low = 10.0 ** math.floor(math.log10(max(1, min(low for low, _ in bounds)) / 1e9) + 1e-9)
    high = 10.0 ** math.ceil(math.log10(max(high for _, high in bounds) / 1e9) - 1e-9)
    axis = _Axis(low, max(high, low * 10))
    rows = tuple(Histogram(pe, _area(pe.service, axis), _quantiles(pe.service, axis)) for pe in timed)
    return Histograms(decade_marks(axis.low_s, axis.high_s), rows)


@dataclass(frozen=True, slots=True)
class _Axis:
    low_s: float
    high_s: float

    def place(self, seconds: float) -> float:
        """Where a duration stands, from 0 to `WIDTH`."""
        share = math.log(max(seconds, self.low_s) / self.low_s) / math.log(self.high_s / self.low_s)
        return WIDTH * min(1.0, share)


def _area(service: ServiceTime, axis: _Axis) -> str:
    """The bars as one path; a bar's area stands for its calls, since buckets are not all as wide."""
    bars = []
    for bucket, count in sorted(service.buckets.items()):
        low, high = (axis.place(bound / 1e9) for bound in sketch.bounds_ns(bucket))
        if count and high > low:
            bars.append((low, high, count / (high - low)))
    highest = max((density for *_, density in bars), default=1.0)
    parts = []
    for low, high, density in bars:
        height = max(1.0, HEIGHT * density / highest)
        parts.append(f"M{low:.1f} {HEIGHT}v-{height:.1f}H{high:.1f}V{HEIGHT}z")
    return "".join(parts)


def _quantiles(service: ServiceTime, axis: _Axis) -> tuple[tuple[str, float, float], ...]:
    named = (("p50", service.p50_s), ("p95", service.p95_s), ("p99", service.p99_s))
    return tuple((name, value, axis.place(value)) for name, value in named if value)
