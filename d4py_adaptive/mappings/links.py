"""What a worker needs of its mapping: a way to the rest of the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from d4py_adaptive.wire.encoding import Buffer
from d4py_adaptive.wire.frame import Frame
from d4py_adaptive.wire.slots import Slot

LAUNCHER = -1
"""Number of the place where results go."""


class Links(Protocol):
    """What a mapping gives its workers to reach the rest of the run; none of these may block."""

    def keep(self, buffer: memoryview, workers: Sequence[int], is_alone: bool) -> Buffer | Slot:
        """Copy a large buffer to where these workers will find it, one reader each.

        Args:
            buffer: its bytes.
            workers: where its readers live.
            is_alone: whether nobody else here sees the item that it belongs to, so that it need not be copied.
        """

    def send(self, worker: int, frame: Frame) -> None:
        """Pass a frame to another worker, or to the launcher."""

    def line(self, instance: str, text: str) -> None:
        """Pass on a line that a PE printed."""

    def event(self, event: Mapping[str, Any]) -> None:
        """Pass on something worth a record."""
