"""Frames to bytes and back, however the bytes are chopped; what is no frame is refused, and takes no memory."""

import struct
import tracemalloc
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from d4py_adaptive.errors import WireError
from d4py_adaptive.wire import frame as frame_module
from d4py_adaptive.wire.encoding import Encoded
from d4py_adaptive.wire.frame import HEADER, IN_FRAME, ITEM, MAGIC, VERSION, Frame, FrameReader, Kind, read_frames
from d4py_adaptive.wire.slots import SLOT, Access, Slot

bounded = settings(max_examples=80, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
U32, U64 = 2**32 - 1, 2**64 - 1
UNEVEN = "the sizes in a frame's table do not add up to its length"
CUT = "the table of a frame of {} items is cut short"


def encoded(body: bytes, *buffers: bytes | Slot) -> Encoded:
    return Encoded(body, buffers, len(body) + sum(b.nbytes if isinstance(b, Slot) else len(b) for b in buffers))


def data(*items: Encoded, **fields: Any) -> Frame:
    fields.setdefault("ports", list(range(len(items))))
    return Frame(fields.pop("kind", Kind.DATA), items=items, **fields)


def plain(frame: Frame) -> tuple[Any, ...]:
    """Everything a frame says, in values that compare."""
    items = [
        (bytes(i.body), tuple(b if isinstance(b, Slot) else bytes(b) for b in i.buffers), i.nbytes) for i in frame.items
    ]
    return (
        frame.kind, frame.sender, frame.receiver, frame.first, frame.generation, frame.codec, list(frame.ports),
        items, frame.number, frame.credit_bytes, frame.lineage,
    )  # fmt: skip


def joined(*frames: Frame) -> bytes:
    return b"".join(bytes(part) for frame in frames for part in frame.parts())


def chopped(stream: bytes, sizes: Sequence[int]) -> Iterator[Frame]:
    """The frames of a stream that arrives in pieces of these sizes, the last over and over."""
    reader, position, turn = FrameReader(), 0, 0
    while position < len(stream):
        target = reader.target()
        assert len(target)
        n = min(len(target), sizes[min(turn, len(sizes) - 1)], len(stream) - position)
        target[:n] = stream[position : position + n]
        position += n
        turn += 1
        frame = reader.advance(n)
        if frame is not None:
            yield frame
    assert not reader.midway


def taken(stream: bytes, sizes: Sequence[int]) -> Iterator[Frame]:
    """The same, of bytes that come to another place."""
    reader, turn = FrameReader(), 0
    while stream:
        piece = memoryview(stream)[: sizes[min(turn, len(sizes) - 1)]]
        frame, used = reader.take(piece)
        assert used > 0
        stream = stream[used:]
        turn += 1
        if frame is not None:
            yield frame
    assert not reader.midway


u32, u64 = st.integers(0, U32), st.integers(0, U64)
slots = st.builds(Slot, u32, u32, u64, u64, st.integers(1, 2**40), st.sampled_from(list(Access)))
buffers = st.one_of(st.binary(max_size=40), slots)
items = st.builds(lambda body, buffers: encoded(body, *buffers), st.binary(max_size=40), st.lists(buffers, max_size=3))
data_frames = st.lists(items, min_size=1, max_size=5).flatmap(
    lambda drawn: st.builds(
        Frame, st.sampled_from(list(Kind)), u32, u32, u64, u32, st.just(0),
        st.lists(st.integers(0, 65535), min_size=len(drawn), max_size=len(drawn)), st.just(drawn),
    )
)  # fmt: skip
bare_frames = st.builds(Frame, st.sampled_from(list(Kind)), u32, u32, u64, u32, number=u64, credit_bytes=u64)
frames = st.one_of(data_frames, bare_frames)


@bounded
@given(st.lists(frames, max_size=4), st.lists(st.integers(1, 70), min_size=1, max_size=30))
def test_frames_come_back_however_the_bytes_are_chopped(sent: list[Frame], sizes: list[int]) -> None:
    got = list(chopped(joined(*sent), sizes))
    assert [plain(frame) for frame in got] == [plain(frame) for frame in sent]
    got = list(taken(joined(*sent), sizes))
    assert [plain(frame) for frame in got] == [plain(frame) for frame in sent]


@bounded
@given(st.lists(frames, max_size=4))
def test_read_frames_takes_the_parts_as_they_are(sent: list[Frame]) -> None:
    parts = [part for frame in sent for part in frame.parts()]
    assert [plain(frame) for frame in read_frames(parts)] == [plain(frame) for frame in sent]


@pytest.mark.parametrize(
    "frame",
    [
        Frame(Kind.CREDIT, 1, 2, 3, number=4, credit_bytes=5, lineage=b"ledger"),
        data(encoded(b"slots"), kind=Kind.CREDIT, number=4, credit_bytes=5),
        data(encoded(b"body", Slot(1, 2, 3, 4096, 20, Access.OWN_VIEW), b"buffer")),
        data(encoded(b"body"), lineage=b"ledger"),
        data(encoded(b"body"), number=9),
        data(encoded(b""), encoded(b"", b"", b"")),
        Frame(Kind.END, U32, U32, U64, U32, number=U64, credit_bytes=U64),
    ],
)
def test_a_frame_with_lineage_or_nothing_in_its_items_keeps_all_it_says(frame: Frame) -> None:
    assert [plain(got) for got in chopped(joined(frame, frame), [7])] == [plain(frame)] * 2


def test_what_arrives_is_writable_and_private() -> None:
    (frame,) = read_frames(data(encoded(b"body", b"0123456789")).parts())
    (buffer,) = frame.items[0].buffers
    assert isinstance(buffer, bytearray)
    buffer[0:1] = b"9"
    assert buffer == b"9123456789"


def test_small_pieces_travel_as_one_and_each_buffer_as_its_own() -> None:
    frame = data(encoded(b"one", b"x" * 20, b"y" * 30), encoded(b"two"))
    parts = frame.parts()
    assert [len(part) for part in parts] == [HEADER.size + 2 * ITEM.size + 2 * SLOT.size + 6, 20, 30]


def test_the_header_is_as_long_as_the_module_says() -> None:
    assert f"header   {HEADER.size} bytes:" in (frame_module.__doc__ or "")
    assert (ITEM.size, SLOT.size) == (8, 33)


def test_the_reader_says_whether_it_is_in_the_middle_of_a_frame() -> None:
    stream = joined(data(encoded(b"body", b"buffer")))
    reader = FrameReader()
    for n, byte in enumerate(stream):
        assert reader.midway is (n > 0)
        reader.target()[:1] = bytes([byte])
        done = reader.advance(1)
        assert (done is not None) is (n == len(stream) - 1)
    assert not reader.midway


@pytest.mark.parametrize("length", [0, 1, 63, 64, 65, 71, 80, -1])
def test_bytes_that_end_in_the_middle_are_refused(length: int) -> None:
    stream = joined(data(encoded(b"body", b"buffer")))
    if length == 0:
        assert read_frames([b""]) == []
        return
    with pytest.raises(WireError, match=r"^the bytes end in the middle of a frame$"):
        read_frames([stream[:length]])


def test_every_item_needs_a_port() -> None:
    with pytest.raises(ValueError, match="zip"):
        data(encoded(b"a"), encoded(b"b"), ports=[0]).parts()


def following(nbytes: int) -> bytes:
    """What the table says of a buffer that follows in the frame."""
    return SLOT.pack(0, 0, 0, 0, nbytes, IN_FRAME)


def header(**changes: Any) -> bytes:
    values: dict[str, Any] = {
        "magic": MAGIC, "version": VERSION, "kind": 1, "codec": 0, "flags": 0, "generation": 0, "sender": 0,
        "receiver": 0, "first": 0, "number": 0, "credit": 0, "items": 0, "lineage": 0, "table": 0, "body": 0,
    }  # fmt: skip
    return HEADER.pack(*(values | changes).values())


@pytest.mark.parametrize(
    ("stream", "text"),
    [
        (header(magic=b"GET "), "a frame starts with b'd4py' and version 2; got b'GET ' and 2"),
        (header(version=3), "a frame starts with b'd4py' and version 2; got b'd4py' and 3"),
        (header(kind=0), "unknown kind 0 or codec 0 of frame"),
        (header(kind=99), "unknown kind 99 or codec 0 of frame"),
        (header(codec=3), "unknown kind 1 or codec 3 of frame"),
        (header(items=2, table=15), "a frame of 2 items cannot have 15 + 0 bytes"),
        (header(items=U32, table=8), "a frame of 4294967295 items cannot have 8 + 0 bytes"),
        (header(items=1, table=8) + ITEM.pack(0, 1, 0), CUT.format(1)),
        (header(items=2, table=16) + ITEM.pack(0, 1, 0) + following(0)[:8], CUT.format(2)),
        (header(items=1, table=8) + ITEM.pack(0, 0, 5), UNEVEN),
        (header(items=1, table=9) + ITEM.pack(0, 0, 0) + b"x", UNEVEN),
        (header(body=3) + b"abc", UNEVEN),
        (header(items=1, table=8, body=4) + ITEM.pack(0, 0, 3) + b"abcd", UNEVEN),
    ],
)  # fmt: skip
def test_what_is_no_frame_is_refused(stream: bytes, text: str) -> None:
    with pytest.raises(WireError) as caught:
        read_frames([stream])
    assert str(caught.value) == text


def table(*sizes: int) -> bytes:
    return (
        header(items=1, table=8 + SLOT.size * len(sizes))
        + ITEM.pack(0, len(sizes), 0)
        + b"".join(following(size) for size in sizes)
    )


@pytest.mark.parametrize(
    "stream",
    [
        header(items=1, table=8, body=2**45),
        header(items=1, table=2**45),
        header(items=1, table=8, body=2**63),
        header(items=1, table=U64, body=U64),
        header(body=2**45),
        table(2**45),
        table(U64),
        table(*[2**44] * 5),
        table(*[2**40] * 100),
    ],
)
def test_what_a_hostile_frame_announces_is_refused_before_memory_is_taken(stream: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(WireError):
            read_frames([stream])
        assert tracemalloc.get_traced_memory()[1] < 64 * 2**20
    finally:
        tracemalloc.stop()


def starts_of_frames() -> st.SearchStrategy[bytes]:
    """Streams that begin like a frame and say small but senseless sizes."""
    small = st.integers(0, 64)
    fields = st.fixed_dictionaries(
        {"kind": st.integers(0, 6), "items": st.integers(0, 4), "lineage": small, "table": small, "body": small}
    )
    buffers = st.lists(st.integers(0, 300), max_size=4)
    rows = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), small, buffers), max_size=4)

    def built(fields: dict[str, int], rows: list[tuple[int, int, int, list[int]]], rest: bytes) -> bytes:
        packed = (ITEM.pack(port, count, size) + b"".join(map(following, sizes)) for port, count, size, sizes in rows)
        return header(**fields) + b"".join(packed) + rest

    return st.builds(built, fields, rows, st.binary(max_size=50))


@settings(max_examples=200, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(starts_of_frames())
def test_bytes_are_frames_or_an_error_and_nothing_else(stream: bytes) -> None:
    with pytest.MonkeyPatch.context() as patch:
        # A table of senseless bytes may announce anything up to the most that a frame carries, so keep that small.
        patch.setattr(frame_module, "MAX_FRAME_BYTES", 2**16)
        try:
            got = read_frames([stream])
        except WireError:
            return
    assert len(joined(*got)) <= len(stream)


@settings(max_examples=150, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data_frames, st.data())
def test_a_changed_byte_in_the_header_or_table_never_raises_anything_else(frame: Frame, drawn: st.DataObject) -> None:
    stream = bytearray(joined(frame))
    place = drawn.draw(st.integers(0, min(len(stream), HEADER.size + ITEM.size) - 1))
    stream[place] = drawn.draw(st.integers(0, 255))
    if any(size > 2**20 for size in announced(bytes(stream))):
        return
    try:
        read_frames([stream])
    except WireError:
        return


def announced(stream: bytes) -> Iterator[int]:
    """What the header and the first row's buffers announce."""
    *_, lineage, table_bytes, body = HEADER.unpack_from(stream)
    yield from (lineage, table_bytes, body)
    try:
        _, buffers, _ = ITEM.unpack_from(stream, HEADER.size + lineage)
        for i in range(min(buffers, 100)):
            yield SLOT.unpack_from(stream, HEADER.size + lineage + ITEM.size + SLOT.size * i)[4]
    except struct.error:
        return
