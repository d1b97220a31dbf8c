"""Exact sums of real numbers: they depend neither on the order of the numbers nor on how these were split.

Every finite number is a ratio of integers, and integers add up exactly. A sum keeps one numerator per denominator
(floats have at most 1,075 different ones) and rounds once, when it is asked for.
"""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from enum import IntEnum
from fractions import Fraction
from numbers import Rational, Real
from typing import Any


class Kind(IntEnum):
    """What a sum is given as: of the kinds that were added, the last on this list."""

    INTEGER = 0
    DECIMAL = 1
    FRACTION = 2
    FLOAT = 3


Ratio = tuple[Kind, int, int]
"""A number as its kind, numerator and denominator; denominator 0 stands for 1/0 = inf, -1/0 = -inf, 0/0 = nan."""

Number = int | float | Decimal | Fraction

_FLOAT = Kind.FLOAT


def exact_ratio(value: Any) -> Ratio | None:
    """A real number as a ratio, or None if the value is no real number that has one."""
    kind = type(value)
    try:
        read = _READERS[kind]
    except KeyError:
        read = _READERS[kind] = _reader(kind)
    return read(value)


def _float(value: Any) -> Ratio:
    try:
        numerator, denominator = value.as_integer_ratio()
    except (OverflowError, ValueError) as error:
        return _special(_FLOAT, value, error)
    return _FLOAT, numerator, denominator


def _decimal(value: Decimal) -> Ratio:
    try:
        numerator, denominator = value.as_integer_ratio()
    except (OverflowError, ValueError) as error:
        return _special(Kind.DECIMAL, value, error)
    return Kind.DECIMAL, numerator, denominator


def _special(kind: Kind, value: Any, error: Exception) -> Ratio:
    """What `as_integer_ratio` refuses: an infinity as an overflow, a nan as a wrong value."""
    sign = (1 if value > 0 else -1) if isinstance(error, OverflowError) else 0
    return kind, sign, 0


def _integer(value: Any) -> Ratio:
    return Kind.INTEGER, operator.index(value), 1


def _truth(value: Any) -> Ratio:
    return Kind.INTEGER, int(value), 1


def _fraction(value: Any) -> Ratio:
    return Kind.FRACTION, int(value.numerator), int(value.denominator)


def _no_ratio(value: object) -> None:  # noqa: ARG001 - a reader's signature
    return None


_READERS: dict[type, Callable[[Any], Ratio | None]] = {float: _float, int: _integer, bool: _integer}


def _reader(kind: type) -> Callable[[Any], Ratio | None]:
    """How numbers of a class are read."""
    numpy = sys.modules.get("numpy")
    if numpy is not None and issubclass(kind, numpy.timedelta64):  # an integer, by its bases
        return _no_ratio
    if numpy is not None and issubclass(kind, numpy.bool_):
        return _truth
    if issubclass(kind, Decimal):
        return _decimal
    if issubclass(kind, Rational):
        return _integer if hasattr(kind, "__index__") else _fraction
    return _float if issubclass(kind, Real) and hasattr(kind, "as_integer_ratio") else _no_ratio


@dataclass(slots=True)
class ExactSum:
    """The sum of real numbers, exact until it is asked for; 0 of none.

    Attributes:
        numerators: the sum of the finite numbers, as numerators by denominator.
        special: the sum of the others: inf, -inf or nan; 0.0 if there was none.
        kind: what the sum is given as.
    """

    numerators: dict[int, int] = field(default_factory=dict)
    special: float = 0.0
    kind: Kind = Kind.INTEGER

    def add(self, kind: Kind, numerator: int, denominator: int) -> None:
        """Add a number, as `exact_ratio` gives it."""
        if kind > self.kind:
            self.kind = kind
        if denominator:
            numerators = self.numerators
            numerators[denominator] = numerators.get(denominator, 0) + numerator
        else:
            self.special += numerator * math.inf if numerator else math.nan

    def merge(self, other: ExactSum) -> None:
        """Add all that another sum holds."""
        for denominator, numerator in other.numerators.items():
            self.add(other.kind, numerator, denominator)
        self.special += other.special
        self.kind = max(self.kind, other.kind)

    @property
    def is_finite(self) -> bool:
        """Whether only finite numbers were added."""
        return self.special == 0

    def exact(self) -> Fraction:
        """The sum of the finite numbers."""
        common = math.lcm(*self.numerators)
        return Fraction(
            sum(number * (common // denominator) for denominator, number in self.numerators.items()), common
        )

    def divided_by(self, count: int) -> Number:
        """The sum over a number from 1 on, rounded once; a float where integers do not divide.

        A result beyond the largest float is inf, as `+` gives it.
        """
        if not self.is_finite:
            return Decimal(self.special) if self.kind is Kind.DECIMAL else self.special
        quotient = self.exact() / count
        if self.kind is Kind.FRACTION:
            return quotient
        if self.kind is Kind.DECIMAL:
            return Decimal(quotient.numerator) / Decimal(quotient.denominator)
        return nearest_float(quotient.numerator, quotient.denominator)

    def result(self) -> Number:
        """The sum, rounded once: an int of ints, a float as soon as there is one, equal to `math.fsum`."""
        return self.numerators.get(1, 0) if self.kind is Kind.INTEGER else self.divided_by(1)


def nearest_float(numerator: int, denominator: int) -> float:
    """The float nearest to a ratio, inf where it lies beyond the largest."""
    try:
        return numerator / denominator
    except OverflowError:
        return math.inf if numerator > 0 else -math.inf


def nearest_root(square: Fraction) -> float:
    """The float nearest to the square root of a number that is not negative."""
    # 55 bits of the root; a last one that says whether there are more decides every tie as all of them would.
    shift = 110 - square.numerator.bit_length() + square.denominator.bit_length()
    shift += shift % 2
    scaled = square * Fraction(2) ** shift
    root = math.isqrt(scaled.numerator // scaled.denominator)
    inexact = root * root != scaled
    half = Fraction(2) ** (shift // 2)
    return nearest_float((root * 2 + inexact) * half.denominator, 2 * half.numerator)
