"""The part of the conformance suite on the lives of PEs: what is called when, and that the end is counted."""

# ruff: noqa: D102 - a test's name says what it shows

from __future__ import annotations

from pathlib import Path

from d4py_adaptive.dataflow.builder import WorkflowGraph
from d4py_adaptive.testing.suite_base import Outcome, SuiteBase, chain
from d4py_adaptive.testing.suite_elements import Apply, Chaser, Collect, Count, Diary, Emit, Runner, Wait, same


class LifecycleSuite(SuiteBase):
    """DESIGN, "How a run behaves", Lifecycle."""

    def test_each_instance_is_prepared_once_and_ended_once(self) -> None:
        source, diary = Emit(range(6)), Diary(numprocesses=3)
        found = self.run(chain(source, diary)).of(diary, "diary")
        assert sorted(found, key=repr) == [["preprocess", n, n + 3, "postprocess"] for n in range(3)]

    def test_an_instance_without_items_lives_too(self) -> None:
        source, diary = Emit([]), Diary(numprocesses=2)
        assert self.run(chain(source, diary)).of(diary, "diary") == [["preprocess", "postprocess"]] * 2

    def test_postprocess_comes_after_what_upstreams_wrote_in_theirs(self) -> None:
        source, first, second, third = Emit("x"), Diary("ab"), Diary("c"), Diary()
        graph = chain(source, first, second, third)
        for options in self.everywhere(graph):
            (diary,) = self.run(graph, **options).of(third, "diary")
            assert diary == ["preprocess", "x", "a", "b", "c", "postprocess"]

    def test_what_preprocess_writes_finds_its_readers_prepared(self) -> None:
        first, second, third = Early("x"), Diary("a"), Diary()
        graph = chain(first, second, third)
        for options in self.everywhere(graph):
            outcome = self.run(graph, **options)
            assert outcome.of(third, "diary") == [["preprocess", "early", "x", "a", "postprocess"]]
            assert outcome.of(second, "diary") == [["preprocess", "early", "x", "postprocess"]]

    def test_the_order_of_connect_calls_does_not_change_that(self) -> None:
        source, first, second, third = Emit("x"), Diary("ab"), Diary("c"), Diary()
        graph = WorkflowGraph()
        for one, other in ((second, third), (first, second), (source, first)):
            graph.connect(one, "output", other, "input")
        for options in self.everywhere(graph):
            (diary,) = self.run(graph, **options).of(third, "diary")
            assert diary == ["preprocess", "x", "a", "b", "c", "postprocess"]

    def test_an_end_waits_for_every_instance_of_every_upstream(self) -> None:
        slow, quick, sink = Diary("ab", numprocesses=3), Emit(range(40)), Collect()
        graph = chain(Emit("x"), Wait(0.05), slow, sink)
        graph.connect(quick, "output", sink, "input")
        ((_, items),) = self.run(graph).of(sink)
        assert sorted(map(str, items)) == sorted([*map(str, range(40)), *"aaabbb", "x", "late"])

    def test_what_takes_long_is_waited_for(self) -> None:
        source, slow, reader = Emit("ab"), Wait(0.3), Collect()
        ((_, items),) = self.run(chain(source, slow, reader)).of(reader)
        assert items == ["a", "b", "late"]

    def test_a_call_may_write_far_more_than_fits(self) -> None:
        source, middle, reader = Emit(range(amount := self.many(20_000))), Apply(same), Collect()
        for fuse in (True, False):
            ((_, items),) = self.run(chain(source, middle, reader), fuse=fuse).of(reader)
            assert sorted(items) == list(range(amount))

    def test_a_slow_reader_slows_its_writer(self, tmp_path: Path) -> None:
        progress = tmp_path / "progress"
        source, reader = Runner("a", 3000, progress), Chaser(progress, 0.0002)
        graph = chain(source, reader)
        (furthest,) = self.run(graph, plan=self.plan(graph, {}, workers=2)).of(reader)
        assert furthest < 1500

    def test_large_items_under_way_are_bounded_by_their_bytes(self, tmp_path: Path) -> None:
        progress = tmp_path / "progress"
        source, reader = Runner("a", 300, progress, bytes(10**6)), Chaser(progress, 0.002)
        graph = chain(source, reader)
        (furthest,) = self.run(graph, plan=self.plan(graph, {}, workers=2)).of(reader)
        assert furthest < 60

    def test_results_are_drained_while_the_run_goes_on(self, tmp_path: Path) -> None:
        mark = tmp_path / "ended"
        source, last = Runner("a", self.many(5000), None, bytes(5000)), Marker(mark)
        seen: list[bool] = []
        outcome = Outcome(on_result=lambda: seen.append(mark.exists()))
        self.run_kept(outcome, chain(source, last))
        assert seen[0] is False
        assert len(outcome.of(last)) == self.many(5000)
        assert mark.exists()

    def test_a_source_is_called_once_per_iteration(self) -> None:
        source = Count()
        assert self.run(chain(source), 5).of(source) == [1, 2, 3, 4, 5]
        assert self.run(chain(source)).of(source) == [1]
        assert self.run(chain(source), {source: [{"input": 7}, {}]}).of(source) == [7, 8]

    def test_a_second_run_starts_afresh(self) -> None:
        source = Count()
        graph = chain(source)
        assert self.run(graph, 2).of(source) == self.run(graph, 2).of(source) == [1, 2]


class Early(Emit):
    """Writes before its first call."""

    def preprocess(self) -> None:
        """Write."""
        self.write("output", "early")


class Marker(Apply):
    """Passes items on, and leaves a mark at the end."""

    def __init__(self, mark: Path) -> None:
        super().__init__(same)
        self.mark = mark

    def postprocess(self) -> None:
        """Leave it."""
        self.mark.write_text("")
