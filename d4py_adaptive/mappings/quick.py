"""The quick way of small values through an instance: what surrounds a call is done once for many, or not at all.

Nothing of it shows: who gets what, in which order, what is counted, and what a failure says are as if each value came
alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from d4py_adaptive.dataflow.patterns import by_value
from d4py_adaptive.mappings.channel import Outlet
from d4py_adaptive.mappings.failing import NOT_FAILURES, Unwind
from d4py_adaptive.mappings.meter import ALWAYS_TIMED
from d4py_adaptive.mappings.routing import FusedReader, QueuedReader
from d4py_adaptive.telemetry.board import Field, State
from d4py_adaptive.wire.copying import is_atomic
from d4py_adaptive.wire.sizes import FLAT_NUMBERS, flat_bytes

if TYPE_CHECKING:
    from d4py_adaptive.mappings.instance import Instance
    from d4py_adaptive.mappings.replica import Replica

TELL_APART_NS = 100_000
"""Where an item takes less, from the first to the last of fused PEs, their time is told apart on a sample of items."""

_ITEM, _STATE = int(Field.ITEM), int(Field.STATE)
_PROCESS, _IDLE = int(State.PROCESS), int(State.IDLE)


class Quick:
    """The quick way through one instance.

    Args:
        instance: the instance.

    Attributes:
        results: small values that calls in a row returned, which nobody else has been told of yet; with the numbers of
            their outlets where they are keyed.
    """

    def __init__(self, instance: Instance) -> None:
        self.results: list[Any] = []
        self._instance = instance
        self._call: Callable[[Any], Any] | None = None
        self._input = self._output = ""
        self._own: dict[str, Any] = {}
        self._size = -1
        self._open = False
        self._behind: dict[str, FusedReader] = {}
        self._next: FusedReader | None = None
        self._goes_to: QueuedReader | None = None
        self._queued: dict[str, tuple[QueuedReader, Outlet]] = {}
        self._queued_for = -1
        self._pooled: dict[Instance, int] = {}
        self._dealt: dict[str, QueuedReader] | None = None
        self._to: QueuedReader | None = None

    @property
    def queued(self) -> dict[str, tuple[QueuedReader, Outlet]]:
        """The outputs with one reader alone, in one instance that lives elsewhere: nothing to choose or copy."""
        worker = self._instance.replica.worker
        if self._queued_for != worker.placing:
            self._queued_for = worker.placing
            self._queued = {
                port: (queued[0], queued[0].outlets[0])
                for port, (fused, queued) in self._instance.readers.items()
                if not fused and len(queued) == 1 and queued[0].is_single and not worker.is_here(queued[0].outlets[0])
            }
        return self._queued

    @property
    def dealt(self) -> dict[str, QueuedReader]:
        """The outputs with one reader alone, one of whose instances gets an item."""
        if self._dealt is None:
            worker = self._instance.replica.worker
            self._dealt = {
                port: queued[0]
                for port, (fused, queued) in self._instance.readers.items()
                if not (fused or len(queued) != 1 or queued[0].is_broadcast or worker.collects(queued[0].outlets[0]))
            }
        return self._dealt

    def _look(self) -> None:
        """See how the PE is to be called; that holds until it is given an attribute more, or one less."""
        instance = self._instance
        self._own = vars(instance.pe)
        self._size = len(self._own)
        how = by_value(instance.pe)
        if how is None or (how.output and how.output not in instance.readers):  # then the long way says what is wrong
            self._call, self._input, self._output = None, "", ""
        else:
            self._call, self._input, self._output = how
        self._behind = {
            port: fused[0] for port, (fused, queued) in instance.readers.items() if len(fused) == 1 and not queued
        }
        self._next = self._behind.get(self._output)
        self._goes_to = self.dealt.get(self._output)
        self._open = instance.is_free

    # Calls in a row.

    def run(self, values: list[Any], port: str, until_ns: int) -> None:
        """Call the PE with small values, or, without a port, with nothing, and write what it returns.

        The instance counts the calls that were made: at least one, all if they were quick and there was room.
        """
        instance = self._instance
        room = min((reader.room for reader in self.dealt.values()), default=len(values))
        values = values[: max(1, room)]
        own = vars(instance.pe)
        if own is not self._own or len(own) != self._size:
            self._look()
        replica = instance.replica
        self._pooled = {i: i.calls for i in replica.instances.values()} if self._may_pool else {}
        if self._pooled:
            replica.laps.sampling = True
            replica.laps.pool(True)
        try:
            if self._call is not None and self._input == port:
                self._run_by_value(values if port else ({} for _ in values), until_ns)
            else:
                self._run_by_inputs(values, port, until_ns)
        except BaseException:
            self.drop()
            raise
        finally:
            if self._pooled:
                replica.laps.settle(self._pooled)
                self._pooled = {}
            hand_over_gathered(instance.replica, instance.replica.clock() >= until_ns)
        self.hand_over()
        self.offer(instance.replica.clock() >= until_ns)
        if instance.replica.restless:
            instance.replica.after_write()

    @property
    def _may_pool(self) -> bool:
        """Whether calls are so quick that telling fused PEs apart at each would cost too much."""
        instance, replica = self._instance, self._instance.replica
        return (
            bool(self._behind)
            and instance.calls >= ALWAYS_TIMED
            and replica.laps.is_on
            and not replica.laps.looking
            and sum(fused.timer.typical_ns for fused in replica.instances.values()) < TELL_APART_NS
        )

    def _run_by_value(self, values: Iterable[Any], until_ns: int) -> None:
        instance, call, output, own, size = self._instance, self._call, self._output, self._own, self._size
        row, worker, clock = instance.row, instance.replica.worker, instance.replica.clock
        assert call is not None
        put = self._destination()
        calls = instance.calls
        armed, before_ns = self._time(calls, -1, clock())
        for value in values:
            instance.calls = calls = calls + 1
            row[_ITEM] = calls
            result = call(value)
            if worker.ending or len(own) != size:
                self._write_by_name(result)
                break
            if result is not None and output:
                if put is not None and (type(result) in FLAT_NUMBERS or flat_bytes(result)):
                    put(result)
                else:
                    outputs, result = {output: result}, None
                    instance.write_returned(outputs)
            now = clock()
            if calls >= armed:
                armed, before_ns = self._time(calls, before_ns, now)
            if now >= until_ns:
                break

    def _time(self, calls: int, before_ns: int, now_ns: int) -> tuple[int, int]:
        """Note how long the last call took, or begin to time the next; the call after which to do so again."""
        instance, laps, timer = self._instance, self._instance.replica.laps, self._instance.timer
        if calls >= timer.due:
            if before_ns >= 0:
                timer.note(laps.own_ns(instance, now_ns) - before_ns, calls)
            else:
                timer.due = calls + 1
        is_next = timer.due == calls + 1
        if self._pooled and laps.pooling == is_next:
            laps.pool(not is_next)
        return (timer.due, laps.own_ns(instance, laps.clock())) if is_next else (timer.due - 1, -1)

    def _run_by_inputs(self, values: list[Any], port: str, until_ns: int) -> None:
        instance, dealt, behind = self._instance, self.dealt, self._behind
        pe, row, worker, clock = instance.pe, instance.row, instance.replica.worker, instance.replica.clock
        armed, before_ns = self._time(instance.calls, -1, clock())
        for value in values:
            instance.calls += 1
            row[_ITEM] = instance.calls
            outputs = pe.process({port: value} if port else {})
            if type(outputs) is dict and len(outputs) == 1 and not worker.ending:
                ((output, item),) = outputs.items()
                to = dealt.get(output)
                if to is not None and (type(item) in FLAT_NUMBERS or flat_bytes(item)):
                    if self._to is not to:
                        self.hand_over()
                        self._to = to
                    self._take(to, output, item)
                    outputs = None
                elif output in behind and is_atomic(item):
                    self._pass_on(behind[output], item)
                    outputs = None
                del item
            if outputs is not None:
                instance.write_returned(outputs)
            now = clock()
            if instance.calls >= armed:
                armed, before_ns = self._time(instance.calls, before_ns, now)
            if now >= until_ns:
                break

    def _destination(self) -> Callable[[Any], object] | None:
        """Where small results of the PE go; None for the long way."""
        self._to = self.dealt.get(self._output)
        if self._to is not None:
            return partial(self._take, self._to, self._output) if self._to.is_keyed else self.results.append
        reader = self._next
        return None if reader is None else lambda value: self._pass_on(reader, value)

    def _write_by_name(self, result: Any) -> None:
        """Write a result as the pattern's `process` does, to the output that the PE names after the call."""
        self._size = -1
        if result is not None and self._output:
            outputs, result = {self._instance.pe.OUTPUT_NAME: result}, None  # type: ignore[attr-defined]
            self._instance.write_returned(outputs)

    def hand_over(self) -> None:
        """Deal out what calls in a row returned."""
        if self.results and self._to is not None:
            values = self.results[:]
            self.drop()
            replica = self._instance.replica
            for outlet, share in self._to.deal(values):
                if share:
                    replica.worker.pass_values(replica, outlet, self._to.port, share)

    def offer(self, late: bool) -> None:
        """Send what waits for readers that have nothing else to read, or what is late."""
        for reader in self.dealt.values():
            for outlet in reader.outlets:
                self._instance.replica.worker.outbox.offer(outlet, late)

    def _take(self, to: QueuedReader, output: str, item: Any) -> None:
        """Keep a small value until it is dealt out with others."""
        if not to.is_keyed:
            self.results.append(item)
            return
        try:
            self.results.append(to.addressed(item))
        except Exception as error:  # noqa: BLE001 - a key of the user's may raise anything
            self._instance.fail("write", output, error)

    def _gather(self, to: QueuedReader, output: str, item: Any) -> None:
        """Keep a small value until whoever called the first PE in the stage deals it out with others."""
        if self._to is not to:
            self.hand_over()
            self._to = to
        if not self.results:
            self._instance.replica.gathered.append(self)
        self._take(to, output, item)

    def drop(self) -> None:
        """Count what calls in a row returned, and forget it."""
        if self._to is not None:
            self._instance.items_out += len(self.results)
            self._to.items += len(self.results)
            self.results.clear()

    # Fused PEs.

    @property
    def is_open(self) -> bool:
        """Whether `feed` may be given items, since nothing is to be done before or after a call."""
        if self._size < 0:
            self._look()
            if self._instance.is_held:  # it may be open later
                self._size = -1
        return self._open

    def feed(self, port: str, value: Any, start_ns: int) -> int:
        """Process an item that cannot change, and what becomes of it in the PEs behind; when that was done.

        What is read off the clock between two PEs ends the call of one and begins that of the next.
        """
        instance = self._instance
        replica, row = instance.replica, instance.row
        laps, before_ns = replica.laps, instance.compute_ns
        caller, told_apart = laps.running, laps.is_on and not laps.pooling
        if told_apart and caller is not None:  # `Laps.switch`, at a time that was read already
            caller.compute_ns += start_ns - laps.lap_ns
            laps.lap_ns = start_ns
        laps.running = instance
        instance.items_in += 1
        instance.calls += 1
        row[_ITEM] = instance.calls
        row[_STATE] = _PROCESS
        end_ns = 0
        try:
            if self._call is None or self._input != port:
                end_ns = self._write_outputs(instance.pe.process({port: value}))
            else:
                result = self._call(value)
                if replica.worker.ending or len(self._own) != self._size:
                    self._write_by_name(result)
                elif result is not None and self._output:
                    if self._next is not None and (type(result) in FLAT_NUMBERS or is_atomic(result)):
                        end_ns = self._pass_on(self._next, result)
                    elif self._goes_to is not None and (type(result) in FLAT_NUMBERS or flat_bytes(result)):
                        self._gather(self._goes_to, self._output, result)
                    else:
                        outputs, result = {self._output: result}, None
                        instance.write_returned(outputs)
        except NOT_FAILURES:
            raise
        except BaseException as error:  # noqa: BLE001 - becomes the run's failure
            instance.fail("process", port, error)
        finally:
            row[_STATE] = _IDLE
            if told_apart:
                end_ns = end_ns or laps.clock()
                instance.compute_ns += end_ns - laps.lap_ns
                laps.lap_ns = end_ns
            laps.running = caller
        if told_apart and (instance.calls >= instance.timer.due or laps.sampling):
            instance.timer.note(instance.compute_ns - before_ns, instance.calls)
            if laps.sampling:  # then it is so much beside the call that somebody would pay for it
                end_ns = laps.skip()
        if replica.worker.aborted:
            raise Unwind
        if instance.guard is not None and instance.calls >= instance.guard.due:
            instance.look_after_item()
        return end_ns

    def _write_outputs(self, outputs: Any) -> int:
        """Write what a call returned; when all that came of it was done, if that is known, else 0."""
        if outputs is None:
            return 0
        instance = self._instance
        if type(outputs) is dict and len(outputs) == 1 and not instance.replica.worker.ending:
            ((output, item),) = outputs.items()
            if output in self._behind and is_atomic(item):
                return self._pass_on(self._behind[output], item)
            if output in self.dealt and flat_bytes(item):
                self._gather(self.dealt[output], output, item)
                return 0
            del item
        instance.write_returned(outputs)
        return 0

    def _pass_on(self, reader: FusedReader, item: Any) -> int:
        """Give an item that cannot change to the one reader, which is in the same stage; when that was done."""
        way, laps = reader.target.quick, self._instance.replica.laps
        if reader.keys is not None:
            self._require_keys(reader, item)
        reader.items += 1
        self._instance.items_out += 1
        if way.is_open and not laps.looking:
            return way.feed(reader.port, item, 0 if laps.pooling else laps.clock())
        reader.target.feed({reader.port: item}, reader.port)
        return laps.clock()

    def _require_keys(self, reader: FusedReader, item: Any) -> None:
        """Fail if an item lacks the keys by which it would find its instance if there were several."""
        assert reader.keys is not None
        try:
            reader.keys.instance(item, 1)
        except Exception as error:  # noqa: BLE001 - a key of the user's may raise anything
            output = next(port for port, behind in self._behind.items() if behind is reader)
            self._instance.fail("write", output, error)


def hand_over_gathered(replica: Replica, late: bool) -> None:
    """Deal out the small values that fused PEs wrote since this was last done, unless the run is aborted."""
    while replica.gathered:
        quick = replica.gathered.pop()
        if replica.worker.aborted:
            quick.drop()
        else:
            quick.hand_over()
            quick.offer(late)
