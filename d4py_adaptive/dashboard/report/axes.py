"""Marks along an axis of time, with their places in percent of its length."""

from __future__ import annotations

import math
from dataclasses import dataclass

from d4py_adaptive.dashboard.report.wording import timespan


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark: its place in percent, and what stands there."""

    place: float
    words: str


def even_marks(end_s: float, most: int = 5) -> tuple[Mark, ...]:
    """Marks at round times, from 0 to at most `end_s`."""
    if not 0 < end_s < math.inf:
        return ()
    step = _round_step(end_s / most)
    return tuple(Mark(100 * n * step / end_s, _said(n * step, step)) for n in range(int(end_s / step * 1.0001) + 1))


def decade_marks(low_s: float, high_s: float) -> tuple[Mark, ...]:
    """Marks at powers of ten on a logarithmic axis."""
    span = math.log10(high_s / low_s)
    powers = range(math.ceil(math.log10(low_s) - 1e-9), math.floor(math.log10(high_s) + 1e-9) + 1)
    return tuple(Mark(100 * (power - math.log10(low_s)) / span, _power(power)) for power in powers)


def _round_step(least: float) -> float:
    """The next larger of 1, 2 or 5 times a power of ten; above a minute, of round minutes and hours."""
    if least > 30:
        for step in (60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200):
            if step >= least:
                return float(step)
        return float(86_400 * math.ceil(least / 86_400))
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * 0.9999)


def _said(at_s: float, step_s: float) -> str:
    if step_s >= 60:
        minutes = round(at_s / 60)
        return f"{minutes // 60} h {minutes % 60:02d}" if minutes >= 60 else f"{minutes} min"
    if step_s >= 1 or at_s == 0:
        return f"{at_s:.0f} s"
    scale, unit = (1, "s") if step_s >= 0.1 else (1e3, "ms") if step_s >= 1e-4 else (1e6, "µs")
    return f"{at_s * scale:.4g} {unit}"


def _power(power: int) -> str:
    seconds = 10.0**power
    return f"{seconds:,.0f} s" if power >= 0 else timespan(seconds).replace(".0", "")
