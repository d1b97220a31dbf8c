"""What an instance did when, in constant memory: slots of equal length, which double when the run outgrows them."""

from __future__ import annotations

from collections.abc import Sequence

KINDS = ("compute", "serialise", "blocked", "starved")
"""What is kept per slot: nanoseconds of each."""

SLOTS = 256
FIRST_SLOT_NS = 20_000_000

_SLOT_NS, _USED, _DATA = 0, 1, 2
LENGTH = _DATA + len(KINDS) * SLOTS
"""Integers that a timeline takes: the length of a slot, how many are used, and the slots of each kind in a row."""


class TimelineWriter:
    """Writes one instance's timeline.

    Args:
        memory: `LENGTH` integers, zero or as another writer left them.
        origin_ns: when the run began, on the clock that `record` is told the time of.
        now_ns: the time, if that is later; what came before is left empty.

    Attributes:
        due_ns: from when on the next slot could be filled.
    """

    def __init__(self, memory: memoryview, origin_ns: int, now_ns: int | None = None) -> None:
        now_ns = origin_ns if now_ns is None else now_ns
        self._memory = memory
        self._origin_ns = origin_ns
        self._totals = [0] * len(KINDS)
        self._recorded_ns = now_ns
        self._slot_ns = int(memory[_SLOT_NS]) or FIRST_SLOT_NS
        memory[_SLOT_NS] = self._slot_ns
        self.due_ns = now_ns + self._slot_ns

    def resume(self, totals: Sequence[int], now_ns: int) -> None:
        """Begin to record now, from totals that the timeline has already."""
        self._totals, self._recorded_ns = list(totals), now_ns
        self.due_ns = now_ns + self._slot_ns

    def record(self, totals: Sequence[int], now_ns: int) -> None:
        """Spread what was added to the totals of `KINDS` since last time evenly over the time since then."""
        last = (now_ns - self._origin_ns) // self._slot_ns
        while last >= SLOTS:
            self._halve()
            last = (now_ns - self._origin_ns) // self._slot_ns
        since_ns = min(max(self._recorded_ns, self._origin_ns), now_ns)
        first = (since_ns - self._origin_ns) // self._slot_ns
        for kind, total in enumerate(totals):
            added, given = total - self._totals[kind], 0
            for slot in range(first, last + 1) if added > 0 else ():
                until_ns = min(now_ns, self._origin_ns + (slot + 1) * self._slot_ns)
                so_far = added * (until_ns - since_ns) // (now_ns - since_ns) if since_ns < now_ns else added
                self._memory[_DATA + kind * SLOTS + slot] += so_far - given
                given = so_far
        self._totals = list(totals)
        self._recorded_ns = now_ns
        begun = self._origin_ns + last * self._slot_ns < now_ns or first == last
        self._memory[_USED] = max(self._memory[_USED], last + begun)
        self.due_ns = self._origin_ns + (last + 1) * self._slot_ns

    def _halve(self) -> None:
        """Join slots two by two, so that as many are free again."""
        for kind in range(len(KINDS)):
            start = _DATA + kind * SLOTS
            old = self._memory[start : start + SLOTS].tolist()
            for slot in range(SLOTS):
                self._memory[start + slot] = sum(old[2 * slot : 2 * slot + 2])
        self._slot_ns *= 2
        self._memory[_SLOT_NS] = self._slot_ns
        self._memory[_USED] = (self._memory[_USED] + 1) // 2


def read_timeline(memory: Sequence[int]) -> tuple[float, dict[str, tuple[float, ...]]]:
    """The length of a slot, and the seconds of each kind per slot, as far as the run has come."""
    used = max(1, memory[_USED])
    return memory[_SLOT_NS] / 1e9, {
        name: tuple(ns / 1e9 for ns in memory[_DATA + kind * SLOTS :][:used]) for kind, name in enumerate(KINDS)
    }
