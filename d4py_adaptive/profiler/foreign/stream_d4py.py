"""The timing files of stream-d4py's mappings `timed_simple`, `timed_multi` and `timed_mpi`.

They tell how long each call of `process` took, with what it waited in `write`, but not when it was. A run has a file
of calls and one of sums per instance, and files in which those of all instances are put together; whichever of them are
given are read, and must agree.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec.structs import replace

from d4py_adaptive.errors import InputError
from d4py_adaptive.profiler.foreign.calls import together
from d4py_adaptive.profiler.foreign.ordering import CORES_ASSUMED, in_rank_order, in_topological_order
from d4py_adaptive.profiler.foreign.shape import read_shape
from d4py_adaptive.profiler.foreign.table import Table, check_some_rows
from d4py_adaptive.profiler.foreign.timings import Figures, Key, read_figures
from d4py_adaptive.telemetry.profile import (
    InstanceProfile,
    PEProfile,
    Profile,
    Scaling,
    ServiceTime,
    Split,
    StreamProfile,
)

_RUN = re.compile(r"_run([^.]+)\.(?:csv|json)$")


def read_timings(tables: Sequence[Table], shapes: Sequence[Path], workflow: str) -> Profile:
    """The profile of a run, from whichever of its files are given.

    Raises:
        InputError: they are not such files, or not of one run.
    """
    _check_one_run([*(table.path for table in tables), *shapes])
    best: dict[Key, Figures] = {}
    for table in tables:
        for key, figures in read_figures(table).items():
            best[key] = _better(key, best.get(key), figures)
    check_some_rows(tables)
    instances: dict[str, dict[str, Figures]] = defaultdict(dict)
    for (pe, rank), figures in best.items():
        if rank:
            instances[pe][rank] = figures
    sums = {pe: figures for (pe, rank), figures in best.items() if not rank}
    for pe, figures in sums.items():
        _check_sums(pe, figures, instances.get(pe, {}))
    streams = {stream.id: stream for path in sorted(shapes, key=_more_telling) for stream in read_shape(path)}
    return _profile(workflow, tables, instances, sums, list(streams.values()))


def _more_telling(path: Path) -> bool:
    """Puts the graph of instances, which names the groupings, behind that of PEs."""
    return "_concrete_shape_" in path.name


def _check_one_run(paths: Sequence[Path]) -> None:
    runs = {found[1]: path for path in paths if (found := _RUN.search(path.name))}
    if len(runs) > 1:
        one, other = list(runs.values())[:2]
        raise InputError(
            f"files of one run are needed; {one} and {other} are of {len(runs)} runs: "
            f"give those of one, *_run{next(iter(runs))}.csv"
        )


def _better(key: Key, one: Figures | None, other: Figures) -> Figures:
    """Whichever of two files says more of an instance; what both say must agree."""
    if one is None:
        return other
    whole = not one.table.cut and not other.table.cut
    if whole and not one.agrees(other.calls.number, other.calls.total_s):
        of = f"{key[0]} of rank {key[1]}" if key[1] else key[0]
        raise InputError(
            f"{other.table.name}, line {other.line}: {of} must have what {one.table.name} says, "
            f"{one.calls.number} calls in {one.calls.total_s:.6f} s, not {other.calls.number} in "
            f"{other.calls.total_s:.6f} s; give the files of one run"
        )
    return max(one, other, key=lambda figures: (not figures.table.cut, figures.detail))


def _check_sums(pe: str, sums: Figures, instances: Mapping[str, Figures]) -> None:
    calls = together(figures.calls for figures in instances.values())
    cut = sums.table.cut or any(figures.table.cut for figures in instances.values())
    if instances and not cut and not sums.agrees(calls.number, calls.total_s):
        raise InputError(
            f"{sums.table.name}, line {sums.line}: {pe} has {sums.calls.number} calls on {sums.ranks} rank(s), "
            f"but the other files tell of {calls.number} on {len(instances)}; "
            "give the files of all ranks, or this file alone"
        )


def _profile(
    workflow: str,
    tables: Sequence[Table],
    instances: Mapping[str, Mapping[str, Figures]],
    sums: Mapping[str, Figures],
    streams: Sequence[StreamProfile],
) -> Profile:
    known = list(dict.fromkeys((*instances, *sums)))
    pes = in_topological_order(known, [(stream.source, stream.target) for stream in streams])
    services = {pe: _service(instances.get(pe, {}), sums.get(pe)) for pe in pes}
    readers = Counter(stream.target for stream in streams)
    one_input = {pe for pe in pes if readers[pe] == 1}
    return Profile(
        workflow=workflow,
        level="foreign",
        partial=any(table.cut for table in tables),
        cores=max(1, len(set().union(*instances.values())) or sum(each.ranks for each in sums.values())),
        pes=tuple(
            PEProfile(
                pe=pe,
                instances=len(instances.get(pe, {})) or sums[pe].ranks,
                items_in=services[pe].calls if readers[pe] else 0,
                service=services[pe],
                split=Split(compute_s=services[pe].mean_s * services[pe].calls),
                scaling=Scaling(is_source=bool(streams) and not readers[pe]),
            )
            for pe in pes
        ),
        streams=tuple(
            replace(stream, items=services[stream.target].calls if stream.target in one_input else 0)
            for stream in streams
        ),
        stages=tuple((pe,) for pe in pes),
        instances=tuple(
            _instance(pe, index, stage, rank, instances[pe][rank])
            for stage, pe in enumerate(pes)
            for index, rank in enumerate(in_rank_order(instances.get(pe, {})))
        ),
        notes=_notes(tables, services, bool(streams)),
    )


def _service(instances: Mapping[str, Figures], sums: Figures | None) -> ServiceTime:
    """A PE's service time: from all its calls, else from the sums over it, else from those of its instances."""
    figures = list(instances.values())
    if figures and all(each.listed for each in figures):
        cpu = [each.cpu_s for each in figures if each.cpu_s is not None]
        return together(each.calls for each in figures).service(sum(cpu) if len(cpu) == len(figures) else None)
    if sums is not None:
        return sums.service
    if len(figures) == 1:
        return figures[0].service
    calls = together(each.calls for each in figures)
    return ServiceTime(
        calls=calls.number, mean_s=calls.total_s / calls.number if calls.number else 0.0, max_s=calls.longest_s
    )


def _instance(pe: str, index: int, stage: int, rank: str, figures: Figures) -> InstanceProfile:
    return InstanceProfile(
        pe=pe,
        index=index,
        worker=int(rank) if rank.isdecimal() else index,
        stage=stage,
        calls=figures.calls.number,
        split=Split(compute_s=figures.calls.total_s),
    )


def _notes(tables: Sequence[Table], services: Mapping[str, ServiceTime], graph: bool) -> tuple[str, ...]:
    rows, files = sum(table.read for table in tables), len(tables)
    names = tables[0].path.name if files == 1 else f"{tables[0].path.name} and {files - 1} more"
    coarse = [pe for pe, service in services.items() if service.calls > service.timed]
    return (
        f"read from stream-d4py's timings {names}, {rows:,} rows",
        *(table.cut_note for table in tables if table.cut),
        *(
            [f"only sums of calls are given for {', '.join(coarse)}; the files …_iterations_… list them"]
            if coarse
            else []
        ),
        *([] if graph else ["streams are unknown; give the file …_shape_run….json too"]),
        "the time of a call includes what it waited in write",
        CORES_ASSUMED,
        "not in the trace: how long the run took and when calls were made, waiting, sizes of items, memory",
    )
