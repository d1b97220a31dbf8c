"""The function that scripts and notebooks call."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TextIO

from d4py_adaptive.dataflow.builder import WorkflowGraph
from d4py_adaptive.dataflow.plan import Plan
from d4py_adaptive.runtime.session import Finished, RunOptions, enact
from d4py_adaptive.telemetry.board import Counters
from d4py_adaptive.telemetry.run_directory import RunDirectory
from d4py_adaptive.telemetry.run_record import PETotals, RunRecord, totals


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a run gave.

    Attributes:
        outputs: the items of every unconnected output, `outputs[pe id][port]`, in no particular order between
            instances.
        record: the run record.
        totals: the counters of each PE.
        plan: the plan that was followed.
    """

    outputs: dict[str, dict[str, list[Any]]]
    record: RunRecord
    totals: list[PETotals]
    plan: Plan


@dataclass
class KeepingView:
    """A view that keeps results and passes PEs' lines to standard output."""

    out: TextIO = field(default_factory=lambda: sys.stdout)  # as it is before PEs' own prints are caught
    outputs: dict[str, dict[str, list[Any]]] = field(default_factory=dict)

    def started(self, directory: RunDirectory, plan: Plan, read: Callable[[], list[Counters]]) -> None:
        """Nothing to show."""

    def result(self, pe: str, port: str, item: Any) -> None:
        """Keep it."""
        self.outputs.setdefault(pe, {}).setdefault(port, []).append(item)

    def line(self, instance: str, text: str) -> None:
        """Show it."""
        self.out.write(f"{instance}: {text}\n")

    def note(self, text: str) -> None:
        """Show it, beside the results."""
        sys.stderr.write(f"d4py: {text}\n")


def run(graph: WorkflowGraph, inputs: object = None, **options: Any) -> RunResult:
    """Run a workflow and return what its unconnected outputs gave.

    Args:
        graph: the workflow.
        inputs: a number of iterations for every source, or a mapping from a PE, its id or its name to a number of
            iterations or a list of `{port: item}`; None calls every source once.
        **options: the fields of `RunOptions`: `mapping="multi"`, `workers=4`, `seed=1`, …

    Raises:
        D4pyError: the workflow, the inputs or the options do not fit, or the run ended early.
    """
    kept = KeepingView()
    finished: Finished = enact(graph, inputs, RunOptions(**options), kept)
    return RunResult(kept.outputs, finished.record, totals(finished.counters), finished.plan)
