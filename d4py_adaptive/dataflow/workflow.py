"""The workflow as a value: an immutable directed multigraph of PEs and streams, validated once."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from graphlib import CycleError, TopologicalSorter

from d4py_adaptive.dataflow.grouping import Grouping
from d4py_adaptive.dataflow.pe import GenericPE
from d4py_adaptive.errors import WorkflowError


@dataclass(frozen=True, slots=True)
class Stream:
    """One connection, from an output port to an input port."""

    id: str
    source: str
    output: str
    target: str
    input: str
    grouping: Grouping


@dataclass(frozen=True, slots=True)
class PENode:
    """One PE of a workflow: its declarations, and the prototype that instances are copied from."""

    id: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    numprocesses: int
    prototype: GenericPE = field(compare=False, repr=False)


@dataclass(frozen=True)
class Workflow:
    """PEs in the order they were added, and the streams between them; free of cycles.

    Attributes:
        nodes: the PEs.
        streams: the streams.
        partitions: ids of PEs that the user wants to share their processes, each PE in one partition at most.

    Raises:
        WorkflowError: there is no PE, or the streams form a loop (named in the message).
    """

    nodes: tuple[PENode, ...]
    streams: tuple[Stream, ...]
    partitions: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self) -> None:
        if not self.nodes:
            raise WorkflowError("a workflow needs at least one PE; this graph has none: add or connect PEs first")
        self.order  # noqa: B018 - finds loops now, before anything starts

    @cached_property
    def by_id(self) -> dict[str, PENode]:
        """PEs by id."""
        return {node.id: node for node in self.nodes}

    @cached_property
    def order(self) -> tuple[str, ...]:
        """Ids in a topological order that depends on the graph alone."""
        before: dict[str, set[str]] = {node.id: set() for node in self.nodes}
        for stream in self.streams:
            before[stream.target].add(stream.source)
        sorter = TopologicalSorter(before)
        try:
            sorter.prepare()
        except CycleError as error:
            loop = " -> ".join(error.args[1])
            raise WorkflowError(
                f"the streams form a loop: {loop}; a workflow must be free of loops, so remove one of these connections"
            ) from None
        position = {node.id: i for i, node in enumerate(self.nodes)}
        order: list[str] = []
        while sorter.is_active():
            ready = sorted(sorter.get_ready(), key=position.__getitem__)
            order += ready
            sorter.done(*ready)
        return tuple(order)

    @cached_property
    def inbound(self) -> dict[str, tuple[Stream, ...]]:
        """Streams into each PE."""
        return {node.id: tuple(s for s in self.streams if s.target == node.id) for node in self.nodes}

    @cached_property
    def outbound(self) -> dict[str, tuple[Stream, ...]]:
        """Streams out of each PE."""
        return {node.id: tuple(s for s in self.streams if s.source == node.id) for node in self.nodes}

    @cached_property
    def sources(self) -> tuple[str, ...]:
        """Ids of the PEs that no stream feeds."""
        return tuple(node.id for node in self.nodes if not self.inbound[node.id])

    @cached_property
    def results(self) -> tuple[tuple[str, str], ...]:
        """The unconnected outputs, `(pe id, port)`: their items are the run's results."""
        connected = {(s.source, s.output) for s in self.streams}
        ports = ((node.id, port) for node in self.nodes for port in node.outputs)
        return tuple(port for port in ports if port not in connected)

    @cached_property
    def source_ancestors(self) -> dict[str, frozenset[str]]:
        """The sources that each PE descends from; a source descends from itself."""
        ancestors: dict[str, frozenset[str]] = {}
        for pe in self.order:
            feeding = [ancestors[s.source] for s in self.inbound[pe]]
            ancestors[pe] = frozenset().union(*feeding) if feeding else frozenset({pe})
        return ancestors
