"""How the cost of a call depends on the size of its item, from a sample of calls.

A law's form is fitted so that rare, slow calls do not bend it. Its height is then set so that it gives the mean of
all calls, slow ones included: otherwise it would tell the typical call, and understate every total.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal

from d4py_adaptive.telemetry.profile import CostLaw

if TYPE_CHECKING:
    import numpy

    Numbers = numpy.ndarray[Any, numpy.dtype[Any]]
    Kind = Literal["constant", "linear", "power"]
    Form = tuple[float, ...]

LEAST_SAMPLES = 30
"""Calls that a law of size has to rest on."""

_LEAST_RANGE = 1.5
_LEAST_CORRELATION = 0.2
_CLEARLY = 0.85
_ALIKE = 0.01
_PARTS = 5
_SHORTEST_S = 1e-9


def is_available() -> bool:
    """Whether laws of size can be fitted: whether scikit-learn is installed (the extra `diagnose`)."""
    return find_spec("sklearn") is not None


def cost_law(pairs: Iterable[tuple[int, int]], mean_s: float) -> CostLaw:
    """The simplest law that no other one predicts calls clearly better than.

    The constant one where scikit-learn is missing (`is_available`), where there are fewer than `LEAST_SAMPLES` calls,
    and where the sizes hardly vary.

    Args:
        pairs: bytes of the item and nanoseconds of the call, of a fair sample of the calls.
        mean_s: mean time of all calls, sampled or not; 0 to take that of the sample.
    """
    import numpy as np

    measured = np.array(list(pairs), dtype=np.float64).reshape(-1, 2)
    if not len(measured):
        return CostLaw(kind="constant", coefficients=(mean_s,), error=0.0, samples=0)
    sizes, times_s = measured[:, 0], np.maximum(measured[:, 1] / 1e9, _SHORTEST_S)
    best = _tried(_Law("constant", _constant), sizes, times_s)
    for law in _laws_of_size(sizes, times_s):
        candidate = _tried(law, sizes, times_s)
        if candidate.spread < min(_CLEARLY * best.spread, best.spread - _ALIKE):
            best = candidate
    wanted_s = _mean_s(best.law.predicted(best.form, sizes), times_s, mean_s)
    return CostLaw(
        kind=best.law.kind,
        coefficients=best.law.raised(best.form, sizes, wanted_s),
        error=best.error,
        samples=len(sizes),
        smallest_bytes=int(sizes.min()),
        largest_bytes=int(sizes.max()),
    )


def _mean_s(predicted: Numbers, times_s: Numbers, mean_s: float) -> float:
    """The mean that the law is to give for the sizes of the sample.

    Chance makes these sizes larger or smaller than those of all calls, and the sample's times with them; the mean of
    all calls then belongs to other sizes. It is nevertheless the better one where times vary more than sizes explain,
    and where it is so far off that the sample must have missed slow calls.
    """
    own_s = float(times_s.mean())
    if not mean_s:
        return own_s
    noise = float((times_s / own_s - predicted / predicted.mean()).std())
    by_sizes = float((predicted / predicted.mean()).std())
    chance = 3 * by_sizes / math.sqrt(len(times_s))
    return own_s if noise < by_sizes and abs(math.log(mean_s / own_s)) < chance else mean_s


@dataclass(frozen=True, slots=True)
class _Law:
    """One law, and how its coefficients are found; `fit` gives None where it does not apply."""

    kind: Kind
    fit: Callable[[Numbers, Numbers], Form | None]

    def predicted(self, form: Form, sizes: Numbers) -> Numbers:
        """Seconds of calls with items of these sizes."""
        if self.kind == "constant":
            return form[0] + 0 * sizes
        if self.kind == "linear":
            return form[0] + form[1] * sizes
        return form[0] * sizes ** form[1]

    def raised(self, form: Form, sizes: Numbers, mean_s: float) -> Form:
        """The coefficients at the height that gives this mean for these sizes."""
        height = mean_s / float(self.predicted(form, sizes).mean())
        return (form[0] * height, form[1]) if self.kind == "power" else tuple(part * height for part in form)


@dataclass(frozen=True, slots=True)
class _Tried:
    """How well a law predicts calls that it was not fitted to.

    Attributes:
        law: which one.
        form: its coefficients, fitted to all calls; their height says nothing yet.
        spread: mean distance, in logarithms, of measured over predicted from its middle: how well the form fits,
            whatever its height. One slow call in fifty hardly counts, one large item in fifty does.
        error: median of the relative errors, at the height that gives the mean.
    """

    law: _Law
    form: Form
    spread: float = math.inf
    error: float = math.inf


def _tried(law: _Law, sizes: Numbers, times_s: Numbers) -> _Tried:
    """Fits a law to a sample, and each time to all but a fifth of it, to predict that fifth."""
    import numpy as np

    whole = law.fit(sizes, times_s)
    if whole is None:
        return _Tried(law, ())
    ratios, errors = np.ones(len(sizes)), np.zeros(len(sizes))
    for part in range(_PARTS if len(sizes) > 1 else 0):
        held = np.arange(len(sizes)) % _PARTS == part
        form = law.fit(sizes[~held], times_s[~held])
        if form is None:
            return _Tried(law, whole)
        ratios[held] = times_s[held] / np.maximum(law.predicted(form, sizes[held]), _SHORTEST_S)
        right = law.raised(form, sizes[~held], float(times_s[~held].mean()))
        errors[held] = abs(law.predicted(right, sizes[held]) / times_s[held] - 1)
    logs = np.log(ratios)
    return _Tried(law, whole, float(abs(logs - np.median(logs)).mean()), float(np.median(errors)))


def _laws_of_size(sizes: Numbers, times_s: Numbers) -> tuple[_Law, ...]:
    """The laws worth trying: fitting takes a tenth of a second, and most PEs do not care for sizes."""
    import numpy as np

    enough = len(sizes) >= LEAST_SAMPLES and sizes.max() > _LEAST_RANGE * max(sizes.min(), 1)
    if not enough or times_s.min() == times_s.max() or not is_available():
        return ()
    correlation = np.corrcoef(np.log(np.maximum(sizes, 1)), np.log(times_s))[0, 1]
    return (_Law("linear", _linear), _Law("power", _power)) if correlation > _LEAST_CORRELATION else ()


def _constant(sizes: Numbers, times_s: Numbers) -> Form | None:  # noqa: ARG001 - as the others
    return (1.0,)


def _power(sizes: Numbers, times_s: Numbers) -> Form | None:
    """The law a * size ** b: a line through the logarithms."""
    import numpy as np

    if sizes.min() < 1:
        return None
    logs = np.log(sizes)
    found = _line(np.column_stack([np.ones(len(sizes)), logs - logs.mean()]), np.log(times_s))
    if found is None or found[1] <= 0:
        return None
    return float(np.exp(found[0] - found[1] * logs.mean())), found[1]


def _linear(sizes: Numbers, times_s: Numbers) -> Form | None:
    """The law a + b * size, by relative distances, since long calls vary by more; neither is negative."""
    import numpy as np

    rough = _power(np.maximum(sizes, 1), times_s)
    if rough is None:
        return None
    expected_s = rough[0] * np.maximum(sizes, 1) ** rough[1]
    unit = float(times_s.mean()), float(times_s.mean() / sizes.mean())  # the solver wants factors near 1
    found = _line(np.column_stack([unit[0] / expected_s, unit[1] * sizes / expected_s]), times_s / expected_s)
    if found is None or found[1] <= 0:
        return None
    if found[0] < 0:
        return 0.0, float(np.median((times_s / np.maximum(sizes, 1))[sizes > 0]))
    return found[0] * unit[0], found[1] * unit[1]


def _line(columns: Numbers, wanted: Numbers) -> tuple[float, float] | None:
    """The factors of two columns whose sum is nearest to what is wanted, where far points count less (Huber)."""
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import HuberRegressor
    from threadpoolctl import threadpool_limits

    # where cores are busy, threads that wait for each other take seconds over two columns
    with threadpool_limits(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # what it ends with is judged by its error anyway
        try:
            first, second = HuberRegressor(alpha=0, fit_intercept=False, max_iter=1000).fit(columns, wanted).coef_
        except ValueError:  # the solver gave up; there are other laws
            return None
    return float(first), float(second)
