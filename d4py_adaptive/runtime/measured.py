"""What a run measured, as a profile: the counters on the board, and what workers and probes reported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Any, Literal

from d4py_adaptive.dataflow.counts import InstanceCount
from d4py_adaptive.dataflow.fingerprint import workflow_fingerprint
from d4py_adaptive.dataflow.grouping import AllToOne, GroupBy, Grouping, OneToAll
from d4py_adaptive.dataflow.plan import InstanceRef
from d4py_adaptive.dataflow.workflow import Stream
from d4py_adaptive.mappings.job import Job
from d4py_adaptive.telemetry.board import Board, Counters
from d4py_adaptive.telemetry.profile import (
    InstanceProfile,
    PEProfile,
    Profile,
    Scaling,
    ServiceTime,
    Span,
    Split,
    StateSeen,
    StreamProfile,
    Timeline,
    WorkerProfile,
)
from d4py_adaptive.telemetry.sketch import counts_of, deviation_s, merged, quantile_s
from d4py_adaptive.telemetry.timeline import read_timeline

if TYPE_CHECKING:
    from d4py_adaptive.profiler.instruments import Findings

LEAST_CPU_S = 0.002
"""Calls of so much time together, at least, must have had their processor time measured for it to mean anything."""


@dataclass(frozen=True)
class Reports:
    """What workers told at their end.

    Attributes:
        usage: what each process took of the machine.
        found: what the probes found, by PE and number of instance.
    """

    usage: Sequence[Mapping[str, Any]]
    found: Mapping[tuple[str, int], Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """Where and how a run took place, as far as its counters do not say.

    Attributes:
        codes: the digest of each PE's code, as it was when the run began.
    """

    workflow: str
    mapping: str
    host: str
    cores: int
    memory_bytes: int
    wall_s: float
    start_s: float
    preload_s: float
    recorded_at_s: float
    codes: Mapping[str, str]
    partial: bool
    notes: tuple[str, ...] = ()


def measured(
    job: Job, counts: Mapping[str, InstanceCount], board: Board, reports: Reports, where: Circumstances
) -> Profile:
    """The profile of a run that has ended."""
    workflow, plan = job.workflow, job.plan
    counters = {(c.pe, c.index): c for c in board.read()}
    workers = tuple(WorkerProfile(**usage) for usage in sorted(reports.usage, key=lambda usage: usage["number"]))
    of_pe = {node.id: [counters[ref.pe, ref.index] for ref in plan.instances_of[node.id]] for node in workflow.nodes}
    cpu = _cpu_shares(job, counters, workers)
    found = _findings(of_pe, reports)
    return Profile(
        workflow=where.workflow,
        fingerprint=workflow_fingerprint(workflow),
        host=where.host,
        level="counters" if job.instrument is None else "full",
        partial=where.partial,
        mapping=where.mapping,
        cores=where.cores,
        memory_bytes=where.memory_bytes,
        wall_s=where.wall_s,
        start_s=where.start_s,
        preload_s=where.preload_s,
        recorded_at_s=where.recorded_at_s,
        pes=tuple(
            _pe(job, pe, where.codes.get(pe, ""), of_pe[pe], counts[pe], board, cpu.get(pe), found[pe])
            for pe in workflow.order
        ),
        streams=tuple(_streams(job, of_pe, found)),
        stages=tuple(stage.pes for stage in plan.stages),
        instances=tuple(_instance(job, ref, counters[ref.pe, ref.index], board, reports) for ref in plan.instances),
        workers=workers,
        notes=where.notes,
    )


def _findings(of_pe: Mapping[str, Sequence[Counters]], reports: Reports) -> dict[str, Findings | None]:
    if not reports.found:
        return dict.fromkeys(of_pe)
    from d4py_adaptive.profiler.instruments import Findings

    return {pe: Findings.merged([reports.found.get((pe, c.index)) for c in group]) for pe, group in of_pe.items()}


def _spans(found: Mapping[str, Any]) -> tuple[Span, ...]:
    from d4py_adaptive.profiler.instruments import spans_of

    return spans_of(found)


def _split(counters: Counters) -> Split:
    return Split(
        compute_s=counters.busy_s,
        serialise_s=counters.serialise_s,
        codec_s=counters.codec_s,
        blocked_s=counters.blocked_s,
        starved_s=counters.starved_s,
        others_s=counters.others_s,
        overhead_s=counters.overhead_s,
    )


def _sum(splits: Sequence[Split]) -> Split:
    return Split(**{name: sum(getattr(split, name) for split in splits) for name in Split.__struct_fields__})


def _pe(
    job: Job,
    pe: str,
    code: str,
    group: Sequence[Counters],
    count: InstanceCount,
    board: Board,
    cpu_share: float | None,
    found: Findings | None,
) -> PEProfile:
    node, workflow = job.workflow.by_id[pe], job.workflow
    items_in, calls = sum(c.items_in for c in group), sum(c.item for c in group)
    setup_s = sum(c.setup_s for c in group)
    service = _service(job, pe, group, calls, setup_s, board, cpu_share)
    bytes_in = sum(c.bytes_in for c in group)
    sizes = found.item_bytes if found is not None else None
    return PEProfile(
        pe=pe,
        code=code,
        instances=len(group),
        items_in=items_in,
        items_out=sum(c.items_out for c in group),
        bytes_in=bytes_in,
        bytes_out=sum(c.bytes_out for c in group),
        selectivity=_selectivity(job, pe, group, items_in or calls),
        item_in_bytes=bytes_in / items_in if bytes_in and items_in else sizes,
        skipped=sum(c.skipped for c in group),
        retried=sum(c.retried for c in group),
        setup_s=setup_s,
        service=service,
        cost=found.cost(service.mean_s) if found is not None else None,
        split=_sum([_split(c) for c in group]),
        state=StateSeen(
            declared=node.prototype.stateless,
            stateless_by_code=count.state.stateless,
            reason=count.state.reason,
            looks=found.state.looks if found is not None else 0,
            changed=found.state.changed if found is not None else {},
            unseen=found.state.unseen if found is not None else {},
        ),
        scaling=Scaling(
            fixed=count.fixed,
            at_most=count.at_most,
            keyed=count.keyed,
            is_source=pe in workflow.sources,
            reason=count.reason,
        ),
    )


def _service(
    job: Job, pe: str, group: Sequence[Counters], calls: int, setup_s: float, board: Board, cpu_share: float | None
) -> ServiceTime:
    buckets = merged(counts_of(board.sketch(ref.number).tolist()) for ref in job.plan.instances_of[pe])
    longest_s, deviation = max(c.longest_s for c in group), deviation_s(buckets)
    return ServiceTime(
        calls=calls,
        timed=sum(c.timed for c in group),
        mean_s=max(0.0, sum(c.busy_s for c in group) - setup_s) / calls if calls else 0.0,
        mean_error_s=1.96 * deviation / sqrt(calls) if calls else 0.0,
        p50_s=min(quantile_s(buckets, 0.5), longest_s),
        p95_s=min(quantile_s(buckets, 0.95), longest_s),
        p99_s=min(quantile_s(buckets, 0.99), longest_s),
        max_s=longest_s,
        deviation_s=deviation,
        buckets=buckets,
        cpu_share=cpu_share,
        own_cpu_share=sum(c.own_cpu_s for c in group) / of_s if (of_s := sum(c.cpu_of_s for c in group)) else None,
    )


def _cpu_shares(
    job: Job, counters: Mapping[tuple[str, int], Counters], workers: Sequence[WorkerProfile]
) -> dict[str, float]:
    """Processor time over wall time of each PE's code.

    Of a PE whose calls are too short to be measured by themselves, or all in one, it is what the processes that host
    it used beyond what is known of the others there.
    """
    shares: dict[str, float] = {}
    for pe, refs in job.plan.instances_of.items():
        group = [counters[pe, ref.index] for ref in refs]
        of_s, busy_s = sum(c.cpu_of_s for c in group), sum(c.busy_s for c in group)
        if of_s >= max(LEAST_CPU_S, 0.002 * busy_s):
            shares[pe] = sum(c.cpu_s for c in group) / of_s
    left: dict[int, float] = {worker.number: worker.cpu_s for worker in workers}
    unknown: dict[int, float] = {}
    for ref in job.plan.instances:
        counter, worker = counters[ref.pe, ref.index], job.plan.worker_of(ref)
        if worker not in left:
            continue
        left[worker] -= counter.serialise_s + counter.codec_s + counter.overhead_s
        if ref.pe in shares:
            left[worker] -= shares[ref.pe] * counter.busy_s
        else:
            unknown[worker] = unknown.get(worker, 0.0) + counter.busy_s
    for pe, refs in job.plan.instances_of.items():
        of_each = [(counters[pe, ref.index].busy_s, job.plan.worker_of(ref)) for ref in refs]
        worked = [(of_it_s, host) for of_it_s, host in of_each if of_it_s]
        busy_s = sum(of_it_s for of_it_s, _ in worked)
        if pe not in shares and busy_s >= LEAST_CPU_S and all(host in left for _, host in worked):
            used = sum(max(0.0, left[host]) * of_it_s / unknown[host] for of_it_s, host in worked)
            shares[pe] = min(1.0, used / busy_s)
    return shares


def _selectivity(job: Job, pe: str, group: Sequence[Counters], calls: int) -> dict[str, float]:
    """Items written to each output per item received, whoever reads them."""
    if not calls:
        return {}
    written: dict[str, float] = {}
    for stream in job.workflow.outbound[pe]:
        readers = len(job.plan.instances_of[stream.target]) if isinstance(stream.grouping, OneToAll) else 1
        items = sum(c.streams[stream.id][0] for c in group) / readers
        written[stream.output] = max(written.get(stream.output, 0.0), items)
    for owner, port in job.workflow.results:
        if owner == pe:
            written[port] = sum(c.streams[f"{pe}.{port}"][0] for c in group)
    return {port: items / calls for port, items in written.items()}


def _streams(
    job: Job, of_pe: Mapping[str, Sequence[Counters]], found: Mapping[str, Findings | None]
) -> list[StreamProfile]:
    workflow, plan = job.workflow, job.plan
    results = [Stream(f"{pe}.{port}", pe, port, "", "", AllToOne()) for pe, port in workflow.results]
    streams = []
    for stream in [*workflow.streams, *results]:
        group, of_source = of_pe[stream.source], found[stream.source]
        seen = of_source.streams.get(stream.id) if of_source is not None else None
        items, nbytes = (sum(c.streams[stream.id][i] for c in group) for i in (0, 1))
        size = nbytes / items if nbytes and items else seen.item_bytes if seen is not None else None
        streams.append(
            StreamProfile(
                id=stream.id,
                source=stream.source,
                output=stream.output,
                target=stream.target,
                input=stream.input,
                grouping=_grouping(stream.grouping) if stream.target else "shuffle",
                keys=tuple(map(str, stream.grouping.keys)) if isinstance(stream.grouping, GroupBy) else (),
                fused=bool(stream.target) and plan.stage_of[stream.source] == plan.stage_of[stream.target],
                items=items,
                bytes=nbytes or round((size or 0.0) * items),
                item_bytes=size,
                copy_s=sum(c.copy_s.get(stream.id, 0.0) for c in group),
                compressibility=seen.compressibility if seen is not None else None,
                distinct_keys=seen.distinct_keys if seen is not None else None,
                heavy_keys=seen.heavy_keys if seen is not None else (),
            )
        )
    return streams


def _grouping(grouping: Grouping) -> Literal["shuffle", "group_by", "one_to_all", "all_to_one"]:
    if isinstance(grouping, GroupBy):
        return "group_by"
    if isinstance(grouping, OneToAll):
        return "one_to_all"
    return "all_to_one" if isinstance(grouping, AllToOne) else "shuffle"


def _instance(job: Job, ref: InstanceRef, counters: Counters, board: Board, reports: Reports) -> InstanceProfile:
    slot_s, kinds = read_timeline(board.timeline(ref.number).tolist())
    found = reports.found.get((ref.pe, ref.index))
    return InstanceProfile(
        pe=ref.pe,
        index=ref.index,
        worker=job.plan.worker_of(ref),
        stage=ref.stage,
        items_in=counters.items_in,
        items_out=counters.items_out,
        calls=counters.item,
        wall_s=counters.life_s,
        split=_split(counters),
        timeline=Timeline(slot_s=slot_s, **{f"{kind}_s": seconds for kind, seconds in kinds.items()}),
        spans=_spans(found) if found is not None else (),
    )
