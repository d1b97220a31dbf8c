"""What a picture is made of: a few shapes with their place, in units of 1/96 inch, y downwards.

Whoever draws them (SVG text, matplotlib) knows nothing of workflows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

PER_INCH = 96


class Point(NamedTuple):
    """A place in the picture."""

    x: float
    y: float

    def moved(self, dx: float, dy: float) -> Point:
        """The place so much further."""
        return Point(self.x + dx, self.y + dy)


Path = tuple[Point, ...]
"""A smooth line: where it starts, then for each cubic Bezier curve its two control points and its end."""


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A box, its corners rounded by `radius`."""

    x: float
    y: float
    width: float
    height: float
    radius: float
    fill: str
    line: str
    thickness: float = 1.0

    def moved(self, dx: float, dy: float) -> Rectangle:
        """The same elsewhere."""
        return replace(self, x=self.x + dx, y=self.y + dy)


@dataclass(frozen=True, slots=True)
class Words:
    """One line of text; x, y is the middle of its base line, `width` how wide it is meant to be."""

    x: float
    y: float
    text: str
    size: float
    width: float
    colour: str
    bold: bool = False

    def moved(self, dx: float, dy: float) -> Words:
        """The same elsewhere."""
        return replace(self, x=self.x + dx, y=self.y + dy)


@dataclass(frozen=True, slots=True)
class Line:
    """A smooth line."""

    path: Path
    colour: str
    thickness: float

    def moved(self, dx: float, dy: float) -> Line:
        """The same elsewhere."""
        return replace(self, path=tuple(point.moved(dx, dy) for point in self.path))


@dataclass(frozen=True, slots=True)
class Polygon:
    """A filled area with straight sides."""

    points: tuple[Point, ...]
    fill: str

    def moved(self, dx: float, dy: float) -> Polygon:
        """The same elsewhere."""
        return replace(self, points=tuple(point.moved(dx, dy) for point in self.points))


@dataclass(frozen=True, slots=True)
class Ring:
    """An open circle."""

    x: float
    y: float
    radius: float
    fill: str
    line: str
    thickness: float

    def moved(self, dx: float, dy: float) -> Ring:
        """The same elsewhere."""
        return replace(self, x=self.x + dx, y=self.y + dy)


Shape = Rectangle | Words | Line | Polygon | Ring


@dataclass(frozen=True, slots=True)
class Page:
    """A picture: its title, its size, its shapes, the lowest first, and what it shows, for those who cannot see it."""

    title: str
    width: float
    height: float
    shapes: tuple[Shape, ...]
    description: str = ""
