"""What comes of calling a value: the user's functions are followed, a library's are looked up."""

from __future__ import annotations

import ast
import functools
import sys
import types
from abc import abstractmethod
from collections.abc import Iterable
from typing import Any

from d4py_adaptive.dataflow import known_pure as known
from d4py_adaptive.dataflow.code_findings import text_of
from d4py_adaptive.dataflow.code_objects import (
    ARRAY,
    Objects,
    bound,
    class_of,
    dict_parts,
    instance_attributes,
    lookup,
    view_of_dict,
)
from d4py_adaptive.dataflow.code_values import (
    LOCAL,
    NOTHING,
    PLAIN,
    UNSEEN,
    Args,
    Atom,
    Bound,
    Closure,
    Foreign,
    Holder,
    Instance,
    Live,
    Local,
    Method,
    Partial,
    Plain,
    Row,
    Shared,
    Value,
    any_kept,
    can_be_called,
    full_name,
    holder,
    immutable,
    is_cache,
    join,
    kept,
    kept_of,
    live,
    row,
)
from d4py_adaptive.dataflow.pe import GenericPE

SENDS = frozenset({GenericPE.write, GenericPE._write, GenericPE.log})
CALLED_BY_BUILTINS = (
    "__len__", "__iter__", "__next__", "__contains__", "__str__", "__repr__", "__format__", "__hash__", "__eq__",
    "__lt__", "__bool__", "__int__", "__float__", "__index__", "__abs__", "__getitem__", "__call__",
)  # fmt: skip


class Calls(Objects):
    """Follows calls."""

    @abstractmethod
    def run(self, function: types.FunctionType, args: Args, node: ast.AST) -> Value:
        """What a function of the user's returns, having noted what it changes."""

    @abstractmethod
    def run_closure(self, closure: Closure, args: Args) -> Value:
        """What a function defined in the code being read returns, having noted what it changes."""

    def call(self, function: Value, args: Args, node: ast.AST) -> Value:
        """What calling `function` gives, having noted what it changes."""
        return join(*(self._call(atom, args, node) for atom in function))

    def _call(self, atom: Atom, args: Args, node: ast.AST) -> Value:
        match atom:
            case Closure():
                return self.run_closure(atom, args)
            case Bound(function, receiver):
                return self._call_function(function, args.after(frozenset({receiver})), node)
            case Partial(function, first):
                merged = Args(
                    (*first.positional, *args.positional),
                    (*first.named, *args.named),
                    first.star | args.star,
                    first.double_star | args.double_star,
                )
                return self.call(function, merged, node)
            case Method(receiver, name):
                return join(*(self._call_method(part, name, args, node) for part in receiver))
            case Live(obj):
                return self._call_live(obj, args, node)
            case Foreign(name):
                return self._call_library(name, args, node)
            case Shared():
                self.findings.unsure(f"calls {text_of(node)}, which could not be seen")
                return UNSEEN
        self.hand_over(args, node)
        return self.local()

    def _call_live(self, obj: Any, args: Args, node: ast.AST) -> Value:
        if isinstance(obj, types.FunctionType):
            return self._call_function(obj, args, node)
        if is_cache(obj):
            return _cached(self.call(live(obj.__wrapped__), args, node))
        if isinstance(obj, type):
            return self._make(obj, args, node)
        if isinstance(obj, types.BuiltinFunctionType | types.WrapperDescriptorType | types.MethodDescriptorType):
            return self._call_builtin(obj, args, node)
        if full_name(type(obj)) == "numpy.ufunc":
            return self._call_ufunc(obj, args, node)
        return self._call_object(obj, args, node)

    def _call_function(self, function: types.FunctionType, args: Args, node: ast.AST) -> Value:
        if function in SENDS:
            return PLAIN
        if self.sources.is_users(function):
            return self.run(function, args, node)
        inner = getattr(function, "__wrapped__", None)
        if isinstance(inner, types.FunctionType) and self.sources.is_users(inner):
            return holder(self.run(inner, args, node))
        for cell in function.__closure__ or ():
            content = cell.cell_contents if cell != types.CellType() else None
            if isinstance(content, types.FunctionType) and self.sources.is_users(content):
                self.run(content, args, node)
        if function.__name__ == "rvs" and function.__module__.startswith("scipy.stats"):
            self.findings.drew("by rvs")
        return self._call_library(full_name(function), args, node, function)

    def _call_builtin(self, obj: Any, args: Args, node: ast.AST) -> Value:
        owner = getattr(obj, "__objclass__", None)
        if owner is None:
            return self._call_library(full_name(obj), args, node, obj)
        # list.append(x, 1) is x.append(1).
        if not args.positional:
            self.hand_over(args, node)
            return self.local()
        rest = Args(args.positional[1:], args.named, args.star, args.double_star)
        return join(*(self._call_method(part, obj.__name__, rest, node) for part in args.positional[0]))

    def _call_ufunc(self, ufunc: Any, args: Args, node: ast.AST) -> Value:
        if " " in ufunc.__name__:
            self.findings.unsure(f"calls {text_of(node)}, made of a Python function that could not be seen")
        self._check_outputs(args, node, args.positional[ufunc.nin :])
        return LOCAL

    def _call_object(self, obj: Any, args: Args, node: ast.AST) -> Value:
        cls = type(obj)
        hook = lookup(cls, "__call__")
        if hook and isinstance(hook[1], types.FunctionType) and self.sources.is_users(cls):
            return self._call_function(hook[1], args.after(frozenset({Live(obj)})), node)
        for name in ("pyfunc", "py_func", "__wrapped__"):
            inner = instance_attributes(obj).get(name)
            if inner is not None:
                return holder(self.call(live(inner), args, node))
        module = cls.__module__
        if immutable(obj) or module.startswith(("scipy.interpolate", "numpy.polynomial")) or cls.__name__ == "poly1d":
            return self._call_library(f"operator.{cls.__name__}", args, node)
        if cls.__name__ in ("cython_function_or_method", "_ArrayFunctionDispatcher", "CPUDispatcher"):
            return self._call_library(full_name(obj), args, node, obj)
        self.findings.unsure(f"calls {text_of(node)}, which could not be seen")
        return UNSEEN

    # ------------------------------------------------------------------ making objects

    def _make(self, cls: type, args: Args, node: ast.AST) -> Value:
        if cls is super:
            return UNSEEN
        if cls is type and len(args.positional) == 1:
            return frozenset(Live(kind) if (kind := class_of(atom)) else Local() for atom in args.positional[0])
        if cls is functools.partial and args.positional:
            rest = Args(args.positional[1:], args.named, args.star, args.double_star)
            return frozenset({Partial(args.positional[0], rest)})
        if not self.sources.is_users(cls):
            return self._call_library(full_name(cls), args, node)
        return self._make_users(cls, args, node)

    def _make_users(self, cls: type, args: Args, node: ast.AST) -> Value:
        if hasattr(cls, "__members__"):
            return frozenset(Live(member) for member in cls.__members__.values())
        made = Instance(cls)
        for name, first in (("__new__", Live(cls)), ("__init__", made), ("__post_init__", made)):
            found = lookup(cls, name)
            if found is None or found[0] is object:
                continue
            maker = found[1].__func__ if isinstance(found[1], staticmethod) else found[1]
            self._run_maker(maker, first, args if name != "__post_init__" else Args(), node)
        meta = lookup(type(cls), "__call__")
        if meta and isinstance(meta[1], types.FunctionType) and self.sources.is_users(meta[1]):
            self.findings.unsure(f"makes {text_of(node)} by a metaclass")
        return frozenset({made})

    def _run_maker(self, maker: Any, first: Atom, args: Args, node: ast.AST) -> None:
        if not isinstance(maker, types.FunctionType):
            self.stored(*args.values())
        elif maker.__code__.co_filename.startswith(("<string>", "<attrs", "<")) and maker.__name__ != "__post_init__":
            # Made by dataclass or namedtuple: it keeps what it is given, and calls the defaults' factories.
            self.stored(*args.values())
            for value in (maker.__globals__ | _cells(maker)).values():
                if isinstance(value, types.FunctionType) and "factory" in value.__name__:
                    self.call(live(value), Args(), node)
        elif self.sources.is_users(maker):
            self.run(maker, args.after(frozenset({first})), node)
        else:
            self.hand_over(args, node)

    # ------------------------------------------------------------------ methods nobody here wrote

    def _call_method(self, atom: Atom, name: str, args: Args, node: ast.AST) -> Value:
        """A method of a builtin or library type on `atom`."""
        cls = class_of(atom)
        if isinstance(atom, Live) and isinstance(atom.obj, type):
            return self._call_library(f"{full_name(atom.obj)}.{name}", args, node)
        if isinstance(atom, Instance) or cls is None:
            return self.local_method(atom, name, args, node)
        if full_name(cls) == "numpy.ufunc":
            return self._ufunc_method(name, args, node)
        if isinstance(atom, Live) and (immutable(atom.obj) or atom.obj in (sys.stdout, sys.stderr)):
            self._read_by_method(name, args, node)
            return join(self.item(frozenset({atom}), node), PLAIN) if name in known.MEMBER_METHODS else PLAIN
        return self._kept_method(atom, cls, name, args, node)

    def local_method(self, atom: Atom, name: str, args: Args, node: ast.AST) -> Value:
        """A method of something local, or of something of unknown type."""
        if isinstance(atom, Shared):
            self.findings.unsure(f"calls {text_of(node)} of something that could not be seen")
            return UNSEEN
        if name in known.STORING_METHODS:
            self._call_back(args, node)
            self.stored(*args.values(), *(self.item(value, node) for value in args.values() if name in ("update", "extend")))
        else:
            self._read_by_method(name, args, node)
        if isinstance(atom, Holder | Row):
            inner = self.item(frozenset({atom}), node)
            return join(self.local(), frozenset({atom}), inner)
        return PLAIN if isinstance(atom, Plain) and name not in ("copy",) else self.local()

    def _read_by_method(self, name: str, args: Args, node: ast.AST) -> None:
        if name in known.READING_METHODS and "out" not in dict(args.named):
            self._call_back(args, node)
        else:
            self.hand_over(args, node)

    def _ufunc_method(self, name: str, args: Args, node: ast.AST) -> Value:
        if name == "at":
            self._changes_first(args, node)
        self._check_outputs(args, node, args.positional[3:])
        return LOCAL

    def _kept_method(self, atom: Atom, cls: type, name: str, args: Args, node: ast.AST) -> Value:
        found = lookup(cls, name)
        owner = full_name(found[0]) if found else ""
        dunder = name.startswith("__") and name not in known.CHANGING_DUNDERS
        if name in known.READ_ONLY.get(owner, ()) or (owner in known.READ_ONLY and dunder):
            self._call_back(args, node)
            self._check_outputs(args, node, args.positional[1:] if owner == ARRAY else ())
            return self._read_from(atom, owner, name, args, node)
        if owner in known.CHANGED_BY_REST:
            self.findings.changed(f"changes what is kept between items with {text_of(node)}")
        else:
            self.findings.unsure(f"calls {text_of(node)}, a method of a {cls.__name__} that may change it")
        return UNSEEN

    def _read_from(self, atom: Atom, owner: str, name: str, args: Args, node: ast.AST) -> Value:
        if owner == ARRAY:
            view = name in known.ARRAY_VIEWS or (name == "astype" and "copy" in dict(args.named))
            return frozenset({atom}) if view else LOCAL
        view_of = view_of_dict(atom, name)
        if view_of is not None:
            return view_of
        if name not in known.MEMBER_METHODS:
            return PLAIN
        members = self.item(frozenset({atom}), node)
        if name in ("get", "__getitem__"):
            return join(members, PLAIN, *args.values())
        parts = dict_parts(atom)
        return holder(join(members, *args.values(), parts[0] if parts else NOTHING))

    # ------------------------------------------------------------------ library functions

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
        returned = NOTHING if short in known.NEVER_CALLS_BACK else self._call_back(args, node)
        if name.startswith(("numpy.", "scipy.")):
            self._check_outputs(args, node, args.positional[_first_output(name, function) :])
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
            return holder(join(self.item(given, node), UNSEEN))
        if short in ("product", "combinations", "permutations", "groupby", "pairwise", "zip_longest", "batched"):
            return holder(holder(self._members(args, node)))
        if name.startswith("itertools.") or short in ("replace", "MappingProxyType", "SimpleNamespace"):
            return holder(join(given, self.item(given, node)))
        return LOCAL

    def _container(self, name: str, args: Args, node: ast.AST) -> Value:
        if name == "builtins.dict":
            parts = [part for value in args.values() for atom in value for part in dict_parts(atom) or ()]
            others = frozenset(atom for value in args.values() for atom in value if not dict_parts(atom))
            pairs = self.item(others, node)
            return holder(join(*parts, pairs, self.item(pairs, node) if any_kept(pairs) else NOTHING))
        members = self._members(args, node)
        chained = self.item(members, node) if name.endswith(("chain", "from_iterable")) else NOTHING
        return holder(join(members, chained))

    def _members(self, args: Args, node: ast.AST) -> Value:
        values = [frozenset(atom for atom in value if not can_be_called(atom)) for value in args.values()]
        return join(*(self.iterated(value, node) for value in values if any_kept(value) or value - LOCAL - PLAIN))

    def _uses_up(self, args: Args, node: ast.AST) -> None:
        if args.positional and any(isinstance(atom, Live | Shared) for atom in args.positional[0]):
            self.findings.changed(f"uses up what is kept between items with {text_of(node)}")

    def _note_dunders(self, name: str, args: Args, node: ast.AST) -> None:
        """A builtin given an object of the user's class may call its special methods."""
        for atom in frozenset().union(*args.values()):
            cls = class_of(atom)
            if cls is None or not self.sources.is_users(cls) or name in ("builtins.isinstance", "builtins.type"):
                continue
            for dunder in CALLED_BY_BUILTINS:
                self.special(atom, dunder, Args(), node)

    def special(self, atom: Atom, dunder: str, args: Args, node: ast.AST) -> Value:
        """What a special method gives, if `atom` has one of the user's."""
        cls = class_of(atom)
        classes: Iterable[type] = [cls] if cls else self.users_classes.get(dunder, ())
        results = []
        for owner in classes:
            found = lookup(owner, dunder)
            if found and isinstance(found[1], types.FunctionType) and self.sources.is_users(found[1]):
                receiver = Instance(owner) if isinstance(atom, Local) else atom
                results.append(self.call(bound(found[1], receiver), args, node))
        return join(*results)

    # ------------------------------------------------------------------ what a callee may do with arguments

    def hand_over(self, args: Args, node: ast.AST) -> None:
        """Code that cannot be seen gets the arguments: it may change them, and call what can be called."""
        self._call_back(args, node)
        for value in args.values():
            for atom in value:
                if kept(atom) and not can_be_called(atom):
                    self.findings.unsure(f"passes what is kept between items to {text_of(node)}, which may change it")

    def _call_back(self, args: Args, node: ast.AST) -> Value:
        """The callee may call what it is given, with whatever else it is given."""
        callables = [atom for value in args.values() for atom in _callables(value)]
        if not callables:
            return NOTHING
        others = join(*(frozenset(atom for atom in value if not can_be_called(atom)) for value in args.values()))
        given = join(LOCAL, others, *(self.item(frozenset({atom}), node) for atom in others))
        return join(*(self._call(atom, Args(star=given), node) for atom in callables))

    def _check_outputs(self, args: Args, node: ast.AST, positional: Iterable[Value]) -> None:
        for name, value in args.named:
            target = name in ("out", "output") and any_kept(value)
            in_place = name.startswith(known.CHANGES_IN_PLACE) and any_kept(join(*args.positional))
            if target or in_place or (name == "copy" and "nan_to_num" in text_of(node)):
                self.findings.changed(f"writes into what is kept between items with {text_of(node)}")
        if any(map(any_kept, positional)):
            self.findings.unsure(f"passes what is kept between items to {text_of(node)}, maybe to be written into")

    def _changes_first(self, args: Args, node: ast.AST) -> None:
        target = join(*args.positional[:1], args.star)
        if any_kept(target) or any(isinstance(atom, Live) for atom in target):
            self.findings.changed(f"changes what is kept between items with {text_of(node)}")
        self._call_back(args, node)
        self.stored(*args.values())


def _callables(value: Value) -> Iterable[Atom]:
    for atom in value:
        if can_be_called(atom):
            yield atom
        elif isinstance(atom, Holder):
            yield from _callables(atom.content)
        elif isinstance(atom, Row):
            yield from (part for member in atom.members for part in _callables(member))


def _cells(function: types.FunctionType) -> dict[str, Any]:
    names = function.__code__.co_freevars
    return {name: cell.cell_contents for name, cell in zip(names, function.__closure__ or (), strict=True)}


def _cached(result: Value) -> Value:
    """What a cache gives: the same object again and again."""
    return frozenset(
        Shared(atom.cls) if isinstance(atom, Instance) else Shared() if isinstance(atom, Local | Holder) else atom
        for atom in result
    )


def _first_output(name: str, function: Any) -> int:
    """The first position at which a numerical function may take an array to write into."""
    if name.rpartition(".")[2] in ("where", "select", "interp", "piecewise") or name.startswith("scipy."):
        return sys.maxsize
    code = getattr(getattr(function, "__wrapped__", function), "__code__", None)
    names = code.co_varnames[: code.co_argcount] if code else ()
    if code is None:
        return 2
    return names.index("out") if "out" in names else sys.maxsize


def _array_result(short: str, args: Args) -> Value:
    return join(LOCAL, kept_of(*args.values())) if short in known.NUMPY_VIEWS else LOCAL
