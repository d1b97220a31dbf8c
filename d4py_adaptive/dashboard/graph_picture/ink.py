"""A page as PNG or PDF, drawn by matplotlib without a display and without pyplot's state."""

from __future__ import annotations

import io
import warnings
from functools import cache
from typing import TYPE_CHECKING, Any

from d4py_adaptive.dashboard.graph_picture.shapes import (
    PER_INCH,
    Line,
    Page,
    Path,
    Point,
    Polygon,
    Rectangle,
    Ring,
    Words,
)
from d4py_adaptive.errors import MissingDependency

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DOTS_PER_INCH = 288
_MOST_DOTS = 32e6
_LONGEST_SIDE = 60_000
"""A picture of more dots, or a longer one, gets fewer per inch: the drawing library holds no more than 2¹⁶ a side."""

_POINTS = 72 / PER_INCH
_QUARTER = 0.5523
"""How far, in radii, the control points of a curve are from its ends to make it a quarter of a circle."""

_FONT = "DejaVu Sans"
_UNKNOWN = "\N{REPLACEMENT CHARACTER}"


def inked(page: Page, kind: str) -> bytes:
    """The page as a file of this kind, `png` or `pdf`.

    Raises:
        MissingDependency: matplotlib is not installed.
    """
    try:
        from matplotlib import style
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        purpose = f"a {kind.upper()} picture (an SVG picture or dot text needs nothing)"
        raise MissingDependency("matplotlib", purpose, "draw") from error
    width, height = page.width / PER_INCH, page.height / PER_INCH
    dots = min(_DOTS_PER_INCH, (_MOST_DOTS / width / height) ** 0.5, _LONGEST_SIDE / max(width, height))
    # A user's style must not change the picture; TrueType keeps the text of a PDF text.
    unknown = {c for shape in page.shapes if isinstance(shape, Words) for c in fonts_for(frozenset(shape.text))[1]}
    if unknown:
        warnings.warn(
            f"no font on this machine has the characters {''.join(sorted(unknown))!r}, so {_UNKNOWN} stands for them; "
            "install one that has, or draw an SVG, whose viewer may have it",
            stacklevel=2,
        )
    with style.context(["default", {"pdf.fonttype": 42}]):
        figure = Figure(figsize=(width, height), dpi=dots, facecolor="white")
        FigureCanvasAgg(figure)
        _draw(page, figure)
        file = io.BytesIO()
        metadata = {"Title": page.title, **({"CreationDate": None} if kind == "pdf" else {"Software": None})}
        figure.savefig(file, format=kind, dpi=dots, metadata=metadata)
    return file.getvalue()


def _draw(page: Page, figure: Figure) -> None:
    axes: Any = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, page.width), ylim=(page.height, 0))
    axes.set_axis_off()
    pen = _Pen(axes)
    for number, shape in enumerate(page.shapes):
        pen.draw(shape, number)


class _Pen:
    """Puts shapes on matplotlib's axes."""

    def __init__(self, axes: Any) -> None:
        self.axes = axes
        self.renderer = axes.figure.canvas.get_renderer()

    def draw(self, shape: Any, level: int) -> None:
        """Put a shape above those of lower levels."""
        from matplotlib import patches

        if isinstance(shape, Words):
            self._write(shape, level)
            return
        if isinstance(shape, Rectangle):
            patch: Any = patches.PathPatch(_outline(shape))
        elif isinstance(shape, Ring):
            patch = patches.Circle((shape.x, shape.y), shape.radius)
        elif isinstance(shape, Polygon):
            patch = patches.Polygon(shape.points, closed=True, linewidth=0)
        else:
            patch = patches.PathPatch(_curves(shape.path))
        patch.set(zorder=level, clip_on=False)
        if isinstance(shape, Rectangle | Ring):
            patch.set(facecolor=shape.fill, edgecolor=shape.line, linewidth=shape.thickness * _POINTS)
        elif isinstance(shape, Polygon):
            patch.set(facecolor=shape.fill)
        elif isinstance(shape, Line):
            patch.set(fill=False, edgecolor=shape.colour, linewidth=shape.thickness * _POINTS, capstyle="butt")
        self.axes.add_artist(patch)

    def _write(self, words: Words, level: int) -> None:
        families, unknown = fonts_for(frozenset(words.text))
        shown = "".join(_UNKNOWN if character in unknown else character for character in words.text)
        text = self.axes.text(
            words.x, words.y, shown, size=words.size * _POINTS, color=words.colour, zorder=level,
            weight="bold" if words.bold else "normal", family=families, ha="center", va="baseline",
            parse_math=False, clip_on=False,
        )  # fmt: skip
        width = text.get_window_extent(self.renderer).width / self.axes.figure.dpi * PER_INCH
        if width > words.width:
            text.set_size(words.size * _POINTS * words.width / width)


def _curves(path: Path) -> Any:
    from matplotlib import path as paths

    return paths.Path(path, [paths.Path.MOVETO] + [paths.Path.CURVE4] * (len(path) - 1))


def _outline(box: Rectangle) -> Any:
    """The outline of a box, its corners as near to quarters of a circle as curves come."""
    radius = min(box.radius, box.width / 2, box.height / 2)
    near = radius * (1 - _QUARTER)
    left, top, right, bottom = box.x, box.y, box.x + box.width, box.y + box.height
    path = [Point(left + radius, top)]
    for corner, dx, dy in (
        (Point(right, top), 1, 1),
        (Point(right, bottom), -1, 1),
        (Point(left, bottom), -1, -1),
        (Point(left, top), 1, -1),
    ):
        # From the side that ends here to the one that begins.
        if dx == dy:
            first, second = Point(-dx, 0), Point(0, dy)
        else:
            first, second = Point(0, -dy), Point(dx, 0)
        start, end = (
            corner.moved(first.x * radius, first.y * radius),
            corner.moved(second.x * radius, second.y * radius),
        )
        path += [path[-1], start, start]
        path += [corner.moved(first.x * near, first.y * near), corner.moved(second.x * near, second.y * near), end]
    return _curves(tuple(path))


@cache
def fonts_for(characters: frozenset[str]) -> tuple[list[str], frozenset[str]]:
    """The fonts that text of these characters needs, best first, and the characters that no font here has."""
    from matplotlib import font_manager

    wanted = {ord(character) for character in characters}
    wanted -= _glyphs(font_manager.findfont(_FONT))
    families = [_FONT]
    for font in sorted(font_manager.fontManager.ttflist, key=lambda font: (font.name, font.fname)) if wanted else ():
        # Last Resort has a box for every character there is.
        if "Last Resort" not in font.name and wanted & _glyphs(font.fname):
            wanted -= _glyphs(font.fname)
            families.append(font.name)
    return families, frozenset(map(chr, wanted))


@cache
def _glyphs(file: str) -> frozenset[int]:
    """The characters of a font, none of one that cannot be read."""
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(FT2Font(file).get_charmap())
    except (OSError, RuntimeError):
        return frozenset()
