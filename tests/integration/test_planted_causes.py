"""The first line of `d4py diagnose` names the cause that a workflow was made to have, and the PE at fault."""

import json
from pathlib import Path
from typing import NamedTuple

import pytest
from real_processes import D4py

PLANTED = Path(__file__).parent / "planted_causes"
SEEDS = (1, *(pytest.param(seed, marks=pytest.mark.long) for seed in (2, 3)))


class Case(NamedTuple):
    """A workflow, how it is run, and what is to be said of it; no PE where none is at fault."""

    cause: str
    pe: str
    workflow: str
    options: str = ""


CASES = [
    Case("slow_pe", "Fit", "slow_pe"),
    Case("skewed_keys", "Count", "skewed_keys", "-m multi -n 2"),
    Case("serial_source", "Simulate", "serial_source", "-m multi -n 2 -i 80"),
    Case("serial_source", "Listen", "waiting_source", "-m multi -n 2 -i 50"),
    Case("serial_source", "Listen", "waiting_source", "-i 50"),
    # What its source does in `write` is counted as its own work, so that it is sometimes taken for a slow source.
    pytest.param(Case("tiny_items", "Scatter", "tiny_items", "-m multi -n 2"), marks=pytest.mark.long),
    Case("fan_out_copies", "Catalogue", "fan_out_copies"),
    Case("big_messages", "Record", "big_messages", "-m multi -n 2"),
    Case("too_many_processes", "Fit", "shared_work", "-m multi -n 8"),
    Case("idle_processes", "Stack", "idle_processes", "-m multi -n 8"),
    Case("memory_pressure", "Keep", "memory_pressure", "-m multi -n 4"),
    Case("thread_contention", "Solve", "thread_contention", "-m multi -n 2"),
    Case("thread_contention", "Divide", "turn_taking"),
    Case("blocking_io", "Fetch", "blocking_io", "-m multi -n 2"),
    Case("blocking_io", "Fetch", "blocking_io"),
    Case("state", "Accumulate", "state", "-m multi -n 2"),
    Case("over_fused", "Track", "over_fused", "-m multi -n 2"),
    Case("under_fused", "Check", "under_fused", "-m multi -n 2 --no-fuse"),
    Case("run_sequentially", "", "little_work", "-m multi -n 2"),
    Case("healthy", "", "shared_work", "-m multi -n 2"),
    Case("healthy", "", "little_work"),
    Case("healthy", "", "light_items"),
]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.cause} {case.workflow} {case.options}".strip())
def test_the_planted_cause_and_its_pe_are_named(d4py: D4py, case: Case, seed: int) -> None:
    words = f"-a build -p seed={seed} {case.options} --json -"
    ended = d4py.run("diagnose", PLANTED / f"{case.workflow}.py", *words.split())
    verdict = json.loads(ended.succeeds())["verdict"]
    assert (verdict["cause"], verdict["pe"].rstrip("0123456789")) == (case.cause, case.pe), verdict
    assert verdict["pe"] in verdict["sentence"]
