"""Where in its layer everything stands: Brandes and Köpf, "Fast and simple horizontal coordinate assignment", 2001.

Four drawings are made, each of which sets vertices exactly below or above one of their neighbours (upper or lower
ones, leftmost or rightmost first) in vertical blocks, and packs the blocks to one side; the place of each vertex is
the mean of its two middle ones. Long edges come out straight, and parents between their children. What has a single
edge is then moved to where that is straight, as far as there is room.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from itertools import pairwise

from d4py_adaptive.dashboard.graph_picture.layers import Link

Layers = Sequence[Sequence[int]]


@dataclass(frozen=True, slots=True)
class _Blocks:
    """The block that each vertex is in, by one vertex of it, and where in it, from that one."""

    root: dict[int, int]
    shift: dict[int, float]


def across_places(
    layers: Layers, links: Sequence[Link], sizes: Mapping[int, float], bends: frozenset[int], apart: float
) -> dict[int, float]:
    """The middle of each vertex and bend, across the layers.

    Args:
        layers: what is in each layer, in order.
        links: the edges, cut into pieces between neighbouring layers.
        sizes: how much room each takes, across.
        bends: those that are bends of edges.
        apart: least distance between neighbours.
    """
    avoided = _crossed(layers, links, bends)
    drawings = []
    for upwards in (False, True):
        for mirrored in (False, True):
            rows, pieces = [list(row) for row in layers], list(links)
            if upwards:
                rows, pieces = rows[::-1], [Link(p.lower, p.upper, p.lower_end, p.upper_end) for p in pieces]
            if mirrored:
                rows, pieces = [row[::-1] for row in rows], [_mirrored(piece) for piece in pieces]
            places = _pack(rows, _align(rows, pieces, avoided), sizes, apart)
            drawings.append({number: -place if mirrored else place for number, place in places.items()})
    return _straightened(_middle(drawings, sizes), layers, links, sizes, apart)


def _mirrored(link: Link) -> Link:
    return Link(link.upper, link.lower, -link.upper_end, -link.lower_end)


def _crossed(layers: Layers, links: Sequence[Link], bends: frozenset[int]) -> set[frozenset[int]]:
    """The ends of links that cross a piece of a long edge, which has precedence, as it is to be straight."""
    places = {number: place for row in layers for place, number in enumerate(row)}
    row_of = {number: row for row, numbers in enumerate(layers) for number in numbers}
    rows: dict[int, list[tuple[int, int]]] = {}
    for link in links:
        rows.setdefault(row_of[link.upper], []).append((link.upper, link.lower))
    found = set()
    for pieces in rows.values():
        straight = [piece for piece in pieces if bends.issuperset(piece)]
        for upper, lower in pieces:
            if bends.issuperset((upper, lower)):
                continue
            if any((places[upper] - places[a]) * (places[lower] - places[b]) < 0 for a, b in straight):
                found.add(frozenset((upper, lower)))
    return found


def _align(layers: Layers, links: Sequence[Link], avoided: set[frozenset[int]]) -> _Blocks:
    """Put each vertex into the block of a middle one of its upper neighbours, where no other block is crossed."""
    places = {number: place for row in layers for place, number in enumerate(row)}
    above: dict[int, list[Link]] = {number: [] for number in places}
    for link in links:
        above[link.lower].append(link)
    root, shift = {number: number for number in places}, dict.fromkeys(places, 0.0)
    for row in layers:
        last = -1
        for number in row:
            pieces = sorted(above[number], key=lambda link: (places[link.upper], link.upper_end))
            for link in pieces[(len(pieces) - 1) // 2 : len(pieces) // 2 + 1]:
                if places[link.upper] > last and {link.upper, number} not in avoided:
                    root[number] = root[link.upper]
                    shift[number] = shift[link.upper] + link.upper_end - link.lower_end
                    last = places[link.upper]
                    break
    return _Blocks(root, shift)


def _pack(layers: Layers, blocks: _Blocks, sizes: Mapping[int, float], apart: float) -> dict[int, float]:
    """The places of all vertices with their blocks as far left as they go, then towards their right neighbours."""
    root, shift = blocks.root, blocks.shift
    left_of: dict[int, dict[int, float]] = {block: {} for block in root.values()}
    right_of: dict[int, dict[int, float]] = {block: {} for block in root.values()}
    for row in layers:
        for left, right in pairwise(row):
            least = shift[left] + (sizes[left] + sizes[right]) / 2 + apart - shift[right]
            least = max(least, left_of[root[right]].get(root[left], least))
            left_of[root[right]][root[left]] = right_of[root[left]][root[right]] = least
    order = list(TopologicalSorter(left_of).static_order())
    at: dict[int, float] = {}
    for block in order:
        at[block] = max((at[other] + least for other, least in left_of[block].items()), default=0.0)
    for block in reversed(order):
        if right_of[block]:
            at[block] = max(at[block], min(at[other] - least for other, least in right_of[block].items()))
    return {number: at[root[number]] + shift[number] for number in root}


def _middle(drawings: list[dict[int, float]], sizes: Mapping[int, float]) -> dict[int, float]:
    """The drawings laid over the narrowest; of each vertex's four places, the mean of the two in the middle."""

    def sides(places: dict[int, float]) -> tuple[float, float]:
        return min(p - sizes[n] / 2 for n, p in places.items()), max(p + sizes[n] / 2 for n, p in places.items())

    bounds = [sides(places) for places in drawings]
    left, right = min(bounds, key=lambda side: side[1] - side[0])
    moves = [
        (right - side[1]) if mirrored else (left - side[0])
        for side, mirrored in zip(bounds, (False, True, False, True), strict=True)
    ]
    result = {}
    for number in drawings[0]:
        four = sorted(places[number] + move for places, move in zip(drawings, moves, strict=True))
        result[number] = (four[1] + four[2]) / 2
    return result


def _straightened(
    places: dict[int, float], layers: Layers, links: Sequence[Link], sizes: Mapping[int, float], apart: float
) -> dict[int, float]:
    """The places, but what has a single edge as near as can be to where that is straight."""
    wanted: dict[int, list[tuple[int, float]]] = {number: [] for number in places}
    for link in links:
        wanted[link.lower].append((link.upper, link.upper_end - link.lower_end))
        wanted[link.upper].append((link.lower, link.lower_end - link.upper_end))
    places = dict(places)
    for row in (*layers, *(layer[::-1] for layer in layers)):
        for place, number in enumerate(row):
            if len(wanted[number]) != 1:
                continue
            other, further = wanted[number][0]
            beside = [row[i] for i in (place - 1, place + 1) if 0 <= i < len(row)]
            target = places[other] + further
            for neighbour in beside:
                least = (sizes[number] + sizes[neighbour]) / 2 + apart
                if places[neighbour] < places[number]:
                    target = max(target, places[neighbour] + least)
                else:
                    target = min(target, places[neighbour] - least)
            places[number] = target
    return places
