"""What the profiler keeps does not grow with the number of items."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from real_processes import FLOWS, D4py

from d4py_adaptive.mappings.interruption import Interruption
from d4py_adaptive.mappings.simple import SimpleMapping
from d4py_adaptive.runtime.loading import load
from d4py_adaptive.runtime.session import RunOptions, make_job
from d4py_adaptive.telemetry.profile import Profile
from d4py_adaptive.telemetry.saved import read_saved_file
from d4py_adaptive.testing.comparing import Observed

FEW, MANY = 10_000, 1_000_000
COUNTING = FLOWS / "counting.py"
MOST_GROWTH = 4_000_000
"""Bytes: four to twelve for each item. Anything that is kept of each would take far more."""

MOST_PROFILE, MOST_REPORT = 150_000, 200_000
"""Bytes of one instance: a thousand spans are nearly all of it."""


@pytest.mark.timeout(110)
@pytest.mark.parametrize(
    ("many", "words"), [(MANY, ("simple",)), (MANY // 3, ("multi", "-n", 2, "--no-fuse"))], ids=["simple", "multi"]
)
def test_many_times_the_items(d4py: D4py, many: int, words: tuple[object, ...]) -> None:
    boards, texts, profiles = [], [], []
    for items in (FEW, many):
        options = ("-p", f"items={items}", "--profile", "full", "-q", "-m", *words)
        d4py.run("run", COUNTING, *options, within_s=90).succeeds()
        folder = d4py.home / "runs" / d4py.records()[-1]["id"]
        boards.append({path.name: path.stat().st_size for path in (folder / "board").iterdir()})
        texts.append((folder / "profile.json").stat().st_size)
        profiles.append(read_saved_file(Profile, folder / "profile.json"))
        assert profiles[-1].pes[-1].items_in == items
    assert boards[0] == boards[1]
    assert max(texts) < MOST_PROFILE * len(profiles[1].instances)
    for before, after in zip(profiles[0].workers, profiles[1].workers, strict=True):
        assert after.peak_memory_bytes - before.peak_memory_bytes < MOST_GROWTH


def reports(items: int) -> list[Any]:
    graph = load(str(COUNTING), None, {"items": str(items)}).graph
    observed = Observed()
    SimpleMapping().run(make_job(graph.freeze(), None, RunOptions(profile="full")), observed, Interruption())
    return [event["found"] for event in observed.events if event["event"] == "probe"]


def test_what_probes_tell_is_bounded() -> None:
    few, many = reports(FEW), reports(30 * FEW)
    assert len(few) == len(many) == 3
    assert max(len(pickle.dumps(report)) for report in few + many) < MOST_REPORT
