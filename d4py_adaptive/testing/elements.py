"""PEs of random workflows: none of their results depends on the order of their items, unless it says so.

What may depend on is `shows`, what a PE lets be seen of the instance that an item came to:
`item` nothing, each output comes of one item; `key` all items of one key; `number` how many items came to the
instance; `whole` all of them; `order` their order too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from d4py_adaptive.dataflow.patterns import ConsumerPE, IterativePE, ProducerPE
from d4py_adaptive.dataflow.pe import GenericPE
from d4py_adaptive.testing.items import (
    disturb,
    make_tail,
    parts,
    plain_key,
    record,
    sortable,
    weight,
)

OUT = "out"
ALSO = "also"
PRIME = 1_000_003


class Source(GenericPE):
    """Writes `amount` items in each call, one more in `postprocess` if asked; begins at a given `start`."""

    def __init__(self, amount: int, form: str, tail: str, keys: Iterable[Any], late: bool = False) -> None:
        super().__init__()
        self._add_output(OUT)
        self.amount, self.form, self.tail, self.keys, self.late = amount, form, tail, list(keys), late
        self.next = 0

    def item(self) -> Any:
        """The next item."""
        self.next += 1
        key = self.keys[self.next % len(self.keys)]
        return record(self.form, key, self.next, make_tail(self.tail, self.next))

    def process(self, inputs: dict[str, Any]) -> None:
        """Write a burst."""
        self.next += inputs.get("start", 0)
        for _ in range(self.amount):
            self.write(OUT, self.item())

    def postprocess(self) -> None:
        """Write the late item."""
        if self.late:
            self.write(OUT, self.item())


class BufferSource(Source):
    """A source that writes the same object over and over, with other content."""

    def __init__(self, amount: int, form: str, tail: str, keys: Iterable[Any], late: bool = False) -> None:
        super().__init__(amount, "list", tail, keys, late)
        self.buffer: list[Any] = [None, 0, np.zeros(3)]

    def item(self) -> Any:
        """The buffer, filled anew."""
        self.next += 1
        self.buffer[0] = self.keys[self.next % len(self.keys)]
        self.buffer[1] = self.next
        self.buffer[2] += self.next
        return self.buffer


class OneByOne(ProducerPE):
    """A source that returns an item per call."""

    def __init__(self, form: str, tail: str, keys: Iterable[Any]) -> None:
        super().__init__()
        self.form, self.tail, self.keys = form, tail, list(keys)
        self.next = 0

    def _process(self, inputs: dict[str, Any]) -> Any:
        self.next += 1 + inputs.get("start", 0)
        return record(self.form, self.keys[self.next % len(self.keys)], self.next, make_tail(self.tail, self.next))


class SplitSource(GenericPE):
    """A source whose given inputs may be shared out: what it writes depends on each of them alone."""

    splittable = True

    def __init__(self, amount: int, form: str, tail: str, keys: Iterable[Any]) -> None:
        super().__init__()
        self._add_output(OUT)
        self.amount, self.form, self.tail, self.keys = amount, form, tail, list(keys)

    def process(self, inputs: dict[str, Any]) -> None:
        """Write a burst."""
        for n in range(inputs.get("start", 0), inputs.get("start", 0) + self.amount):
            self.write(OUT, record(self.form, self.keys[n % len(self.keys)], n, make_tail(self.tail, n)))


class Element(GenericPE):
    """A PE with any inputs, which sees to each item by itself.

    Args:
        groupings: the inputs and their groupings.
        form: of the items it makes.
        number: some number that its class makes use of.
        numprocesses: as for any PE.
    """

    shows = "item"
    outputs: tuple[str, ...] = (OUT,)

    def __init__(
        self, groupings: Mapping[str, object], form: str = "tuple", number: int = 1, numprocesses: int = 1
    ) -> None:
        super().__init__(numprocesses)
        for port, grouping in groupings.items():
            self._add_input(port, grouping)
        for port in self.outputs:
            self._add_output(port)
        self.form, self.number = form, number

    def process(self, inputs: dict[str, Any]) -> None:
        """See to each item."""
        for port, item in inputs.items():
            self.see(port, item)

    def see(self, port: str, item: Any) -> None:
        """See to one item."""


class Shift(Element):
    """Adds to the value; the tail it passes on is the one it got."""

    stateless = True

    def see(self, port: str, item: Any) -> None:
        """Write a new record around the old tail."""
        key, value, tail = parts(item)
        self.write(OUT, record(self.form, key, value + self.number, tail))


class PlainShift(GenericPE):
    """The same for one input, without a word on its state, by returning."""

    def __init__(self, groupings: Mapping[str, object], form: str = "tuple", number: int = 1, numprocesses: int = 1) -> None:
        super().__init__(numprocesses)
        for port, grouping in groupings.items():
            self._add_input(port, grouping)
        self._add_output(OUT)

    def process(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Return the item itself where there is one."""
        found = list(inputs.values())
        for item in found[1:]:
            self.write(OUT, item)
        return {OUT: found[0]}


class Filter(Element):
    """Lets some values through."""

    stateless = True

    def see(self, port: str, item: Any) -> None:
        """Pass on the item itself."""
        if parts(item)[1] % (self.number + 1) == 0:
            self.write(OUT, item)


class Expand(Element):
    """Writes several items for one."""

    stateless = True

    def see(self, port: str, item: Any) -> None:
        """Write variations with one tail."""
        key, value, tail = parts(item)
        for i in range(self.number):
            self.write(OUT, record(self.form, key, value + i, tail))


class Spoil(Element):
    """Changes what it received in place and passes it on."""

    stateless = True

    def see(self, port: str, item: Any) -> None:
        """Pass on the changed item."""
        disturb(item)
        self.write(OUT, item)


class Bury(Element):
    """Changes what it received in place, and passes on nothing but what it was."""

    stateless = True

    def see(self, port: str, item: Any) -> None:
        """Write what the item held before, then spoil it."""
        key, value, tail = parts(item)
        self.write(OUT, (key, value, weight(tail)))
        disturb(item)


class Echo(Element):
    """Passes one object on from two outputs."""

    stateless = True
    outputs = (OUT, ALSO)

    def see(self, port: str, item: Any) -> None:
        """Write the item to both outputs."""
        self.write(OUT, item)
        self.write(ALSO, item)


class Twice(Element):
    """Writes an item, changes it, writes it again, and changes it again."""

    def see(self, port: str, item: Any) -> None:
        """Write the same object twice."""
        self.write(OUT, item)
        disturb(item)
        self._write(OUT, item)
        disturb(item)


class Weigh(Element):
    """Promises not to change what it reads."""

    stateless = True
    read_only = True

    def see(self, port: str, item: Any) -> None:
        """Write the weight."""
        key, value, tail = parts(item)
        self.write(OUT, record(self.form, key, value + weight(tail), None))


class Pair(Element):
    """Writes items that hold the received one twice, and a tuple around it."""

    stateless = True

    def see(self, port: str, item: Any) -> None:
        """Nest the item."""
        key, value, tail = parts(item)
        self.write(OUT, record(self.form, key, value, [[tail, tail], (item,)]))


class Reuser(Element):
    """Fills one buffer, writes it, and wipes it."""

    def __init__(
        self, groupings: Mapping[str, object], form: str = "tuple", number: int = 1, numprocesses: int = 1
    ) -> None:
        super().__init__(groupings, form, number, numprocesses)
        self.rows: list[int] = []
        self.array = np.zeros(4, dtype=np.int64)

    def see(self, port: str, item: Any) -> None:
        """Write the buffers, then wipe them."""
        key, value, tail = parts(item)
        self.rows[:] = [value, weight(tail)]
        self.array[:] = value
        self.write(OUT, record(self.form, key, value, {"rows": self.rows, "array": self.array}))
        self.rows.clear()
        self.array[:] = -1


class Keeper(Element):
    """Passes items on, changes them afterwards, keeps them, and writes them once more at the end."""

    def __init__(
        self, groupings: Mapping[str, object], form: str = "tuple", number: int = 1, numprocesses: int = 1
    ) -> None:
        super().__init__(groupings, form, number, numprocesses)
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


class Picky(Element):
    """Fails on some values, after writing; those items are skipped."""

    stateless = True
    on_error = "skip"

    def process(self, inputs: dict[str, Any]) -> None:
        """Write, then fail for some."""
        for item in inputs.values():
            disturb(item)
            self.write(OUT, item)
        if any(parts(item)[1] % (self.number + 1) == 1 for item in inputs.values()):
            raise ValueError("picky")


class Flaky(Element):
    """Fails every other time, after writing and after spoiling the item; a second attempt succeeds."""

    on_error = "retry:1"

    def __init__(
        self, groupings: Mapping[str, object], form: str = "tuple", number: int = 1, numprocesses: int = 1
    ) -> None:
        super().__init__(groupings, form, number, numprocesses)
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

    def __init__(
        self, groupings: Mapping[str, object], form: str = "tuple", number: int = 1, numprocesses: int = 1
    ) -> None:
        super().__init__(groupings, form, number, numprocesses)
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

    def __init__(
        self, groupings: Mapping[str, object], form: str = "tuple", number: int = 1, numprocesses: int = 1
    ) -> None:
        super().__init__(groupings, form, number, numprocesses)
        self.counts = dict.fromkeys(groupings, 0)

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

    def __init__(
        self, groupings: Mapping[str, object], form: str = "tuple", number: int = 1, numprocesses: int = 1
    ) -> None:
        super().__init__(groupings, form, number, numprocesses)
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

    def __init__(
        self, groupings: Mapping[str, object], form: str = "tuple", number: int = 1, numprocesses: int = 1
    ) -> None:
        super().__init__(groupings, form, number, numprocesses)
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

    def __init__(
        self, groupings: Mapping[str, object], form: str = "tuple", number: int = 1, numprocesses: int = 1
    ) -> None:
        super().__init__(groupings, form, number, numprocesses)
        self.broadcast = {port for port, grouping in groupings.items() if grouping == "all"}
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

    def __init__(
        self, groupings: Mapping[str, object], form: str = "tuple", number: int = 1, numprocesses: int = 1
    ) -> None:
        super().__init__(groupings, form, number, numprocesses)
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

    def __init__(
        self, groupings: Mapping[str, object], form: str = "tuple", number: int = 1, numprocesses: int = 1
    ) -> None:
        super().__init__(groupings, form, number, numprocesses)
        self.seen: dict[tuple[str, int], int] = {}

    def see(self, port: str, item: Any) -> None:
        """Compare with the sender's last number."""
        key, value, (pe, rank, sent) = parts(item)
        if sent <= self.seen.get((pe, rank), 0):
            self.write(OUT, record(self.form, "overtaken", sent, None))
        self.seen[pe, rank] = sent
        self.write(OUT, record(self.form, key, value, None))


class Sink(Element):
    """Writes nothing."""

    outputs = ()


class PlainSink(ConsumerPE):
    """Changes what it consumes."""

    def _process(self, data: Any) -> None:
        disturb(data)


class Bump(IterativePE):
    """Returns a changed item."""

    def _process(self, data: Any) -> Any:
        disturb(data)
        return data


def add_one(item: Any) -> Any:
    """A step of a chain: a new record with the old tail."""
    key, value, tail = parts(item)
    return record("dict", key, value + 1, tail)


def spoil(item: Any) -> Any:
    """A step of a chain: the item itself, changed."""
    disturb(item)
    return item


def keep_even(item: Any, divisor: int = 2) -> Any:
    """A step of a chain that lets some items through."""
    return item if parts(item)[1] % divisor == 0 else None
