"""What a worker tells of itself: its counters on the board while it runs, and what is known only at its end."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from d4py_adaptive.mappings.meter import Waited
from d4py_adaptive.telemetry.board import Field

if TYPE_CHECKING:
    from d4py_adaptive.mappings.instance import Instance
    from d4py_adaptive.mappings.replica import Replica
    from d4py_adaptive.mappings.worker import Worker


def publish(replica: Replica, now_ns: int) -> int:
    """Put the counters of a replica's instances on the board; how many there are."""
    instances = list(replica.instances.values())
    for instance, waited in zip(instances, replica.laps.shares(instances, now_ns), strict=True):
        _publish(instance, waited)
    return len(instances)


def _publish(instance: Instance, waited: Waited) -> None:
    blocked_ns = instance.blocked_ns + (waited.blocked_ns if instance.is_blocked else 0)
    timer, bytes_out = instance.timer, instance.bytes_out + _count_streams(instance)
    counters = (
        timer.timed, timer.longest_ns, instance.items_in, instance.items_out, instance.bytes_in, bytes_out,
        instance.skipped, instance.retried, instance.compute_ns, instance.serialise_ns, instance.codec_ns, blocked_ns,
        waited.starved_ns, waited.others_ns, waited.overhead_ns, waited.life_ns, instance.cpu_ns, instance.cpu_of_ns,
        instance.setup_ns, instance.own_cpu_ns,
    )  # fmt: skip
    instance.row[Field.TIMED : len(Field)] = array("q", counters)
    instance.sketch[:] = timer.counts
    timeline = instance.timeline
    if timeline is not None and (waited.now_ns >= timeline.due_ns or instance.replica.finished):
        totals = (instance.compute_ns, instance.serialise_ns, blocked_ns, waited.starved_ns)
        timeline.record(totals, waited.now_ns)


def _count_streams(instance: Instance) -> int:
    """Put the figures of an instance's streams on the board; bytes of the small values that were sent together."""
    row, flat = instance.row, 0
    for fused, queued in instance.readers.values():
        for called in fused:
            slot = called.row_slot
            row[slot], row[slot + 2] = called.items, called.copy_ns
        for reader in queued:
            slot, of_reader = reader.row_slot, reader.flat_bytes
            flat += of_reader
            row[slot], row[slot + 1], row[slot + 2] = reader.items, reader.payload_bytes + of_reader, reader.copy_ns
    return flat


def report(worker: Worker) -> None:
    """Pass on digests of what reached PEs that end a path, what the process used, and what probes found."""
    for pe, counted in worker.digests.items():
        for (port, digest), number in counted.items():
            worker.event({"event": "digest", "pe": pe, "port": port, "digest": digest, "number": number})
    worker.event({"event": "usage", "usage": worker.usage.report()})
    for replica in worker.replicas:
        for instance in replica.instances.values():
            if instance.probe is not None:
                found = instance.probe.report()
                worker.event({"event": "probe", "pe": instance.ref.pe, "index": instance.ref.index, "found": found})
