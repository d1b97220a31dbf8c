"""What a graph and the code of a PE are called, so that what was measured of them is found again.

Both are 16 hex digits, the same in every process and on every machine, wherever the files lie.
"""

from __future__ import annotations

import ast
import functools
import inspect
import itertools
import linecache
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from d4py_adaptive.dataflow.digest import digest
from d4py_adaptive.dataflow.grouping import GroupBy
from d4py_adaptive.dataflow.pe import GenericPE
from d4py_adaptive.dataflow.replication_rule.source import Sources
from d4py_adaptive.dataflow.workflow import Stream, Workflow

MOST_THINGS = 500
"""Functions and classes that are followed from one PE."""

_PACKAGE = "d4py_adaptive."
_WORKFLOWS = (f"{_PACKAGE}workflows.", f"{_PACKAGE}testing.")
_MOST_MEMBERS = 100
_PLAIN = (bool, int, float, complex, str, bytes, type(None))
_SAYS_NOTHING = frozenset({"annotation", "returns", "type_comment", "type_params", "kind"})
_WITH_DOCSTRING = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def workflow_fingerprint(workflow: Workflow) -> str:
    """Sixteen hex digits for a graph: ids, classes and ports of its PEs, its streams and their groupings.

    PEs and streams may stand in any order. A PE is known by its id, as its figures are: where another order of
    `add` and `connect` numbers PEs otherwise, the graph is another.
    """
    pes = [
        (node.id, type(node.prototype).__qualname__, sorted(node.inputs), sorted(node.outputs))
        for node in workflow.nodes
    ]
    return _name([sorted(map(digest, pes)), sorted(digest(_joins(stream)) for stream in workflow.streams)])


def _joins(stream: Stream) -> tuple[object, ...]:
    keys = stream.grouping.keys if isinstance(stream.grouping, GroupBy) else ()
    return stream.source, stream.output, stream.target, stream.input, type(stream.grouping).__name__, keys


def code_digest(pe: GenericPE) -> str:
    """Sixteen hex digits for the code of a PE, which change when it is edited.

    Counted are the user's classes that it is made of, the functions it holds (`compute_fn`), and what these reach
    by name in the user's modules: functions, classes, and constants that are written there as such. Comments,
    layout, docstrings and annotations are not, nor what the PE's own attributes hold, nor what is imported inside a
    function. The text counts where it is found, so that versions of Python agree; else the bytecode.
    """
    reader = _Reader(type(pe).__module__.partition(".")[0])
    waiting = deque([type(pe), *_held(vars(pe).values())])
    seen: dict[int, object] = {}  # an id is good as long as its object lives
    while waiting and len(seen) < MOST_THINGS:
        thing = waiting.popleft()
        if id(thing) not in seen:
            seen[id(thing)] = thing
            waiting.extend(reader.read(thing))
    return _name(sorted(reader.found))


def _name(value: object) -> str:
    return digest(value).hex()[:16]


def _held(values: Iterable[Any]) -> Iterator[Any]:
    """The values, and in the place of lists and dicts what stands in them; without plain ones, which hold no code."""
    for value in values:
        members = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else [value]
        yield from (member for member in itertools.islice(members, _MOST_MEMBERS) if type(member) not in _PLAIN)


class _Reader:
    """Takes code apart.

    Attributes:
        found: a digest for each thing that counts.
    """

    def __init__(self, own_package: str) -> None:
        self._sources = Sources(frozenset({own_package}))
        self.found: set[bytes] = set()

    def read(self, thing: Any) -> Iterator[Any]:
        """Note what a thing is; yields what it leads to."""
        if isinstance(thing, type):
            yield from self._read_class(thing) if self._is_users(thing) else ()
            return
        yield from _inside(thing)
        if isinstance(thing, FunctionType) and self._is_users(thing):
            yield from self._read_function(thing)
        elif isinstance(thing, FunctionType):  # what wraps a function bears its name, but not in its code
            self.found.add(digest(("library", thing.__globals__.get("__name__"), thing.__code__.co_qualname)))
        elif isinstance(thing, BuiltinFunctionType):
            self.found.add(digest(("library", thing.__module__, thing.__qualname__)))
        else:
            yield type(thing)

    def _is_users(self, thing: Any) -> bool:
        name = f"{thing.__name__ if isinstance(thing, ModuleType) else thing.__module__}."
        return name.startswith(_WORKFLOWS) if name.startswith(_PACKAGE) else self._sources.is_users(thing)

    def _read_class(self, cls: type) -> Iterator[Any]:
        constants = {name: _plain(value) for name, value in vars(cls).items() if not name[:2] == name[-2:] == "__"}
        self.found.add(digest(("class", cls.__qualname__, [base.__qualname__ for base in cls.__bases__], constants)))
        yield from cls.__bases__
        yield from _held(vars(cls).values())

    def _read_function(self, function: FunctionType) -> Iterator[Any]:
        source = self._sources.of(function)
        self.found.add(_written(source.node) if source is not None else digest(function.__code__))
        for cell in function.__closure__ or ():
            try:
                yield cell.cell_contents
            except ValueError:  # an empty cell: a name not bound yet
                continue
        yield from self._named(_names(function.__code__), function.__globals__, set())

    def _named(self, names: set[str], module: Mapping[str, Any], seen: set[int]) -> Iterator[Any]:
        """What names stand for in a module of the user's, and in those that it imports; notes constants."""
        constants = _constants(module)
        for name in sorted(names & module.keys()):
            value = module[name]
            if name in constants:
                self.found.add(digest((name, constants[name])))
            elif not isinstance(value, ModuleType):
                yield from _held([value])
            elif id(value) not in seen and self._is_users(value):
                seen.add(id(value))
                yield from self._named(names, vars(value), seen)


def _plain(value: Any) -> Any:
    """A constant without what is not plain in it."""
    if type(value) in (tuple, frozenset):
        return type(value)(map(_plain, value))
    return value if type(value) in _PLAIN else ...


def _inside(value: Any) -> Iterator[Any]:
    """The functions that a method, a property, a decorated function and their like are made of."""
    if isinstance(value, property):
        yield from (value.fget, value.fset)
    elif isinstance(value, functools.partial | functools.partialmethod | functools.cached_property):
        yield value.func
    elif isinstance(value, MethodType | staticmethod | classmethod):
        yield value.__func__
    elif (wrapped := inspect.getattr_static(value, "__wrapped__", None)) is not None:
        yield wrapped


def _names(code: CodeType) -> set[str]:
    """The names of globals and attributes that code uses, in the functions inside it too."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= _names(constant)
    return names


def _constants(module: Mapping[str, Any]) -> Mapping[str, bytes]:
    """The constants that are written as such at the top of a module; what it computes may differ between runs."""
    file = module.get("__file__")
    if not isinstance(file, str):
        return {}
    linecache.checkcache(file)
    return _constants_in("".join(linecache.getlines(file)))


@functools.lru_cache(maxsize=16)
def _constants_in(text: str) -> Mapping[str, bytes]:
    found: dict[str, bytes] = {}
    try:
        statements = ast.parse(text).body
    except SyntaxError:
        return found
    for statement in statements:
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        value = getattr(statement, "value", None)
        if isinstance(statement, ast.Assign | ast.AnnAssign) and value is not None and _is_literal(value):
            found |= {target.id: _written(value) for target in targets if isinstance(target, ast.Name)}
    return found


def _is_literal(value: ast.expr) -> bool:
    try:
        ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False
    return True


def _written(tree: ast.AST) -> bytes:
    """The digest of a syntax tree: without places, docstrings and annotations, the same in all versions of Python."""
    hashed = blake2b(digest_size=16)
    waiting: list[object] = [tree]
    while waiting:
        part = waiting.pop()
        if isinstance(part, ast.AST):
            fields = _fields(part)
            text = f"{type(part).__name__} {' '.join(fields)}"
            waiting += fields.values()
        elif isinstance(part, list):
            text = f"list {len(part)}"
            waiting += part
        else:
            text = f"{type(part).__name__} {part!r}"
        hashed.update(f"{len(text)} {text}".encode(errors="surrogatepass"))
    return hashed.digest()


def _fields(node: ast.AST) -> dict[str, object]:
    # Empty fields are left out, since later versions of Python have more of them.
    fields = {name: value for name, value in ast.iter_fields(node) if name not in _SAYS_NOTHING and value != []}
    if isinstance(node, _WITH_DOCSTRING) and ast.get_docstring(node, clean=False) is not None:
        fields["body"] = node.body[1:]
    return fields if isinstance(node, ast.Constant) else {n: v for n, v in fields.items() if v is not None}
