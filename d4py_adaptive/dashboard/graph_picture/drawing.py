"""One level of a picture: vertices in layers, with the routes of the edges between them.

Here `across` and `along` stand for x and y, whichever way the streams go. An edge runs straight along while it
passes a layer, in a place of its own there, and bends only between layers: so it never touches what it passes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from d4py_adaptive.dashboard.graph_picture.coordinates import across_places
from d4py_adaptive.dashboard.graph_picture.layers import Edge, Layered, Vertex, layered
from d4py_adaptive.dashboard.graph_picture.ordering import ordered
from d4py_adaptive.dashboard.graph_picture.shapes import Path, Point

APART = 22.0
"""Least distance between neighbours in a layer."""

_BEND = -8.0
"""The size of a bend, and of a gate in a wall: they may come nearer to their neighbours than boxes."""

_GAP, _WALL_GAP, _TURN_GAP = 20.0, 8.0, 24.0
_MOST_GAP = 110.0
_SLOPE = 0.24
"""How much of the distance that edges go across between two layers is added between these."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """What is placed: from 0 to `across` and from 0 to `along`.

    Attributes:
        across: its size.
        along: its size.
        middles: the middle of each vertex; `x` is across, `y` is along.
        routes: the route of each edge, from its source's box to its target's.
    """

    across: float
    along: float
    middles: tuple[Point, ...]
    routes: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class _Band:
    """Where a layer begins, its middle line, and where it ends, along."""

    start: float
    middle: float
    end: float


def drawn(vertices: Sequence[Vertex], edges: Sequence[Edge]) -> Drawing:
    """Place the vertices and route the edges."""
    drawing = layered(vertices, edges)
    layers = ordered(drawing, vertices)
    bends = frozenset(bend for chain in drawing.bends for bend in chain)
    sizes = {number: vertex.across if not vertex.wall else _BEND for number, vertex in enumerate(vertices)}
    sizes |= dict.fromkeys(bends, _BEND)
    places = across_places(layers, drawing.links, sizes, bends, APART)
    halves = {number: max(size, 0.0) / 2 for number, size in sizes.items()}
    left = min(place - halves[number] for number, place in places.items())
    places = {number: place - left for number, place in places.items()}
    bands, along = _bands(layers, vertices, _gaps(layers, vertices, edges, drawing, places))
    middles = tuple(Point(places[vertex], bands[vertex].middle) for vertex in range(len(vertices)))
    routes = tuple(_route(number, edge, vertices, drawing, places, bands) for number, edge in enumerate(edges))
    return Drawing(max(places[number] + halves[number] for number in places), along, middles, routes)


def _bands(
    layers: Sequence[Sequence[int]], vertices: Sequence[Vertex], gaps: Sequence[float]
) -> tuple[dict[int, _Band], float]:
    """The layer of everything as a band along, and where the drawing ends."""
    bands: dict[int, _Band] = {}
    at = gaps[0]
    for row, gap in zip(layers, gaps[1:], strict=True):
        mine = [vertices[number] for number in row if number < len(vertices)]
        above = max((vertex.before + vertex.along / 2 for vertex in mine), default=0.0)
        below = max((vertex.along / 2 + vertex.after for vertex in mine), default=0.0)
        bands |= dict.fromkeys(row, _Band(at, at + above, at + above + below))
        at += above + below + gap
    return bands, at


def _gaps(
    layers: Sequence[Sequence[int]],
    vertices: Sequence[Vertex],
    edges: Sequence[Edge],
    drawing: Layered,
    places: dict[int, float],
) -> list[float]:
    """How much room there is before each layer, and after the last."""
    row_of = {number: row for row, numbers in enumerate(layers) for number in numbers}
    gaps = [0.0, *(_GAP for _ in layers[1:]), 0.0]
    for row, numbers in enumerate(layers):
        walls = {vertices[number].wall for number in numbers if number < len(vertices)}
        if "first" in walls:
            gaps[row + 1] = _WALL_GAP
        if "last" in walls and gaps[row] == _GAP:
            gaps[row] = _WALL_GAP
    wide = [0.0] * len(gaps)
    for link in drawing.links:
        across = abs(places[link.upper] + link.upper_end - places[link.lower] - link.lower_end)
        wide[row_of[link.lower]] = max(wide[row_of[link.lower]], across)
    for number in drawing.loops:
        edge, chain = edges[number], drawing.bends[number]
        turns = (
            (row_of[chain[0]] + 1, places[edge.source] + edge.leaves - places[chain[0]]),
            (row_of[chain[-1]], places[edge.target] + edge.enters - places[chain[-1]]),
        )
        for gap, across in turns:
            gaps[gap] = max(gaps[gap], _TURN_GAP)
            wide[gap] = max(wide[gap], abs(across))
    return [_gap(gap, across) for gap, across in zip(gaps, wide, strict=True)]


def _gap(least: float, across: float) -> float:
    """How much room edges need between two layers that go so far across."""
    return max(least, min(least + _SLOPE * across, _MOST_GAP))


def _route(
    number: int,
    edge: Edge,
    vertices: Sequence[Vertex],
    drawing: Layered,
    places: dict[int, float],
    bands: dict[int, _Band],
) -> Path:
    start = places[edge.source] + edge.leaves
    end = places[edge.target] + edge.enters
    path = [Point(start, bands[edge.source].middle + vertices[edge.source].along / 2)]
    _straight(path, bands[edge.source].end)
    back = number in drawing.loops
    for place, bend in enumerate(drawing.bends[number]):
        band = bands[bend]
        if back and place == 0:
            _turn(path, places[bend], 1)
        else:
            _curve(path, Point(places[bend], band.end if back else band.start))
        _straight(path, band.start if back else band.end)
    if back:
        _turn(path, end, -1)
    else:
        _curve(path, Point(end, bands[edge.target].start))
    _straight(path, bands[edge.target].middle - vertices[edge.target].along / 2)
    return tuple(path)


def _straight(path: list[Point], along: float) -> None:
    end = Point(path[-1].x, along)
    path += [path[-1], end, end]


def _curve(path: list[Point], end: Point) -> None:
    """Go on to the end, starting and arriving along."""
    middle = (path[-1].y + end.y) / 2
    path += [Point(path[-1].x, middle), Point(end.x, middle), end]


def _turn(path: list[Point], across: float, sign: int) -> None:
    """Turn round within the gap behind a layer, or before it; the further across, the deeper."""
    start = path[-1]
    depth = sign * _gap(_TURN_GAP, abs(across - start.x))  # a curve goes three quarters of the way to such points
    path += [start.moved(0, depth), Point(across, start.y + depth), Point(across, start.y)]
