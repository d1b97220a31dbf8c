"""The two ends of a channel: what one sender instance sends to one receiver instance, in order and bounded.

Credit is a limit on the total sent so far, in items and bytes, which only the receiver raises. It never has to be
counted down, so that a late, repeated or overtaken grant does no harm.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from d4py_adaptive.wire.encoding import Encoded


@dataclass(frozen=True, slots=True)
class Window:
    """How much may be under way in one channel.

    Attributes:
        items: most items, where items are quick.
        payload_bytes: most bytes; one item may exceed what is left of it.
        target_ns: time that a receiver should have waiting; slow items get a window of fewer.
    """

    items: int = 4096
    payload_bytes: int = 8 * 2**20
    target_ns: int = 50_000_000

    FIRST = 4
    """Items allowed before anything is known of the receiver's pace: few, so that slow items spread evenly."""

    @classmethod
    def within(cls, buffer_bytes: int, channels: int) -> Window:
        """A window for each of so many channels which together hold no more than that, single items aside."""
        return cls(payload_bytes=max(1, min(cls().payload_bytes, buffer_bytes // max(1, channels))))

    def items_for(self, service_ns: float) -> int:
        """How many items may be under way to a receiver that takes `service_ns` for one."""
        if service_ns < 1:
            return self.items
        return max(2, min(self.items, int(self.target_ns / service_ns)))


OFFER_NS = 200_000
"""How long small values may wait for company in the middle of a PE's call, although their reader is idle."""


@dataclass(slots=True)
class Outlet:
    """The sender's end.

    Attributes:
        sender: number of the sending instance.
        receiver: number of the receiving instance.
        sent: items sent or waiting in the batch.
        sent_bytes: their bytes.
        limit: items that may be sent in all.
        limit_bytes: bytes that may be sent in all, the last item's excess aside.
        batch_ports: for each item that waits for its frame, its input port.
        batch: the items that wait for their frame.
        batch_bytes: their bytes in the frame.
        batch_payload_bytes: their bytes wherever they are.
        flat: small values that wait for their frame as they are, all for `flat_port`; never while `batch` holds any.
        flat_bytes: bytes of those that were sent.
        written_at_ns: when the last item was written in the middle of a call.
        offer_at_ns: from when on a value is sent at once to a reader that has nothing else to read.
    """

    sender: int
    receiver: int
    limit: int
    limit_bytes: int
    sent: int = 0
    sent_bytes: int = 0
    taken: int = 0
    batch_ports: list[int] = field(default_factory=list)
    batch: list[Encoded] = field(default_factory=list)
    batch_bytes: int = 0
    batch_payload_bytes: int = 0
    flat: list[Any] = field(default_factory=list)
    flat_port: int = 0
    flat_bytes: int = 0
    written_at_ns: int = 0
    offer_at_ns: int = 0

    @property
    def has_room(self) -> bool:
        """Whether one more item may be sent."""
        return self.sent < self.limit and self.sent_bytes < self.limit_bytes

    @property
    def unread(self) -> int:
        """Items sent that the receiver has not said it took, as far as is known."""
        return self.sent - self.taken

    def count(self, nbytes: int) -> None:
        """Take note of one more item."""
        self.sent += 1
        self.sent_bytes += nbytes

    def grant(self, limit: int, limit_bytes: int, taken: int) -> None:
        """Take note of what the receiver allows, and of how many items it has taken."""
        self.limit = max(self.limit, limit)
        self.limit_bytes = max(self.limit_bytes, limit_bytes)
        self.taken = max(self.taken, taken)


@dataclass(slots=True)
class Inlet:
    """The receiver's end.

    Attributes:
        sender: number of the sending instance.
        receiver: number of the receiving instance.
        arrived: items that have arrived in order.
        taken: items that have been processed.
        taken_bytes: their bytes.
        granted: items allowed in all, as last told to the sender.
        granted_bytes: the same for bytes.
        end: how many items the sender wrote in all, once it has said so.
        low: once so many items have been taken, the sender should be allowed more.
        low_bytes: the same for bytes.
    """

    sender: int
    receiver: int
    granted: int
    granted_bytes: int
    arrived: int = 0
    taken: int = 0
    taken_bytes: int = 0
    end: int | None = None
    low: int = 0
    low_bytes: int = 0
    early: dict[int, tuple[list[int], list[Encoded], int]] = field(default_factory=dict)

    @property
    def closed(self) -> bool:
        """Whether everything the sender wrote has arrived, and it has said that this was all."""
        return self.end is not None and self.arrived == self.end

    def accept(
        self, first: int, ports: list[int], items: list[Encoded], together: int = 0
    ) -> Iterator[tuple[int, Encoded, int]]:
        """Yield what is next in order; what came too early waits for what it overtook.

        Yields:
            The port, the item, and 0; or, where `together` items stand in one list, that list and their number.
        """
        self.early[first] = (ports, items, together)
        while self.arrived in self.early:
            ports, items, together = self.early.pop(self.arrived)
            self.arrived += together or len(items)
            for port, item in zip(ports, items, strict=True):
                yield port, item, together

    def take(self, nbytes: int, number: int = 1) -> None:
        """Take note that items have been processed."""
        self.taken += number
        self.taken_bytes += nbytes

    @property
    def runs_low(self) -> bool:
        """Whether the sender should be allowed more before it has to wait."""
        return self.taken >= self.low or self.taken_bytes >= self.low_bytes

    def grant(self, window: Window, service_ns: float) -> None:
        """Raise the limits to one window beyond what was taken; it runs low again when half of that is used."""
        items = window.items_for(service_ns)
        self.granted = max(self.granted, self.taken + items)
        self.granted_bytes = max(self.granted_bytes, self.taken_bytes + window.payload_bytes)
        self.low = self.granted - items // 2
        self.low_bytes = self.granted_bytes - window.payload_bytes // 2
