"""How a PE is drawn: its box with name and ports, and what stands on the arrows before and behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from d4py_adaptive.dashboard.graph_picture import style
from d4py_adaptive.dashboard.graph_picture.lettering import lines, text_width
from d4py_adaptive.dashboard.graph_picture.outline import Element, Port, written_names
from d4py_adaptive.dashboard.graph_picture.shapes import Line, Point, Rectangle, Ring, Shape, Words

Direction = Literal["right", "down"]
"""Where streams go: `along` is measured with them, `across` at a right angle to them."""

LANE = 8.0
"""How far apart streams run that have both ends in common."""

_LEAST_WIDTH = 60.0
_SIDE, _EDGE = 12.0, 9.0
"""Room beside the title, and above and below it."""

_TITLE_LINE, _NOTE_LINE, _PORT_LINE = 16.0, 13.0, 14.0
_BADGE_HEIGHT, _PILL_HEIGHT = 13.0, 15.0
_TO_BOX = style.HEAD + 3.0
"""How far before the box an arrow is straight, for its head."""

_RESULT, _RING = 17.0, 3.5


@dataclass(frozen=True, slots=True)
class Box:
    """A PE as it is drawn.

    Attributes:
        width: of the box.
        height: of the box.
        before: room that is needed in front of it, along the streams.
        after: room that is needed behind it.
        inputs: where each input is, across, from the middle of the box.
        outputs: where each output is.
        shapes: what is drawn, from the box's top left corner.
    """

    width: float
    height: float
    before: float
    after: float
    inputs: dict[str, float]
    outputs: dict[str, float]
    shapes: tuple[Shape, ...]


@dataclass(frozen=True, slots=True)
class _Title:
    """A PE's id, the badge with its number of instances, and the note; shapes from the middle of its top."""

    width: float
    height: float
    shapes: tuple[Shape, ...]


@dataclass(frozen=True, slots=True)
class _Side:
    """The inputs of a box, or its outputs.

    Attributes:
        ports: the ports.
        names: what is written at each of them, perhaps nothing.
        lanes: how many streams run side by side at each of them.
        sizes: how much of the side each of them needs.
    """

    ports: tuple[Port, ...]
    names: tuple[str, ...]
    lanes: tuple[int, ...]
    sizes: tuple[float, ...]

    @property
    def named(self) -> bool:
        return any(self.names)


@dataclass(frozen=True, slots=True)
class _Measures:
    """The size of a box, where its title begins, and where its ports are, across, from its middle."""

    width: float
    height: float
    title_y: float
    inputs: list[float]
    outputs: list[float]


def box_of(element: Element, lanes: Mapping[tuple[str, str], int], direction: Direction) -> Box:
    """How a PE is drawn.

    Args:
        element: the PE.
        lanes: how many streams run side by side at an input (`('in', name)`) or output (`('out', name)`), if several.
        direction: where streams go.
    """
    inputs = _side(element.inputs, "in", lanes, direction)
    outputs = _side(element.outputs, "out", lanes, direction)
    title = _title(element)
    size = _down(inputs, outputs, title) if direction == "down" else _right(inputs, outputs, title)
    shapes = [_frame(element, size)]
    shapes += [shape.moved(size.width / 2, size.title_y) for shape in title.shapes]
    ink = style.INK if element.paint else style.FAINT_INK
    shapes += _names(inputs, "in", size, direction, ink) + _names(outputs, "out", size, direction, ink)
    pills, before = _pills(inputs, size, direction)
    results, after = _results(outputs, size, direction)
    into = {port.name: place for port, place in zip(inputs.ports, size.inputs, strict=True)}
    out_of = {port.name: place for port, place in zip(outputs.ports, size.outputs, strict=True)}
    return Box(size.width, size.height, before, after, into, out_of, (*shapes, *pills, *results))


# How large things are.


def _side(ports: tuple[Port, ...], kind: str, lanes: Mapping[tuple[str, str], int], direction: Direction) -> _Side:
    names = written_names(ports)
    counts = tuple(lanes.get((kind, port.name), 1) for port in ports)
    sizes = []
    for port, name, count in zip(ports, names, counts, strict=True):
        written = (text_width(name, style.PORT_SIZE) + 12 if direction == "down" else _PORT_LINE) if name else 0.0
        pill = _pill_size(port, count, direction)[0] + 4 if _has_pill(port) else 0.0
        sizes.append(max(written, pill, (count + 1) * LANE))
    return _Side(ports, names, counts, tuple(sizes))


def _has_pill(port: Port) -> bool:
    return bool(port.grouping and port.streams)


def _pill_size(port: Port, lanes: int, direction: Direction) -> tuple[float, float]:
    """How large the label with a grouping is, across and along."""
    width = text_width(port.grouping, style.PORT_SIZE) + 12
    across, along = (width, _PILL_HEIGHT) if direction == "down" else (_PILL_HEIGHT, width)
    return max(across, (lanes - 1) * LANE + 8), along


def _down(inputs: _Side, outputs: _Side, title: _Title) -> _Measures:
    """The inputs are above the title, the outputs below it."""
    room = 12.0
    width = max(_LEAST_WIDTH, title.width + 2 * _SIDE, sum(inputs.sizes) + room, sum(outputs.sizes) + room)
    above, below = (_PORT_LINE + 2 if side.named else _EDGE for side in (inputs, outputs))
    into, out_of = (_spread(side.sizes, width - room) for side in (inputs, outputs))
    return _Measures(width, above + title.height + below, above, into, out_of)


def _right(inputs: _Side, outputs: _Side, title: _Title) -> _Measures:
    """The inputs are on the left, the outputs on the right; below the title where their names are written."""
    sides = (inputs, outputs)
    columns = sum(max((text_width(name, style.PORT_SIZE) for name in side.names), default=0.0) for side in sides)
    width = max(_LEAST_WIDTH, title.width + 2 * _SIDE, columns + 30)
    rows = max(sum(side.sizes) if side.named else 0.0 for side in sides)
    head = _EDGE + title.height
    height = max(head + rows + (5.0 if rows else _EDGE), *(sum(side.sizes) for side in sides))
    below = head + rows / 2 - height / 2
    into, out_of = (
        [below + place for place in _spread(side.sizes, rows)] if side.named else _spread(side.sizes, height)
        for side in sides
    )
    return _Measures(width, height, _EDGE, into, out_of)


def _spread(sizes: Sequence[float], room: float) -> list[float]:
    """The middles of some sizes that fill a room together, from the middle of the room."""
    more = (room - sum(sizes)) / len(sizes) if sizes else 0.0
    places, start = [], -room / 2
    for size in sizes:
        places.append(start + (size + more) / 2)
        start += size + more
    return places


# What is drawn.


def _frame(element: Element, size: _Measures) -> Shape:
    fill, line = style.INNER
    radius = 6.0
    if element.is_source or element.is_sink:
        fill, line = style.SOURCE if element.is_source else style.SINK
        radius = min(17.0, size.height / 2)
    fill, line = element.paint or (fill, line)
    return Rectangle(0, 0, size.width, size.height, radius, fill, line, 1.3)


def _title(element: Element) -> _Title:
    names = lines(element.id)
    widths = [text_width(line, style.TITLE_SIZE, bold=True) for line in names]
    badge = f"{style.TIMES}{element.numprocesses}" if element.numprocesses > 1 else ""
    badge_width = text_width(badge, style.PORT_SIZE, bold=True) + 9 if badge else 0.0
    room = badge_width + 6 if badge else 0.0
    shapes: list[Shape] = []
    for number, (line, width) in enumerate(zip(names, widths, strict=True)):
        left = room / 2 if number == len(names) - 1 else 0.0
        shapes.append(Words(-left, number * _TITLE_LINE + 12, line, style.TITLE_SIZE, width, style.INK, bold=True))
    if badge:
        x, y = (widths[-1] + room) / 2 - badge_width, (len(names) - 1) * _TITLE_LINE + 1.5
        shapes.append(Rectangle(x, y, badge_width, _BADGE_HEIGHT, _BADGE_HEIGHT / 2, style.BADGE, style.BADGE))
        middle = x + badge_width / 2
        shapes.append(Words(middle, y + 10, badge, style.PORT_SIZE, badge_width - 9, style.PAPER, bold=True))
    width, height = max(*widths, widths[-1] + room), len(names) * _TITLE_LINE
    if element.note:
        note_width = text_width(element.note, style.PORT_SIZE)
        shapes.append(Words(0, height + 9, element.note, style.PORT_SIZE, note_width, style.INK))
        width, height = max(width, note_width), height + _NOTE_LINE
    return _Title(width, height, tuple(shapes))


def _names(side: _Side, kind: str, size: _Measures, direction: Direction, ink: str) -> list[Shape]:
    shapes: list[Shape] = []
    places = size.inputs if kind == "in" else size.outputs
    for name, place in zip(side.names, places, strict=True):
        room = text_width(name, style.PORT_SIZE)
        if direction == "down":
            x, y = size.width / 2 + place, 12.0 if kind == "in" else size.height - 5.0
        else:
            x, y = 7 + room / 2 if kind == "in" else size.width - 7 - room / 2, size.height / 2 + place + 3.5
        if name:
            shapes.append(Words(x, y, name, style.PORT_SIZE, room, ink))
    return shapes


def _pills(side: _Side, size: _Measures, direction: Direction) -> tuple[list[Shape], float]:
    """Labels with the groupings, on the arrows just before the box; how much room arrows and labels need there."""
    shapes: list[Shape] = []
    before = _TO_BOX if any(port.streams for port in side.ports) else 0.0
    for port, place, lanes in zip(side.ports, size.inputs, side.lanes, strict=True):
        if not _has_pill(port):
            continue
        across, along = _pill_size(port, lanes, direction)
        before = max(before, _TO_BOX + along)
        if direction == "down":
            x, y, width, height = size.width / 2 + place - across / 2, -_TO_BOX - along, across, along
        else:
            x, y, width, height = -_TO_BOX - along, size.height / 2 + place - across / 2, along, across
        room = text_width(port.grouping, style.PORT_SIZE)
        shapes.append(Rectangle(x, y, width, height, _PILL_HEIGHT / 2, style.PAPER, style.STREAM))
        shapes.append(Words(x + width / 2, y + height / 2 + 3.5, port.grouping, style.PORT_SIZE, room, style.INK))
    return shapes, before


def _results(side: _Side, size: _Measures, direction: Direction) -> tuple[list[Shape], float]:
    """A short line to an open circle for each output that is a result of the run; how much room they need."""
    shapes: list[Shape] = []
    for port, place in zip(side.ports, size.outputs, strict=True):
        if port.streams:
            continue
        if direction == "down":
            start, step = Point(size.width / 2 + place, size.height), Point(0, 1)
        else:
            start, step = Point(size.width, size.height / 2 + place), Point(1, 0)
        end = start.moved(step.x * _RESULT, step.y * _RESULT)
        middle = end.moved(step.x * _RING, step.y * _RING)
        shapes.append(Line((start, start, end, end), style.STREAM, style.STREAM_WIDTH))
        shapes.append(Ring(middle.x, middle.y, _RING, style.PAPER, style.STREAM, style.STREAM_WIDTH))
    return shapes, _RESULT + 2 * _RING + 2 if shapes else 0.0
