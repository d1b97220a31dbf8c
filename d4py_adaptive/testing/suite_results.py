"""The part of the conformance suite on results: they belong to the workflow, not to the plan or the mapping."""

# ruff: noqa: D102 - a test's name says what it shows

from __future__ import annotations

import itertools
import operator
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from d4py_adaptive.dataflow import counts
from d4py_adaptive.dataflow.builder import CompositePE, WorkflowGraph, create_iterative_chain
from d4py_adaptive.dataflow.plan import Plan, Stage
from d4py_adaptive.errors import PlanError, WorkflowError
from d4py_adaptive.testing.items import EQUAL_KEYS, plain_key
from d4py_adaptive.testing.suite_base import SuiteBase, chain
from d4py_adaptive.testing.suite_elements import (
    Apply,
    Collect,
    Count,
    CountKeys,
    Diary,
    Emit,
    Runner,
    Sneak,
    Split,
    double,
    same,
)


class ResultsSuite(SuiteBase):
    """DESIGN, "How a run behaves", Results."""

    def test_a_pipeline_gives_every_item(self) -> None:
        source, twice = Emit(range(100)), Apply(double)
        for options in self.everywhere(chain(source, twice)):
            assert sorted(self.run(chain(source, twice), **options).of(twice)) == list(range(0, 200, 2))

    @pytest.mark.parametrize("workers", [1, 2, 3, 9])
    def test_every_number_of_workers_runs_every_workflow(self, workers: int) -> None:
        words = [
            (word, number) for number, word in enumerate(["the", "cat", "and", "the", "dog", "and", "the", "end"] * 3)
        ]
        source, middle, counter = Emit(words), Apply(same), CountKeys(numprocesses=4)
        found = self.run(chain(source, middle, counter), workers=workers).of(counter)
        assert dict(found) == Counter(word for word, _ in words)
        assert len(found) == 5

    def test_one_pe_alone_is_a_workflow(self) -> None:
        source = Emit("abc")
        assert self.run(chain(source)).of(source) == ["a", "b", "c"]

    def test_a_pe_that_nothing_reaches_does_no_harm(self) -> None:
        source, alone = Emit("abc"), Emit("xyz")
        graph = chain(source, Apply(same))
        graph.add(alone)
        assert sorted(self.run(graph).of(alone)) == ["x", "y", "z"]

    def test_seven_instances_live_on_two_workers(self) -> None:
        source, counter = Emit([(n % 20, n) for n in range(200)]), CountKeys(numprocesses=7)
        graph = chain(source, counter)
        outcome = self.run(graph, plan=self.plan(graph, {counter: 7}, workers=2))
        assert len(outcome.plan.instances_of[counter.id]) == 7
        assert sorted(outcome.of(counter)) == [(key, 10) for key in range(20)]

    def test_more_workers_than_instances_are_no_harm(self) -> None:
        source, counter = Emit([(0, 0)] * 9), CountKeys()
        plan = Plan(
            (Stage((source_id := "Emit0",), (3 * self.parallel,)), Stage(("CountKeys1",), (0,))), 4, self.mapping
        )
        outcome = self.run(chain(source, counter), plan=plan if self.parallel else None)
        assert source.id == source_id
        assert outcome.of(counter) == [(0, 9)]

    # Keys.

    def test_keys_that_are_equal_meet_in_one_instance(self) -> None:
        items = [(key, 0) for group in EQUAL_KEYS for key in group] * 2
        source, counter = Emit(items), CountKeys(numprocesses=4)
        graph = chain(source, counter)
        found = self.run(graph, plan=self.plan(graph, {counter: 4})).of(counter)
        assert {plain_key(key): count for key, count in found} == Counter(plain_key(key) for key, _ in items)
        assert len(found) == len(EQUAL_KEYS)

    def test_keys_of_two_inputs_meet_too(self) -> None:
        one, other, counter = Emit([(1, "a"), (2, "b")]), Emit([(1.0, "x"), (True, "y")]), CountKeys(numprocesses=4)
        graph = chain(one, counter)
        graph.connect(other, "output", counter, "other")
        assert sorted(self.run(graph, plan=self.plan(graph, {counter: 4})).of(counter)) == [(1, 3), (2, 1)]

    def test_keys_are_names_or_positions(self) -> None:
        source, counter = Emit([{"id": n % 3, 0: "zero"} for n in range(9)]), CountKeys(["id"], numprocesses=3)
        graph = chain(source, counter)
        outcome = self.run(graph, plan=self.plan(graph, {counter: 3}))
        assert sum(count for _, count in outcome.of(counter)) == 9

    @pytest.mark.parametrize(("item", "hint"), [((object(), 1), "key"), ({"a": 1}, "grouping by"), (5, "grouping by")])
    def test_a_key_that_cannot_be_hashed_is_an_error(self, item: Any, hint: str) -> None:
        source, counter = Emit([(1, 2), item]), CountKeys(numprocesses=3)
        graph = chain(source, counter)
        failure = self.failure(graph, plan=self.plan(graph, {counter: 3}))
        assert (failure.pe, failure.method, failure.port) == (source.id, "write", "output")
        assert hint in failure.message

    # Groupings and numbers of instances.

    def test_all_brings_every_item_to_every_instance(self) -> None:
        source, reader = Emit(range(50)), Collect("all", numprocesses=3)
        for options in self.everywhere(chain(source, reader)):
            if "plan" not in options:
                found = self.run(chain(source, reader), **options).of(reader)
                assert [items for _, items in found] == [list(range(50))] * 3
                assert len({rank for rank, _ in found}) == 3

    def test_global_brings_every_item_to_the_first_instance(self) -> None:
        source, reader = Emit(range(50)), Collect("global", numprocesses=3)
        found = self.run(chain(source, reader)).of(reader)
        assert [items for _, items in sorted(found)] == [list(range(50)), [], []]

    def test_ungrouped_state_has_as_many_instances_as_it_says(self) -> None:
        source, reader = Emit(range(10)), Collect(numprocesses=3)
        for workers in (1, 2, 5):
            found = sorted(self.run(chain(source, reader), workers=workers).of(reader))
            assert [items for _, items in found] == [[0, 3, 6, 9], [1, 4, 7], [2, 5, 8]]

    def test_ungrouped_state_is_not_replicated(self) -> None:
        source, reader = Emit(range(10)), Collect()
        (found,) = self.run(chain(source, reader), workers=4).of(reader)
        assert found[1] == list(range(10))

    def test_a_source_has_one_instance(self) -> None:
        source = Count()
        assert sorted(self.run(chain(source), 10, workers=4).of(source)) == list(range(1, 11))

    def test_a_source_that_may_be_split_is_called_as_often_as_asked(self) -> None:
        source = Split()
        graph = chain(source)
        plan = self.plan(graph, {source: 3})
        assert self.run(graph, 10, plan=plan).of(source) == ["called"] * 10
        given = {source: [{"input": n} for n in range(10)]}
        assert sorted(self.run(graph, given, plan=plan).of(source)) == list(range(10))

    def test_numprocesses_bounds_what_is_free(self) -> None:
        source, twice = Emit(range(20)), Apply(double)
        twice.numprocesses = 2
        outcome = self.run(chain(source, twice), workers=4)
        assert len(outcome.plan.instances_of[twice.id]) <= 2
        assert sorted(outcome.of(twice)) == list(range(0, 40, 2))

    def test_a_change_of_state_in_a_replicated_pe_stops_the_run(self, monkeypatch: pytest.MonkeyPatch) -> None:
        source, sneak = Emit(range(20)), Sneak()
        read = counts.read_state  # type: ignore[attr-defined]
        wrong = replace(read(sneak), stateless=True, declared=False)
        monkeypatch.setattr(counts, "read_state", lambda pe: wrong if isinstance(pe, Sneak) else read(pe))
        graph = chain(source, sneak)
        failure = self.failure(graph, plan=self.plan(graph, {sneak: 2}))
        assert failure.pe == sneak.id
        assert "self.seen" in failure.message

    # Shapes.

    def test_two_producers_into_one_input(self) -> None:
        one, other, counter = Emit([("a", 1)] * 40), Emit([("b", 2)] * 50), CountKeys(numprocesses=3)
        graph = chain(one, counter)
        graph.connect(other, "output", counter, "input")
        for plan in (None, self.plan(graph, {counter: 3})):
            assert sorted(self.run(graph, plan=plan).of(counter)) == [("a", 40), ("b", 50)]

    def test_several_streams_between_the_same_two_pes(self) -> None:
        source, counter = Emit([(n, 1) for n in range(10)]), CountKeys(numprocesses=2)
        graph = chain(source, counter)
        graph.connect(source, "output", counter, "input")
        graph.connect(source, "output", counter, "other")
        assert sorted(self.run(graph).of(counter)) == [(n, 3) for n in range(10)]

    def test_every_order_of_connect_calls_gives_the_same(self) -> None:
        for order in itertools.islice(itertools.permutations(range(5)), 0, 120, 13):
            source, left, right, sink = Emit(range(8)), Apply(double), Apply(str), Collect()
            calls = [(source, left), (source, right), (left, sink), (right, sink), (source, sink)]
            graph = WorkflowGraph()
            for number in order:
                graph.connect(calls[number][0], "output", calls[number][1], "input")
            ((_, items),) = self.run(graph).of(sink)
            expected = [*range(0, 16, 2), *"01234567", *range(8)]
            assert Counter(map(repr, items)) == Counter(map(repr, expected))

    def test_fan_out_gives_every_reader_everything(self) -> None:
        source, readers = Emit(range(30)), [Collect() for _ in range(4)]
        graph = WorkflowGraph()
        for reader in readers:
            graph.connect(source, "output", reader, "input")
        for options in self.everywhere(graph):
            outcome = self.run(graph, **options)
            assert [outcome.of(reader)[0][1] for reader in readers] == [list(range(30))] * 4

    def test_composites_in_composites(self) -> None:
        inner = CompositePE()
        inner.connect(first := Apply(double), "output", second := Apply(str), "input")
        inner._map_input("in", first, "input")
        inner._map_output("out", second, "output")
        outer = CompositePE()
        outer.connect(inner, "out", last := create_iterative_chain([len, (operator.add, {})][:1]), "input")
        outer._map_input("in", inner, "in")
        outer._map_output("out", last, "output")
        source, reader = Emit([4, 5, 60]), Collect()
        graph = WorkflowGraph()
        graph.connect(source, "output", outer, "in")
        graph.connect(outer, "out", reader, "input")
        ((_, items),) = self.run(graph).of(reader)
        assert sorted(items) == [1, 2, 3]

    def test_items_may_be_given_to_any_pe(self) -> None:
        source, middle, counter = Emit([("a", 1)]), Apply(same), CountKeys(numprocesses=3)
        graph = chain(source, middle, counter)
        given = {
            middle: [{"input": ("a", 2)}] * 3,
            counter: [{"input": ("b", 1), "other": ("b", 2)}, {"other": ("a", 0)}],
        }
        for plan in (None, self.plan(graph, {counter: 3})):
            assert sorted(self.run(graph, given, plan=plan).of(counter)) == [("a", 5), ("b", 2)]

    def test_given_items_reach_all_instances_where_all_is_meant(self) -> None:
        reader = Collect("all", numprocesses=2)
        graph = chain(Emit([]), reader)
        found = self.run(graph, {reader: [{"input": 1}, {"input": 2}]}).of(reader)
        assert [sorted(items) for _, items in found] == [[1, 2], [1, 2]]

    def test_no_iteration_is_an_empty_run(self) -> None:
        source, reader = Count(), Collect()
        ((_, items),) = self.run(chain(source, reader), 0).of(reader)
        assert items == []

    def test_first_in_first_out_between_two_instances(self) -> None:
        source, middle, reader = Runner("a", 500), Apply(same), Collect("all", numprocesses=2)
        graph = chain(source, middle, reader)
        found = self.run(graph, plan=self.plan(graph, {reader: 2})).of(reader)
        assert [[number for _, number, _ in items] for _, items in found] == [list(range(1, 501))] * 2

    # What is refused before anything starts.

    def test_a_loop_is_refused_before_anything_starts(self) -> None:
        one, other = Apply(same), Apply(same)
        graph = chain(Emit(range(3)), one, other)
        graph.connect(other, "output", one, "input")
        with pytest.raises(WorkflowError, match=r"loop: .*Apply1.*Apply2"):
            self.run(graph)

    def test_a_plan_whose_stages_form_a_loop_is_refused(self) -> None:
        source, middle, last = Emit(range(3)), Apply(same), Apply(same)
        graph = chain(source, middle, last)
        with pytest.raises(PlanError, match="loop"):
            self.run(graph, plan=Plan((Stage(("Emit0", "Apply2"), (0,)), Stage(("Apply1",), (0,))), 1, self.mapping))

    def test_a_stage_may_name_its_pes_in_any_order(self) -> None:
        first, reader = Apply(same), Collect()
        graph = chain(Emit(range(3)), first, Diary("ab"), reader)
        pes = ("Collect3", "Diary2", "Apply1", "Emit0")
        ((_, items),) = self.run(graph, plan=Plan((Stage(pes, (0,)),), 1, self.mapping)).of(reader)
        assert items == [0, 1, 2, "a", "b"]

    @pytest.mark.parametrize(
        "stages",
        [
            [("Emit0",), ("Apply1",), ("CountKeys2", 2), ("Collect3", 2), ("Collect4", 3)],
            [("Emit0",), ("Apply1", "CountKeys2", 2), ("Collect3",), ("Collect4", 3)],
            [("Emit0", 2), ("Apply1",), ("CountKeys2",), ("Collect3",), ("Collect4", 3)],
            [("Emit0",), ("Apply1",), ("CountKeys2",), ("Collect3",), ("Collect4", 2)],
            [("Emit0",), ("Apply1", "Collect4", 3), ("CountKeys2",), ("Collect3",)],
        ],
        ids=["replicated state", "fused keys", "replicated source", "another number for all", "fused broadcast"],
    )
    def test_a_plan_that_would_change_results_is_refused(self, stages: list[tuple[Any, ...]]) -> None:
        middle = Apply(same)
        graph = chain(Emit([(n, n) for n in range(5)]), middle, CountKeys())
        graph.connect(middle, "output", Collect(), "input")
        graph.connect(middle, "output", Collect("all", numprocesses=3), "input")
        planned = []
        for stage in stages:
            pes = tuple(pe for pe in stage if isinstance(pe, str))
            count = next((number for number in stage if isinstance(number, int)), 1)
            planned.append(Stage(pes, (0,) * count))
        with pytest.raises(PlanError):
            self.run(graph, plan=Plan(tuple(planned), 1, self.mapping))

    def test_a_long_chain(self) -> None:
        source, links = Emit(range(3)), [Apply(same) for _ in range(300)]
        last = Collect()
        ((_, items),) = self.run(chain(source, *links, last), workers=2).of(last)
        assert sorted(items) == [0, 1, 2]

    def test_a_run_can_be_repeated(self) -> None:
        source, reader = Emit([[1], [2]]), Collect()
        graph = chain(source, reader)
        for _ in range(2):
            assert [items for _, items in self.run(graph).of(reader)] == [[[1], [2]]]

    @pytest.mark.parametrize("fuse", [True, False])
    def test_a_key_that_cannot_be_hashed_is_an_error_for_one_instance_too(self, fuse: bool) -> None:
        source = Emit([(object(), 1)])
        failure = self.failure(chain(source, CountKeys()), workers=1, fuse=fuse)
        assert (failure.pe, failure.method, failure.port) == (source.id, "write", "output")
