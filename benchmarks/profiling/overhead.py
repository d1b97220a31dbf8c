"""What measuring costs a run of 1 ms PEs: processor time with the counters, and with a full profile, over without.

    python benchmarks/profiling/overhead.py [--pairs 30] [--mapping simple|multi] [--items 150]

Runs take turns; each is compared with the one without of its own round. Processor time counts, of all processes, since
it is what measuring takes, whatever else the machine does; each PE spins until it has used a millisecond of it.
"""

from __future__ import annotations

import argparse
import random
import resource
import statistics
import time
from dataclasses import replace
from itertools import pairwise
from typing import Any

from hooks import Nobody

from d4py_adaptive import ConsumerPE, IterativePE, ProducerPE, WorkflowGraph
from d4py_adaptive.clock import monotonic_ns
from d4py_adaptive.mappings.base import MAPPINGS
from d4py_adaptive.mappings.interruption import Interruption
from d4py_adaptive.runtime.session import RunOptions, make_job

WORK_S = 0.001
BARS = {"counters": 0.02, "full": 0.03}


def work() -> None:
    """Use a millisecond of processor time."""
    end = time.thread_time() + WORK_S
    while time.thread_time() < end:
        pass


class Gives(ProducerPE):
    """Works, and gives a small record."""

    def _process(self, inputs: Any) -> Any:  # noqa: ARG002 - dispel4py's signature
        work()
        return {"station": "ANMO", "values": [1.0, 2.0, 3.0]}


class Works(IterativePE):
    """Works, and passes on."""

    def _process(self, data: Any) -> Any:
        work()
        return data


class Ends(ConsumerPE):
    """Works."""

    def _process(self, data: Any) -> None:  # noqa: ARG002 - dispel4py's signature
        work()


def graph() -> WorkflowGraph:
    """A chain of four."""
    made = WorkflowGraph()
    pes = [Gives(), Works(), Works(), Ends()]
    for before, after in pairwise(pes):
        made.connect(before, "output", after, "input")
    return made


def cpu_s() -> float:
    """Processor time of this process and its children until now."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def run(mapping: str, profile: Any, items: int) -> float:
    """Processor time of a run."""
    made = MAPPINGS.get(mapping)()
    options = RunOptions(mapping=mapping, workers=2, profile=profile, seed=1)
    job = made.settle(replace(make_job(graph().freeze(), items, options), origin_ns=monotonic_ns()))
    before = cpu_s()
    made.run(job, Nobody(), Interruption())
    return cpu_s() - before


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--mapping", default="simple")
    parser.add_argument("--items", type=int, default=150)
    options = parser.parse_args()
    kinds = ["off", *BARS]
    used: dict[str, list[float]] = {kind: [] for kind in kinds}
    for _ in range(options.pairs):
        for kind in random.sample(kinds, len(kinds)):
            used[kind].append(run(options.mapping, kind, options.items))
    print(f"{options.pairs} pairs under {options.mapping}, {options.items} items x 4 PEs x 1 ms")
    print("cost over a run without")
    print(f"{'':10}{'median':>10}{'mean':>10}{'95 % interval':>22}{'bar':>8}")
    for kind, bar in BARS.items():
        more = [on / off - 1 for on, off in zip(used[kind], used["off"], strict=True)]
        mean, half = statistics.fmean(more), 2.05 * statistics.stdev(more) / len(more) ** 0.5
        interval = f"{mean - half:+.2%} to {mean + half:+.2%}"
        print(f"{kind:10}{statistics.median(more):>+10.2%}{mean:>+10.2%}{interval:>22}{bar:>8.0%}")


if __name__ == "__main__":
    main()
