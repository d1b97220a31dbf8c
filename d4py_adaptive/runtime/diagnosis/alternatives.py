"""Other ways to run the workflow, the quickest first."""

from __future__ import annotations

from d4py_adaptive.runtime.diagnosis.figures import Figures
from d4py_adaptive.runtime.diagnosis.limits import MOSTLY_WAITING
from d4py_adaptive.runtime.diagnosis.what_if import Setup, best_workers, bound_s, predicted_s
from d4py_adaptive.telemetry.diagnosis import Alternative

MOST_LISTED = 8


def alternatives(figures: Figures) -> tuple[Alternative, ...]:
    """Sequential, on several workers, and the bound that no way of running it is below."""
    if not figures.total_s:
        return ()
    numbers = {1, *_spread(figures.cores)}
    if any(work.waiting >= MOSTLY_WAITING for work in figures.work.values()):
        numbers.add(best_workers(figures, Setup(2)))
    found = [_alternative(figures, _what(n), n, predicted_s(figures, Setup(n))) for n in sorted(numbers)]
    least_s = bound_s(figures)
    if least_s:
        what = f"perfect balance on {figures.cores} cores (no way is quicker)"
        found.append(_alternative(figures, what, figures.cores, min(least_s, figures.total_s)))
    return tuple(sorted(found, key=lambda one: (one.predicted_s, one.workers)))


def _spread(cores: int) -> list[int]:
    """Numbers of workers from 2 to the cores, doubling where there are many."""
    numbers = list(range(2, cores + 1))
    return numbers if len(numbers) <= MOST_LISTED else [*(1 << n for n in range(1, cores.bit_length())), cores]


def _what(workers: int) -> str:
    return "sequential" if workers == 1 else f"multi, {workers} workers"


def _alternative(figures: Figures, what: str, workers: int, seconds: float) -> Alternative:
    gain = figures.total_s / seconds if seconds else 1.0
    return Alternative(what=what, predicted_s=seconds, workers=workers, gain=gain)
