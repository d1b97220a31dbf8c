"""PEs of random workflows that keep something between items; see `elements` for what they may show of it."""

# ruff: noqa: ARG002 - `see` has the signature that some of them need

from __future__ import annotations

from typing import Any

import numpy as np

from d4py_adaptive.dataflow.pe import GROUPING
from d4py_adaptive.testing.elements import Element
from d4py_adaptive.testing.items import disturb, parts, plain_key, record, sortable, weight
from d4py_adaptive.testing.sources import OUT

PRIME = 1_000_003


class Reuser(Element):
    """Fills one buffer, writes it, and wipes it."""

    def begin(self) -> None:
        """Make the state."""
        self.rows: list[int] = []
        self.array = np.zeros(4, dtype=np.int64)

    def see(self, port: str, item: Any) -> None:
        """Write the buffers, then wipe them."""
        key, value, tail = parts(item)
        self.rows[:] = [value, weight(tail)]
        self.array[:] = value % PRIME
        self.write(OUT, record(self.form, key, value, {"rows": self.rows, "array": self.array}))
        self.rows.clear()
        self.array[:] = -1


class Keeper(Element):
    """Passes items on, changes them afterwards, keeps them, and writes them once more at the end."""

    def begin(self) -> None:
        """Make the state."""
        self.kept: list[Any] = []

    def see(self, port: str, item: Any) -> None:
        """Keep the item."""
        if self.number % 2:
            self.write(OUT, item)
        disturb(item)
        self.kept.append(item)

    def postprocess(self) -> None:
        """Write what was kept, and spoil it."""
        for item in self.kept:
            disturb(item)
            self.write(OUT, item)
            disturb(item)


class Flaky(Element):
    """Fails every other time, after writing and after spoiling the item; a second attempt succeeds."""

    on_error = "retry:1"

    def begin(self) -> None:
        """Make the state."""
        self.fine = True

    def see(self, port: str, item: Any) -> None:
        """Write, then fail for the first time."""
        key, value, tail = parts(item)
        self.write(OUT, record(self.form, key, value, tail))
        disturb(item)

    def process(self, inputs: dict[str, Any]) -> None:
        """Fail every other time."""
        self.fine = not self.fine
        super().process(inputs)
        if not self.fine:
            raise ValueError("flaky")


class Tally(Element):
    """Counts and adds up per key, and tells at the end."""

    shows = "key"

    def begin(self) -> None:
        """Make the state."""
        self.sums: dict[Any, list[int]] = {}

    def see(self, port: str, item: Any) -> None:
        """Add to the key's sums."""
        key, value, tail = parts(item)
        sums = self.sums.setdefault(plain_key(key), [0, 0])
        sums[0] += 1
        sums[1] += value + weight(tail)

    def postprocess(self) -> None:
        """Write an item per key."""
        for key, sums in self.sums.items():
            self.write(OUT, record(self.form, key, sums[0], sums))


class Headcount(Element):
    """Tells at the end how many items came to the instance."""

    shows = "number"

    def begin(self) -> None:
        """Make the state."""
        self.counts = dict.fromkeys(self.inputconnections, 0)

    def see(self, port: str, item: Any) -> None:
        """Count."""
        self.counts[port] += 1

    def postprocess(self) -> None:
        """Write the counts."""
        for port, count in self.counts.items():
            self.write(OUT, record(self.form, port, count, None))


class Total(Headcount):
    """Tells at the end how many items came to the instance, and their sum, per input."""

    shows = "whole"

    def see(self, port: str, item: Any) -> None:
        """Add up."""
        _, value, tail = parts(item)
        self.counts[port] += PRIME * (value + weight(tail)) + 1


class Sorter(Element):
    """Writes one list of everything at the end."""

    shows = "whole"

    def begin(self) -> None:
        """Make the state."""
        self.kept: list[Any] = []

    def see(self, port: str, item: Any) -> None:
        """Keep the item."""
        self.kept.append(item)

    def postprocess(self) -> None:
        """Write the sorted list."""
        found = sortable(self.kept)
        self.write(OUT, record(self.form, "sorted", len(found), found))


class Fold(Element):
    """Writes a number at the end that depends on the order of the items."""

    shows = "order"

    def begin(self) -> None:
        """Make the state."""
        self.sum = 0

    def see(self, port: str, item: Any) -> None:
        """Fold the item in."""
        _, value, tail = parts(item)
        self.sum = (self.sum * 31 + value + weight(tail)) % PRIME

    def postprocess(self) -> None:
        """Write the number."""
        self.write(OUT, record(self.form, "fold", self.sum, None))


class Join(Element):
    """Writes each item at the end, its value raised by the sum of all that came by the `'all'` inputs."""

    def begin(self) -> None:
        """Make the state."""
        self.broadcast = {name for name, port in self.inputconnections.items() if port.get(GROUPING) == "all"}
        self.sum = 0
        self.kept: list[tuple[Any, int]] = []

    def see(self, port: str, item: Any) -> None:
        """Add up what is for all, keep the rest."""
        key, value, tail = parts(item)
        if port in self.broadcast:
            self.sum += value + weight(tail)
        else:
            self.kept.append((key, value))

    def postprocess(self) -> None:
        """Write the raised items."""
        for key, value in self.kept:
            self.write(OUT, record(self.form, key, value + self.sum, None))


class Number(Element):
    """Numbers what it writes, and signs it: for `InOrder` alone, since the signature depends on the plan."""

    def begin(self) -> None:
        """Make the state."""
        self.sent = 0

    def see(self, port: str, item: Any) -> None:
        """Number the item."""
        key, value, _ = parts(item)
        self.sent += 1
        self.write(OUT, record(self.form, key, value, [self.id, self.rank, self.sent]))

    def postprocess(self) -> None:
        """One more."""
        self.sent += 1
        self.write(OUT, record(self.form, "last", 0, [self.id, self.rank, self.sent]))


class InOrder(Element):
    """Passes on what comes, and tells whether something was overtaken."""

    def begin(self) -> None:
        """Make the state."""
        self.seen: dict[tuple[str, int], int] = {}

    def see(self, port: str, item: Any) -> None:
        """Compare with the sender's last number."""
        key, value, (pe, rank, sent) = parts(item)
        if sent < self.seen.get((pe, rank), 0):
            self.write(OUT, record(self.form, "overtaken", sent, None))
        self.seen[pe, rank] = sent
        self.write(OUT, record(self.form, key, value, None))
