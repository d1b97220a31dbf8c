"""Where a replica's time goes: every nanosecond is somewhere once; few calls are timed, and none is forgotten."""

from array import array
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from d4py_adaptive.mappings import meter
from d4py_adaptive.mappings.meter import ALWAYS_TIMED, NEVER, CallTimer, Laps
from d4py_adaptive.telemetry.board import Field
from d4py_adaptive.telemetry.sketch import BUCKETS, bucket_of
from d4py_adaptive.testing.clocks import ManualClock

US, MS, S = 10**3, 10**6, 10**9


# ---------------------------------------------------------------------- which calls are timed


@pytest.fixture
def row() -> memoryview:
    return memoryview(array("q", bytes(8 * len(Field))))


@pytest.fixture
def sketch() -> memoryview:
    return memoryview(array("q", bytes(8 * BUCKETS)))


def timed_calls(timer: CallTimer, duration_ns: int, calls: int, first: int = 1) -> list[int]:
    """The calls that are timed, of calls that all take as long."""
    timed = []
    for call in range(first, first + calls):
        if call >= timer.due:
            timer.note(duration_ns, call)
            timed.append(call)
    return timed


@pytest.fixture
def timer(row: memoryview, sketch: memoryview) -> CallTimer:
    return CallTimer(row, sketch, True)


def test_the_first_calls_are_all_timed(timer: CallTimer) -> None:
    assert timed_calls(timer, 100, ALWAYS_TIMED) == list(range(1, ALWAYS_TIMED + 1))
    assert timer.timed == ALWAYS_TIMED


SHORT_NS, MEDIUM_NS, LONG_NS = 100, 2 * meter._MEDIUM_NS, 2 * meter._LONG_NS


@pytest.mark.parametrize(("duration_ns", "every"), [(SHORT_NS, meter._FEW), (MEDIUM_NS, meter._SOME)])
def test_of_short_calls_one_in_many_is_timed(timer: CallTimer, duration_ns: int, every: int) -> None:
    calls = timed_calls(timer, duration_ns, 5_000 * every)
    gaps = [after - before for before, after in pairwise(calls) if before >= ALWAYS_TIMED]
    assert (min(gaps), max(gaps)) == (1, 2 * every - 1)
    assert sum(gaps) / len(gaps) == pytest.approx(every, rel=0.05)
    assert len(set(gaps)) == 2 * every - 1  # no rhythm


def test_long_calls_are_all_timed(timer: CallTimer) -> None:
    assert timed_calls(timer, LONG_NS, 1000) == list(range(1, 1001))


def test_how_many_are_timed_follows_the_pace(timer: CallTimer) -> None:
    shares, first = [], 1
    for duration_ns in (SHORT_NS, MEDIUM_NS, 50 * LONG_NS, SHORT_NS):
        timed_calls(timer, duration_ns, 10_000, first)
        shares.append(len(timed_calls(timer, duration_ns, 10_000, first + 10_000)) / 10_000)
        first += 20_000
    assert shares == pytest.approx([1 / meter._FEW, 1 / meter._SOME, 1, 1 / meter._FEW], rel=0.3)


def test_one_call_that_is_interrupted_does_not_make_others_be_timed(timer: CallTimer) -> None:
    timed_calls(timer, SHORT_NS, ALWAYS_TIMED)
    timer.note(S, ALWAYS_TIMED + 1)
    assert timer.typical_ns < meter._MEDIUM_NS
    assert (timer.longest_ns, timer.counts[bucket_of(S)]) == (S, 1)


def test_the_mean_is_of_the_calls_that_were_timed(timer: CallTimer) -> None:
    assert timer.mean_ns == 0
    for call, duration_ns in enumerate([10, 20, 90], 1):
        timer.note(duration_ns, call)
    assert timer.mean_ns == 40


def test_each_timed_call_stands_for_those_since_the_last_one(timer: CallTimer) -> None:
    timed = timed_calls(timer, SHORT_NS, 5_000)
    assert sum(timer.counts) == timed[-1] > 5_000 - 2 * meter._FEW
    timer.note(50_000, 6_000)
    assert timer.counts[bucket_of(50_000)] == 6_000 - timed[-1]
    assert sum(timer.counts) == 6_000
    assert timer.timed == len(timed) + 1
    assert timer.longest_ns == 50_000


def test_the_longest_call_is_kept(timer: CallTimer) -> None:
    for call, duration_ns in enumerate([5, 900, 7], 1):
        timer.note(duration_ns, call)
    assert timer.longest_ns == 900


def test_where_nothing_is_measured_no_call_is_timed(row: memoryview, sketch: memoryview) -> None:
    assert CallTimer(row, sketch, False).due == NEVER > 10**15


def test_after_a_move_it_goes_on_from_what_the_board_has(row: memoryview, sketch: memoryview) -> None:
    row[Field.ITEM], row[Field.TIMED], row[Field.LONGEST_NS] = 500, 40, 900
    sketch[7] = 480
    timer = CallTimer(row, sketch, True)
    assert timer.due == 501
    timer.note(5, 501)
    assert (timer.counts[5], timer.counts[7], sum(timer.counts)) == (1, 480, 481)
    assert (timer.timed, timer.longest_ns) == (41, 900)


# ---------------------------------------------------------------------- every nanosecond, once


class Fake(SimpleNamespace):
    """As much of an instance as is needed here."""

    __hash__ = object.__hash__
    __eq__ = object.__eq__


def fake_instance(name: str) -> Any:
    row, sketch = (memoryview(array("q", bytes(8 * length))) for length in (len(Field), BUCKETS))
    return Fake(
        name=name, compute_ns=0, serialise_ns=0, codec_ns=0, blocked_ns=0, cpu_ns=0, cpu_of_ns=0, calls=0,
        own_cpu_ns=0, is_blocked=False, timer=CallTimer(row, sketch, True),
    )  # fmt: skip


def parts_of(instances: list[Any], laps: Laps, now_ns: int) -> Iterator[tuple[int, int]]:
    """For each instance, the sum of its parts, and its life."""
    for instance, waited in zip(instances, laps.shares(instances, now_ns), strict=True):
        blocked_ns = instance.blocked_ns + (waited.blocked_ns if instance.is_blocked else 0)
        own_ns = instance.compute_ns + instance.serialise_ns + instance.codec_ns + blocked_ns
        yield own_ns + waited.starved_ns + waited.others_ns + waited.overhead_ns, waited.life_ns


class AnyReplica(RuleBasedStateMachine):
    """A replica of three PEs that call one another and wait in any order, beside a plain account of its time.

    Each step lets time pass, which the account books at once on what the replica does just then.
    """

    passing = st.integers(0, 5 * MS)

    @initialize(start_ns=st.integers(1, 10**18))
    def begin(self, start_ns: int) -> None:
        self.clock, self.cpu = ManualClock(start_ns), ManualClock()
        self.laps = Laps(self.clock, cpu_clock=self.cpu)
        self.instances = [fake_instance(name) for name in "abc"]
        self.stack: list[Any] = []
        self.in_turn = self.is_over = self.woken = False
        self.does = "others"
        self.booked: Counter[str] = Counter()
        self.pooled: dict[Any, int] = {}

    def passes(self, ns: int, on: str = "") -> None:
        self.clock.advance(ns)
        self.cpu.advance(ns)
        on = on or self.does
        if on == "starved" and self.woken:
            on = "others"
        elif self.pooled and on.startswith(("compute", "overhead")):
            on = "pool"
        if not self.is_over:
            self.booked[on] += ns

    @property
    def now(self) -> int:
        return self.clock.now_ns

    @property
    def running(self) -> Any:
        return self.stack[-1] if self.stack else None

    def goes_on(self) -> None:
        self.does = f"compute {self.running.name}" if self.stack else "overhead"

    def to(self, instance: Any, quickly: bool) -> None:
        """The next PE runs; the quick way reads the clock itself, or, where laps are not told apart, not at all."""
        laps = self.laps
        if not quickly or laps.looking:
            laps.switch(instance)
        elif not laps.pooling and laps.running is not None:
            laps.running.compute_ns += self.now - laps.lap_ns
            laps.lap_ns = self.now
        elif not laps.pooling:
            laps.switch(instance)
        laps.running = instance
        self.goes_on()

    @rule(ns=passing)
    def time_passes(self, ns: int) -> None:
        self.passes(ns)

    @precondition(lambda self: not self.in_turn and not self.is_over)
    @rule(ns=passing)
    def a_turn_begins(self, ns: int) -> None:
        self.passes(ns)
        self.laps.begin_turn(self.now)
        self.laps.is_starved = False
        if self.running is not None:
            self.running.is_blocked = False
        self.in_turn, self.woken = True, False
        self.goes_on()

    @precondition(lambda self: self.in_turn)
    @rule(ns=passing, which=st.integers(0, 2), quickly=st.booleans())
    def a_pe_is_called(self, ns: int, which: int, quickly: bool) -> None:
        self.passes(ns)
        instance = self.instances[which]
        if instance not in self.stack:
            instance.calls += 1
            self.stack.append(instance)
            self.to(instance, quickly)

    @precondition(lambda self: self.in_turn and len(self.stack) > bool(self.pooled))
    @rule(ns=passing, quickly=st.booleans())
    def a_call_returns(self, ns: int, quickly: bool) -> None:
        self.passes(ns)
        instance = self.stack.pop()
        self.to(self.running, quickly)
        if not self.laps.pooling:
            instance.timer.note(ns, instance.calls)

    @precondition(lambda self: self.in_turn and len(self.stack) == 1 and not self.pooled and not self.laps.looking)
    @rule(ns=passing)
    def calls_in_a_row_begin(self, ns: int) -> None:
        self.passes(ns)
        self.pooled = {instance: instance.calls for instance in self.instances}
        self.pooled = {self.running: self.running.calls, **self.pooled}
        self.laps.sampling = True
        self.laps.pool(True)

    @precondition(lambda self: self.in_turn and len(self.stack) == 1 and self.pooled)
    @rule(ns=passing)
    def calls_in_a_row_end(self, ns: int) -> None:
        self.passes(ns)
        self.laps.settle(self.pooled)
        self.pooled = {}
        assert (self.laps.pooling, self.laps.sampling, self.laps.pool_ns) == (False, False, 0)

    @precondition(lambda self: self.in_turn)
    @rule(ns=passing, which=st.integers(0, 2))
    def an_item_is_encoded(self, ns: int, which: int) -> None:
        self.laps.switch(self.laps.running)
        self.passes(ns, f"serialise {self.instances[which].name}")
        assert self.laps.serialised(self.instances[which]) == ns

    @precondition(lambda self: self.in_turn and not self.pooled)
    @rule(ns=passing)
    def a_probe_looks(self, ns: int) -> None:
        running = self.laps.running
        self.laps.switch(None)
        self.passes(ns, "overhead")
        self.laps.discount()
        self.laps.running = running

    @precondition(lambda self: self.in_turn)
    @rule(ns=passing)
    def a_look_begins_or_ends(self, ns: int) -> None:
        self.passes(ns)
        if self.laps.looking:
            self.laps.look_away()
        else:
            self.laps.look(self.now)

    @precondition(lambda self: self.in_turn)
    @rule(ns=passing, waits=st.booleans())
    def it_leaves_off(self, ns: int, waits: bool) -> None:
        """Its turn is over, or it waits: for an item between calls, for room in the middle of one."""
        self.passes(ns)
        self.does = "others"
        if waits and self.running is not None:
            self.running.is_blocked = True
            self.does = f"blocked {self.running.name}"
        elif waits:
            self.laps.is_starved = True
            self.does = "starved"
        assert self.laps.end_turn() == self.now
        self.in_turn = False

    @precondition(lambda self: not self.in_turn and self.laps.is_starved and not self.woken)
    @rule(ns=passing)
    def something_comes(self, ns: int) -> None:
        self.passes(ns)
        self.laps.woken_ns = self.now
        self.woken = True

    @precondition(lambda self: not (self.in_turn or self.stack or self.laps.is_starved or self.is_over))
    @rule()
    def it_moves(self) -> None:
        moved = Laps(self.clock, cpu_clock=self.cpu)
        moved.resume(self.laps.portable())
        self.laps = moved

    @precondition(lambda self: self.in_turn and not self.stack)
    @rule(ns=passing, ends=st.integers(0, 9))
    def it_ends(self, ns: int, ends: int) -> None:
        self.passes(ns)
        if not ends:
            self.laps.ended_ns = self.laps.end_turn()
            self.in_turn, self.is_over = False, True

    @property
    def can_be_told(self) -> bool:
        return hasattr(self, "laps") and not self.in_turn and not self.pooled

    @invariant()
    def every_nanosecond_is_somewhere_once(self) -> None:
        if self.can_be_told:
            for parts_ns, life_ns in parts_of(self.instances, self.laps, self.now):
                assert parts_ns == life_ns == self.booked.total()

    @invariant()
    def each_is_where_it_belongs(self) -> None:
        if not self.can_be_told:
            return
        waits = list(self.laps.shares(self.instances, self.now))
        for instance, waited in zip(self.instances, waits, strict=True):
            blocked_ns = instance.blocked_ns + (waited.blocked_ns if instance.is_blocked else 0)
            from_pool_ns = instance.compute_ns - self.booked[f"compute {instance.name}"]
            assert 0 <= from_pool_ns <= self.booked["pool"]
            assert instance.serialise_ns == self.booked[f"serialise {instance.name}"]
            assert blocked_ns == self.booked[f"blocked {instance.name}"]
            assert waited.starved_ns == self.booked["starved"]
        assert self.laps.overhead_ns == self.booked["overhead"]
        assert 0 <= self.laps.overhead_ns - sum(waited.overhead_ns for waited in waits) < len(self.instances)

    @invariant()
    def what_was_told_before_still_holds(self) -> None:
        if self.can_be_told:
            told = [
                (i.compute_ns, i.blocked_ns + i.is_blocked * w.blocked_ns, w.starved_ns, w.life_ns)
                for i, w in zip(self.instances, self.laps.shares(self.instances, self.now), strict=True)
            ]
            for before, now in zip(getattr(self, "told", told), told, strict=True):
                assert all(map(int.__le__, before, now))
            self.told = told


TestAnyReplica = AnyReplica.TestCase
TestAnyReplica.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(S)


@pytest.fixture
def cpu() -> ManualClock:
    return ManualClock()


@pytest.fixture
def laps(clock: ManualClock, cpu: ManualClock) -> Laps:
    return Laps(clock, cpu_clock=cpu)


def test_the_runtime_s_own_work_is_divided_by_calls(laps: Laps, clock: ManualClock) -> None:
    often, once, _ = instances = [fake_instance(name) for name in "abc"]
    laps.begin_turn(clock())
    clock.advance(40)
    laps.end_turn()
    assert [waited.overhead_ns for waited in laps.shares(instances, clock())] == [13, 13, 13]
    assert {parts == life == 40 for parts, life in parts_of(instances, laps, clock())} == {True}
    often.calls, once.calls = 3, 1
    assert [waited.overhead_ns for waited in laps.shares(instances, clock())] == [30, 10, 0]
    assert [waited.others_ns for waited in laps.shares(instances, clock())] == [10, 30, 40]


def test_what_one_does_the_others_wait_for(laps: Laps, clock: ManualClock) -> None:
    one, other = instances = [fake_instance(name) for name in "ab"]
    laps.begin_turn(clock())
    laps.switch(one)
    clock.advance(30)
    laps.switch(other)
    clock.advance(5)
    laps.switch(None)
    laps.end_turn()
    clock.advance(7)
    assert [(i.compute_ns, w.others_ns) for i, w in zip(instances, laps.shares(instances, clock()), strict=True)] == [
        (30, 12),
        (5, 37),
    ]


def test_a_starved_replica_that_is_woken_waits_for_others_from_then_on(laps: Laps, clock: ManualClock) -> None:
    instance = fake_instance("a")
    laps.is_starved = True
    clock.advance(10)
    laps.woken_ns = clock()
    clock.advance(3)
    (waited,) = laps.shares([instance], clock())
    assert (waited.starved_ns, waited.others_ns) == (10, 3)
    laps.begin_turn(clock())
    assert (laps.starved_ns, laps.others_ns, laps.woken_ns) == (10, 3, 0)


def test_a_life_that_has_ended_grows_no_older(laps: Laps, clock: ManualClock) -> None:
    instance = fake_instance("a")
    laps.begin_turn(clock())
    clock.advance(10)
    laps.ended_ns = laps.end_turn()
    before = next(laps.shares([instance], clock()))
    clock.advance(S)
    after = next(laps.shares([instance], clock()))
    assert after == before._replace(now_ns=clock())
    assert after.life_ns == 10


def test_where_nothing_is_measured_the_clock_is_not_looked_at(clock: ManualClock, cpu: ManualClock) -> None:
    instance = fake_instance("a")
    laps = Laps(clock, False, cpu)
    for _ in range(3):
        laps.switch(instance)
        laps.serialised(instance)
        laps.switch(None)
    assert (clock.looks, cpu.looks, laps.change_ns) == (0, 0, NEVER)
    assert (instance.compute_ns, instance.serialise_ns, laps.overhead_ns) == (0, 0, 0)


# ---------------------------------------------------------------------- processor time


def test_processor_time_is_measured_while_a_look_lasts(laps: Laps, clock: ManualClock, cpu: ManualClock) -> None:
    one, other = fake_instance("a"), fake_instance("b")

    def work(instance: Any, wall_ns: int, cpu_ns: int) -> None:
        laps.switch(instance)
        clock.advance(wall_ns)
        cpu.advance(cpu_ns)
        laps.switch(None)

    laps.begin_turn(clock())
    work(one, MS, MS)
    laps.look(clock())
    work(one, 2 * MS, 500 * US)
    work(other, MS, 4 * MS)  # several threads
    clock.advance(MS)
    cpu.advance(MS)  # the runtime's own
    laps.look_away()
    work(one, MS, MS)
    assert (one.cpu_ns, one.cpu_of_ns, one.compute_ns) == (500 * US, 2 * MS, 4 * MS)
    assert (other.cpu_ns, other.cpu_of_ns) == (4 * MS, MS)


def test_laps_too_short_for_the_processor_s_clock_are_left_out(
    laps: Laps, clock: ManualClock, cpu: ManualClock
) -> None:
    instance = fake_instance("a")
    laps.begin_turn(clock())
    laps.look(clock())
    for wall_ns in (9_999, 10_000):
        laps.switch(instance)
        clock.advance(wall_ns)
        cpu.advance(7_000)
        laps.switch(None)
    assert (instance.cpu_ns, instance.cpu_of_ns, instance.compute_ns) == (7_000, 10_000, 19_999)


@pytest.mark.parametrize("wait", ["suspended", "serialising", "probed"])
def test_what_the_processor_does_elsewhere_is_not_the_instance_s(
    laps: Laps, clock: ManualClock, cpu: ManualClock, wait: str
) -> None:
    def both(ns: int) -> None:
        clock.advance(ns)
        cpu.advance(ns)

    def suspended() -> None:
        laps.end_turn()
        both(S)
        laps.begin_turn(clock())

    def serialising() -> None:
        laps.switch(laps.running)
        both(S)
        laps.serialised(instance)

    def probed() -> None:
        laps.switch(None)
        both(S)
        laps.discount()
        laps.running = instance

    instance = fake_instance("a")
    laps.begin_turn(clock())
    laps.look(clock())
    laps.switch(instance)
    both(20_000)
    {"suspended": suspended, "serialising": serialising, "probed": probed}[wait]()
    both(30_000)
    laps.switch(None)
    assert (instance.compute_ns, instance.cpu_ns, instance.cpu_of_ns) == (50_000, 50_000, 50_000)


# ---------------------------------------------------------------------- quick calls in a row


def test_what_was_pooled_is_told_apart_by_calls_and_what_those_take_that_are_timed(
    laps: Laps, clock: ManualClock
) -> None:
    head, behind, _ = instances = [fake_instance(name) for name in "abc"]
    for instance, mean_ns in zip(instances, (100, 50, 7), strict=True):
        instance.timer.note(mean_ns, 1)
    before = {instance: instance.calls for instance in instances}
    laps.begin_turn(clock())
    laps.switch(head)
    clock.advance(11)
    laps.pool(True)
    for _ in range(10):
        head.calls += 1
        behind.calls += 3
        clock.advance(500)
    laps.settle(before)
    clock.advance(9)
    laps.switch(None)
    assert [instance.compute_ns for instance in instances] == [11 + 2_000 + 9, 3_000, 0]


def test_what_was_pooled_is_the_first_one_s_where_nothing_is_known(laps: Laps, clock: ManualClock) -> None:
    instances = [fake_instance(name) for name in "ab"]
    laps.begin_turn(clock())
    laps.switch(instances[0])
    laps.pool(True)
    clock.advance(70)
    laps.settle(dict.fromkeys(instances, 0))
    assert [instance.compute_ns for instance in instances] == [70, 0]


# ---------------------------------------------------------------------- looks


def test_a_look_is_due_at_once_and_lasts_a_millisecond(laps: Laps, clock: ManualClock) -> None:
    assert laps.change_ns == clock()
    clock.advance(5)
    laps.look(clock())
    assert laps.looking
    assert laps.change_ns == clock() + MS


@pytest.mark.parametrize(
    ("laps_in_it", "probed_ns", "pause_ns"),
    [(0, 0, 400 * 22_000), (10, 0, 400 * 42_000), (0, 5 * MS, 400 * (5 * MS + 24_000))],
)
def test_the_next_look_waits_until_the_cost_of_this_one_is_small(
    laps: Laps, clock: ManualClock, laps_in_it: int, probed_ns: int, pause_ns: int
) -> None:
    laps.begin_turn(clock())
    laps.look(clock())
    for _ in range(laps_in_it):
        laps.switch(None)
    if probed_ns:
        laps.switch(None)
        clock.advance(probed_ns)
        laps.discount()
    laps.look_away()
    assert not laps.looking
    assert pause_ns // 2 <= laps.change_ns - clock() < pause_ns // 2 + pause_ns


def test_what_an_earlier_look_cost_does_not_count_again(laps: Laps, clock: ManualClock) -> None:
    laps.look(clock())
    laps.switch(None)
    clock.advance(S)
    laps.discount()
    laps.look_away()
    laps.look(clock())
    laps.look_away()
    assert laps.change_ns < clock() + 20 * MS
