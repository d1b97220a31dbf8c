"""dispel4py's monitoring trace: a row `PE,rank,method,data,start,end` for each thing that an instance did.

`read` is what an instance waits for an item, and decoding it; `write` is handing an item over: encoding it, or putting
it into a queue. dispel4py's queues are not bounded, so nobody waits for room. A write lies inside a `process` where the
PE calls `write`, and behind it where it returns its items; its time is its own in either case. A row is written when
what it tells of has ended, but rows of `write` may come before that of the `process` which preceded them.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter, itemgetter

from d4py_adaptive.errors import InputError
from d4py_adaptive.profiler.foreign.calls import together
from d4py_adaptive.profiler.foreign.monitored import Link, MonitoredInstance
from d4py_adaptive.profiler.foreign.ordering import CORES_ASSUMED, in_rank_order, in_topological_order
from d4py_adaptive.profiler.foreign.table import Table, check_some_rows
from d4py_adaptive.telemetry.profile import InstanceProfile, PEProfile, Profile, Scaling, Span, Split, StreamProfile

COLUMNS = ("PE", "rank", "method", "data", "start", "end")
METHODS = ("preprocess", "read", "process", "write", "postprocess", "terminate")
_OVERLAP = 1.02
_OVERLAP_S = 0.001


def holds_events(first: Sequence[str]) -> bool:
    """Whether a file with this first row is such a trace; older ones have no header."""
    if tuple(first) == COLUMNS:
        return True
    return len(first) >= len(COLUMNS) and first[2] in METHODS and all(re.fullmatch(r"[\d.e+]+", t) for t in first[-2:])


def read_events(tables: Sequence[Table], workflow: str) -> Profile:
    """The profile of a run, from its trace, in one file or several.

    Raises:
        InputError: they are not such a trace, or not of one run.
    """
    instances: dict[tuple[str, str], MonitoredInstance] = {}
    links: defaultdict[Link, int] = defaultdict(int)
    for table in tables:
        _read_table(table, instances, links)
    check_some_rows(tables)
    _check_one_run(instances.values())
    for instance in instances.values():
        instance.finish()
        _check_overlap(instance)
    return _profile(workflow, tables, list(instances.values()), links)


def _read_table(
    table: Table, instances: dict[tuple[str, str], MonitoredInstance], links: defaultdict[Link, int]
) -> None:
    """Take a file's rows."""
    for row in table.rows(header=tuple(table.first) == COLUMNS):
        if len(row) < len(COLUMNS):
            raise table.wrong(f"{len(COLUMNS)} fields are needed, {','.join(COLUMNS)}", f"{len(row)}")
        method = row[2]
        if method not in METHODS:
            raise table.wrong(f"method must be one of {', '.join(METHODS)}", repr(method))
        start_s, end_s = table.seconds(row[-2], "start"), table.seconds(row[-1], "end")
        if end_s < start_s:
            raise table.wrong("end must not lie before start", f"{start_s - end_s:.6f} s earlier")
        instance = instances.get((row[0], row[1])) or _new_instance(row, table, start_s, end_s, instances)
        if method == "preprocess" and instance.begun:
            raise table.wrong(
                f"{instance.pe} of rank {instance.rank} must begin once",
                f"a second time after what {instance.table.name} says",
                "give the trace of one run; each run needs a file of its own",
            )
        data = row[3] if len(row) == len(COLUMNS) else ",".join(row[3:-2])  # older traces do not quote it
        try:
            instance.take(method, data, start_s, end_s, links)
        except ValueError as error:
            raise table.wrong(str(error), data or "nothing") from error


def _new_instance(
    row: Sequence[str], table: Table, start_s: float, end_s: float, instances: dict[tuple[str, str], MonitoredInstance]
) -> MonitoredInstance:
    pe, rank = row[0], row[1]
    if not rank.isdecimal():
        raise table.wrong("rank must be a whole number, 0 or more", repr(rank))
    if not pe:
        raise table.wrong("PE must be a name", "empty")
    instance = instances[pe, rank] = MonitoredInstance(pe, rank, table, start_s, end_s)
    return instance


def _check_one_run(instances: Iterable[MonitoredInstance]) -> None:
    """Raise where two files speak of one rank, but not of one time: the ranks of a run live side by side."""
    last: dict[str, MonitoredInstance] = {}
    for each in sorted(instances, key=attrgetter("first_s")):
        before = last.get(each.rank, each)
        if before.table is not each.table and each.first_s > before.last_s:
            raise InputError(
                f"{each.table.name}: {each.pe} of rank {each.rank} must be of the same run as the other files, not "
                f"begin after {before.pe} of that rank has ended in {before.table.name}; read them one at a time"
            )
        last[each.rank] = max(before, each, key=attrgetter("last_s"))


def _check_overlap(instance: MonitoredInstance) -> None:
    life_s, known_s = instance.last_s - instance.first_s, instance.busy_s + instance.starved_s
    if known_s > life_s * _OVERLAP + _OVERLAP_S:
        raise InputError(
            f"{instance.table.name}: {instance.pe} of rank {instance.rank} must do one thing at a time, "
            f"not {known_s:.3f} s of work in {life_s:.3f} s; are these two runs, or was the clock set?"
        )


def _profile(
    workflow: str, tables: Sequence[Table], seen: Sequence[MonitoredInstance], links: Mapping[Link, int]
) -> Profile:
    start_s, end_s = min(each.first_s for each in seen), max(each.last_s for each in seen)
    of: dict[str, dict[str, MonitoredInstance]] = defaultdict(dict)
    for each in seen:
        of[each.pe][each.rank] = each
    streams = _streams(of, links)
    pes = in_topological_order(list(of), [(stream.source, stream.target) for stream in streams])
    on_rank: defaultdict[str, float] = defaultdict(float)
    for each in seen:
        on_rank[each.rank] += each.busy_s
    instances = [
        _instance_profile(of[pe][rank], index, stage, start_s, end_s, on_rank[rank] - of[pe][rank].busy_s)
        for stage, pe in enumerate(pes)
        for index, rank in enumerate(in_rank_order(of[pe]))
    ]
    return Profile(
        workflow=workflow,
        level="foreign",
        partial=any(table.cut for table in tables) or not all(each.ended for each in seen),
        wall_s=end_s - start_s,
        recorded_at_s=start_s,
        cores=len(on_rank),
        pes=tuple(_pe(pe, list(of[pe].values()), [one for one in instances if one.pe == pe], streams) for pe in pes),
        streams=streams,
        stages=tuple((pe,) for pe in pes),
        instances=tuple(instances),
        notes=_notes(tables, seen, links),
    )


def _instance_profile(
    each: MonitoredInstance, index: int, stage: int, start_s: float, end_s: float, others_s: float
) -> InstanceProfile:
    known_s = each.busy_s + each.starved_s
    wall_s = max(each.last_s - each.first_s, known_s)
    others_s = min(max(0.0, others_s), wall_s - known_s)
    return InstanceProfile(
        pe=each.pe,
        index=index,
        worker=int(each.rank),
        stage=stage,
        items_in=each.items_in,
        items_out=sum(each.items_out.values()),
        calls=each.calls.number,
        wall_s=wall_s,
        split=Split(
            compute_s=each.compute_s,
            serialise_s=each.serialise_s,
            starved_s=each.starved_s,
            others_s=others_s,
            overhead_s=max(0.0, wall_s - known_s - others_s) + each.overhead_s,
        ),
        timeline=each.slots.timeline(start_s, end_s),
        spans=tuple(
            Span(start_s=begin_s - start_s, end_s=begin_s - start_s + duration_s, kind=kind)
            for duration_s, begin_s, kind in sorted(each.spans, key=itemgetter(1))
        ),
    )


def _pe(
    pe: str,
    seen: Sequence[MonitoredInstance],
    instances: Sequence[InstanceProfile],
    streams: Sequence[StreamProfile],
) -> PEProfile:
    calls = together(each.calls for each in seen)
    items_in = sum(each.items_in for each in seen)
    items_out: defaultdict[str, int] = defaultdict(int)
    for each in seen:
        for output, items in each.items_out.items():
            items_out[output] += items
    per = items_in or calls.number
    inbound = [stream for stream in streams if stream.target == pe]
    bytes_in = sum(stream.bytes for stream in inbound)
    return PEProfile(
        pe=pe,
        scaling=Scaling(is_source=bool(streams) and not inbound),
        instances=len(seen),
        items_in=items_in,
        items_out=sum(items_out.values()),
        bytes_in=bytes_in,
        bytes_out=sum(sum(each.bytes_out.values()) for each in seen),
        selectivity={output: items / per for output, items in sorted(items_out.items())} if per else {},
        item_in_bytes=bytes_in / items_in if bytes_in and items_in else None,
        setup_s=sum(each.own_s for each in seen),
        service=calls.service(),
        split=Split(**{part: sum(getattr(one.split, part) for one in instances) for part in Split.__struct_fields__}),
    )


def _streams(of: Mapping[str, Mapping[str, MonitoredInstance]], links: Mapping[Link, int]) -> tuple[StreamProfile, ...]:
    """The streams that items were seen on, and the outputs that nobody reads."""
    written: defaultdict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for pe, ranks in of.items():
        for each in ranks.values():
            for output, items in each.items_out.items():
                written[pe, output][0] += items
                written[pe, output][1] += each.bytes_out[output]
    streams = []
    for (source, output, target, port), items in links.items():
        writes, size = written[source, output]
        item_bytes = size / writes if size else None
        streams.append(
            StreamProfile(
                id=f"{source}.{output}->{target}.{port}",
                source=source,
                output=output,
                target=target,
                input=port,
                items=items,
                bytes=round(items * (item_bytes or 0)),
                item_bytes=item_bytes,
            )
        )
    read = {(source, output) for source, output, _, _ in links}
    for (source, output), (items, size) in written.items():
        if (source, output) not in read and links:
            streams.append(
                StreamProfile(
                    id=f"{source}.{output}",
                    source=source,
                    output=output,
                    items=items,
                    bytes=size,
                    item_bytes=size / items if size else None,
                )
            )
    return tuple(streams)


def _notes(tables: Sequence[Table], seen: Sequence[MonitoredInstance], links: Mapping[Link, int]) -> tuple[str, ...]:
    rows = sum(table.read for table in tables)
    names = ", ".join(table.path.name for table in tables)
    open_ended = [f"{each.pe} of rank {each.rank}" for each in seen if not each.ended]
    failed = Counter({each.pe: 0 for each in seen})
    for each in seen:
        failed[each.pe] += each.failed
    return (
        f"read from dispel4py's monitoring trace {names}, {rows:,} rows",
        *(table.cut_note for table in tables if table.cut),
        *([f"the run did not end, or its trace is cut: no last row of {_some(open_ended)}"] if open_ended else []),
        *(["the trace does not say where items come from, so streams are unknown"] if not links else []),
        *(f"{number:,} call(s) of {pe} failed" for pe, number in failed.items() if number),
        "writing an item counts as serialising; dispel4py's queues are not bounded, so that nothing waits for room",
        "waiting for an item includes decoding it",
        "sizes of items are those of Python objects in memory, not of what was sent",
        CORES_ASSUMED,
        "not in the trace: groupings, memory, processor time, and the wait of items in queues",
    )


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown
