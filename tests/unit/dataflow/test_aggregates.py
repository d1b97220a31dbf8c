"""Aggregates called by hand: what they write, in which shape, from any number of instances."""

from __future__ import annotations

import copy
import itertools
import math
import pickle
import random
import statistics
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from d4py_adaptive import ProducerPE, WorkflowGraph
from d4py_adaptive.dataflow import aggregates
from d4py_adaptive.dataflow.aggregates import (
    AccumulatorPE,
    AggregatePE,
    AverageParallelPE,
    AveragePE,
    AverageReducePE,
    ContinuousReducePE,
    CountPE,
    MaxPE,
    MinPE,
    PartialResult,
    StdDevPE,
    StdDevReducePE,
    SumPE,
    parallel_aggregate,
    parallel_avg,
    parallel_count,
    parallel_max,
    parallel_min,
    parallel_std_dev,
    parallel_sum,
)
from d4py_adaptive.dataflow.builder import CompositePE
from d4py_adaptive.dataflow.counts import instance_counts
from d4py_adaptive.dataflow.grouping import AllToOne
from d4py_adaptive.dataflow.pe import GenericPE
from d4py_adaptive.errors import WorkflowError


class Recorder:
    """Keeps what a PE writes."""

    def __init__(self) -> None:
        self.written: list[Any] = []

    def write(self, port: str, item: object) -> None:
        assert port == "output"
        self.written.append(copy.deepcopy(item))

    def log(self, message: object) -> None:
        """Not wanted."""


def written(pe: GenericPE, items: Iterable[Any]) -> list[Any]:
    """All that a PE writes, from its first item to its end."""
    pe = copy.deepcopy(pe)
    pe._runtime = recorder = Recorder()
    pe.preprocess()
    for item in items:
        assert pe.process({"input": item}) is None
    pe.postprocess()
    return recorder.written


def result(pe: GenericPE, items: Iterable[Any]) -> Any:
    (only,) = written(pe, items)
    return only


def mapper_and_reducer(composite: CompositePE) -> tuple[GenericPE, GenericPE]:
    mapper, reducer = composite.get_contained_objects()
    assert isinstance(mapper, GenericPE)
    assert isinstance(reducer, GenericPE)
    return mapper, reducer


def in_parallel(composite: CompositePE, parts: Iterable[Iterable[Any]]) -> Any:
    """The result of a composite whose instances get these items; partial results travel."""
    mapper, reducer = mapper_and_reducer(composite)
    return result(reducer, [pickle.loads(pickle.dumps(result(mapper, part))) for part in parts])


MAKERS: list[tuple[Callable[[], AccumulatorPE], Callable[[], CompositePE]]] = [
    (CountPE, parallel_count),
    (SumPE, parallel_sum),
    (MinPE, parallel_min),
    (MaxPE, parallel_max),
    (AveragePE, parallel_avg),
    (StdDevPE, parallel_std_dev),
]


@pytest.mark.parametrize(
    ("pe", "expected"),
    [
        (CountPE(), [3]),
        (SumPE(), [-6]),
        (SumPE([1]), [60.5]),
        (SumPE([2, 0]), [9, -6]),
        (SumPE((-1,)), [9]),
        (MinPE([0, 1]), [-3, 10]),
        (MinPE([2]), [3]),
        (MaxPE(), [-1]),
        (MaxPE([1, 0, 1]), [30.5, -1, 30.5]),
        (AverageParallelPE(), [-2.0, 3, -6]),
        (AverageParallelPE(1), [60.5 / 3, 3, 60.5]),
        (StdDevPE(), (1.0, 3, -6, 14)),
        (StdDevPE(2), (0.0, 3, 9, 27)),
        (StdDevPE(1), (statistics.stdev([10, 20, 30.5]), 3, 60.5, 100 + 400 + 30.5**2)),
    ],
)
def test_what_is_written(pe: AccumulatorPE, expected: Any) -> None:
    found = result(pe, [(-1, 10, 3), (-2, 20, 3), (-3, 30.5, 3)])
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize("wrap", [tuple, list, np.array, lambda item: dict(enumerate(item))])
def test_anything_with_indexes_is_an_item(wrap: Callable[[Any], Any]) -> None:
    assert result(SumPE([1]), [wrap([1.0, 2.5]), wrap([1.0, 3.0])]) == [5.5]
    assert result(SumPE(["depth"]), [{"depth": 1}, {"depth": 2}]) == [3]


def test_anything_is_counted() -> None:
    assert result(CountPE(), [None, 1, "text", (), np.zeros(3)]) == [5]


@pytest.mark.parametrize(("make_pe", "make_composite"), MAKERS)
@pytest.mark.parametrize("items", [[], [(5.5,)]])
def test_nothing_and_one_item(
    make_pe: Callable[[], AccumulatorPE], make_composite: Callable[[], CompositePE], items: list[Any]
) -> None:
    name = make_pe.__name__  # type: ignore[attr-defined]
    expected = {
        ("CountPE", 0): [0], ("CountPE", 1): [1],
        ("SumPE", 0): [0], ("SumPE", 1): [5.5],
        ("MinPE", 0): [None], ("MinPE", 1): [5.5],
        ("MaxPE", 0): [None], ("MaxPE", 1): [5.5],
        ("AveragePE", 0): [None, 0, 0], ("AveragePE", 1): [5.5, 1, 5.5],
        ("StdDevPE", 0): (None, 0, 0, 0), ("StdDevPE", 1): (None, 1, 5.5, 30.25),
    }[name, len(items)]  # fmt: skip
    assert result(make_pe(), items) == expected
    for parts in ([], [items], [[], items, []]):
        if parts or not items:
            assert in_parallel(make_composite(), parts) == expected


numbers = st.one_of(st.floats(), st.integers(-(10**20), 10**20), st.booleans())


@pytest.mark.parametrize(("make_pe", "make_composite"), MAKERS)
@given(st.lists(st.tuples(numbers)), st.randoms(use_true_random=False), st.integers(1, 4))
def test_a_composite_gives_what_one_instance_gives(
    make_pe: Callable[[], AccumulatorPE],
    make_composite: Callable[[], CompositePE],
    items: list[Any],
    draw: random.Random,
    instances: int,
) -> None:
    parts: list[list[Any]] = [[] for _ in range(instances)]
    for item in draw.sample(items, len(items)):
        draw.choice(parts).append(item)
    assert repr(in_parallel(make_composite(), parts)) == repr(result(make_pe(), items))


def test_composites_take_indexes() -> None:
    items = [(1, -2.5, 7), (3, -0.5, 5)]
    for order in itertools.permutations(items):
        parts = [[item] for item in order]
        assert in_parallel(parallel_sum([2, 1]), parts) == [12, -3.0]
        assert in_parallel(parallel_min([1, 2]), parts) == [-2.5, 5]
        assert in_parallel(parallel_max([1]), parts) == [-0.5]
        assert in_parallel(parallel_avg(2), parts) == [6.0, 2, 12]
        assert in_parallel(parallel_std_dev(2), parts) == (math.sqrt(2), 2, 12, 74)


@pytest.mark.parametrize(
    ("make", "mapper", "reducer"),
    [
        (parallel_count, "CountPE", "CountReduce"),
        (parallel_sum, "SumPE", "SumPEReduce"),
        (parallel_min, "MinPE", "MinPEReduce"),
        (parallel_max, "MaxPE", "MaxPEReduce"),
        (parallel_avg, "AveragePE", "AverageReducePE"),
        (parallel_std_dev, "StdDevPE", "StdDevReducePE"),
    ],
)
def test_a_composite_has_any_number_of_mappers_and_one_reducer(
    make: Callable[[], CompositePE], mapper: str, reducer: str
) -> None:
    graph, composite = WorkflowGraph(), make()
    graph.connect(ProducerPE(), "output", composite, "input")
    workflow = graph.freeze()
    assert [node.name for node in workflow.nodes[1:]] == [mapper, reducer]
    assert workflow.results == ((f"{reducer}2", "output"),)
    assert isinstance(workflow.inbound[f"{reducer}2"][0].grouping, AllToOne)
    counts = instance_counts(workflow)
    assert (counts[f"{mapper}1"].choose(7), counts[f"{reducer}2"].choose(7)) == (7, 1)


def test_everything_reaches_one_reducer() -> None:
    reducer = SumPE()
    reducer.numprocesses = 4
    parallel_aggregate(Words(), reducer)
    for pe in (reducer, AverageReducePE(), StdDevReducePE()):
        assert (pe.inputconnections["input"]["grouping"], pe.numprocesses) == ("global", 1)


def test_counting_an_item_needs_no_copy_of_it() -> None:
    assert CountPE.read_only
    assert not SumPE.read_only, "it may keep the first array"


@pytest.mark.parametrize("make", [CountPE, SumPE, MinPE, AveragePE, StdDevPE, AggregatePE, ContinuousReducePE])
def test_an_aggregate_by_itself_has_one_instance(make: Callable[[], GenericPE]) -> None:
    graph = WorkflowGraph()
    graph.connect(ProducerPE(), "output", make(), "input")
    assert instance_counts(graph.freeze())[f"{make.__name__}1"].choose(7) == 1  # type: ignore[attr-defined]


def test_the_names_of_2015_are_the_same_functions() -> None:
    for name in ("count", "sum", "min", "max", "avg", "std_dev"):
        before = "parallel" + name.title().replace("_", "")
        assert getattr(aggregates, before) is getattr(aggregates, f"parallel_{name}")
    assert all(hasattr(aggregates, name) for name in aggregates.__all__)


class Words(AggregatePE):
    """An aggregate as dispel4py's users write them."""

    def __init__(self) -> None:
        AggregatePE.__init__(self, [0, 1])

    def _process(self, inputs: dict[str, Any]) -> None:
        for i in self.indexes:
            self.value[i] += len(inputs[AggregatePE.INPUT_NAME][i])


class Running(ContinuousReducePE):
    def _process(self, data: Any) -> Any:
        self.value[0] += data[0]
        return "not written"


def test_an_aggregate_of_one_s_own() -> None:
    assert result(Words(), [("a", "bb"), ("cc", "")]) == [3, 2]
    assert result(AggregatePE(), []) == [0]
    composite = parallel_aggregate(Words(), SumPE([0, 1]))
    assert in_parallel(composite, [[("a", "bb")], [], [("cc", "")]]) == [3, 2]
    mapper, reducer = mapper_and_reducer(composite)
    assert (mapper.combines, reducer.combines) == (True, False)


def test_a_running_aggregate_writes_after_every_item() -> None:
    assert written(Running(), [(1,), (2,), (3,)]) == [[1], [3], [6]]


class Positive(SumPE):
    """Takes some of the items, leaving the rest to its base."""

    def _process(self, inputs: dict[str, Any]) -> None:
        if inputs["input"][0] > 0:
            super()._process(inputs)


def test_a_subclass_may_choose_its_items() -> None:
    assert result(Positive(), [(1,), (-5,), (2,)]) == [3]
    assert in_parallel(parallel_aggregate(Positive(), Positive()), [[(1,), (-5,)], [(2,)]]) == [3]


class Longest:
    """An accumulator of one's own."""

    def __init__(self) -> None:
        self.length = 0

    def add(self, value: str) -> None:
        self.length = max(self.length, len(value))

    def merge(self, other: Longest) -> None:
        self.length = max(self.length, other.length)

    def result(self) -> int:
        return self.length


class LongestPE(AccumulatorPE):
    accumulator = Longest


def test_an_accumulator_of_one_s_own() -> None:
    assert in_parallel(parallel_aggregate(LongestPE([1]), LongestPE([1])), [[(0, "abc")], [(0, "ab")]]) == [3]


def test_sums_of_counts_as_dispel4py_has_them() -> None:
    composite = parallel_aggregate(CountPE(), SumPE([0]))
    assert in_parallel(composite, [[(1,), (2,)]]) == [2]
    mapper, _ = mapper_and_reducer(composite)
    assert not mapper.combines, "a reducer of another kind cannot merge partial results"


def test_a_reducer_of_as_many_indexes_will_do() -> None:
    assert in_parallel(parallel_aggregate(SumPE([1, 2]), SumPE()), [[(0, 1, 2), (0, 3, 4)]]) == [4]
    assert in_parallel(parallel_aggregate(SumPE([1]), SumPE()), [[(0, 1)], [(0, 3)]]) == [4]


def test_reducers_put_public_results_together() -> None:
    assert result(AverageReducePE(), [[2.0, 3, 6], (4.0, 1, 4), [None, 0, 0]]) == [2.5, 4, 10]
    told = [result(StdDevPE(), items) for items in ([(1,), (2,)], [(3,)], [])]
    assert result(StdDevReducePE(), told) == result(StdDevPE(), [(1,), (2,), (3,)])
    assert result(StdDevReducePE(), map(list, told)) == result(StdDevPE(), [(1,), (2,), (3,)])


def fails(pe: GenericPE, *items: Any) -> str:
    pe.id = "Pe7"
    with pytest.raises(WorkflowError) as caught:
        written(pe, items)
    return str(caught.value)


def test_an_item_without_the_index() -> None:
    assert fails(SumPE([2]), (1, 2)) == (
        "Pe7 needs items with index 2 (tuples, lists, arrays, or dicts with keys); got (1, 2), a tuple (IndexError: "
        "tuple index out of range); create it with indexes that its items have, or let the PE before it write tuples"
    )
    assert "index 0 " in fails(MaxPE(), 5)
    assert "KeyError" in fails(AveragePE("depth"), {"height": 1})


@pytest.mark.parametrize("make", [SumPE, AveragePE, StdDevPE, MinPE, MaxPE])
def test_a_value_that_is_none(make: Callable[[], GenericPE]) -> None:
    message = fails(make(), (1,), (None,))
    assert message.startswith("Pe7 cannot take in None, a NoneType, at index 0 of its items: only ")
    assert message.endswith("; convert or leave out such values in the PE before it")


def test_a_value_that_cannot_be_taken_in() -> None:
    assert "'12', a str, at index 1 of its items: only numbers" in fails(SumPE([1]), (1, "12"))
    assert "only real numbers have a standard deviation" in fails(StdDevPE(), (1j,))
    assert "at index 0" in fails(SumPE(), (np.ones(2),), (np.ones(3),))
    assert "'>' not supported" in fails(MaxPE(), (1,), ("a",))
    assert "at index 0" in fails(SumPE(), (timedelta(1),), (3,))


def test_parts_that_do_not_go_together() -> None:
    mapper, _ = mapper_and_reducer(parallel_sum())
    partial = result(mapper, [(timedelta(1),)])
    assert isinstance(partial, PartialResult)
    assert "merges partial results of MinPE with 1 index(es); got ['Sum']" in fails(MinPE(), partial)
    assert "merges partial results of SumPE with 2 index(es); got ['Sum']" in fails(SumPE([0, 1]), partial)
    other = result(mapper, [(np.ones(1),)])
    assert "at index 0" in fails(SumPE(), partial, other)


def test_what_is_no_average_cannot_be_put_together() -> None:
    assert "Pe7 puts together what AveragePE writes; got (1, 2), a tuple" in fails(AverageReducePE(), (1, 2))
    assert "what StdDevPE writes" in fails(StdDevReducePE(), [1.0, 2, 3])


@pytest.mark.parametrize("indexes", [0, "depth"])
def test_indexes_are_a_list(indexes: Any) -> None:
    with pytest.raises(WorkflowError) as caught:
        SumPE(indexes)
    assert str(caught.value) == (
        f"indexes is a list of positions or keys; got {indexes!r}; did you mean [{indexes!r}]?"
    )


def test_none_stands_for_the_usual_index() -> None:
    assert SumPE(None).indexes == AggregatePE(None).indexes == ContinuousReducePE().indexes == [0]
