"""Builds stage replicas: copies of the PEs, joined to each other and to the channels that lead elsewhere."""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from d4py_adaptive.dataflow.grouping import GroupBy, Shuffle
from d4py_adaptive.dataflow.plan import InstanceRef
from d4py_adaptive.dataflow.workflow import Stream, Workflow
from d4py_adaptive.mappings.channel import Inlet, Outlet, Window
from d4py_adaptive.mappings.error_policy import policy_of
from d4py_adaptive.mappings.instance import Instance
from d4py_adaptive.mappings.instantiate import instantiate
from d4py_adaptive.mappings.randomness import RandomScope, instance_seed
from d4py_adaptive.mappings.replica import Feed, Key, Replica
from d4py_adaptive.mappings.routing import FusedReader, QueuedReader
from d4py_adaptive.telemetry.board import PER_STREAM, Board, Field, outgoing
from d4py_adaptive.telemetry.timeline import TimelineWriter

if TYPE_CHECKING:
    from d4py_adaptive.mappings.worker import Worker

RESULTS = 2**32 - 1
"""Number of the pseudo-instance that takes the run's results; it lives with whoever launched the workers."""


PROBED_LOOK_SHARE = 100
"""A full profile may spend one in so many nanoseconds on looks at single calls."""


def _keys(stream: Stream) -> GroupBy | None:
    return stream.grouping if isinstance(stream.grouping, GroupBy) else None


class Assembly:
    """Builds the replicas of one worker.

    Args:
        worker: their host.
        board: where their instances count.
    """

    def __init__(self, worker: Worker, board: Board) -> None:
        self._worker = worker
        self._board = board
        self._job = worker.job
        self._result_ports = {result: number for number, result in enumerate(worker.job.workflow.results)}

    def _refs(self, key: Key) -> list[InstanceRef]:
        stage, index = key
        return [self._job.plan.instances_of[pe][index] for pe in self._job.plan.stages[stage].pes]

    def new(self, key: Key) -> Replica:
        """A replica as it is when the run starts."""
        job = self._job
        pes = {
            ref.number: instantiate(job.workflow.by_id[ref.pe].prototype, ref, job.seed, job.explicit_seed)
            for ref in self._refs(key)
        }
        replica = self.around(key, pes)
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

    def around(self, key: Key, pes: Mapping[int, Any]) -> Replica:
        """A replica around these PEs, its instances joined to each other and to their outlets."""
        job, replica = self._job, Replica(self._worker, key)
        for ref in self._refs(key):
            node = job.workflow.by_id[ref.pe]
            watched = job.digests and not job.workflow.outbound[ref.pe] and not _merges(job.workflow, ref.pe)
            instance = Instance(
                ref,
                pes[ref.number],
                replica,
                self._board.row(ref.number),
                self._board.sketch(ref.number),
                self._timeline(ref),
                policy_of(node, job.on_error),
                RandomScope(instance_seed(job.seed, ref)) if ref.pe in job.random else None,
                ref.pe in job.guarded and len(job.plan.instances_of[ref.pe]) > 1,
                self._worker.digests.setdefault(ref.pe, Counter()) if watched else None,
            )
            instance.row[Field.PID] = os.getpid()
            instance.is_source = ref.pe in job.workflow.sources
            if job.instrument is not None:
                instance.probe = job.instrument.probe(ref.pe, ref.index, job.origin_ns)
                replica.has_probes = True
                replica.laps.look_share, replica.laps.look_cost_ns = PROBED_LOOK_SHARE, 0
            replica.instances[ref.pe] = instance
        for instance in replica.instances.values():
            for port in job.workflow.by_id[instance.ref.pe].outputs:
                instance.readers[port] = self._readers(replica, instance, port)
        return replica

    def _timeline(self, ref: InstanceRef) -> TimelineWriter | None:
        job = self._job
        if not job.metered:
            return None
        now = job.clock()
        return TimelineWriter(self._board.timeline(ref.number), job.origin_ns or now, now)

    def _readers(
        self, replica: Replica, instance: Instance, port: str
    ) -> tuple[tuple[FusedReader, ...], tuple[QueuedReader, ...]]:
        workflow, pe = self._job.workflow, instance.ref.pe
        slots = {name: len(Field) + PER_STREAM * i for i, name in enumerate(outgoing(workflow, pe))}
        fused: list[FusedReader] = []
        queued: list[QueuedReader] = []
        for stream in workflow.outbound[pe]:
            if stream.output != port:
                continue
            target = replica.instances.get(stream.target)
            if target is not None:
                fused.append(FusedReader(target, stream.input, slots[stream.id], _keys(stream), stream.id))
            else:
                queued.append(self._queued_reader(instance.ref, stream, slots[stream.id]))
        if (pe, port) in self._result_ports:
            outlet = self._outlet(instance.ref.number, RESULTS)
            stream = Stream(f"{pe}.{port}", pe, port, "", "", Shuffle())
            slot = slots[stream.id]
            queued.append(QueuedReader(stream, self._result_ports[pe, port], [outlet], 0, False, slot))
        readers: tuple[FusedReader | QueuedReader, ...] = (*fused, *queued)
        for reader in readers:
            reader.items, reader.copy_ns = instance.row[reader.row_slot], instance.row[reader.row_slot + 2]
        for sent in queued:
            sent.payload_bytes = instance.row[sent.row_slot + 1]
        fused.sort(key=lambda reader: not reader.target.pe.read_only)
        return tuple(fused), tuple(queued)

    def _queued_reader(self, sender: InstanceRef, stream: Stream, slot: int) -> QueuedReader:
        targets = self._job.plan.instances_of[stream.target]
        outlets = [self._outlet(sender.number, target.number) for target in targets]
        port = self._job.workflow.by_id[stream.target].inputs.index(stream.input)
        counted = stream.target not in self._job.interchangeable
        return QueuedReader(stream, port, outlets, sender.index, counted, slot)

    def _outlet(self, sender: int, receiver: int) -> Outlet:
        window = self._job.window
        return self._worker.outlets.setdefault(
            (sender, receiver), Outlet(sender, receiver, Window.FIRST, window.payload_bytes)
        )

    def _senders(self, ref: InstanceRef) -> set[int]:
        """Numbers of the instances in other stages that write to this one."""
        plan = self._job.plan
        feeding = {stream.source for stream in self._job.workflow.inbound[ref.pe]}
        return {sender.number for pe in feeding if plan.stage_of[pe] != ref.stage for sender in plan.instances_of[pe]}


def _merges(workflow: Workflow, pe: str) -> bool:
    """Whether a PE receives partial results, whose number and size are the plan's business."""
    return any(workflow.by_id[stream.source].prototype.combines for stream in workflow.inbound[pe])
