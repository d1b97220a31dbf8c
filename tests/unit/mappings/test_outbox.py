"""What waits for company, and when it leaves."""

from types import SimpleNamespace
from typing import Any

import pytest

from d4py_adaptive.mappings.channel import Outlet
from d4py_adaptive.mappings.outbox import BATCH_BYTES, BATCH_PAYLOAD_BYTES, SELDOM_NS, Outbox
from d4py_adaptive.testing.clocks import ManualClock
from d4py_adaptive.wire.encoding import Encoded, PlainWire
from d4py_adaptive.wire.frame import Frame
from d4py_adaptive.wire.slots import Access, Slot

PORT = 2


class Desk:
    """An outbox with one outlet whose reader has plenty to read and says nothing."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.sent: list[Frame] = []
        job: Any = SimpleNamespace(wire=PlainWire(), clock=self.clock, batch_items=8, flat_items=6)
        self.outbox = Outbox(job, lambda _, frame: self.sent.append(frame), lambda _: None)
        self.outlet = Outlet(1, 2, limit=100_000, limit_bytes=2**40, sent=500)
        self.replica: Any = None

    def put(self, encoded: Encoded, goes_on: bool = False) -> int:
        """Write an item; how many items have left."""
        self.outbox.put(self.replica, self.outlet, PORT, encoded, goes_on)
        return self.gone

    def write_flat(self, value: Any) -> int:
        """The same for a small value in the middle of a call."""
        self.outbox.put_flat(self.replica, self.outlet, PORT, [value])
        self.outbox.offer_now_and_then(self.outlet)
        return self.gone

    @property
    def gone(self) -> int:
        return sum(frame.number or len(frame.items) for frame in self.sent)


@pytest.fixture
def desk() -> Desk:
    desk = Desk()
    desk.outlet.written_at_ns = desk.clock()  # so that the first write is not one after a long time
    desk.outlet.offer_at_ns = 2**62
    return desk


def small(nbytes: int = 100) -> Encoded:
    return Encoded(bytes(nbytes), (), nbytes)


def shared(nbytes: int) -> Encoded:
    """An item whose buffer is in shared memory."""
    return Encoded(b"body", (Slot(0, 0, 0, 0, nbytes, Access.IN_PLACE),), 4 + nbytes)


def test_items_for_a_busy_reader_wait_until_a_frame_is_full(desk: Desk) -> None:
    assert [desk.put(small()) for _ in range(9)] == [0] * 7 + [8, 8]
    assert not desk.outbox.is_empty
    desk.outbox.flush()
    assert (desk.gone, desk.outbox.is_empty) == (9, True)
    assert [frame.first for frame in desk.sent] == [500, 508]


def test_an_item_for_an_idle_reader_leaves_at_once(desk: Desk) -> None:
    desk.outlet.taken = 500
    assert desk.put(small()) == 1
    assert desk.put(small()) == 1  # as far as is known, the first is still unread
    desk.outlet.taken = 501
    assert desk.put(small()) == 3


def test_so_many_bytes_complete_a_frame(desk: Desk) -> None:
    assert desk.put(small(BATCH_BYTES // 2)) == 0
    assert desk.put(small(BATCH_BYTES // 2)) == 2


def test_large_buffers_in_shared_memory_are_waited_for_when_more_may_come_soon(desk: Desk) -> None:
    assert [desk.put(shared(BATCH_PAYLOAD_BYTES // 4)) for _ in range(4)] == [0, 0, 0, 4]


def test_a_large_item_does_not_wait_for_a_call_that_goes_on(desk: Desk) -> None:
    assert desk.put(shared(BATCH_BYTES), goes_on=True) == 1


def test_what_is_written_seldom_in_a_call_that_goes_on_leaves_at_once(desk: Desk) -> None:
    assert desk.put(small(), goes_on=True) == 0
    desk.clock.advance(SELDOM_NS - 1)
    assert desk.put(small(), goes_on=True) == 0
    desk.clock.advance(SELDOM_NS)
    assert desk.put(small(), goes_on=True) == 3
    assert desk.put(small(), goes_on=True) == 3


def test_small_values_that_are_written_seldom_leave_at_once(desk: Desk) -> None:
    assert desk.write_flat(1) == 0
    desk.clock.advance(SELDOM_NS)
    assert desk.write_flat(2) == 2
    assert [desk.write_flat(n) for n in range(7)] == [2] * 5 + [8, 8]


def test_what_returns_is_not_hurried_by_the_clock(desk: Desk) -> None:
    for _ in range(3):
        desk.clock.advance(10 * SELDOM_NS)
        assert desk.put(small()) == 0
