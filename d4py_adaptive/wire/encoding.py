"""Items to bytes and back: the `Wire` that a mapping is given, and the plain one."""

from __future__ import annotations

import io
import pickle
from collections import ChainMap
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple, Protocol

from d4py_adaptive.errors import WireError

Buffer = bytes | bytearray | memoryview

OUT_OF_BAND_BYTES = 16 * 1024
"""Buffers from this size on travel beside the pickle instead of inside it; below, a copy costs less than a piece."""


MAX_BODY_BYTES = 2**32 - 1
MAX_BUFFERS = 2**16 - 1
"""What the table of a frame can say of one item."""


class Encoded(NamedTuple):
    """One item as bytes: a pickle, and the large buffers beside it; nothing of it is shared with the item."""

    body: Buffer
    buffers: tuple[Buffer, ...]
    nbytes: int

    def for_one_reader(self) -> Encoded:
        """The same on memory of its own, which its one reader may write to."""
        return Encoded(bytes(self.body), tuple(bytearray(buffer) for buffer in self.buffers), self.nbytes)


class Wire(Protocol):
    """Encodes and decodes items; picklable, so that it reaches every worker."""

    def encode(self, item: object) -> Encoded:
        """The item as bytes, its value fixed from here on.

        Raises:
            WireError: it cannot be encoded.
        """

    def decode(self, body: Buffer, buffers: Sequence[Buffer]) -> Any:
        """The item again, writable and private if the buffers are."""


_SMALL = frozenset({int, float, bool, type(None), complex})


class PlainWire:
    """Pickle, protocol 5, large buffers out of band; by value what cannot be imported at the other end."""

    def encode(self, item: object) -> Encoded:
        """The item as bytes; each large buffer is copied once."""
        if type(item) in _SMALL:
            body = pickle.dumps(item, 5)
            return Encoded(body, (), len(body))
        buffers: list[bytes] = []

        def keep_in_band(buffer: pickle.PickleBuffer) -> bool:
            raw = buffer.raw()
            if raw.nbytes < OUT_OF_BAND_BYTES or len(buffers) == MAX_BUFFERS:
                return True
            buffers.append(bytes(raw))
            return False

        body = dump(item, keep_in_band, buffers)
        if len(body) > MAX_BODY_BYTES:
            raise WireError(
                f"one item's pickle has at most {MAX_BODY_BYTES:,} bytes; got {len(body):,}; "
                "send large data as arrays, which travel beside the pickle"
            )
        return Encoded(body, tuple(buffers), len(body) + sum(map(len, buffers)))

    def decode(self, body: Buffer, buffers: Sequence[Buffer]) -> Any:
        """The item again; arrays stand on the buffers given."""
        return pickle.loads(body, buffers=buffers)


@cache
def pickler_by_value() -> Any:
    """Cloudpickle's pickler, but for open files, which it would send as a copy of their text."""
    import cloudpickle

    class Pickler(cloudpickle.Pickler):  # type: ignore[misc]
        # The table is read from the class alone.
        dispatch_table = ChainMap({io.TextIOWrapper: _refuse_file}, cloudpickle.Pickler.dispatch_table)

    return Pickler


def _refuse_file(file: io.TextIOWrapper) -> Any:
    raise TypeError(f"an open file ({file.name!r}) cannot leave its process; send its name")


def dump(item: object, buffer_callback: Any = None, buffers: list[bytes] | None = None) -> bytes:
    """The item pickled, classes and functions that cannot be imported elsewhere by value.

    Raises:
        WireError: it cannot be pickled either way.
    """
    try:
        return pickle.dumps(item, 5, buffer_callback=buffer_callback)
    except Exception:  # noqa: BLE001 - a user's __reduce__ may raise anything; the second try decides
        if buffers is not None:
            buffers.clear()
        try:
            stream = io.BytesIO()
            pickler_by_value()(stream, 5, buffer_callback=buffer_callback).dump(item)
            return stream.getvalue()
        except Exception as error:
            raise WireError(
                f"an item that goes to another process must be picklable; got {type(item).__name__}: "
                f"{type(error).__name__}: {error}; send plain data, or keep this stream inside one process"
            ) from error
