"""What comes of taking an attribute, a member or an item of a value, without running anything."""

from __future__ import annotations

import ast
import functools
import inspect
import os
import sys
import types
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable
from typing import Any

from d4py_adaptive.dataflow.replication_rule.findings import Findings, text_of
from d4py_adaptive.dataflow.replication_rule.known_pure import ARRAY_FIGURES, ARRAY_VIEWS, is_random_source
from d4py_adaptive.dataflow.replication_rule.source import Sources
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
    Super,
    Value,
    full_name,
    holder,
    immutable,
    is_cache,
    is_leaf,
    join,
    kept_of,
    live,
    members_of,
    row,
)

PLAIN_NAMES = frozenset({"__name__", "__qualname__", "__module__", "__doc__", "__file__"})
ARRAY = "numpy.ndarray"


class Objects(ABC):
    """Takes values apart.

    Args:
        sources: finds the code of functions.
        replaced: attributes and globals that `preprocess` may set, so that what they are now says nothing.
        filled: attributes and globals that `preprocess` uses, so that what they hold now says nothing.
    """

    def __init__(self, sources: Sources, replaced: Collection[str], filled: Collection[str]) -> None:
        self.sources = sources
        self.findings = Findings()
        self.replaced = replaced
        self.filled = filled
        # Everything kept that was ever put into a local object: any local object may hold it from then on.
        self.pot: Value = NOTHING
        self.grew = False
        self.users_classes: dict[str, list[type]] = {}

    @abstractmethod
    def call(self, function: Value, args: Args, node: ast.AST) -> Value:
        """What calling `function` gives, having noted what it changes."""

    def stored(self, *values: Value) -> None:
        """Something local now holds `values`."""
        pot = join(self.pot, kept_of(*values))
        if pot != self.pot:
            self.pot, self.grew = pot, True

    def local(self) -> Value:
        """What anything that hangs on a local object may be."""
        return LOCAL | self.pot

    def seen(self, obj: Any, name: str = "") -> Value:
        """The value that `obj` is, found under `name`."""
        if is_random_source(obj):
            self.findings.drew(getattr(obj, "__name__", type(obj).__name__))
        if name and name in self.replaced:
            return UNSEEN
        if name and name in self.filled and not immutable(obj):
            return frozenset({Shared(type(obj))})
        return live(obj)

    # ------------------------------------------------------------------ attributes

    def attribute(self, value: Value, name: str, node: ast.AST) -> Value:
        """What `value.name` may be."""
        return join(*(self._attribute(atom, name, node) for atom in value))

    def _attribute(self, atom: Atom, name: str, node: ast.AST) -> Value:
        match atom:
            case Live(obj) if isinstance(obj, types.ModuleType):
                return self._of_module(obj, name)
            case Live(obj) if isinstance(obj, type):
                return self._of_class(obj, name, node)
            case Live(obj) if isinstance(obj, types.FunctionType) or is_cache(obj):
                return self._of_function(obj, name)
            case Live(obj):
                return self._of_object(obj, name, node)
            case Instance(cls) | Shared(cls) if cls is not None:
                return self._of_typed(atom, cls, name, node)
            case Super(after, receiver):
                return self._of_super(after, receiver, name, node)
            case Shared() | Bound() | Partial():
                return UNSEEN
            case Method(receiver, method):
                return self._of_method(receiver, method, name)
            case Foreign(module):
                return frozenset({Foreign(f"{module}.{name}")})
            case Plain():
                return PLAIN
        return join(self.local(), self.of_users_classes(name, node), _inside(atom))

    def of_users_classes(self, name: str, node: ast.AST) -> Value:
        """What `name` is on an item, which might be of any of the user's classes that has it."""
        found = []
        for cls in self.users_classes.get(name, ()):
            found.append(self._of_typed(Instance(cls), cls, name, node))
        return join(*found)

    def _of_module(self, module: types.ModuleType, name: str) -> Value:
        if name == "__dict__":
            return frozenset({Live(vars(module))})
        try:
            found = getattr(module, name)
        except (AttributeError, ImportError, Warning):
            return UNSEEN
        # Modules of libraries are not what an attribute of the same name in preprocess means.
        return self.seen(found, f".{name}" if self.sources.is_users(module) and not callable(found) else "")

    def _of_class(self, cls: type, name: str, node: ast.AST) -> Value:
        if name in PLAIN_NAMES:
            return PLAIN
        if name == "__dict__":
            return frozenset({Live(cls.__dict__)})
        if name in getattr(cls, "__members__", ()):
            return self.seen(cls.__members__[name])  # type: ignore[attr-defined]
        found = lookup(cls, name)
        if found is None:
            meta = lookup(type(cls), name)
            return self._descriptor(Live(cls), type(cls), meta, name, node) if meta else UNSEEN
        attribute = found[1]
        if isinstance(attribute, classmethod):
            return bound(attribute.__func__, Live(cls))
        if isinstance(attribute, staticmethod):
            return self.seen(attribute.__func__)
        return self.seen(attribute, f".{name}")

    def _of_function(self, function: Any, name: str) -> Value:
        if name in PLAIN_NAMES:
            return PLAIN
        attributes = vars(function)
        return self.seen(attributes[name], f".{name}") if name in attributes else UNSEEN

    def _of_object(self, obj: Any, name: str, node: ast.AST) -> Value:
        cls = type(obj)
        if name == "__class__":
            return frozenset({Live(cls)})
        self._note_interception(cls, node)
        own = instance_attributes(obj)
        if name == "__dict__":
            return frozenset({Live(own)})
        found = lookup(cls, name)
        if found and inspect.isdatadescriptor(found[1]):
            return self._descriptor(Live(obj), cls, found, name, node)
        if name in own:
            return self.seen(own[name], f".{name}")
        if found:
            return self._descriptor(Live(obj), cls, found, name, node)
        return self._missing(Live(obj), cls, node)

    def _of_typed(self, atom: Atom, cls: type, name: str, node: ast.AST) -> Value:
        if name == "__class__":
            return frozenset({Live(cls)})
        self._note_interception(cls, node)
        found = lookup(cls, name)
        rest = self.local() if isinstance(atom, Instance) else UNSEEN
        if not found:
            return join(rest, self._missing(atom, cls, node))
        value = self._descriptor(atom, cls, found, name, node)
        return value if callable(found[1]) or isinstance(found[1], classmethod) else join(rest, value)

    def _note_interception(self, cls: type, node: ast.AST) -> None:
        hook = lookup(cls, "__getattribute__")
        if hook and self.sources.is_users(hook[0]):
            self.findings.unsure(f"uses {text_of(node)} of a class with a __getattribute__ of its own")

    def _of_super(self, after: type, receiver: Atom, name: str, node: ast.AST) -> Value:
        cls = class_of(receiver)
        if isinstance(receiver, Live) and isinstance(receiver.obj, type):
            cls = receiver.obj
        mro = cls.__mro__ if cls else after.__mro__
        for base in mro[mro.index(after) + 1 :] if after in mro else ():
            if name in vars(base):
                return self._descriptor(receiver, base, (base, vars(base)[name]), name, node)
        return UNSEEN

    def _of_method(self, receiver: Value, method: str, name: str) -> Value:
        return PLAIN if name in PLAIN_NAMES else frozenset({Method(receiver, f"{method}.{name}")})

    def _missing(self, atom: Atom, cls: type, node: ast.AST) -> Value:
        hook = lookup(cls, "__getattr__")
        if hook and isinstance(hook[1], types.FunctionType) and self.sources.is_users(hook[1]):
            return join(UNSEEN, self.call(frozenset({Bound(hook[1], atom)}), Args((PLAIN,)), node))
        return self.local() if isinstance(atom, Instance) else UNSEEN

    def _descriptor(self, atom: Atom, cls: type, found: tuple[type, Any], name: str, node: ast.AST) -> Value:
        """What the class attribute `found` is when taken from `atom`."""
        attribute = found[1]
        if isinstance(attribute, types.FunctionType):
            ours = self.sources.is_users(attribute) or hasattr(attribute, "__wrapped__")
            return frozenset({Bound(attribute, atom) if ours else Method(frozenset({atom}), name)})
        if isinstance(attribute, staticmethod):
            return self.seen(attribute.__func__)
        if isinstance(attribute, classmethod):
            return bound(attribute.__func__, Live(cls))
        if isinstance(attribute, property):
            return self._property(attribute.fget, atom, node)
        if isinstance(attribute, functools.cached_property):
            return self._cached_property(attribute, atom, node)
        if is_cache(attribute):
            return frozenset({Partial(live(attribute), Args((frozenset({atom}),)))})
        if isinstance(attribute, types.MemberDescriptorType):
            return self._slot(attribute, atom, name)
        return self._other_descriptor(attribute, atom, name)

    def _other_descriptor(self, attribute: Any, atom: Atom, name: str) -> Value:
        if isinstance(attribute, types.GetSetDescriptorType):
            return _computed(atom, name)
        if isinstance(attribute, types.MethodDescriptorType | types.WrapperDescriptorType | types.BuiltinFunctionType):
            return frozenset({Method(frozenset({atom}), name)})
        if isinstance(attribute, types.ClassMethodDescriptorType) or type(attribute).__name__ == "cython_function":
            return frozenset({Method(frozenset({atom}), name)})
        if type(attribute).__name__ == "_tuplegetter":
            return self._field(atom, name)
        if lookup(type(attribute), "__get__") and not isinstance(attribute, type):
            return UNSEEN
        return self.seen(attribute, f".{name}")

    def _property(self, getter: Callable[[Any], Any] | None, atom: Atom, node: ast.AST) -> Value:
        if isinstance(getter, types.FunctionType) and self.sources.is_users(getter):
            return self.call(frozenset({Bound(getter, atom)}), Args(), node)
        if isinstance(atom, Instance):
            return self.local()
        return PLAIN if isinstance(atom, Live) and immutable(atom.obj) else UNSEEN

    def _cached_property(self, attribute: functools.cached_property[Any], atom: Atom, node: ast.AST) -> Value:
        name = attribute.attrname or ""
        if isinstance(atom, Live):
            own = instance_attributes(atom.obj)
            if name in own:
                return self.seen(own[name], f".{name}")
        if not isinstance(atom, Instance):
            self.findings.changed(f"fills the cached property {text_of(node)}")
        return self._property(attribute.func, atom, node)

    def _slot(self, attribute: Any, atom: Atom, name: str) -> Value:
        if not isinstance(atom, Live):
            return self.local() if isinstance(atom, Instance) else UNSEEN
        try:
            return self.seen(attribute.__get__(atom.obj), f".{name}")
        except AttributeError:
            return UNSEEN

    def _field(self, atom: Atom, name: str) -> Value:
        if isinstance(atom, Live):
            return self.seen(tuple.__getitem__(atom.obj, type(atom.obj)._fields.index(name)))
        return self.local() if isinstance(atom, Instance) else UNSEEN

    # ------------------------------------------------------------------ members

    def iterated(self, value: Value, node: ast.AST) -> Value:
        """What the members of `value` may be when it is gone through."""
        return join(*(self._iterated(atom, node) for atom in value))

    def _iterated(self, atom: Atom, node: ast.AST) -> Value:
        cls = class_of(atom)
        hook = lookup(cls, "__iter__") if cls else None
        if hook and isinstance(hook[1], types.FunctionType) and self.sources.is_users(hook[1]):
            inner = self.call(frozenset({Bound(hook[1], atom)}), Args(), node)
            return join(self.local(), *(self.item(frozenset({part})) for part in inner if part != atom))
        if not isinstance(atom, Instance) and cls is not None and not is_module_or_class(atom):
            if is_iterator(atom):
                self.findings.changed(f"uses up {text_of(node)}, which is kept between items")
            elif isinstance(atom, Live) and isinstance(atom.obj, dict):
                return members_of(atom.obj)
        elif isinstance(atom, Shared):
            self.findings.unsure(f"goes through {text_of(node)}, which could not be seen and may be used up")
        return self.item(frozenset({atom}))

    def item(self, value: Value) -> Value:
        """What `value[...]` may be."""
        return join(*(self._item(atom) for atom in value))

    def _item(self, atom: Atom) -> Value:
        match atom:
            case Live(obj):
                return self._item_of(obj)
            case Holder(content):
                return join(content, LOCAL)
            case Row(members):
                return join(*members)
            case Plain() | Foreign():
                return PLAIN
            case Shared(kind) if kind is not None and full_name(kind) == ARRAY:
                return frozenset({atom})
            case Local() | Instance():
                return self.local()
        return UNSEEN

    def _item_of(self, obj: Any) -> Value:
        if full_name(type(obj)) == ARRAY:
            # One number out of a vector is fresh; anything else may be a view of it.
            return PLAIN if obj.ndim == 1 and not obj.dtype.hasobject and obj.dtype.names is None else _whole(obj)
        if isinstance(obj, dict | types.MappingProxyType):
            return members_of(obj.values())
        if obj is os.environ:
            return PLAIN
        if isinstance(obj, list | tuple | set | frozenset) or full_name(type(obj)) == "collections.deque":
            return members_of(obj) if obj or not immutable(obj) else PLAIN
        if isinstance(obj, type) or full_name(type(obj)).startswith("numpy.lib."):
            # What numpy.r_ and its like make is new; list[int] is no container.
            return LOCAL
        return UNSEEN

    def unpacked(self, value: Value, count: int, node: ast.AST) -> list[Value]:
        """What each of `count` variables gets when `value` is unpacked into them."""
        targets = [NOTHING] * count
        for atom in value:
            members: Iterable[Value] = [self.item(frozenset({atom}))] * count
            if isinstance(atom, Row) and len(atom.members) == count:
                members = atom.members
            elif isinstance(atom, Live) and isinstance(atom.obj, tuple) and len(atom.obj) == count:
                members = [self.seen(member) for member in atom.obj]
            elif is_iterator(atom):
                self.findings.changed(f"uses up {text_of(node)}, which is kept between items")
            targets = [join(*pair) for pair in zip(targets, members, strict=True)]
        return targets


def lookup(cls: type, name: str) -> tuple[type, Any] | None:
    """The class in which `cls` finds `name`, and what it finds."""
    for base in cls.__mro__:
        if name in base.__dict__:
            return base, base.__dict__[name]
    return None


def class_of(atom: Atom) -> type | None:
    """The class of `atom`, where it is known."""
    if isinstance(atom, Live):
        return type(atom.obj)
    if isinstance(atom, Instance):
        return atom.cls
    return atom.kind if isinstance(atom, Shared) else None


def is_array(atom: Atom) -> bool:
    """Whether `atom` is an array that outlives the item."""
    cls = None if isinstance(atom, Instance) else class_of(atom)
    return cls is not None and any(full_name(base) == ARRAY for base in cls.__mro__)


def is_iterator(atom: Atom) -> bool:
    """Whether `atom` outlives the item and can be gone through only once."""
    cls = class_of(atom)
    if cls is None or isinstance(atom, Instance) or is_module_or_class(atom):
        return False
    return lookup(cls, "__next__") is not None and not is_standard_stream(atom)


def is_standard_stream(atom: Atom) -> bool:
    """Whether `atom` is the process's output."""
    return isinstance(atom, Live) and (atom.obj is sys.stdout or atom.obj is sys.stderr)


def is_module_or_class(atom: Atom) -> bool:
    """Whether `atom` is a module or a class."""
    return isinstance(atom, Live) and isinstance(atom.obj, types.ModuleType | type)


def instance_attributes(obj: Any) -> dict[str, Any]:
    """The attributes of `obj` itself, without those of its class and without running its code."""
    try:
        attributes = object.__getattribute__(obj, "__dict__")
    except AttributeError:
        return {}
    return attributes if isinstance(attributes, dict) else {}


def bound(function: Any, receiver: Atom) -> Value:
    """`function` with `receiver` as its first argument."""
    if isinstance(function, types.FunctionType):
        return frozenset({Bound(function, receiver)})
    return frozenset({Partial(live(function), Args((frozenset({receiver}),)))})


def dict_parts(atom: Atom) -> tuple[Value, Value] | None:
    """The keys and values of a dict that exists now."""
    if isinstance(atom, Live) and isinstance(atom.obj, dict | types.MappingProxyType):
        return members_of(atom.obj), members_of(atom.obj.values())
    return None


def view_of_dict(atom: Atom, method: str) -> Value | None:
    """What `keys`, `values` or `items` of a dict that exists now gives."""
    parts = dict_parts(atom)
    if parts is None or method not in ("keys", "values", "items"):
        return None
    content = {"keys": parts[0], "values": parts[1], "items": row(*parts)}[method]
    return holder(content)


def _whole(array: Any) -> Value:
    return frozenset({Live(array)}) if not array.dtype.hasobject else frozenset({Live(array), Shared()})


def _computed(atom: Atom, name: str) -> Value:
    cls = class_of(atom)
    if isinstance(atom, Live) and (is_leaf(atom.obj) or isinstance(atom.obj, types.FunctionType)):
        return PLAIN
    if cls is not None and any(full_name(base) == ARRAY for base in cls.__mro__):
        if name in ARRAY_FIGURES:
            return PLAIN
        if name in ARRAY_VIEWS:
            return frozenset({atom})
    return LOCAL if isinstance(atom, Instance) else UNSEEN


def _inside(atom: Atom) -> Value:
    if isinstance(atom, Holder):
        return frozenset({atom}) | atom.content
    if isinstance(atom, Row):
        return frozenset({atom}).union(*atom.members)
    return frozenset({atom}) if isinstance(atom, Closure) else NOTHING
