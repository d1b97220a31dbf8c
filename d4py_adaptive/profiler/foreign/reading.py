"""Reads a trace that another system made of a run; the first row of a file says which system that was."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from d4py_adaptive.errors import InputError
from d4py_adaptive.profiler.foreign.dispel4py_monitor import COLUMNS, holds_events, read_events
from d4py_adaptive.profiler.foreign.shape import holds_shape
from d4py_adaptive.profiler.foreign.stream_d4py import read_timings
from d4py_adaptive.profiler.foreign.table import Table
from d4py_adaptive.profiler.foreign.timings import holds_timings
from d4py_adaptive.telemetry.profile import Profile

_MOST_SHOWN = 80
_KNOWN = (
    f"{','.join(COLUMNS)} (dispel4py's monitoring), or pe_id,rank,… with iteration_secs or total_secs "
    "(stream-d4py's timed_simple, timed_multi, timed_mpi)"
)


def read_trace(paths: Sequence[Path]) -> Profile:
    """The profile of one run of another system, from the files that it left.

    Args:
        paths: CSV files of dispel4py's monitoring; or of stream-d4py's timed mappings, whose JSON files of the graph
            may be among them.

    Raises:
        InputError: they are not of one run of one of these systems, or a line is not as it must be.
    """
    paths = list(dict.fromkeys(paths))
    shapes = [path for path in paths if holds_shape(path)]
    tables = [Table(path) for path in paths if path not in shapes]
    if not tables:
        given = f"{shapes[0]} tells of the graph alone" if shapes else "no file is given"
        raise InputError(f"a trace needs a CSV file at least; {given}")
    kinds = {table: _kind(table) for table in tables}
    other = next((table for table in tables if kinds[table] != kinds[tables[0]]), None)
    if other is not None or (shapes and kinds[tables[0]] == "events"):
        second, kind = (other.name, kinds[other]) if other is not None else (str(shapes[0]), "timings")
        raise InputError(
            f"traces of one system are needed; {tables[0].name} holds {_SYSTEM[kinds[tables[0]]]}, "
            f"{second} holds {_SYSTEM[kind]}: read them one at a time"
        )
    workflow = paths[0].stem if len(paths) == 1 else tables[0].path.absolute().parent.name
    if kinds[tables[0]] == "events":
        return read_events(tables, workflow)
    return read_timings(tables, shapes, workflow)


_SYSTEM = {"events": "dispel4py's monitoring", "timings": "what stream-d4py's timed mappings write"}


def _kind(table: Table) -> str:
    if holds_events(table.first):
        return "events"
    if holds_timings(table.first):
        return "timings"
    found = f"begins with {','.join(table.first)[:_MOST_SHOWN]!r}" if table.first else "is empty"
    raise InputError(
        f"{table.name} {found}; a trace must begin with its columns, {_KNOWN}: give the file as it was written"
    )
