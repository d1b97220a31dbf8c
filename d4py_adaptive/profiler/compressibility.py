"""How much smaller the bytes of a stream could be, found out in a small share of the time."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from pickle import PickleBuffer
from typing import Any

from d4py_adaptive.clock import Clock, monotonic_ns

SAMPLE_BYTES = 64 * 1024
"""Bytes that are compressed at once; of a larger item, its first ones."""

_LEVEL = 1


class Compressibility:
    """Compresses samples of a stream, as often as its share of the time allows.

    Small items are gathered until there are `SAMPLE_BYTES` of them, since they travel together, and shrink
    together as none of them would alone.

    Args:
        clock: tells how long compressing takes.
        budget: share of the time since the last sample that compressing may take.

    Attributes:
        plain_bytes: bytes that were compressed.
        compressed_bytes: what came out.
    """

    __slots__ = ("_budget", "_clock", "_due_ns", "_gathered", "compressed_bytes", "plain_bytes")

    def __init__(self, clock: Clock = monotonic_ns, budget: float = 0.01) -> None:
        self.plain_bytes = 0
        self.compressed_bytes = 0
        self._clock = clock
        self._budget = budget
        self._due_ns = clock()
        self._gathered = bytearray()

    def add(self, sample: bytes | bytearray | memoryview | PickleBuffer) -> None:
        """Look at an encoded item, or one of its buffers, if it is time to.

        Raises:
            BufferError: its bytes do not stand one after the other in memory.
        """
        if self._clock() < self._due_ns:
            return
        with PickleBuffer(sample).raw() as plain:
            self._gathered += plain[: SAMPLE_BYTES - len(self._gathered)]
        if len(self._gathered) == SAMPLE_BYTES:
            self._compress()

    def _compress(self) -> None:
        start_ns = self._clock()
        self.compressed_bytes += len(zlib.compress(self._gathered, _LEVEL))
        self.plain_bytes += len(self._gathered)
        self._gathered.clear()
        end_ns = self._clock()
        self._due_ns = end_ns + int((end_ns - start_ns) / self._budget)

    def ratio(self) -> float | None:
        """Compressed over plain size, with what was gathered last; None where nothing was seen."""
        if self._gathered:
            self._compress()
        return self.compressed_bytes / self.plain_bytes if self.plain_bytes else None

    def to_dict(self) -> dict[str, Any]:
        """What was found, with what was gathered last, as plain values."""
        if self._gathered:
            self._compress()
        return {"plain_bytes": self.plain_bytes, "compressed_bytes": self.compressed_bytes}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Compressibility:
        """What `to_dict` gave; more samples may be added."""
        made = cls()
        made.plain_bytes, made.compressed_bytes = values["plain_bytes"], values["compressed_bytes"]
        return made

    @classmethod
    def merged(cls, parts: Iterable[Compressibility]) -> Compressibility:
        """What all parts found together."""
        made = cls()
        for found in [part.to_dict() for part in parts]:
            made.plain_bytes += found["plain_bytes"]
            made.compressed_bytes += found["compressed_bytes"]
        return made
