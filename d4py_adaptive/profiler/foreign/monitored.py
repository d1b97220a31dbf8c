"""What an instance did, added up from the rows of dispel4py's monitoring trace."""

from __future__ import annotations

import re
from array import array
from collections import defaultdict
from heapq import heappush, heapreplace
from typing import Literal

from d4py_adaptive.profiler.foreign.calls import Calls
from d4py_adaptive.profiler.foreign.slots import COMPUTE, SERIALISE, STARVED, Slots
from d4py_adaptive.profiler.foreign.table import Table

MOST_SPANS = 2_000
"""Of each instance; the longest are kept."""

_OUTPUT = re.compile(r"'output': u?'([^']*)'")
_SIZE = re.compile(r"'size': (\d+)")
_INPUTS = re.compile(r"'input': \[(.*)\]")
_READ = re.compile(r"\(u?'([^']*)', \(u?'([^']*)', (?:\d+|None), u?'([^']*)', \d+\)\)")
_NAME = re.compile(r"u?'([^']*)'")

SpanKind = Literal["preprocess", "process", "postprocess"]

Link = tuple[str, str, str, str]
"""A stream: the PE and output that write, the PE and input that read."""


class MonitoredInstance:
    """What the rows of one PE and rank add up to."""

    def __init__(self, pe: str, rank: str, table: Table, start_s: float, end_s: float) -> None:
        self.pe, self.rank, self.table = pe, rank, table
        self.first_s, self.last_s = start_s, end_s
        self.calls = Calls()
        self.own_s = 0.0  # preprocess and postprocess
        self.starved_s = self.serialise_s = self.overhead_s = 0.0
        self.items_in = 0
        self.items_out: defaultdict[str, int] = defaultdict(int)
        self.bytes_out: defaultdict[str, int] = defaultdict(int)
        self.failed = 0
        self.begun = self.ended = False
        self.spans: list[tuple[float, float, SpanKind]] = []
        self.slots = Slots(start_s)
        self._call: tuple[float, float, float] | None = None  # start, end, what was written within
        self._writes = array("d")  # start and end of those not yet known to lie in a call

    @property
    def busy_s(self) -> float:
        """How long its rank ran it."""
        return self.calls.total_s + self.own_s + self.serialise_s + self.overhead_s

    @property
    def compute_s(self) -> float:
        """How long its PE's own code ran."""
        return self.calls.total_s + self.own_s

    def take(self, method: str, data: str, start_s: float, end_s: float, links: defaultdict[Link, int]) -> None:
        """One row.

        Raises:
            ValueError: its data are not those of its method.
        """
        if start_s < self.first_s:
            self.first_s = start_s
        if end_s > self.last_s:
            self.last_s = end_s
        if method == "read":
            self.starved_s += end_s - start_s
            self.slots.add(STARVED, start_s, end_s)
            self._received(data, links)
        elif method == "write":
            self.serialise_s += end_s - start_s
            self.slots.add(SERIALISE, start_s, end_s)
            self._writes.append(start_s)
            self._writes.append(end_s)
            self._sent(data)
        elif method == "terminate":
            self.overhead_s += end_s - start_s
            self.ended = True
        else:
            self.slots.add(COMPUTE, start_s, end_s)
            if method == "process":
                self.failed += "'error'" in data
                self._keep_span(start_s, end_s, "process")
                self._called(start_s, end_s)
            else:
                self.begun |= method == "preprocess"
                self._keep_span(start_s, end_s, "preprocess" if method == "preprocess" else "postprocess")
                self.own_s += end_s - start_s

    def finish(self) -> None:
        """There are no more rows."""
        self._called(self.last_s, self.last_s)
        self._call = None

    def _called(self, start_s: float, end_s: float) -> None:
        """Begin a call; the one before it is complete now, since all writes inside it are known."""
        before, within_s = self._call, 0.0
        for place in range(0, len(self._writes), 2):
            write_start_s, write_end_s = self._writes[place], self._writes[place + 1]
            if before and write_start_s < before[1] and write_end_s > before[0]:
                before = (before[0], before[1], before[2] + self._inside(before[0], before[1], place))
            elif write_start_s < end_s and write_end_s > start_s:
                within_s += self._inside(start_s, end_s, place)
        if before:
            self.calls.add(max(0.0, before[1] - before[0] - before[2]))
        self._call = (start_s, end_s, within_s)
        del self._writes[:]

    def _inside(self, start_s: float, end_s: float, place: int) -> float:
        """How long a write lasted within a call, which it is no longer counted as part of."""
        start_s, end_s = max(start_s, self._writes[place]), min(end_s, self._writes[place + 1])
        self.slots.add(COMPUTE, start_s, end_s, -1)
        return end_s - start_s

    def _received(self, data: str, links: defaultdict[Link, int]) -> None:
        found = _READ.findall(data)
        for port, source, output in found:
            links[source, output, self.pe, port] += 1
        if not found and (inputs := _INPUTS.search(data)):  # older traces name the inputs only
            found = _NAME.findall(inputs[1])
        self.items_in += len(found)

    def _sent(self, data: str) -> None:
        output = _OUTPUT.search(data)
        if output is None:
            raise ValueError("the data of a write must name its 'output'")
        self.items_out[output[1]] += 1
        if size := _SIZE.search(data):
            self.bytes_out[output[1]] += int(size[1])

    def _keep_span(self, start_s: float, end_s: float, method: SpanKind) -> None:
        span = (end_s - start_s, start_s, method)
        if len(self.spans) < MOST_SPANS:
            heappush(self.spans, span)
        elif span > self.spans[0]:
            heapreplace(self.spans, span)
