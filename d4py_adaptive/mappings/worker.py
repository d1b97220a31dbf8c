"""The worker: hosts stage replicas and runs whichever can go on. The one PE loop of every mapping, no transport inside.

A mapping gives it `Links` to send through, hands it the frames that arrive, and calls `step` as long as that does
something. What cannot go on (no item, no room at the receiver) is suspended, in the middle of `write` if need be, and
costs nothing until a frame changes that.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, Protocol

from greenlet import getcurrent, greenlet

from d4py_adaptive.errors import Failure, RunError
from d4py_adaptive.mappings.assembly import RESULTS, Assembly
from d4py_adaptive.mappings.channel import OFFER_NS, Inlet, Outlet
from d4py_adaptive.mappings.failing import Unwind
from d4py_adaptive.mappings.instance import Instance
from d4py_adaptive.mappings.job import Job
from d4py_adaptive.mappings.replica import Arrived, Replica, Run
from d4py_adaptive.mappings.routing import QueuedReader
from d4py_adaptive.telemetry.board import Board
from d4py_adaptive.wire.encoding import Encoded
from d4py_adaptive.wire.frame import Frame, Kind
from d4py_adaptive.wire.sizes import flat_bytes, payload_bytes

LAUNCHER = -1
"""Number of the place where results go."""

BATCH_BYTES = 64 * 1024
FLUSH_NS = 1_000_000


class Links(Protocol):
    """What a mapping gives its workers to reach the rest of the run; none of these may block."""

    def send(self, worker: int, frame: Frame) -> None:
        """Pass a frame to another worker, or to the launcher."""

    def line(self, instance: str, text: str) -> None:
        """Pass on a line that a PE printed."""

    def event(self, event: Mapping[str, Any]) -> None:
        """Pass on something worth a record."""


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
        self._unsent: dict[tuple[int, int], Outlet] = {}
        self._untold: dict[tuple[int, int], tuple[Inlet, Replica]] = {}
        self._flush_at_ns = 0
        assembly = Assembly(self, board)
        for stage_number, stage in enumerate(job.plan.stages):
            for index, host in enumerate(stage.workers):
                if host == number:
                    self.host(assembly.new((stage_number, index)))

    # Running.

    @property
    def finished(self) -> bool:
        """Whether every replica here has finished and all it wrote is sent."""
        return not self._unsent and all(replica.finished for replica in self.replicas)

    def ready(self) -> list[Replica]:
        """The replicas that could go on now."""
        return [replica for replica in self.replicas if replica.ready]

    def step(self) -> bool:
        """Give the next replica that can go on its turn, or else send what waits; False if there is neither.

        A PE's failure is not raised here: it stands in `failure`.
        """
        for _ in range(len(self.replicas)):
            replica = self.replicas[0]
            self.replicas.rotate(-1)
            if replica.ready:
                self.run(replica)
                return True
        if self.has_news:
            self.settle()
            return True
        return False

    def run(self, replica: Replica) -> None:
        """Give a replica its turn; what it wrote is sent at the latest when the next millisecond begins."""
        self.hub, self.active = getcurrent(), replica
        try:
            replica.turn()
        finally:
            self.active = None
            for instance in replica.instances.values():
                instance.publish()
        now = self.clock()
        if now >= self._flush_at_ns:
            self._flush_at_ns = now + FLUSH_NS
            self.flush()

    @property
    def current(self) -> Instance | None:
        """The instance whose code is running now."""
        return self.active.running if self.active is not None else None

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

    def post(self, sender: Instance, item: object, readers: Sequence[QueuedReader]) -> list[tuple[Outlet, int]]:
        """Send an item to the readers that live elsewhere, encoded once; the channels to those that live here.

        Raises:
            WireError: the item cannot be encoded.
            WorkflowError: it has no key to be grouped by.
        """
        here: list[tuple[Outlet, int]] = []
        encoded: Encoded | None = None
        is_flat = bool(flat_bytes(item))
        for reader in readers:
            for outlet in reader.choose(item):
                reader.items += 1
                if self.is_here(outlet):
                    here.append((outlet, reader.port))
                    continue
                if is_flat and not reader.is_broadcast:
                    self.put_flat(sender.replica, outlet, reader.port, [item])
                    self.offer_now_and_then(outlet)
                    continue
                if encoded is None:
                    encoded = self.wire.encode(item)
                    sender.bytes_out += encoded.nbytes
                reader.payload_bytes += encoded.nbytes
                self._put(sender.replica, outlet, reader.port, encoded)
        return here

    def is_here(self, outlet: Outlet) -> bool:
        """Whether the reader lives on this worker."""
        where = self.where[outlet.receiver]
        return where == self.number or (where == LAUNCHER and self._collect is not None)

    def deliver(self, replica: Replica, outlet: Outlet, port: int, item: Any) -> None:
        """Hand an item of its own to a reader that lives here, once there is room for it."""
        if outlet.receiver == RESULTS and self._collect is not None:
            self._collected(self._collect, *self.job.workflow.results[port], item)
            return
        if not outlet.has_room:
            replica.wait(lambda: outlet.has_room)
        if not self.is_here(outlet) or self.inlets[outlet.sender, outlet.receiver][1].arrived != outlet.sent:
            # It moved while we waited, or it moved here and frames for it are still under way: keep the order.
            self._put(replica, outlet, port, self.wire.encode(item))
            return
        nbytes = payload_bytes(item)
        outlet.count(nbytes)
        target, inlet = self.inlets[outlet.sender, outlet.receiver]
        inlet.arrived += 1
        self._arrive(target, inlet, port, item, nbytes)

    def _collected(self, collect: Callable[[str, str, Any], None], pe: str, port: str, item: Any) -> None:
        """Give away a result; that it is not taken is no fault of the PE's, whose call ends here."""
        try:
            collect(pe, port, item)
        except Exception as error:
            self.broken = error
            self.aborted = self.ending = True
            raise Unwind from error

    def _put(self, replica: Replica, outlet: Outlet, port: int, encoded: Encoded) -> None:
        """Add an encoded item to the frame for a reader elsewhere, once there is room; send it if nothing is unread."""
        if outlet.flat:
            self._flush(outlet)
        if not outlet.has_room:
            self._flush(outlet)
            replica.wait(lambda: outlet.has_room)
        outlet.count(encoded.nbytes)
        outlet.batch_ports.append(port)
        outlet.batch.append(encoded)
        outlet.batch_bytes += encoded.nbytes
        waiting = len(outlet.batch)
        if waiting >= self.job.batch_items or outlet.batch_bytes >= BATCH_BYTES or outlet.unread <= waiting:
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
            room = min(outlet.limit - outlet.sent, self.job.flat_items - len(outlet.flat))
            added, values = values[:room], values[room:]
            outlet.sent += len(added)
            outlet.flat += added
            outlet.flat_port = port
            if len(outlet.flat) >= self.job.flat_items:
                self._flush(outlet)
            else:
                self._unsent[outlet.sender, outlet.receiver] = outlet

    def offer(self, outlet: Outlet, late: bool = False) -> None:
        """Send what waits for a reader that, as far as is known, has nothing else to read, or what is late."""
        if outlet.flat and (late or outlet.unread <= len(outlet.flat)):
            self._flush(outlet)

    def offer_now_and_then(self, outlet: Outlet) -> None:
        """Offer what waits, unless that was done a moment ago: few values more, and it pays better."""
        now = self.clock()
        if now >= outlet.offer_at_ns:
            outlet.offer_at_ns = now + OFFER_NS
            self.offer(outlet)

    def flush(self) -> None:
        """Send every frame that is being filled."""
        for outlet in list(self._unsent.values()):
            self._flush(outlet)

    def _flush(self, outlet: Outlet) -> None:
        self._unsent.pop((outlet.sender, outlet.receiver), None)
        if outlet.flat:
            values, outlet.flat = outlet.flat, []
            encoded = self.wire.encode(values)
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
            outlet.batch_ports, outlet.batch, outlet.batch_bytes = [], [], 0
            self._send(outlet.receiver, frame)

    def _send(self, receiver: int, frame: Frame) -> None:
        if self.where[receiver] == self.number:
            frame.items = [item.for_one_reader() for item in frame.items]
            self.receive(frame)
        else:
            self._links.send(self.where[receiver], frame)

    def close(self, replica: Replica) -> None:
        """Tell everyone that a finished replica wrote to that this was all."""
        self.flush()
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
    def has_news(self) -> bool:
        """Whether something waits to be sent that `settle` would send."""
        return bool(self._unsent or self._untold)

    def settle(self) -> None:
        """Send what waits to be sent: frames that are being filled, and word of what was taken."""
        self.flush()
        for inlet, replica in list(self._untold.values()):
            self._allow_more(inlet, replica)

    # Telling.

    def line(self, instance: str, text: str) -> None:
        """Pass on a line that a PE printed or logged."""
        self._links.line(instance, text)

    def event(self, event: Mapping[str, Any]) -> None:
        """Pass on something worth a record."""
        self._links.event(event)

    def report_digests(self) -> None:
        """Pass on the digests of what reached PEs that end a path."""
        for pe, counted in self.digests.items():
            for (port, digest), number in counted.items():
                self.event({"event": "digest", "pe": pe, "port": port, "digest": digest, "number": number})

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

    def dismiss(self, replica: Replica, destination: int) -> dict[int, int]:
        """Let a replica go: frames for its instances are passed on from now on; how often each has moved."""
        self.placing += 1
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
