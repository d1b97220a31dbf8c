"""The plan: which PEs share a stage, how many replicas each stage has, and which worker hosts each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from typing import Any

from d4py_adaptive.dataflow.workflow import Workflow
from d4py_adaptive.errors import PlanError

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Stage:
    """PEs fused together; each replica holds one instance of each, on the worker that `workers` names."""

    pes: tuple[str, ...]
    workers: tuple[int, ...]

    @property
    def replicas(self) -> int:
        """How many copies of the stage there are."""
        return len(self.workers)


@dataclass(frozen=True, slots=True)
class InstanceRef:
    """One instance: its number in the run, its PE, its number within the PE, and its stage replica."""

    number: int
    pe: str
    index: int
    stage: int

    @property
    def label(self) -> str:
        """What people read: the PE's id, and the instance's number in brackets."""
        return f"{self.pe}[{self.index}]"


@dataclass(frozen=True)
class Plan:
    """The immutable decision on how a workflow is enacted.

    Attributes:
        stages: the stages, each PE in exactly one.
        workers: how many workers there are.
        mapping: the mapping it is made for.
        notes: what was decided and why, a sentence each.
    """

    stages: tuple[Stage, ...]
    workers: int
    mapping: str
    notes: tuple[str, ...] = ()

    @cached_property
    def instances(self) -> tuple[InstanceRef, ...]:
        """Every instance, numbered stage by stage, PE by PE, replica by replica."""
        return tuple(self._number_instances())

    def _number_instances(self) -> Iterator[InstanceRef]:
        number = 0
        for stage_number, stage in enumerate(self.stages):
            for pe in stage.pes:
                for index in range(stage.replicas):
                    yield InstanceRef(number, pe, index, stage_number)
                    number += 1

    @cached_property
    def instances_of(self) -> dict[str, tuple[InstanceRef, ...]]:
        """The instances of each PE."""
        by_pe: dict[str, list[InstanceRef]] = {}
        for ref in self.instances:
            by_pe.setdefault(ref.pe, []).append(ref)
        return {pe: tuple(refs) for pe, refs in by_pe.items()}

    @cached_property
    def stage_of(self) -> dict[str, int]:
        """Number of the stage that each PE is in."""
        return {pe: number for number, stage in enumerate(self.stages) for pe in stage.pes}

    def worker_of(self, ref: InstanceRef) -> int:
        """The worker that hosts an instance when the run starts."""
        return self.stages[ref.stage].workers[ref.index]

    def channels(self, workflow: Workflow) -> int:
        """How many pairs of instances exchange items between workers; outputs that leave the run count too."""
        pairs = {
            (sender.number, receiver.number)
            for stream in workflow.streams
            for sender in self.instances_of[stream.source]
            for receiver in self.instances_of[stream.target]
            if self.worker_of(sender) != self.worker_of(receiver)
        }
        return len(pairs) + sum(len(self.instances_of[pe]) for pe in {pe for pe, _ in workflow.results})

    def check(self, workflow: Workflow) -> Plan:
        """This plan, if it fits the workflow, its stages' PEs in topological order.

        Raises:
            PlanError: a PE is missing or unknown, a worker does not exist, or stages form a loop.
        """
        planned = [pe for stage in self.stages for pe in stage.pes]
        if sorted(planned) != sorted(workflow.by_id):
            odd = sorted(set(planned) ^ set(workflow.by_id)) or [pe for pe in planned if planned.count(pe) > 1][:1]
            raise PlanError(f"a plan must name every PE of its workflow once; this one differs in {', '.join(odd)}")
        for stage in self.stages:
            if not stage.workers or not all(0 <= worker < self.workers for worker in stage.workers):
                raise PlanError(
                    f"stage {'+'.join(stage.pes)} needs a worker from 0 to {self.workers - 1} for each replica; "
                    f"got {list(stage.workers)}"
                )
        loop = stage_loop(workflow, [stage.pes for stage in self.stages])
        if loop:
            raise PlanError(
                f"these stages form a loop: {' -> '.join('+'.join(pes) for pes in loop)}; split one of them"
            )
        ordered = tuple(replace(s, pes=tuple(sorted(s.pes, key=workflow.order.index))) for s in self.stages)
        return self if ordered == self.stages else replace(self, stages=ordered)

    def to_dict(self) -> dict[str, Any]:
        """The plan as plain values."""
        return {
            "schema_version": SCHEMA_VERSION,
            "mapping": self.mapping,
            "workers": self.workers,
            "stages": [{"pes": list(stage.pes), "workers": list(stage.workers)} for stage in self.stages],
            "notes": list(self.notes),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Plan:
        """The plan that `to_dict` gave.

        Raises:
            PlanError: the values are not a plan of this version.
        """
        if not isinstance(data, dict) or data.get("schema_version") != SCHEMA_VERSION:
            got = data.get("schema_version") if isinstance(data, dict) else type(data).__name__
            raise PlanError(f"a plan of schema version {SCHEMA_VERSION} is needed; got {got!r}")
        try:
            stages = tuple(_stage(stage) for stage in data["stages"])
            return cls(stages, int(data["workers"]), str(data["mapping"]), tuple(data.get("notes", ())))
        except (KeyError, TypeError, ValueError) as error:
            raise PlanError(f"this is not a plan: {type(error).__name__}: {error}") from error


def _stage(data: dict[str, Any]) -> Stage:
    pes, workers = data["pes"], data["workers"]
    if not isinstance(pes, list) or not isinstance(workers, list):
        raise TypeError("a stage has a list of PEs and a list of workers")
    if not all(isinstance(pe, str) for pe in pes) or not all(type(worker) is int for worker in workers):
        raise TypeError("a stage names PEs by their ids and workers by their numbers")
    return Stage(tuple(pes), tuple(workers))


def stage_loop(workflow: Workflow, stages: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The stages that form a loop, or none."""
    number = {pe: i for i, pes in enumerate(stages) for pe in pes}
    before: dict[int, set[int]] = {i: set() for i in range(len(stages))}
    for stream in workflow.streams:
        if number[stream.source] != number[stream.target]:
            before[number[stream.target]].add(number[stream.source])
    try:
        TopologicalSorter(before).prepare()
    except CycleError as error:
        return [stages[i] for i in error.args[1]]
    return []
