"""What aggregates keep: right for the corner cases, and the same in any order and split."""

from __future__ import annotations

import itertools
import math
import pickle
import random
import statistics
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from d4py_adaptive.dataflow.accumulators import Accumulator, Average, Count, Max, Min, StdDev, Sum

KINDS: list[type[Accumulator]] = [Count, Sum, Min, Max, Average, StdDev]

moderate = st.floats(-1e150, 1e150)
real = st.one_of(st.floats(), st.integers(-(10**30), 10**30), st.booleans(), st.fractions(max_denominator=99))


def gathered(kind: Callable[[], Any], values: Any) -> Any:
    accumulator = kind()
    for value in values:
        accumulator.add(value)
    return accumulator


def result(kind: Callable[[], Any], values: Any) -> Any:
    return gathered(kind, values).result()


def split_result(kind: Callable[[], Any], values: list[Any], draw: random.Random) -> Any:
    """The result of values dealt out in any way, in any order, merged as partial results that have travelled."""
    parts: list[list[Any]] = [[] for _ in range(draw.randint(1, 5))]
    for value in draw.sample(values, len(values)):
        draw.choice(parts).append(value)
    merged = kind()
    for part in parts:
        merged.merge(pickle.loads(pickle.dumps(gathered(kind, part))))
    return merged.result()


@pytest.mark.parametrize("kind", KINDS)
@given(st.lists(real), st.randoms(use_true_random=False))
def test_order_and_split_do_not_show(kind: type[Accumulator], values: list[Any], draw: random.Random) -> None:
    assert repr(split_result(kind, values, draw)) == repr(result(kind, values))


@pytest.mark.parametrize("kind", [Min, Max])
def test_the_least_and_the_greatest_are_the_same_ones_in_any_order(kind: type[Accumulator]) -> None:
    for values in ([1, 1.0, True], [0.0, -0.0], [np.float32("nan"), math.nan, 1], [Decimal("1.0"), Decimal("1.00")]):
        found = {repr(result(kind, order)) for order in itertools.permutations(values)}
        assert len(found) == 1, found


@given(st.lists(moderate, min_size=2))
def test_finite_floats_agree_with_the_standard_library(values: list[float]) -> None:
    assert result(Sum, values) == math.fsum(values)
    average = statistics.mean(values)
    assert result(Average, values) == [average, len(values), math.fsum(values)]
    deviation, count, total, squares = result(StdDev, values)
    assert deviation == statistics.stdev(values)
    assert (count, total) == (len(values), math.fsum(values))
    assert squares == float(sum(Fraction(value) ** 2 for value in values))
    assert (result(Min, values), result(Max, values)) == (min(values), max(values))


@given(st.lists(st.integers(), min_size=2))
def test_ints_agree_with_the_standard_library(values: list[int]) -> None:
    deviation, count, total, squares = result(StdDev, values)
    assert deviation == statistics.stdev(values)
    assert [count, total, squares] == [len(values), sum(values), sum(value * value for value in values)]
    assert isinstance(total, int)
    average, _, _ = result(Average, values)
    assert type(average) is float
    assert average == sum(values) / len(values)


@pytest.mark.parametrize(
    ("kind", "empty", "of_one"),
    [
        (Count, 0, 1),
        (Sum, 0, -3),
        (Min, None, -3),
        (Max, None, -3),
        (Average, [None, 0, 0], [-3.0, 1, -3]),
        (StdDev, (None, 0, 0, 0), (None, 1, -3, 9)),
    ],
)
def test_nothing_and_one(kind: type[Accumulator], empty: Any, of_one: Any) -> None:
    assert result(kind, []) == empty
    assert result(kind, [-3]) == of_one
    one = gathered(kind, [-3])
    one.merge(kind())
    assert one.result() == of_one


def test_small_noise_on_large_numbers_keeps_its_deviation() -> None:
    noise = [0.001, -0.001, 0.002, -0.002]
    values = [1e9 + small for small in noise]
    assert result(StdDev, values)[0] == statistics.stdev(values) == pytest.approx(statistics.stdev(noise), rel=1e-4)
    assert result(StdDev, [0.1] * 1000)[0] == 0.0


@pytest.mark.parametrize("values", [[math.inf, 1.0], [math.nan, 1.0], [math.inf, -math.inf]])
def test_a_deviation_of_what_is_not_finite_is_nan(values: list[float]) -> None:
    assert math.isnan(result(StdDev, values)[0])


def test_a_deviation_of_squares_beyond_the_largest_float() -> None:
    deviation, _, total, squares = result(StdDev, [1e200, -1e200, 0.0])
    assert (deviation, total, squares) == (1e200, 0.0, math.inf)
    assert result(StdDev, [1.7e308, -1.7e308])[0] == math.inf


def test_an_average_whose_sum_is_beyond_the_largest_float() -> None:
    assert result(Average, [1.7e308, 1.7e308]) == [1.7e308, 2, math.inf]


@pytest.mark.parametrize(
    ("values", "average"), [([Fraction(1), Fraction(2)], Fraction(3, 2)), ([Decimal(1), Decimal(2)], Decimal("1.5"))]
)
def test_an_average_is_of_the_kind_of_its_values(values: list[Any], average: Any) -> None:
    assert repr(result(Average, values)) == repr([average, 2, sum(values)])


def test_what_only_plus_adds_is_added() -> None:
    assert result(Sum, [timedelta(1), timedelta(2)]) == timedelta(3)
    assert result(Sum, [1j, 2, 0.5]) == 2.5 + 1j
    assert result(Sum, [1j, math.inf]) == math.inf + 1j
    assert result(Sum, [np.timedelta64(1, "s"), np.timedelta64(2, "s")]) == np.timedelta64(3, "s")
    assert result(Average, [timedelta(1), timedelta(2)]) == [timedelta(1.5), 2, timedelta(3)]
    merged = gathered(Sum, [np.array([1, 2])])
    for part in ([np.array([10, 20]), np.array([100, 200])], [], [1000]):
        merged.merge(gathered(Sum, part))
    assert merged.result().tolist() == [1111, 1222]


def test_an_array_that_is_added_is_not_changed() -> None:
    first = np.array([1, 2])
    result(Sum, [first, np.array([3, 4])])
    assert first.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (Sum, ["1"]), (Sum, [None]), (Sum, [b"1"]), (Sum, [[1]]), (Sum, [(1,)]), (Sum, [date(2020, 1, 1)]), (Sum, [{}]),
        (Sum, [timedelta(1), 1]), (Average, ["1"]), (Average, [None]),
        (StdDev, ["1"]), (StdDev, [None]), (StdDev, [1j]), (StdDev, [np.ones(2)]),
        (Min, [None]), (Max, [1, None]), (Min, [1j]), (Max, [{}]), (Min, [1, "1"]), (Max, [{1}, {2}]),
    ],
)  # fmt: skip
def test_what_is_of_no_use_is_refused(kind: type[Accumulator], values: list[Any]) -> None:
    with pytest.raises(TypeError):
        result(kind, values)


def test_arrays_are_in_no_order() -> None:
    with pytest.raises(ValueError, match="ambiguous"):
        result(Min, [np.ones(2)])


def test_what_is_refused_is_not_counted() -> None:
    for kind in (Average, StdDev):
        accumulator = gathered(kind, [1, 2])
        with pytest.raises(TypeError):
            accumulator.add("3")
        assert accumulator.result() == result(kind, [1, 2])


@pytest.mark.parametrize(
    ("values", "least", "greatest"),
    [
        ([-5, -2, -9], -9, -2),
        (["b", "a", "c"], "a", "c"),
        ([date(2020, 1, 2), date(2020, 1, 1)], date(2020, 1, 1), date(2020, 1, 2)),
        ([(1, 2), (1, 1)], (1, 1), (1, 2)),
        ([np.int8(-1), 300, 2.5], -1, 300),
        ([math.inf, -math.inf], -math.inf, math.inf),
    ],
)
def test_the_least_and_the_greatest(values: list[Any], least: Any, greatest: Any) -> None:
    assert (result(Min, values), result(Max, values)) == (least, greatest)


@pytest.mark.parametrize("nan", [math.nan, np.float32("nan"), Decimal("NaN"), np.datetime64("NaT", "s")])
def test_nan_is_the_least_and_the_greatest(nan: Any) -> None:
    other = np.datetime64("2020") if isinstance(nan, np.datetime64) else type(nan)(1)
    for kind in (Min, Max):
        for values in ([nan, other], [other, nan], [nan]):
            found = result(kind, values)
            assert found != found


def test_zeros_are_in_order() -> None:
    assert repr(result(Min, [0.0, -0.0])) == "-0.0"
    assert repr(result(Max, [-0.0, 0.0])) == "0.0"


def test_results_can_be_put_together() -> None:
    merged = Average.of_result([2.0, 3, 6])
    merged.merge(Average.of_result([None, 0, 0]))
    merged.merge(gathered(Average, [4]))
    assert merged.result() == [2.5, 4, 10]
    spread = StdDev.of_result(result(StdDev, [1, 2, 3]))
    spread.merge(StdDev.of_result(result(StdDev, [])))
    spread.merge(StdDev.of_result(list(result(StdDev, [4]))))
    assert spread.result() == result(StdDev, [1, 2, 3, 4])


def test_a_deviation_from_rounded_sums_is_0_where_these_say_less() -> None:
    told = result(StdDev, [0.1] * 3)
    assert told[1] * Fraction(told[3]) < Fraction(told[2]) ** 2
    assert StdDev.of_result(told).result()[0] == 0.0


@pytest.mark.parametrize("told", [[1.0, -1, 1.0], [1.0, 1.5, 1.0], [1.0, 1], 5, [1.0, 1, "1"]])
def test_what_is_no_result_cannot_be_put_together(told: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        Average.of_result(told)
