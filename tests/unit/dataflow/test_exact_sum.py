"""Exact sums: equal to the mathematical sum, rounded once, whatever the order and the split."""

from __future__ import annotations

import math
import random
from datetime import date, timedelta
from decimal import Context, Decimal, localcontext
from enum import IntEnum
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from d4py_adaptive.dataflow.exact_sum import ExactSum, Kind, exact_ratio, nearest_float, nearest_root

finite_floats = st.floats(allow_nan=False, allow_infinity=False)
moderate_floats = st.floats(-1e300, 1e300)
decimals = st.decimals(-(10**9), 10**9, allow_nan=False, places=6)
numbers = st.one_of(
    st.integers(),
    st.booleans(),
    st.floats(),
    st.fractions(max_denominator=1000),
    decimals,
    st.sampled_from([Decimal("NaN"), Decimal("Infinity"), Decimal("-Infinity")]),
    st.floats(width=32).map(np.float32),
    st.integers(-(2**63), 2**63 - 1).map(np.int64),
)


def sum_of(values: Any) -> ExactSum:
    total = ExactSum()
    for value in values:
        ratio = exact_ratio(value)
        assert ratio is not None
        total.add(*ratio)
    return total


def told(value: Any) -> tuple[type, str]:
    """A number to the last digit, nan included, with its type."""
    return type(value), repr(value)


@given(st.lists(numbers), st.randoms(use_true_random=False), st.integers(1, 5))
def test_order_and_split_do_not_show(values: list[Any], draw: random.Random, instances: int) -> None:
    expected = told(sum_of(values).result())
    shuffled = draw.sample(values, len(values))
    parts: list[list[Any]] = [[] for _ in range(instances)]
    for value in shuffled:
        draw.choice(parts).append(value)
    merged = ExactSum()
    for part in parts:
        merged.merge(sum_of(part))
    assert told(merged.result()) == expected
    assert merged == sum_of(values) or math.isnan(merged.special)


@given(st.lists(moderate_floats, min_size=1, max_size=50))
def test_floats_give_what_fsum_gives(values: list[float]) -> None:
    assert told(sum_of(values).result()) == told(math.fsum(values) + 0.0)


@given(st.lists(finite_floats, min_size=1), st.integers(1, 1000))
def test_a_quotient_is_rounded_once(values: list[float], count: int) -> None:
    exact = sum(map(Fraction, values)) / count
    assert sum_of(values).divided_by(count) == nearest_float(exact.numerator, exact.denominator)


@given(st.lists(st.integers() | st.booleans()))
def test_ints_give_an_int(values: list[int]) -> None:
    assert told(sum_of(values).result()) == told(sum(values))


@given(st.lists(st.fractions(), min_size=1))
def test_fractions_give_a_fraction(values: list[Fraction]) -> None:
    assert told(sum_of(values).result()) == told(sum(values, Fraction()))


@given(st.lists(decimals, min_size=1))
def test_decimals_give_a_decimal(values: list[Decimal]) -> None:
    result = sum_of(values).result()
    assert isinstance(result, Decimal)
    with localcontext(Context(prec=200)):
        exact = sum(values, Decimal())
    assert result == +exact


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], 0),
        ([1, 2.5], 3.5),
        ([Fraction(1, 3), 1], Fraction(4, 3)),
        ([Fraction(1, 2), Decimal("0.5")], Fraction(1)),
        ([Decimal("0.1"), 1], Decimal("1.1")),
        ([Decimal("0.5"), 0.25], 0.75),
        ([0.1] * 10, 1.0),
        ([1e308, 1e308], math.inf),
        ([-1e308, -1e308], -math.inf),
        ([1e308, 1e308, -1e308], 1e308),
        ([1e16, 1.0, -1e16], 1.0),
        ([math.inf, 1], math.inf),
        ([-math.inf, 1e308, 1e308], -math.inf),
        ([5e-324, 5e-324], 1e-323),
        ([np.float32(0.1), np.float16(1)], float(np.float32(0.1)) + 1.0),
        ([np.int8(100), np.uint8(200)], 300),
        ([np.bool_(True), True], 2),
        ([Decimal("Infinity"), 1], Decimal("Infinity")),
        ([Fraction(1), Decimal("Infinity")], math.inf),
    ],
)
def test_what_comes_out(values: list[Any], expected: Any) -> None:
    assert told(sum_of(values).result()) == told(expected)


@pytest.mark.parametrize(
    "values",
    [
        [math.inf, -math.inf],
        [math.inf, -math.inf, math.inf],
        [math.nan, math.inf],
        [math.nan, 1],
        [np.float32("nan")],
        [Decimal("Infinity"), -math.inf],
    ],
)
def test_what_has_no_sum_is_nan_in_any_order(values: list[Any]) -> None:
    for order in (values, values[::-1]):
        assert told(sum_of(order).result()) == (float, "nan")


@pytest.mark.parametrize("value", [Decimal("NaN"), Decimal("sNaN"), Decimal("-NaN")])
def test_a_decimal_that_is_no_number(value: Decimal) -> None:
    assert exact_ratio(value) == (Kind.DECIMAL, 0, 0)
    assert told(sum_of([value]).result()) == told(Decimal("NaN"))


class Level(IntEnum):
    HIGH = 3


class Metres(float):
    pass


@pytest.mark.parametrize(
    ("value", "ratio"),
    [
        (Level.HIGH, (Kind.INTEGER, 3, 1)),
        (Metres(0.5), (Kind.FLOAT, 1, 2)),
        (np.float64(-0.25), (Kind.FLOAT, -1, 4)),
        (np.longdouble(1.5), (Kind.FLOAT, 3, 2)),
        (-math.inf, (Kind.FLOAT, -1, 0)),
        (np.float32("inf"), (Kind.FLOAT, 1, 0)),
        (-0.0, (Kind.FLOAT, 0, 1)),
    ],
)
def test_a_number_is_read_by_what_it_is(value: Any, ratio: tuple[Kind, int, int]) -> None:
    assert exact_ratio(value) == ratio
    assert exact_ratio(value) == ratio  # the second time by what the first one found out


@pytest.mark.parametrize(
    "value",
    [None, "1", b"1", [1], (1,), 1j, np.complex64(1), timedelta(1), np.timedelta64(1, "s"), date(2020, 1, 1),
     np.datetime64("2020"), np.ones(1), np.str_("1")],
)  # fmt: skip
def test_what_is_no_real_number_has_no_ratio(value: Any) -> None:
    assert exact_ratio(value) is None


@given(st.fractions(min_value=0) | finite_floats.map(abs).map(Fraction))
def test_a_root_is_the_nearest_float(square: Fraction) -> None:
    root = Fraction(nearest_root(square))
    # The root lies between the midpoints to the neighbours.
    below, above = (Fraction(math.nextafter(float(root), towards)) for towards in (0.0, math.inf))
    assert ((root + below) / 2) ** 2 <= square <= ((root + above) / 2) ** 2


@given(finite_floats.filter(lambda value: abs(value) > 1e-150))
def test_the_root_of_a_square_is_exact(value: float) -> None:
    assert nearest_root(Fraction(value) ** 2) == abs(value)


@given(st.floats(1e-300, 1e300))
def test_a_root_of_a_float_is_that_of_the_processor(value: float) -> None:
    assert nearest_root(Fraction(value)) == math.sqrt(value)


def test_a_root_beyond_the_largest_float_is_infinite() -> None:
    assert nearest_root(Fraction(10) ** 700) == math.inf
    assert nearest_root(Fraction()) == 0.0
