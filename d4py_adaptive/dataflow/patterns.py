"""PEs for the common shapes: one in and one out, a source, a sink, a plain function."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from types import MethodType
from typing import Any, NamedTuple

from d4py_adaptive.dataflow.pe import GenericPE


class BasePE(GenericPE):
    """A PE whose ports are given as lists of names, or counted (`input0`, `input1`, …)."""

    INPUT_NAME = "input"
    OUTPUT_NAME = "output"

    def __init__(
        self,
        inputs: Iterable[str] | None = None,
        outputs: Iterable[str] | None = None,
        num_inputs: int = 0,
        num_outputs: int = 0,
    ) -> None:
        super().__init__()
        for name in [*(f"{self.INPUT_NAME}{i}" for i in range(num_inputs)), *(inputs or ())]:
            self._add_input(name)
        for name in [*(f"{self.OUTPUT_NAME}{i}" for i in range(num_outputs)), *(outputs or ())]:
            self._add_output(name)


class IterativePE(GenericPE):
    """One input, one output; `_process(data)` returns the output item, or None for none."""

    INPUT_NAME = "input"
    OUTPUT_NAME = "output"

    def __init__(self, numprocesses: int = 1) -> None:
        super().__init__(numprocesses)
        self._add_input(self.INPUT_NAME)
        self._add_output(self.OUTPUT_NAME)

    def process(self, inputs: dict[str, Any]) -> Mapping[str, Any] | None:
        """Pass the item to `_process` and write what it returns."""
        result = self._process(inputs[self.INPUT_NAME])
        return None if result is None else {self.OUTPUT_NAME: result}


class ProducerPE(GenericPE):
    """A source: no input, one output; `_process(inputs)`, or `_process()`, is called once per iteration."""

    OUTPUT_NAME = "output"
    _takes_inputs = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """See whether `_process` takes the inputs, which are always empty; dispel4py's first users left them out."""
        super().__init_subclass__(**kwargs)
        if inspect.isfunction(vars(cls).get("_process")):
            cls._takes_inputs = len(inspect.signature(vars(cls)["_process"]).parameters) > 1

    def __init__(self, numprocesses: int = 1) -> None:
        super().__init__(numprocesses)
        self._add_output(self.OUTPUT_NAME)

    def process(self, inputs: dict[str, Any]) -> Mapping[str, Any] | None:
        """Call `_process` and write what it returns."""
        result = self._process(inputs) if self._takes_inputs else self._process()  # type: ignore[call-arg]
        return None if result is None else {self.OUTPUT_NAME: result}


class ConsumerPE(GenericPE):
    """A sink: one input, no output; `_process(data)` is called once per item."""

    INPUT_NAME = "input"

    def __init__(self, numprocesses: int = 1) -> None:
        super().__init__(numprocesses)
        self._add_input(self.INPUT_NAME)

    def process(self, inputs: dict[str, Any]) -> None:
        """Pass the item to `_process`."""
        self._process(inputs[self.INPUT_NAME])


class SimpleFunctionPE(IterativePE):
    """Calls `compute_fn(item, **params)` for each item and writes what it returns."""

    def __init__(self, compute_fn: Callable[..., Any] | None = None, params: dict[str, Any] | None = None) -> None:
        super().__init__()
        if compute_fn is not None:
            self.name = f"PE_{compute_fn.__name__}"
        self.compute_fn = compute_fn
        self.params = params or {}

    def _process(self, data: Any) -> Any:
        if self.compute_fn is None:
            return None
        return self.compute_fn(data, **self.params) if self.params else self.compute_fn(data)


class ByValue(NamedTuple):
    """What a pattern's own `process` does with an item: write what `call(item)` returns, unless it is None.

    Attributes:
        call: the PE's `_process`.
        input: the port of the item; empty for a source, whose `_process` is given the empty inputs.
        output: the port that the result is written to; empty if it is dropped.
    """

    call: Callable[[Any], Any]
    input: str
    output: str


_PORTS = {
    IterativePE.process: ("INPUT_NAME", "OUTPUT_NAME"),
    ProducerPE.process: ("", "OUTPUT_NAME"),
    ConsumerPE.process: ("INPUT_NAME", ""),
}
_NAMES = frozenset({"process", "_process", "INPUT_NAME", "OUTPUT_NAME", "_takes_inputs"})


def by_value(pe: GenericPE) -> ByValue | None:
    """How to do without `process`, as long as the PE is given no further attributes; None where it must be called.

    That is where it is not the pattern's own, or where the PE itself, not its class, holds what it looks up: then that
    may be another thing at the next call.
    """
    process = pe.process
    if type(process) is not MethodType or process.__self__ is not pe or not _NAMES.isdisjoint(vars(pe)):
        return None
    ports = _PORTS.get(process.__func__)
    if ports is None or not getattr(pe, "_takes_inputs", True):
        return None
    return ByValue(pe._process, *[name and getattr(pe, name) for name in ports])
