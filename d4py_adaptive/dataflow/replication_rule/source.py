"""Where the code of a function is, as a syntax tree, and whose code it is."""

from __future__ import annotations

import ast
import functools
import importlib.util
import linecache
import site
import sys
import sysconfig
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)

PLAIN_VALUES = ("d4py_adaptive.dataflow.accumulators", "d4py_adaptive.dataflow.exact_sum")
"""Modules of this package that PEs keep values of: long to read, and of no other interest than any library's."""


class Source(NamedTuple):
    """The syntax tree of a function and the class it is written in."""

    node: FunctionNode
    class_name: str | None


class Sources:
    """Finds the code of functions.

    Args:
        own_packages: top-level packages that count as the user's although they are installed.
    """

    def __init__(self, own_packages: frozenset[str]) -> None:
        self._own_packages = own_packages
        self._files: dict[str, list[Source]] = {}
        self._found: dict[types.CodeType, Source | None] = {}

    def is_users(self, thing: Any) -> bool:
        """Whether a function, class or module is the user's own code rather than a library's."""
        if isinstance(thing, types.ModuleType):
            return self._is_users_module(thing.__name__)
        if isinstance(thing, type):
            return self._is_users_module(thing.__module__)
        if isinstance(thing, types.FunctionType):
            if thing.__module__ in PLAIN_VALUES:
                return False
            file = thing.__code__.co_filename
            return not _in_library(file) or self._is_own(thing.__module__ or "", file)
        return False

    def _is_own(self, module: str, file: str) -> bool:
        # What a decorator of a library made in the module was written elsewhere.
        written_there = getattr(sys.modules.get(module), "__file__", None) == file
        return written_there and module.partition(".")[0] in self._own_packages

    def _is_users_module(self, name: str) -> bool:
        if name in PLAIN_VALUES:
            return False
        top = name.partition(".")[0]
        if top in self._own_packages:
            return True
        if top == "builtins" or (top in sys.stdlib_module_names and top != "__main__"):
            return False
        module = sys.modules.get(name) or sys.modules.get(top)
        file = getattr(module, "__file__", None)
        # A module without a file was made by hand, in a notebook or a test, and is nobody's library.
        return file is None or not (_in_library(file) or file.endswith((".so", ".pyd")))

    def is_library_module(self, name: str) -> bool:
        """Whether the top-level module `name`, which need not be loaded, is installed and not the user's."""
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, ValueError):
            return False
        return spec is not None and name not in self._own_packages and _in_library(spec.origin or "")

    def of(self, function: types.FunctionType) -> Source | None:
        """The code of `function`; None if there is none that is surely its own."""
        code = function.__code__
        if code not in self._found:
            self._found[code] = self._find(function)
        return self._found[code]

    def _find(self, function: types.FunctionType) -> Source | None:
        code = function.__code__
        found = [source for source in self._functions(function) if _fits(source.node, code)]
        if len(found) > 1 and code.co_name == "<lambda>":
            # Of lambdas inside one another, the innermost comes last.
            found = [source for source in found if _covers(source.node, code)][-1:]
        return found[0] if len(found) == 1 else None

    def _functions(self, function: types.FunctionType) -> list[Source]:
        file = function.__code__.co_filename
        if file not in self._files:
            linecache.checkcache(file)
            self._files[file] = _functions_of("".join(linecache.getlines(file, function.__globals__)))
        return self._files[file]


def _in_library(file: str) -> bool:
    return file.startswith(_library_folders(tuple(sys.path)))


@functools.lru_cache(maxsize=4)
def _library_folders(search_path: tuple[str, ...]) -> tuple[str, ...]:
    """Where installed packages are: Python's own folders, and those that an installer has left its records in."""
    folders = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    folders += [*site.getsitepackages(), site.getusersitepackages()]
    folders += [folder for folder in search_path if any(Path(folder).glob("*.dist-info"))]
    return ("<frozen", *{f"{path}/" for folder in folders for path in (folder, str(Path(folder).resolve()))})


@functools.lru_cache(maxsize=16)
def _functions_of(text: str) -> list[Source]:
    try:
        return list(_functions_in(ast.parse(text), None))
    except SyntaxError:
        return []


def _functions_in(tree: ast.AST, class_name: str | None) -> list[Source]:
    found = []
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, FunctionNode):
            found.append(Source(node, class_name))
        found += _functions_in(node, node.name if isinstance(node, ast.ClassDef) else class_name)
    return found


def _fits(node: FunctionNode, code: types.CodeType) -> bool:
    name = "<lambda>" if isinstance(node, ast.Lambda) else node.name
    decorators = [] if isinstance(node, ast.Lambda) else node.decorator_list
    first = min([node.lineno, *(decorator.lineno for decorator in decorators)])
    count = code.co_argcount + code.co_kwonlyargcount
    names = [argument.arg for argument in parameters(node)]
    # What the code loads must be written there, or the file is not the one that was run; unless a test runner has
    # rewritten it, under names that nobody can write.
    loaded = {ran for ran in code.co_names if not ran.startswith("_")}
    rewritten = any("@" in ran for ran in loaded)
    return (
        name == code.co_name
        and first == code.co_firstlineno
        and len(names) == count
        and all(ran.endswith(written) for ran, written in zip(code.co_varnames, names, strict=False))
        and (rewritten or loaded <= words_of(node))
    )


def _covers(node: FunctionNode, code: types.CodeType) -> bool:
    spans = [(line, column) for line, _, column, _ in code.co_positions() if line is not None and column]
    if not isinstance(node, ast.Lambda) or not spans:
        return False
    body = node.body
    return min(spans)[0] >= body.lineno and all(
        (body.lineno, body.col_offset) <= span <= (body.end_lineno or span[0], body.end_col_offset or span[1])
        for span in spans
    )


def parameters(node: FunctionNode) -> list[ast.arg]:
    """The named parameters of a function, in the order in which code keeps them."""
    return [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]


def words_of(node: ast.AST) -> set[str]:
    """Every name that is written in `node`: variables, attributes, imports."""
    words: set[str] = set()
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            words.add(part.id)
        elif isinstance(part, ast.Attribute):
            words.add(part.attr)
        elif isinstance(part, ast.alias):
            words |= {part.name, part.asname or "", *part.name.split(".")}
        elif isinstance(part, ast.ImportFrom):
            words.add(part.module or "")
        elif isinstance(part, ast.Assert):
            words.add("AssertionError")
        elif isinstance(part, ast.MatchClass):
            words |= set(part.kwd_attrs)
    return words


def _scope(part: ast.AST) -> Iterator[ast.AST]:
    """The nodes of one scope: not those of functions and classes inside it, nor comprehensions' own names."""
    yield part
    if isinstance(part, SCOPES):
        return
    for field, value in ast.iter_fields(part):
        if isinstance(part, ast.comprehension) and field == "target":
            continue
        for inner in value if isinstance(value, list) else [value]:
            if isinstance(inner, ast.AST):
                yield from _scope(inner)


class Names(NamedTuple):
    """The names that a function binds in its own scope, and those it declares to be of another."""

    bound: frozenset[str]
    global_: frozenset[str]
    nonlocal_: frozenset[str]


def names_of(node: FunctionNode) -> Names:
    """The names that a function binds and declares."""
    bound = {argument.arg for argument in parameters(node)}
    bound |= {extra.arg for extra in (node.args.vararg, node.args.kwarg) if extra}
    global_: set[str] = set()
    nonlocal_: set[str] = set()
    for top in [node.body] if isinstance(node, ast.Lambda) else node.body:
        for part in _scope(top):
            bound |= bound_by(part)
            if isinstance(part, ast.Global):
                global_ |= set(part.names)
            elif isinstance(part, ast.Nonlocal):
                nonlocal_ |= set(part.names)
    return Names(frozenset(bound - global_ - nonlocal_), frozenset(global_), frozenset(nonlocal_))


def bound_by(part: ast.AST) -> set[str]:
    """The names that one node binds, by itself."""
    if isinstance(part, ast.Name) and not isinstance(part.ctx, ast.Load):
        return {part.id}
    if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {part.name}
    if isinstance(part, ast.ExceptHandler | ast.MatchAs | ast.MatchStar):
        return {part.name} if part.name else set()
    if isinstance(part, ast.MatchMapping):
        return {part.rest} if part.rest else set()
    if isinstance(part, ast.Import | ast.ImportFrom):
        return {alias.asname or alias.name.partition(".")[0] for alias in part.names}
    return set()


def mangled(name: str, class_name: str | None) -> str:
    """The name under which a private attribute written in a class is kept."""
    if class_name is None or not name.startswith("__") or name.endswith("__"):
        return name
    return f"_{class_name.lstrip('_')}{name}"
