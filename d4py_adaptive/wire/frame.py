"""The one frame format: what every mapping sends between workers, and how it is read back.

    header   60 bytes: magic, version, kind, codec, flags, generation, sender, receiver, first, number, items, sizes
    lineage  where an acknowledgement ledger will stand; empty today
    table    per item: port (u16), buffers (u16), bytes of the pickle (u32); per buffer: bytes (u64)
    body     the items' pickles, one after the other
    buffers  the large buffers, one after the other

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

HEADER = struct.Struct("<4sBBBBIIIQQIIQQ")
ITEM = struct.Struct("<HHI")
BUFFER = struct.Struct("<Q")
MAGIC = b"d4py"
VERSION = 1
MAX_FRAME_BYTES = 2**36


class Kind(IntEnum):
    """What a frame says."""

    DATA = 1  # items of a channel
    END = 2  # the sender instance has written all it will; `first` counts its items
    CREDIT = 3  # the receiver allows more: `first` is the number of items, `credit_bytes` the bytes, both in total
    RELOCATE = 4  # an instance lives on another worker now
    CONTROL = 5  # between a worker and whoever launched it; the body is a pickled message


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
            for buffer in item.buffers:
                table += BUFFER.pack(len(buffer))
            bodies.append(item.body)
            buffers += item.buffers
        body_bytes = sum(map(len, bodies))
        header = HEADER.pack(
            MAGIC, VERSION, self.kind, self.codec, 0, self.generation, self.sender, self.receiver, self.first,
            self.number, len(self.items), len(self.lineage), len(table) if self.items else self.credit_bytes,
            body_bytes,
        )  # fmt: skip
        return [b"".join((header, self.lineage, table, *bodies)), *buffers]


class FrameReader:
    """Cuts a stream of bytes into frames; tell it where to put the next bytes, then how many came.

    `target()` gives the memory that the next bytes belong in; `advance(n)` says that n of them arrived and returns
    the frame they completed, if any. Large buffers are received where they stay: no copy follows.
    """

    def __init__(self) -> None:
        self._start(bytearray(HEADER.size))

    def _start(self, header: bytearray) -> None:
        self._header: tuple[int, ...] = ()
        self._pieces: list[memoryview] = [memoryview(header)]
        self._filled = 0
        self._piece = 0
        self._frame: Frame | None = None
        self._middle = bytearray()

    def target(self) -> memoryview:
        """Where the next bytes belong; never empty."""
        return self._pieces[self._piece][self._filled :]

    @property
    def midway(self) -> bool:
        """Whether part of a frame has arrived and the rest has not."""
        return self._filled > 0 or self._piece > 0 or bool(self._header)

    def advance(self, received: int) -> Frame | None:
        """Take note of `received` bytes at `target`; the frame, when it is complete.

        Raises:
            WireError: the bytes are not a frame.
        """
        self._filled += received
        while self._filled == len(self._pieces[self._piece]):
            self._filled = 0
            self._piece += 1
            if self._piece < len(self._pieces):
                continue
            if not self._header:
                self._read_header()
            elif self._frame is None:
                self._read_middle()
            if self._frame is not None and self._piece == len(self._pieces):
                frame = self._frame
                self._start(bytearray(HEADER.size))
                return frame
        return None

    def _read_header(self) -> None:
        magic, version, *fields = HEADER.unpack(self._pieces[0])
        if magic != MAGIC or version != VERSION:
            raise WireError(f"a frame starts with {MAGIC!r} and version {VERSION}; got {magic!r} and {version}")
        kind, codec, _, generation, sender, receiver, first, number, items, lineage, table, body = fields
        if kind not in Kind.__members__.values() or codec != 0:
            raise WireError(f"unknown kind {kind} or codec {codec} of frame")
        if not items:
            credit, table = table, 0
        else:
            credit = 0
        if lineage + table + body > MAX_FRAME_BYTES or items * ITEM.size > table:
            raise WireError(f"a frame of {items} items cannot have {table:,} + {body:,} bytes")
        self._header = (items, lineage, table)
        self._frame = None
        if not items and not lineage and not body:
            self._frame = Frame(
                Kind(kind), sender, receiver, first, generation, codec, number=number, credit_bytes=credit
            )
            return
        self._middle = _room(lineage + table + body)
        self._pieces, self._piece = [memoryview(self._middle)], 0
        self._draft = Frame(Kind(kind), sender, receiver, first, generation, codec, number=number, credit_bytes=credit)

    def _read_middle(self) -> None:
        items, lineage, table = self._header
        middle = memoryview(self._middle)
        position, body = lineage, lineage + table
        ports: list[int] = []
        encoded: list[Encoded] = []
        pieces: list[memoryview] = []
        left = MAX_FRAME_BYTES - len(middle)
        try:
            for _ in range(items):
                port, buffers, length = ITEM.unpack_from(middle, position)
                position += ITEM.size
                held: tuple[bytearray, ...] = ()
                nbytes = length
                if buffers:
                    sizes = struct.unpack_from(f"<{buffers}Q", middle, position)
                    position += buffers * BUFFER.size
                    left -= sum(sizes)
                    if left < 0:
                        raise WireError(f"a frame has at most {MAX_FRAME_BYTES:,} bytes; this one announces more")
                    held = tuple(map(_room, sizes))
                    pieces += [memoryview(buffer) for buffer in held if buffer]
                    nbytes += sum(sizes)
                ports.append(port)
                encoded.append(Encoded(middle[body : body + length], held, nbytes))
                body += length
        except struct.error as error:
            raise WireError(f"the table of a frame of {items} items is cut short") from error
        if position != lineage + table or body != len(middle):
            raise WireError("the sizes in a frame's table do not add up to its length")
        self._draft.ports, self._draft.items = ports, encoded
        self._draft.lineage = bytes(middle[:lineage])
        self._frame = self._draft
        self._pieces, self._piece = pieces, 0


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
            target = reader.target()
            n = min(len(target), len(source))
            target[:n] = source[:n]
            source = source[n:]
            frame = reader.advance(n)
            if frame is not None:
                frames.append(frame)
    if reader.midway:
        raise WireError("the bytes end in the middle of a frame")
    return frames
