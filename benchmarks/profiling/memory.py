"""Whether what a full profile keeps grows with the number of items: the same workflow with few of them and with many.

    python benchmarks/profiling/memory.py [--few 10000] [--many 10000000] [--workers 2]

Prints, for both, the most memory of each worker, the size of the board and of the profile, and their ratio. Each run
has a process of its own, since what a process has taken once it seldom gives back.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from d4py_adaptive import ConsumerPE, IterativePE, ProducerPE, WorkflowGraph
from d4py_adaptive.dashboard.terminal import TerminalView
from d4py_adaptive.runtime.session import RunOptions, enact

KEYS = 5_003
TEXTS = ("", "x" * 10, "x" * 100)


class Gives(ProducerPE):
    """Writes items of three sizes, all in one call."""

    def __init__(self, items: int) -> None:
        super().__init__()
        self.items = items

    def process(self, inputs: Any) -> None:  # noqa: ARG002 - dispel4py's signature
        """Write them."""
        for number in range(self.items):
            self.write("output", (number % KEYS, TEXTS[number % 3]))


class PassesOn(IterativePE):
    """Returns what it gets."""

    stateless = True

    def _process(self, data: Any) -> Any:
        return data


class Counts(ConsumerPE):
    """Keeps a number, and is grouped by key."""

    def __init__(self) -> None:
        super().__init__(numprocesses=2)
        self.inputconnections["input"]["grouping"] = [0]
        self.number = 0

    def _process(self, data: Any) -> None:  # noqa: ARG002 - dispel4py's signature
        self.number += 1


@dataclass(frozen=True)
class Kept:
    """What a run took and left, in bytes."""

    workers: tuple[int, ...]
    board: int
    profile: int

    def figures(self) -> dict[str, int]:
        """The figures by what they are of."""
        each = {f"worker {number}, most memory": nbytes for number, nbytes in enumerate(self.workers)}
        return each | {"board": self.board, "profile.json": self.profile}


def run(items: int, workers: int) -> Kept:
    """Run the workflow; what it took."""
    graph = WorkflowGraph()
    middle = PassesOn()
    graph.connect(Gives(items), "output", middle, "input")
    graph.connect(middle, "output", Counts(), "input")
    mapping = "multi" if workers > 1 else "simple"
    with tempfile.TemporaryDirectory() as home, TerminalView(quiet=True) as view:
        options = RunOptions(mapping=mapping, workers=workers, fuse=False, profile="full", home=Path(home))
        finished = enact(graph, None, options, view)
        assert finished.profile is not None
        return Kept(
            tuple(worker.peak_memory_bytes for worker in finished.profile.workers),
            sum(path.stat().st_size for path in (finished.directory.path / "board").iterdir()),
            (finished.directory.path / "profile.json").stat().st_size,
        )


def show(few: int, many: int, kept: Sequence[Kept]) -> None:
    """Print both, and their ratios."""
    print(f"{'bytes':28} {few:>15,} {many:>15,}  ratio")
    for (what, before), after in zip(kept[0].figures().items(), kept[1].figures().values(), strict=True):
        print(f"{what:28} {before:>15,} {after:>15,} {after / before:>6.2f}")


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--few", type=int, default=10_000)
    parser.add_argument("--many", type=int, default=10_000_000)
    parser.add_argument("--workers", type=int, default=2, help="1 is the simple mapping")
    options = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context, max_tasks_per_child=1) as pool:
        kept = list(pool.map(run, (options.few, options.many), (options.workers, options.workers)))
    show(options.few, options.many, kept)


if __name__ == "__main__":
    main()
