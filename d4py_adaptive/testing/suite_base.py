"""What the parts of the conformance suite share: how they run workflows, and what they get to see of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import pytest

from d4py_adaptive.dataflow.builder import WorkflowGraph
from d4py_adaptive.dataflow.pe import GenericPE
from d4py_adaptive.dataflow.plan import Plan, Stage
from d4py_adaptive.errors import Failure, PEError
from d4py_adaptive.mappings.base import MAPPINGS
from d4py_adaptive.runtime.session import Finished, RunOptions, enact
from d4py_adaptive.telemetry.board import Counters
from d4py_adaptive.telemetry.run_directory import RunDirectory


@dataclass
class Outcome:
    """What a run showed.

    Attributes:
        results: the results as they came, `(pe id, port, item)`.
        lines: what PEs printed and logged, `(instance, text)`.
        notes: what the user was told.
        finished: how it ended, once it has.
    """

    results: list[tuple[str, str, Any]] = field(default_factory=list)
    lines: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    finished: Finished | None = None
    on_result: Callable[[], None] | None = None

    def of(self, pe: GenericPE, port: str = "output") -> list[Any]:
        """What a PE wrote to an unconnected output."""
        return [item for name, output, item in self.results if (name, output) == (pe.id, port)]

    @property
    def plan(self) -> Plan:
        """The plan that the run followed."""
        assert self.finished is not None
        return self.finished.plan

    def started(self, directory: RunDirectory, plan: Plan, read: Callable[[], list[Counters]]) -> None:
        """The workers are up."""

    def result(self, pe: str, port: str, item: Any) -> None:
        """Keep a result."""
        if self.on_result is not None:
            self.on_result()
        self.results.append((pe, port, item))

    def line(self, instance: str, text: str) -> None:
        """Keep a line."""
        self.lines.append((instance, text))

    def note(self, text: str) -> None:
        """Keep a note."""
        self.notes.append(text)


class SuiteBase:
    """Runs workflows on the mapping under test.

    Attributes:
        mapping: its name.
        options: options for every run, as of `RunOptions`.
        scale: how much of the large numbers of items to use, where a mapping is slow.
    """

    mapping: ClassVar[str] = "simple"
    options: ClassVar[Mapping[str, Any]] = {}
    scale: ClassVar[float] = 1.0

    def many(self, items: int) -> int:
        """So many items, or fewer where the mapping is slow."""
        return int(items * self.scale)

    @pytest.fixture(autouse=True)
    def _home(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Keep the runs of a test with the test."""
        monkeypatch.setenv("D4PY_HOME", str(tmp_path / "d4py home"))

    @property
    def parallel(self) -> bool:
        """Whether the mapping has more than one worker."""
        return MAPPINGS.get(self.mapping).parallel

    @property
    def inherits(self) -> bool:
        """Whether workers have what the launcher has without it being pickled."""
        return bool(self.options.get("start_method", "fork") == "fork")

    def run_kept(self, outcome: Outcome, graph: WorkflowGraph, inputs: object = None, **options: Any) -> Outcome:
        """Run a workflow; what it shows is in `outcome` even if the run fails."""
        chosen = {"mapping": self.mapping, **self.options, **options}
        outcome.finished = enact(graph, inputs, RunOptions(**chosen), outcome)
        return outcome

    def run(self, graph: WorkflowGraph, inputs: object = None, **options: Any) -> Outcome:
        """Run a workflow to its end."""
        return self.run_kept(Outcome(), graph, inputs, **options)

    def failure(self, graph: WorkflowGraph, inputs: object = None, **options: Any) -> Failure:
        """Run a workflow that must fail in a PE; how it did."""
        with pytest.raises(PEError) as caught:
            self.run(graph, inputs, **options)
        return caught.value.failure

    def plan(self, graph: WorkflowGraph, counts: Mapping[GenericPE, int], workers: int = 3) -> Plan:
        """A plan with a stage for each PE, so many instances of some, spread over the workers in turn."""
        workflow = graph.freeze()
        workers = workers if self.parallel else 1
        stages: list[Stage] = []
        turn = 0
        for pe in workflow.order:
            count = counts.get(workflow.by_id[pe].prototype, 1)
            stages.append(Stage((pe,), tuple((turn + i) % workers for i in range(count))))
            turn += count
        return Plan(tuple(stages), workers, self.mapping).check(workflow)

    def everywhere(self, graph: WorkflowGraph) -> Sequence[Mapping[str, Any]]:
        """Options that run a workflow fused, unfused, and spread over workers."""
        spread = {"plan": self.plan(graph, {})}
        return [{}, {"fuse": False}, spread, {"workers": 1, "fuse": False}]


def chain(*pes: GenericPE) -> WorkflowGraph:
    """A workflow that connects the first output of each PE with the first input of the next."""
    graph = WorkflowGraph()
    graph.add(pes[0])
    for one, other in pairwise(pes):
        graph.connect(one, next(iter(one.outputconnections)), other, next(iter(other.inputconnections)))
    return graph
