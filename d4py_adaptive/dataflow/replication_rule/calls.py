"""What comes of calling a value: the user's functions are followed, a library's are looked up."""

from __future__ import annotations

import ast
import functools
import types
from abc import abstractmethod
from typing import Any

from d4py_adaptive.dataflow.pe import GenericPE
from d4py_adaptive.dataflow.replication_rule import known_pure as known
from d4py_adaptive.dataflow.replication_rule.calls_of_libraries import Library
from d4py_adaptive.dataflow.replication_rule.findings import text_of
from d4py_adaptive.dataflow.replication_rule.objects import (
    ARRAY,
    class_of,
    dict_parts,
    instance_attributes,
    is_standard_stream,
    lookup,
    view_of_dict,
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
    full_name,
    holder,
    immutable,
    is_cache,
    join,
    live,
)

SENDS: frozenset[Any] = frozenset({GenericPE.write, GenericPE._write, GenericPE.log})
LIBRARY_CALLABLES = frozenset({"cython_function_or_method", "_ArrayFunctionDispatcher"})


class Calls(Library):
    """Follows calls."""

    @abstractmethod
    def run(self, function: types.FunctionType, args: Args) -> Value:
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
        called = self.special(atom, "__call__", args, node)
        self.hand_over(args, node)
        return join(self.local(), called)

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
            return self.run(function, args)
        inner = getattr(function, "__wrapped__", None)
        if isinstance(inner, types.FunctionType) and self.sources.is_users(inner):
            others = getattr(function, "registry", {}).values()
            return holder(join(self.run(inner, args), *(self.call(live(other), args, node) for other in others)))
        for cell in function.__closure__ or ():
            content = cell.cell_contents if cell != types.CellType() else None
            if isinstance(content, types.FunctionType) and self.sources.is_users(content):
                self.run(content, args)
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
        self._check_outputs(args, node, (*args.positional[ufunc.nin :], args.star))
        return LOCAL

    def _call_object(self, obj: Any, args: Args, node: ast.AST) -> Value:
        cls = type(obj)
        hook = lookup(cls, "__call__")
        if hook and isinstance(hook[1], types.FunctionType) and self.sources.is_users(cls):
            return self._call_function(hook[1], args.after(frozenset({Live(obj)})), node)
        if cls.__name__ in LIBRARY_CALLABLES:
            return self._call_library(full_name(obj), args, node, obj)
        for name in ("pyfunc", "py_func", "__wrapped__"):
            inner = instance_attributes(obj).get(name)
            if inner is not None:
                return holder(self.call(live(inner), args, node))
        module = cls.__module__
        if immutable(obj) or module.startswith(("scipy.interpolate", "numpy.polynomial")) or cls.__name__ == "poly1d":
            return self._call_library(f"operator.{cls.__name__}", args, node)
        self.findings.unsure(f"calls {text_of(node)}, which could not be seen")
        return UNSEEN

    # ------------------------------------------------------------------ making objects

    def _make(self, cls: type, args: Args, node: ast.AST) -> Value:
        if cls is super or (cls is type and len(args.positional) != 1):
            self.findings.unsure(f"calls {text_of(node)}, which cannot be followed")
            return UNSEEN
        if cls is type:
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
        for name, first in (("__new__", Live(cls)), ("__init__", made), ("__post_init__", made), ("__del__", made)):
            found = lookup(cls, name)
            if found is None or found[0] is object:
                continue
            maker = found[1].__func__ if isinstance(found[1], staticmethod) else found[1]
            self._run_maker(maker, first, args if name in ("__new__", "__init__") else Args(), node)
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
            self.run(maker, args.after(frozenset({first})))
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
        if isinstance(atom, Live) and (immutable(atom.obj) or is_standard_stream(atom)):
            self._read_by_method(name, args, node)
            return join(self.item(frozenset({atom})), PLAIN) if name in known.MEMBER_METHODS else PLAIN
        return self._kept_method(atom, cls, name, args, node)

    def local_method(self, atom: Atom, name: str, args: Args, node: ast.AST) -> Value:
        """A method of something local, or of something of unknown type."""
        if isinstance(atom, Shared):
            self.findings.unsure(f"calls {text_of(node)} of something that could not be seen")
            return UNSEEN
        if name in known.STORING_METHODS:
            self._call_back(args, node)
            spread = name not in known.STORING_WHOLE
            self.stored(*(self.item(value) if spread else value for value in args.values()))
        else:
            self._read_by_method(name, args, node)
        if isinstance(atom, Holder | Row):
            inner = self.item(frozenset({atom}))
            return join(self.local(), frozenset({atom}), inner)
        if name in ("get", "pop", "setdefault"):
            return join(self.local(), *args.values())
        return PLAIN if isinstance(atom, Plain) else self.local()

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
        reading = known.READ_ONLY.get(owner) or known.READ_ONLY.get(full_name(cls), frozenset())
        if name in reading or (owner in known.READ_ONLY and dunder):
            self._call_back(args, node)
            self._check_outputs(args, node, args.positional[1:] if owner == ARRAY else ())
            return self._read_from(atom, owner, name, args)
        if owner in known.CHANGED_BY_REST or name in known.CHANGING_DUNDERS:
            self.findings.changed(f"changes what is kept between items with {text_of(node)}")
        else:
            self.findings.unsure(f"calls {text_of(node)}, a method of a {cls.__name__} that may change it")
        return UNSEEN

    def _read_from(self, atom: Atom, owner: str, name: str, args: Args) -> Value:
        if owner == ARRAY:
            view = name in known.ARRAY_VIEWS or (name == "astype" and "copy" in dict(args.named))
            return frozenset({atom}) if view else LOCAL
        view_of = view_of_dict(atom, name)
        if view_of is not None:
            return view_of
        if name not in known.MEMBER_METHODS:
            return PLAIN
        members = self.item(frozenset({atom}))
        if name in ("get", "__getitem__"):
            return join(members, PLAIN, *args.values())
        parts = dict_parts(atom)
        return holder(join(members, *args.values(), parts[0] if parts else NOTHING))


def _cells(function: types.FunctionType) -> dict[str, Any]:
    names = function.__code__.co_freevars
    return {name: cell.cell_contents for name, cell in zip(names, function.__closure__ or (), strict=True)}


def _cached(result: Value) -> Value:
    """What a cache gives: the same object again and again."""
    return frozenset(
        Shared(atom.cls) if isinstance(atom, Instance) else Shared() if isinstance(atom, Local | Holder) else atom
        for atom in result
    )
