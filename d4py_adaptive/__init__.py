"""Stream workflows in the dispel4py tradition that measure, place and explain themselves.

from d4py_adaptive import IterativePE, ProducerPE, WorkflowGraph, run
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from d4py_adaptive.dataflow.builder import CompositePE, WorkflowGraph, create_iterative_chain
from d4py_adaptive.dataflow.patterns import BasePE, ConsumerPE, IterativePE, ProducerPE, SimpleFunctionPE
from d4py_adaptive.dataflow.pe import GenericPE

if TYPE_CHECKING:
    from d4py_adaptive.runtime.api import RunResult, run

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
    "run",
]


def __getattr__(name: str) -> Any:
    """Load what runs workflows when it is first asked for: writing one needs none of it."""
    if name in ("run", "RunResult"):
        from d4py_adaptive.runtime import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
