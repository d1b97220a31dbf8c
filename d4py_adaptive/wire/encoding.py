"""Items to bytes and back: the `Wire` that a mapping is given, and the plain one."""

from __future__ import annotations

import io
import pickle
from collections import ChainMap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple, Protocol

from d4py_adaptive.errors import WireError
from d4py_adaptive.wire import plain_arrays
from d4py_adaptive.wire.copying import pickled_as_writable
from d4py_adaptive.wire.slots import Slot

Buffer = bytes | bytearray | memoryview

Keep = Callable[[memoryview], Buffer | Slot]
"""Copies a large buffer to where its readers will find it: a slot on shared memory, or bytes that travel."""

OUT_OF_BAND_BYTES = 16 * 1024
"""Buffers from this size on travel beside the pickle instead of inside it; below, a copy costs less than a piece."""


MAX_BODY_BYTES = 2**32 - 1
MAX_BUFFERS = 2**16 - 1
"""What the table of a frame can say of one item."""


class Encoded(NamedTuple):
    """One item as bytes: a pickle, and the large buffers beside it; nothing of it is shared with the item."""

    body: Buffer
    buffers: tuple[Buffer | Slot, ...]
    nbytes: int

    @property
    def frame_bytes(self) -> int:
        """How many of them travel in the frame."""
        return self.nbytes - sum(buffer.nbytes for buffer in self.buffers if isinstance(buffer, Slot))

    def with_buffers(self, change: Callable[[Buffer | Slot], Buffer]) -> Encoded:
        """The same with each buffer as `change` gives it."""
        return Encoded(self.body, tuple(map(change, self.buffers)), self.nbytes)

    def for_one_reader(self) -> Encoded:
        """The same on memory of its own, which its one reader may write to.

        Raises:
            WireError: a buffer stands on shared memory, which is for whoever it was sent to.
        """
        return Encoded(bytes(self.body), tuple(map(_own, self.buffers)), self.nbytes)


def _own(buffer: Buffer | Slot) -> Buffer:
    if isinstance(buffer, Slot):
        raise WireError(f"slot {buffer.number} was lent to another worker; encode the item again for this one")
    return bytearray(buffer)


class Wire(Protocol):
    """Encodes and decodes items; picklable, so that it reaches every worker."""

    def encode(self, item: object, keep: Keep = bytes) -> Encoded:
        """The item as bytes, its value fixed from here on; `keep` copies each large buffer of it.

        Raises:
            WireError: it cannot be encoded.
        """

    def decode(self, body: Buffer, buffers: Sequence[Any]) -> Any:
        """The item again, writable and private if the buffers are; none of them is a `Slot` any more."""


_SMALL = frozenset({int, float, bool, type(None), complex})


@dataclass(frozen=True)
class PlainWire:
    """Pickle, protocol 5, large buffers out of band; by value what cannot be imported at the other end.

    Attributes:
        out_of_band_bytes: from which size on a buffer is large.
    """

    out_of_band_bytes: int = OUT_OF_BAND_BYTES

    def encode(self, item: object, keep: Keep = bytes) -> Encoded:
        """The item as bytes; each large buffer is copied once, by `keep`."""
        if type(item) in _SMALL:
            body = pickle.dumps(item, 5)
            return Encoded(body, (), len(body))
        array = plain_arrays.pickled(item)
        if array is not None and array[1].nbytes >= self.out_of_band_bytes:
            body, raw = array
            return Encoded(body, (keep(raw),), len(body) + raw.nbytes)
        raws: list[memoryview] = []
        frozen = False

        def keep_in_band(buffer: pickle.PickleBuffer) -> bool:
            nonlocal frozen
            raw = buffer.raw()
            frozen = frozen or raw.readonly
            if raw.nbytes < self.out_of_band_bytes or len(raws) == MAX_BUFFERS:
                return True
            raws.append(raw)
            return False

        body = dump(item, keep_in_band, raws)
        if frozen:
            raws.clear()
            body = dump(item, keep_in_band, raws, as_writable=True)
        if len(body) > MAX_BODY_BYTES:
            raise WireError(
                f"one item's pickle has at most {MAX_BODY_BYTES:,} bytes; got {len(body):,}; "
                "send large data as arrays, which travel beside the pickle"
            )
        return Encoded(body, tuple(map(keep, raws)), len(body) + sum(map(len, raws)))

    def decode(self, body: Buffer, buffers: Sequence[Any]) -> Any:
        """The item again; arrays stand on the buffers given."""
        if len(buffers) == 1:
            return plain_arrays.unpickled(bytes(body), buffers)
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


def dump(
    item: object,
    buffer_callback: Any = None,
    buffers: list[memoryview] | None = None,
    as_writable: bool = False,
) -> bytes:
    """The item pickled, classes and functions that cannot be imported elsewhere by value.

    Args:
        item: the item.
        buffer_callback: what `pickle.dumps` takes.
        buffers: what the callback collects, emptied before a second try.
        as_writable: whether an array that cannot be written to arrives as one that can; not where it goes by value.

    Raises:
        WireError: it cannot be pickled either way.
    """
    try:
        if as_writable:
            return pickled_as_writable(item, buffer_callback)
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
