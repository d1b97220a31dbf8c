"""A worker's part in the shared memory of a run: what it lends to others, and what others lend to it.

Each worker has a slab for the large buffers that it writes. A reader works on them where they stand, and says which
of them it has done with. A buffer that arrived so, and is written again by a PE that kept nothing of it, goes on to
the next reader as it is: the worker that got it lends it on, and gives it back when it comes back itself.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from itertools import count

from d4py_adaptive.errors import WireError
from d4py_adaptive.wire.encoding import Buffer, Encoded
from d4py_adaptive.wire.frame import Frame, Kind
from d4py_adaptive.wire.leases import Leases, standing_on
from d4py_adaptive.wire.slab import Segment, Slab
from d4py_adaptive.wire.slots import SlabSize, Slot

RETURN_SLOTS = 4
"""A busy reader gives slots back once it has done with so many; an idle one, and one that tells its sender that more
may come, at once."""

_LENT_ON = 2**63
"""Numbers from here on are of slots on the slabs of others."""


class Lending:
    """What a worker, or the launcher, lends and has been lent.

    Args:
        segments: by number of the worker, its memory; without one's own, nothing can be lent.
        number: which worker it is.
        size: how much it may lend.
        keeps: whether arrays may stay in the memory of others.
    """

    def __init__(self, segments: Mapping[int, Segment], number: int, size: SlabSize, keeps: bool = True) -> None:
        own = segments.get(number)
        self._slab = Slab(own, size.beyond_bytes) if own else None
        self._died: deque[Slot] = deque()
        # One's own too: what is lent on may come home.
        self._leases = {owner: Leases(segment, keeps, self._died) for owner, segment in segments.items()}
        self._done: dict[int, array[int]] = {}
        self._lent_on: dict[int, object] = {}
        self._numbers = count(_LENT_ON)
        self._number = number

    def keep(self, buffer: memoryview, workers: Sequence[int], is_alone: bool) -> Buffer | Slot:
        """The buffer where these workers will find it, its value fixed: in shared memory if there is room.

        Args:
            buffer: its bytes.
            workers: where its readers live.
            is_alone: whether nobody else here sees the item that it belongs to.
        """
        if is_alone and len(workers) == 1:
            found = standing_on(buffer)
            if found is not None:
                return self._lend_on(*found)
        slot = self._slab.lend(buffer, workers) if self._slab is not None else None
        return bytes(buffer) if slot is None else slot

    def _lend_on(self, slot: Slot, holder: object) -> Slot:
        number = next(self._numbers)
        self._lent_on[number] = holder
        return slot._replace(lender=self._number, number=number)

    def open(self, frame: Frame) -> None:
        """Put memory in the place of the slots in a frame that has arrived."""
        frame.items = [item.with_buffers(self._opened) if item.buffers else item for item in frame.items]

    def _opened(self, buffer: Buffer | Slot) -> Buffer:
        return self._leases[buffer.owner].open(buffer) if isinstance(buffer, Slot) else buffer

    @property
    def has_returns(self) -> bool:
        """Whether anything waits to be given back."""
        return bool(self._died or self._done)

    def close(self) -> None:
        """Lend nothing more and open nothing more; what is open stays as long as it is used."""
        for leases in self._leases.values():
            leases.close()
        if self._slab is not None:
            self._slab.close()

    def give_back_with(self, lender: int, frame: Frame) -> None:
        """Let a frame to a worker, which has no items, take along what is to be given back to it."""
        self._collect()
        numbers = self._done.pop(lender, None)
        if numbers:
            body = numbers.tobytes()
            frame.ports, frame.items = [0], [Encoded(body, (), len(body))]

    def returns(self, is_idle: bool) -> Iterator[tuple[int, Frame]]:
        """Yield frames that give back what is not needed any more, each with the worker that it is for.

        Args:
            is_idle: whether there is nothing else to do; then all of it goes, else only what is worth a frame.
        """
        if not self.has_returns:
            return
        self._collect()
        for lender in [lender for lender, done in self._done.items() if is_idle or len(done) >= RETURN_SLOTS]:
            frame = Frame(Kind.RETURN)
            self.give_back_with(lender, frame)
            yield lender, frame

    def _collect(self) -> None:
        # One at a time, since the garbage collector may add to it between any two.
        while self._died:
            slot = self._died.popleft()
            self._done.setdefault(slot.lender, array("Q")).append(slot.number)

    def take_back(self, reader: int, frame: Frame) -> None:
        """Take back the slots that a worker has done with, if its frame brings any.

        Raises:
            WireError: they were not lent to it.
        """
        numbers = array("Q", b"".join(bytes(item.body) for item in frame.items))
        for number in numbers:
            if number >= _LENT_ON and self._lent_on.pop(number, None) is None:
                raise WireError(f"slot {number} came back from worker {reader}, and was not lent on to anybody")
        if self._slab is not None:
            self._slab.release(reader, [number for number in numbers if number < _LENT_ON])
