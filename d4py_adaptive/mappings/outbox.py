"""The frames that a worker is filling: what is written waits a little for company, and leaves when it should."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from d4py_adaptive.mappings.channel import OFFER_NS, Outlet
from d4py_adaptive.mappings.job import Job
from d4py_adaptive.mappings.replica import Replica
from d4py_adaptive.wire.encoding import Encoded
from d4py_adaptive.wire.frame import Frame, Kind

BATCH_BYTES = 64 * 1024
"""Bytes that complete a frame."""

BATCH_PAYLOAD_BYTES = 2 * 2**20
"""The same for items whose large buffers are not in the frame: to wake a reader costs as much as to copy some of it."""

SELDOM_NS = 100_000
"""What a PE writes in the middle of a call, no more often than that, is sent at once: it may write nothing more."""


class Outbox:
    """Fills frames and sends them.

    Args:
        job: the run.
        send: sends a frame to an instance.
        lap: called without an instance when the work on a frame begins, with its sender when it is done.
    """

    def __init__(self, job: Job, send: Callable[[int, Frame], None], lap: Callable[[int | None], None]) -> None:
        self._wire = job.wire
        self._clock = job.clock
        self._batch_items = job.batch_items
        self._flat_items = job.flat_items
        self._send = send
        self._lap = lap
        self._unsent: dict[tuple[int, int], Outlet] = {}

    @property
    def is_empty(self) -> bool:
        """Whether no frame waits to be sent."""
        return not self._unsent

    def put(self, replica: Replica, outlet: Outlet, port: int, encoded: Encoded, goes_on: bool = True) -> None:
        """Add an encoded item to the frame for a reader elsewhere, once there is room; send it if that pays.

        Args:
            replica: whose PE wrote it.
            outlet: the way to the reader.
            port: number of the reader's input.
            encoded: the item.
            goes_on: whether the PE's call goes on, and may write nothing more for long.
        """
        if outlet.flat:
            self._flush(outlet)
        if not outlet.has_room:
            self._flush(outlet)
            replica.wait(lambda: outlet.has_room)
        outlet.count(encoded.nbytes)
        outlet.batch_ports.append(port)
        outlet.batch.append(encoded)
        outlet.batch_bytes += encoded.frame_bytes
        outlet.batch_payload_bytes += encoded.nbytes
        waiting = len(outlet.batch)
        if (
            waiting >= self._batch_items
            or outlet.unread <= waiting
            or outlet.batch_bytes >= BATCH_BYTES
            or outlet.batch_payload_bytes >= (BATCH_BYTES if goes_on else BATCH_PAYLOAD_BYTES)
            or (goes_on and self._is_seldom(outlet, self._clock()))
        ):
            self._flush(outlet)
        else:
            self._unsent[outlet.sender, outlet.receiver] = outlet

    def put_flat(self, replica: Replica, outlet: Outlet, port: int, values: list[Any]) -> None:
        """Add small values to the frame for a reader elsewhere, as soon as there is room for each."""
        while values:
            if outlet.batch or (outlet.flat and outlet.flat_port != port):
                self._flush(outlet)
            if not outlet.has_room:
                self._flush(outlet)
                replica.wait(lambda: outlet.has_room)
            room = min(outlet.limit - outlet.sent, self._flat_items - len(outlet.flat))
            added, values = values[:room], values[room:]
            outlet.sent += len(added)
            outlet.flat += added
            outlet.flat_port = port
            if len(outlet.flat) >= self._flat_items:
                self._flush(outlet)
            else:
                self._unsent[outlet.sender, outlet.receiver] = outlet

    def offer(self, outlet: Outlet, late: bool = False) -> None:
        """Send what waits for a reader that, as far as is known, has nothing else to read, or what is late."""
        if outlet.flat and (late or outlet.unread <= len(outlet.flat)):
            self._flush(outlet)

    def offer_now_and_then(self, outlet: Outlet) -> None:
        """Offer what waits, unless that was done a moment ago: few values more, and it pays better."""
        now = self._clock()
        is_seldom = self._is_seldom(outlet, now)
        if is_seldom or now >= outlet.offer_at_ns:
            outlet.offer_at_ns = now + OFFER_NS
            self.offer(outlet, is_seldom)

    def _is_seldom(self, outlet: Outlet, now_ns: int) -> bool:
        """Whether so much time has passed since the last write that a frame for each costs little."""
        passed_ns, outlet.written_at_ns = now_ns - outlet.written_at_ns, now_ns
        return passed_ns >= SELDOM_NS

    def flush(self) -> None:
        """Send every frame that is being filled."""
        for outlet in list(self._unsent.values()):
            self._flush(outlet)

    def _flush(self, outlet: Outlet) -> None:
        self._unsent.pop((outlet.sender, outlet.receiver), None)
        self._lap(None)
        if outlet.flat:
            values, outlet.flat = outlet.flat, []
            encoded = self._wire.encode(values)
            outlet.sent_bytes += encoded.nbytes
            outlet.flat_bytes += encoded.nbytes
            frame = Frame(
                Kind.DATA, outlet.sender, outlet.receiver, outlet.sent - len(values),
                number=len(values), ports=[outlet.flat_port], items=[encoded],
            )  # fmt: skip
            self._send(outlet.receiver, frame)
        if outlet.batch:
            first = outlet.sent - len(outlet.batch)
            frame = Frame(
                Kind.DATA, outlet.sender, outlet.receiver, first, ports=outlet.batch_ports, items=outlet.batch
            )
            outlet.batch_ports, outlet.batch, outlet.batch_bytes, outlet.batch_payload_bytes = [], [], 0, 0
            self._send(outlet.receiver, frame)
        self._lap(outlet.sender)
