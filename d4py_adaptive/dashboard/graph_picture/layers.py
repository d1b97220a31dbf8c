"""The first half of a layered layout: which vertex stands in which layer, and where long edges bend.

Sugiyama, Tagawa and Toda 1981. Edges that close a loop are found first; they are drawn from the vertex they leave,
around it, back past the layers between, and around the vertex they lead to.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple


@dataclass(frozen=True, slots=True)
class Vertex:
    """Something that is placed.

    Attributes:
        across: its size at a right angle to the edges.
        along: its size in the direction of the edges.
        before: room that it needs in front of it.
        after: room that it needs behind it.
        wall: whether it is where an edge comes through the wall around the drawing, before everything else (first) or
            behind it (last).
    """

    across: float
    along: float
    before: float = 0.0
    after: float = 0.0
    wall: Literal["", "first", "last"] = ""


@dataclass(frozen=True, slots=True)
class Edge:
    """From one vertex to another, by number; where it leaves and enters them, across, from their middle."""

    source: int
    target: int
    leaves: float = 0.0
    enters: float = 0.0


class Link(NamedTuple):
    """A piece of an edge, between two neighbouring layers; where it ends, across, from their middle."""

    upper: int
    lower: int
    upper_end: float
    lower_end: float


@dataclass(frozen=True)
class Layered:
    """Vertices and bends in layers.

    Attributes:
        layers: the numbers of what is in each layer; those that are no vertex's are bends.
        links: the edges, cut at their bends.
        bends: the bends of each edge, from its source to its target.
        loops: the numbers of the edges that go back.
        beside: for a bend at the end of an edge that goes back, the vertex in its layer that it goes around.
    """

    layers: tuple[tuple[int, ...], ...]
    links: tuple[Link, ...]
    bends: tuple[tuple[int, ...], ...]
    loops: frozenset[int]
    beside: dict[int, int]


def layered(vertices: Sequence[Vertex], edges: Sequence[Edge]) -> Layered:
    """Put the vertices into layers, so that all edges but those that close a loop lead to a later one."""
    found, order, loops = _walked(len(vertices), edges)
    forward = [
        (edge.target, edge.source) if number in loops else (edge.source, edge.target)
        for number, edge in enumerate(edges)
        if edge.source != edge.target
    ]
    layer_of = _layers(vertices, order, forward)
    layers: list[list[int]] = [[] for _ in range(max(layer_of.values(), default=-1) + 1)]
    for vertex in found:
        layers[layer_of[vertex]].append(vertex)
    links: list[Link] = []
    bends: list[tuple[int, ...]] = []
    beside: dict[int, int] = {}
    count = len(vertices)
    for number, edge in enumerate(edges):
        first, last = layer_of[edge.source], layer_of[edge.target]
        between = range(first, last - 1, -1) if number in loops else range(first + 1, last)
        chain = tuple(range(count, count + len(between)))
        count += len(chain)
        bends.append(chain)
        for bend, layer in zip(chain, between, strict=True):
            layers[layer].append(bend)
        if number in loops:
            beside |= {chain[0]: edge.source, chain[-1]: edge.target}
            links += [Link(lower, upper, 0.0, 0.0) for upper, lower in pairwise(chain)]
        else:
            links += _links(edge, chain)
    return Layered(tuple(map(tuple, layers)), tuple(links), tuple(bends), loops, beside)


def _links(edge: Edge, chain: tuple[int, ...]) -> Iterable[Link]:
    stops = (edge.source, *chain, edge.target)
    ends = (edge.leaves, *(0.0 for _ in chain), edge.enters)
    for number in range(len(stops) - 1):
        yield Link(stops[number], stops[number + 1], ends[number], ends[number + 1])


def _walked(count: int, edges: Sequence[Edge]) -> tuple[list[int], list[int], frozenset[int]]:
    """What a depth-first walk from the sources finds.

    Returns:
        The vertices in the order they were found; in an order that all edges follow but those that close a loop; and
        these edges, which led back to a vertex that the walk was still coming from.
    """
    outbound: list[list[int]] = [[] for _ in range(count)]
    fed = set()
    for number, edge in enumerate(edges):
        outbound[edge.source].append(number)
        fed.add(edge.target)
    found: list[int] = []
    left: list[int] = []
    open_ = set()
    loops = set()
    for start in sorted(range(count), key=lambda vertex: vertex in fed):
        path = [] if start in found else [(start, iter(outbound[start]))]
        while path:
            vertex, rest = path[-1]
            if vertex not in open_:
                open_.add(vertex)
                found.append(vertex)
            number = next(rest, -1)
            if number < 0:
                left.append(vertex)
                open_.remove(vertex)
                path.pop()
            elif edges[number].target in open_:
                loops.add(number)
            elif edges[number].target not in found:
                path.append((edges[number].target, iter(outbound[edges[number].target])))
    return found, left[::-1], frozenset(loops)


def _layers(vertices: Sequence[Vertex], order: list[int], forward: list[tuple[int, int]]) -> dict[int, int]:
    """The layer of each vertex: by the longest path to it, then as near as can be to those it feeds."""
    before: dict[int, list[int]] = {vertex: [] for vertex in order}
    behind: dict[int, list[int]] = {vertex: [] for vertex in order}
    for source, target in forward:
        before[target].append(source)
        behind[source].append(target)
    start = 1 if any(vertex.wall == "first" for vertex in vertices) else 0
    layer_of: dict[int, int] = {}
    for vertex in order:
        least = 0 if vertices[vertex].wall == "first" else start
        layer_of[vertex] = max((layer_of[source] + 1 for source in before[vertex]), default=least)
        layer_of[vertex] = max(layer_of[vertex], least)
    for vertex in reversed(order):
        if len(behind[vertex]) > len(before[vertex]) and not vertices[vertex].wall:
            layer_of[vertex] = min(layer_of[target] for target in behind[vertex]) - 1
    last = max((layer_of[v] for v in order if vertices[v].wall != "last"), default=-1) + 1
    return layer_of | {vertex: last for vertex in order if vertices[vertex].wall == "last"}
