"""PEs that count, add up, average, or find the least and the greatest, under dispel4py's names.

Each writes one result when its stream ends. `parallel_sum` and its kin are composite PEs, `input` to `output`, that do
the same with any number of instances: these write what they have got so far, and one PE behind them puts it together.
The result is the same, to the last digit, whatever the number of instances and the order of the items.

Where there is nothing to say (the least, the greatest or the average of nothing, the standard deviation of fewer than
two items) stands None; a count and a sum of nothing are 0.
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from d4py_adaptive.dataflow.accumulators import Accumulator, Average, Count, Max, Min, StdDev, Sum
from d4py_adaptive.dataflow.builder import CompositePE
from d4py_adaptive.dataflow.patterns import BasePE
from d4py_adaptive.dataflow.pe import GROUPING, GenericPE
from d4py_adaptive.errors import WorkflowError

__all__ = [
    "AccumulatorPE",
    "AggregatePE",
    "AveragePE",
    "AverageParallelPE",
    "AverageReducePE",
    "ContinuousReducePE",
    "CountPE",
    "MaxPE",
    "MinPE",
    "PartialResult",
    "StdDevPE",
    "StdDevReducePE",
    "SumPE",
    "parallelAvg",
    "parallelCount",
    "parallelMax",
    "parallelMin",
    "parallelStdDev",
    "parallelSum",
    "parallel_aggregate",
    "parallel_avg",
    "parallel_count",
    "parallel_max",
    "parallel_min",
    "parallel_std_dev",
    "parallel_sum",
]

_REFUSALS = (TypeError, ValueError, ArithmeticError)
"""What an accumulator raises at a value that is none for it, also by way of the value's own operators."""


@dataclass(frozen=True, slots=True)
class PartialResult:
    """What one of several instances has got: the accumulators of its indexes, for the next PE to merge."""

    parts: tuple[Accumulator, ...]

    @property
    def kinds(self) -> list[type[Accumulator]]:
        """The classes of the accumulators; two that have the same can be merged."""
        return [type(part) for part in self.parts]


class _IndexedPE(BasePE):
    """One input, one output, and the indexes of what is looked at in each item.

    Attributes:
        indexes: positions in each item, or keys.
    """

    stateless = False

    def __init__(self, indexes: Iterable[Any] | None = None) -> None:
        super().__init__([self.INPUT_NAME], [self.OUTPUT_NAME])
        self.indexes = [0] if indexes is None else _as_list(indexes)


class AggregatePE(_IndexedPE):
    """Base of aggregates of one's own: `_process(inputs)` changes `self.value`, which is written at the end.

    Attributes:
        value: a list with a 0 for each index, to begin with.
    """

    def __init__(self, indexes: Iterable[Any] | None = None) -> None:
        super().__init__(indexes)
        self.value: Any = [0 for _ in self.indexes]

    def _postprocess(self) -> None:
        self.write(self.OUTPUT_NAME, self.value)


class ContinuousReducePE(_IndexedPE):
    """Base of running aggregates: `_process(item)` changes `self.value`, which is written after every item.

    Attributes:
        value: a list with a 0 for each index, to begin with.
    """

    def __init__(self, indexes: Iterable[Any] | None = None) -> None:
        super().__init__(indexes)
        self.value: Any = [0 for _ in self.indexes]

    def process(self, inputs: dict[str, Any]) -> None:
        """Pass the item to `_process` and write the value as it is now."""
        self._process(inputs[self.INPUT_NAME])
        self.write(self.OUTPUT_NAME, self.value)


class AccumulatorPE(_IndexedPE):
    """Base of the aggregates here: an accumulator for each index; writes a list of their results at the end.

    Where it `combines`, as `parallel_aggregate` has it, it writes a `PartialResult` instead. It merges those that it
    receives from others of its kind. An aggregate of one's own that is to be split needs no more than a class of
    accumulators.

    Attributes:
        accumulator: class of the accumulators.
        parts: pairs of an index and its accumulator.
    """

    accumulator: type[Accumulator]

    def __init__(self, indexes: Iterable[Any] | None = None) -> None:
        super().__init__(indexes)
        self.parts: list[tuple[Any, Accumulator]] = [(index, self.accumulator()) for index in self.indexes]

    def process(self, inputs: dict[str, Any]) -> None:
        """Merge a partial result; pass all else to `_process`."""
        item = inputs[self.INPUT_NAME]
        if type(item) is PartialResult:
            self._merge(item)
        else:
            self._process(inputs)

    def _process(self, inputs: dict[str, Any]) -> None:
        item = inputs[self.INPUT_NAME]
        for index, part in self.parts:
            try:
                value = item[index]
            except (LookupError, TypeError) as error:
                raise self._no_such_index(item, index, error) from error
            try:
                part.add(value)
            except _REFUSALS as error:
                raise self._refused(value, index, error) from error

    def _postprocess(self) -> None:
        self.write(self.OUTPUT_NAME, self._partial() if self.combines else self._result())

    def _merge(self, partial: PartialResult) -> None:
        if partial.kinds != self._partial().kinds:
            raise WorkflowError(
                f"{self.id} merges partial results of {type(self).__name__} with {len(self.parts)} index(es); got "
                f"{[kind.__name__ for kind in partial.kinds]}; connect PEs of one kind with as many indexes"
            )
        for (index, part), other in zip(self.parts, partial.parts, strict=True):
            try:
                part.merge(other)
            except _REFUSALS as error:
                raise self._refused(other.result(), index, error) from error

    def _partial(self) -> PartialResult:
        return PartialResult(tuple([part for _, part in self.parts]))

    def _result(self) -> Any:
        """What is written at the end."""
        results = []
        for index, part in self.parts:
            try:
                results.append(part.result())
            except _REFUSALS as error:
                raise self._refused(part, index, error) from error
        return results

    def _no_such_index(self, item: Any, index: Any, error: Exception) -> WorkflowError:
        return WorkflowError(
            f"{self.id} needs items with index {index!r} (tuples, lists, arrays, or dicts with keys); got "
            f"{reprlib.repr(item)}, a {type(item).__name__} ({type(error).__name__}: {error}); "
            "create it with indexes that its items have, or let the PE before it write tuples"
        )

    def _refused(self, value: Any, index: Any, error: Exception) -> WorkflowError:
        return WorkflowError(
            f"{self.id} cannot take in {reprlib.repr(value)}, a {type(value).__name__}, at index {index!r} of its "
            f"items: {error}; convert or leave out such values in the PE before it"
        )


class CountPE(AccumulatorPE):
    """Counts items of any type: `[count]`."""

    accumulator = Count
    read_only = True

    def __init__(self) -> None:
        super().__init__()

    def _process(self, inputs: dict[str, Any]) -> None:
        self.parts[0][1].add(inputs[self.INPUT_NAME])


class SumPE(AccumulatorPE):
    """Adds up: a list with the sum at each index.

    Sums of numbers are exact, and rounded once at the end. What else `+` adds (arrays, durations, complex numbers) is
    added in the order of arrival.
    """

    accumulator = Sum


class MinPE(AccumulatorPE):
    """Finds the least: a list with the least value at each index; nan if there is one, as in numpy."""

    accumulator = Min


class MaxPE(AccumulatorPE):
    """Finds the greatest: a list with the greatest value at each index; nan if there is one, as in numpy."""

    accumulator = Max


class _OneIndexPE(AccumulatorPE):
    """An aggregate of one index, whose result it writes as it is."""

    def __init__(self, index: Any = 0) -> None:
        super().__init__([index])

    def _result(self) -> Any:
        (result,) = super()._result()
        return result


class AveragePE(_OneIndexPE):
    """Averages the values at one index: `[average, count, sum]`; the average of ints is a float."""

    accumulator = Average


AverageParallelPE = AveragePE


class StdDevPE(_OneIndexPE):
    """The sample standard deviation of the numbers at one index: `(standard deviation, count, sum, sum of squares)`."""

    accumulator = StdDev


class _OneIndexReducePE(_OneIndexPE):
    """Puts together results or partial results of several; all of them reach one instance."""

    accumulator: type[Average] | type[StdDev]

    def __init__(self) -> None:
        super().__init__()
        self.inputconnections[self.INPUT_NAME][GROUPING] = "global"

    def _process(self, inputs: dict[str, Any]) -> None:
        item = inputs[self.INPUT_NAME]
        try:
            self.parts[0][1].merge(self.accumulator.of_result(item))
        except _REFUSALS as error:
            raise WorkflowError(
                f"{self.id} puts together what {self.accumulator.__name__}PE writes; got {reprlib.repr(item)}, "
                f"a {type(item).__name__} ({error}); connect one of these to it"
            ) from error


class AverageReducePE(_OneIndexReducePE):
    """Puts averages together: from partial results, or from `[average, count, sum]`, one `[average, count, sum]`."""

    accumulator = Average


class StdDevReducePE(_OneIndexReducePE):
    """Puts standard deviations together: from partial results, or from what `StdDevPE` writes, one more of that.

    Partial results lose nothing. What `StdDevPE` writes has sums of squares that are rounded, which spoils standard
    deviations that are small beside the numbers.
    """

    accumulator = StdDev


def parallel_aggregate(inst_pe: GenericPE, reduce_pe: GenericPE) -> CompositePE:
    """A composite PE, `input` to `output`: any number of instances of `inst_pe`, one of `reduce_pe` behind them.

    Args:
        inst_pe: an aggregate. One of one's own (an `AggregatePE`) is promised by this call to keep a value that
            `reduce_pe` can put together from any number of instances. One of those here has any number of
            instances if `reduce_pe` is of its kind, and else one.
        reduce_pe: takes what the instances of `inst_pe` write, and writes the result.
    """
    if isinstance(inst_pe, AggregatePE) or _are_of_a_kind(inst_pe, reduce_pe):
        inst_pe.combines = True
    reduce_pe.inputconnections[BasePE.INPUT_NAME][GROUPING] = "global"
    reduce_pe.numprocesses = 1
    composite = CompositePE()
    composite.name = f"parallel {inst_pe.name}"
    composite.connect(inst_pe, BasePE.OUTPUT_NAME, reduce_pe, BasePE.INPUT_NAME)
    composite.map_input("input", inst_pe, BasePE.INPUT_NAME)
    composite.map_output("output", reduce_pe, BasePE.OUTPUT_NAME)
    return composite


def parallel_count() -> CompositePE:
    """Counts items of any type: `[count]`."""
    return parallel_aggregate(CountPE(), _named("CountReduce", CountPE()))


def parallel_sum(indexes: Iterable[Any] | None = None) -> CompositePE:
    """Adds up: a list with the sum at each index, as `SumPE`."""
    return parallel_aggregate(SumPE(indexes), _named("SumPEReduce", SumPE(indexes)))


def parallel_min(indexes: Iterable[Any] | None = None) -> CompositePE:
    """Finds the least: a list with the least value at each index, as `MinPE`."""
    return parallel_aggregate(MinPE(indexes), _named("MinPEReduce", MinPE(indexes)))


def parallel_max(indexes: Iterable[Any] | None = None) -> CompositePE:
    """Finds the greatest: a list with the greatest value at each index, as `MaxPE`."""
    return parallel_aggregate(MaxPE(indexes), _named("MaxPEReduce", MaxPE(indexes)))


def parallel_avg(index: Any = 0) -> CompositePE:
    """Averages the values at one index: `[average, count, sum]`, as `AveragePE`."""
    return parallel_aggregate(AveragePE(index), AverageReducePE())


def parallel_std_dev(index: Any = 0) -> CompositePE:
    """The sample standard deviation of the numbers at one index, with its sums, as `StdDevPE`."""
    return parallel_aggregate(StdDevPE(index), StdDevReducePE())


parallelCount = parallel_count  # noqa: N816 - this and the next: the names of dispel4py 2015
parallelSum = parallel_sum  # noqa: N816
parallelMin = parallel_min  # noqa: N816
parallelMax = parallel_max  # noqa: N816
parallelAvg = parallel_avg  # noqa: N816
parallelStdDev = parallel_std_dev  # noqa: N816


def _are_of_a_kind(inst_pe: GenericPE, reduce_pe: GenericPE) -> bool:
    """Whether the one merges the partial results of the other."""
    if not isinstance(inst_pe, AccumulatorPE) or not isinstance(reduce_pe, AccumulatorPE):
        return False
    return inst_pe._partial().kinds == reduce_pe._partial().kinds


def _named(name: str, pe: GenericPE) -> GenericPE:
    pe.name = name
    return pe


def _as_list(indexes: Any) -> list[Any]:
    if isinstance(indexes, str) or not isinstance(indexes, Iterable):
        raise WorkflowError(f"indexes is a list of positions or keys; got {indexes!r}; did you mean [{indexes!r}]?")
    return list(indexes)
