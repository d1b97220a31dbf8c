"""About how many bytes an item holds, without encoding it."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterable
from itertools import islice

_FLAT = 32
"""Bytes put down for what has no length of its own: numbers, small objects."""

_SAMPLE = 64


def payload_bytes(item: object, depth: int = 3) -> int:
    """About how many bytes an item holds: exact for arrays, bytes and text, an estimate for what contains them."""
    try:
        nbytes = getattr(item, "nbytes", None)
        if isinstance(nbytes, int):
            return max(nbytes, 0)
        if isinstance(item, str | bytes | bytearray):
            return len(item)
        if depth == 0 or isinstance(item, type):
            return _FLAT
        if isinstance(item, dict):
            return _members(item.values(), len(item), depth)
        if isinstance(item, array):
            return len(item) * item.itemsize
        if isinstance(item, list | tuple | set | frozenset | deque):
            return _members(item, len(item), depth)
        state = getattr(item, "__dict__", None)
        return _members(list(state.values()), len(state), depth) if state else _FLAT
    except Exception:  # noqa: BLE001 - a user's object may raise anything when it is asked; then nothing is known
        return _FLAT


def _members(members: Iterable[object], count: int, depth: int) -> int:
    """The sum over the members, scaled up from the first ones where there are many."""
    if not count:
        return _FLAT
    looked_at = min(count, _SAMPLE)
    total = sum(payload_bytes(member, depth - 1) for member in islice(members, looked_at))
    return _FLAT + total * count // looked_at


FLAT_NUMBERS = frozenset({int, float, bool, type(None), complex})
_FLAT_NUMBER_BYTES = 9
_MOST_FLAT_BYTES = 256


def flat_bytes(item: object) -> int:
    """About how many bytes a small value takes that stands in one list with others; 0 where it must not.

    Small values are those that cannot change, so that they need not be encoded when they are written, and that any
    pickler can take: numbers, short text and bytes, tuples of numbers and short text.
    """
    kind = type(item)
    if kind in FLAT_NUMBERS:
        return _FLAT_NUMBER_BYTES
    if kind is str or kind is bytes:
        length = len(item) + 8  # type: ignore[arg-type]
        return length if length < _MOST_FLAT_BYTES else 0
    if kind is not tuple:
        return 0
    total = 2
    for member in item:  # type: ignore[attr-defined]
        of_member = type(member)
        if of_member in FLAT_NUMBERS:
            total += _FLAT_NUMBER_BYTES
        elif of_member is str:
            total += len(member) + 3
        else:
            return 0
    return total if total < _MOST_FLAT_BYTES else 0
