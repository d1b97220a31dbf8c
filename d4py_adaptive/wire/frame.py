"""The one frame format: what every mapping sends between workers, and how it is read back.

    header   68 bytes: magic, version, kind, codec, flags, generation, sender, receiver, first, number, credit, items,
             sizes
    lineage  where an acknowledgement ledger will stand; empty today
    table    per item: port (u16), buffers (u16), bytes of the pickle (u32); per buffer a slot (`wire/slots.py`)
    body     the items' pickles, one after the other
    buffers  the large buffers that are not in shared memory, one after the other

A frame is addressed to an instance, not to a worker, and says which of the sender's items it starts with: an
instance can move while frames for it are under way, and the receiver puts them in order again.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from d4py_adaptive.errors import WireError
from d4py_adaptive.wire.encoding import Buffer, Encoded
from d4py_adaptive.wire.slots import SLOT, Slot

HEADER = struct.Struct("<4sBBBBIIIQQQIIQQ")
ITEM = struct.Struct("<HHI")
IN_FRAME = 0
"""In the place of a slot's access: no slot, the bytes follow in the frame."""

MAGIC = b"d4py"
VERSION = 2
MAX_FRAME_BYTES = 2**36


class Kind(IntEnum):
    """What a frame says."""

    DATA = 1  # items of a channel
    END = 2  # the sender instance has written all it will; `first` counts its items
    CREDIT = 3  # the receiver allows more: `first` is the number of items, `credit_bytes` the bytes, both in total;
    # its one item, if any, is the body of a RETURN
    RELOCATE = 4  # an instance lives on another worker now
    CONTROL = 5  # between a worker and whoever launched it; the body is a pickled message
    RETURN = 6  # the reader has done with slots of the receiver's shared memory; the body has their numbers (u64)


_KINDS = {kind.value: kind for kind in Kind}


@dataclass(slots=True)
class Frame:
    """One frame as a value.

    Attributes:
        kind: what it says.
        sender: number of the sending instance.
        receiver: number of the receiving instance.
        first: number, in its channel, of the first item; what `Kind` says for the other kinds.
        generation: number of the plan it belongs to.
        codec: how the body is encoded; 0 is not at all.
        ports: for each item, the number of the input port it is for.
        items: for each item, its bytes.
        number: for CREDIT, how many items the receiver has taken in total; for DATA whose items stand together in one
            list, how many they are, and 0 where each stands by itself.
        credit_bytes: for CREDIT, the bytes allowed in total.
        lineage: place for the ledger of acknowledgements.
    """

    kind: Kind
    sender: int = 0
    receiver: int = 0
    first: int = 0
    generation: int = 0
    codec: int = 0
    ports: Sequence[int] = ()
    items: Sequence[Encoded] = ()
    number: int = 0
    credit_bytes: int = 0
    lineage: bytes = b""

    def parts(self) -> list[Buffer]:
        """The frame as pieces of bytes, for one gathering send.

        The limits on one item (`MAX_BODY_BYTES`, `MAX_BUFFERS`) are the encoder's to keep.
        """
        table = bytearray()
        bodies: list[Buffer] = []
        buffers: list[Buffer] = []
        for port, item in zip(self.ports, self.items, strict=True):
            table += ITEM.pack(port, len(item.buffers), len(item.body))
            bodies.append(item.body)
            for buffer in item.buffers:
                if isinstance(buffer, Slot):
                    table += buffer.packed()
                else:
                    table += SLOT.pack(0, 0, 0, 0, len(buffer), IN_FRAME)
                    buffers.append(buffer)
        body_bytes = sum(map(len, bodies))
        header = HEADER.pack(
            MAGIC, VERSION, self.kind, self.codec, 0, self.generation, self.sender, self.receiver, self.first,
            self.number, self.credit_bytes, len(self.items), len(self.lineage), len(table), body_bytes,
        )  # fmt: skip
        return [b"".join((header, self.lineage, table, *bodies)), *buffers]


class FrameReader:
    """Cuts a stream of bytes into frames; tell it where to put the next bytes, then how many came.

    `target()` gives the memory that the next bytes belong in; `advance(n)` says that n of them arrived and returns
    the frame they completed, if any. Large buffers are received where they stay: no copy follows.
    """

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        self._pieces: list[memoryview] = [memoryview(bytearray(HEADER.size))]
        self._filled = 0
        self._header: _Header | None = None
        self._frame: Frame | None = None

    def take(self, received: memoryview) -> tuple[Frame | None, int]:
        """Take bytes that came to another place: the frame that they complete, if any, and how many were used.

        Raises:
            WireError: the bytes are not a frame.
        """
        if not self.midway and len(received) >= HEADER.size:
            header = _read_header(received[: HEADER.size])
            end = HEADER.size + header.middle_bytes
            if end <= len(received):
                frame, pieces = _read_middle(header, memoryview(bytes(received[HEADER.size : end])))
                if not pieces:
                    return frame, end
                self._header, self._frame, self._pieces = header, frame, pieces
                return None, end
        target = self.target()
        used = min(len(target), len(received))
        target[:used] = received[:used]
        return self.advance(used), used

    def target(self) -> memoryview:
        """Where the next bytes belong; never empty."""
        return self._pieces[0][self._filled :]

    @property
    def midway(self) -> bool:
        """Whether part of a frame has arrived and the rest has not."""
        return self._filled > 0 or self._header is not None

    def advance(self, received: int) -> Frame | None:
        """Take note of `received` bytes at `target`; the frame, when it is complete.

        Raises:
            WireError: the bytes are not a frame.
        """
        self._filled += received
        if self._filled < len(self._pieces[0]):
            return None
        self._filled = 0
        piece = self._pieces.pop(0)
        if self._header is None:
            self._header = _read_header(piece)
            if self._header.middle_bytes:
                self._pieces = [memoryview(_room(self._header.middle_bytes))]
                return None
            piece = memoryview(b"")
        if self._frame is None:
            self._frame, self._pieces = _read_middle(self._header, piece)
        if self._pieces:
            return None
        frame = self._frame
        self._start()
        return frame


@dataclass(slots=True)
class _Header:
    """What stands before a frame's table: the frame without its items, and the sizes of what follows."""

    frame: Frame
    items: int
    lineage_bytes: int
    table_bytes: int
    middle_bytes: int


def _read_header(header: memoryview) -> _Header:
    magic, version, *fields = HEADER.unpack(header)
    if magic != MAGIC or version != VERSION:
        raise WireError(f"a frame starts with {MAGIC!r} and version {VERSION}; got {magic!r} and {version}")
    kind, codec, _, generation, sender, receiver, first, number, credit, items, lineage, table, body = fields
    if kind not in _KINDS or codec != 0:
        raise WireError(f"unknown kind {kind} or codec {codec} of frame")
    middle = lineage + table + body
    if middle > MAX_FRAME_BYTES or items * ITEM.size > table:
        raise WireError(f"a frame of {items} items cannot have {table:,} + {body:,} bytes")
    frame = Frame(_KINDS[kind], sender, receiver, first, generation, codec, number=number, credit_bytes=credit)
    return _Header(frame, items, lineage, table, middle)


def _read_middle(header: _Header, middle: memoryview) -> tuple[Frame, list[memoryview]]:
    """The frame, and the places of the buffers that follow it."""
    position, body = header.lineage_bytes, header.lineage_bytes + header.table_bytes
    ports: list[int] = []
    encoded: list[Encoded] = []
    pieces: list[memoryview] = []
    left = MAX_FRAME_BYTES - len(middle)
    try:
        for _ in range(header.items):
            port, buffers, length = ITEM.unpack_from(middle, position)
            position += ITEM.size
            held: list[bytearray | Slot] = []
            for _ in range(buffers):
                if middle[position + SLOT.size - 1] != IN_FRAME:
                    held.append(Slot.unpacked(middle, position))
                else:
                    size = SLOT.unpack_from(middle, position)[4]
                    left -= size
                    held.append(_following(size, left, pieces))
                position += SLOT.size
            nbytes = length + sum(buffer.nbytes if isinstance(buffer, Slot) else len(buffer) for buffer in held)
            ports.append(port)
            encoded.append(Encoded(middle[body : body + length], tuple(held), nbytes))
            body += length
    except (struct.error, IndexError) as error:
        raise WireError(f"the table of a frame of {header.items} items is cut short") from error
    if position != header.lineage_bytes + header.table_bytes or body != len(middle):
        raise WireError("the sizes in a frame's table do not add up to its length")
    frame = header.frame
    frame.ports, frame.items = ports, encoded
    frame.lineage = bytes(middle[: header.lineage_bytes])
    return frame, pieces


def _following(size: int, left: int, pieces: list[memoryview]) -> bytearray:
    """Room for a buffer that follows in the frame."""
    if left < 0:
        raise WireError(f"a frame has at most {MAX_FRAME_BYTES:,} bytes; this one announces more")
    room = _room(size)
    if size:
        pieces.append(memoryview(room))
    return room


def _room(size: int) -> bytearray:
    try:
        return bytearray(size)
    except MemoryError as error:
        raise WireError(f"a frame announces a piece of {size:,} bytes, for which there is no memory") from error


def read_frames(parts: Sequence[Buffer]) -> list[Frame]:
    """The frames that these bytes hold, for tests and for mappings that keep whole messages.

    Raises:
        WireError: the bytes are not frames, or the last one is cut short.
    """
    reader, frames = FrameReader(), []
    for part in parts:
        source = memoryview(part).cast("B")
        while len(source):
            frame, used = reader.take(source)
            source = source[used:]
            if frame is not None:
                frames.append(frame)
    if reader.midway:
        raise WireError("the bytes end in the middle of a frame")
    return frames
