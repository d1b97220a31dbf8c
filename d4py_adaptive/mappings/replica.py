"""A stage replica: one instance of each of its PEs, run in a greenlet that `write` can suspend."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from greenlet import getcurrent, greenlet

from d4py_adaptive.mappings.channel import Inlet
from d4py_adaptive.mappings.failing import Unwind
from d4py_adaptive.mappings.instance import Instance
from d4py_adaptive.mappings.meter import Laps
from d4py_adaptive.mappings.randomness import RandomScope
from d4py_adaptive.telemetry.board import Field, State
from d4py_adaptive.wire.copying import private_copy
from d4py_adaptive.wire.encoding import Encoded

if TYPE_CHECKING:
    from d4py_adaptive.mappings.quick import Quick
    from d4py_adaptive.mappings.worker import Worker

Key = tuple[int, int]
"""Which replica: number of the stage, number within the stage."""

TURN_NS = 5_000_000
TURN_WRITES = 64

WORTH_A_LOOK_NS = 20_000
"""Calls that take less are not looked at one by one but in a full profile: their processor time cannot be told."""

LOOK_AGAIN_NS = 1_000_000

LOOKED_AT = 16
"""So many items that one call writes are looked at, at least: they may go to different places."""

LATE_NS = 5_000_000
"""A look that is so late is begun in the middle of a call: it may be the only one."""

RUN_NS, RUN_CALLS = 500_000, 1024
"""Small values are processed one after the other, without looking left or right, for so long, or so many of them."""


class Arrived(NamedTuple):
    """An item that waits for its PE: the way it came, where it goes, and what it is."""

    inlet: Inlet
    target: Instance
    port: str
    item: Any
    nbytes: int


@dataclass(slots=True)
class Run:
    """Small values that arrived together, and how many of them have been taken."""

    values: list[Any]
    at: int = 0


@dataclass(slots=True)
class Feed:
    """What one instance is still given by the user: items, or calls with nothing."""

    instance: Instance
    is_source: bool
    iterations: int
    items: deque[dict[str, Any]]

    @property
    def left(self) -> bool:
        """Whether there is more."""
        return self.iterations > 0 or bool(self.items)

    def next(self) -> dict[str, Any]:
        """The next input; `{}` for a call with nothing."""
        if self.items:
            return {port: private_copy(item) for port, item in self.items.popleft().items()}
        self.iterations -= 1
        return {}


class Replica:
    """The loop over one stage replica's life: preprocess, items, postprocess, end.

    Args:
        worker: its host.
        key: which replica it is.

    Attributes:
        laps: where its time goes.
    """

    def __init__(self, worker: Worker, key: Key) -> None:
        self.worker = worker
        self.key = key
        self.clock = worker.clock
        self.instances: dict[str, Instance] = {}
        self.feeds: deque[Feed] = deque()
        self.inlets: dict[tuple[int, int], Inlet] = {}
        self.open_inlets: set[tuple[int, int]] = set()
        self.inbox: deque[Arrived] = deque()
        self.gathered: list[Quick] = []
        self.has_probes = False
        self.service_ns = 0.0
        self.laps = Laps(worker.clock, worker.job.metered)
        self.in_source = False
        self.started = False
        self.finished = False
        self._waiting: Callable[[], bool] | None = None
        self._idle = False
        self._looked_late = False
        self._looked_at = 0
        self._random: list[RandomScope] = []
        self._writes = 0
        self._turn_ends_ns = 0
        self._greenlet: greenlet | None = None

    # What the worker asks and does.

    @property
    def ready(self) -> bool:
        """Whether a turn would do something."""
        if self.finished:
            return False
        if self._waiting is not None:
            return self._waiting()
        return not self._idle or self._has_work()

    @property
    def between_items(self) -> bool:
        """Whether no PE of it is in the middle of a call, so that it can be moved."""
        return not self.finished and self.laps.running is None

    def _has_work(self) -> bool:
        return bool(self.inbox) or self._left_to_give() or not self.open_inlets

    def turn(self) -> None:
        """Run until it has to wait, has had its share of time, or is finished."""
        self._writes = 0
        now = self.clock()
        self._turn_ends_ns = now + TURN_NS
        if self._greenlet is None:
            self._greenlet = greenlet(self._live, parent=getcurrent())
        self._greenlet.parent = getcurrent()
        laps = self.laps
        if laps.is_on:
            laps.begin_turn(now)
        try:
            self._greenlet.switch()
        finally:
            if laps.is_on:
                now = laps.end_turn()
                if self.finished:
                    laps.ended_ns = now

    def unwind(self) -> None:
        """End what is suspended, running the PEs' `finally` clauses."""
        if self._greenlet is not None and not self._greenlet.dead and self._greenlet:
            if self.laps.is_on:
                self.laps.begin_turn(self.clock())
            self._greenlet.parent = getcurrent()
            try:
                self._greenlet.throw(Unwind())
            finally:
                if self.laps.is_on:
                    self.laps.end_turn()
        self._greenlet = None

    # The life of the replica, inside its greenlet.

    def _live(self) -> None:
        try:
            self._work()
        except Unwind:
            return

    def _work(self) -> None:
        instances = list(self.instances.values())
        if not self.started:
            for instance in instances:
                instance.preprocess()
            for instance in instances:
                instance.let_go()
            self.started = True
        while self._next_item():
            if self.clock() >= self._turn_ends_ns:
                self._suspend()
        for instance in instances:
            instance.postprocess()
        self.worker.close(self)
        for instance in instances:
            instance.row[Field.STATE] = State.DONE
        self.finished = True

    def _next_item(self) -> bool:
        """Process one more item, or wait for one; False when there is nothing more to come."""
        feed = self._next_feed() if self.feeds else None
        took = bool(self.inbox) and (feed is None or feed.is_source)
        if took:
            if type(self.inbox[0].item) is Run:
                self._take_run(self.inbox[0], self.inbox[0].item)
            else:
                self._take(self.inbox.popleft())
        if feed is not None:
            self._give(feed)
        elif not took:
            if not self.open_inlets:
                return False
            self._idle = self.laps.is_starved = True
            self._suspend()
            self._idle = self.laps.is_starved = False
        return True

    def _take(self, arrived: Arrived) -> None:
        inlet, target, port, item, nbytes = arrived
        start = self.clock()
        if start >= self.laps.change_ns:
            self._consider_look(start)
        if isinstance(item, Encoded):
            self.laps.switch(None)
            item = target.obtain(self.worker.wire.decode, port, item.body, item.buffers)
            self.laps.serialised(target)
        inputs = {port: item}
        del item, arrived
        target.feed(inputs, port, nbytes)
        self._look_away()
        self._note_pace(self.clock() - start, 1)
        inlet.take(nbytes)
        self.worker.taken(inlet, self)

    def _take_run(self, arrived: Arrived, run: Run) -> None:
        """Process as many of the values as take about `RUN_NS`."""
        inlet, target, port, _, nbytes = arrived
        start = self.clock()
        if start >= self.laps.change_ns:
            self._consider_look(start)
        number = target.feed_run(run.values[run.at : run.at + self._at_once(target)], port, start + RUN_NS)
        self._look_away()
        self._note_pace(self.clock() - start, number)
        run.at += number
        total = len(run.values)
        if run.at == total:
            self.inbox.popleft()
        nbytes = nbytes * run.at // total - nbytes * (run.at - number) // total
        target.bytes_in += nbytes
        inlet.take(nbytes, number)
        self.worker.taken(inlet, self)

    def _note_pace(self, took_ns: int, number: int) -> None:
        took = took_ns / number
        self.service_ns = took if not self.service_ns else 0.8 * self.service_ns + 0.2 * took

    def _at_once(self, target: Instance) -> int:
        """How many calls to make before looking left and right again: one, where nothing is known of their pace."""
        return RUN_CALLS if self.service_ns and target.is_plain and not self._looks_closely else 1

    def _left_to_give(self) -> bool:
        return bool(self.feeds) and not self.worker.stopping

    def _next_feed(self) -> Feed | None:
        """What the user gave that is next: items for PEs that streams feed come first, then sources in turn."""
        if not self._left_to_give():
            return None
        feed = self.feeds[0]
        if feed.is_source:
            self.feeds.rotate(-1)
        return feed

    def _give(self, feed: Feed) -> None:
        instance, start, number = feed.instance, self.clock(), 1
        if start >= self.laps.change_ns:
            self._consider_look(start)
        self.in_source = feed.is_source
        try:
            at_once = 0 if feed.items else min(feed.iterations, self._at_once(instance))
            if at_once > 1:
                number = instance.feed_run([{}] * at_once, "", start + RUN_NS)
                feed.iterations -= number
            else:
                item = instance.obtain(feed.next, "")
                instance.feed(item, next(iter(item), ""))
        except Stopped:
            self.feeds.clear()
        else:
            if not feed.left:
                self.feeds.remove(feed)
        self._look_away()
        if feed.is_source:
            self._note_pace(self.clock() - start, number)
        self.in_source = False

    # Looks at single calls.

    @property
    def _looks_closely(self) -> bool:
        """Whether the next call is looked at by itself, with all that comes of it."""
        return self.laps.looking and (len(self.instances) > 1 or self.has_probes)

    def _consider_look(self, now: int) -> None:
        """Look at the next call, with all that comes of it, if that may tell something."""
        if self.has_probes or self.service_ns >= WORTH_A_LOOK_NS or not self.service_ns or len(self.instances) == 1:
            self.laps.look(now)
            self._looked_at = 0
        else:
            self.laps.change_ns = now + LOOK_AGAIN_NS

    def _look_away(self) -> None:
        if self.laps.looking:
            self.laps.look_away()
            if self._looked_late:  # of no use to who writes last; the next call is looked at from its beginning
                self.laps.change_ns = self.laps.lap_ns
        self._looked_late = False

    # What its instances call while they run.

    def before_write(self, instance: Instance) -> None:
        """Leave the PE's call if the run ends, or if it is a source and asked to stop.

        Raises:
            Unwind: so it is.
        """
        self.worker.check()
        if self.worker.stopping and self.in_source and instance.is_source:
            raise Stopped

    @property
    def restless(self) -> bool:
        """Whether it may have to give way after any write."""
        return self.worker.restless is not None

    def after_write(self) -> None:
        """Let the others have their turn when this one was long."""
        self._writes += 1
        restless, now = self.worker.restless, self.clock()
        if self.laps.looking:
            self._looked_at += 1
        if now >= self.laps.change_ns:  # in the middle of a call that may be the only one of its PE
            if self.laps.looking and self._looked_at >= LOOKED_AT:
                self.laps.look_away()
            elif not self.laps.looking and self.laps.running and now >= self.laps.change_ns + LATE_NS:
                self._consider_look(now)
                self._looked_late = self.laps.looking
        if self._writes >= TURN_WRITES or now >= self._turn_ends_ns or (restless is not None and restless()):
            self._suspend()

    def wait(self, condition: Callable[[], bool]) -> None:
        """Suspend the PE in its `write` until the condition holds."""
        running = self.laps.running
        start = self.clock()
        if running is not None:
            running.row[Field.STATE] = State.BLOCKED
            running.is_blocked = True
        self._waiting = condition
        while not condition():
            self._suspend()
        self._waiting = None
        if running is not None:
            running.is_blocked = False
            running.row[Field.STATE] = State.PROCESS
            if running.probe is not None:
                running.probe.span("blocked", start, self.clock())

    def _suspend(self) -> None:
        if self._random:
            self._random[-1].save()
        self.worker.hub.switch()
        if self._random:
            self._random[-1].load()
        self.worker.check()

    def enter_random(self, scope: RandomScope) -> None:
        """Put an instance's random state in place."""
        if self._random:
            self._random[-1].save()
        self._random.append(scope)
        scope.load()

    def leave_random(self) -> None:
        """Put back the random state of the instance that called."""
        self._random.pop().save()
        if self._random:
            self._random[-1].load()


class Stopped(Unwind):
    """Ends a source's call because the run was asked to stop; what it wrote before stands."""
