"""What the always-on counters cost per call of a PE: the same chain in this process, with them and without.

    python benchmarks/profiling/hooks.py [--rounds 15]

What disturbs a measurement only makes it longer, so the quickest of the rounds counts on both sides, which take turns.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from itertools import pairwise
from statistics import median
from typing import Any

from d4py_adaptive import IterativePE, ProducerPE, WorkflowGraph
from d4py_adaptive.mappings import meter, quick
from d4py_adaptive.mappings.interruption import Interruption
from d4py_adaptive.mappings.simple import SimpleMapping
from d4py_adaptive.runtime.session import RunOptions, make_job

ITEMS = 20_000
LENGTH = 4
BARS_NS = {"every call timed": 300, "calls sampled": 60}


class Gives(ProducerPE):
    """Gives one item per call."""

    def __init__(self, item: Any) -> None:
        super().__init__()
        self.item = item

    def _process(self, inputs: Any) -> Any:  # noqa: ARG002 - dispel4py's signature
        return self.item


class PassesOn(IterativePE):
    """Returns what it gets."""

    def _process(self, data: Any) -> Any:
        return data


class Ends(IterativePE):
    """Takes what it gets."""

    def _process(self, data: Any) -> None:
        """Nothing more."""


class Nobody:
    """Watches a run without interest."""

    def started(self) -> None:
        """Nothing."""

    def result(self, pe: str, port: str, item: Any) -> None:
        """Nothing."""

    def line(self, instance: str, text: str) -> None:
        """Nothing."""

    def event(self, event: Any) -> None:
        """Nothing."""


def chain(item: Any) -> WorkflowGraph:
    """A chain of `LENGTH` PEs that hand one item on."""
    graph = WorkflowGraph()
    pes = [Gives(item), *(PassesOn() for _ in range(LENGTH - 2)), Ends()]
    for before, after in pairwise(pes):
        graph.connect(before, "output", after, "input")
    return graph


def seconds(item: Any, profile: Any) -> float:
    """How long a run takes."""
    job = make_job(chain(item).freeze(), ITEMS, RunOptions(profile=profile, seed=1))
    start = time.process_time()
    SimpleMapping().run(job, Nobody(), Interruption())
    return time.process_time() - start


def cost_ns(item: Any, rounds: int) -> tuple[float, float, float]:
    """Cost of the counters per call, of the quickest rounds and in the median; and a call without them."""
    on, off = [], []
    for _ in range(rounds):
        on.append(seconds(item, "counters"))
        off.append(seconds(item, "off"))
    calls = ITEMS * LENGTH
    typical = median(a - b for a, b in zip(on, off, strict=True))
    return (min(on) - min(off)) / calls * 1e9, typical / calls * 1e9, min(off) / calls * 1e9


def time_first(calls: int) -> None:
    """Have so many first calls of each PE timed."""
    meter.ALWAYS_TIMED = quick.ALWAYS_TIMED = calls


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    ways: dict[str, Callable[[], None]] = {
        "every call timed": lambda: time_first(1 << 60),
        "calls sampled": lambda: time_first(100),
    }
    print(f"{'':18}{'items':>14}{'ns per call':>13}{'(median)':>10}{'without':>10}{'bar':>6}")
    for way, prepare in ways.items():
        prepare()
        for name, item in (("small ints", 7), ("dictionaries", {"a": 1, "b": [2, 3]})):
            least, typical, without = cost_ns(item, rounds)
            print(f"{way:18}{name:>14}{least:13.0f}{typical:10.0f}{without:10.0f}{BARS_NS[way]:6}")


if __name__ == "__main__":
    main()
