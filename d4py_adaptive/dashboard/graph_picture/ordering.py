"""The order within each layer: few crossings, by sweeps of barycenters and exchanges of neighbours."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from d4py_adaptive.dashboard.graph_picture.layers import Layered, Vertex

_SWEEPS = 16
_EXCHANGES = 4

Order = list[list[int]]
Ends = dict[int, list[tuple[int, float, float]]]
"""For each vertex or bend: the other end of each link, where it ends there, and here; as parts of their sizes."""


def ordered(drawing: Layered, vertices: Sequence[Vertex]) -> tuple[tuple[int, ...], ...]:
    """The layers, each in an order that makes few edges cross; the same for the same drawing."""
    above, below = _ends(drawing, vertices)
    order = _first_order(drawing)
    best, least = [list(layer) for layer in order], _crossings(order, above)
    for sweep in range(_SWEEPS):
        if not least:
            break
        down = sweep % 2 == 0
        numbers = range(1, len(order)) if down else range(len(order) - 2, -1, -1)
        for number in numbers:
            fixed = _places(order[number - 1 if down else number + 1])
            order[number] = _by_barycenter(order[number], fixed, above if down else below, drawing.beside)
        _exchange(order, above, below)
        crossings = _crossings(order, above)
        if crossings < least:
            best, least = [list(layer) for layer in order], crossings
    return tuple(map(tuple, best))


def _ends(drawing: Layered, vertices: Sequence[Vertex]) -> tuple[Ends, Ends]:
    def part(number: int, end: float) -> float:
        size = vertices[number].across if number < len(vertices) else 0.0
        return 0.9 * end / size if size else 0.0

    above: Ends = {number: [] for layer in drawing.layers for number in layer}
    below: Ends = {number: [] for number in above}
    for link in drawing.links:
        upper_part, lower_part = part(link.upper, link.upper_end), part(link.lower, link.lower_end)
        above[link.lower].append((link.upper, upper_part, lower_part))
        below[link.upper].append((link.lower, lower_part, upper_part))
    return above, below


def _first_order(drawing: Layered) -> Order:
    """As the layers are, but bends that go around something next to it."""
    order = []
    for layer in drawing.layers:
        row = [number for number in layer if number not in drawing.beside]
        for bend in layer:
            if bend in drawing.beside:
                row.insert(row.index(drawing.beside[bend]) + 1, bend)
        order.append(row)
    return order


def _places(layer: Iterable[int]) -> dict[int, int]:
    return {number: place for place, number in enumerate(layer)}


def _by_barycenter(layer: list[int], fixed: Mapping[int, int], ends: Ends, beside: Mapping[int, int]) -> list[int]:
    """The layer sorted by the mean place of what each is linked to; what is linked to nothing stays where it is."""
    wanted: dict[int, float] = {}
    for number in layer:
        if ends[number]:
            wanted[number] = sum(fixed[other] + there - here for other, there, here in ends[number]) / len(ends[number])
    for number in layer:
        if number not in wanted and beside.get(number) in wanted:
            wanted[number] = wanted[beside[number]] + 0.5
    moving = iter(sorted((number for number in layer if number in wanted), key=wanted.__getitem__))
    return [next(moving) if number in wanted else number for number in layer]


def _exchange(order: Order, above: Ends, below: Ends) -> None:
    """Exchange neighbours in a layer while that makes fewer edges cross."""
    places = {number: place for layer in order for place, number in enumerate(layer)}
    for _ in range(_EXCHANGES):
        changed = False
        for layer in order:
            for place in range(len(layer) - 1):
                left, right = layer[place], layer[place + 1]
                gain = sum(_gain(left, right, ends, places) for ends in (above, below))
                if gain > 0:
                    layer[place], layer[place + 1] = right, left
                    places[left], places[right] = place + 1, place
                    changed = True
        if not changed:
            return


def _gain(left: int, right: int, ends: Ends, places: Mapping[int, int]) -> int:
    """How many crossings fewer there are if these two neighbours change places."""
    of_left = [places[other] + part for other, part, _ in ends[left]]
    of_right = [places[other] + part for other, part, _ in ends[right]]
    return sum((a > b) - (a < b) for a in of_left for b in of_right)


def _crossings(order: Order, above: Ends) -> int:
    count = 0
    for upper, lower in pairwise(order):
        fixed = _places(upper)
        links = sorted(
            (fixed[other] + there, place + here)
            for place, number in enumerate(lower)
            for other, there, here in above[number]
        )
        seen: list[float] = []
        for _, end in links:
            count += len(seen) - bisect_right(seen, end)
            insort(seen, end)
    return count
