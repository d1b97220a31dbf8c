"""PEs of random workflows: none of their results depends on the order of their items, unless it says so.

What may depend on it is `shows`, what a PE lets be seen of the instance that an item came to:
`item` nothing, each output comes of one item; `key` all items of one key; `number` how many items came to the
instance; `whole` all of them; `order` their order too.
"""

# ruff: noqa: ARG002 - `see` and the constructors have the signature that some of them need

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from d4py_adaptive.dataflow.patterns import ConsumerPE, IterativePE
from d4py_adaptive.dataflow.pe import GenericPE
from d4py_adaptive.testing.items import disturb, parts, record, weight
from d4py_adaptive.testing.sources import OUT

ALSO = "also"


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
        self.begin()

    def begin(self) -> None:
        """Make the state of a new PE."""

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

    def __init__(
        self, groupings: Mapping[str, object], form: str = "tuple", number: int = 1, numprocesses: int = 1
    ) -> None:
        super().__init__(numprocesses)
        for port, grouping in groupings.items():
            self._add_input(port, grouping)
        self._add_output(OUT)

    def process(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Return the item itself."""
        for item in inputs.values():
            return {OUT: item}
        return {}


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
    """Writes items that hold the received tail twice."""

    stateless = True

    def see(self, port: str, item: Any) -> None:
        """Nest the tail, once."""
        key, value, tail = parts(item)
        nested = isinstance(tail, list) and len(tail) > 1 and tail[0] is tail[1]
        self.write(OUT, record(self.form, key, value, tail if nested else [tail, tail]))


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
