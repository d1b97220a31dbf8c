"""Items as JSON values and back: what JSON cannot say is an object whose first key begins with `$`.

    {"$float": "nan"}                                       nan, inf, -inf
    {"$int": "0x1000…"}                                     a number of more than 64 bits
    {"$bytes": "base64"}, {"$set": […]}, {"$datetime": "…"}, {"$decimal": "1.10"}, …
    {"$dict": [[key, value], …]}                            keys that are no text, or begin with $
    {"$npy": "a.files/000001.npy", "shape": […], "dtype": "<f8"}         an array, in a file of its own
    {"$object": "flow:Pick", "fields": {…}}                 a dataclass or named tuple
    {"$enum": "flow:Phase", "name": "P"}
    {"$pickle": "base64", "type": "flow:Model"}             any other object, if it is small
    {"$pickle_file": "a.files/000002.pickle", "type": "…"}  the same in a file of its own

A dict of the user's never begins so, since `$dict` takes those that would. A tuple is a JSON list, which comes back as
a list; only where that matters (in keys, sets and objects) it is `{"$tuple": […]}`. NumPy's scalars, and its arrays
without dimensions, are plain numbers.
"""

from __future__ import annotations

import base64
import sys
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from math import isfinite
from pathlib import PosixPath
from types import NoneType
from typing import Any, Protocol
from uuid import UUID

from d4py_adaptive.errors import WireError
from d4py_adaptive.runtime.results.pickled import class_name, is_importable, pickled

INLINE_PICKLE_BYTES = 4096
"""A pickle up to this size stands in its line; a larger one would make lines that nobody can read."""


class Beside(Protocol):
    """Where arrays and pickles go that have files of their own; each returns the reference for the JSON."""

    def array(self, array: Any) -> str:
        """Write an array."""

    def blob(self, data: bytes) -> str:
        """Write a pickle."""


class Tagger:
    """Turns items into what `json` can write.

    Args:
        beside: where arrays and large pickles go.
        exact: whether tuples are told from lists.
    """

    def __init__(self, beside: Beside, exact: bool = False) -> None:
        self._beside = beside
        self._exact = exact
        self.exact = self if exact else Tagger(beside, exact=True)

    def tag(self, value: Any) -> Any:
        """The value as JSON values.

        Raises:
            WireError: something in it cannot even be pickled; says what.
        """
        kind = type(value)
        if kind in _AS_IT_IS:
            return value
        encoder = _ENCODERS.get(kind)
        return self._object(value) if encoder is None else encoder(self, value)

    def pickle(self, value: object) -> dict[str, Any]:
        """The value as a pickle.

        Raises:
            WireError: it cannot be pickled.
        """
        data, kind = pickled(value), class_name(type(value))
        if len(data) > INLINE_PICKLE_BYTES:
            return {"$pickle_file": self._beside.blob(data), "type": kind}
        return {"$pickle": base64.b64encode(data).decode(), "type": kind}

    def _list(self, value: list[Any]) -> Any:
        return [self.tag(member) for member in value]

    def _tuple(self, value: tuple[Any, ...]) -> Any:
        members = [self.tag(member) for member in value]
        return {"$tuple": members} if self._exact else members

    def _dict(self, value: Mapping[Any, Any]) -> Any:
        if all(type(key) is str and key[:1] != "$" for key in value):
            return {key: self.tag(member) for key, member in value.items()}
        return {"$dict": [[self.exact.tag(key), self.tag(member)] for key, member in value.items()]}

    def _defaultdict(self, value: defaultdict[Any, Any]) -> Any:
        name = next((name for name, factory in FACTORIES.items() if factory is value.default_factory), None)
        return self.pickle(value) if name is None else {"$defaultdict": self._dict(value), "factory": name}

    def _int(self, value: int) -> Any:
        return value if -(1 << 63) <= value < 1 << 64 else {"$int": hex(value)}

    def _float(self, value: float) -> Any:
        return value if isfinite(value) else {"$float": str(value)}

    def _datetime(self, value: datetime) -> Any:
        zone = value.tzinfo
        said_by_offset = type(zone) is timezone and str(zone) == str(timezone(zone.utcoffset(None)))
        if value.fold or not (zone is None or said_by_offset):
            return self.pickle(value)
        return {"$datetime": value.isoformat()}

    def _time(self, value: time) -> Any:
        return self.pickle(value) if value.fold or value.tzinfo else {"$time": value.isoformat()}

    def _object(self, value: Any) -> Any:
        """A value of a class that is not in the table."""
        numpy = sys.modules.get("numpy")
        if numpy is not None and isinstance(value, numpy.generic | numpy.ndarray):
            from d4py_adaptive.runtime.results import tagged_arrays

            tagged = tagged_arrays.tag(value, self._beside, self)
            return self.pickle(value) if tagged is None else tagged
        kind = type(value)
        if isinstance(value, Enum) and value._name_ in kind.__members__ and is_importable(kind):
            return {"$enum": class_name(kind), "name": value._name_}
        if kind.__module__ == "obspy.core.utcdatetime" and (text := _text_of(value)):
            return {"$UTCDateTime": text, "ns": self.tag(value.ns), "precision": value.precision}
        inside = _fields_of(value)
        if inside is not None and is_importable(kind):
            try:
                return {"$object": class_name(kind), "fields": {name: self.exact.tag(v) for name, v in inside.items()}}
            except WireError:
                return self.pickle(value)  # its class may know how to leave out what cannot be written
        return self.pickle(value)


def _text_of(moment: Any) -> str:
    try:
        return str(moment)
    except (OverflowError, ValueError):  # beyond the years that a calendar has
        return ""


def _fields_of(value: Any) -> dict[str, Any] | None:
    """The fields of a named tuple or dataclass that holds nothing else; else None."""
    kind = type(value)
    if isinstance(value, tuple):
        plain = kind.__base__ is tuple and hasattr(kind, "_fields") and hasattr(kind, "_make")
        return dict(zip(kind._fields, value, strict=True)) if plain else None
    if not is_dataclass(kind) or kind.__new__ is not object.__new__ or kind.__reduce_ex__ is not object.__reduce_ex__:
        return None
    names = {field.name for field in fields(kind)}
    slots = {slot for base in kind.__mro__ for slot in vars(base).get("__slots__", ())} - {"__weakref__"}
    inside = {name: getattr(value, name) for name in slots if hasattr(value, name)} | getattr(value, "__dict__", {})
    return {field.name: inside[field.name] for field in fields(kind)} if inside.keys() == names else None


FACTORIES: dict[str, Callable[[], Any] | None] = {
    "None": None, "int": int, "float": float, "str": str, "list": list, "dict": dict, "set": set
}  # fmt: skip

_AS_IT_IS = frozenset({str, bool, NoneType})


def _base64(tag: str) -> Callable[[Tagger, Any], Any]:
    return lambda _, value: {tag: base64.b64encode(value).decode()}


def _text(tag: str) -> Callable[[Tagger, Any], Any]:
    return lambda _, value: {tag: str(value)}


def _members(tag: str, of: Callable[[Any], list[Any]]) -> Callable[[Tagger, Any], Any]:
    return lambda tagger, value: {tag: [tagger.exact.tag(member) for member in of(value)]}


_ENCODERS: dict[type, Callable[[Tagger, Any], Any]] = {
    int: Tagger._int,
    float: Tagger._float,
    list: Tagger._list,
    tuple: Tagger._tuple,
    dict: Tagger._dict,
    defaultdict: Tagger._defaultdict,
    OrderedDict: lambda tagger, value: {"$OrderedDict": tagger._dict(value)},
    Counter: lambda tagger, value: {"$Counter": tagger._dict(value)},
    set: _members("$set", list),
    frozenset: _members("$frozenset", list),
    complex: _members("$complex", lambda value: [value.real, value.imag]),
    Fraction: _members("$fraction", lambda value: [value.numerator, value.denominator]),
    timedelta: _members("$timedelta", lambda value: [value.days, value.seconds, value.microseconds]),
    bytes: _base64("$bytes"),
    bytearray: _base64("$bytearray"),
    Decimal: _text("$decimal"),
    UUID: _text("$uuid"),
    PosixPath: _text("$path"),
    date: _text("$date"),
    datetime: Tagger._datetime,
    time: Tagger._time,
}
