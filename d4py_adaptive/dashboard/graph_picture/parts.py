"""The parts of arrows: an arrow from one composite into another has one within each, and one between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from d4py_adaptive.dashboard.graph_picture.outline import Arrow, Outline

Gate = tuple[int, str]
"""A place where an arrow comes through the wall of a group: the arrow's number and `in` or `out`."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of an arrow within a group, but not within its members.

    Attributes:
        arrow: number of the arrow.
        kind: `in` from the wall, `out` to the wall, or `whole` from one member to another.
        source: key of the member that it leaves; None is the wall, or a loose end.
        target: key of the member that it leads to; None likewise.
    """

    arrow: int
    kind: str
    source: str | None
    target: str | None

    @property
    def is_loose(self) -> bool:
        """The arrow ends at the wall, as it is not said where it goes on."""
        return self.source is None and self.target is None


def parts_of(outline: Outline) -> dict[str, list[Part]]:
    """The parts of all arrows, by the group in which they are."""
    elements = {element.key for element in outline.elements}
    parts: dict[str, list[Part]] = {key: [] for key in outline.around if key not in elements}
    for number, arrow in enumerate(outline.arrows):
        out_of, into = outline.around[arrow.source], outline.around[arrow.target]
        shared = sum(1 for a, b in zip(out_of, into, strict=False) if a == b)
        leaving, entering = [*out_of[shared:], arrow.source], [*into[shared:], arrow.target]
        parts[out_of[shared - 1]].append(Part(number, "whole", leaving[0], entering[0]))
        for group, member in zip(leaving, [*leaving[1:], None], strict=True):
            if group in parts:
                parts[group].append(Part(number, "out", member, None))
        for group, member in zip(entering, [*entering[1:], None], strict=True):
            if group in parts:
                parts[group].append(Part(number, "in", None, member))
    return parts


def connected(keys: Sequence[str], parts: Sequence[Part]) -> list[tuple[list[str], list[Part]]]:
    """The members of a group that its parts of arrows connect, with these; a pair for each connected piece."""
    piece_of = {key: number for number, key in enumerate(keys)}
    for part in parts:
        if part.source is not None and part.target is not None:
            new, old = sorted((piece_of[part.source], piece_of[part.target]))
            piece_of = {key: new if piece == old else piece for key, piece in piece_of.items()}
    pieces: dict[int, tuple[list[str], list[Part]]] = {}
    for key, number in piece_of.items():
        pieces.setdefault(number, ([], []))[0].append(key)
    loose: list[tuple[list[str], list[Part]]] = []
    for part in parts:
        member = part.target if part.source is None else part.source
        if member is None:
            loose.append(([], [part]))
        else:
            pieces[piece_of[member]][1].append(part)
    return [*pieces.values(), *loose]


def lanes_of(arrows: Sequence[Arrow]) -> tuple[list[int], dict[str, dict[tuple[str, str], int]]]:
    """How arrows run side by side that have both ends in common.

    Returns:
        For each arrow how many half lanes it is from the middle; for each member's key and its inputs (`('in', name)`)
        and outputs (`('out', name)`) how many arrows run side by side there.
    """
    twins, seen = Counter(arrows), Counter[Arrow]()
    half_lanes = []
    lanes: dict[str, dict[tuple[str, str], int]] = {}
    for arrow in arrows:
        half_lanes.append(2 * seen[arrow] - twins[arrow] + 1)
        seen[arrow] += 1
        for key, port in ((arrow.source, ("out", arrow.output)), (arrow.target, ("in", arrow.input))):
            mine = lanes.setdefault(key, {})
            mine[port] = max(twins[arrow], mine.get(port, 1))
    return half_lanes, lanes
