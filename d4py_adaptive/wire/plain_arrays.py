"""Pickles of plain arrays, remembered: beside its numbers, an array is a type, a shape and an order."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Sequence
from typing import Any

_KINDS = frozenset("biufc")
_MOST = 256
"""Kinds of arrays that are remembered; a stream has few, and one of many begins anew now and then."""

_pickles: dict[tuple[Any, ...], bytes] = {}
_shapes: dict[bytes, tuple[Any, tuple[int, ...], str]] = {}


def pickled(item: Any) -> tuple[bytes, memoryview] | None:
    """The pickle of a contiguous array of numbers, and its buffer, which goes beside it; None for anything else.

    An array that cannot be written to arrives as one that can.
    """
    numpy = sys.modules.get("numpy")
    if numpy is None or type(item) is not numpy.ndarray:
        return None
    dtype, flags = item.dtype, item.flags
    if dtype.kind not in _KINDS or not (flags.c_contiguous or flags.f_contiguous):
        return None
    key = (dtype.num, dtype.byteorder, item.shape, flags.c_contiguous)
    body = _pickles.get(key)
    if body is None:
        body = pickle.dumps(numpy.empty_like(item), 5, buffer_callback=lambda _: False)
        _remember(_pickles, key, body)
    return body, pickle.PickleBuffer(item).raw()


def unpickled(body: bytes, buffers: Sequence[Any]) -> Any:
    """What `pickle.loads` makes of a pickle with one buffer beside it."""
    made = _shapes.get(body)
    if made is not None:
        dtype, shape, order = made
        return sys.modules["numpy"].frombuffer(buffers[0], dtype).reshape(shape, order=order)
    item = pickle.loads(body, buffers=buffers)
    again = pickled(item)
    if again is not None and again[0] == body:
        _remember(_shapes, body, (item.dtype, item.shape, "C" if item.flags.c_contiguous else "F"))
    return item


def _remember(where: dict[Any, Any], key: Any, value: Any) -> None:
    if len(where) >= _MOST:
        where.clear()
    where[key] = value
