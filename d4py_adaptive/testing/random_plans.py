"""Random plans: any that the rules allow, however foolish, since results must not depend on the plan."""

from __future__ import annotations

import random
from collections.abc import Callable

from d4py_adaptive.dataflow.counts import instance_counts
from d4py_adaptive.dataflow.plan import Plan, Stage, stage_loop
from d4py_adaptive.dataflow.workflow import Stream, Workflow
from d4py_adaptive.partitioner.unmeasured import may_fuse


def random_plan(
    workflow: Workflow, rng: random.Random, mapping: str = "toy", most_workers: int = 5, most_instances: int = 4
) -> Plan:
    """A plan with random stages, numbers of instances and placement.

    Args:
        workflow: the workflow.
        rng: decides.
        mapping: name of the mapping it is for.
        most_workers: how many workers there may be.
        most_instances: how many instances a PE may have whose number is free.
    """
    counts = instance_counts(workflow)
    chosen = {pe: counts[pe].choose(rng.randint(1, most_instances)) for pe in workflow.by_id}
    stages: list[tuple[str, ...]] = [(pe,) for pe in workflow.order]
    eagerness = rng.random()
    for stream in rng.sample(workflow.streams, len(workflow.streams)):
        if rng.random() < eagerness:
            stages = _fused(workflow, stages, stream, lambda between: may_fuse(between, counts, chosen))
    workers = rng.randint(1, most_workers)
    placed = tuple(Stage(pes, tuple(rng.randrange(workers) for _ in range(chosen[pes[0]]))) for pes in stages)
    return Plan(placed, workers, mapping).check(workflow)


def _fused(
    workflow: Workflow, stages: list[tuple[str, ...]], stream: Stream, allowed: Callable[[Stream], bool]
) -> list[tuple[str, ...]]:
    """The stages with the two that a stream joins made one, if that may be."""
    one = next(pes for pes in stages if stream.source in pes)
    other = next(pes for pes in stages if stream.target in pes)
    if one == other:
        return stages
    members = {*one, *other}
    inside = [s for s in workflow.streams if s.source in members and s.target in members]
    fused = tuple(pe for pe in workflow.order if pe in members)
    together = [fused if pes == one else pes for pes in stages if pes != other]
    if not all(map(allowed, inside)) or stage_loop(workflow, together):
        return stages
    return together
