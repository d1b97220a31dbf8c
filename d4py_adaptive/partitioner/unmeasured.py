"""A plan made without a profile: fuse what may be fused, replicate what may be replicated, leave no worker idle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from d4py_adaptive.dataflow.counts import InstanceCount, instance_counts
from d4py_adaptive.dataflow.grouping import Shuffle
from d4py_adaptive.dataflow.plan import Plan, Stage
from d4py_adaptive.dataflow.workflow import Stream, Workflow
from d4py_adaptive.errors import PlanError

MOST_CALLS_DEEP = 32
"""Fused PEs in a row: each takes about six of Python's thousand frames."""


def plan_without_profile(
    workflow: Workflow,
    workers: int,
    mapping: str,
    counts: dict[str, InstanceCount] | None = None,
    fuse: bool = True,
) -> Plan:
    """A plan that uses every worker it can: each PE that may be replicated gets one instance per worker.

    Partitions that the workflow names are obeyed: the PEs of one share its workers, and nobody else's. What cannot be
    function calls inside a partition becomes several stages on the same workers.

    Args:
        workflow: the workflow.
        workers: how many workers there may be, from 1.
        mapping: name of the mapping it is for.
        counts: what `instance_counts` says of the workflow, where it is known already.
        fuse: False gives every PE a stage of its own.
    """
    counts = counts or instance_counts(workflow)
    home = _homes(workflow, workers, counts)
    chosen = {pe: counts[pe].choose(len(home[pe])) for pe in workflow.by_id}
    apart = {pe: number for number, pes in enumerate(workflow.partitions) for pe in pes}
    groups = fused_stages(workflow, counts, chosen, apart) if fuse else [(pe,) for pe in workflow.order]
    stages: list[Stage] = []
    turns: Counter[tuple[int, ...]] = Counter()
    for pes in groups:
        hosts, replicas = home[pes[0]], chosen[pes[0]]
        stages.append(Stage(pes, tuple(hosts[(turns[hosts] + i) % len(hosts)] for i in range(replicas))))
        turns[hosts] += replicas
    notes = [f"{pe}: {chosen[pe]} instance(s): {counts[pe].reason}" for pe in workflow.order]
    notes += _mixed_orders(workflow, counts, chosen)
    used = sorted({worker for stage in stages for worker in stage.workers})
    if len(used) < workers:
        notes.append(f"{workers} workers allowed, {len(used)} used: there is nothing to put on the rest")
    for partition in workflow.partitions:
        number = sum(1 for stage in stages if stage.pes[0] in partition)
        if number > 1:
            notes.append(f"partition {', '.join(partition)}: {number} stages on the same workers")
    renumbered = {worker: i for i, worker in enumerate(used)}
    stages = [replace(stage, workers=tuple(renumbered[worker] for worker in stage.workers)) for stage in stages]
    return Plan(tuple(stages), len(used), mapping, tuple(notes)).check(workflow)


def _mixed_orders(workflow: Workflow, counts: dict[str, InstanceCount], chosen: dict[str, int]) -> list[str]:
    """A sentence for each PE that keeps state and gets its items from several instances, in no certain order."""
    mixed: dict[str, str] = {}  # by PE, one before it that has several instances
    notes = []
    for pe in workflow.order:
        for stream in workflow.inbound[pe]:
            if chosen[stream.source] > 1 or stream.source in mixed:
                mixed[pe] = stream.source if chosen[stream.source] > 1 else mixed[stream.source]
        if pe in mixed and not counts[pe].state.stateless and not workflow.by_id[pe].prototype.combines:
            notes.append(
                f"{pe}: keeps state, and gets its items in an order that differs between runs, since {mixed[pe]} has "
                f"{chosen[mixed[pe]]} instances; `ordered = True` on it keeps the order, at the price of these"
            )
    return notes


def _homes(workflow: Workflow, workers: int, counts: dict[str, InstanceCount]) -> dict[str, tuple[int, ...]]:
    """The workers that each PE may have instances on: its partition's, or all."""
    home = dict.fromkeys(workflow.by_id, tuple(range(workers)))
    if not workflow.partitions:
        return home
    listed = {pe for partition in workflow.partitions for pe in partition}
    rest = tuple(pe for pe in workflow.order if pe not in listed)
    partitions = [*workflow.partitions, *([rest] if rest else [])]
    # What a partition can use; the spare workers go to those that can use more than they have, one each in turn.
    wanted = [max(counts[pe].choose(workers) for pe in partition) for partition in partitions]
    sizes = [1] * len(partitions)
    hungry = [i for i, most in enumerate(wanted) if most > 1]
    while hungry and sum(sizes) < workers:
        sizes[hungry[0]] += 1
        first = hungry.pop(0)
        hungry += [first] if sizes[first] < wanted[first] else []
    turn = 0
    for partition, size in zip(partitions, sizes, strict=True):
        hosts = tuple(sorted((turn + i) % workers for i in range(size)))
        home |= dict.fromkeys(partition, hosts)
        turn += size
    return home


def may_fuse(stream: Stream, counts: dict[str, InstanceCount], chosen: dict[str, int]) -> bool:
    """Whether a stream may become a function call: the items would reach the same instances."""
    if chosen[stream.source] != chosen[stream.target]:
        return False
    return chosen[stream.source] == 1 or (isinstance(stream.grouping, Shuffle) and counts[stream.target].fixed is None)


def require_sound(workflow: Workflow, plan: Plan, counts: dict[str, InstanceCount]) -> None:
    """Refuse a plan under which the workflow would give other results.

    Raises:
        PlanError: a PE has a number of instances that is not its own, or a stream is fused that deals items out.
    """
    chosen = {pe: len(refs) for pe, refs in plan.instances_of.items()}
    for pe, number in chosen.items():
        if counts[pe].choose(number) != number:
            raise PlanError(
                f"{pe} must have {counts[pe].choose(number)} instance(s): {counts[pe].reason}; this plan has {number}"
            )
    for stream in workflow.streams:
        if plan.stage_of[stream.source] == plan.stage_of[stream.target] and not may_fuse(stream, counts, chosen):
            raise PlanError(
                f"{stream.id} deals items out to {chosen[stream.target]} instances, so that its ends must stand in "
                "different stages; in this plan they stand in one"
            )


def fused_stages(
    workflow: Workflow, counts: dict[str, InstanceCount], chosen: dict[str, int], apart: dict[str, int] | None = None
) -> list[tuple[str, ...]]:
    """The PEs in as few stages as streams that may fuse allow, in topological order, free of loops.

    PEs with different numbers in `apart` stay apart, as do those with one from those without.
    PEs that descend from different sources stay apart: an endless source could never be interrupted for the others.
    A chain of calls is cut where it would come near Python's limit of recursion.
    """
    depth: dict[str, int] = {}
    stage_of: dict[str, int] = {}
    members: list[list[str]] = []
    behind: list[set[int]] = []  # stages that each stage is reached from
    for pe in workflow.order:
        feeding = {stage_of[stream.source] for stream in workflow.inbound[pe]}
        near = {other for other in feeding if apart is None or apart.get(members[other][0]) == apart.get(pe)}
        stage = _stage_to_join(workflow, counts, chosen, pe, feeding, near, behind, members)
        inside = [depth[s.source] for s in workflow.inbound[pe] if stage is not None and stage_of[s.source] == stage]
        depth[pe] = 1 + max(inside, default=0)
        if stage is None or depth[pe] > MOST_CALLS_DEEP:
            depth[pe] = 1
            stage = len(members)
            members.append([])
            behind.append(set())
        members[stage].append(pe)
        stage_of[pe] = stage
        for other in feeding - {stage}:
            behind[stage] |= behind[other] | {other}
        _spread(behind, stage)
    return [tuple(pes) for pes in members]


def _stage_to_join(
    workflow: Workflow,
    counts: dict[str, InstanceCount],
    chosen: dict[str, int],
    pe: str,
    feeding: Iterable[int],
    near: Iterable[int],
    behind: list[set[int]],
    members: list[list[str]],
) -> int | None:
    """The latest of the `near` stages to join: every stream from it may fuse, and no other feeder lies beyond it."""
    ancestors = workflow.source_ancestors
    for stage in sorted(near, reverse=True):
        streams = [stream for stream in workflow.inbound[pe] if stream.source in members[stage]]
        if (
            all(may_fuse(stream, counts, chosen) for stream in streams)
            and ancestors[members[stage][0]] == ancestors[pe]
            and not any(stage in behind[other] for other in feeding)
        ):
            return stage
    return None


def _spread(behind: list[set[int]], stage: int) -> None:
    """Tell the stages beyond `stage` what is now behind it."""
    for other in behind:
        if stage in other:
            other |= behind[stage]
