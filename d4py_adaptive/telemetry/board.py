"""The board: counters of every instance, in memory-mapped files that others read without disturbing the run.

One file per instance, one writer per file, no locks. A file that a killed worker leaves behind still says what
the instance was doing.
"""

from __future__ import annotations

import mmap
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

from d4py_adaptive.dataflow.plan import InstanceRef, Plan
from d4py_adaptive.dataflow.workflow import Workflow


class Field(IntEnum):
    """Position of each counter in an instance's row; items and bytes per outgoing stream follow."""

    STATE = 0
    ITEM = 1
    ITEMS_IN = 2
    ITEMS_OUT = 3
    BYTES_IN = 4
    BYTES_OUT = 5
    BUSY_NS = 6
    BLOCKED_NS = 7
    SKIPPED = 8
    RETRIED = 9
    PID = 10


class State(IntEnum):
    """What an instance is doing."""

    NEW = 0
    IDLE = 1
    PREPROCESS = 2
    PROCESS = 3
    BLOCKED = 4
    POSTPROCESS = 5
    DONE = 6


Row = memoryview
"""An instance's counters: 64-bit integers, `Field` first, then `(items, bytes)` per outgoing stream."""


@dataclass(frozen=True, slots=True)
class Counters:
    """A row as read: the counters of one instance at one moment."""

    label: str
    pe: str
    index: int
    state: State
    item: int
    items_in: int
    items_out: int
    bytes_in: int
    bytes_out: int
    busy_s: float
    blocked_s: float
    skipped: int
    retried: int
    pid: int
    streams: dict[str, tuple[int, int]] = field(default_factory=dict)


def outgoing(workflow: Workflow, pe: str) -> tuple[str, ...]:
    """The outgoing streams that a PE's row counts: its streams' ids, then its unconnected outputs as `pe.port`."""
    streams = [stream.id for stream in workflow.outbound[pe]]
    return (*streams, *(f"{owner}.{port}" for owner, port in workflow.results if owner == pe))


class Board:
    """The rows of a run's instances, in files under `folder`, or in memory without one."""

    def __init__(self, workflow: Workflow, plan: Plan, folder: Path | None) -> None:
        self._workflow = workflow
        self._plan = plan
        self._folder = folder
        self._rows: dict[int, Row] = {}

    def _path(self, folder: Path, ref: InstanceRef) -> Path:
        return folder / f"{ref.number}"

    def _size(self, ref: InstanceRef) -> int:
        return 8 * (len(Field) + 2 * len(outgoing(self._workflow, ref.pe)))

    def create(self) -> None:
        """Make the files, all counters at zero."""
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
            for ref in self._plan.instances:
                self._path(self._folder, ref).write_bytes(bytes(self._size(ref)))

    def row(self, number: int) -> Row:
        """The counters of an instance, to write to; one writer at a time."""
        if number not in self._rows:
            ref = self._plan.instances[number]
            if self._folder is None:
                memory: array[int] | mmap.mmap = array("q", bytes(self._size(ref)))
            else:
                with self._path(self._folder, ref).open("r+b") as file:
                    memory = mmap.mmap(file.fileno(), 0)
            self._rows[number] = memoryview(memory).cast("B").cast("q")
        return self._rows[number]

    def forget(self, number: int) -> None:
        """Stop writing to an instance's row; files only, which another process may go on with."""
        if self._folder is not None:
            self._rows.pop(number, None)

    def read(self) -> Iterator[Counters]:
        """The counters of every instance, as they stand now."""
        for ref in self._plan.instances:
            row = self.row(ref.number)
            values = row.tolist()
            fixed, rest = values[: len(Field)], values[len(Field) :]
            names = outgoing(self._workflow, ref.pe)
            streams = {name: (rest[2 * i], rest[2 * i + 1]) for i, name in enumerate(names)}
            state, item, items_in, items_out, bytes_in, bytes_out, busy, blocked, skipped, retried, pid = fixed
            yield Counters(
                ref.label, ref.pe, ref.index, State(state), item, items_in, items_out, bytes_in, bytes_out,
                busy / 1e9, blocked / 1e9, skipped, retried, pid, streams,
            )  # fmt: skip
