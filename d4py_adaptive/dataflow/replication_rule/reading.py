"""Reads the code of functions without running it, and notes what outlives the item and is changed.

The order of statements is not looked at: a variable is whatever it is ever assigned. Reading is repeated until
nothing more comes to light.
"""

from __future__ import annotations

import ast
import types
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from d4py_adaptive.dataflow.pe import GenericPE
from d4py_adaptive.dataflow.replication_rule.calls import Calls
from d4py_adaptive.dataflow.replication_rule.findings import NOWHERE, Findings, Place
from d4py_adaptive.dataflow.replication_rule.source import FunctionNode, Names, Sources, names_of
from d4py_adaptive.dataflow.replication_rule.statements import Statements
from d4py_adaptive.dataflow.replication_rule.values import (
    LOCAL,
    NOTHING,
    UNSEEN,
    Args,
    Closure,
    Live,
    Value,
    holder,
    join,
    live,
    row,
)

MOST_FUNCTIONS = 500
MOST_ROUNDS = 40


@dataclass(eq=False)
class Frame:
    """A function being read with one kind of arguments; what its variables may be grows from round to round."""

    node: FunctionNode
    names: Names
    function: types.FunctionType
    class_name: str | None
    parent: Frame | None = None
    variables: dict[str, Value] = field(default_factory=dict)
    renamed: tuple[dict[str, str], ...] = ()
    result: Value = NOTHING
    read_in_round: int = -1

    @property
    def name(self) -> str:
        """What people call the function."""
        return "a lambda" if isinstance(self.node, ast.Lambda) else self.node.name


class Reader(Calls):
    """Follows the code that a call reaches."""

    def __init__(self, sources: Sources, replaced: Collection[str] = (), filled: Collection[str] = ()) -> None:
        super().__init__(sources, replaced, filled)
        self._frames: dict[tuple[types.FunctionType, Args], Frame] = {}
        self._closures: dict[tuple[ast.AST, Frame], Closure] = {}
        self._scopes_seen: set[int] = set()
        self._round = 0

    def read(self, function: Value, args: Args) -> Findings:
        """What calling `function` brings to light."""
        for self._round in range(MOST_ROUNDS):
            self.grew = False
            self.findings.place = NOWHERE
            self.call(function, args, ast.Name("process", ast.Load()))
            if not self.grew:
                break
        else:
            self.findings.unsure("is too involved to be read")
        return self.findings

    @contextmanager
    def at(self, frame: Frame) -> Iterator[None]:
        """What is found inside is found in `frame`."""
        before = self.findings.place
        self.findings.place = Place(frame.name, frame.function.__code__.co_filename, frame.node)
        try:
            yield
        finally:
            self.findings.place = before

    # ------------------------------------------------------------------ functions

    def run(self, function: types.FunctionType, args: Args) -> Value:
        """What a function of the user's returns, having noted what it changes."""
        key = (function, args)
        frame = self._frames.get(key)
        if frame is None:
            frame = self._open(function)
            if frame is None:
                return UNSEEN
            self._frames[key] = frame
            self.grew = True
        self.take(frame, args, self._defaults(function))
        return self._read(frame)

    def _open(self, function: types.FunctionType) -> Frame | None:
        if len(self._frames) >= MOST_FUNCTIONS:
            self.findings.unsure(f"reaches more than {MOST_FUNCTIONS} functions")
            return None
        source = self.sources.of(function)
        if source is None:
            self.findings.unsure(f"calls {function.__name__}, whose source could not be found")
            return None
        if isinstance(source.node, ast.AsyncFunctionDef):
            self.findings.unsure(f"calls {function.__name__}, which is asynchronous")
            return None
        self._look_for_classes(function.__globals__)
        return Frame(source.node, names_of(source.node), function, source.class_name)

    @staticmethod
    def _defaults(function: types.FunctionType) -> dict[str, Value]:
        code = function.__code__
        names = code.co_varnames[: code.co_argcount]
        defaults = function.__defaults__ or ()
        positional = dict(zip(names[len(names) - len(defaults) :], defaults, strict=True))
        return {name: live(value) for name, value in (positional | (function.__kwdefaults__ or {})).items()}

    def run_closure(self, closure: Closure, args: Args) -> Value:
        """What a function defined in the code being read returns, having noted what it changes."""
        frame: Frame = closure.frame
        self.take(frame, args, {})
        return self._read(frame)

    def close(self, node: FunctionNode, frame: Frame, defaults: dict[str, Value]) -> Value:
        """The function that `node`, inside `frame`, defines; it is read as if called with the item's own things."""
        closure = self._closures.get((node, frame))
        if closure is None:
            names = names_of(node)
            renamed = tuple({old: new for old, new in part.items() if old not in names.bound} for part in frame.renamed)
            inner = Frame(node, names, frame.function, frame.class_name, frame, renamed=renamed)
            closure = self._closures[node, frame] = Closure(inner)
            self.grew = True
        for name, value in defaults.items():
            self.bind(closure.frame, name, value)
        self.take(closure.frame, Args(star=LOCAL, double_star=LOCAL), {})
        self._read(closure.frame)
        return frozenset({closure})

    def take(self, frame: Frame, args: Args, defaults: dict[str, Value]) -> None:
        """Bind the parameters of `frame`."""
        spec = frame.node.args
        positional = [argument.arg for argument in [*spec.posonlyargs, *spec.args]]
        everything = [*positional, *(argument.arg for argument in spec.kwonlyargs)]
        named = dict(args.named)
        for position, name in enumerate(everything):
            value = args.positional[position] if name in positional and position < len(args.positional) else NOTHING
            value = join(value, named.get(name, NOTHING))
            if not value:
                spread = args.star if name in positional else NOTHING
                value = join(spread, args.double_star, defaults.get(name, NOTHING))
            self.bind(frame, name, value)
        if spec.vararg:
            extra = args.positional[len(positional) :]
            self.bind(frame, spec.vararg.arg, holder(join(args.star, *extra)) if args.star else row(*extra))
        if spec.kwarg:
            extra_named = (value for name, value in args.named if name not in everything)
            self.bind(frame, spec.kwarg.arg, holder(join(args.double_star, *extra_named)))

    def _read(self, frame: Frame) -> Value:
        if frame.read_in_round != self._round:
            frame.read_in_round = self._round
            with self.at(frame):
                Statements(self, frame).read()
        return frame.result

    def returned(self, frame: Frame, value: Value) -> None:
        """`frame` may return `value`."""
        result = join(frame.result, value)
        if result != frame.result:
            frame.result, self.grew = result, True

    # ------------------------------------------------------------------ variables

    def bind(self, frame: Frame, name: str, value: Value) -> None:
        """The variable `name` of `frame` may be `value`."""
        before = frame.variables.get(name, NOTHING)
        after = join(before, value)
        if after != before:
            frame.variables[name], self.grew = after, True

    def owner_of(self, frame: Frame, name: str) -> Frame | None:
        """The frame that has the variable `name`; None where it outlives the item."""
        if name in frame.names.global_:
            return None
        scope: Frame | None = frame
        while scope is not None:
            if name in scope.names.bound or name in scope.variables:
                return scope
            scope = scope.parent
        return None

    def variable(self, frame: Frame, name: str) -> Value:
        """What the variable `name` may be, read in `frame`."""
        for renamed in reversed(frame.renamed):
            if name in renamed:
                name = renamed[name]
                break
        owner = self.owner_of(frame, name)
        if owner is not None:
            return owner.variables.get(name, NOTHING)
        return self._outer(frame, name)

    def _outer(self, frame: Frame, name: str) -> Value:
        function = frame.function
        code = function.__code__
        if name in code.co_freevars and function.__closure__ and name not in frame.names.global_:
            cell = function.__closure__[code.co_freevars.index(name)]
            return UNSEEN if cell == types.CellType() else self.seen(cell.cell_contents, name)
        if name in function.__globals__:
            return self.seen(function.__globals__[name], name)
        names: Any = function.__globals__.get("__builtins__", {})
        builtin = names if isinstance(names, dict) else vars(names)
        return frozenset({Live(builtin[name])}) if name in builtin else UNSEEN

    def _look_for_classes(self, scope: dict[str, Any], deep: bool = True) -> None:
        if id(scope) in self._scopes_seen:
            return
        self._scopes_seen.add(id(scope))
        for thing in list(scope.values()):
            if isinstance(thing, types.ModuleType) and deep and self.sources.is_users(thing):
                self._look_for_classes(vars(thing), deep=False)
            elif isinstance(thing, type) and self.sources.is_users(thing) and not issubclass(thing, GenericPE):
                self._add_class(thing)

    def _add_class(self, cls: type) -> None:
        for base in cls.__mro__:
            if not self.sources.is_users(base):
                continue
            for name in vars(base):
                known = self.users_classes.setdefault(name, [])
                if cls not in known:
                    known.append(cls)
                    self.grew = True
