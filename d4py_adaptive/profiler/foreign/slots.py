"""When an instance did what, from intervals in any order, in constant memory.

The cells double when the run outgrows them. There are several times as many as slots in the timeline that is made of
them at the end, so that it can begin exactly when the run did, which nobody knows before the last row is read.
"""

from __future__ import annotations

from collections import defaultdict
from math import floor

from d4py_adaptive.telemetry.profile import Timeline

COMPUTE, SERIALISE, STARVED = range(3)
SLOTS = 200
CELLS = 1600
_FIRST_CELL_S = 0.001


class Slots:
    """Adds up intervals by kind (`COMPUTE`, `SERIALISE`, `STARVED`).

    Args:
        anchor_s: a time near the run's start.
    """

    def __init__(self, anchor_s: float) -> None:
        self._anchor_s = anchor_s
        self._cell_s = _FIRST_CELL_S
        self._low = self._high = 0
        self._cells: list[defaultdict[int, float]] = [defaultdict(float) for _ in range(3)]

    def add(self, kind: int, start_s: float, end_s: float, sign: int = 1) -> None:
        """Add an interval, or with `sign` -1 take back a part of one that was added."""
        start_s, end_s = start_s - self._anchor_s, end_s - self._anchor_s
        first, last = floor(start_s / self._cell_s), floor(end_s / self._cell_s)
        if first < self._low or last > self._high:
            while max(self._high, last) - min(self._low, first) >= CELLS:
                self._halve()
                first, last = floor(start_s / self._cell_s), floor(end_s / self._cell_s)
            self._low, self._high = min(self._low, first), max(self._high, last)
        cells, cell_s = self._cells[kind], self._cell_s * sign
        if first == last:
            cells[first] += (end_s - start_s) * sign
            return
        cells[first] += ((first + 1) * self._cell_s - start_s) * sign
        for cell in range(first + 1, last):
            cells[cell] += cell_s
        cells[last] += (end_s - last * self._cell_s) * sign

    def timeline(self, start_s: float, end_s: float) -> Timeline | None:
        """The timeline of a run that lasted from `start_s` to `end_s`; None if that is no time."""
        slot_s = (end_s - start_s) / SLOTS
        if slot_s <= 0:
            return None
        compute, serialise, starved = (self._spread(cells, start_s, slot_s) for cells in self._cells)
        return Timeline(
            slot_s=slot_s, compute_s=compute, serialise_s=serialise, blocked_s=(0.0,) * SLOTS, starved_s=starved
        )

    def _halve(self) -> None:
        """Join cells two by two."""
        for kind, old in enumerate(self._cells):
            new: defaultdict[int, float] = defaultdict(float)
            for cell, seconds in old.items():
                new[cell >> 1] += seconds
            self._cells[kind] = new
        self._cell_s *= 2
        self._low, self._high = self._low >> 1, self._high >> 1

    def _spread(self, cells: dict[int, float], start_s: float, slot_s: float) -> tuple[float, ...]:
        """The cells in slots of another length; where a cell lies in several slots, by its share in each."""
        slots = [0.0] * SLOTS
        per_slot = self._cell_s / slot_s
        shift = (self._anchor_s - start_s) / slot_s
        for cell, seconds in cells.items():
            begin = cell * per_slot + shift
            end = begin + per_slot
            begin, end = max(0.0, begin), min(float(SLOTS), end)
            if end <= begin:
                continue
            for slot in range(int(begin), min(SLOTS, floor(end) + 1)):
                inside = min(end, slot + 1) - max(begin, slot)
                slots[slot] += seconds * max(0.0, inside) / (end - begin)
        return tuple(min(slot_s, max(0.0, seconds)) for seconds in slots)
