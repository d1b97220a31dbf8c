"""A graph as a page of shapes: laid out, the lowest shapes first."""

from __future__ import annotations

from d4py_adaptive.dashboard.graph_picture import style
from d4py_adaptive.dashboard.graph_picture.boxes import Direction
from d4py_adaptive.dashboard.graph_picture.layout import TITLE_LINE, TITLE_MARGIN, Area, Layout, lay_out
from d4py_adaptive.dashboard.graph_picture.lettering import lines, text_width
from d4py_adaptive.dashboard.graph_picture.outline import Group, Outline
from d4py_adaptive.dashboard.graph_picture.shapes import Line, Page, Path, Polygon, Rectangle, Shape, Words

_WIDE = 1000.0
"""A picture wider than this would be too small to read on a page of paper."""


def page_of(outline: Outline, title: str, direction: Direction | None = None) -> Page:
    """The picture of a graph.

    Args:
        outline: the graph.
        title: what the picture is called; not drawn.
        direction: where streams go; None is to the right, or down if that became too wide.
    """
    towards: Direction = direction or "right"
    layout = lay_out(outline, towards)
    if direction is None and layout.width > _WIDE:
        towards, layout = "down", lay_out(outline, "down")
    if not outline.root.members:
        return _blank(title)
    shapes = _groups(outline.root, layout, 0)
    for arrow, route in zip(outline.arrows, layout.routes, strict=True):
        shapes += _stream(route, towards, arrow.thickness)
    for key, box in layout.boxes.items():
        shapes += [shape.moved(layout.areas[key].x, layout.areas[key].y) for shape in box.shapes]
    return Page(title, layout.width, layout.height, tuple(shapes))


def _blank(title: str) -> Page:
    text = "a graph without PEs"
    width = text_width(text, style.PORT_SIZE)
    words = Words(width / 2 + 10, 18, text, style.PORT_SIZE, width, style.FAINT_INK)
    return Page(title, width + 20, 30, (words,))


def _groups(group: Group, layout: Layout, depth: int) -> list[Shape]:
    shapes: list[Shape] = []
    for member in group.members:
        if isinstance(member, Group):
            shapes += _frame(member, layout.areas[member.key], depth) + _groups(member, layout, depth + 1)
    return shapes


def _frame(group: Group, area: Area, depth: int) -> list[Shape]:
    fill, line = style.GROUPS[depth % len(style.GROUPS)]
    shapes: list[Shape] = [Rectangle(area.x, area.y, area.width, area.height, 9.0, fill, line)]
    for number, name in enumerate(lines(group.name)):
        width = text_width(name, style.GROUP_SIZE, bold=True)
        x, y = area.x + TITLE_MARGIN + width / 2, area.y + 3 + (number + 1) * TITLE_LINE
        shapes.append(Words(x, y, name, style.GROUP_SIZE, width, style.FAINT_INK, bold=True))
    return shapes


def _stream(route: Path, direction: Direction, thickness: float) -> list[Shape]:
    """A line with a head; its last part is straight and longer than the head."""
    tip = route[-1]
    long, half = style.HEAD, (style.HEAD_WIDTH + thickness - style.STREAM_WIDTH) / 2
    if direction == "down":
        neck, sides = tip.moved(0, 1 - long), (tip.moved(-half, -long), tip.moved(half, -long))
    else:
        neck, sides = tip.moved(1 - long, 0), (tip.moved(-long, -half), tip.moved(-long, half))
    line = (*route[:-2], neck, neck)
    return [Line(_simple(line), style.STREAM, thickness), Polygon((tip, *sides), style.STREAM)]


def _simple(path: Path) -> Path:
    """The path without pieces of no length."""
    kept = [path[0]]
    for number in range(1, len(path), 3):
        if any(point != kept[-1] for point in path[number : number + 3]):
            kept += path[number : number + 3]
    return tuple(kept)
