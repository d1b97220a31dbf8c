"""The run record: what ran, how, where, and how it ended."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from d4py_adaptive.telemetry.board import Counters

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One run, as it stands in `run.json`.

    Attributes:
        id: name of the run.
        workflow: what ran, as the user called it.
        state: `running`, `completed`, `failed`, `interrupted` or `died`.
        mapping: how it was enacted.
        workers: on how many workers.
        start_method: how worker processes were started; empty without any.
        seed: seed of its random state: `--seed` with it draws the same from the global generators again.
        argv: the command line.
        host: name of the machine.
        pid: number of the process that started it.
        pid_started_s: when that process started, so that a later one of the same number is told from it.
        started_at_s: when the run started, in seconds since the epoch.
        ended_at_s: when it ended.
        error: what ended it early, one line.
        failure: how a PE failed.
        dead_letters: how many items were skipped.
        sample: what part of the input it saw, if not all of it.
        instances: the counters of every instance at the end.
        environment: versions of what it ran on.
    """

    id: str
    workflow: str
    state: str
    mapping: str
    workers: int
    start_method: str
    seed: int
    argv: list[str]
    host: str
    pid: int
    pid_started_s: float
    started_at_s: float
    ended_at_s: float | None = None
    error: str = ""
    failure: dict[str, object] | None = None
    dead_letters: int = 0
    sample: str = ""
    instances: list[dict[str, Any]]
    environment: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """The record as plain values."""
        return {"schema_version": SCHEMA_VERSION, **asdict(self)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> RunRecord:
        """The record that `to_dict` gave.

        Raises:
            ValueError: it is of another version.
            TypeError: fields are missing.
        """
        if not isinstance(data, dict):
            raise ValueError(f"a record is an object; got {type(data).__name__}")
        if data.get("schema_version") != SCHEMA_VERSION:
            raise ValueError(f"schema version {SCHEMA_VERSION} is needed; got {data.get('schema_version')!r}")
        names = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in data.items() if name in names})


@dataclass(frozen=True, slots=True)
class PETotals:
    """The counters of one PE, over its instances."""

    pe: str
    instances: int
    items_in: int
    items_out: int
    busy_s: float
    blocked_s: float
    skipped: int


def totals(counters: list[Counters]) -> list[PETotals]:
    """The counters summed per PE, in the order of the plan."""
    by_pe: dict[str, list[Counters]] = {}
    for counter in counters:
        by_pe.setdefault(counter.pe, []).append(counter)
    return [
        PETotals(
            pe,
            len(group),
            sum(c.items_in for c in group),
            sum(c.items_out for c in group),
            sum(c.busy_s for c in group),
            sum(c.blocked_s for c in group),
            sum(c.skipped for c in group),
        )
        for pe, group in by_pe.items()
    ]
