"""The reader's end of a slab: slots as memory that arrays can stand on, and word of when they are gone.

What is opened behaves as ordinary memory: writable, private, aligned, and alive as long as any view of it. When the
last view dies, whenever and in whichever thread that is, the slot's number waits to be sent back.
"""

from __future__ import annotations

import errno
import mmap
import os
import weakref
from collections import deque
from functools import cache
from typing import Any

from d4py_adaptive.errors import WireError
from d4py_adaptive.wire.slab import PAGE_BYTES, Segment, populate
from d4py_adaptive.wire.slots import Access, Slot

_ALIGNED = 64
_MOST_VIEWS = 32
"""Slots of one sender that are mapped by themselves at one time, each of which holds a file open."""

_TOO_MANY = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
_MAP_FIXED = 0x10


class _Lease(weakref.ref[Any]):
    """A reference to what the arrays on a slot stand on; it tells when that dies.

    Attributes:
        slot: the slot.
        is_apart: whether it is mapped by itself.
        is_private: whether what is changed on it is seen by nobody else any more.
    """

    __slots__ = ("is_apart", "is_private", "slot")
    slot: Slot
    is_apart: bool
    is_private: bool


class Leases:
    """What one process has open of one sender's slab.

    `open` and `returned` belong to one thread; the arrays may go anywhere.

    Args:
        segment: the sender's memory.
        keeps: whether what is opened may stay where it is, as long as the sender allows; else it is copied.
        done: where to put slots that are not needed any more; one's own unless it is shared.
    """

    def __init__(self, segment: Segment, keeps: bool = True, done: deque[Slot] | None = None) -> None:
        self._segment = segment
        self._keeps = keeps
        self._pool: mmap.mmap | None = None
        self._touched = 0
        self._length = segment.pool_bytes
        # Both are changed by single operations alone, since the garbage collector may call `_died` between any two.
        self._open: dict[int, _Lease] = {}
        self._done: deque[Slot] = deque() if done is None else done
        _ALL.add(self)

    @property
    def held(self) -> int:
        """How many slots are open."""
        return len(self._open)

    @property
    def waiting(self) -> int:
        """How many slots wait to be sent back."""
        return len(self._done)

    def open(self, slot: Slot) -> memoryview:
        """The bytes of a slot as writable, private memory; nothing else keeps them alive.

        Raises:
            WireError: the segment has no such slot.
        """
        self._check(slot)
        if slot.access is Access.COPY_OUT or not self._keeps:
            return self._copied(slot)
        if slot.access is Access.IN_PLACE and self._is_pooled(slot):
            return self._lease(slot, self._in_pool(slot), is_apart=False)
        access = mmap.ACCESS_WRITE if slot.access is Access.IN_PLACE else mmap.ACCESS_COPY
        if sum(lease.is_apart for lease in list(self._open.values())) >= _MOST_VIEWS:
            return self._copied(slot)
        try:
            # A mapping for each lease: an earlier one may have pages of its own, which say what was there before.
            view = mmap.mmap(self._segment.fileno(), slot.nbytes, access=access, offset=slot.offset)
        except OSError as error:
            if error.errno in _TOO_MANY:
                return self._copied(slot)
            raise
        return self._lease(slot, view, is_apart=True)

    def returned(self) -> list[Slot]:
        """The slots that are not needed any more, to be sent back; each is said once."""
        return [self._done.popleft() for _ in range(len(self._done))]

    def close(self) -> None:
        """Open nothing more; what is open stays."""
        self._pool = None
        self._segment.close()

    def _check(self, slot: Slot) -> None:
        end = slot.offset + slot.nbytes
        if end > self._length:
            self._length = os.fstat(self._segment.fileno()).st_size
        if slot.nbytes <= 0 or slot.offset % PAGE_BYTES or end > self._length:
            raise WireError(
                f"a slot starts on a page and ends inside the sender's {self._length:,} bytes; "
                f"got {slot.nbytes:,} bytes at {slot.offset:,}: is it another sender's?"
            )

    def _is_pooled(self, slot: Slot) -> bool:
        return slot.offset + slot.nbytes <= self._segment.pool_bytes

    def _in_pool(self, slot: Slot) -> Any:
        """The slot's bytes where they stand, as an object of exactly that length."""
        import numpy

        pool = self._pool
        if pool is None:
            pool = self._pool = mmap.mmap(self._segment.fileno(), self._segment.pool_bytes)
            self._touched = 0
        end = slot.offset + slot.nbytes
        if end > self._touched:
            populate(pool, slot.offset, end)
            self._touched = end
        return numpy.frombuffer(pool, numpy.uint8, slot.nbytes, slot.offset)

    def _copied(self, slot: Slot) -> memoryview:
        import numpy

        room = numpy.empty(slot.nbytes + _ALIGNED - 1, numpy.uint8)
        start = -room.ctypes.data % _ALIGNED
        copy = room[start : start + slot.nbytes]
        if self._is_pooled(slot):
            copy[:] = self._in_pool(slot)
        else:
            _read(self._segment.fileno(), copy.data, slot.offset)
        self._done.append(slot)
        return copy.data

    def _lease(self, slot: Slot, holder: Any, is_apart: bool) -> memoryview:
        lease = _Lease(holder, self._died)
        lease.slot, lease.is_apart, lease.is_private = slot, is_apart, False
        self._open[id(lease)] = lease
        return memoryview(holder)

    def _died(self, lease: _Lease) -> None:
        """The last view of a slot is gone; called at any moment, in any thread."""
        del self._open[id(lease)]
        self._done.append(lease.slot)

    @property
    def any_open(self) -> bool:
        """Whether anybody has what was lent."""
        return bool(self._open)

    def make_private(self) -> None:
        """Give all that is open memory of its own, in place, so that a fork copies it as it copies the rest."""
        import numpy

        for lease in list(self._open.values()):
            holder = lease()
            if holder is None or lease.is_private:
                continue
            lease.is_private = True
            content = numpy.frombuffer(holder, numpy.uint8)
            if lease.slot.access is Access.IN_PLACE:
                _map_privately(content.ctypes.data, len(content), self._segment.fileno(), lease.slot.offset)
                self._pool = None  # what is opened later stands on a new mapping
            content[::PAGE_BYTES] += 0  # a page that is written to is copied


def standing_on(raw: memoryview) -> tuple[Slot, object] | None:
    """The slot that an array's buffer is the whole of, where it could go on to another reader; and what keeps it lent.

    Args:
        raw: the buffer, as pickle gives it for an array.
    """
    exporter = getattr(getattr(raw.obj, "base", None), "base", None)
    if not isinstance(exporter, memoryview):
        return None
    for lease in weakref.getweakrefs(exporter.obj):
        if isinstance(lease, _Lease):
            whole = lease.slot.nbytes == raw.nbytes and lease.slot.access is Access.IN_PLACE and not lease.is_private
            return (lease.slot, exporter.obj) if whole else None
    return None


def _read(descriptor: int, room: memoryview, offset: int) -> None:
    while room:
        read = os.preadv(descriptor, [room[: 2**30]], offset)
        room, offset = room[read:], offset + read


_ALL: weakref.WeakSet[Leases] = weakref.WeakSet()


def _make_all_private() -> None:
    for leases in list(_ALL):
        if leases.any_open:
            leases.make_private()


os.register_at_fork(before=_make_all_private)


@cache
def _mmap() -> Any:
    """The C library's `mmap`, since Python's cannot map to a given address."""
    import ctypes

    function = ctypes.CDLL(None, use_errno=True).mmap
    function.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
    function.restype = ctypes.c_void_p
    return function


def _map_privately(address: int, nbytes: int, descriptor: int, offset: int) -> None:
    """Map the same bytes at the same address, so that what is changed there is seen there alone.

    Raises:
        OSError: it cannot be done.
    """
    import ctypes

    protection, flags = mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_PRIVATE | _MAP_FIXED
    if _mmap()(address, nbytes, protection, flags, descriptor, offset) != address:
        code = ctypes.get_errno()
        raise OSError(code, f"{os.strerror(code)}, mapping {nbytes:,} bytes of a slab privately")
