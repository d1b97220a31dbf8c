"""Measuring changes nothing: results, random numbers and failures are the same whatever is measured."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from real_processes import FLOWS, D4py

from d4py_adaptive.mappings.job import Job
from d4py_adaptive.profiler.instruments import FullProfile
from d4py_adaptive.testing.comparing import Trial, differences, reference_of
from d4py_adaptive.testing.drafts import RandomGraph
from d4py_adaptive.testing.random_graphs import random_graph

pytestmark = pytest.mark.usefixtures("on_known_machine")

UNRULY = FLOWS / "unruly.py"
HOWS = ("off", "counters", "full")
GRAPHS = 30


@dataclass(frozen=True)
class Measured(Trial):
    """A trial that is measured.

    Attributes:
        how: how closely.
    """

    how: str = "full"

    def job(self, graph: RandomGraph) -> Job:
        instrument = FullProfile() if self.how == "full" else None
        return replace(super().job(graph), metered=self.how != "off", instrument=instrument)


@pytest.mark.parametrize("mapping", ["simple", "toy", "multi"])
def test_random_workflows_agree_with_the_reference(mapping: str) -> None:
    for seed in range(GRAPHS):
        graph = random_graph(10_000 + seed)
        expected = reference_of(graph)
        method = "fork" if mapping == "multi" else ""
        assert differences(graph, expected, Measured(mapping, seed, method)) == [], seed


@pytest.mark.parametrize("how", ["off", "counters"])
@pytest.mark.parametrize("mapping", ["simple", "toy"])
def test_they_do_whatever_is_measured(mapping: str, how: str) -> None:
    for seed in range(GRAPHS // 2):
        graph = random_graph(20_000 + seed)
        assert differences(graph, reference_of(graph), Measured(mapping, seed, how=how)) == [], seed


def written(folder: Path) -> dict[str, list[str]]:
    return {path.name: sorted(path.read_text().splitlines()) for path in folder.glob("*.jsonl")}


@pytest.mark.parametrize("words", [("simple",), ("multi", "-n", 3, "--no-fuse")], ids=["simple", "multi"])
def test_random_numbers_are_the_same(d4py: D4py, words: tuple[object, ...]) -> None:
    for how in HOWS:
        options = ("-a", "random_numbers", "--seed", 7, "--profile", how, "-q", "-o", f"{how}/", "-m", *words)
        d4py.run("run", UNRULY, *options).succeeds()
    results = [written(d4py.folder / how) for how in HOWS]
    assert results[0] == results[1] == results[2]
    assert sum(len(lines) for lines in results[0].values()) == 300


ITEMS = ("touchy", "locks", "generators", "files", "frames", "functions", "deep", "loops")


@pytest.mark.parametrize("items", ITEMS)
def test_items_that_raise_or_cannot_travel(d4py: D4py, items: str) -> None:
    told = set()
    for how in ("off", "full"):
        ended = d4py.run("run", UNRULY, "-p", f"items={items}", "--profile", how, "-q", "-o", f"{how}.jsonl")
        ended.succeeds()
        told.add((d4py.folder / f"{how}.jsonl").read_text())
    (results,) = told
    assert results.count("\n") == 50


@pytest.mark.parametrize("reader", ["holder", "uncopied", "forgetful"])
@pytest.mark.parametrize("mapping", ["simple", "multi"])
def test_pes_that_raise_or_hold_what_cannot_be_compared(d4py: D4py, reader: str, mapping: str) -> None:
    for items in ("touchy", "files"):
        ended = d4py.run("diagnose", UNRULY, "-p", f"items={items}", "-p", f"reader={reader}", "-m", mapping, "-n", 1)
        assert "Where the time went" in ended.succeeds()
        assert d4py.records()[-1]["state"] == "completed"


@pytest.mark.parametrize("how", HOWS)
def test_an_item_that_cannot_cross_fails_alike(d4py: D4py, how: str) -> None:
    words = ("-p", "items=locks", "--profile", how, "-q", "-m", "multi", "-n", 2, "--no-fuse")
    assert "Source0[0].write, port 'output', item 1" in d4py.run("run", UNRULY, *words).fails_with(1)
