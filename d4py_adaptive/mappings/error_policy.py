"""What a failing `process` call does: stop the run, skip the item, or try again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from d4py_adaptive.dataflow.workflow import PENode
from d4py_adaptive.errors import WorkflowError


@dataclass(frozen=True, slots=True)
class ErrorPolicy:
    """How often to try again, and whether an item that still fails is skipped."""

    retries: int = 0
    skip: bool = False

    @property
    def stops_at_once(self) -> bool:
        """Whether the first failure ends the run, so that nothing has to be held back or kept."""
        return not self.retries and not self.skip


def parse_policy(text: object, where: str) -> ErrorPolicy:
    """The policy that `'stop'`, `'skip'`, `'retry:N'` or `'retry:N,skip'` means.

    Raises:
        WorkflowError: the text means none; `where` names the PE.
    """
    policy = ErrorPolicy()
    for word in str(text).split(","):
        name, _, number = word.strip().partition(":")
        if name == "skip" and not number:
            policy = ErrorPolicy(policy.retries, skip=True)
        elif name == "retry" and number.isdecimal() and int(number) > 0:
            policy = ErrorPolicy(int(number), policy.skip)
        elif name != "stop" or number:
            raise WorkflowError(f"{where}: on_error is 'stop', 'skip', 'retry:N' or 'retry:N,skip'; got {text!r}")
    return policy


def policy_of(node: PENode, overrides: Mapping[str, str]) -> ErrorPolicy:
    """A PE's policy: the run's word for it by id or name, the run's word for all (`''`), or its own."""
    for key in (node.id, node.name, ""):
        if key in overrides:
            return parse_policy(overrides[key], node.id)
    return parse_policy(node.prototype.on_error, node.id)
