"""Who has what of a slab: the arithmetic of its memory, which touches none of it.

A slab has a pool, whose memory is used over and over, and room beyond it for single items that do not fit there.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from d4py_adaptive.errors import WireError

MIB = 2**20

SLOT = struct.Struct("<IIQQQB")
"""A slot in the table of a frame: what `Slot` says of it, in that order."""

KEPT_FREE = 0.25
"""Share of the pool that readers do not get to hold: when less is free, they copy and give back at once."""

OWN_VIEW_BYTES = MIB
"""From this size on several readers map the same bytes, each privately; below, mapping costs more than a copy."""


class Access(IntEnum):
    """How a reader comes to the bytes in a slot."""

    IN_PLACE = 1  # it is the only reader: it works on the slot itself
    OWN_VIEW = 2  # others read too: it maps the slot privately, and what it changes it alone sees
    COPY_OUT = 3  # it copies the bytes, and gives the slot back at once


_ACCESS = {access.value: access for access in Access}


class Slot(NamedTuple):
    """What a reader has to know of a buffer that waits on its sender's slab.

    Attributes:
        owner: number of the worker on whose slab it is.
        lender: number of the worker to give it back to.
        number: which loan it is; no two of a lender's are numbered alike.
        offset: where in the segment it starts.
        nbytes: how long the buffer is.
        access: how the reader comes to it.
    """

    owner: int
    lender: int
    number: int
    offset: int
    nbytes: int
    access: Access

    def packed(self) -> bytes:
        """The slot as the bytes of `SLOT`."""
        return SLOT.pack(*self)

    @classmethod
    def unpacked(cls, table: bytes | bytearray | memoryview, position: int = 0) -> Slot:
        """The slot that stands at a position of a frame's table.

        Raises:
            WireError: the bytes are not a slot.
        """
        try:
            owner, lender, number, offset, nbytes, access = SLOT.unpack_from(table, position)
            return cls(owner, lender, number, offset, nbytes, _ACCESS[access])
        except (struct.error, KeyError) as error:
            raise WireError(f"a slot is {SLOT.size} bytes, the last of them 1, 2 or 3; {error}") from error


def access_for(readers: int, nbytes: int, free: int, pool_bytes: int) -> Access:
    """How the readers of one buffer should come to it.

    Args:
        readers: how many there are.
        nbytes: size of the buffer.
        free: bytes of the pool that are left now that the buffer has its place.
        pool_bytes: size of the pool.
    """
    if free < KEPT_FREE * pool_bytes:
        return Access.COPY_OUT
    if readers == 1:
        return Access.IN_PLACE
    return Access.OWN_VIEW if nbytes >= OWN_VIEW_BYTES else Access.COPY_OUT


@dataclass(frozen=True, slots=True)
class SlabSize:
    """How much memory a sender's slab may take.

    Attributes:
        pool_bytes: the pool; memory that was used once stays.
        beyond_bytes: most bytes of single items beyond the pool at one time; their memory goes with them.
    """

    pool_bytes: int
    beyond_bytes: int

    @classmethod
    def within(cls, buffer_bytes: int, memory_bytes: int, senders: int) -> SlabSize:
        """The size for each of so many senders, which share so many bytes on a machine with this memory."""
        pool = max(MIB, min(256 * MIB, buffer_bytes // senders))
        return cls(pool, memory_bytes // (2 * senders))


class Spans:
    """The free stretches between two addresses, first fit, neighbours joined.

    The lowest place comes first, so that the same few stretches are used again and again while they are in the
    processor's cache, and memory further up is not touched before it is needed.
    """

    def __init__(self, start: int, end: int) -> None:
        self.free = end - start
        self._start, self._end = start, end
        self._starts = [start] if end > start else []
        self._ends = [end] if end > start else []

    def take(self, length: int) -> int | None:
        """Where a stretch of this length starts that is free no more; None if there is none."""
        for i, start in enumerate(self._starts):
            if self._ends[i] - start >= length:
                if self._ends[i] - start == length:
                    del self._starts[i], self._ends[i]
                else:
                    self._starts[i] = start + length
                self.free -= length
                return start
        return None

    def give(self, start: int, length: int) -> None:
        """Make a stretch free again.

        Raises:
            WireError: part of it is free already, or lies outside.
        """
        end = start + length
        i = bisect_right(self._starts, start)
        below = self._ends[i - 1] if i else self._start
        above = self._starts[i] if i < len(self._starts) else self._end
        if length <= 0 or start < below or end > above:
            raise WireError(f"bytes {start:,} to {end:,} of a slab cannot be freed: they are not in use")
        joins_below = i > 0 and start == below
        joins_above = i < len(self._starts) and end == above
        if joins_below and joins_above:
            self._ends[i - 1] = self._ends[i]
            del self._starts[i], self._ends[i]
        elif joins_below:
            self._ends[i - 1] = end
        elif joins_above:
            self._starts[i] = start
        else:
            self._starts.insert(i, start)
            self._ends.insert(i, end)
        self.free += length


@dataclass(slots=True)
class _Loan:
    offset: int
    length: int
    readers: list[int]


class Slots:
    """Which parts of a slab are lent, and to whom.

    Args:
        owner: number of the worker whose slab it is.
        size: how much there is.
        page_bytes: slots start and end on multiples of it, so that each can be mapped by itself.

    Attributes:
        pool_bytes: size of the pool, in whole pages.
    """

    def __init__(self, owner: int, size: SlabSize, page_bytes: int) -> None:
        self._owner = owner
        self._page_bytes = page_bytes
        self.pool_bytes = size.pool_bytes // page_bytes * page_bytes
        self._pool = Spans(0, self.pool_bytes)
        self._beyond = Spans(self.pool_bytes, self.pool_bytes + size.beyond_bytes // page_bytes * page_bytes)
        self._loans: dict[int, _Loan] = {}
        self._next = 0

    @property
    def free(self) -> int:
        """Bytes of the pool that are not lent."""
        return self._pool.free

    @property
    def lent(self) -> int:
        """How many slots are lent."""
        return len(self._loans)

    def lend(self, nbytes: int, readers: Sequence[int]) -> Slot | None:
        """A slot for so many bytes and these readers; None if there is no room.

        Beyond the pool goes only what takes a quarter of the pool or more: it fits nowhere else, and is seldom.

        Args:
            nbytes: the size; at least 1.
            readers: a number for each reader, twice if it reads twice.
        """
        length = self.length(nbytes)
        offset = self._pool.take(length)
        if offset is not None:
            access = access_for(len(readers), nbytes, self._pool.free, self.pool_bytes)
        elif 4 * length >= self.pool_bytes:
            offset = self._beyond.take(length)
            access = Access.IN_PLACE if len(readers) == 1 else Access.OWN_VIEW
        if offset is None:
            return None
        number = self._next
        self._next += 1
        self._loans[number] = _Loan(offset, length, list(readers))
        return Slot(self._owner, self._owner, number, offset, nbytes, access)

    def length(self, nbytes: int) -> int:
        """How many bytes the pages take that hold so many."""
        return -(-nbytes // self._page_bytes) * self._page_bytes

    def release(self, reader: int, number: int) -> range | None:
        """Take back what a reader has done with; the bytes that are free again, once it was the last reader.

        Raises:
            WireError: it was not lent to this reader, or it gave it back before.
        """
        loan = self._loans.get(number)
        if loan is None or reader not in loan.readers:
            raise WireError(
                f"a reader gives back what it was lent, once; slot {number} came back from reader {reader}, "
                f"{'and is not lent to anybody' if loan is None else f'and is lent to {sorted(loan.readers)}'}"
            )
        loan.readers.remove(reader)
        return None if loan.readers else self.withdraw(number)

    def forget(self, reader: int) -> list[range]:
        """Take back all that a reader which is gone had; the bytes that are free again."""
        held = [(number, times) for number, loan in self._loans.items() if (times := loan.readers.count(reader))]
        freed = [self.release(reader, number) for number, times in held for _ in range(times)]
        return [stretch for stretch in freed if stretch is not None]

    def withdraw(self, number: int) -> range:
        """Take a slot back whoever has it, such as one that was never sent; the bytes that are free again.

        Raises:
            WireError: it is not lent.
        """
        loan = self._loans.pop(number, None)
        if loan is None:
            raise WireError(f"slot {number} cannot be withdrawn: it is not lent")
        spans = self._pool if loan.offset < self.pool_bytes else self._beyond
        spans.give(loan.offset, loan.length)
        return range(loan.offset, loan.offset + loan.length)
