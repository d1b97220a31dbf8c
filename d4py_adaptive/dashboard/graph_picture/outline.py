"""What a picture of a graph shows, as frozen values: PEs, composites around them, streams between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from d4py_adaptive.dashboard.graph_picture import style
from d4py_adaptive.dashboard.text import plain
from d4py_adaptive.dataflow.builder import WorkflowGraph, new_id
from d4py_adaptive.dataflow.grouping import AllToOne, OneToAll, Shuffle, parse_grouping
from d4py_adaptive.dataflow.pe import GROUPING, GenericPE
from d4py_adaptive.errors import WorkflowError


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output of a PE.

    Attributes:
        name: its name.
        streams: how many streams it has.
        grouping: who gets an item that comes in: `all`, `global`, `by 0`; empty for shuffle and for outputs.
    """

    name: str
    streams: int
    grouping: str = ""


_PLAIN_NAMES = ("input", "output")


def written_names(ports: tuple[Port, ...]) -> tuple[str, ...]:
    """What is written at each of a PE's inputs, or outputs: nothing at a single one with the usual name."""
    plain = len(ports) == 1 and ports[0].name in _PLAIN_NAMES
    return tuple("" if plain else port.name for port in ports)


@dataclass(frozen=True, slots=True)
class Element:
    """A PE.

    Attributes:
        key: its name within the outline.
        id: its id, as a run shows it.
        inputs: its inputs.
        outputs: its outputs.
        numprocesses: the number of instances it declares, 1 where it declares nonsense.
        note: what stands below its id.
        paint: fill and border of its box; None is by its place in the graph.
    """

    key: str
    id: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    numprocesses: int
    note: str = ""
    paint: tuple[str, str] | None = None

    @property
    def is_source(self) -> bool:
        """No stream feeds it."""
        return not any(port.streams for port in self.inputs)

    @property
    def is_sink(self) -> bool:
        """Its streams end here."""
        return not self.is_source and not any(port.streams for port in self.outputs)


@dataclass(frozen=True, slots=True)
class Group:
    """A composite PE, or the graph itself, and what is in it."""

    key: str
    name: str
    members: tuple[Element | Group, ...]


@dataclass(frozen=True, slots=True)
class Arrow:
    """A stream between two PEs, by their keys; an end that is mapped to no PE is the composite's.

    Those with both ends in common run side by side, however thick they are.
    """

    source: str
    output: str
    target: str
    input: str
    thickness: float = field(default=style.STREAM_WIDTH, compare=False)


@dataclass(frozen=True)
class Outline:
    """A graph as it is drawn; unlike a `Workflow` it may hold loops and loose ends."""

    root: Group
    arrows: tuple[Arrow, ...]

    @cached_property
    def elements(self) -> tuple[Element, ...]:
        """The PEs, in the order of their numbers."""
        return tuple(member for member in _within(self.root) if isinstance(member, Element))

    @cached_property
    def around(self) -> dict[str, tuple[str, ...]]:
        """The keys of the groups around each PE and group, from the graph itself inwards."""
        found: dict[str, tuple[str, ...]] = {self.root.key: ()}
        for member in _within(self.root):
            if isinstance(member, Group):
                found |= {inner.key: (*found[member.key], member.key) for inner in member.members}
        return found


def _within(group: Group) -> Iterator[Element | Group]:
    """The group and everything in it, each before what is in it."""
    yield group
    for member in group.members:
        if isinstance(member, Group):
            yield from _within(member)
        else:
            yield member


def outline(graph: WorkflowGraph) -> Outline:
    """The graph as it is drawn; the graph itself stays as it is."""
    return _Reading(graph).outline()


class _Reading:
    """One walk over a graph; the first place of a PE or composite that stands in several counts."""

    def __init__(self, graph: WorkflowGraph) -> None:
        self.graph = graph
        self.keys: dict[int, str] = {id(graph): "graph"}
        self.members: dict[int, list[Any]] = {}
        self.ids: dict[int, str] = {}
        self._visit(graph)
        self.arrows = list(self._arrows(graph))

    def outline(self) -> Outline:
        return Outline(self._group(self.graph), tuple(self.arrows))

    def _visit(self, graph: WorkflowGraph) -> None:
        """Give keys to what is in a graph, and the PEs the ids that `freeze` would give them."""
        self.members[id(graph)] = []
        for obj in graph.get_contained_objects():
            if id(obj) in self.keys:
                continue
            self.members[id(graph)].append(obj)
            if isinstance(obj, WorkflowGraph):
                self.keys[id(obj)] = f"composite{len(self.members)}"
                self._visit(obj)
            else:
                self.keys[id(obj)] = f"pe{len(self.ids)}"
                self.ids[id(obj)] = new_id(obj, len(self.ids), set(self.ids.values()))

    def _arrows(self, graph: WorkflowGraph) -> Iterator[Arrow]:
        for obj in self.members[id(graph)]:
            if isinstance(obj, WorkflowGraph):
                yield from self._arrows(obj)
        for connection in graph.connections:
            source, output = self._end(connection.source, "output", connection.output)
            target, input_ = self._end(connection.target, "input", connection.input)
            if self.graph not in (source, target):
                yield Arrow(self.keys[id(source)], _one_line(output), self.keys[id(target)], _one_line(input_))

    def _end(self, obj: GenericPE | WorkflowGraph, kind: str, port: str) -> tuple[GenericPE | WorkflowGraph, str]:
        """The PE that a port of a composite stands for, or the innermost composite before the mapping ends."""
        seen = {id(obj)}
        while isinstance(obj, WorkflowGraph):
            inner, name = (obj.inputmappings if kind == "input" else obj.outputmappings).get(port, (None, ""))
            if inner is None or id(inner) not in self.keys or id(inner) in seen:
                break
            if isinstance(inner, GenericPE) and name not in _ports(inner, kind):
                break
            seen.add(id(inner))
            obj, port = inner, name
        return obj, port

    def _group(self, graph: WorkflowGraph) -> Group:
        members = tuple(
            self._group(obj) if isinstance(obj, WorkflowGraph) else self._element(obj)
            for obj in self.members[id(graph)]
        )
        return Group(self.keys[id(graph)], _one_line(getattr(graph, "name", type(graph).__name__)), members)

    def _element(self, pe: GenericPE) -> Element:
        key = self.keys[id(pe)]
        into = [arrow.input for arrow in self.arrows if arrow.target == key]
        out_of = [arrow.output for arrow in self.arrows if arrow.source == key]
        groupings = {_one_line(name): _grouping(port.get(GROUPING)) for name, port in pe.inputconnections.items()}
        inputs = tuple(Port(name, into.count(name), grouping) for name, grouping in groupings.items())
        outputs = tuple(Port(name, out_of.count(name)) for name in map(_one_line, pe.outputconnections))
        count = pe.numprocesses
        return Element(key, _one_line(self.ids[id(pe)]), inputs, outputs, count if isinstance(count, int) else 1)


def _ports(pe: GenericPE, kind: str) -> dict[str, Any]:
    return pe.inputconnections if kind == "input" else pe.outputconnections


def _grouping(value: object) -> str:
    """What stands on an arrow; a grouping that means nothing stands there as it is, with a question mark."""
    try:
        grouping = parse_grouping(value, "")
    except WorkflowError:
        return _one_line(f"{value!r}?")
    if isinstance(grouping, Shuffle):
        return ""
    if isinstance(grouping, OneToAll):
        return "all"
    if isinstance(grouping, AllToOne):
        return "global"
    return _one_line("by " + ", ".join(map(str, grouping.keys)))


def _one_line(text: object) -> str:
    return plain(" ".join(str(text).split()))
