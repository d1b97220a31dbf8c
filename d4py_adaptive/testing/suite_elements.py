"""The PEs of the conformance suite; at module level, so that every start method can bring them to a worker."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from d4py_adaptive.dataflow.patterns import IterativePE, ProducerPE
from d4py_adaptive.dataflow.pe import GenericPE


class Emit(GenericPE):
    """A source that writes these items in one call."""

    def __init__(self, items: Iterable[Any]) -> None:
        super().__init__()
        self._add_output("output")
        self.items = items

    def process(self, inputs: dict[str, Any]) -> None:  # noqa: ARG002 - the hook's signature
        """Write them all."""
        for item in self.items:
            self.write("output", item)


class Count(ProducerPE):
    """A source that returns 1, 2, 3, … call by call."""

    def __init__(self) -> None:
        super().__init__()
        self.number = 0

    def _process(self, inputs: dict[str, Any]) -> Any:
        self.number = inputs.get("input", self.number + 1)
        return self.number


class Apply(IterativePE):
    """Returns what a function makes of each item."""

    stateless = True

    def __init__(self, function: Callable[[Any], Any], read_only: bool = False, on_error: str = "stop") -> None:
        super().__init__()
        self.function = function
        self.read_only = read_only
        self.on_error = on_error

    def _process(self, data: Any) -> Any:
        return self.function(data)


def same(item: Any) -> Any:
    """The item itself."""
    return item


def double(item: Any) -> Any:
    """Twice the item."""
    return 2 * item


class Collect(GenericPE):
    """Writes `(rank, index, all it received)` at the end."""

    def __init__(self, grouping: object = None, numprocesses: int = 1) -> None:
        super().__init__(numprocesses)
        self._add_input("input", grouping)
        self._add_output("output")
        self.items: list[Any] = []

    def process(self, inputs: dict[str, Any]) -> None:
        """Keep the item."""
        self.items.append(inputs["input"])

    def postprocess(self) -> None:
        """Write them."""
        self.write("output", (self.rank, self.items))


class CountKeys(GenericPE):
    """Counts items by key and writes `(key, count)` at the end; one with two inputs that are grouped alike."""

    def __init__(self, grouping: object = (0,), numprocesses: int = 1) -> None:
        super().__init__(numprocesses)
        self._add_input("input", grouping)
        self._add_input("other", grouping)
        self._add_output("output")
        self.counts: dict[Any, int] = {}

    def process(self, inputs: dict[str, Any]) -> None:
        """Count."""
        for item in inputs.values():
            self.counts[item[0]] = self.counts.get(item[0], 0) + 1

    def postprocess(self) -> None:
        """Write the counts."""
        for entry in self.counts.items():
            self.write("output", entry)


class Diary(GenericPE):
    """Writes down its life and passes the diary on at the end; `late` items are written then too."""

    def __init__(self, late: Iterable[Any] = (), numprocesses: int = 1, grouping: object = None) -> None:
        super().__init__(numprocesses)
        self._add_input("input", grouping)
        self._add_output("output")
        self._add_output("diary")
        self.late = tuple(late)
        self.entries: list[Any] = []

    def preprocess(self) -> None:
        """Note it."""
        self.entries.append("preprocess")

    def process(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Note the item and pass it on."""
        self.entries.append(inputs["input"])
        return {"output": inputs["input"]}

    def postprocess(self) -> None:
        """Write the late items and the diary."""
        for item in self.late:
            self.write("output", item)
        self.entries.append("postprocess")
        self.write("diary", list(self.entries))


class Wait(IterativePE):
    """Takes its time for each item, and again at the end."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    def _process(self, data: Any) -> Any:
        time.sleep(self.seconds)
        return data

    def postprocess(self) -> None:
        """Wait, then write one more."""
        time.sleep(self.seconds)
        self.write("output", "late")


class Runner(GenericPE):
    """A source that writes `(name, 1)`, `(name, 2)`, … in one call, and notes its progress in a file's size."""

    def __init__(self, name: str, amount: int, progress: Path | None = None, payload: Any = None) -> None:
        super().__init__()
        self._add_output("output")
        self.label, self.amount, self.progress, self.payload = name, amount, progress, payload

    def process(self, inputs: dict[str, Any]) -> None:  # noqa: ARG002
        """Write them all."""
        with contextlib.ExitStack() as files:
            progress = files.enter_context(self.progress.open("wb", 0)) if self.progress else None
            for number in range(1, self.amount + 1):
                if progress is not None:
                    progress.write(b".")
                self.write("output", (self.label, number, self.payload))


class Chaser(GenericPE):
    """Reads slowly what a `Runner` writes, and writes at the end how far it was ahead at most."""

    def __init__(self, progress: Path, seconds: float) -> None:
        super().__init__()
        self._add_input("input")
        self._add_output("output")
        self.progress, self.seconds = progress, seconds
        self.furthest = 0

    def process(self, inputs: dict[str, Any]) -> None:
        """Compare, and take some time."""
        number = inputs["input"][1]
        self.furthest = max(self.furthest, self.progress.stat().st_size - number)
        time.sleep(self.seconds)

    def postprocess(self) -> None:
        """Write it."""
        self.write("output", self.furthest)


class Fail(IterativePE):
    """Passes items on, and raises at some point of its life."""

    stateless = False

    def __init__(self, error: BaseException, method: str = "process", at: Any = 3, on_error: str = "stop") -> None:
        super().__init__()
        self.error, self.method, self.at = error, method, at
        self.on_error = on_error

    def preprocess(self) -> None:
        """Fail here if asked to."""
        if self.method == "preprocess":
            raise self.error

    def _process(self, data: Any) -> Any:
        self.write("output", data)
        if self.method == "process" and data == self.at:
            raise self.error

    def postprocess(self) -> None:
        """Fail here if asked to."""
        if self.method == "postprocess":
            raise self.error


class FailAtFirst(IterativePE):
    """Raises at the first attempts at each item, after having written and changed it."""

    def __init__(self, times: int, on_error: str) -> None:
        super().__init__()
        self.times, self.on_error = times, on_error
        self.attempts = 0

    def _process(self, data: Any) -> None:
        self.attempts += 1
        data.append(self.attempts)
        self.write("output", data)
        if self.attempts <= self.times:
            raise ConnectionError(f"attempt {self.attempts}")
        self.attempts = 0


class Swallow(IterativePE):
    """Ignores whatever its writes raise."""

    def __init__(self, errors: type[BaseException]) -> None:
        super().__init__()
        self.errors = errors

    def _process(self, data: Any) -> None:
        for _ in range(3):
            with contextlib.suppress(self.errors):  # what careless users do
                self.write("output", data)


class Refill(GenericPE):
    """Writes one buffer over and over, with other content, and spoils it at the end."""

    def __init__(self, buffer: Any, times: int = 5) -> None:
        super().__init__()
        self._add_output("output")
        self.buffer, self.times = buffer, times

    def process(self, inputs: dict[str, Any]) -> None:  # noqa: ARG002
        """Fill, write, fill, write."""
        for number in range(self.times):
            self.buffer[:] = type(self.buffer)([number]) * len(self.buffer) if _is_plain(self.buffer) else number
            self.write("output", self.buffer)
        self.buffer[:] = self.buffer[::-1]
        self.buffer[0] = 99


def _is_plain(buffer: Any) -> bool:
    return isinstance(buffer, list | bytearray)


class Spoil(GenericPE):
    """Writes a number for each item, then changes the item."""

    def __init__(self, look: Callable[[Any], Any], spoil: Callable[[Any], object], inputs: int = 1) -> None:
        super().__init__()
        for number in range(inputs):
            self._add_input(f"input{number}")
        self._add_output("output")
        self.look, self.spoil = look, spoil

    def process(self, inputs: dict[str, Any]) -> None:
        """Look, then spoil."""
        for item in inputs.values():
            self.write("output", self.look(item))
            self.spoil(item)


class Draw(IterativePE):
    """Draws numbers from every generator it can find."""

    def __init__(self, numprocesses: int = 1, grouping: object = None) -> None:
        super().__init__(numprocesses)
        self._add_input("input", grouping)
        self.own = random.Random(7)

    def _process(self, data: Any) -> Any:
        import numpy as np

        return data, self.rank, random.random(), float(np.random.rand()), self.own.random()


class Talk(IterativePE):
    """Prints in pieces and logs, in every part of its life."""

    def preprocess(self) -> None:
        """Say so."""
        print("hello", self.rank)  # noqa: T201

    def _process(self, data: Any) -> Any:
        print("item", end=" ")  # noqa: T201
        self.write("output", data)
        print(data)  # noqa: T201
        self.log(f"saw {data}\nand more")
        return None

    def postprocess(self) -> None:
        """Leave a line without an end."""
        print("bye", end="")  # noqa: T201


class Hold(IterativePE):
    """Holds something that cannot be copied."""

    def __init__(self, thing: Any) -> None:
        super().__init__()
        self.thing = thing

    def _process(self, data: Any) -> Any:
        return data


class Split(GenericPE):
    """A source that may be split: writes what it is given, or its rank."""

    splittable = True

    def __init__(self) -> None:
        super().__init__()
        self._add_output("output")

    def process(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Return it."""
        return {"output": inputs.get("input", "called")}


class Sneak(IterativePE):
    """Counts in a way that reading its code might not find."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Any] = []

    def _process(self, data: Any) -> Any:
        vars(self)["seen"].__iadd__([data])
        return data


class Mark(GenericPE):
    """A source that writes for ever, and leaves a mark when its call ends."""

    def __init__(self, mark: Path, amount: int = 10**9) -> None:
        super().__init__()
        self._add_output("output")
        self.mark, self.amount = mark, amount

    def process(self, inputs: dict[str, Any]) -> None:  # noqa: ARG002
        """Write, and clean up."""
        try:
            for number in range(self.amount):
                self.write("output", number)
        finally:
            self.mark.write_text("cleaned up")
