"""What an expression may stand for, as far as reading code without running it can tell.

A value is a set of atoms, each one possibility. What matters is whether an atom outlives the item being processed
(`Live`, `Shared`) and can be changed: then it is *kept*, and whoever changes it keeps state.
"""

from __future__ import annotations

import datetime
import decimal
import enum
import fractions
import functools
import logging
import operator
import pathlib
import re
import sys
import types
import uuid
import zoneinfo
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any


class Atom:
    """One possibility of what a value is."""

    __slots__ = ()


Value = frozenset[Atom]
NOTHING: Value = frozenset()


@dataclass(frozen=True, slots=True)
class Plain(Atom):
    """Something that nobody can change and that calls no code of the user's: a number, a text, a pattern."""


@dataclass(frozen=True, slots=True)
class Local(Atom):
    """Something made while processing this item, or the item itself, or what hangs on it."""


@dataclass(frozen=True, slots=True)
class Instance(Atom):
    """A local object whose class is the user's, and known."""

    cls: type


@dataclass(frozen=True, slots=True)
class Holder(Atom):
    """A local container of things that may be kept."""

    content: Value


@dataclass(frozen=True, slots=True)
class Row(Atom):
    """A local tuple, whose members are known one by one."""

    members: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Shared(Atom):
    """Something that outlives the item and whose value could not be seen; its type perhaps."""

    kind: type | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Live(Atom):
    """An object that exists now and outlives the item."""

    obj: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Live) and other.obj is self.obj

    def __hash__(self) -> int:
        return id(self.obj)


@dataclass(frozen=True, slots=True)
class Foreign(Atom):
    """A library module that is not loaded, or something in it."""

    name: str


@dataclass(frozen=True, slots=True)
class Method(Atom):
    """A method that no user wrote, bound to its receiver."""

    receiver: Value
    name: str


@dataclass(frozen=True, slots=True)
class Bound(Atom):
    """A function of the user's, bound to its first argument."""

    function: types.FunctionType
    receiver: Atom


@dataclass(frozen=True, slots=True)
class Super(Atom):
    """What `super()` gives: the receiver, its class searched after `after`."""

    after: type
    receiver: Atom


@dataclass(frozen=True, slots=True)
class Args:
    """What a call passes; `star` and `double_star` are the members of what was passed with * and **."""

    positional: tuple[Value, ...] = ()
    named: tuple[tuple[str, Value], ...] = ()
    star: Value = NOTHING
    double_star: Value = NOTHING

    def values(self) -> Iterator[Value]:
        """Everything passed."""
        yield from self.positional
        yield from (value for _, value in self.named)
        yield self.star
        yield self.double_star

    def after(self, *first: Value) -> Args:
        """The same arguments after `first`."""
        return Args((*first, *self.positional), self.named, self.star, self.double_star)


@dataclass(frozen=True, slots=True)
class Partial(Atom):
    """`functools.partial`, or what amounts to it."""

    function: Value
    args: Args


@dataclass(frozen=True, slots=True, eq=False)
class Closure(Atom):
    """A function defined inside the code being read; equal only to itself."""

    frame: Any


PLAIN: Value = frozenset({Plain()})
LOCAL: Value = frozenset({Local()})
UNSEEN: Value = frozenset({Shared()})
ANYTHING: Value = LOCAL | UNSEEN | frozenset({Shared(object)})
"""Too many possibilities to keep apart; nothing can be added."""

LEAVES = (
    int, float, complex, str, bytes, types.NoneType, range, types.EllipsisType, types.NotImplementedType, re.Pattern,
    datetime.date, datetime.time, datetime.timedelta, datetime.tzinfo, zoneinfo.ZoneInfo, pathlib.PurePath,
    decimal.Decimal, fractions.Fraction, uuid.UUID, logging.Logger, logging.LoggerAdapter,
)  # fmt: skip
NAMED_LEAVES = frozenset({"numpy.generic", "numpy.dtype", "obspy.core.utcdatetime.UTCDateTime"})
CODE = (
    types.FunctionType, types.BuiltinFunctionType, types.ModuleType, type, types.MethodDescriptorType,
    types.WrapperDescriptorType, types.ClassMethodDescriptorType, operator.itemgetter, operator.attrgetter,
    operator.methodcaller, types.GenericAlias, types.UnionType,
)  # fmt: skip
LEAF_PACKAGES = sys.stdlib_module_names | {"builtins", "numpy", "obspy"}
LOOKED_AT = 20_000
"""Members of a container looked at, before it counts as unseen."""
KEPT_APART = 24
"""Possibilities of one value kept apart, before it counts as unseen."""
DEEPEST = 4


def full_name(thing: Any) -> str:
    """`module.name` of a function or class."""
    return f"{getattr(thing, '__module__', None) or ''}.{getattr(thing, '__qualname__', '')}"


def is_leaf(obj: object) -> bool:
    """Whether `obj` is immutable, all by itself, and of a library's class."""
    cls = type(obj)
    if cls is object:
        return True
    if cls.__module__.partition(".")[0] not in LEAF_PACKAGES:
        return False
    return issubclass(cls, LEAVES) or any(full_name(base) in NAMED_LEAVES for base in cls.__mro__)


def immutable(obj: Any, depth: int = 0) -> bool:
    """Whether neither `obj` nor anything in it can be changed."""
    if is_leaf(obj) or isinstance(obj, CODE) or full_name(type(obj)) == "numpy.ufunc" or is_cache(obj):
        return True
    if depth > DEEPEST:
        return False
    if isinstance(obj, tuple | frozenset):
        return all(immutable(member, depth + 1) for member in obj)
    if isinstance(obj, enum.Enum):
        return True
    parameters = getattr(type(obj), "__dataclass_params__", None)
    if parameters is not None and parameters.frozen:
        return all(immutable(member, depth + 1) for member in getattr(obj, "__dict__", {"": []}).values())
    return False


def is_cache(obj: object) -> bool:
    """Whether `obj` is a function under `functools.lru_cache`."""
    return type(obj) is type(_cached)


@functools.lru_cache
def _cached() -> None:
    """Only there for its type, which has no public name."""


def live(obj: Any) -> Value:
    """The value that `obj`, which exists now, is."""
    if is_leaf(obj):
        return PLAIN
    if isinstance(obj, types.MethodType):
        if isinstance(obj.__func__, types.FunctionType):
            return frozenset({Bound(obj.__func__, atom) for atom in live(obj.__self__)})
        return frozenset({Partial(live(obj.__func__), Args((live(obj.__self__),)))})
    if isinstance(obj, types.BuiltinMethodType | types.MethodWrapperType):
        receiver = obj.__self__
        if receiver is not None and not isinstance(receiver, types.ModuleType | type):
            return frozenset({Method(live(receiver), obj.__name__)})
    if type(obj) is functools.partial:
        named = tuple((name, live(value)) for name, value in obj.keywords.items())
        return frozenset({Partial(live(obj.func), Args(tuple(live(value) for value in obj.args), named))})
    return frozenset({Live(obj)})


def join(*values: Value) -> Value:
    """Any of the possibilities of any of `values`."""
    result = frozenset[Atom]().union(*values)
    if result >= ANYTHING or len(result) > KEPT_APART or any(depth_of(atom) > DEEPEST for atom in result):
        return ANYTHING
    return result


def depth_of(atom: Atom) -> int:
    """How many containers and bindings `atom` is made of, one inside the other."""
    inner: Iterable[Value] = ()
    if isinstance(atom, Holder):
        inner = (atom.content,)
    elif isinstance(atom, Row):
        inner = atom.members
    elif isinstance(atom, Method):
        inner = (atom.receiver,)
    elif isinstance(atom, Partial):
        inner = (atom.function, *atom.args.values())
    elif isinstance(atom, Bound | Super):
        inner = (frozenset({atom.receiver}),)
    return 1 + max((depth_of(part) for value in inner for part in value), default=0)


def kept(atom: Atom) -> bool:
    """Whether whoever gets `atom` could change something that outlives the item."""
    if isinstance(atom, Live):
        return not immutable(atom.obj)
    if isinstance(atom, Holder):
        return any_kept(atom.content)
    if isinstance(atom, Row):
        return any(map(any_kept, atom.members))
    if isinstance(atom, Method):
        return any_kept(atom.receiver)
    if isinstance(atom, Bound):
        return kept(atom.receiver)
    if isinstance(atom, Partial):
        return any_kept(atom.function) or any(map(any_kept, atom.args.values()))
    return isinstance(atom, Shared | Super)


def any_kept(value: Value) -> bool:
    """Whether whoever gets `value` could change something that outlives the item."""
    return any(map(kept, value))


def kept_of(*values: Value) -> Value:
    """The possibilities that are kept."""
    return frozenset(atom for value in values for atom in value if kept(atom))


def can_be_called(atom: Atom) -> bool:
    """Whether `atom` is code that a function given it might call."""
    if isinstance(atom, Method | Bound | Closure | Partial):
        return True
    return isinstance(atom, Live) and callable(atom.obj) and not isinstance(atom.obj, type)


def holder(content: Value) -> Value:
    """A local container of `content`."""
    worth = frozenset(atom for atom in content if kept(atom) or can_be_called(atom) or isinstance(atom, Holder | Row))
    return frozenset({Holder(join(worth, LOCAL))}) if worth else LOCAL


def row(*members: Value) -> Value:
    """A local tuple of `members`."""
    return frozenset({Row(members)})


def members_of(collection: Iterable[Any]) -> Value:
    """What the members of a container that exists now are."""
    result: set[Atom] = set()
    for position, member in enumerate(collection):
        if position >= LOOKED_AT:
            return UNSEEN
        result |= live(member) if len(result) < KEPT_APART // 2 else _by_type(member)
    return join(frozenset(result)) if result else UNSEEN


def _by_type(member: object) -> Value:
    return PLAIN if immutable(member) and not callable(member) else frozenset({Shared(type(member))})
