"""The canonical bytes of a group-by key: equal keys write the same bytes in every process, on every machine.

Python's equality decides (1 and 1.0 are one key), so that each kind of key is written by its value: tagged,
and of known length where it stands in another, so that no two keys run into each other. `digest` is the
strict counterpart, which tells values apart by type too.
"""

from __future__ import annotations

import math
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, Flag
from fractions import Fraction
from functools import lru_cache
from hashlib import blake2b
from pathlib import PurePath, PureWindowsPath
from types import NoneType
from typing import Any, NoReturn, cast
from uuid import UUID

from d4py_adaptive.dataflow.digest import digest
from d4py_adaptive.errors import WorkflowError

__all__ = ["digest", "stable_hash"]


def stable_hash(key: object) -> int:
    """The 64-bit number of a group-by key: equal keys share it, in every process, machine and Python version.

    Equal means as in a dictionary: 1, 1.0, True and np.int64(1) are one key. NaNs are one key too, a list
    counts as the tuple of its members, and a zero-dimensional array as its scalar.

    Raises:
        WorkflowError: the key is of a kind whose equality cannot be put into bytes.
    """
    short = all(map(_is_short, key)) if type(key) is tuple and len(key) <= 4 else _is_short(key)
    return _remembered(key) if short else _hash(key)


def _is_short(key: Any) -> bool:
    """Whether a key may be remembered: equal keys have equal numbers, and short ones take little memory."""
    kind = type(key)
    return len(key) <= 128 if kind is str else kind is int or kind is float


def _hash(key: object) -> int:
    try:
        return int.from_bytes(blake2b(_encode(key), digest_size=8).digest(), "big")
    except RecursionError:
        raise WorkflowError(
            "a group-by key must not be nested hundreds of levels deep or contain itself; "
            "group by str(key) or by one field of it"
        ) from None


_remembered = lru_cache(maxsize=8192)(_hash)

_PRIME = (1 << 128) - 159
"""Numbers are taken modulo this prime, fractions by the inverse of their denominator, as Python's own hash
does: equal numbers of any type agree, exactly, without writing out 1E+999999."""

_HALF = pow(2, -1, _PRIME)
_NAN, _INF, _MINUS_INF, _NO_INVERSE = (b"n" + bytes([255] * 15 + [last]) for last in (255, 254, 253, 252))


def _encode(key: object) -> bytes:
    kind = type(key)
    encoder = _ENCODERS.get(kind)
    if encoder is None:
        encoder = _ENCODERS[kind] = _inherited(kind)
    return encoder(key)


def _integer(key: int) -> bytes:
    return b"n" + int.__mod__(key, _PRIME).to_bytes(16, "big")


def _real(key: Any) -> bytes:
    if key != key:
        return _NAN
    if key in (math.inf, -math.inf):
        return _INF if key > 0 else _MINUS_INF
    numerator, denominator = key.as_integer_ratio()
    return _integer(numerator * pow(_HALF, denominator.bit_length() - 1, _PRIME))


def _complex(key: Any) -> bytes:
    return b"c" + _real(key.real) + _real(key.imag) if key.imag else _real(key.real)


def _fraction(key: Fraction) -> bytes:
    numerator, denominator = int(key.numerator), int(key.denominator)
    return _integer(numerator * pow(denominator, -1, _PRIME)) if denominator % _PRIME else _NO_INVERSE


def _decimal(key: Decimal) -> bytes:
    sign, digits, exponent = key.as_tuple()
    if isinstance(exponent, str):
        return _NAN if exponent in "nN" else (_MINUS_INF if sign else _INF)
    return _integer(int(Decimal((sign, digits, 0))) * pow(10, exponent, _PRIME))


def _string(key: str) -> bytes:
    return b"s" + str.encode(key, "utf-8", "surrogatepass")


def _octets(key: Any) -> bytes:
    return b"".join((b"b", key))  # a numpy byte string has a + of its own


def _view(key: memoryview) -> bytes:
    return b"b" + key.tobytes() if key.format in ("B", "b", "c") else _refuse(key)


def _joined(tag: bytes, parts: Iterable[bytes]) -> bytes:
    return tag + b"".join([len(part).to_bytes(8, "big") + part for part in parts])


def _sequence(key: Iterable[object]) -> bytes:
    return _joined(b"t", map(_encode, key))


def _unordered(key: Iterable[object]) -> bytes:
    return _joined(b"S", sorted(map(_encode, key)))


def _mapping(key: Mapping[object, object]) -> bytes:
    return _joined(b"m", sorted(map(_sequence, key.items())))


def _attoseconds(tag: bytes, days: int, seconds: int, microseconds: int) -> bytes:
    return tag + b"%d" % (((days * 86400 + seconds) * 10**6 + microseconds) * 10**12)


def _duration(key: timedelta) -> bytes:
    return _attoseconds(b"T", key.days, key.seconds, key.microseconds)


def _date(key: date) -> bytes:
    return b"d%d" % key.toordinal()


def _datetime(key: datetime) -> bytes:
    # Python's own hash leaves the fold out, so that both readings of a repeated hour are one key
    offset = (key.replace(fold=0) if key.fold else key).utcoffset()
    seconds = key.hour * 3600 + key.minute * 60 + key.second
    since = timedelta(key.toordinal() - _EPOCH, seconds, key.microsecond) - (offset or timedelta())
    return _attoseconds(b"D" if offset is None else b"A", since.days, since.seconds, since.microseconds)


_EPOCH = date(1970, 1, 1).toordinal()


def _time(key: time) -> bytes:
    offset = (key.replace(fold=0) if key.fold else key).utcoffset()
    since = timedelta(hours=key.hour, minutes=key.minute, seconds=key.second, microseconds=key.microsecond)
    return (b"h" if offset is None else b"H") + _duration(since - (offset or timedelta()))


def _path(key: PurePath) -> bytes:
    return b"w" + _string(str(key).lower()) if isinstance(key, PureWindowsPath) else b"p" + _string(str(key))


def _member(key: Enum) -> bytes:
    # the name of a combined flag differs between versions of Python
    return _joined(
        b"e", [_string(type(key).__qualname__), _encode(key._value_ if isinstance(key, Flag) else key._name_)]
    )


def _record(key: Any) -> bytes:
    values = [_encode(getattr(key, field.name)) for field in fields(key) if field.compare]
    return _joined(b"o", [_string(type(key).__qualname__), *values])


_BASES: dict[type, Callable[[Any], bytes]] = {
    str: _string, bytes: _octets, bytearray: _octets, memoryview: _view, NoneType: lambda _: b"N",
    bool: _integer, int: _integer, float: _real, complex: _complex, Fraction: _fraction, Decimal: _decimal,
    tuple: _sequence, list: _sequence, set: _unordered, frozenset: _unordered,
    OrderedDict: _mapping, dict: _mapping,
    datetime: _datetime, date: _date, time: _time, timedelta: _duration,
    UUID: lambda key: b"u" + key.bytes, PurePath: _path,
}  # fmt: skip
_ENCODERS = dict(_BASES)


def _inherited(kind: type) -> Callable[[Any], bytes]:
    """The encoder of a class by what it derives from, unless it compares in its own way."""
    numpy = sys.modules.get("numpy")
    if numpy is not None and issubclass(kind, numpy.generic):
        return _numpy_scalar(kind, numpy)
    if numpy is not None and kind is numpy.ndarray:
        return lambda array: _refuse(array) if array.ndim else _encode(array[()])
    for base, encoder in _BASES.items():
        if issubclass(kind, base) and _compares_as(kind, base):
            return encoder
    if _is_plain_record(kind):
        return _record
    if issubclass(kind, Enum) and _compares_as(kind, Enum):
        return _member
    return _refuse


def _compares_as(kind: Any, base: Any) -> bool:
    return kind.__eq__ is base.__eq__ and kind.__hash__ is base.__hash__


def _is_plain_record(kind: Any) -> bool:
    if not hasattr(kind, "__dataclass_fields__") or not kind.__dataclass_params__.frozen:
        return False
    made = (getattr(method, "__code__", None) for method in (kind.__eq__, kind.__hash__))
    return all(code is not None and code.co_filename == "<string>" for code in made)  # as dataclass writes them


def _numpy_scalar(kind: type, numpy: Any) -> Callable[[Any], bytes]:
    for base, encoder in (
        (str, _string), (bytes, _octets), (numpy.bool_, lambda key: _integer(bool(key))),
        (numpy.timedelta64, _numpy_time), (numpy.datetime64, _numpy_time),
        (numpy.integer, lambda key: _integer(int(key))),
        (numpy.floating, _real), (numpy.complexfloating, _complex),
    ):  # fmt: skip
        if issubclass(kind, base):
            return cast(Callable[[Any], bytes], encoder)
    return _refuse


_UNITS = {"W": 604800, "D": 86400, "h": 3600, "m": 60, "s": 1}
_PARTS = {"ms": 10**15, "us": 10**12, "ns": 10**9, "ps": 10**6, "fs": 10**3, "as": 1}


def _numpy_time(key: Any) -> bytes:
    """A numpy date or duration as the equal one of `datetime`, whatever its unit."""
    numpy = sys.modules["numpy"]
    is_date = isinstance(key, numpy.datetime64)
    tag = b"D" if is_date else b"T"
    if numpy.isnat(key):
        return tag + b"NaT"
    unit, step = numpy.datetime_data(key.dtype)
    count = int(key.astype(numpy.int64)) * int(step)
    if unit in ("Y", "M"):
        months = count * 12 if unit == "Y" else count
        return _attoseconds(tag, _days_to_month(months), 0, 0) if is_date else _integer(months)
    if unit == "generic":
        return _refuse(key)
    return tag + b"%d" % (count * (_PARTS.get(unit) or _UNITS[unit] * 10**18))


def _days_to_month(months: int) -> int:
    """Days from 1970 to the first of a month, of any year: numpy's years leave `datetime`'s range."""
    cycles, month = divmod(months, 4800)  # the calendar repeats after 400 years, which are 146097 days
    return cycles * 146097 + date(1970 + month // 12, month % 12 + 1, 1).toordinal() - _EPOCH


def _refuse(key: Any) -> NoReturn:
    kind = type(key)
    if kind.__name__ == "ndarray":
        fix = "use tuple(key.tolist()) or key.tobytes()"
    elif is_dataclass(kind):
        fix = "declare it @dataclass(frozen=True), without an __eq__ or __hash__ of its own"
    else:
        fix = "group by str(key) or by a tuple of its fields"
    raise WorkflowError(
        "a group-by key must be a str, bytes, number, None, date, time, UUID, path, enum member or frozen "
        "dataclass, or a tuple, list, set or dict of these, compared as Python compares them; "
        f"got a {kind.__qualname__}; {fix}"
    )
