"""What one file of stream-d4py's timed mappings says: durations of calls, or sums of them, per instance or per PE."""

from __future__ import annotations

import math
from collections.abc import Sequence

from d4py_adaptive.profiler.foreign.calls import Calls
from d4py_adaptive.profiler.foreign.table import Table
from d4py_adaptive.telemetry.profile import ServiceTime

_CALLS = ("pe_id", "rank", "iteration_index", "iteration_secs")
_COUNTS = ("count", "total_count", "iteration_count")
_DETAILS = ("p50_secs", "p95_secs", "max_secs")
_AGREE = 1e-6

Key = tuple[str, str]
"""A PE's id and a rank; the rank is empty where all of them are meant."""


class Figures:
    """What one file says of one instance, or of one PE.

    Attributes:
        table: the file.
        line: where it says so last.
        calls: the calls that it lists, or their number, sum and maximum alone.
        listed: whether it lists them.
        ranks: how many instances it speaks of.
        cpu_s: processor time of the calls; None where that is missing for one of them.
    """

    def __init__(self, table: Table, listed: bool) -> None:
        self.table = table
        self.line = table.line
        self.calls = Calls()
        self.listed = listed
        self.ranks = 1
        self.cpu_s: float | None = 0.0
        self.p50_s = self.p95_s = 0.0
        self.index = 0

    @property
    def service(self) -> ServiceTime:
        """The service time as far as the file tells it."""
        if self.listed:
            return self.calls.service(self.cpu_s)
        calls = self.calls
        return ServiceTime(
            calls=calls.number,
            mean_s=calls.total_s / calls.number if calls.number else 0.0,
            p50_s=self.p50_s,
            p95_s=self.p95_s,
            max_s=calls.longest_s,
        )

    @property
    def detail(self) -> tuple[bool, bool]:
        """The more it tells, the larger."""
        return self.listed, self.calls.longest_s > 0

    def agrees(self, number: int, total_s: float) -> bool:
        """Whether it counts as many calls, and as long ones."""
        return number == self.calls.number and math.isclose(total_s, self.calls.total_s, rel_tol=_AGREE, abs_tol=_AGREE)


def holds_timings(first: Sequence[str]) -> bool:
    """Whether a file with this first row is one of those that the timed mappings write."""
    columns = set(first)
    return columns.issuperset(_CALLS) or ({"pe_id", "total_secs"} <= columns and not columns.isdisjoint(_COUNTS))


def read_figures(table: Table) -> dict[Key, Figures]:
    """What a file says of each instance, or of each PE.

    Raises:
        InputError: a row is not as it must be.
    """
    column = {name: number for number, name in enumerate(table.first)}
    listed = column.keys() >= set(_CALLS)
    found: dict[Key, Figures] = {}
    for row in table.rows():
        if len(row) != len(column):
            raise table.wrong(f"{len(column)} fields are needed, {','.join(column)}", f"{len(row)}")
        key = row[column["pe_id"]], row[column["rank"]] if "rank" in column else ""
        if not key[0] or ("rank" in column and not key[1]):
            raise table.wrong("pe_id and rank must be given", ",".join(row))
        figures = found.get(key)
        if figures is None:
            figures = found[key] = Figures(table, listed)
        elif not listed:
            raise table.wrong(
                f"{key[0]} must stand here once for each rank",
                f"again after line {figures.line}",
                "the file holds two runs of one --run-id: trace again with a new one",
            )
        figures.line = table.line
        (_take_call if listed else _take_sums)(figures, table, row, column)
    return found


def _take_call(figures: Figures, table: Table, row: Sequence[str], column: dict[str, int]) -> None:
    index = table.count(row[column["iteration_index"]], "iteration_index")
    if index <= figures.index:
        raise table.wrong(
            f"iteration_index of an instance must rise, from {figures.index}",
            str(index),
            "if the file holds two runs of one --run-id, trace again with a new one",
        )
    figures.index = index
    figures.calls.add(table.seconds(row[column["iteration_secs"]], "iteration_secs"))
    cpu = row[column["cpu_secs"]] if "cpu_secs" in column else ""
    if cpu and figures.cpu_s is not None:
        figures.cpu_s += table.seconds(cpu, "cpu_secs")
    else:
        figures.cpu_s = None


def _take_sums(figures: Figures, table: Table, row: Sequence[str], column: dict[str, int]) -> None:
    counts = next(name for name in _COUNTS if name in column)
    figures.calls.number = table.count(row[column[counts]], counts)
    figures.calls.total_s = table.seconds(row[column["total_secs"]], "total_secs")
    figures.cpu_s = None
    if "rank_count" in column:
        figures.ranks = table.count(row[column["rank_count"]], "rank_count")
    if column.keys() >= set(_DETAILS):
        figures.p50_s, figures.p95_s, figures.calls.longest_s = (
            table.seconds(row[column[name]], name) for name in _DETAILS
        )
