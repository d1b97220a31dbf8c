"""The reference: runs a workflow in the plainest way there is, to compare a mapping's results with.

It shares the workflow's value, and nothing else, with the mappings: PE after PE in topological order, every item kept
in a list and deeply copied for its writer and for each reader. Keys meet by being equal in a dictionary, so that which
instance a key goes to differs from any mapping's choice; results must not depend on it.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from d4py_adaptive.dataflow.digest import digest
from d4py_adaptive.dataflow.grouping import AllToOne, GroupBy, Grouping, OneToAll, Shuffle, parse_grouping
from d4py_adaptive.dataflow.pe import GROUPING, GenericPE
from d4py_adaptive.dataflow.workflow import PENode, Stream, Workflow

Place = tuple[str, str]
"""Id of a PE, and one of its ports."""


@dataclass
class Multisets:
    """What came to some places, however it was ordered: how often each value did, by its digest.

    Attributes:
        counts: how often each digest came, per place.
        examples: one value for each digest.
    """

    counts: dict[Place, Counter[bytes]] = field(default_factory=dict)
    examples: dict[bytes, Any] = field(default_factory=dict)

    def add(self, place: Place, item: Any) -> None:
        """Count one more item."""
        key = digest(item)
        self.counts.setdefault(place, Counter())[key] += 1
        self.examples.setdefault(key, item)


@dataclass
class ReferenceRun:
    """What a run of the reference gave.

    Attributes:
        results: what the unconnected outputs wrote.
        arrivals: what reached the inputs of PEs that no stream leaves.
        instances: how many logical instances each PE had.
        lines: what PEs logged, `(instance, text)`.
    """

    instances: dict[str, int]
    results: Multisets = field(default_factory=Multisets)
    arrivals: Multisets = field(default_factory=Multisets)
    lines: list[tuple[str, str]] = field(default_factory=list)


def run_reference(workflow: Workflow, inputs: object = None) -> ReferenceRun:
    """Run a workflow to its end; what a PE raises comes through, unless it says skip or retry.

    A PE without a key to group by, and without a word on its state, is taken for stateful.

    Args:
        workflow: the workflow.
        inputs: as for `d4py_adaptive.run`.
    """
    return _Interpreter(workflow, inputs).run()


def logical_instances(workflow: Workflow) -> dict[str, int]:
    """How many instances each PE has, as far as results can tell."""
    free = {node.id: _free_count(workflow, node) for node in workflow.nodes}
    counts = {node.id: free[node.id] or node.numprocesses for node in workflow.nodes}
    for node in workflow.nodes:
        if getattr(node.prototype, "single", False) or not workflow.inbound[node.id]:
            counts[node.id] = 1
    for stream in workflow.streams:
        dealt_out = isinstance(stream.grouping, Shuffle) and counts[stream.target] > 1 and not free[stream.target]
        if dealt_out and free[stream.source]:
            counts[stream.source] = 1
    return counts


def _free_count(workflow: Workflow, node: PENode) -> int:
    """The number to choose for a PE whose number of instances cannot show; 0 for one whose number is a contract."""
    groupings = [stream.grouping for stream in workflow.inbound[node.id]]
    if getattr(node.prototype, "single", False) or any(isinstance(g, OneToAll | AllToOne) for g in groupings):
        return 0
    if groupings and all(isinstance(grouping, GroupBy) for grouping in groupings):
        return node.numprocesses
    return 1 if node.prototype.stateless or (not groupings and node.prototype.splittable) else 0


class _Instance:
    """A copy of a PE, what has come to it, and what it wrote during a call that may yet fail."""

    def __init__(self, interpreter: _Interpreter, node: PENode, index: int) -> None:
        self.pe: GenericPE = copy.deepcopy(node.prototype)
        self.pe.id, self.pe.rank = node.id, interpreter.next_rank()
        self.pe._runtime = self
        self.index = index
        self.inbox: list[dict[str, Any]] = []
        self._interpreter = interpreter
        self._node = node
        self._held: list[tuple[str, Any]] | None = None
        self._sent: Counter[str] = Counter()

    def write(self, port: str, item: object) -> None:
        """What the PE calls."""
        if self._held is not None:
            self._held.append((port, copy.deepcopy(item)))
        else:
            self._interpreter.spread(self._node, self.index, self._sent, port, copy.deepcopy(item))

    def log(self, message: object) -> None:
        """What the PE calls."""
        self._interpreter.outcome.lines.append((f"{self._node.id}[{self.index}]", str(message)))

    def live(self) -> None:
        """The whole life of the instance: everything it gets is there."""
        self.pe.preprocess()
        attempts, skips = _policy(self.pe.on_error)
        for inputs in self.inbox:
            if attempts == 1 and not skips:
                self._return(self.pe.process(inputs))
            else:
                self._try(inputs, attempts, skips)
        self.pe.postprocess()

    def _try(self, inputs: dict[str, Any], attempts: int, skips: bool) -> None:
        for attempt in range(attempts):
            self._held = []
            try:
                self._return(self.pe.process(copy.deepcopy(inputs)))
            except Exception:
                self._held = None
                if attempt == attempts - 1 and not skips:
                    raise
                continue
            held, self._held = self._held, None
            for port, item in held:
                self.write(port, item)
            return

    def _return(self, outputs: Mapping[str, Any] | None) -> None:
        for port, item in (outputs or {}).items():
            self.write(port, item)


class _Interpreter:
    def __init__(self, workflow: Workflow, inputs: object) -> None:
        self._workflow = workflow
        self._instances: dict[str, list[_Instance]] = {}
        self._homes: dict[str, dict[Any, int]] = {node.id: {} for node in workflow.nodes}
        self._ranks = 0
        self.outcome = ReferenceRun(logical_instances(workflow))
        for node in workflow.nodes:
            count = self.outcome.instances[node.id]
            self._instances[node.id] = [_Instance(self, node, index) for index in range(count)]
        for pe, given in _calls(workflow, inputs):
            self._give(workflow.by_id[pe], given)

    def next_rank(self) -> int:
        """A number for one more instance."""
        self._ranks += 1
        return self._ranks - 1

    def run(self) -> ReferenceRun:
        """Let every instance live, after all that write to it."""
        for pe in self._workflow.order:
            for instance in self._instances[pe]:
                self._count_arrivals(pe, instance)
                instance.live()
        return self.outcome

    def _count_arrivals(self, pe: str, instance: _Instance) -> None:
        if not self._workflow.outbound[pe]:
            for inputs in instance.inbox:
                for port, item in inputs.items():
                    self.outcome.arrivals.add((pe, port), item)

    def _give(self, node: PENode, calls: list[dict[str, Any]]) -> None:
        """Share out what the user gave, as the grouping of the first port says."""
        for number, inputs in enumerate(calls):
            port = next(iter(inputs), "")
            declared = node.prototype.inputconnections.get(port, {}).get(GROUPING)
            for index in self._choose(parse_grouping(declared, port), node.id, inputs.get(port), number):
                self._instances[node.id][index].inbox.append(copy.deepcopy(inputs))

    def spread(self, node: PENode, index: int, sent: Counter[str], port: str, item: Any) -> None:
        """Give a written item to all its readers."""
        streams = [stream for stream in self._workflow.outbound[node.id] if stream.output == port]
        if not streams:
            self.outcome.results.add((node.id, port), item)
        for stream in streams:
            turn = index + sent[stream.id]
            sent[stream.id] += 1
            for target in self._choose(stream.grouping, stream.target, item, turn):
                self._arrive(stream, target, copy.deepcopy(item))

    def _arrive(self, stream: Stream, index: int, item: Any) -> None:
        self._instances[stream.target][index].inbox.append({stream.input: item})

    def _choose(self, grouping: Grouping, pe: str, item: Any, turn: int) -> Iterable[int]:
        """The instances of a PE that get an item."""
        count = len(self._instances[pe])
        if isinstance(grouping, OneToAll):
            return range(count)
        if isinstance(grouping, AllToOne):
            return [0]
        if isinstance(grouping, GroupBy):
            homes = self._homes[pe]
            key = _hashable(tuple(item[key] for key in grouping.keys))
            return [homes.setdefault(key, len(homes)) % count]
        return [turn % count]


def _hashable(key: Any) -> Any:
    if isinstance(key, list | tuple):
        return tuple(map(_hashable, key))
    return key


def _policy(text: str) -> tuple[int, bool]:
    """How many attempts a call has, and whether its item is skipped after them."""
    words = text.split(",")
    retries = [int(word.removeprefix("retry:")) for word in words if word.startswith("retry:")]
    return 1 + sum(retries), "skip" in words


def _calls(workflow: Workflow, inputs: object) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """For each PE that is called without an item having been written to it, what it is called with."""
    for node in workflow.nodes:
        given: Any = 1
        if isinstance(inputs, int):
            given = inputs
        elif isinstance(inputs, Mapping):
            given = next((inputs[k] for k in (node.prototype, node.id, node.name) if k in inputs), None)
        if node.id not in workflow.sources and not isinstance(inputs, Mapping):
            continue
        if given is None:
            given = 1 if node.id in workflow.sources else 0
        yield node.id, [{} for _ in range(given)] if isinstance(given, int) else [dict(item) for item in given]
