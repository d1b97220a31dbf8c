"""Processing elements: what a scientist writes.

A PE declares named input and output ports, and a `process` method that is called once per item. The names and
their meaning are dispel4py's, in both generations.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from d4py_adaptive.errors import WorkflowError, did_you_mean

NAME = "name"
TYPE = "type"
GROUPING = "grouping"

SET_BY_RUNTIME = frozenset({"_runtime", "rank"})
"""Attributes of a PE that are no state of its own."""

_SPELLINGS = (("set_input_types", "setInputTypes"), ("get_output_types", "getOutputTypes"))


class Runtime(Protocol):
    """What a running instance gives its PE: somewhere to write to, and somewhere to log."""

    def write(self, port: str, item: object) -> None:
        """Send `item` from the output port `port`."""

    def log(self, message: object) -> None:
        """Print one line under the instance's name."""


class GenericPE:
    """A processing element with any number of named inputs and outputs.

    Subclasses declare ports in `__init__` with `_add_input` and `_add_output`, and override `process`.

    Attributes:
        name: how people call it; the class's name unless set.
        id: `name` and a counter, set when the PE joins a workflow.
        numprocesses: 1 leaves the number of instances free; more is a contract where the number shows in the
            results (ungrouped state, an `'all'` input), and an upper bound elsewhere.
        rank: number of the running instance within the run, from 0.
        stateless: True promises that `process` keeps nothing between items, so that the PE may be replicated;
            False that it must not be; None lets the code be read.
        splittable: True lets a source be replicated, its iterations and inputs shared out.
        combines: True promises that what it keeps for `postprocess` are partial results that a later PE merges, so
            that any number of instances will do.
        ordered: True says that its results depend on the order in which items arrive; then no PE before it has
            several instances, which would mix that order.
        read_only: True promises that `process` neither changes nor keeps what it receives, which spares a copy.
        preload: modules that its work needs; imported once before workers are forked, instead of by each of them.
        on_error: `'stop'`, `'skip'`, `'retry:N'` or `'retry:N,skip'`: what a failing `process` call does.
    """

    stateless: bool | None = None
    splittable: bool = False
    combines: bool = False
    ordered: bool = False
    read_only: bool = False
    preload: tuple[str, ...] = ()
    on_error: str = "stop"
    rank: int = 0
    _runtime: Runtime | None = None

    def __init__(self, numprocesses: int = 1) -> None:
        self.inputconnections: dict[str, dict[str, Any]] = {}
        self.outputconnections: dict[str, dict[str, Any]] = {}
        self.numprocesses = numprocesses
        self.name = type(self).__name__
        self.id = self.name

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Let a hook be overridden under either generation's name."""
        super().__init_subclass__(**kwargs)
        for today, before in _SPELLINGS:
            for name, other in ((today, before), (before, today)):
                if name in vars(cls) and other not in vars(cls):
                    setattr(cls, other, vars(cls)[name])

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        state.pop("_runtime", None)
        return state

    def _add_input(self, name: str, grouping: object = None, tuple_type: list[str] | None = None) -> None:
        """Declare an input port, with the grouping it wants (none is shuffle)."""
        self.inputconnections[name] = _port(name, tuple_type)
        if grouping is not None and grouping not in ("", [], ()):
            self.inputconnections[name][GROUPING] = grouping

    def _add_output(self, name: str, tuple_type: list[str] | None = None) -> None:
        """Declare an output port."""
        self.outputconnections[name] = _port(name, tuple_type)

    add_input = addInput = _addInput = _add_input  # noqa: N815 - the names of dispel4py 2015
    add_output = addOutput = _addOutput = _add_output  # noqa: N815

    def set_input_types(self, types: dict[str, list[str]]) -> None:
        """Be told the types of the items that each connected input receives, before a run; a hook to override.

        Called where every connected input's type is declared; raise an error here to refuse them.
        """

    def get_output_types(self) -> dict[str, list[str]]:
        """The types of the items of each output; override it where they depend on `set_input_types`."""
        return {name: port[TYPE] for name, port in self.outputconnections.items() if TYPE in port}

    setInputTypes = set_input_types  # noqa: N815
    getOutputTypes = get_output_types  # noqa: N815

    def preprocess(self) -> None:
        """Called once per instance, before its first item."""
        self._preprocess()

    def _preprocess(self) -> None:
        """To be overridden instead of `preprocess`."""

    def process(self, inputs: dict[str, Any]) -> Mapping[str, Any] | None:
        """Called once per item with `{port: item}`; what it returns, `{port: item}`, is written.

        A source is called with `{}` once per iteration, or with each of its given inputs.
        """
        outputs: Mapping[str, Any] | None = self._process(inputs)
        return outputs

    def _process(self, data: Any) -> Any:  # noqa: ARG002 - the hook's signature
        """To be overridden instead of `process`."""
        return None

    def postprocess(self) -> None:
        """Called once per instance, after everything its upstreams wrote, in their `postprocess` too."""
        self._postprocess()

    def _postprocess(self) -> None:
        """To be overridden instead of `postprocess`."""

    def write(self, name: str, data: Any, **kwargs: Any) -> None:  # noqa: ARG002 - dispel4py's signature
        """Send `data` from output port `name`; its value is fixed from here on.

        Raises:
            WorkflowError: the PE has no such output.
        """
        self._write(name, data)

    def _write(self, name: str, data: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """What `write` does; for PEs that override it."""
        if name not in self.outputconnections:
            raise WorkflowError(
                f"PE {self.id} has no output {name!r}{did_you_mean(name, self.outputconnections)}; "
                f"its outputs: {', '.join(self.outputconnections) or 'none'}"
            )
        if self._runtime is None:
            raise WorkflowError(f"PE {self.id} is not running, so that it cannot write; run it with d4py_adaptive.run")
        self._runtime.write(name, data)

    def log(self, message: object) -> None:
        """Print one line under the instance's name."""
        if self._runtime is not None:
            self._runtime.log(message)


def _port(name: str, tuple_type: list[str] | None) -> dict[str, Any]:
    port: dict[str, Any] = {NAME: name}
    if tuple_type:
        port[TYPE] = tuple_type
    return port
