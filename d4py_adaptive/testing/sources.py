"""Sources of random workflows: bursts, single items, a buffer used again, and one that may be split."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from d4py_adaptive.dataflow.patterns import ProducerPE
from d4py_adaptive.dataflow.pe import GenericPE
from d4py_adaptive.testing.items import make_tail, record

OUT = "out"


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

    def __init__(self, amount: int, tail: str, keys: Iterable[Any], late: bool = False) -> None:
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
