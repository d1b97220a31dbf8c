"""One running copy of a PE: its life-cycle calls, its writes, its counters, and what happens when it fails."""

from __future__ import annotations

import pickle
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from d4py_adaptive.dataflow.digest import digest
from d4py_adaptive.dataflow.pe import GenericPE
from d4py_adaptive.dataflow.plan import InstanceRef
from d4py_adaptive.errors import D4pyError, WireError
from d4py_adaptive.mappings.channel import Outlet
from d4py_adaptive.mappings.error_policy import ErrorPolicy
from d4py_adaptive.mappings.failing import NOT_FAILURES, Unwind, failure_of
from d4py_adaptive.mappings.meter import CallTimer
from d4py_adaptive.mappings.quick import Quick, hand_over_gathered
from d4py_adaptive.mappings.randomness import RandomScope
from d4py_adaptive.mappings.routing import FusedReader, QueuedReader
from d4py_adaptive.mappings.sharing import UNKNOWN, share_out
from d4py_adaptive.mappings.state_guard import StateGuard
from d4py_adaptive.telemetry.board import Field, Row, State
from d4py_adaptive.telemetry.instrument import Probe
from d4py_adaptive.telemetry.timeline import TimelineWriter
from d4py_adaptive.wire.copying import SHARED_WITH_CALLER, called_through, is_atomic, private_copy, unshared
from d4py_adaptive.wire.encoding import dump
from d4py_adaptive.wire.sizes import flat_bytes, payload_bytes

if TYPE_CHECKING:
    from d4py_adaptive.mappings.replica import Replica

_ITEM, _STATE = int(Field.ITEM), int(Field.STATE)
_PROCESS, _IDLE = int(State.PROCESS), int(State.IDLE)

# The calls between a PE and `Instance.write`, nearest first; each holds a reference to the item.
_WRITE_CALLS = (GenericPE._write.__code__, GenericPE.write.__code__)


class Instance:
    """A PE with everything it needs to run.

    Args:
        ref: which instance it is.
        pe: its own copy of the PE.
        replica: the stage replica it belongs to.
        row: its counters on the board.
        sketch: the sketch of its service times there.
        timeline: its timeline there; None keeps none.
        policy: what a failing call does.
        random: its state of the global random generators, where it draws from them.
        guarded: whether to watch for changes of state, since replication rests on the code having none.
        digests: where to count what arrives, or None.

    Attributes:
        is_source: no stream feeds it.
        readers: for each output, the readers in its own replica and those elsewhere.
        calls: how often `process` was called.
        guard: watches its state, if it has to be watched.
        probe: looks at single calls, in a full profile.
        timer: how long calls take.
        is_blocked: whether it waits in a write until a reader has room.
        compute_ns: time in the PE's own code.
        serialise_ns: time its items took to be encoded, decoded and copied.
        codec_ns: time its frames took to be compressed and expanded.
        setup_ns: of that, in `preprocess` and `postprocess`.
        cpu_ns: processor time of the part of `compute_ns` that it was measured for.
        cpu_of_ns: how large that part is.
        own_cpu_ns: processor time of it in the thread that calls the PE.
    """

    def __init__(
        self,
        ref: InstanceRef,
        pe: GenericPE,
        replica: Replica,
        row: Row,
        sketch: Row,
        timeline: TimelineWriter | None,
        policy: ErrorPolicy,
        random: RandomScope | None,
        guarded: bool,
        digests: Counter[tuple[str, bytes]] | None,
    ) -> None:
        self.ref = ref
        self.pe = pe
        self.replica = replica
        self.row = row
        self.is_source = False
        self.readers: dict[str, tuple[tuple[FusedReader, ...], tuple[QueuedReader, ...]]] = {}
        self.calls = int(row[Field.ITEM])
        self.items_in, self.items_out = int(row[Field.ITEMS_IN]), int(row[Field.ITEMS_OUT])
        self.bytes_in, self.bytes_out = int(row[Field.BYTES_IN]), int(row[Field.BYTES_OUT])
        self.compute_ns, self.serialise_ns = int(row[Field.COMPUTE_NS]), int(row[Field.SERIALISE_NS])
        self.codec_ns, self.blocked_ns = int(row[Field.CODEC_NS]), int(row[Field.BLOCKED_NS])
        self.cpu_ns, self.cpu_of_ns = int(row[Field.CPU_NS]), int(row[Field.CPU_OF_NS])
        self.setup_ns, self.own_cpu_ns = int(row[Field.SETUP_NS]), int(row[Field.OWN_CPU_NS])
        self.skipped, self.retried = int(row[Field.SKIPPED]), int(row[Field.RETRIED])
        self.is_blocked = False
        self.probe: Probe | None = None
        self.timer = CallTimer(row, sketch, replica.laps.is_on)
        self.sketch = sketch
        self.timeline = timeline
        self._clock = replica.clock
        self._policy = policy
        self._careful = not policy.stops_at_once
        self._guarded = guarded
        self.guard: StateGuard | None = None
        self.random = random
        self._digests = digests
        self._held: list[tuple[str, Any]] | None = None
        self._trying = False
        self.quick = Quick(self)
        pe._runtime = self

    def preprocess(self) -> None:
        """The PE's `preprocess`, once; what it writes waits until its readers are prepared too."""
        self._held = []
        self._call(State.PREPROCESS, "preprocess", "", self.pe.preprocess)
        self.setup_ns = self.compute_ns
        if self._guarded:
            self.guard = StateGuard(self.pe)

    def let_go(self) -> None:
        """Write what `preprocess` wrote."""
        held, self._held = self._held, None
        if held:
            self._call(State.PREPROCESS, "preprocess", "", self._write_all, held)

    def postprocess(self) -> None:
        """The PE's `postprocess`, once, after everything its upstreams wrote."""
        if self.guard is not None:
            self._look(self.guard.look)
        before_ns = self.compute_ns
        self._call(State.POSTPROCESS, "postprocess", "", self.pe.postprocess)
        self.setup_ns += self.compute_ns - before_ns

    def obtain(self, make: Callable[..., Any], port: str, *arguments: Any) -> Any:
        """What `make(*arguments)` gives for the next item; what it raises is that item's failure."""
        try:
            return make(*arguments)
        except NOT_FAILURES:
            raise
        except BaseException as error:  # noqa: BLE001 - becomes the run's failure
            self.calls += 1
            self.fail("process", port, error)

    def feed(self, inputs: dict[str, Any], port: str, nbytes: int = 0) -> None:
        """Process one item, or call a source once, as the PE's policy for failures says."""
        original = self.obtain(private_copy, port, inputs) if self._careful else None
        self.calls += 1
        before_ns = self.compute_ns
        probe = self.probe if self.replica.laps.looking else None
        item_bytes = None
        if probe is not None:
            item_bytes = payload_bytes(inputs[port]) if port else None
            self._aside(probe.before, self.pe, self.calls)
        if port:
            self.items_in += 1
            self.bytes_in += nbytes
            if self._digests is not None:
                self._digests.update((name, digest(item)) for name, item in inputs.items())
        if original is not None:
            self._feed_with_care(original, port)
        else:
            self._call(_PROCESS, "process", port, self._process, inputs)
        if self.calls >= self.timer.due and not self.replica.laps.pooling:
            self.timer.note(self.compute_ns - before_ns, self.calls)
        if probe is not None:
            self._aside(probe.called, self.compute_ns - before_ns, item_bytes)
        if self.guard is not None:
            self.look_after_item()

    def _aside(self, look: Callable[..., None], *arguments: Any) -> None:
        """Let a probe look, at nobody's expense but the runtime's."""
        laps = self.replica.laps
        running = laps.running
        laps.switch(None)
        look(*arguments)
        laps.discount()
        laps.running = running

    def _show(self, probe: Probe, item: Any, readers: Sequence[FusedReader | QueuedReader]) -> None:
        """Let a probe look at an item that was written."""
        for reader in readers:
            probe.wrote(reader.stream, item, reader.keys.keys if reader.keys is not None else ())

    @property
    def is_plain(self) -> bool:
        """Whether nothing has to be done before or after each single call, so that many can be made in a row."""
        return not self._careful and self._digests is None

    @property
    def is_free(self) -> bool:
        """Whether nothing has to be done before a call, so that it may be one of several fused ones."""
        return self.is_plain and self.random is None and not self.is_held

    @property
    def is_held(self) -> bool:
        """Whether what the PE writes waits until the PEs behind it are prepared, or its call is known to succeed."""
        return self._held is not None

    def feed_run(self, values: list[Any], port: str, until_ns: int) -> int:
        """Process small values one after the other, without a port call a source; how many were processed.

        All are, unless `until_ns` has come before or the way out is full.
        """
        if not self.is_plain or (self.probe is not None and self.replica.laps.looking):
            for value in values:
                self.feed({port: value} if port else {}, port)
            return len(values)
        before = self.calls
        try:
            self._call(_PROCESS, "process", port, self.quick.run, values, port, until_ns)
        finally:
            if port:
                self.items_in += self.calls - before
        if self.guard is not None:
            self.look_after_item()
        return self.calls - before

    def _call(self, state: int, method: str, port: str, function: Callable[..., None], *inputs: Any) -> None:
        """Call the PE: time it without what it caused elsewhere, and turn what it raises into the run's failure."""
        replica, row, laps, start = self.replica, self.row, self.replica.laps, 0
        caller = laps.running
        if self.random is not None:
            replica.enter_random(self.random)
        row[_ITEM] = self.calls
        row[_STATE] = state
        told_apart = laps.is_on and (not laps.pooling or self.probe is not None)
        if told_apart and (caller is None or laps.looking):
            start = laps.switch(self)
        elif told_apart and caller is not None:  # the same, written out: this is done for every item
            start = laps.clock()
            caller.compute_ns += start - laps.lap_ns
            laps.lap_ns = start
        laps.running = self
        try:
            function(*inputs)
        except NOT_FAILURES:
            raise
        except BaseException as error:
            if self._trying:
                raise
            self.fail(method, port, error)
        finally:
            row[_STATE] = _IDLE
            if told_apart and (laps.looking or laps.pooling or self.probe is not None):
                end = laps.switch(caller)
                if self.probe is not None:
                    self.probe.span(method, start, end)
            elif told_apart:
                end = laps.clock()
                self.compute_ns += end - laps.lap_ns
                laps.lap_ns = end
            laps.running = caller
            if self.random is not None:
                replica.leave_random()
        if replica.worker.aborted:
            raise Unwind

    def _process(self, inputs: dict[str, Any]) -> None:
        """Call the PE and write what it returns, letting go of the item first if the PE did not keep it."""
        held = sys.getrefcount(inputs)
        outputs = self.pe.process(inputs)
        if sys.getrefcount(inputs) == held:
            inputs.clear()
        if outputs is not None:
            self.write_returned(outputs)

    def write_returned(self, outputs: Any) -> None:
        """Write what a call returned, which the caller and a local variable of it hold, and nobody else."""
        if type(outputs) is dict and self._held is None and sys.getrefcount(outputs) == SHARED_WITH_CALLER:
            for port in list(outputs):
                if port not in self.readers:
                    self.pe._write(port, None)  # says what is wrong
                self._emit(port, outputs.pop(port), 0)
        elif isinstance(outputs, Mapping):
            for port, item in outputs.items():
                self.pe._write(port, item)
        else:
            raise TypeError(
                f"process returns None or {{output: item}}; {self.ref.pe} returned {type(outputs).__name__}"
            )

    def _feed_with_care(self, original: dict[str, Any], port: str) -> None:
        """Try as often as the policy says; what a failed attempt wrote is dropped."""
        for attempt in range(self._policy.retries + 1):
            self._held, self._trying = [], True
            try:
                self._call(_PROCESS, "process", port, self._process, private_copy(original))
            except NOT_FAILURES:
                self._held, self._trying = None, False
                raise
            except BaseException as error:  # noqa: BLE001 - the policy says what a failure of any kind does
                self._held, self._trying = None, False
                self._failed_with_care(error, port, original, attempt)
                continue
            held, self._held, self._trying = self._held, None, False
            self._call(_PROCESS, "process", port, self._write_all, held)
            return

    def _write_all(self, held: list[tuple[str, Any]]) -> None:
        """Write what was held back."""
        for output, item in held:
            self._emit(output, item, 0)

    def _failed_with_care(self, error: BaseException, port: str, original: dict[str, Any], attempt: int) -> None:
        if attempt < self._policy.retries:
            self.retried += 1
        elif self._policy.skip:
            self.skipped += 1
            self._report_dead_letter(error, port, original, attempt + 1)
        else:
            self.fail("process", port, error)

    def _report_dead_letter(self, error: BaseException, port: str, item: dict[str, Any], attempts: int) -> None:
        failure = failure_of(self, "process", port, error)
        try:
            pickled = dump(item)
        except WireError:
            pickled = pickle.dumps(repr(item))
        self.replica.worker.event(
            {"event": "dead_letter", "failure": failure.to_dict(), "attempts": attempts, "item": pickled}
        )

    def look_after_item(self) -> None:
        """Look whether the PE has changed its state, if it is time to."""
        if self.guard is not None:
            self._look(self.guard.after_item, self.calls)

    def _look(self, look: Callable[..., None], *number: int) -> None:
        try:
            look(*number)
        except D4pyError as error:
            self.fail("process", "", error)

    def fail(self, method: str, port: str, error: BaseException) -> NoReturn:
        """Take what the PE raised for its failure, which ends the run.

        Raises:
            Unwind: always.
        """
        self.replica.worker.fail(failure_of(self, method, port, error), error)

    # What the PE calls.

    def log(self, message: object) -> None:
        """Print one line under the instance's name."""
        for line in str(message).split("\n"):
            self.replica.worker.line(self.ref.label, line)

    def write(self, port: str, item: object) -> None:
        """Send an item from an output port; it may suspend the PE until there is room."""
        if self.quick.results:
            self.quick.hand_over()
        if self._held is not None:
            if self.replica.worker.ending:
                self.replica.before_write(self)
            self._held.append((port, private_copy(item)))
        elif port in self.quick.queued and flat_bytes(item) and not (self.probe and self.replica.laps.looking):
            self.put_quick(*self.quick.queued[port], item)
        elif called_through(*_WRITE_CALLS):
            self._emit(port, item, len(_WRITE_CALLS) + 1)
        else:
            self._emit(port, item, UNKNOWN)

    def put_quick(self, reader: QueuedReader, outlet: Outlet, item: Any) -> None:
        """Send a small value to the one reader that there is."""
        replica = self.replica
        if replica.worker.ending:
            replica.before_write(self)
        self.items_out += 1
        reader.items += 1
        replica.worker.outbox.put_flat(replica, outlet, reader.port, [item])
        replica.worker.outbox.offer_now_and_then(outlet)
        replica.after_write()

    def _emit(self, port: str, item: Any, others: int) -> None:
        """Hand an item to every reader of the port: encoded once for those elsewhere, private to each one here.

        Args:
            port: the output.
            item: the item.
            others: how many of our callers hold it too; `UNKNOWN` if that cannot be told.

        Raises:
            Unwind: the run ends, or no reader may get this item; the failure is noted.
        """
        replica = self.replica
        if replica.worker.ending:
            replica.before_write(self)
        if self.quick.results:
            self.quick.hand_over()
        self.items_out += 1
        here: Sequence[tuple[Outlet, QueuedReader]] = ()
        mine: list[Any] = []
        try:
            fused, queued = self.readers[port]
            for reader in fused:
                if reader.keys is not None:
                    reader.keys.instance(item, 1)
            atomic = is_atomic(item)
            if self.probe is not None and replica.laps.looking:
                self._aside(self._show, self.probe, item, (*fused, *queued))
            if queued:
                if not (atomic and flat_bytes(item)):
                    replica.laps.switch(replica.laps.running)  # what follows is work on the item
                is_alone = not (atomic or fused or others == UNKNOWN) and unshared(item, others + 1)
                here = replica.worker.post(self, item, queued, is_alone, goes_on=others != 0)
            if not atomic and (here or fused):
                mine = share_out(self, item, len(here), fused, (*fused, *queued), others)
        except NOT_FAILURES:
            raise
        except BaseException as error:  # noqa: BLE001 - becomes the run's failure
            self.fail("write", port, error)
        if not atomic:
            item = None  # a reader that has the original and passes it on can see that nobody else holds it
        for outlet, queue in here:
            replica.worker.deliver(self, outlet, queue, item if atomic else mine.pop())
        for reader in fused:
            reader.items += 1
            if atomic and reader.target.quick.is_open and not replica.laps.looking:
                reader.target.quick.feed(reader.port, item, replica.laps.clock())
                continue
            reader.target.feed({reader.port: item if atomic else mine.pop()}, reader.port)
        if replica.gathered:
            hand_over_gathered(replica, late=True)
        replica.after_write()

    # Moving.

    def turns(self) -> dict[str, list[int]]:
        """Where dealing out stands, per output and reader."""
        return {port: [reader.turn for reader in queued] for port, (_, queued) in self.readers.items()}

    def resume(self, turns: dict[str, list[int]]) -> None:
        """Go on dealing out from where another worker stopped, and watching from the state as it is."""
        for port, (_, queued) in self.readers.items():
            for reader, turn in zip(queued, turns[port], strict=True):
                reader.turn = turn
        if self._guarded:
            self.guard = StateGuard(self.pe)
        if self.timeline is not None:
            totals = (self.compute_ns, self.serialise_ns, self.blocked_ns, int(self.row[Field.STARVED_NS]))
            self.timeline.resume(totals, self._clock())
