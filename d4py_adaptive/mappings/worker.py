"""The worker: hosts stage replicas and runs whichever can go on. The one PE loop of every mapping, no transport inside.

A mapping gives it `Links` to send through, hands it the frames that arrive, and calls `step` as long as that does
something. What cannot go on (no item, no room at the receiver) is suspended, in the middle of `write` if need be, and
costs nothing until a frame changes that.
"""

from __future__ import annotations

import pickle
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from greenlet import getcurrent, greenlet

from d4py_adaptive.dataflow.grouping import Shuffle
from d4py_adaptive.dataflow.plan import InstanceRef
from d4py_adaptive.dataflow.workflow import Stream
from d4py_adaptive.errors import Failure, RunError
from d4py_adaptive.mappings.channel import Inlet, Outlet, Window
from d4py_adaptive.mappings.error_policy import policy_of
from d4py_adaptive.mappings.instance import Instance, Unwind
from d4py_adaptive.mappings.instantiate import instantiate
from d4py_adaptive.mappings.job import Job
from d4py_adaptive.mappings.randomness import RandomScope, instance_seed
from d4py_adaptive.mappings.replica import Arrived, Feed, Key, Replica
from d4py_adaptive.mappings.routing import FusedReader, QueuedReader
from d4py_adaptive.telemetry.board import Board, Field, outgoing
from d4py_adaptive.wire.encoding import Encoded, dump
from d4py_adaptive.wire.frame import Frame, Kind
from d4py_adaptive.wire.sizes import payload_bytes

RESULTS = 2**32 - 1
"""Number of the pseudo-instance that takes the run's results; it lives with whoever launched the workers."""

LAUNCHER = -1
"""Number of the place where results go."""

BATCH_BYTES = 64 * 1024


class Links(Protocol):
    """What a mapping gives its workers to reach the rest of the run; none of these may block."""

    def send(self, worker: int, frame: Frame) -> None:
        """Pass a frame to another worker, or to the launcher."""

    def line(self, instance: str, text: str) -> None:
        """Pass on a line that a PE printed."""

    def event(self, event: Mapping[str, Any]) -> None:
        """Pass on something worth a record."""


def patient() -> bool:
    """The ordinary answer to whether a PE should give way at this write: only when its turn is over."""
    return False


class Worker:
    """Hosts the replicas that the plan places on it, and whatever is moved to it later.

    Args:
        job: the run.
        number: which worker it is.
        board: the counters.
        links: the way to the rest of the run.
        collect: takes results on the spot, `(pe, port, item)`; None sends them to the launcher.
        restless: asked after every write whether the PE should give way although it need not.

    Attributes:
        active: the replica whose turn it is.
        failure: how a PE failed, once one has; nothing runs after that.
        stopping: sources are not called any more.
        replicas: what it hosts.
    """

    def __init__(
        self,
        job: Job,
        number: int,
        board: Board,
        links: Links,
        collect: Callable[[str, str, Any], None] | None = None,
        restless: Callable[[], bool] = patient,
    ) -> None:
        self.job = job
        self.number = number
        self.clock = job.clock
        self.wire = job.wire
        self.restless = restless
        self.hub: greenlet = getcurrent()
        self.active: Replica | None = None
        self.failure: tuple[Failure, BaseException] | None = None
        self.aborted = False
        self.stopping = False
        self.digests: dict[str, Counter[tuple[str, bytes]]] = {}
        self._board = board
        self._links = links
        self._collect = collect
        self._where = {ref.number: job.plan.worker_of(ref) for ref in job.plan.instances} | {RESULTS: LAUNCHER}
        self._moves: dict[int, int] = {}
        self._result_ports = {result: number for number, result in enumerate(job.workflow.results)}
        self.replicas: deque[Replica] = deque()
        self._inlets: dict[tuple[int, int], tuple[Replica, Inlet]] = {}
        self._outlets: dict[tuple[int, int], Outlet] = {}
        self._unsent: dict[tuple[int, int], Outlet] = {}
        for stage_number, stage in enumerate(job.plan.stages):
            for index, host in enumerate(stage.workers):
                if host == number:
                    self._host(self._new_replica((stage_number, index)))

    # Setting up.

    def _refs(self, key: Key) -> list[InstanceRef]:
        stage, index = key
        return [self.job.plan.instances_of[pe][index] for pe in self.job.plan.stages[stage].pes]

    def _new_replica(self, key: Key) -> Replica:
        job = self.job
        pes = {
            ref.number: instantiate(job.workflow.by_id[ref.pe].prototype, ref, job.seed, job.explicit_seed)
            for ref in self._refs(key)
        }
        replica = self._assemble(key, pes)
        window = Window.FIRST, job.window.payload_bytes
        for ref in self._refs(key):
            for sender in self._senders(ref):
                replica.inlets[sender, ref.number] = Inlet(sender, ref.number, *window)
            given = job.inputs.get(ref.pe)
            if given is not None:
                share = given.share(job.workflow.by_id[ref.pe], ref.index, len(job.plan.instances_of[ref.pe]))
                is_source = ref.pe in job.workflow.sources
                feed = Feed(replica.instances[ref.pe], is_source, share.iterations, deque(share.items))
                if feed.left:
                    (replica.feeds.append if is_source else replica.feeds.appendleft)(feed)
        return replica

    def _assemble(self, key: Key, pes: Mapping[int, Any]) -> Replica:
        """A replica around these PEs, its instances joined to each other and to their outlets."""
        job, replica = self.job, Replica(self, key)
        for ref in self._refs(key):
            node = job.workflow.by_id[ref.pe]
            ends_here = job.digests and not job.workflow.outbound[ref.pe]
            instance = Instance(
                ref,
                pes[ref.number],
                replica,
                self._board.row(ref.number),
                policy_of(node, job.on_error),
                RandomScope(instance_seed(job.seed, ref)) if ref.pe in job.random else None,
                ref.pe in job.guarded and len(job.plan.instances_of[ref.pe]) > 1,
                self.digests.setdefault(ref.pe, Counter()) if ends_here else None,
            )
            instance.is_source = ref.pe in job.workflow.sources
            replica.instances[ref.pe] = instance
        for instance in replica.instances.values():
            for port in job.workflow.by_id[instance.ref.pe].outputs:
                instance.readers[port] = self._readers(replica, instance, port)
        return replica

    def _readers(
        self, replica: Replica, instance: Instance, port: str
    ) -> tuple[tuple[FusedReader, ...], tuple[QueuedReader, ...]]:
        workflow, pe = self.job.workflow, instance.ref.pe
        slots = {name: len(Field) + 2 * i for i, name in enumerate(outgoing(workflow, pe))}
        fused: list[FusedReader] = []
        queued: list[QueuedReader] = []
        for stream in workflow.outbound[pe]:
            if stream.output != port:
                continue
            target = replica.instances.get(stream.target)
            if target is not None:
                fused.append(FusedReader(target, stream.input, slots[stream.id]))
            else:
                queued.append(self._queued_reader(instance.ref, stream, slots[stream.id]))
        if (pe, port) in self._result_ports:
            outlet = self._outlet(instance.ref.number, RESULTS)
            stream = Stream(f"{pe}.{port}", pe, port, "", "", Shuffle())
            slot = slots[stream.id]
            queued.append(QueuedReader(stream, self._result_ports[pe, port], [outlet], 0, False, slot))
        fused.sort(key=lambda reader: not reader.target.pe.read_only)
        return tuple(fused), tuple(queued)

    def _queued_reader(self, sender: InstanceRef, stream: Stream, slot: int) -> QueuedReader:
        targets = self.job.plan.instances_of[stream.target]
        outlets = [self._outlet(sender.number, target.number) for target in targets]
        port = self.job.workflow.by_id[stream.target].inputs.index(stream.input)
        counted = stream.target not in self.job.interchangeable
        return QueuedReader(stream, port, outlets, sender.index, counted, slot)

    def _outlet(self, sender: int, receiver: int) -> Outlet:
        window = self.job.window
        return self._outlets.setdefault(
            (sender, receiver), Outlet(sender, receiver, Window.FIRST, window.payload_bytes)
        )

    def _senders(self, ref: InstanceRef) -> set[int]:
        """Numbers of the instances in other stages that write to this one."""
        plan = self.job.plan
        feeding = {stream.source for stream in self.job.workflow.inbound[ref.pe]}
        return {sender.number for pe in feeding if plan.stage_of[pe] != ref.stage for sender in plan.instances_of[pe]}

    def _host(self, replica: Replica) -> None:
        self.replicas.append(replica)
        for channel, inlet in replica.inlets.items():
            self._inlets[channel] = (replica, inlet)
        for instance in replica.instances.values():
            self._where[instance.ref.number] = self.number

    # Running.

    @property
    def finished(self) -> bool:
        """Whether every replica here has finished and all it wrote is sent."""
        return not self._unsent and all(replica.finished for replica in self.replicas)

    def ready(self) -> list[Replica]:
        """The replicas that could go on now."""
        return [replica for replica in self.replicas if replica.ready]

    def step(self) -> bool:
        """Give the next replica that can go on its turn; False if none can.

        Raises:
            RunError: never; a PE's failure stands in `failure`.
        """
        for _ in range(len(self.replicas)):
            replica = self.replicas[0]
            self.replicas.rotate(-1)
            if replica.ready:
                self.run(replica)
                return True
        return False

    def run(self, replica: Replica) -> None:
        """Give a replica its turn, then send what it wrote."""
        self.hub, self.active = getcurrent(), replica
        try:
            replica.turn()
        finally:
            self.active = None
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

    def fail(self, failure: Failure, error: BaseException) -> None:
        """Take note of how a PE failed, and leave its call.

        Raises:
            Unwind: always.
        """
        if self.failure is None:
            self.failure = (failure, error)
        self.aborted = True
        raise Unwind

    def stop(self) -> None:
        """Call sources no more; what is under way is still processed."""
        self.stopping = True

    def abort(self) -> None:
        """End every call under way, running the PEs' `finally` clauses."""
        self.aborted = True
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
        for reader in readers:
            for outlet in reader.choose(item):
                sender.row[reader.row_slot] += 1
                if self._is_here(outlet):
                    here.append((outlet, reader.port))
                    continue
                if encoded is None:
                    encoded = self.wire.encode(item)
                    sender.row[Field.BYTES_OUT] += encoded.nbytes
                sender.row[reader.row_slot + 1] += encoded.nbytes
                self._put(sender.replica, outlet, reader.port, encoded)
        return here

    def _is_here(self, outlet: Outlet) -> bool:
        where = self._where[outlet.receiver]
        return where == self.number or (where == LAUNCHER and self._collect is not None)

    def deliver(self, replica: Replica, outlet: Outlet, port: int, item: Any) -> None:
        """Hand an item of its own to a reader that lives here, once there is room for it."""
        if outlet.receiver == RESULTS and self._collect is not None:
            self._collect(*self.job.workflow.results[port], item)
            return
        if not outlet.has_room:
            replica.wait(lambda: outlet.has_room)
        if not self._is_here(outlet):  # it has moved while we waited
            self._put(replica, outlet, port, self.wire.encode(item))
            return
        nbytes = payload_bytes(item)
        outlet.count(nbytes)
        target, inlet = self._inlets[outlet.sender, outlet.receiver]
        inlet.arrived += 1
        self._arrive(target, inlet, port, item, nbytes)

    def _put(self, replica: Replica, outlet: Outlet, port: int, encoded: Encoded) -> None:
        """Add an encoded item to the frame for a reader elsewhere, once there is room; send it if nothing is unread."""
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

    def flush(self) -> None:
        """Send every frame that is being filled."""
        for outlet in list(self._unsent.values()):
            self._flush(outlet)

    def _flush(self, outlet: Outlet) -> None:
        self._unsent.pop((outlet.sender, outlet.receiver), None)
        if outlet.batch:
            first = outlet.sent - len(outlet.batch)
            frame = Frame(
                Kind.DATA, outlet.sender, outlet.receiver, first, ports=outlet.batch_ports, items=outlet.batch
            )
            outlet.batch_ports, outlet.batch, outlet.batch_bytes = [], [], 0
            self._send(outlet.receiver, frame)

    def _send(self, receiver: int, frame: Frame) -> None:
        if self._where[receiver] == self.number:
            self.receive(frame)
        else:
            self._links.send(self._where[receiver], frame)

    def close(self, replica: Replica) -> None:
        """Tell everyone that a finished replica wrote to that this was all."""
        self.flush()
        own = {instance.ref.number for instance in replica.instances.values()}
        for outlet in [outlet for outlet in self._outlets.values() if outlet.sender in own]:
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
        elif self._where[frame.receiver] != self.number:
            self._links.send(self._where[frame.receiver], frame)
        elif frame.kind is Kind.CREDIT:
            outlet = self._outlets[frame.receiver, frame.sender]
            outlet.grant(frame.first, frame.credit_bytes, frame.taken)
        else:
            replica, inlet = self._inlets[frame.sender, frame.receiver]
            if frame.kind is Kind.END:
                inlet.end = frame.first
            elif frame.first < inlet.arrived:
                raise RunError(f"items {frame.first} and on of channel {frame.sender}->{frame.receiver} came twice")
            else:
                for port, item in inlet.accept(frame.first, list(frame.ports), list(frame.items)):
                    self._arrive(replica, inlet, port, item, item.nbytes)

    def _arrive(self, replica: Replica, inlet: Inlet, port: int, item: Any, nbytes: int) -> None:
        ref = self.job.plan.instances[inlet.receiver]
        name = self.job.workflow.by_id[ref.pe].inputs[port]
        replica.inbox.append(Arrived(inlet, replica.instances[ref.pe], name, item, nbytes))

    def taken(self, inlet: Inlet, replica: Replica) -> None:
        """An item has been processed: allow the sender more, when it is low or nothing waits here."""
        if inlet.grant(self.job.window, replica.service_ns) or not replica.inbox:
            if self._where[inlet.sender] == self.number:
                outlet = self._outlets[inlet.sender, inlet.receiver]
                outlet.grant(inlet.granted, inlet.granted_bytes, inlet.taken)
            else:
                frame = Frame(
                    Kind.CREDIT, inlet.receiver, inlet.sender, inlet.granted,
                    taken=inlet.taken, credit_bytes=inlet.granted_bytes,
                )  # fmt: skip
                self._send(inlet.sender, frame)

    # Telling.

    def line(self, instance: str, text: str) -> None:
        """Pass on a line that a PE printed or logged."""
        self._links.line(instance, text)

    def event(self, event: Mapping[str, Any]) -> None:
        """Pass on something worth a record."""
        self._links.event(event)

    # Moving. Nothing in the package moves replicas yet; the toy mapping does, to hold this to its promise.

    def release(self, replica: Replica, destination: int) -> bytes:
        """Give up a replica that is between items; what `adopt` needs to go on with it elsewhere.

        Raises:
            RunError: one of its PEs is in the middle of a call.
        """
        if not replica.between_items:
            raise RunError(f"replica {replica.key} is in the middle of a call; move it between two items")
        self.flush()
        replica.unwind()
        self.replicas.remove(replica)
        own = {instance.ref.number: instance for instance in replica.instances.values()}
        outlets = [self._outlets.pop(channel) for channel in list(self._outlets) if channel[0] in own]
        for channel in replica.inlets:
            del self._inlets[channel]
        inbox = [
            (
                arrived.inlet.sender,
                arrived.inlet.receiver,
                arrived.port,
                self._as_encoded(arrived.item),
                arrived.nbytes,
            )
            for arrived in replica.inbox
        ]
        feeds = [(feed.instance.ref.pe, feed.is_source, feed.iterations, list(feed.items)) for feed in replica.feeds]
        state = {
            "key": replica.key,
            "pes": {number: instance.pe for number, instance in own.items()},
            "randoms": {number: instance.random for number, instance in own.items()},
            "inlets": {channel: self._portable(inlet) for channel, inlet in replica.inlets.items()},
            "turns": {number: instance.turns() for number, instance in own.items()},
            "outlets": outlets,
            "inbox": inbox,
            "feeds": feeds,
            "started": replica.started,
        }
        for number in own:
            self._board.forget(number)
            self._where[number] = destination
            self._moves[number] = self._moves.get(number, 0) + 1
        state["moves"] = {number: self._moves[number] for number in own}
        return dump(state)

    def _portable(self, inlet: Inlet) -> Inlet:
        early = {first: (ports, [self._as_encoded(i) for i in items]) for first, (ports, items) in inlet.early.items()}
        return replace(inlet, early=early)

    def _as_encoded(self, item: Any) -> Encoded:
        encoded = item if isinstance(item, Encoded) else self.wire.encode(item)
        return Encoded(bytes(encoded.body), tuple(bytes(b) for b in encoded.buffers), encoded.nbytes)

    def adopt(self, released: bytes) -> None:
        """Go on with a replica that another worker released."""
        state = pickle.loads(released)
        for outlet in state["outlets"]:
            self._outlets[outlet.sender, outlet.receiver] = outlet
        replica = self._assemble(state["key"], state["pes"])
        replica.inlets, replica.started = state["inlets"], state["started"]
        for pe, is_source, iterations, items in state["feeds"]:
            replica.feeds.append(Feed(replica.instances[pe], is_source, iterations, deque(items)))
        for instance in replica.instances.values():
            instance.random = state["randoms"][instance.ref.number]
            instance.resume(state["turns"][instance.ref.number])
        self._moves |= state["moves"]
        self._host(replica)
        for sender, receiver, port, item, nbytes in state["inbox"]:
            target = replica.instances[self.job.plan.instances[receiver].pe]
            replica.inbox.append(Arrived(replica.inlets[sender, receiver], target, port, item, nbytes))

    def moves(self, number: int) -> int:
        """How often an instance has moved, as far as is known here."""
        return self._moves.get(number, 0)

    def _relocate(self, number: int, worker: int, move: int) -> None:
        """Send to an instance at its new place from now on, unless a later move is known."""
        if move > self.moves(number) and self._where[number] != self.number:
            self._where[number] = worker
            self._moves[number] = move
