"""What comes of calling a library's function, and what any function may do with what it is given."""

from __future__ import annotations

import ast
import types
from collections.abc import Iterable
from typing import Any

from d4py_adaptive.dataflow.replication_rule import known_pure as known
from d4py_adaptive.dataflow.replication_rule.findings import text_of
from d4py_adaptive.dataflow.replication_rule.objects import (
    Objects,
    bound,
    class_of,
    dict_parts,
    is_iterator,
    is_standard_stream,
    lookup,
)
from d4py_adaptive.dataflow.replication_rule.values import (
    LOCAL,
    NOTHING,
    PLAIN,
    UNSEEN,
    Args,
    Atom,
    Bound,
    Closure,
    Holder,
    Instance,
    Live,
    Local,
    Method,
    Partial,
    Row,
    Shared,
    Value,
    any_kept,
    can_be_called,
    holder,
    join,
    kept,
    kept_of,
    row,
)

CALLED_BY_BUILTINS = (
    "__len__", "__iter__", "__next__", "__contains__", "__str__", "__repr__", "__format__", "__hash__", "__eq__",
    "__lt__", "__bool__", "__int__", "__float__", "__index__", "__abs__", "__getitem__", "__call__",
)  # fmt: skip


class Library(Objects):
    """Looks up what library functions do."""

    def _call_library(self, name: str, args: Args, node: ast.AST, function: Any = None) -> Value:
        short = name.rpartition(".")[2]
        if name in known.SEES_CODE or (name == "builtins.vars" and not any(args.values())):
            self.findings.unsure(f"calls {text_of(node)}, which reaches variables in ways that cannot be followed")
            return UNSEEN
        if name in known.WRITES_FIRST:
            self._changes_first(args, node)
            return self.local()
        if not known.is_pure(name):
            self.hand_over(args, node)
            return self.local()
        self._note_dunders(name, args, node)
        files = [atom for part, value in args.named if part == "file" for atom in value]
        if name == "builtins.print" and any(kept(atom) and not is_standard_stream(atom) for atom in files):
            self.findings.unsure(f"writes with {text_of(node)} to what is kept between items")
        returned = NOTHING if short in known.NEVER_CALLS_BACK else self._call_back(args, node)
        if name.startswith(("numpy.", "scipy.")):
            self._check_outputs(args, node, _maybe_outputs(name, function, args))
            return _array_result(short, args)
        return self._pure_result(name, short, args, returned, node)

    def _pure_result(self, name: str, short: str, args: Args, returned: Value, node: ast.AST) -> Value:
        if short in known.FIGURES or name.startswith("math."):
            return PLAIN
        given = join(*args.values())
        if name == "builtins.next":
            self._uses_up(args, node)
        if short in ("map", "starmap"):
            return holder(returned)
        if short in known.MEMBERS:
            return join(self._members(args, node), returned, given if short != "next" else NOTHING, PLAIN)
        if short in ("zip", "enumerate"):
            counter = (PLAIN,) if short == "enumerate" else ()
            return holder(row(*counter, *(self.iterated(value, node) for value in args.positional)))
        if short in known.CONTAINERS or name == "builtins.dict":
            return self._container(name, args, node)
        return self._rarer_result(name, short, args, node)

    def _rarer_result(self, name: str, short: str, args: Args, node: ast.AST) -> Value:
        given = join(*args.values())
        if name == "builtins.vars":
            return self.attribute(given, "__dict__", node)
        if name == "copy.copy" and any_kept(given):
            return holder(join(self.item(given), UNSEEN))
        if short in ("product", "combinations", "permutations", "groupby", "pairwise", "zip_longest", "batched"):
            return holder(holder(self._members(args, node)))
        if name.startswith("itertools.") or short in ("replace", "MappingProxyType", "SimpleNamespace"):
            return holder(join(given, self.item(given)))
        if name.startswith(known.FRESH_MODULES) or not any_kept(given):
            return LOCAL
        return LOCAL | UNSEEN

    def _container(self, name: str, args: Args, node: ast.AST) -> Value:
        if name == "builtins.dict":
            parts = [part for value in args.values() for atom in value for part in dict_parts(atom) or ()]
            others = frozenset(atom for value in args.values() for atom in value if not dict_parts(atom))
            pairs = self.item(others)
            return holder(join(*parts, pairs, self.item(pairs) if any_kept(pairs) else NOTHING))
        members = self._members(args, node)
        chained = self.item(members) if name.endswith(("chain", "from_iterable")) else NOTHING
        return holder(join(members, chained))

    def _members(self, args: Args, node: ast.AST) -> Value:
        values = [frozenset(atom for atom in value if not can_be_called(atom)) for value in args.values()]
        return join(*(self.iterated(value, node) for value in values if any_kept(value) or value - LOCAL - PLAIN))

    def _uses_up(self, args: Args, node: ast.AST) -> None:
        if args.positional and any(isinstance(atom, Live | Shared) for atom in args.positional[0]):
            self.findings.changed(f"uses up what is kept between items with {text_of(node)}")

    def _note_dunders(self, name: str, args: Args, node: ast.AST) -> None:
        """A builtin given an object of the user's class may call its special methods."""
        given = join(*args.values())
        for atom in join(given, *(self.item(frozenset({atom})) for atom in given if isinstance(atom, Holder | Row))):
            cls = class_of(atom)
            if cls is None or not self.sources.is_users(cls) or name in known.LOOKS_NO_FURTHER:
                continue
            for dunder in CALLED_BY_BUILTINS:
                self.special(atom, dunder, Args(), node)

    def special(self, atom: Atom, dunder: str, args: Args, node: ast.AST) -> Value:
        """What a special method gives, if `atom` has one of the user's."""
        cls = class_of(atom)
        unknown = isinstance(atom, Local) or atom == Shared()
        classes: Iterable[type] = [cls] if cls else self.users_classes.get(dunder, ()) if unknown else ()
        results = []
        for owner in classes:
            found = lookup(owner, dunder)
            if found and isinstance(found[1], types.FunctionType) and self._is_written(found[0], found[1]):
                receiver = Instance(owner) if isinstance(atom, Local) else atom
                results.append(self.call(bound(found[1], receiver), args, node))
        return join(*results)

    def _is_written(self, owner: type, function: types.FunctionType) -> bool:
        made = hasattr(owner, "__dataclass_fields__") and function.__code__.co_filename == "<string>"
        return self.sources.is_users(function) and not made

    # ------------------------------------------------------------------ what a callee may do with arguments

    def hand_over(self, args: Args, node: ast.AST) -> None:
        """Code that cannot be seen gets the arguments: it may change them, and call what can be called."""
        self._call_back(args, node)
        for value in args.values():
            for atom in value:
                if kept(atom) and not isinstance(atom, Method | Bound | Closure | Partial):
                    self.findings.unsure(f"passes what is kept between items to {text_of(node)}, which may change it")

    def _call_back(self, args: Args, node: ast.AST) -> Value:
        """The callee may call what it is given, with whatever else it is given."""
        self._note_iterators(args, node)
        callables = [atom for value in args.values() for atom in self._callables(value)]
        if not callables:
            return NOTHING
        others = join(*(frozenset(atom for atom in value if not can_be_called(atom)) for value in args.values()))
        given = join(LOCAL, others, *(self.item(frozenset({atom})) for atom in others))
        return self.call(frozenset(callables), Args(star=given), node)

    def _callables(self, value: Value) -> Iterable[Atom]:
        for atom in value:
            users = isinstance(atom, Live) and isinstance(atom.obj, type) and self.sources.is_users(atom.obj)
            if users or can_be_called(atom):
                yield atom
            elif isinstance(atom, Holder):
                yield from self._callables(atom.content)
            elif isinstance(atom, Row):
                yield from (part for member in atom.members for part in self._callables(member))

    def _note_iterators(self, args: Args, node: ast.AST) -> None:
        for value in args.values():
            if any(is_iterator(atom) for atom in value):
                self.findings.changed(f"gives what can be gone through only once to {text_of(node)}")

    def _check_outputs(self, args: Args, node: ast.AST, positional: Iterable[Value]) -> None:
        for name, value in args.named:
            target = name in ("out", "output") and any_kept(value)
            in_place = name.startswith(known.CHANGES_IN_PLACE) and any_kept(join(*args.positional))
            if target or in_place:
                self.findings.changed(f"writes into what is kept between items with {text_of(node)}")
        if any(map(any_kept, (*positional, args.double_star))):
            self.findings.unsure(f"passes what is kept between items to {text_of(node)}, maybe to be written into")

    def _changes_first(self, args: Args, node: ast.AST) -> None:
        target = join(*args.positional[:1], args.star)
        if not args.positional:
            target = join(target, *args.values())
        if any_kept(target) or any(isinstance(atom, Live) for atom in target):
            self.findings.changed(f"changes what is kept between items with {text_of(node)}")
        self._call_back(args, node)
        self.stored(*args.values())


def _maybe_outputs(name: str, function: Any, args: Args) -> tuple[Value, ...]:
    """The arguments of a numerical function that it might write into."""
    short = name.rpartition(".")[2]
    if short == "nan_to_num":
        copies = len(args.positional) < 2 and not any(part == "copy" for part, _ in args.named)
        return () if copies else args.positional[:1]
    code = getattr(getattr(function, "__wrapped__", function), "__code__", None)
    if code is None:
        return () if short in known.NO_OUTPUT else (*args.positional[2:], args.star)
    names = code.co_varnames[: code.co_argcount]
    flags = [
        position
        for position, part in enumerate(names)
        if part in known.OUTPUTS or part.startswith(known.CHANGES_IN_PLACE)
    ]
    if flags and (len(args.positional) > flags[0] or args.star):
        return (*args.positional, args.star)
    return ()


def _array_result(short: str, args: Args) -> Value:
    if short in known.ARRAY_INDICES:
        return PLAIN
    return join(LOCAL, kept_of(*args.values())) if short in known.NUMPY_VIEWS else LOCAL
