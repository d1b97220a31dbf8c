"""The longest calls and waits of an instance, in constant memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from heapq import heappush, heapreplace
from typing import Any

CAPACITY = 1024
"""Spans that are kept."""


class LongestSpans:
    """Keeps the `CAPACITY` longest of the spans it is told; of equally long ones, the first."""

    __slots__ = ("_least_ns", "_queue")

    def __init__(self) -> None:
        self._queue: list[tuple[int, int, int, str]] = []  # a heap: length, -start, end, kind
        self._least_ns = -1

    def add(self, start_ns: int, end_ns: int, kind: str) -> None:
        """Tell it of a span."""
        if end_ns - start_ns > self._least_ns:
            self._keep(start_ns, end_ns, kind)

    def _keep(self, start_ns: int, end_ns: int, kind: str) -> None:
        entry = (end_ns - start_ns, -start_ns, end_ns, kind)  # of equally long ones the last is the first to go
        if len(self._queue) < CAPACITY:
            heappush(self._queue, entry)
        else:
            heapreplace(self._queue, entry)
        if len(self._queue) == CAPACITY:
            self._least_ns = self._queue[0][0]

    def spans(self) -> list[tuple[int, int, str]]:
        """Start, end and kind of each that is kept, in order of time."""
        return sorted((-start, end, kind) for _, start, end, kind in self._queue)

    def to_dict(self) -> dict[str, Any]:
        """The spans, as plain values."""
        return {"spans": [list(span) for span in self.spans()]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> LongestSpans:
        """What `to_dict` gave."""
        made = cls()
        for start_ns, end_ns, kind in values["spans"]:
            made.add(start_ns, end_ns, kind)
        return made

    @classmethod
    def merged(cls, parts: Iterable[LongestSpans]) -> LongestSpans:
        """The longest spans of all parts, whose times must be of one clock."""
        made = cls()
        for span in sorted(span for part in parts for span in part.spans()):
            made.add(*span)
        return made
