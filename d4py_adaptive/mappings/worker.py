"""The worker: hosts stage replicas and runs whichever can go on. The one PE loop of every mapping, no transport inside.

A mapping gives it `Links` to send through, hands it the frames that arrive, and calls `step` as long as that does
something. What cannot go on (no item, no room at the receiver) is suspended, in the middle of `write` if need be, and
costs nothing until a frame changes that.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NoReturn

from greenlet import getcurrent, greenlet

from d4py_adaptive.errors import Failure, RunError
from d4py_adaptive.mappings.assembly import RESULTS, Assembly
from d4py_adaptive.mappings.channel import Inlet, Outlet
from d4py_adaptive.mappings.failing import Unwind
from d4py_adaptive.mappings.instance import Instance
from d4py_adaptive.mappings.job import Job
from d4py_adaptive.mappings.links import LAUNCHER, Links
from d4py_adaptive.mappings.outbox import Outbox
from d4py_adaptive.mappings.replica import Arrived, Replica, Run
from d4py_adaptive.mappings.reporting import publish
from d4py_adaptive.mappings.routing import QueuedReader
from d4py_adaptive.mappings.sampling import Sample
from d4py_adaptive.mappings.usage import Usage
from d4py_adaptive.telemetry.board import Board
from d4py_adaptive.wire.frame import Frame, Kind
from d4py_adaptive.wire.sizes import flat_bytes, payload_bytes

FLUSH_NS = 1_000_000

PUBLISH_NS, PUBLISH_MORE_NS = 20_000_000, 2_000_000
"""How often the board is written to while there is work, and how much less often for each instance more."""


class Worker:
    """Hosts the replicas that the plan places on it, and whatever is moved to it later.

    Args:
        job: the run.
        number: which worker it is.
        board: the counters.
        links: the way to the rest of the run.
        collect: takes results on the spot, `(pe, port, item)`; None sends them to the launcher.
        restless: asked after every write whether the PE should give way although it need not; None is never.

    Attributes:
        active: the replica whose turn it is.
        failure: how a PE failed, once one has; nothing runs after that.
        broken: why a result was not taken, if one was not; nothing runs after that.
        stopping: sources are not called any more.
        ending: PEs must look, at their next write, whether the run stops or is aborted.
        replicas: what it hosts.
        outbox: the frames being filled.
        outlets: the sending ends of the channels of its instances, by sender and receiver.
        inlets: their receiving ends.
        where: the worker that each instance lives on, as far as is known here.
        moves: how often each instance has moved, as far as is known here.
        placing: changes whenever `where` does.
    """

    def __init__(
        self,
        job: Job,
        number: int,
        board: Board,
        links: Links,
        collect: Callable[[str, str, Any], None] | None = None,
        restless: Callable[[], bool] | None = None,
    ) -> None:
        self.job = job
        self.number = number
        self.clock = job.clock
        self.wire = job.wire
        self.restless = restless
        self.hub: greenlet = getcurrent()
        self.active: Replica | None = None
        self.failure: tuple[Failure, BaseException] | None = None
        self.broken: Exception | None = None
        self.aborted = False
        self.stopping = False
        self.ending = False
        self.digests: dict[str, Counter[tuple[str, bytes]]] = {}
        self._board = board
        self._links = links
        self._collect = collect
        self.where = {ref.number: job.plan.worker_of(ref) for ref in job.plan.instances} | {RESULTS: LAUNCHER}
        self.moves: dict[int, int] = {}
        self.placing = 0
        self.replicas: deque[Replica] = deque()
        self.inlets: dict[tuple[int, int], tuple[Replica, Inlet]] = {}
        self.outlets: dict[tuple[int, int], Outlet] = {}
        self.outbox = Outbox(job, self._send, self._lap)
        self._instances: dict[int, Instance] = {}
        self._untold: dict[tuple[int, int], tuple[Inlet, Replica]] = {}
        self._unpublished = False
        self._flush_at_ns = self._publish_at_ns = 0
        self._sample = Sample.of(job)
        self.usage = Usage(number, job.clock)
        assembly = Assembly(self, board)
        for stage_number, stage in enumerate(job.plan.stages):
            for index, host in enumerate(stage.workers):
                if host == number:
                    self.host(assembly.new((stage_number, index)))

    # Running.

    @property
    def finished(self) -> bool:
        """Whether every replica here has finished and all it wrote is sent."""
        return self.outbox.is_empty and all(replica.finished for replica in self.replicas)

    def ready(self) -> list[Replica]:
        """The replicas that could go on now."""
        return [replica for replica in self.replicas if replica.ready]

    def step(self) -> bool:
        """Give the next replica that can go on its turn, or else send frames that wait; False if there is neither.

        A PE's failure is not raised here: it stands in `failure`.
        """
        for _ in range(len(self.replicas)):
            replica = self.replicas[0]
            self.replicas.rotate(-1)
            if replica.ready:
                self.run(replica)
                return True
        if not self.outbox.is_empty:
            self.outbox.flush()
            return True
        return False

    def run(self, replica: Replica) -> None:
        """Give a replica its turn; what it wrote is sent, and told, at the latest when the next millisecond begins."""
        self.hub, self.active = getcurrent(), replica
        self._unpublished = True
        try:
            replica.turn()
        finally:
            self.active = None
            if replica.finished or self.ending:
                self._publish()
        now = self.clock()
        if now >= self._flush_at_ns:
            self._flush_at_ns = now + FLUSH_NS
            self.outbox.flush()
            if now >= self._publish_at_ns:
                self._publish()
        if self._sample is not None and self._sample.is_enough(self.replicas, now):
            self._sample = None
            self.stop()

    def _publish(self) -> None:
        """Put the counters on the board; the next time is the later the more there are."""
        self._unpublished = False
        now = self.clock()
        self.usage.look(now)
        number = sum(publish(replica, now) for replica in self.replicas)
        self._publish_at_ns = now + PUBLISH_NS + number * PUBLISH_MORE_NS

    @property
    def current(self) -> Instance | None:
        """The instance whose code is running now."""
        return self.active.laps.running if self.active is not None else None

    def check(self) -> None:
        """Leave a PE's call when nothing may run any more.

        Raises:
            Unwind: so it is.
        """
        if self.aborted:
            raise Unwind

    def fail(self, failure: Failure, error: BaseException) -> NoReturn:
        """Take note of how a PE failed, and leave its call.

        Raises:
            Unwind: always.
        """
        if self.failure is None:
            self.failure = (failure, error)
        self.aborted = self.ending = True
        raise Unwind

    def stop(self) -> None:
        """Call sources no more; what is under way is still processed."""
        self.stopping = self.ending = True

    def abort(self) -> None:
        """End every call under way, running the PEs' `finally` clauses."""
        self.aborted = self.ending = True
        self.hub = getcurrent()
        for replica in self.replicas:
            replica.unwind()

    # Writing.

    def post(
        self,
        sender: Instance,
        item: object,
        readers: Sequence[QueuedReader],
        is_alone: bool = False,
        goes_on: bool = True,
    ) -> list[tuple[Outlet, QueuedReader]]:
        """Send an item to the readers that live elsewhere, encoded once; the channels to those that live here.

        Args:
            sender: who wrote it.
            item: the item.
            readers: among whose instances it is dealt out.
            is_alone: whether nobody but the caller sees the item, and these are all its readers.
            goes_on: whether the PE's call goes on, and may write nothing more for long.

        The lap that lasts counts as work on the item, and ends; a small value's begins here.

        Raises:
            WireError: the item cannot be encoded.
            WorkflowError: it has no key to be grouped by.
        """
        here: list[tuple[Outlet, QueuedReader]] = []
        elsewhere: list[tuple[Outlet, QueuedReader]] = []
        is_flat = bool(flat_bytes(item))
        for reader in readers:
            for outlet in reader.choose(item):
                reader.items += 1
                if self.is_here(outlet):
                    here.append((outlet, reader))
                elif is_flat and not reader.is_broadcast:
                    self.outbox.put_flat(sender.replica, outlet, reader.port, [item])
                    self.outbox.offer_now_and_then(outlet)
                else:
                    elsewhere.append((outlet, reader))
        if elsewhere:
            workers = [self.where[outlet.receiver] for outlet, _ in elsewhere]
            keep = partial(self._links.keep, workers=workers, is_alone=is_alone and not here)
            laps = sender.replica.laps
            if is_flat:
                laps.switch(laps.running)
            encoded = self.wire.encode(item, keep)
            laps.serialised(sender)
            sender.bytes_out += encoded.nbytes
            for outlet, reader in elsewhere:
                reader.payload_bytes += encoded.nbytes
                self.outbox.put(sender.replica, outlet, reader.port, encoded, goes_on)
            laps.serialised(sender)
        return here

    def is_here(self, outlet: Outlet) -> bool:
        """Whether the reader lives on this worker."""
        where = self.where[outlet.receiver]
        return where == self.number or self.collects(outlet)

    def deliver(self, sender: Instance, outlet: Outlet, reader: QueuedReader, item: Any) -> None:
        """Hand an item of its own to a reader that lives here, once there is room for it."""
        replica, port = sender.replica, reader.port
        if outlet.receiver == RESULTS and self._collect is not None:
            self._collected(self._collect, *self.job.workflow.results[port], item)
            return
        if not outlet.has_room:
            replica.wait(lambda: outlet.has_room)
        if not self.is_here(outlet) or self.inlets[outlet.sender, outlet.receiver][1].arrived != outlet.sent:
            # It moved while we waited, or it moved here and frames for it are still under way: keep the order.
            self._lap(None)
            encoded = self.wire.encode(item)
            self._lap(outlet.sender)
            self.outbox.put(replica, outlet, port, encoded)
            return
        nbytes = payload_bytes(item)
        outlet.count(nbytes)
        sender.bytes_out += nbytes
        reader.payload_bytes += nbytes
        target, inlet = self.inlets[outlet.sender, outlet.receiver]
        inlet.arrived += 1
        self._arrive(target, inlet, port, item, nbytes)

    def pass_values(self, replica: Replica, outlet: Outlet, port: int, values: list[Any]) -> None:
        """Hand small values to a reader, wherever it lives, as soon as there is room for each."""
        while values and self.is_here(outlet):
            if not outlet.has_room:
                replica.wait(lambda: outlet.has_room)
            here = self.inlets.get((outlet.sender, outlet.receiver))
            if here is None or here[1].arrived != outlet.sent:  # as in `deliver`
                break
            run, values = values[: outlet.limit - outlet.sent], values[outlet.limit - outlet.sent :]
            nbytes = payload_bytes(run)
            outlet.sent += len(run)
            outlet.sent_bytes += nbytes
            outlet.flat_bytes += nbytes
            here[1].arrived += len(run)
            self._arrive(*here, port, Run(run), nbytes)
        self.outbox.put_flat(replica, outlet, port, values)

    def collects(self, outlet: Outlet) -> bool:
        """Whether results that leave there are taken on the spot."""
        return outlet.receiver == RESULTS and self._collect is not None

    def _collected(self, collect: Callable[[str, str, Any], None], pe: str, port: str, item: Any) -> None:
        """Give away a result; that it is not taken is no fault of the PE's, whose call ends here."""
        try:
            collect(pe, port, item)
        except Exception as error:
            self.broken = error
            self.aborted = self.ending = True
            raise Unwind from error

    def _send(self, receiver: int, frame: Frame) -> None:
        if self.where[receiver] == self.number:
            frame.items = [item.for_one_reader() for item in frame.items]
            self.receive(frame)
        else:
            self._links.send(self.where[receiver], frame)

    def _lap(self, sender: int | None) -> None:
        """Tell what is done for a frame in the middle of a turn from what its sender does itself."""
        if self.active is not None:
            laps = self.active.laps
            if sender is None or self._instances[sender].replica is not self.active:  # then it is nobody's here
                laps.switch(laps.running)
            else:
                laps.serialised(self._instances[sender])

    def close(self, replica: Replica) -> None:
        """Tell everyone that a finished replica wrote to that this was all."""
        self.outbox.flush()
        own = {instance.ref.number for instance in replica.instances.values()}
        for outlet in [outlet for outlet in self.outlets.values() if outlet.sender in own]:
            if outlet.receiver != RESULTS or self._collect is None:
                self._send(outlet.receiver, Frame(Kind.END, outlet.sender, outlet.receiver, outlet.sent))

    # Reading.

    def receive(self, frame: Frame) -> None:
        """Take a frame for an instance here; pass it on if the instance has moved away.

        Raises:
            RunError: the frame repeats or skips items.
        """
        if frame.kind is Kind.RELOCATE:
            self._relocate(frame.receiver, frame.first, frame.generation)
        elif self.where[frame.receiver] != self.number:
            self._links.send(self.where[frame.receiver], frame)
        elif frame.kind is Kind.CREDIT:
            outlet = self.outlets[frame.receiver, frame.sender]
            outlet.grant(frame.first, frame.credit_bytes, frame.number)
        else:
            replica, inlet = self.inlets[frame.sender, frame.receiver]
            if frame.kind is Kind.END:
                inlet.end = frame.first
            elif frame.first < inlet.arrived:
                raise RunError(f"items {frame.first} and on of channel {frame.sender}->{frame.receiver} came twice")
            else:
                for port, item, together in inlet.accept(frame.first, [*frame.ports], [*frame.items], frame.number):
                    arrived = Run(self.wire.decode(item.body, item.buffers)) if together else item
                    self._arrive(replica, inlet, port, arrived, item.nbytes)
            if inlet.closed:
                replica.open_inlets.discard((frame.sender, frame.receiver))

    def _arrive(self, replica: Replica, inlet: Inlet, port: int, item: Any, nbytes: int) -> None:
        ref = self.job.plan.instances[inlet.receiver]
        if replica.laps.is_starved and not replica.laps.woken_ns:
            replica.laps.woken_ns = self.clock()
        name = self.job.workflow.by_id[ref.pe].inputs[port]
        replica.inbox.append(Arrived(inlet, replica.instances[ref.pe], name, item, nbytes))

    def taken(self, inlet: Inlet, replica: Replica) -> None:
        """An item has been processed: allow the sender more if it runs low, else tell it when there is time."""
        if inlet.runs_low:
            self._allow_more(inlet, replica)
        else:
            self._untold[inlet.sender, inlet.receiver] = (inlet, replica)

    def _allow_more(self, inlet: Inlet, replica: Replica) -> None:
        inlet.grant(self.job.window, replica.service_ns)
        self._untold.pop((inlet.sender, inlet.receiver), None)
        if self.where[inlet.sender] == self.number:
            outlet = self.outlets[inlet.sender, inlet.receiver]
            outlet.grant(inlet.granted, inlet.granted_bytes, inlet.taken)
        else:
            frame = Frame(
                Kind.CREDIT, inlet.receiver, inlet.sender, inlet.granted,
                number=inlet.taken, credit_bytes=inlet.granted_bytes,
            )  # fmt: skip
            self._send(inlet.sender, frame)

    @property
    def has_word(self) -> bool:
        """Whether a sender does not know yet of everything that was taken, or the board does not show it."""
        return self._unpublished or bool(self._untold)

    def tell(self) -> bool:
        """Send word of what was taken; whether there was any.

        Nobody waits for it: who runs low is allowed more at once. It says that nothing is left to read here.
        """
        self._publish()
        told = list(self._untold.values())
        for inlet, replica in told:
            self._allow_more(inlet, replica)
        return bool(told)

    # Telling.

    def line(self, instance: str, text: str) -> None:
        """Pass on a line that a PE printed or logged."""
        self._links.line(instance, text)

    def event(self, event: Mapping[str, Any]) -> None:
        """Pass on something worth a record."""
        self._links.event(event)

    # Where instances live.

    def host(self, replica: Replica) -> None:
        """Take a replica in: frames for its instances are for this worker from now on."""
        self.placing += 1
        self.replicas.append(replica)
        replica.open_inlets = {channel for channel, inlet in replica.inlets.items() if not inlet.closed}
        for channel, inlet in replica.inlets.items():
            self.inlets[channel] = (replica, inlet)
        for instance in replica.instances.values():
            self.where[instance.ref.number] = self.number
            self._instances[instance.ref.number] = instance

    def dismiss(self, replica: Replica, destination: int) -> dict[int, int]:
        """Let a replica go: frames for its instances are passed on from now on; how often each has moved."""
        self.placing += 1
        self._publish()
        self.replicas.remove(replica)
        for channel in replica.inlets:
            del self.inlets[channel]
            self._untold.pop(channel, None)
        numbers = [instance.ref.number for instance in replica.instances.values()]
        for number in numbers:
            self._board.forget(number)
            self.where[number] = destination
            self.moves[number] = self.moves.get(number, 0) + 1
        return {number: self.moves[number] for number in numbers}

    def _relocate(self, number: int, worker: int, move: int) -> None:
        """Send to an instance at its new place from now on, unless a later move is known."""
        if move > self.moves.get(number, 0) and self.where[number] != self.number:
            self.placing += 1
            self.where[number] = worker
            self.moves[number] = move
