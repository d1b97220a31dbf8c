"""The cost of a call by the size of its item: the right law, and totals that hold for calls it has not seen."""

import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from d4py_adaptive.profiler.cost_law import LEAST_SAMPLES, cost_law, is_available
from d4py_adaptive.telemetry.profile import CostLaw

Draw = Callable[[np.random.Generator, int], Any]
CALLS = 20_000


def wide(random: np.random.Generator, number: int) -> Any:
    return random.uniform(1_000, 10_000, number).round()


def skewed(random: np.random.Generator, number: int) -> Any:
    return random.lognormal(9, 1, number).round()


def rarely_large(random: np.random.Generator, number: int) -> Any:
    return np.where(random.random(number) < 0.05, 100_000.0, 1_000.0)


def larger(random: np.random.Generator, number: int) -> Any:
    return random.uniform(20_000, 40_000, number).round()


def little(random: np.random.Generator, number: int) -> Any:
    return random.lognormal(0, 0.1, number)


def much(random: np.random.Generator, number: int) -> Any:
    return random.lognormal(0, 0.5, number)


def heavy_tailed(random: np.random.Generator, number: int) -> Any:
    return 1 + random.pareto(2.5, number)


def bimodal(random: np.random.Generator, number: int) -> Any:
    return little(random, number) * np.where(random.random(number) < 0.05, 20, 1)


def with_outliers(random: np.random.Generator, number: int) -> Any:
    return little(random, number) * np.where(random.random(number) < 0.02, 50, 1)


def constant(sizes: Any) -> Any:
    return 1e-3 + 0 * sizes


def linear(sizes: Any) -> Any:
    return 1e-4 + 1e-7 * sizes


def power(sizes: Any) -> Any:
    return 1e-9 * sizes**1.5


def calls(seed: int, law: Callable[[Any], Any], sizes: Draw, noise: Draw) -> tuple[Any, Any]:
    random = np.random.default_rng(seed)
    drawn = sizes(random, CALLS)
    return drawn, law(drawn) * noise(random, CALLS)


def fitted(seed: int, law: Callable[[Any], Any], sizes: Draw, noise: Draw, number: int = 512) -> CostLaw:
    drawn, times_s = calls(seed, law, sizes, noise)
    kept = np.random.default_rng(seed + 1).choice(CALLS, number, replace=False)
    pairs = [(int(drawn[call]), int(times_s[call] * 1e9)) for call in kept]
    return cost_law(pairs, float(times_s.mean()))


def predicted(law: CostLaw, sizes: Any) -> Any:
    a, *b = law.coefficients
    return {"constant": lambda: a + 0 * sizes, "linear": lambda: a + b[0] * sizes, "power": lambda: a * sizes ** b[0]}[
        law.kind
    ]()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("law", "sizes", "noise", "within"),
    [
        (constant, wide, little, 0.01),
        (constant, skewed, much, 0.03),
        (constant, skewed, heavy_tailed, 0.08),
        (constant, wide, bimodal, 0.08),
        (constant, skewed, with_outliers, 0.08),
        (linear, wide, little, 0.03),
        (linear, wide, heavy_tailed, 0.09),
        (linear, wide, with_outliers, 0.12),
        (linear, rarely_large, little, 0.05),
        (power, wide, little, 0.03),
        (power, skewed, little, 0.06),
        (power, wide, with_outliers, 0.15),
    ],
)
def test_the_law_and_the_total_of_calls_it_has_not_seen(
    seed: int, law: Callable[[Any], Any], sizes: Draw, noise: Draw, within: float
) -> None:
    found = fitted(seed, law, sizes, noise)
    assert found.kind == law.__name__
    assert min(found.coefficients) >= 0
    drawn, times_s = calls(seed + 100, law, sizes, noise)
    assert predicted(found, drawn).sum() == pytest.approx(times_s.sum(), rel=within)


@pytest.mark.parametrize(("law", "noise", "within"), [(linear, little, 0.03), (power, little, 0.05)])
def test_a_law_of_size_holds_for_larger_items(law: Callable[[Any], Any], noise: Draw, within: float) -> None:
    drawn, times_s = calls(7, law, larger, noise)
    assert predicted(fitted(3, law, wide, noise), drawn).sum() == pytest.approx(times_s.sum(), rel=within)


def test_the_coefficients() -> None:
    assert fitted(1, linear, wide, little).coefficients == pytest.approx((1e-4, 1e-7), rel=0.1)
    assert fitted(1, power, wide, little).coefficients[1] == pytest.approx(1.5, abs=0.03)


def test_the_error_is_that_of_the_typical_call() -> None:
    assert fitted(1, linear, wide, little).error == pytest.approx(0.067, abs=0.02)  # median of |a tenth x normal|
    assert fitted(1, linear, wide, much).error == pytest.approx(0.34, abs=0.05)
    assert fitted(1, linear, wide, with_outliers).error > 0.5  # the mean is twice what the typical call takes


def test_slow_calls_that_the_sample_missed_are_in_the_total() -> None:
    sizes, times_s = calls(1, linear, wide, with_outliers)
    typical = [(int(size), int(time * 1e9)) for size, time in zip(sizes, times_s, strict=True) if time < 2e-3][:200]
    found = cost_law(typical, float(times_s.mean()))
    assert found.kind == "linear"
    assert predicted(found, sizes).sum() == pytest.approx(times_s.sum(), rel=0.1)


def test_without_a_mean_of_all_calls_that_of_the_sample_counts() -> None:
    assert cost_law([(8, 1_000), (8, 3_000)], 0.0).coefficients == pytest.approx((2e-6,))


@pytest.mark.parametrize("noise", [little, much, heavy_tailed, bimodal, with_outliers])
@pytest.mark.parametrize("number", [LEAST_SAMPLES, 100])
def test_chance_makes_no_law(noise: Draw, number: int) -> None:
    kinds = [fitted(seed, constant, skewed, noise, number).kind for seed in range(8)]
    assert kinds == ["constant"] * 8


def test_sizes_must_vary_and_calls_must_be_many() -> None:
    def narrow(random: np.random.Generator, number: int) -> Any:
        return random.uniform(1_000, 1_400, number).round()

    assert fitted(1, power, narrow, little).kind == "constant"
    assert fitted(1, power, wide, little, LEAST_SAMPLES - 1).kind == "constant"
    assert fitted(1, power, wide, little, LEAST_SAMPLES).kind == "power"
    one_size = fitted(1, linear, lambda _, number: np.full(number, 5_000.0), much)
    assert (one_size.kind, one_size.smallest_bytes, one_size.largest_bytes) == ("constant", 5_000, 5_000)


def test_larger_items_that_are_quicker_make_no_law() -> None:
    assert fitted(1, lambda sizes: 1.2e-3 - 1e-7 * sizes, wide, little).kind == "constant"


@pytest.mark.parametrize(
    "pairs",
    [
        [],
        [(0, 0)],
        [(5, 7)],
        [(5, 7), (5, 7)],
        [(0, 0)] * 100,
        [(size, 1_000) for size in range(100)],
        [(size, 10 * size) for size in range(100)],
        [(size, 10 * size**2) for size in range(100)],
        [(size % 2 * 10**12, size % 2 * 10**13) for size in range(100)],
        [(1 if size else 10**9, 1 if size else 10**12) for size in range(100)],
        [(2**size, 3**size) for size in range(60)],
    ],
)
@pytest.mark.parametrize("mean_s", [0.0, 1.0])
def test_odd_samples_make_a_sound_law(pairs: list[tuple[int, int]], mean_s: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = cost_law(iter(pairs), mean_s)
    assert found.samples == len(pairs)
    assert all(np.isfinite(value) and value >= 0 for value in (*found.coefficients, found.error))
    assert CostLaw(**{name: getattr(found, name) for name in found.__struct_fields__}) == found
    assert '"coefficients"' in found.to_json()


def test_exact_proportion_is_linear() -> None:
    found = cost_law([(size, 10 * size) for size in range(1, 101)], 0.0)
    assert found.kind == "linear"
    assert found.coefficients == pytest.approx((0, 1e-8), abs=1e-12)
    assert found.error < 1e-6


def test_without_scikit_learn_the_law_is_constant(monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_available()
    for name in [name for name in sys.modules if name.split(".")[0] == "sklearn"] + ["sklearn"]:
        monkeypatch.setitem(sys.modules, name, None)
    assert not is_available()
    found = fitted(1, linear, wide, little)
    assert (found.kind, found.samples) == ("constant", 512)
    assert found.error > 0.2
