"""A page as SVG text: text stays text, and the same page gives the same bytes."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from d4py_adaptive.dashboard.graph_picture import style
from d4py_adaptive.dashboard.graph_picture.shapes import Line, Page, Path, Point, Polygon, Rectangle, Ring, Shape, Words

_FONTS = "'DejaVu Sans', Verdana, 'Bitstream Vera Sans', Geneva, sans-serif"


def svg(page: Page) -> str:
    """The page as an SVG document."""
    width, height = _number(page.width), _number(page.height)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'font-family="{_FONTS}" text-anchor="middle">'
    )
    title = f"<title>{escape(page.title)}</title>"
    if page.description:
        title += f"<desc>{escape(page.description)}</desc>"
    paper = f'<rect width="{width}" height="{height}" fill="{style.PAPER}"/>'
    return "\n".join([head, title, paper, *map(_element, page.shapes), "</svg>", ""])


def _element(shape: Shape) -> str:
    if isinstance(shape, Rectangle):
        return (
            f"<rect{_values(x=shape.x, y=shape.y, width=shape.width, height=shape.height, rx=shape.radius)} "
            f'fill="{shape.fill}" stroke="{shape.line}" stroke-width="{_number(shape.thickness)}"/>'
        )
    if isinstance(shape, Words):
        weight = ' font-weight="bold"' if shape.bold else ""
        # With another font than that which was measured, letters move together rather than leave their box.
        fitted = f' textLength="{_number(shape.width)}" lengthAdjust="spacingAndGlyphs"'
        return (
            f'<text{_values(x=shape.x, y=shape.y)} font-size="{_number(shape.size)}"{weight}{fitted} '
            f'fill="{shape.colour}">{escape(shape.text)}</text>'
        )
    if isinstance(shape, Line):
        stroke = f'stroke="{shape.colour}" stroke-width="{_number(shape.thickness)}"'
        return f'<path d="{_commands(shape.path)}" fill="none" {stroke}/>'
    if isinstance(shape, Polygon):
        return f'<polygon points="{_points(shape.points)}" fill="{shape.fill}"/>'
    return _ring(shape)


def _ring(ring: Ring) -> str:
    place = _values(cx=ring.x, cy=ring.y, r=ring.radius)
    return f'<circle{place} fill="{ring.fill}" stroke="{ring.line}" stroke-width="{_number(ring.thickness)}"/>'


def _commands(path: Path) -> str:
    commands = [f"M{_points(path[:1])}"]
    for number in range(1, len(path), 3):
        start, curve = path[number - 1], path[number : number + 3]
        straight = len({point.x for point in (start, *curve)}) == 1 or len({point.y for point in (start, *curve)}) == 1
        commands.append(f"L{_points(curve[-1:])}" if straight else f"C{_points(curve)}")
    return "".join(commands)


def _points(points: Iterable[Point]) -> str:
    return " ".join(f"{_number(point.x)},{_number(point.y)}" for point in points)


def _values(**values: float) -> str:
    return "".join(f' {name}="{_number(value)}"' for name, value in values.items())


def _number(value: float) -> str:
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
