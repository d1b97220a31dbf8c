"""What the always-on counters cost per call of a PE: the same chain in this process, with them and without.

    python benchmarks/profiling/hooks.py [--rounds 15]

What disturbs a measurement only makes it longer, so the quickest of the rounds counts on both sides, which take turns.
Processor time counts. Where calls are quick, only a sample of them is timed; the table shows the runtime as it is.
"""

from __future__ import annotations

import argparse
import gc
import time
import timeit
from dataclasses import replace
from itertools import pairwise
from statistics import median
from typing import Any, NamedTuple

from d4py_adaptive import IterativePE, ProducerPE, WorkflowGraph
from d4py_adaptive.clock import monotonic_ns
from d4py_adaptive.mappings import quick
from d4py_adaptive.mappings.interruption import Interruption
from d4py_adaptive.mappings.quick import TELL_APART_NS
from d4py_adaptive.mappings.simple import SimpleMapping
from d4py_adaptive.runtime.session import RunOptions, make_job

LENGTH = 4
BAR_NS, SAMPLED_BAR_NS = 300, 60


class Case(NamedTuple):
    """What is handed on, how many loops each PE makes beside, how many items there are, and whether each PE's time is
    told apart at each call, as it is where calls are longer; longer calls vary by more than what is measured here."""

    name: str
    item: Any
    loops: int
    items: int
    bar_ns: int
    tell_apart: bool = False


CASES = (
    Case("small ints, no work", 7, 0, 40_000, SAMPLED_BAR_NS),
    Case("dictionaries, no work", {"a": 1, "b": [2, 3]}, 0, 10_000, BAR_NS),
    Case("dictionaries, told apart", {"a": 1, "b": [2, 3]}, 0, 10_000, BAR_NS, tell_apart=True),
)


class Gives(ProducerPE):
    """Gives one item per call."""

    def __init__(self, item: Any, loops: int) -> None:
        super().__init__()
        self.item = item
        self.loops = loops

    def _process(self, inputs: Any) -> Any:  # noqa: ARG002 - dispel4py's signature
        for _ in range(self.loops):
            pass
        return self.item


class PassesOn(IterativePE):
    """Returns what it gets."""

    def __init__(self, loops: int) -> None:
        super().__init__()
        self.loops = loops

    def _process(self, data: Any) -> Any:
        for _ in range(self.loops):
            pass
        return data


class Ends(PassesOn):
    """Takes what it gets."""

    def _process(self, data: Any) -> None:
        super()._process(data)


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


def chain(case: Case) -> WorkflowGraph:
    """A chain of `LENGTH` PEs that hand one item on."""
    graph = WorkflowGraph()
    pes = [Gives(case.item, case.loops), *(PassesOn(case.loops) for _ in range(LENGTH - 2)), Ends(case.loops)]
    for before, after in pairwise(pes):
        graph.connect(before, "output", after, "input")
    return graph


def seconds(case: Case, profile: Any) -> float:
    """Processor time of a run."""
    job = make_job(chain(case).freeze(), case.items, RunOptions(profile=profile, seed=1))
    job = replace(job, origin_ns=monotonic_ns())
    gc.collect()
    start = time.process_time()
    SimpleMapping().run(job, Nobody(), Interruption())
    return time.process_time() - start


def cost_ns(case: Case, rounds: int) -> tuple[float, float, float]:
    """Cost of the counters per call, of the quickest rounds and in the median; and a call without them."""
    on, off = [], []
    quick.TELL_APART_NS = 0 if case.tell_apart else TELL_APART_NS
    for _ in range(rounds):
        on.append(seconds(case, "counters"))
        off.append(seconds(case, "off"))
    calls = case.items * LENGTH
    typical = median(a - b for a, b in zip(on, off, strict=True))
    return (min(on) - min(off)) / calls * 1e9, typical / calls * 1e9, min(off) / calls * 1e9


def clock_ns() -> float:
    """What a look at the clock costs, which tells how fast the machine is just now."""
    return min(timeit.repeat(time.perf_counter_ns, number=100_000, repeat=9)) / 100_000 * 1e9


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=25)
    rounds = parser.parse_args().rounds
    print(f"one look at the clock: {clock_ns():.0f} ns")
    print(f"{'':24}{'ns per call':>13}{'(median)':>10}{'without':>10}{'bar':>6}")
    for case in CASES:
        least, typical, without = cost_ns(case, rounds)
        print(f"{case.name:24}{least:13.0f}{typical:10.0f}{without:10.0f}{case.bar_ns:6}")


if __name__ == "__main__":
    main()
