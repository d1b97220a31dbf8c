"""Where the time of a stage replica goes, and how long its calls take, at a cost that stays small beside them.

Time is dealt out in laps: each look at the clock ends one lap and begins the next, so that nothing is counted twice
and nothing is lost. What several fused PEs of a replica do is told apart in the same way.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from d4py_adaptive.clock import Clock
from d4py_adaptive.telemetry.board import Field, Row
from d4py_adaptive.telemetry.sketch import bucket_of

if TYPE_CHECKING:
    from d4py_adaptive.mappings.instance import Instance

NEVER = 1 << 62
"""A moment, or a number of calls, that does not come."""

ALWAYS_TIMED = 100
"""So many first calls of an instance are all timed."""

_LONG_NS, _MEDIUM_NS = 500_000, 10_000
_SOME, _FEW = 7, 101
_OUTLIER = 4

_LOOK_NS = 1_000_000
_CPU_READ_NS = 2_000
_SHORTEST_LAP_NS = 10_000

CpuClock = Callable[[], int]
process_cpu_ns: CpuClock = time.process_time_ns
thread_cpu_ns: CpuClock = time.thread_time_ns


class CallTimer:
    """Decides which calls of an instance are timed, and keeps how long they took.

    A call that is timed stands for those since the last one that was; how many that are varies, so that no rhythm in
    the items falls in step with it.

    Args:
        row: the instance's counters, as they are.
        sketch: its sketch, as it is.
        is_on: whether any is timed at all.

    Attributes:
        due: number of the next call to time.
        timed: calls that were.
        longest_ns: the longest of them.
        counts: the sketch, which the board gets now and then.
        typical_ns: what a call takes lately, single long ones aside.
    """

    __slots__ = ("_last", "_random", "_total_ns", "counts", "due", "longest_ns", "timed", "typical_ns")

    def __init__(self, row: Row, sketch: Row, is_on: bool) -> None:
        self.counts = array("q", sketch)
        self.timed, self.longest_ns = int(row[Field.TIMED]), int(row[Field.LONGEST_NS])
        self.typical_ns = 0
        self.due = int(row[Field.ITEM]) + 1 if is_on else NEVER
        self._last = int(row[Field.ITEM])
        self._total_ns = 0
        self._random = 1

    def note(self, duration_ns: int, call: int) -> None:
        """Take note of how long the call of this number took."""
        self.timed += 1
        if duration_ns > self.longest_ns:
            self.longest_ns = duration_ns
        self.counts[bucket_of(duration_ns)] += call - self._last
        self._last = call
        self._total_ns += duration_ns
        typical = self.typical_ns
        most = _OUTLIER * typical + _MEDIUM_NS  # one call that is interrupted says nothing of the next ones
        self.typical_ns = typical = typical + (((duration_ns if duration_ns < most else most) - typical) >> 3)
        if typical >= _LONG_NS or call < ALWAYS_TIMED:
            self.due = call + 1
        else:
            self._random = _next_random(self._random)
            every = _SOME if typical >= _MEDIUM_NS else _FEW
            self.due = call + 1 + (self._random >> 8) % (2 * every - 1)

    @property
    def mean_ns(self) -> float:
        """What a call takes on average, of those that this worker timed; 0 before any was."""
        return self._total_ns / self.timed if self.timed else 0.0


def _next_random(last: int) -> int:
    """Numbers that fall in step with nothing; the generators of the user's are not touched."""
    return (last * 1_103_515_245 + 12_345) & 0x7FFF_FFFF


def _standing_still() -> int:
    return 0


class Waited(NamedTuple):
    """Where an instance's time went beside its own work.

    Attributes:
        now_ns: the time.
        life_ns: from its start to its end, or until now.
        starved_ns: waiting for items.
        others_ns: waiting while others ran.
        blocked_ns: of the wait that lasts, waiting for room.
        overhead_ns: its share of the runtime's own work.
    """

    now_ns: int
    life_ns: int
    starved_ns: int
    others_ns: int
    blocked_ns: int
    overhead_ns: int


class Laps:
    """Deals out the time of one replica to its instances, and to what it waits for.

    While a *look* lasts, processor time is measured too, and probes are called: that costs more, so looks are short,
    and as far apart as their cost asks for.

    Args:
        clock: the time.
        is_on: whether anything is measured.
        cpu_clock: processor time of this process.
        own_cpu_clock: processor time of this thread.

    Attributes:
        is_on: as given.
        lap_ns: when the lap that lasts began.
        pooling: whether laps are not told apart for the time being.
        pool_ns: how long they were, all together.
        sampling: whether they are told apart on a sample of items alone.
        running: the instance whose code runs; None for the runtime's own work.
        looking: whether a look lasts.
        look_share: one in so many nanoseconds may be spent on looks.
        look_cost_ns: what a look costs beside what is measured: small values go the long way meanwhile.
        change_ns: when the next look may begin, or this one end.
        overhead_ns: the runtime's own work in the replica's turns.
        starved_ns: waiting for items.
        others_ns: waiting for its turn.
        born_ns: when its life began.
        ended_ns: when it ended; 0 before.
        is_starved: whether it waits for an item.
        woken_ns: when something came for it while it waited; 0 if nothing has.
    """

    __slots__ = (
        "_cpu_clock", "_cpu_ns", "_cpu_read_ns", "_left_ns", "_look_began_ns", "_own_cpu_clock", "_own_cpu_ns",
        "_random", "_spent_ns", "born_ns", "change_ns", "clock", "ended_ns", "is_on", "is_starved", "lap_ns",
        "look_cost_ns", "look_share", "looking", "others_ns", "overhead_ns", "pool_ns", "pooling", "running",
        "sampling", "starved_ns", "woken_ns",
    )  # fmt: skip

    def __init__(
        self,
        clock: Clock,
        is_on: bool = True,
        cpu_clock: CpuClock = process_cpu_ns,
        own_cpu_clock: CpuClock = thread_cpu_ns,
    ) -> None:
        self.clock = clock if is_on else _standing_still
        self.is_on = is_on
        self.running: Instance | None = None
        self.looking = False
        self.look_share, self.look_cost_ns = 400, 20_000
        self.overhead_ns = self.starved_ns = self.others_ns = self.pool_ns = 0
        self.pooling = self.sampling = False
        self.born_ns = self._left_ns = self.lap_ns = clock() if is_on else 0
        self.change_ns = self.born_ns if is_on else NEVER
        self.ended_ns = self.woken_ns = 0
        self.is_starved = False
        self._cpu_clock, self._own_cpu_clock = cpu_clock, own_cpu_clock
        self._random = self.born_ns & 0x7FFF_FFFF
        self._cpu_ns = self._own_cpu_ns = self._cpu_read_ns = self._look_began_ns = self._spent_ns = 0

    # Calls.

    def switch(self, to: Instance | None) -> int:
        """End the lap of whoever runs; the next one is another's. The time."""
        now = self.clock()
        running = self.running
        if running is None or self.pooling or self.looking:
            self._end_lap(running, now)
        else:
            running.compute_ns += now - self.lap_ns
        self.lap_ns = now
        self.running = to
        return now

    def _end_lap(self, running: Instance | None, now_ns: int) -> None:
        if self.pooling:
            self.pool_ns += now_ns - self.lap_ns
            running = None
        elif running is None:
            self.overhead_ns += now_ns - self.lap_ns
        else:
            running.compute_ns += now_ns - self.lap_ns
        if self.looking:
            self._measure_cpu(running, now_ns)

    def serialised(self, instance: Instance) -> int:
        """End a lap that an instance's items were encoded, decoded or copied in; how long it was."""
        now = self.clock()
        passed = now - self.lap_ns
        instance.serialise_ns += passed
        if self.looking:
            self._measure_cpu(None, now)
        self.lap_ns = now
        return passed

    def skip(self) -> int:
        """What passed since the lap began was spent on measuring, and is nobody's; the time."""
        now = self.clock()
        self.overhead_ns += now - self.lap_ns
        self.lap_ns = now
        return now

    def own_ns(self, instance: Instance, now_ns: int) -> int:
        """The time an instance has spent in its own code, if it runs now."""
        return instance.compute_ns + now_ns - self.lap_ns

    # Quick calls in a row.

    def pool(self, pooling: bool) -> None:
        """From here on, do not tell apart what fused PEs do, as the looks at the clock would cost as much; or do."""
        self.switch(self.running)
        self.pooling = pooling

    def settle(self, calls_before: Mapping[Instance, int]) -> None:
        """Tell apart what was pooled since then, by the calls that were made, and what those take that are timed."""
        if self.pooling:
            self.pool(False)
        shares = {i: i.timer.mean_ns * (i.calls - before) for i, before in calls_before.items()}
        whole, left = sum(shares.values()), self.pool_ns
        for instance, share in shares.items():
            part = min(left, int(self.pool_ns * share / whole)) if whole else 0
            instance.compute_ns += part
            left -= part
        next(iter(calls_before)).compute_ns += left
        self.pool_ns = 0
        self.sampling = False

    # Turns.

    def begin_turn(self, now_ns: int) -> None:
        """The replica goes on: deal out the time since it last ran."""
        gap = now_ns - self._left_ns
        if self.is_starved:
            late = now_ns - self.woken_ns if self.woken_ns else 0
            self.starved_ns += gap - late
            self.others_ns += late
        elif self.running is None or not self.running.is_blocked:
            self.others_ns += gap
        else:
            self.running.blocked_ns += gap
        self.woken_ns = 0
        self.lap_ns = now_ns
        if self.looking:
            self._read_cpu(now_ns)

    def end_turn(self) -> int:
        """The replica leaves off, for whatever reason; the time."""
        now = self.switch(self.running)
        self._left_ns = now
        return now

    def shares(self, instances: Sequence[Instance], now_ns: int) -> Iterator[Waited]:
        """For each of the replica's instances, where its time went until now; not during a turn.

        What one does, the others wait for; the runtime's work is divided by calls.
        """
        now_ns = now_ns if self.is_on else 0
        gap = (self.ended_ns or now_ns) - self._left_ns
        starved, others, blocked = self.starved_ns, self.others_ns, 0
        if self.is_starved:
            late = now_ns - self.woken_ns if self.woken_ns else 0
            starved, others = starved + gap - late, others + late
        elif self.running is not None and self.running.is_blocked:
            blocked = gap
        else:
            others += gap
        life = (self.ended_ns or now_ns) - self.born_ns
        own = [i.compute_ns + i.serialise_ns + i.codec_ns + i.blocked_ns + blocked * i.is_blocked for i in instances]
        calls = sum(instance.calls for instance in instances)
        for instance, of_it in zip(instances, own, strict=True):
            overhead = self.overhead_ns * instance.calls // calls if calls else self.overhead_ns // len(instances)
            rest = others + sum(own) - of_it + self.overhead_ns - overhead
            yield Waited(now_ns, life, starved, rest, blocked, overhead)

    def portable(self) -> tuple[int, ...]:
        """What another worker has to know to go on."""
        return self.born_ns, self._left_ns, self.overhead_ns, self.starved_ns, self.others_ns

    def resume(self, portable: tuple[int, ...]) -> None:
        """Go on where another worker left off."""
        self.born_ns, self._left_ns, self.overhead_ns, self.starved_ns, self.others_ns = portable

    # Looks.

    def look(self, now_ns: int) -> None:
        """Begin a look, since it is time to."""
        self.switch(self.running)
        self.looking = True
        self._look_began_ns, self._spent_ns = now_ns, 0
        self.change_ns = now_ns + _LOOK_NS
        self._read_cpu(self.lap_ns)

    def look_away(self) -> None:
        """End the look; the next one waits until this one's cost is one in `look_share`, more or less.

        How much varies, so that looks do not fall in step with the items.
        """
        now = self.switch(self.running)
        self.looking = False
        pause_ns = max(_LOOK_NS // 4, self.look_share * (self.look_cost_ns + self._spent_ns))
        self._random = _next_random(self._random)
        self.change_ns = now + pause_ns // 2 + self._random % pause_ns

    def discount(self) -> None:
        """What passed since the lap began was spent on looking."""
        before_ns = self.lap_ns
        self._spent_ns += self.skip() - before_ns
        self._read_cpu(self.lap_ns)

    def _read_cpu(self, now_ns: int) -> None:
        self._cpu_ns, self._own_cpu_ns, self._cpu_read_ns = self._cpu_clock(), self._own_cpu_clock(), now_ns

    def _measure_cpu(self, instance: Instance | None, now_ns: int) -> None:
        """Deal out the processor time of the lap that ends as its wall time was; of laps too short for its clock, none.

        Nor of laps that began after it was read last: a look may begin below quick calls, which do not read it.
        """
        before_ns, own_before_ns, read_ns, passed_ns = (
            self._cpu_ns,
            self._own_cpu_ns,
            self._cpu_read_ns,
            now_ns - self.lap_ns,
        )
        self._read_cpu(now_ns)
        if instance is not None and passed_ns >= _SHORTEST_LAP_NS and self.lap_ns == read_ns:
            instance.cpu_ns += self._cpu_ns - before_ns
            instance.own_cpu_ns += self._own_cpu_ns - own_before_ns
            instance.cpu_of_ns += passed_ns
        self._spent_ns += _CPU_READ_NS
