"""The rule for what may be replicated: only a PE that provably keeps nothing between items."""

from __future__ import annotations

import ast
import inspect
import textwrap
from dataclasses import dataclass
from typing import Any

from d4py_adaptive.dataflow import patterns
from d4py_adaptive.dataflow import pe as pe_module
from d4py_adaptive.dataflow.pe import GenericPE

_BASES = (pe_module.__name__, patterns.__name__)


@dataclass(frozen=True, slots=True)
class StateVerdict:
    """Whether a PE keeps anything between items.

    Attributes:
        stateless: it may be replicated.
        reason: one sentence for people.
        declared: the PE says so itself.
        uses_random: reachable code draws from the global random generators.
    """

    stateless: bool
    reason: str
    declared: bool
    uses_random: bool


def read_state(pe: GenericPE) -> StateVerdict:
    """The verdict on `pe`: declared, else read from its code; unsure counts as stateful."""
    if pe.stateless is not None:
        return StateVerdict(pe.stateless, f"declared stateless = {pe.stateless}", True, False)
    for name in ("postprocess", "_postprocess"):
        if getattr(type(pe), name).__module__ not in _BASES:
            return StateVerdict(False, f"{type(pe).__name__} has its own {name}", False, False)
    if _simple(type(pe).process) and _simple(type(pe)._process):
        return StateVerdict(True, "process changes nothing that outlives an item", False, False)
    return StateVerdict(False, "unsure; declare `stateless = True` if it keeps nothing between items", False, False)


def _simple(function: Any) -> bool:
    if function.__module__ in _BASES:
        return True
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return False
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Subscript) and not isinstance(node.ctx, ast.Load):
            return False
        if isinstance(node, ast.Call) and not _known(node.func):
            return False
        if isinstance(node, ast.Global | ast.Nonlocal | ast.Lambda | ast.AsyncFunctionDef):
            return False
    return True


def _known(func: ast.expr) -> bool:
    if isinstance(func, ast.Name):
        return func.id in {"len", "sum", "min", "max", "abs", "range", "int", "float", "str", "list", "dict", "tuple"}
    return (
        isinstance(func, ast.Attribute)
        and isinstance(func.value, ast.Name)
        and func.value.id == "self"
        and func.attr in {"write", "_write", "log"}
    )
