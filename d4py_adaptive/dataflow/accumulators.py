"""What aggregates keep: each takes values in, and takes in another of its kind that saw the rest of the items.

Which values came first, and which of several saw them, does not show in the result. There is one exception: values
that `+` adds but that are no real numbers (arrays, durations, complex numbers) are added in the order of arrival.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, ClassVar, Protocol, Self

from d4py_adaptive.dataflow.exact_sum import ExactSum, Number, Ratio, exact_ratio, nearest_root


class Accumulator(Protocol):
    """What an aggregate keeps of the values it has seen; it can be pickled."""

    def add(self, value: Any) -> None:
        """Take in one value.

        Raises:
            TypeError: it is of no use here; the message says what is.
        """

    def merge(self, other: Any) -> None:
        """Take in all that another of the same class has seen."""

    def result(self) -> Any:
        """What all of them come to."""


@dataclass(slots=True)
class Count:
    """How many values; anything counts."""

    number: int = 0

    def add(self, value: object) -> None:  # noqa: ARG002 - the protocol's signature
        """Count one."""
        self.number += 1

    def merge(self, other: Self) -> None:
        """Count what another has counted."""
        self.number += other.number

    def result(self) -> int:
        """The number."""
        return self.number


@dataclass(slots=True)
class Sum:
    """The sum: exact for real numbers, 0 of nothing.

    Ints give an int, floats the float that is nearest to their exact sum; of several kinds of numbers the result is a
    float, else a Fraction, else a Decimal. inf and nan add up as in `+`.

    Attributes:
        exact: the sum of the real numbers.
        others: the sum of the values that only `+` can add, in the order of arrival; None if there are none.
    """

    exact: ExactSum = field(default_factory=ExactSum)
    others: Any = None

    def add(self, value: Any) -> None:
        """Add a number, or what `+` adds without joining it end to end."""
        ratio = exact_ratio(value)
        if ratio is not None:
            self.exact.add(*ratio)
        elif value is None or isinstance(value, Sequence):
            raise TypeError("only numbers, and what + adds like numbers, have a sum")
        else:
            # The first one is added to itself, so that what has no sum is refused however few there are.
            total = (value if self.others is None else self.others) + value
            self.others = value if self.others is None else total

    def merge(self, other: Self) -> None:
        """Add what another has added."""
        self.exact.merge(other.exact)
        if other.others is not None:
            self.others = other.others if self.others is None else self.others + other.others

    def result(self) -> Any:
        """The sum."""
        if self.others is None:
            return self.exact.result()
        return self.others + self.exact.result() if self.exact.numerators or not self.exact.is_finite else self.others

    def divided_by(self, count: int) -> Any:
        """The sum over a number from 1 on."""
        return self.exact.divided_by(count) if self.others is None else self.result() / count


@dataclass(slots=True)
class _Extreme:
    """The value that comes before all others; None of nothing.

    nan comes first, as in numpy. Of equal values of different types or spellings (1 and 1.0, 0.0 and -0.0) always the
    same one does.
    """

    best: Any = None
    _before: ClassVar[Callable[..., bool]]

    def add(self, value: Any) -> None:
        """Look at a value, which must be in order with all others."""
        if value is None:
            raise _without_order()
        # The first one is compared with itself, so that what has no order is refused however few there are.
        if self._comes_first(value, value if self.best is None else self.best) or self.best is None:
            self.best = value

    def merge(self, other: Self) -> None:
        """Look at what another has found."""
        if other.best is not None:
            self.add(other.best)

    def result(self) -> Any:
        """The value."""
        return self.best

    def _comes_first(self, value: Any, best: Any) -> bool:
        is_nan, best_is_nan = value != value, best != best
        if not is_nan and not best_is_nan:
            if self._before(value, best):
                return True
            if self._before(best, value):
                return False
            if value != best:
                raise _without_order()
        elif not is_nan or not best_is_nan:
            return bool(is_nan)
        return self._before(_spelling(value), _spelling(best))


class Min(_Extreme):
    """The least value; None of nothing."""

    __slots__ = ()
    _before = operator.lt


class Max(_Extreme):
    """The greatest value; None of nothing."""

    __slots__ = ()
    _before = operator.gt


def _without_order() -> TypeError:
    return TypeError("only values that < puts in order have a least and a greatest one")


def _spelling(value: object) -> tuple[str, str]:
    return type(value).__qualname__, repr(value)


@dataclass(slots=True)
class Average:
    """The average, None of nothing; with the count and the sum that it comes from."""

    number: int = 0
    total: Sum = field(default_factory=Sum)

    @classmethod
    def of_result(cls, result: Sequence[Any]) -> Self:
        """What `result` tells of an average: `[average, count, sum]`."""
        _, number, total = result
        average = cls(_count_of(number))
        average.total.add(total)
        return average

    def add(self, value: Any) -> None:
        """Add a number, or what `+` adds without joining it end to end."""
        self.total.add(value)
        self.number += 1

    def merge(self, other: Self) -> None:
        """Add what another has added."""
        self.number += other.number
        self.total.merge(other.total)

    def result(self) -> list[Any]:
        """`[average, count, sum]`."""
        average = self.total.divided_by(self.number) if self.number else None
        return [average, self.number, self.total.result()]


@dataclass(slots=True)
class StdDev:
    """The sample standard deviation of real numbers, None of fewer than two; with the sums that it comes from.

    It is the float nearest to the exact value, however small the differences beside the numbers.
    """

    number: int = 0
    total: ExactSum = field(default_factory=ExactSum)
    squares: ExactSum = field(default_factory=ExactSum)

    @classmethod
    def of_result(cls, result: Sequence[Any]) -> Self:
        """What `result` tells: `(standard deviation, count, sum, sum of squares)`, to the digits that floats have."""
        _, number, total, squares = result
        return cls(_count_of(number), _sum_of(total), _sum_of(squares))

    def add(self, value: Any) -> None:
        """Add a real number."""
        kind, numerator, denominator = _require_real(value)
        self.number += 1
        self.total.add(kind, numerator, denominator)
        self.squares.add(kind, numerator * numerator, denominator * denominator)

    def merge(self, other: Self) -> None:
        """Add what another has added."""
        self.number += other.number
        self.total.merge(other.total)
        self.squares.merge(other.squares)

    def result(self) -> tuple[float | None, int, Number, Number]:
        """`(standard deviation, count, sum, sum of squares)`."""
        return self._deviation(), self.number, self.total.result(), self.squares.result()

    def _deviation(self) -> float | None:
        if self.number < 2:
            return None
        if not self.squares.is_finite:
            return math.nan
        total, number = self.total.exact(), self.number
        variance = (number * self.squares.exact() - total * total) / (number * (number - 1))
        return nearest_root(max(variance, Fraction()))  # below 0 only where sums were rounded before they came here


def _require_real(value: Any) -> Ratio:
    ratio = exact_ratio(value)
    if ratio is None:
        raise TypeError("only real numbers have a standard deviation")
    return ratio


def _sum_of(value: Any) -> ExactSum:
    total = ExactSum()
    total.add(*_require_real(value))
    return total


def _count_of(value: Any) -> int:
    number = operator.index(value)
    if number < 0:
        raise ValueError(f"a count is a whole number from 0; got {number}")
    return number
