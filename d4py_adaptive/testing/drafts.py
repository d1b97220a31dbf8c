"""A workflow as a list of nodes and links, to be built in any order of `connect` calls, and what chooses it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from d4py_adaptive.dataflow.builder import CompositePE, WorkflowGraph
from d4py_adaptive.dataflow.pe import GenericPE

T = TypeVar("T")


class Chooser:
    """Makes choices out of whole numbers; smaller numbers make simpler workflows.

    Args:
        integer: gives a number from its first argument to its second, both included.
    """

    def __init__(self, integer: Callable[[int, int], int]) -> None:
        self.integer = integer

    def pick(self, options: Sequence[T]) -> T:
        """One of the options."""
        return options[self.integer(0, len(options) - 1)]

    def chance(self, percent: int) -> bool:
        """True in so many of a hundred cases."""
        return self.integer(0, 99) >= 100 - percent


class Link(NamedTuple):
    """A connection between two nodes, by their names."""

    source: str
    output: str
    target: str
    input: str


@dataclass
class Node:
    """One PE of a random workflow, or a chain of them.

    Attributes:
        name: its name, of its own.
        make: creates the PE anew.
        inputs: its inputs and their groupings.
        outputs: its outputs.
        forms: the forms that its items may have.
        volume: most items that it may write to one output.
        most_calls: how often a source may be called.
        steady: how many items each of its instances writes does not depend on the plan.
        ordered: it writes its items in the same order under every plan.
        signed: what it writes shows the plan, and is for one reader alone.
    """

    name: str
    make: Callable[[], Any]
    inputs: dict[str, object]
    outputs: tuple[str, ...]
    forms: frozenset[str]
    volume: int
    most_calls: int = 3
    steady: bool = True
    ordered: bool = False
    signed: bool = False


@dataclass
class RandomGraph:
    """A random workflow before it is built.

    Attributes:
        nodes: its PEs.
        links: its connections.
        composites: for each composite PE, the names of the nodes in it; a later one lies within the earlier ones
            it shares nodes with.
        inputs: what a run is given.
        origin: how to make it again.
    """

    nodes: dict[str, Node] = field(default_factory=dict)
    links: list[Link] = field(default_factory=list)
    composites: list[set[str]] = field(default_factory=list)
    inputs: Any = None
    origin: str = ""

    @property
    def watchers(self) -> set[str]:
        """Names of the nodes whose inputs show the plan."""
        return {link.target for link in self.links if self.nodes[link.source].signed}

    def build(self, order: int = 0) -> WorkflowGraph:
        """The workflow, its PEs created anew and connected in the order that the number `order` says."""
        shuffled = random.Random(order)
        pes: dict[str, Any] = {name: node.make() for name, node in self.nodes.items()}
        for name, pe in pes.items():
            if isinstance(pe, GenericPE):
                pe.name = name
        composites: list[WorkflowGraph] = [CompositePE() for _ in self.composites]
        graph = WorkflowGraph()
        for name in _shuffled(list(pes), shuffled):
            if not any(name in (link.source, link.target) for link in self.links) or shuffled.random() < 0.3:
                self._add(graph, name, pes[name], composites)
        for link in _shuffled(self.links, shuffled):
            self._connect(graph, link, pes, composites)
        return graph

    def _homes(self, name: str) -> list[int]:
        """The composites that a node lies in, from outside to inside."""
        return [number for number, members in enumerate(self.composites) if name in members]

    def _add(self, graph: WorkflowGraph, name: str, pe: Any, composites: list[WorkflowGraph]) -> None:
        around = graph
        for number in self._homes(name):
            around.add(composites[number])
            around = composites[number]
        around.add(pe)

    def _connect(self, graph: WorkflowGraph, link: Link, pes: dict[str, Any], composites: list[WorkflowGraph]) -> None:
        """Connect two nodes through the walls of the composites between them."""
        self._add(graph, link.source, pes[link.source], composites)
        self._add(graph, link.target, pes[link.target], composites)
        source_homes, target_homes = self._homes(link.source), self._homes(link.target)
        shared = [number for number in source_homes if number in target_homes]
        around = composites[shared[-1]] if shared else graph
        source, output = pes[link.source], link.output
        for number in reversed(source_homes[len(shared) :]):
            composites[number].outputmappings[f"{link.source} {link.output}"] = (source, output)
            source, output = composites[number], f"{link.source} {link.output}"
        target, input_ = pes[link.target], link.input
        for number in reversed(target_homes[len(shared) :]):
            composites[number].inputmappings[f"{link.target} {link.input}"] = (target, input_)
            target, input_ = composites[number], f"{link.target} {link.input}"
        around.connect(source, output, target, input_)


def _shuffled(items: Sequence[T], order: random.Random) -> list[T]:
    return order.sample(items, len(items))
