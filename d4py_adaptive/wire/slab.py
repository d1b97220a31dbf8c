"""Large buffers through shared memory: a slab per sender, into which it copies what others then read where it stands.

The sender asks its `Slab` for a slot and puts the `Slot` into a frame. The reader opens it with `Leases`
(`leases.py`), and the number comes back when the last array on it is gone. The sockets between the processes order
what one writes before what another reads: nobody looks at a slot before a frame names it.

The memory has no name: nothing is left of it when the last process that knows it has ended, however it ended.
"""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from multiprocessing import reduction
from typing import Any

from d4py_adaptive.errors import WireError
from d4py_adaptive.wire.encoding import Buffer
from d4py_adaptive.wire.slots import SlabSize, Slot, Slots

PAGE_BYTES = mmap.ALLOCATIONGRANULARITY

_WRITE_AT_ONCE = 2**30
_NO_ROOM = (errno.ENOSPC, errno.ENOMEM, errno.EDQUOT, errno.EFBIG)
_POPULATE_WRITE = 23  # MADV_POPULATE_WRITE of Linux 5.14, for which Python has no name


class Segment:
    """Nameless memory that one process writes to and others map, held by a file descriptor of this process.

    Pickled, as multiprocessing does for a process that it starts, it takes its memory along.

    Args:
        owner: number of the worker that writes to it.
        descriptor: the file descriptor, which belongs to the segment from now on.
        pool_bytes: how much of it is the slab's pool.
    """

    def __init__(self, owner: int, descriptor: int, pool_bytes: int) -> None:
        self.owner = owner
        self._descriptor = descriptor
        self.pool_bytes = pool_bytes

    @classmethod
    def create(cls, owner: int, pool_bytes: int, in_memory: bool = hasattr(os, "memfd_create")) -> Segment:
        """A new segment; no memory is taken before it is written to.

        Args:
            owner: number of the worker that will write to it.
            pool_bytes: size of the pool, rounded down to whole pages.
            in_memory: by the kernel's nameless memory; else by a file that has lost its name, as on macOS.

        Raises:
            WireError: there is no room for it.
        """
        pool_bytes = pool_bytes // PAGE_BYTES * PAGE_BYTES
        if not pool_bytes:
            raise WireError(f"a slab's pool has at least one page of {PAGE_BYTES:,} bytes; give it more")
        descriptor = -1
        try:
            if in_memory:
                descriptor = os.memfd_create("d4py slab")
            else:
                with tempfile.TemporaryFile(prefix="d4py-slab-") as file:
                    descriptor = os.dup(file.fileno())
            os.ftruncate(descriptor, pool_bytes)
        except OSError as error:
            if descriptor >= 0:
                os.close(descriptor)
            raise WireError(f"no shared memory of {pool_bytes:,} bytes to be had: {error}; see ulimit -a") from error
        return cls(owner, descriptor, pool_bytes)

    def __reduce__(self) -> tuple[Callable[..., Segment], tuple[Any, ...]]:
        """A segment of the same memory, in the process that is being started."""
        duplicate = reduction.DupFd(self._descriptor)
        return _taken_along, (self.owner, duplicate, self.pool_bytes)

    def fileno(self) -> int:
        """The file descriptor."""
        return self._descriptor

    def close(self) -> None:
        """Give up the file descriptor; what is mapped stays mapped."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _taken_along(owner: int, descriptor: Any, pool_bytes: int) -> Segment:
    return Segment(owner, descriptor.detach(), pool_bytes)


class Slab:
    """The sender's end: puts buffers where others can read them, and takes the places back.

    Belongs to one thread.

    Args:
        segment: memory of its own, to which nobody else lends.
        beyond_bytes: most bytes of single items beyond the pool at one time.
    """

    def __init__(self, segment: Segment, beyond_bytes: int) -> None:
        self._segment = segment
        self._slots = Slots(segment.owner, SlabSize(segment.pool_bytes, beyond_bytes), PAGE_BYTES)
        self._pool = mmap.mmap(segment.fileno(), segment.pool_bytes)
        self._touched = 0
        self._length = segment.pool_bytes

    @property
    def free(self) -> int:
        """Bytes of the pool that are not lent."""
        return self._slots.free

    @property
    def lent(self) -> int:
        """How many slots are lent."""
        return self._slots.lent

    def lend(self, buffer: Buffer, readers: Sequence[int]) -> Slot | None:
        """Copy a buffer to where these readers can have it; None if there is no room, and it must go another way.

        Args:
            buffer: contiguous bytes; they may change once this returns.
            readers: the worker number of each reader, twice if two instances on that worker read it.
        """
        content = memoryview(buffer).cast("B")
        slot = self._slots.lend(len(content), readers) if len(content) else None
        if slot is None:
            return None
        try:
            self._put(slot.offset, content)
        except OSError as error:
            self._slots.withdraw(slot.number)
            if error.errno in _NO_ROOM:
                return None
            raise
        return slot

    def _put(self, offset: int, content: memoryview) -> None:
        end = offset + len(content)
        if end <= self._touched:
            self._pool[offset:end] = content
            return
        # By a system call where memory is still to be had: a full machine is an error then, not a signal.
        if end > self._length:
            length = offset + self._slots.length(len(content))
            os.ftruncate(self._segment.fileno(), length)
            self._length = length
        while content:
            written = os.pwrite(self._segment.fileno(), content[:_WRITE_AT_ONCE], end - len(content))
            content = content[written:]
        if end <= self._segment.pool_bytes:
            populate(self._pool, offset, end)
            self._touched = end

    def release(self, reader: int, numbers: Iterable[int]) -> None:
        """Take back the slots that a reader has done with.

        Raises:
            WireError: one of them was not lent to this reader, or came back before.
        """
        for number in numbers:
            freed = self._slots.release(reader, number)
            if freed is not None:
                self._freed(freed)

    def forget(self, reader: int) -> None:
        """Take back all that a reader which is gone had."""
        for freed in self._slots.forget(reader):
            self._freed(freed)

    def withdraw(self, slot: Slot) -> None:
        """Take back a slot that was not sent to anybody.

        Raises:
            WireError: it is not lent.
        """
        self._freed(self._slots.withdraw(slot.number))

    def _freed(self, stretch: range) -> None:
        """Give memory beyond the pool back to the machine, where it can take a hole out of the middle."""
        if stretch.start < self._segment.pool_bytes or not hasattr(mmap, "MADV_REMOVE"):
            return
        with (
            contextlib.suppress(OSError),  # the file system cannot; the next large item takes the same place
            mmap.mmap(self._segment.fileno(), len(stretch), offset=stretch.start) as memory,
        ):
            memory.madvise(mmap.MADV_REMOVE)

    def close(self) -> None:
        """Give up the memory; readers keep what they have open."""
        self._pool.close()
        self._segment.close()


def populate(memory: mmap.mmap, start: int, end: int) -> None:
    """Map pages that will be written to at once instead of one by one, where the kernel can."""
    start = start // PAGE_BYTES * PAGE_BYTES
    with contextlib.suppress(OSError):  # an older kernel, or none of Linux: they are mapped as they are touched
        memory.madvise(_POPULATE_WRITE, start, end - start)
