"""Stream workflows in the dispel4py tradition that measure, place and explain themselves.

from d4py_adaptive import IterativePE, ProducerPE, WorkflowGraph, run
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # the name that type checkers know; importing typing alone would double the time of `d4py --help`
if TYPE_CHECKING:
    from d4py_adaptive.dataflow.builder import CompositePE, WorkflowGraph, create_iterative_chain
    from d4py_adaptive.dataflow.patterns import BasePE, ConsumerPE, IterativePE, ProducerPE, SimpleFunctionPE
    from d4py_adaptive.dataflow.pe import GenericPE
    from d4py_adaptive.runtime.api import RunResult, run
    from d4py_adaptive.runtime.results.reading import read_results

__all__ = [
    "BasePE",
    "CompositePE",
    "ConsumerPE",
    "GenericPE",
    "IterativePE",
    "ProducerPE",
    "RunResult",
    "SimpleFunctionPE",
    "WorkflowGraph",
    "create_iterative_chain",
    "read_results",
    "run",
]

_HOMES = {
    "dataflow.builder": ("CompositePE", "WorkflowGraph", "create_iterative_chain"),
    "dataflow.patterns": ("BasePE", "ConsumerPE", "IterativePE", "ProducerPE", "SimpleFunctionPE"),
    "dataflow.pe": ("GenericPE",),
    "runtime.api": ("RunResult", "run"),
    "runtime.results.reading": ("read_results",),
}


def __getattr__(name: str) -> object:
    """Load a public name when it is first asked for: writing a workflow does not need what runs it."""
    from importlib import import_module

    for module, names in _HOMES.items():
        if name in names:
            value: object = getattr(import_module(f"{__name__}.{module}"), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """The public names."""
    return __all__


def _as_svg(graph: object) -> str:
    """What a notebook shows for a graph."""
    from importlib import import_module

    svg: bytes = import_module(f"{__name__}.dashboard.graph_picture").picture(graph, "svg")
    return svg.decode()


if (_ipython := sys.modules.get("IPython")) and (_shell := _ipython.get_ipython()):
    _formatter = _shell.display_formatter.formatters["image/svg+xml"]
    _formatter.for_type_by_name("d4py_adaptive.dataflow.builder", "WorkflowGraph", _as_svg)
