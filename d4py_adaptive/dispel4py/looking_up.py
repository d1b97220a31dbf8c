"""dispel4py's functions that find a graph, and the small ones beside them."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

from d4py_adaptive.dataflow.builder import WorkflowGraph
from d4py_adaptive.dataflow.canonical import stable_hash
from d4py_adaptive.runtime.loading import find_graph, load
from d4py_adaptive.wire.sizes import payload_bytes


def findWorkflowGraph(mod: ModuleType, attr: str | None = None) -> WorkflowGraph:  # noqa: N802 - dispel4py's names
    """The graph in a module, or the one of this name."""
    return find_graph(mod, mod.__name__, attr, {})


def loadGraph(module_name: str, attr: str | None = None) -> WorkflowGraph:  # noqa: N802
    """The graph in the module of this name."""
    return findWorkflowGraph(importlib.import_module(module_name), attr)


def loadGraphFromFile(module_name: str, path: str, attr: str | None = None) -> WorkflowGraph:  # noqa: N802, ARG001
    """The graph in a file."""
    return load(path, attr, {}).graph


def load_graph(graph_source: str, attr: str | None = None) -> WorkflowGraph:
    """The graph in a module or a file."""
    return load(graph_source, attr, {}).graph


def total_size(o: Any, handlers: object = None, verbose: bool = False) -> int:  # noqa: ARG001
    """About how many bytes an object holds."""
    return payload_bytes(o)


def make_hash(o: Any) -> int:
    """A hash of a value, the same in every process and on every machine."""
    return stable_hash(o)
