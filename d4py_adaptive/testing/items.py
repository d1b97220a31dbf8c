"""The items of random workflows: a key, a whole number and a tail, in several forms, with many ways to be changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from numbers import Rational
from typing import Any

import numpy as np

FORMS = ("tuple", "list", "dict", "box")
BY_POSITION = frozenset({"tuple", "list", "box"})
BY_NAME = frozenset({"dict", "box"})

TAILS = ("none", "list", "array", "nested", "text", "shared", "big")
"""Kinds of tail; `big` is an array that travels beside its pickle, `shared` holds one list twice."""

BIG = 3000

EQUAL_KEYS: tuple[tuple[Any, ...], ...] = (
    ("a", np.str_("a")),
    (1, 1.0, True, np.int64(1), Fraction(1), np.float32(1), 1 + 0j),
    (0, 0.0, -0.0, False, np.int32(0), np.bool_(False)),
    ("b", np.str_("b")),
    (0.5, Fraction(1, 2), np.float64(0.5), Decimal("0.50"), np.float16(0.5)),
    (("x", 1), ("x", True), ("x", 1.0), (np.str_("x"), np.uint8(1))),
    (2, 2.0, np.uint8(2), Fraction(4, 2)),
    (10**20, 1e20, Fraction(10**20), Decimal(10**20)),
    (None,),
    (b"k", np.bytes_(b"k")),
    (-7, np.int16(-7), -7.0),
    ("", np.str_("")),
    (date(2024, 2, 29),),
    ("a longer key, of more than a few words", np.str_("a longer key, of more than a few words")),
)
"""Keys that are equal in Python, a tuple for each value."""


@dataclass
class Box:
    """An item that is an object of a class, and can be grouped by position and by name."""

    key: Any
    value: int
    tail: Any

    def __getitem__(self, part: int | str) -> Any:
        return getattr(self, ("key", "value", "tail")[part] if isinstance(part, int) else part)


def record(form: str, key: Any, value: int, tail: Any) -> Any:
    """An item of this form."""
    if form == "tuple":
        return (key, value, tail)
    if form == "list":
        return [key, value, tail]
    if form == "dict":
        return {"key": key, "value": value, "tail": tail}
    return Box(key, value, tail)


def parts(item: Any) -> tuple[Any, int, Any]:
    """Key, value and tail of an item of any form."""
    if isinstance(item, dict):
        return item["key"], item["value"], item["tail"]
    if isinstance(item, Box):
        return item.key, item.value, item.tail
    return item[0], item[1], item[2]


def make_tail(kind: str, number: int) -> Any:
    """A new tail."""
    if kind == "list":
        return [number, number + 1]
    if kind == "array":
        return np.arange(number, number + 3)
    if kind == "big":
        return np.full(BIG, float(number))
    if kind == "nested":
        return {"rows": [[number], [2]], "array": np.array([number], dtype=np.int32)}
    if kind == "shared":
        row = [number]
        return [row, row]
    return f"text {number}" if kind == "text" else None


def weight(tail: Any) -> int:
    """A number that tells whether a tail was changed."""
    if isinstance(tail, np.ndarray):
        return int(tail.sum())
    if isinstance(tail, dict):
        return sum(map(weight, tail.values()))
    if isinstance(tail, list | tuple):
        return len(tail) + sum(map(weight, tail))
    return int(tail) if isinstance(tail, int) else len(tail or "")


def disturb(item: Any) -> None:
    """Change an item in place, as deep down as it can be changed."""
    _key, value, tail = parts(item)
    _disturb_tail(tail)
    if isinstance(item, list):
        item[1] = value + 1000
    elif isinstance(item, dict):
        item["value"] = value + 1000
    elif isinstance(item, Box):
        item.value = value + 1000


def _disturb_tail(tail: Any) -> None:
    if isinstance(tail, np.ndarray):
        tail += 1
    elif isinstance(tail, dict):
        for member in tail.values():
            _disturb_tail(member)
    elif isinstance(tail, list) and tail and isinstance(tail[0], list):
        tail[0].append(5)
    elif isinstance(tail, list):
        tail.append(7)


def plain_key(key: Any) -> Any:
    """One representative of all keys that are equal to this one."""
    if isinstance(key, tuple):
        return tuple(map(plain_key, key))
    if isinstance(key, str):
        return str.__str__(key)
    if isinstance(key, complex):
        return Fraction(key.real)
    if isinstance(key, np.generic) and not isinstance(key, bytes):
        return plain_key(key.item())
    if isinstance(key, Rational | float | Decimal):
        return Fraction(key)  # equal to the key, so that it groups as the key does
    return bytes(key) if isinstance(key, bytes) else key


def sortable(items: Sequence[Any]) -> list[tuple[str, int, int]]:
    """What the items hold, in an order that does not depend on theirs."""
    triples = [(repr(plain_key(key)), value, weight(tail)) for key, value, tail in map(parts, items)]
    return sorted(triples)
