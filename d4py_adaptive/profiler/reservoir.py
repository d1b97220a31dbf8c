"""A fair sample of calls, each with the size of its item, in constant memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from random import Random
from typing import Any

CAPACITY = 512
"""Calls that a reservoir holds."""


class Reservoir:
    """Keeps `CAPACITY` of the calls it is told, each as likely as any other (Vitter's algorithm R).

    Args:
        seed: of its own random numbers; the global ones belong to the PEs.

    Attributes:
        seen: calls it was told.
        pairs: bytes of the item and nanoseconds of the call, of those it holds; in no order.
    """

    __slots__ = ("_draw", "pairs", "seen")

    def __init__(self, seed: int = 0) -> None:
        self.seen = 0
        self.pairs: list[tuple[int, int]] = []
        self._draw = Random(seed).random

    def add(self, item_bytes: int, service_ns: int) -> None:
        """Tell it of a call."""
        self.seen += 1
        if self.seen <= CAPACITY:
            self.pairs.append((item_bytes, service_ns))
        else:
            place = int(self._draw() * self.seen)
            if place < CAPACITY:
                self.pairs[place] = (item_bytes, service_ns)

    def to_dict(self) -> dict[str, Any]:
        """Everything but the random numbers, as plain values."""
        return {"seen": self.seen, "pairs": [list(pair) for pair in self.pairs]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], seed: int = 0) -> Reservoir:
        """What `to_dict` gave; more calls may be added."""
        made = cls(seed)
        made.seen = values["seen"]
        made.pairs = [(item_bytes, service_ns) for item_bytes, service_ns in values["pairs"]]
        return made

    @classmethod
    def merged(cls, parts: Iterable[Reservoir], seed: int = 0) -> Reservoir:
        """A fair sample of all calls that the parts were told together, as if one reservoir had been."""
        parts, random = list(parts), Random(seed)
        made = cls(seed)
        made.seen = sum(part.seen for part in parts)
        shuffled = [random.sample(part.pairs, len(part.pairs)) for part in parts]
        left = [part.seen for part in parts]
        for _ in range(min(CAPACITY, made.seen)):
            # the next call of a fair sample is one of a part's as often as the part has calls left
            (number,) = random.choices(range(len(parts)), left)
            left[number] -= 1
            made.pairs.append(shuffled[number].pop())
        return made
