"""How many instances each PE may have: what belongs to the workflow, and what a plan is free to choose."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

from d4py_adaptive.dataflow.grouping import AllToOne, GroupBy, OneToAll, Shuffle
from d4py_adaptive.dataflow.replication_rule.verdict import StateVerdict, read_state
from d4py_adaptive.dataflow.workflow import PENode, Workflow


@dataclass(frozen=True, slots=True)
class InstanceCount:
    """The number of instances that a PE may have.

    Attributes:
        fixed: the number, where it shows in the results; None where a plan may choose.
        at_most: upper bound where a plan may choose; None for no bound.
        reason: one sentence for people.
        keyed: every input is grouped by key.
        state: what its code says about state.
    """

    fixed: int | None
    at_most: int | None
    reason: str
    keyed: bool
    state: StateVerdict

    def choose(self, wanted: int) -> int:
        """The number nearest to `wanted` that is allowed."""
        if self.fixed is not None:
            return self.fixed
        return max(1, wanted if self.at_most is None else min(wanted, self.at_most))


def instance_counts(workflow: Workflow) -> dict[str, InstanceCount]:
    """For each PE, the number of instances it may have (DESIGN, "How a run behaves", Results)."""
    counts = {node.id: _count(workflow, node) for node in workflow.nodes}
    for stream in workflow.streams:
        # Which of several stateful instances gets an item is counted at its sender, so that the sender's own number
        # would show in the results.
        shows = (counts[stream.target].fixed or 1) > 1 and isinstance(stream.grouping, Shuffle)
        if shows and counts[stream.source].fixed is None:
            counts[stream.source] = replace(
                counts[stream.source],
                fixed=1,
                reason=f"deals items out to the counted instances of {stream.target}",
            )
    for pe in _before_ordered(workflow):
        if counts[pe].fixed is None:
            counts[pe] = replace(counts[pe], fixed=1, reason="a PE behind it is declared ordered")
    return counts


def _before_ordered(workflow: Workflow) -> set[str]:
    """The PEs that items pass on their way to one that is declared ordered."""
    before: set[str] = set()
    for pe in reversed(workflow.order):
        if workflow.by_id[pe].prototype.ordered or pe in before:
            before.update(stream.source for stream in workflow.inbound[pe])
    return before


def _can_be_copied(node: PENode) -> bool:
    try:
        copy.deepcopy(node.prototype)
    except Exception:  # noqa: BLE001 - a user's attributes may refuse in any way
        return False
    return True


def _count(workflow: Workflow, node: PENode) -> InstanceCount:
    state = read_state(node.prototype)
    groupings = [stream.grouping for stream in workflow.inbound[node.id]]
    keyed = bool(groupings) and all(isinstance(grouping, GroupBy) for grouping in groupings)
    bound = node.numprocesses if node.numprocesses > 1 else None

    def fixed(number: int, reason: str) -> InstanceCount:
        return InstanceCount(number, None, reason, keyed, state)

    def free(reason: str) -> InstanceCount:
        if not _can_be_copied(node):
            return fixed(1, "it cannot be copied (an open file, a lock, a connection made in __init__)")
        return InstanceCount(None, bound, reason, keyed, state)

    if getattr(node.prototype, "single", False):
        return fixed(1, "declared single")
    if not groupings:
        if node.prototype.splittable:
            return free("a source declared splittable")
        return fixed(1, "a source has one instance unless declared splittable")
    if any(isinstance(grouping, OneToAll) for grouping in groupings):
        return fixed(node.numprocesses, "an 'all' input shows the number of instances in the results")
    if any(isinstance(grouping, AllToOne) for grouping in groupings):
        return fixed(node.numprocesses, "a 'global' input brings everything to one instance")
    if keyed:
        return free("every input is grouped by key")
    if state.stateless:
        return free(state.reason)
    if node.prototype.combines:
        return free("declared combines: a later PE merges what its instances keep")
    return fixed(node.numprocesses, state.reason)
