"""What `preprocess` may set or fill, so that its value now says nothing about its value while items are processed."""

from __future__ import annotations

import ast
import types
from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

from d4py_adaptive.dataflow import patterns
from d4py_adaptive.dataflow import pe as pe_module
from d4py_adaptive.dataflow.pe import GenericPE
from d4py_adaptive.dataflow.replication_rule.objects import instance_attributes, lookup
from d4py_adaptive.dataflow.replication_rule.source import Source, Sources, bound_by, mangled

BASES = frozenset({pe_module.__name__, patterns.__name__})
REACHES_EVERYTHING = frozenset(
    {"setattr", "delattr", "vars", "__dict__", "__setattr__", "exec", "eval", "globals", "locals", "import_module"}
)


class _Everything(Collection[str]):
    """A collection that holds every name."""

    def __contains__(self, name: object) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


class Touched(NamedTuple):
    """The names of attributes and globals that `preprocess` may assign, and those that it uses."""

    replaced: Collection[str]
    filled: Collection[str]


def touched_by_preprocess(pe: GenericPE, sources: Sources) -> Touched:
    """What the PE's own `preprocess` and the functions it calls name; everything where that cannot be seen."""
    waiting = _own_preprocess(pe)
    seen: list[types.FunctionType] = []
    touched = Touched(set(), set())
    while waiting:
        function = waiting.pop()
        if function in seen or not sources.is_users(function):
            continue
        seen.append(function)
        source = sources.of(function)
        if source is None or _lets_self_go(source) or not _note(source, touched):
            return Touched(_Everything(), _Everything())
        waiting += _called(source, function, type(pe))
    return touched


def _own_preprocess(pe: GenericPE) -> list[types.FunctionType]:
    found = [vars(base).get(name) for base in type(pe).__mro__ for name in ("preprocess", "_preprocess")]
    found += [instance_attributes(pe).get(name) for name in ("preprocess", "_preprocess")]
    functions = [getattr(function, "__func__", function) for function in found]
    return [
        function
        for function in functions
        if isinstance(function, types.FunctionType) and function.__module__ not in BASES
    ]


def _lets_self_go(source: Source) -> bool:
    """Whether `self` itself is given to anybody, who may then set any attribute."""
    names = source.node.args.posonlyargs + source.node.args.args
    if not names or source.class_name is None:
        return False
    held = {
        id(part.value) for part in ast.walk(source.node) if isinstance(part, ast.Attribute) and part.attr != "__class__"
    }
    return any(
        isinstance(part, ast.Name) and part.id == names[0].arg and id(part) not in held
        for part in ast.walk(source.node)
    )


def _note(source: Source, touched: Touched) -> bool:
    """Add the names that `source` assigns and uses; False if it may reach others."""
    replaced: Any = touched.replaced
    filled: Any = touched.filled
    for part in ast.walk(source.node):
        if isinstance(part, ast.Attribute):
            name = f".{mangled(part.attr, source.class_name)}"
            (filled if isinstance(part.ctx, ast.Load) else replaced).add(name)
        elif isinstance(part, ast.Name):
            filled.add(part.id)
        elif isinstance(part, ast.Global):
            replaced.update(part.names)
        elif isinstance(part, ast.Import | ast.ImportFrom):
            filled.update(bound_by(part))
    return not REACHES_EVERYTHING & {name.lstrip(".") for name in filled | replaced}


def _called(source: Source, function: types.FunctionType, cls: type) -> list[types.FunctionType]:
    called = []
    for part in ast.walk(source.node):
        if isinstance(part, ast.Attribute):
            found = lookup(cls, mangled(part.attr, source.class_name))
            thing = found[1] if found and found[0].__module__ not in BASES else None
        elif isinstance(part, ast.Name):
            thing = function.__globals__.get(part.id)
        else:
            continue
        thing = getattr(thing, "fget", None) or getattr(thing, "__func__", thing)
        if isinstance(thing, types.FunctionType):
            called.append(thing)
    return called
