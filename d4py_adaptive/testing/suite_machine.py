"""The part of the conformance suite on sharing the machine: fairness, random numbers, names, prints, counters."""

# ruff: noqa: D102 - a test's name says what it shows

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from d4py_adaptive.dataflow.pe import GenericPE
from d4py_adaptive.telemetry.run_record import totals
from d4py_adaptive.testing.suite_base import SuiteBase, chain
from d4py_adaptive.testing.suite_elements import Apply, Collect, Count, Draw, Emit, Runner, Talk, double, same


class MachineSuite(SuiteBase):
    """DESIGN, "How a run behaves": endless sources, random state, the machine."""

    def test_a_source_that_writes_for_long_starves_no_other(self) -> None:
        one, other, reader = Runner("one", self.many(4000)), Runner("other", self.many(4000)), Collect()
        graph = chain(one, Apply(same), reader)
        graph.connect(other, "output", reader, "input")
        for options in ({}, {"workers": 1}, {"fuse": False}, {"workers": 1, "fuse": False}):
            ((_, items),) = self.run(graph, **options).of(reader)
            names = [name for name, _, _ in items]
            first = {name: names.index(name) for name in ("one", "other")}
            last = {name: len(names) - names[::-1].index(name) for name in ("one", "other")}
            assert first["one"] < last["other"]
            assert first["other"] < last["one"]

    def test_a_source_that_is_called_often_starves_no_other(self) -> None:
        one, other, reader = Count(), Count(), Collect()
        graph = chain(one, Apply(_signed), reader)
        graph.connect(other, "output", reader, "input")
        ((_, items),) = self.run(graph, self.many(4000)).of(reader)
        signs = [item > 0 for item in items]
        assert signs.index(True) < self.many(4000)
        assert signs.index(False) < self.many(4000)

    def test_sources_that_write_for_long_do_not_starve_their_readers(self, tmp_path: Path) -> None:
        source, reader = Runner("a", 3000, tmp_path / "progress"), FirstSeen(tmp_path / "progress")
        graph = chain(source, reader)
        for options in ({"workers": 1}, {"workers": 1, "fuse": False}):
            (progress,) = self.run(graph, **options).of(reader)
            assert progress < 2000

    # Random numbers.

    def test_instances_draw_different_numbers(self) -> None:
        draw = Draw(3, "all")
        graph = chain(Emit(range(4)), draw)
        found = self.run(graph, workers=2).of(draw)
        for generator in (2, 3, 4):
            assert len({numbers[generator] for numbers in found}) == 12

    def test_a_seed_repeats_them_and_another_does_not(self) -> None:
        draw = Draw(3, "all")
        graph = chain(Emit(range(4)), draw)
        first, again, other = (sorted(self.run(graph, seed=seed).of(draw)) for seed in (5, 5, 6))
        assert first == again
        for generator in (2, 3, 4):
            assert not {numbers[generator] for numbers in first} & {numbers[generator] for numbers in other}

    def test_numbers_do_not_depend_on_the_workers(self) -> None:
        draw = Draw(3, "all")
        graph = chain(Emit(range(4)), draw)
        first, other = (sorted(n[2:] for n in self.run(graph, seed=5, workers=w).of(draw)) for w in (1, 3))
        assert first == other

    def test_a_seed_makes_the_whole_run_repeatable(self) -> None:
        draw, last = Draw(), Draw()
        graph = chain(Emit(range(30)), draw, last)
        first, again = (sorted(self.run(graph, seed=9).of(last)) for _ in range(2))
        assert first == again

    # Names, prints, counters.

    def test_every_instance_has_a_rank_of_its_own(self) -> None:
        one, other = Collect("all", numprocesses=3), Collect("all", numprocesses=2)
        graph = chain(Emit([1]), one)
        graph.connect(Emit([2]), "output", other, "input")
        outcome = self.run(graph)
        ranks = [rank for rank, _ in outcome.of(one) + outcome.of(other)]
        assert len(set(ranks)) == 5
        assert max(ranks) < len(outcome.plan.instances)

    def test_a_pe_knows_its_name(self) -> None:
        teller = Name()
        assert self.run(chain(Emit([1]), teller)).of(teller) == [("Name", "Name1")]

    def test_prints_come_out_whole_and_named(self) -> None:
        talker = Talk()
        graph = chain(Emit(range(3)), talker)
        outcome = self.run(graph, plan=self.plan(graph, {}))
        assert {name for name, _ in outcome.lines} == {"Talk1[0]"}
        texts = [text for _, text in outcome.lines]
        assert texts[0].startswith("hello ")
        assert texts[1:4] == ["item 0", "saw 0", "and more"] or texts[1:3] == ["item 0", "saw 0\nand more"]
        assert sorted(text for text in texts if text.startswith("item")) == ["item 0", "item 1", "item 2"]
        assert texts[-1] == "bye"

    def test_prints_of_many_instances_do_not_mix(self) -> None:
        talkers = [Talk(), Talk(), Talk()]
        graph = chain(Emit(range(20)), *talkers)
        for options in self.everywhere(graph):
            outcome = self.run(graph, **options)
            for talker in talkers:
                said = [text for name, text in outcome.lines if name == f"{talker.id}[0]" and text.startswith("item")]
                assert said == [f"item {number}" for number in range(20)]

    def test_standard_output_is_put_back(self) -> None:
        before = sys.stdout
        self.run(chain(Emit(range(3)), Talk()))
        assert sys.stdout is before

    def test_counters_add_up(self) -> None:
        source, twice, reader = Emit(range(10)), Apply(double), Collect()
        graph = chain(source, twice, reader)
        for options in self.everywhere(graph):
            outcome = self.run(graph, **options)
            assert outcome.finished is not None
            assert outcome.finished.record.state == "completed"
            counted = {total.pe: (total.items_in, total.items_out) for total in totals(outcome.finished.counters)}
            assert counted == {source.id: (0, 10), twice.id: (10, 10), reader.id: (10, 1)}


class Name(Apply):
    """Tells its names."""

    def __init__(self) -> None:
        super().__init__(same)

    def _process(self, data: Any) -> Any:
        del data
        return self.name, self.id


class FirstSeen(GenericPE):
    """Writes how far the source was when the first item came."""

    def __init__(self, progress: Path) -> None:
        super().__init__()
        self._add_input("input")
        self._add_output("output")
        self.progress = progress
        self.waits = True

    def process(self, inputs: dict[str, Any]) -> None:
        """Look at the first item."""
        if self.waits:
            self.write("output", self.progress.stat().st_size - inputs["input"][1])
        self.waits = False


def _signed(item: int) -> int:
    return -item
