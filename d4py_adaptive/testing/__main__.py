"""`python -m d4py_adaptive.testing`: random workflows on every mapping, compared with the reference."""

from __future__ import annotations

import argparse
import multiprocessing
import secrets
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from d4py_adaptive.dataflow.resources import usable_cores
from d4py_adaptive.testing.comparing import Trial, differences, reference_of
from d4py_adaptive.testing.random_graphs import random_graph

LIMIT_S = 60
"""How long one run may take before it counts as stuck."""


def main() -> int:
    """Run the comparison; 1 if anything differed."""
    options = _options()
    sys.stdout.write(f"seed {options.seed}: graphs {options.seed} to {options.seed + options.graphs - 1}\n")
    started = time.monotonic()
    seeds = [range(options.seed + i, options.seed + options.graphs, options.jobs) for i in range(options.jobs)]
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    workers = [context.Process(target=_compare_all, args=(some, options, queue)) for some in seeds]
    for worker in workers:
        worker.start()
    different = runs = 0
    for _ in range(options.graphs):
        report, count = queue.get()
        runs += count
        if report:
            different += 1
            sys.stdout.write(report)
            sys.stdout.flush()
    for worker in workers:
        worker.join()
    took = time.monotonic() - started
    sys.stdout.write(f"{different} of {options.graphs} graphs differ; {runs} runs in {took:.0f} s\n")
    return 1 if different else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m d4py_adaptive.testing", description=__doc__)
    parser.add_argument("--graphs", type=int, default=200, help="how many workflows")
    parser.add_argument("--seed", type=int, default=None, help="number of the first workflow")
    parser.add_argument("--mappings", default="simple,toy,multi", help="names of mappings, joined by commas")
    parser.add_argument("--jobs", type=int, default=min(4, usable_cores()), help="how many to try at a time")
    options = parser.parse_args()
    if options.seed is None:
        options.seed = secrets.randbelow(10**9)
    options.mappings = options.mappings.split(",")
    return options


def _compare_all(
    seeds: range, options: argparse.Namespace, queue: multiprocessing.SimpleQueue[tuple[str, int]]
) -> None:
    for seed in seeds:
        queue.put(_compare(seed, options.mappings))


def _compare(seed: int, mappings: list[str]) -> tuple[str, int]:
    """What differs in one workflow, as text, and how many runs were made."""
    report = ""
    trials = list(_trials(seed, mappings))
    try:
        with _time_limit():
            graph = random_graph(seed)
            expected = reference_of(graph)
        for trial in trials:
            with _time_limit():
                found = differences(graph, expected, trial)
            if found:
                report += f"graph {seed} differs in {trial}:\n" + "".join(f"    {line}\n" for line in found)
    except Exception:  # noqa: BLE001 - one graph's fault must not hide the other graphs
        report += f"graph {seed}: {traceback.format_exc()}"
    if report:
        repeat = f"python -m d4py_adaptive.testing --graphs 1 --seed {seed} --mappings {','.join(mappings)}"
        report += f"    repeat: {repeat}\n"
    return report, len(trials)


def _trials(seed: int, mappings: list[str]) -> Iterator[Trial]:
    for mapping in mappings:
        for number in range(seed, seed + (2 if mapping == "toy" else 1)):
            method = ("forkserver", "spawn")[seed % 2] if mapping == "multi" and seed % 50 < 2 else "fork"
            yield Trial(mapping, number, method if mapping == "multi" else "")


@contextmanager
def _time_limit() -> Iterator[None]:
    """Raise `TimeoutError` in the block after `LIMIT_S`."""

    def ring(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"still not finished after {LIMIT_S} s")

    signal.signal(signal.SIGALRM, ring)
    signal.alarm(LIMIT_S)
    try:
        yield
    finally:
        signal.alarm(0)


if __name__ == "__main__":
    sys.exit(main())
