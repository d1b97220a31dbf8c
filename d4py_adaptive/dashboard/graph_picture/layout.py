"""Where everything in a picture stands: composites are laid out first, then placed like PEs in what is around them.

So nothing overlaps a composite that is not in it, and a stream through its wall is led on from where it came in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from d4py_adaptive.dashboard.graph_picture import style
from d4py_adaptive.dashboard.graph_picture.boxes import LANE, Box, Direction, box_of
from d4py_adaptive.dashboard.graph_picture.drawing import APART, Drawing, drawn
from d4py_adaptive.dashboard.graph_picture.layers import Edge, Vertex
from d4py_adaptive.dashboard.graph_picture.lettering import lines, text_width
from d4py_adaptive.dashboard.graph_picture.outline import Group, Outline
from d4py_adaptive.dashboard.graph_picture.parts import Gate, Part, connected, lanes_of, parts_of
from d4py_adaptive.dashboard.graph_picture.shapes import Path, Point

PADDING = 14.0
TITLE_LINE = 14.0
TITLE_MARGIN = 10.0
_ROW = 1100.0
"""How wide a row of pieces that no stream connects may become, across."""


@dataclass(frozen=True, slots=True)
class Area:
    """A rectangle."""

    x: float
    y: float
    width: float
    height: float

    def moved(self, dx: float, dy: float) -> Area:
        """The same elsewhere."""
        return Area(self.x + dx, self.y + dy, self.width, self.height)


@dataclass(frozen=True)
class Layout:
    """Where everything stands.

    Attributes:
        width: of the picture.
        height: of the picture.
        areas: of the PEs' boxes and the composites, by their keys.
        boxes: the PEs' boxes, by their keys.
        routes: the streams, in the order of the outline's arrows.
    """

    width: float
    height: float
    areas: dict[str, Area]
    boxes: dict[str, Box]
    routes: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class _Piece:
    """Members of a group that streams connect, as drawn.

    Attributes:
        names: what the drawing's vertices are: keys of members, and gates.
        parts: what its edges are.
        drawing: their places; x is across and y is along.
        corner: where in the group's contents the drawing begins.
    """

    names: tuple[str | Gate, ...]
    parts: tuple[Part, ...]
    drawing: Drawing
    corner: Point

    def places(self) -> list[tuple[str | Gate, Point]]:
        """The middle of each vertex, within the group's contents."""
        middles = (middle.moved(*self.corner) for middle in self.drawing.middles)
        return list(zip(self.names, middles, strict=True))

    def entries(self) -> list[float]:
        """Where streams come in, across."""
        return [middle.x for name, middle in self.places() if not isinstance(name, str) and name[1] == "in"]

    def routes(self) -> list[tuple[Part, Path]]:
        """The route of each edge, likewise."""
        routes = (_moved(route, self.corner) for route in self.drawing.routes)
        return list(zip(self.parts, routes, strict=True))


@dataclass(frozen=True, slots=True)
class _Panel:
    """A group as laid out, from its own corner; x is across and y is along.

    Attributes:
        across: its size.
        along: its size.
        areas: of all that is in it, all levels down.
        gates: where its gates are, across.
        routes: the parts of arrows in it, with what lies within its members, by arrow and kind.
    """

    across: float
    along: float
    areas: dict[str, Area]
    gates: dict[Gate, float]
    routes: dict[Gate, Path]


def lay_out(outline: Outline, direction: Direction) -> Layout:
    """Where everything in a picture of this graph stands."""
    laying = _Laying(outline, direction)
    panel = laying.panel(outline.root)
    routes = [panel.routes[number, "whole"] for number in range(len(outline.arrows))]
    if direction == "down":
        return Layout(panel.across, panel.along, panel.areas, laying.boxes, tuple(routes))
    areas = {key: Area(area.y, area.x, area.height, area.width) for key, area in panel.areas.items()}
    turned = tuple(tuple(Point(point.y, point.x) for point in route) for route in routes)
    return Layout(panel.along, panel.across, areas, laying.boxes, turned)


class _Laying:
    """The layout of one outline, from the innermost composites outwards."""

    def __init__(self, outline: Outline, direction: Direction) -> None:
        self.direction = direction
        self.arrows = outline.arrows
        self.root = outline.root.key
        self.half_lanes, lanes = lanes_of(outline.arrows)
        self.boxes = {pe.key: box_of(pe, lanes.get(pe.key, {}), direction) for pe in outline.elements}
        self.parts = parts_of(outline)

    def panel(self, group: Group) -> _Panel:
        """The group as laid out."""
        inner = {member.key: self.panel(member) for member in group.members if isinstance(member, Group)}
        keys = [member.key for member in group.members]
        pieces = [self._piece(*piece, inner) for piece in connected(keys, self.parts[group.key])]
        pieces, across, along = _in_rows(pieces)
        margin, size = self._margin(group, across, along, pieces)
        return self._assembled([_at(piece, piece.corner.moved(*margin)) for piece in pieces], size, inner)

    def _piece(self, keys: list[str], parts: list[Part], inner: Mapping[str, _Panel]) -> _Piece:
        gates = [(part.arrow, part.kind) for part in parts if part.kind != "whole"]
        names: tuple[str | Gate, ...] = (*keys, *gates)
        vertices = [self._vertex(key, inner) for key in keys]
        vertices += [Vertex(0.0, 0.0, wall="first" if kind == "in" else "last") for _, kind in gates]
        number = {name: i for i, name in enumerate(names)}
        led = [part for part in parts if not part.is_loose]
        edges = []
        for part in led:
            gate = (part.arrow, part.kind)
            source, target = (number[gate if key is None else key] for key in (part.source, part.target))
            edges.append(Edge(source, target, self._end(part, "out", inner), self._end(part, "in", inner)))
        return _Piece(names, tuple(led), drawn(vertices, edges), Point(0, 0))

    def _vertex(self, key: str, inner: Mapping[str, _Panel]) -> Vertex:
        if key in inner:
            return Vertex(inner[key].across, inner[key].along, before=style.HEAD)
        box = self.boxes[key]
        across, along = (box.width, box.height) if self.direction == "down" else (box.height, box.width)
        return Vertex(across, along, box.before, box.after)

    def _end(self, part: Part, kind: str, inner: Mapping[str, _Panel]) -> float:
        """Where a part of an arrow leaves its source (`out`) or enters its target (`in`), from its middle."""
        key = part.source if kind == "out" else part.target
        if key is None:
            return 0.0
        if key in inner:
            return inner[key].gates[part.arrow, kind] - inner[key].across / 2
        arrow, box = self.arrows[part.arrow], self.boxes[key]
        place = box.outputs[arrow.output] if kind == "out" else box.inputs[arrow.input]
        return place + self.half_lanes[part.arrow] * LANE / 2

    def _margin(self, group: Group, across: float, along: float, pieces: Sequence[_Piece]) -> tuple[Point, Point]:
        """Where the contents of a group begin, and its size: its title is in no arrow's way."""
        if group.key == self.root:
            return Point(PADDING, PADDING), Point(across + 2 * PADDING, along + 2 * PADDING)
        names = lines(group.name)
        room = max(text_width(line, style.GROUP_SIZE, bold=True) for line in names) + 2 * TITLE_MARGIN
        head = len(names) * TITLE_LINE + 8.0
        if self.direction == "down":
            gates = [x for piece in pieces for x in piece.entries()]
            left = max(PADDING, room - min(gates)) if gates else PADDING
            more = max(0.0, room - across - left - PADDING)
            return Point(left + more / 2, head), Point(left + across + PADDING + more, head + along + PADDING)
        more = max(0.0, room - along - 2 * PADDING)
        return Point(head, PADDING + more / 2), Point(head + across + PADDING, along + 2 * PADDING + more)

    def _assembled(self, pieces: Sequence[_Piece], size: Point, inner: Mapping[str, _Panel]) -> _Panel:
        panel = _Panel(size.x, size.y, {}, {}, {})
        for name, middle in (place for piece in pieces for place in piece.places()):
            if not isinstance(name, str):
                panel.gates[name] = middle.x
                continue
            vertex = self._vertex(name, inner)
            corner = middle.moved(-vertex.across / 2, -vertex.along / 2)
            panel.areas[name] = Area(*corner, vertex.across, vertex.along)
            if name in inner:
                panel.areas.update({key: area.moved(*corner) for key, area in inner[name].areas.items()})
                whole = {gate: route for gate, route in inner[name].routes.items() if gate[1] == "whole"}
                panel.routes.update({gate: _moved(route, corner) for gate, route in whole.items()})
        for part, route in (route for piece in pieces for route in piece.routes()):
            panel.routes[part.arrow, part.kind] = _led_on(part, route, panel, inner)
        return panel


def _led_on(part: Part, route: Path, panel: _Panel, inner: Mapping[str, _Panel]) -> Path:
    """A route with what lies between it and the wall, and within the composites that it joins."""
    if part.source is None:
        wall = Point(route[0].x, 0.0)
        route = (wall, wall, *route[:1], *route)
    elif part.source in inner and (part.arrow, "out") in inner[part.source].routes:
        inside = inner[part.source].routes[part.arrow, "out"]
        route = (*_moved(inside, _corner(panel, part.source)), *route[1:])
    if part.target is None:
        wall = Point(route[-1].x, panel.along)
        route = (*route, *route[-1:], wall, wall)
    elif part.target in inner and (part.arrow, "in") in inner[part.target].routes:
        inside = inner[part.target].routes[part.arrow, "in"]
        route = (*route, *_moved(inside, _corner(panel, part.target))[1:])
    return route


def _corner(panel: _Panel, key: str) -> Point:
    return Point(panel.areas[key].x, panel.areas[key].y)


def _moved(path: Path, by: Point) -> Path:
    return tuple(point.moved(*by) for point in path)


def _at(piece: _Piece, corner: Point) -> _Piece:
    return _Piece(piece.names, piece.parts, piece.drawing, corner)


def _in_rows(pieces: Sequence[_Piece]) -> tuple[list[_Piece], float, float]:
    """The pieces side by side, in several rows where no stream comes through the wall; and their size."""
    has_gates = any(not isinstance(name, str) for piece in pieces for name in piece.names)
    limit = float("inf") if has_gates else _ROW
    placed: list[_Piece] = []
    x = y = row = across = 0.0
    for piece in pieces:
        if x and x + piece.drawing.across > limit:
            x, y, row = 0.0, y + row + 2 * APART, 0.0
        placed.append(_at(piece, Point(x, y)))
        across, row = max(across, x + piece.drawing.across), max(row, piece.drawing.along)
        x += piece.drawing.across + 2 * APART
    return placed, across, y + row
