"""The sender's end of a slab: what is lent, what is not, and what memory it takes."""

from __future__ import annotations

import errno
import os
import pickle
import tempfile
from collections.abc import Callable, Iterator
from multiprocessing import reduction
from pathlib import Path
from typing import Any

import pytest

from d4py_adaptive.errors import WireError
from d4py_adaptive.wire import slab as slab_module
from d4py_adaptive.wire.leases import Leases
from d4py_adaptive.wire.slab import PAGE_BYTES, Segment, Slab
from d4py_adaptive.wire.slots import Access

POOL_BYTES = 16 * PAGE_BYTES
BEYOND_BYTES = 64 * PAGE_BYTES


@pytest.fixture(params=[True, False], ids=["memory", "file"])
def segment(request: pytest.FixtureRequest) -> Iterator[Segment]:
    """Nameless memory in both of its kinds, the one of macOS too."""
    made = Segment.create(5, POOL_BYTES, in_memory=request.param)
    yield made
    made.close()


@pytest.fixture
def slab(segment: Segment) -> Slab:
    return Slab(segment, BEYOND_BYTES)


def allocated(segment: Segment) -> int:
    return os.fstat(segment.fileno()).st_blocks * 512


def content(nbytes: int, seed: int = 1) -> bytes:
    return bytes((i * seed + i // 251) % 256 for i in range(nbytes))


def read(segment: Segment, offset: int, nbytes: int) -> bytes:
    return os.pread(segment.fileno(), nbytes, offset)


def test_what_is_lent_stands_in_the_segment(segment: Segment, slab: Slab) -> None:
    first, again = content(3 * PAGE_BYTES - 5), content(100, seed=3)
    slot = slab.lend(first, [1])
    assert slot
    assert (slot.owner, slot.lender) == (segment.owner, segment.owner)
    assert (slot.nbytes, slot.access) == (len(first), Access.IN_PLACE)
    assert read(segment, slot.offset, slot.nbytes) == first
    assert (slab.free, slab.lent) == (POOL_BYTES - 3 * PAGE_BYTES, 1)
    slab.release(1, [slot.number])
    second = slab.lend(bytearray(again), [1])
    assert second
    assert second.offset == slot.offset, "the place that is warm already"
    assert read(segment, second.offset, second.nbytes) == again


def test_nothing_is_taken_before_it_is_used(segment: Segment, slab: Slab) -> None:
    assert allocated(segment) == 0
    slab.lend(bytes(PAGE_BYTES), [1])
    assert allocated(segment) == PAGE_BYTES


def test_an_item_larger_than_the_pool_finds_room_and_leaves_it(segment: Segment, slab: Slab) -> None:
    large = content(POOL_BYTES + 5000)
    slots = [slab.lend(large, [1]) for _ in range(4)]
    assert slots.pop() is None, "there is a limit"
    for slot in slots:
        assert slot
        assert slot.offset >= POOL_BYTES
        assert read(segment, slot.offset, slot.nbytes) == large
    taken = allocated(segment)
    assert taken >= 3 * len(large)
    middle = slots[1]
    assert middle
    slab.release(1, [middle.number])
    assert allocated(segment) <= taken - len(large)
    assert slots[2]
    assert read(segment, slots[2].offset, slots[2].nbytes) == large
    assert slab.free == POOL_BYTES


def test_when_nothing_fits_the_sender_is_told(slab: Slab) -> None:
    slots = [slab.lend(bytes(3 * PAGE_BYTES), [1]) for _ in range(5)]
    assert all(slots)
    assert slab.lend(bytes(2 * PAGE_BYTES), [1]) is None
    assert slots[3]
    slab.release(1, [slots[3].number])
    assert slab.lend(bytes(2 * PAGE_BYTES), [1])


def test_nothing_is_not_lent(slab: Slab) -> None:
    assert slab.lend(b"", [1]) is None
    assert slab.lent == 0


def test_a_buffer_of_any_format_is_bytes(segment: Segment, slab: Slab) -> None:
    words = memoryview(content(PAGE_BYTES)).cast("Q")
    slot = slab.lend(words, [1])
    assert slot
    assert slot.nbytes == PAGE_BYTES
    assert read(segment, slot.offset, PAGE_BYTES) == words.tobytes()


def test_large_buffers_are_written_in_pieces(segment: Segment, slab: Slab, monkeypatch: pytest.MonkeyPatch) -> None:
    pwrite, pieces = os.pwrite, []

    def a_little(descriptor: int, data: memoryview, offset: int) -> int:
        pieces.append(len(data))
        return pwrite(descriptor, data[:600], offset)

    monkeypatch.setattr(slab_module, "_WRITE_AT_ONCE", 1000)
    monkeypatch.setattr(os, "pwrite", a_little)
    sent = content(3 * PAGE_BYTES + 7)
    slot = slab.lend(sent, [1])
    assert slot
    assert max(pieces) == 1000
    assert read(segment, slot.offset, slot.nbytes) == sent


def failing(code: int) -> Callable[..., Any]:
    def fail(*_: Any) -> Any:
        raise OSError(code, os.strerror(code))

    return fail


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.ENOMEM, errno.EDQUOT, errno.EFBIG])
@pytest.mark.parametrize("nbytes", [PAGE_BYTES, 2 * POOL_BYTES])
@pytest.mark.parametrize("call", ["pwrite", "ftruncate"])
def test_a_full_machine_is_no_room(
    slab: Slab, monkeypatch: pytest.MonkeyPatch, code: int, nbytes: int, call: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, call, failing(code))
        if call == "ftruncate" and nbytes < POOL_BYTES:
            assert slab.lend(bytes(nbytes), [1]), "the pool has its length already"
            return
        assert slab.lend(bytes(nbytes), [1]) is None
    assert (slab.free, slab.lent) == (POOL_BYTES, 0)
    assert slab.lend(bytes(nbytes), [1])


def test_another_fault_is_not_hidden_and_takes_nothing(slab: Slab, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", failing(errno.EIO))
        with pytest.raises(OSError, match="Input/output error"):
            slab.lend(bytes(PAGE_BYTES), [1])
    assert (slab.free, slab.lent) == (POOL_BYTES, 0)


def test_slots_come_back_in_each_of_the_ways(slab: Slab) -> None:
    slots = [slab.lend(bytes(PAGE_BYTES), readers) for readers in ([1], [1, 2], [2, 2], [3])]
    numbers = [slot.number for slot in slots if slot]
    slab.release(1, numbers[:2])
    assert slab.lent == 3
    slab.forget(2)
    assert slab.lent == 1
    assert slots[3]
    slab.withdraw(slots[3])
    assert (slab.free, slab.lent) == (POOL_BYTES, 0)


def test_what_was_not_lent_or_came_back_before_is_refused(slab: Slab) -> None:
    slot = slab.lend(bytes(PAGE_BYTES), [1])
    assert slot
    with pytest.raises(WireError, match="from reader 2, and is lent to"):
        slab.release(2, [slot.number])
    slab.release(1, [slot.number])
    with pytest.raises(WireError, match="not lent to anybody"):
        slab.release(1, [slot.number])
    with pytest.raises(WireError, match="not lent to anybody"):
        slab.release(1, [99])
    with pytest.raises(WireError, match="is not lent"):
        slab.withdraw(slot)


class Duplicate:
    """What multiprocessing pickles a file descriptor as; it is one of this process already."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def detach(self) -> int:
        return os.dup(self.descriptor)


def test_a_segment_that_is_pickled_takes_its_memory_along(segment: Segment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reduction, "DupFd", Duplicate)
    taken = pickle.loads(pickle.dumps(segment))
    assert (taken.owner, taken.pool_bytes) == (segment.owner, segment.pool_bytes)
    assert taken.fileno() != segment.fileno()
    assert not os.get_inheritable(taken.fileno())
    slot = Slab(segment, 0).lend(b"hello", [1])
    assert slot
    assert bytes(Leases(taken).open(slot)) == b"hello"
    taken.close()
    assert os.fstat(segment.fileno()), "each of the two has a descriptor of its own"


def test_a_segment_may_be_closed_twice(segment: Segment) -> None:
    before = len(list(Path("/dev/fd").iterdir()))
    segment.close()
    segment.close()
    assert segment.fileno() == -1
    assert len(list(Path("/dev/fd").iterdir())) == before - 1


def test_a_segment_has_at_least_a_page() -> None:
    with pytest.raises(WireError, match="at least one page"):
        Segment.create(0, PAGE_BYTES - 1)
    one = Segment.create(0, 2 * PAGE_BYTES - 1)
    assert one.pool_bytes == PAGE_BYTES
    one.close()


@pytest.mark.parametrize("in_memory", [True, False])
def test_a_segment_that_cannot_be_had_is_an_error_that_says_so(
    monkeypatch: pytest.MonkeyPatch, in_memory: bool
) -> None:
    before = len(list(Path("/dev/fd").iterdir()))
    monkeypatch.setattr(os, "ftruncate", failing(errno.EFBIG))
    with pytest.raises(WireError, match=r"no shared memory of 65,536 bytes to be had: .*File too large"):
        Segment.create(0, 2**16, in_memory)
    assert len(list(Path("/dev/fd").iterdir())) == before


def test_the_file_has_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    segment = Segment.create(0, POOL_BYTES, in_memory=False)
    assert os.fstat(segment.fileno()).st_nlink == 0
    assert list(tmp_path.iterdir()) == []
    segment.close()


def test_a_slab_that_is_closed_leaves_its_readers_what_they_have(segment: Segment, slab: Slab) -> None:
    leases = Leases(Segment(5, os.dup(segment.fileno()), segment.pool_bytes))
    slot = slab.lend(b"still here", [1])
    assert slot
    view = leases.open(slot)
    slab.close()
    slab.close()
    assert bytes(view) == b"still here"
    leases.close()
    assert bytes(view) == b"still here"
