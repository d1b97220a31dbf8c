"""What the report says in words: time spans, laws of cost, what is known of keys."""

from __future__ import annotations

import math
import time

from d4py_adaptive.dashboard.report import figures
from d4py_adaptive.dashboard.text import duration
from d4py_adaptive.telemetry.profile import CostLaw, PEProfile, StreamProfile

NONE = "\N{EN DASH}"
"""Stands where nothing was measured."""

_TIMES = "\N{MULTIPLICATION SIGN}"


def timespan(seconds: float | None) -> str:
    """A time span, from nanoseconds to hours."""
    if seconds is None or not math.isfinite(seconds):
        return NONE
    return f"{seconds * 1e9:.0f} ns" if 0 < seconds < 1e-6 else duration(seconds).replace(" us", " µs")


def number(value: float) -> str:
    """A figure in four digits or so."""
    if not math.isfinite(value):
        return NONE
    return f"{value:,.0f}" if abs(value) >= 1000 or value == round(value) else f"{value:.4g}"


def evidence(name: str, value: float) -> tuple[str, str]:
    """What a figure is called, and the figure in the unit that its name ends with; a PE may be named after that."""
    kind, *rest = name.split(" ", 1)
    tellings = (("_share", figures.share), ("_bytes_per_s", _speed), ("_s", timespan), ("_bytes", figures.size))
    for unit, told in tellings:
        if kind.endswith(unit) and math.isfinite(value):
            return " ".join([kind.removesuffix(unit).replace("_", " "), *rest]), told(value)
    return " ".join([kind.replace("_", " "), *rest]), number(value)


def _speed(bytes_per_s: float) -> str:
    return f"{figures.size(bytes_per_s)}/s"


def factor(value: float) -> str:
    """How many times as fast."""
    return f"{value:.{2 if value < 10 else 0}f}{_TIMES}" if math.isfinite(value) else NONE


def moment(seconds: float) -> str:
    """A moment, in universal time."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds)) if seconds else NONE


def law(cost: CostLaw) -> str:
    """How service time depends on the item's size."""
    first, second = (*cost.coefficients, 0.0, 0.0)[:2]
    if cost.kind == "constant" and cost.smallest_bytes == cost.largest_bytes:
        return f"cannot be told: all items had {figures.size(cost.largest_bytes)}"
    if cost.kind == "constant":
        said = f"{timespan(first)}, whatever the item's size"
    elif cost.kind == "linear":
        said = f"{timespan(first)} + {timespan(second * 1e6)} per MB"
    else:
        said = (
            f"grows as size to the power of {second:.2f}; {timespan(first * cost.largest_bytes**second)} at the largest"
        )
    sizes = f"{figures.size(cost.smallest_bytes)} to {figures.size(cost.largest_bytes)}"
    return f"{said} (within {figures.share(cost.error)}; {figures.count(cost.samples)} calls, items of {sizes})"


def scaling(pe: PEProfile) -> str:
    """How many instances a PE may have, and why."""
    allowed = pe.scaling
    if allowed.fixed is not None:
        said = f"always {allowed.fixed}"
    else:
        said = "any number" if allowed.at_most is None else f"{allowed.at_most} at most"
    return f"{said}: {allowed.reason}" if allowed.reason else said


def keys(stream: StreamProfile) -> str:
    """What is known of the keys of a stream that is grouped by key."""
    heavy = ", ".join(f"{key.key} {figures.share(key.share)}" for key in stream.heavy_keys[:3])
    seen = "" if stream.distinct_keys is None else f"about {figures.count(stream.distinct_keys)}"
    return "; heaviest: ".join(part for part in (seen, heavy) if part) or NONE


def grouping(stream: StreamProfile) -> str:
    """Who gets an item of a stream, as it stands on its arrow; empty for shuffle."""
    if stream.grouping == "group_by":
        return "by " + ", ".join(stream.keys)
    return {"one_to_all": "all", "all_to_one": "global"}.get(stream.grouping, "")
