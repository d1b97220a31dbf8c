"""The board: counters of every instance, in memory-mapped files that others read without disturbing the run.

One file per instance, one writer per file, no locks. A file that a killed worker leaves behind still says what
the instance was doing.

An instance's row is a list of 64-bit integers: `Field` first, then `PER_STREAM` figures per outgoing stream, the
sketch of its service times (`sketch.py`), and its timeline (`timeline.py`).
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
from d4py_adaptive.telemetry import sketch, timeline


class Field(IntEnum):
    """Position of each counter in an instance's row. Those from `TIMED` on are written all at once."""

    STATE = 0
    ITEM = 1
    PID = 2
    TIMED = 3
    LONGEST_NS = 4
    ITEMS_IN = 5
    ITEMS_OUT = 6
    BYTES_IN = 7
    BYTES_OUT = 8
    SKIPPED = 9
    RETRIED = 10
    COMPUTE_NS = 11
    SERIALISE_NS = 12
    CODEC_NS = 13
    BLOCKED_NS = 14
    STARVED_NS = 15
    OTHERS_NS = 16
    OVERHEAD_NS = 17
    LIFE_NS = 18
    CPU_NS = 19
    CPU_OF_NS = 20
    SETUP_NS = 21
    OWN_CPU_NS = 22


PER_STREAM = 3
"""Figures per outgoing stream: items, bytes, time spent on copies in nanoseconds."""


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
"""An instance's figures: 64-bit integers, as the board lays them out."""


@dataclass(frozen=True, slots=True)
class Counters:
    """A row as read: the counters of one instance at one moment.

    Attributes:
        label: what people call the instance.
        pe: its PE.
        index: its number within the PE.
        state: what it is doing.
        item: number of the call of `process` that it is in, or made last.
        items_in: items received.
        items_out: items written, each once however many readers it has.
        bytes_in: their bytes, as far as they were encoded.
        bytes_out: the same for those written.
        busy_s: in the PE's own code.
        blocked_s: waiting in `write` until a reader had room.
        skipped: items given up.
        retried: calls repeated.
        pid: the process that hosts it.
        streams: items and bytes per outgoing stream.
        serialise_s: encoding, decoding and copying items.
        codec_s: compressing and expanding frames.
        starved_s: waiting for an item.
        others_s: waiting while its worker ran other PEs.
        overhead_s: the runtime's own work between its calls.
        life_s: from its start to its end, or until now.
        timed: calls whose duration is in its sketch.
        longest_s: the longest of them.
        cpu_s: processor time of those calls, or parts of them, that it was measured for.
        cpu_of_s: their wall time.
        own_cpu_s: of `cpu_s`, in the thread that calls the PE.
        setup_s: of `busy_s`, in `preprocess` and `postprocess`.
        copy_s: time spent on copies for readers in the same process, per outgoing stream.
    """

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
    serialise_s: float = 0.0
    codec_s: float = 0.0
    starved_s: float = 0.0
    others_s: float = 0.0
    overhead_s: float = 0.0
    life_s: float = 0.0
    timed: int = 0
    longest_s: float = 0.0
    cpu_s: float = 0.0
    cpu_of_s: float = 0.0
    setup_s: float = 0.0
    own_cpu_s: float = 0.0
    copy_s: dict[str, float] = field(default_factory=dict)


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

    def _counters(self, ref: InstanceRef) -> int:
        """How many counters come before the sketch."""
        return len(Field) + PER_STREAM * len(outgoing(self._workflow, ref.pe))

    def _size(self, ref: InstanceRef) -> int:
        return 8 * (self._counters(ref) + sketch.BUCKETS + timeline.LENGTH)

    def create(self) -> None:
        """Make the files, all counters at zero."""
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
            for ref in self._plan.instances:
                with self._path(self._folder, ref).open("wb") as file:
                    file.truncate(self._size(ref))

    def row(self, number: int) -> Row:
        """The figures of an instance, to write to; one writer at a time."""
        if number not in self._rows:
            ref = self._plan.instances[number]
            if self._folder is None:
                memory: array[int] | mmap.mmap = array("q", bytes(self._size(ref)))
            else:
                with self._path(self._folder, ref).open("r+b") as file:
                    memory = mmap.mmap(file.fileno(), 0)
            self._rows[number] = memoryview(memory).cast("B").cast("q")
        return self._rows[number]

    def sketch(self, number: int) -> Row:
        """The part of an instance's row that holds the sketch of its service times."""
        start = self._counters(self._plan.instances[number])
        return self.row(number)[start : start + sketch.BUCKETS]

    def timeline(self, number: int) -> Row:
        """The part of an instance's row that holds its timeline."""
        return self.row(number)[-timeline.LENGTH :]

    def forget(self, number: int) -> None:
        """Stop writing to an instance's row; files only, which another process may go on with."""
        if self._folder is not None:
            self._rows.pop(number, None)

    def read(self) -> Iterator[Counters]:
        """The counters of every instance, as they stand now."""
        for ref in self._plan.instances:
            yield _counters(ref, outgoing(self._workflow, ref.pe), self.row(ref.number)[: self._counters(ref)].tolist())


def _counters(ref: InstanceRef, names: tuple[str, ...], values: list[int]) -> Counters:
    def seconds(which: Field) -> float:
        return values[which] / 1e9

    rest = values[len(Field) :]
    per_stream = {name: rest[PER_STREAM * i : PER_STREAM * (i + 1)] for i, name in enumerate(names)}
    return Counters(
        label=ref.label,
        pe=ref.pe,
        index=ref.index,
        state=State(values[Field.STATE]),
        item=values[Field.ITEM],
        items_in=values[Field.ITEMS_IN],
        items_out=values[Field.ITEMS_OUT],
        bytes_in=values[Field.BYTES_IN],
        bytes_out=values[Field.BYTES_OUT],
        busy_s=seconds(Field.COMPUTE_NS),
        blocked_s=seconds(Field.BLOCKED_NS),
        skipped=values[Field.SKIPPED],
        retried=values[Field.RETRIED],
        pid=values[Field.PID],
        streams={name: (items, nbytes) for name, (items, nbytes, _) in per_stream.items()},
        serialise_s=seconds(Field.SERIALISE_NS),
        codec_s=seconds(Field.CODEC_NS),
        starved_s=seconds(Field.STARVED_NS),
        others_s=seconds(Field.OTHERS_NS),
        overhead_s=seconds(Field.OVERHEAD_NS),
        life_s=seconds(Field.LIFE_NS),
        timed=values[Field.TIMED],
        longest_s=seconds(Field.LONGEST_NS),
        cpu_s=seconds(Field.CPU_NS),
        cpu_of_s=seconds(Field.CPU_OF_NS),
        setup_s=seconds(Field.SETUP_NS),
        own_cpu_s=seconds(Field.OWN_CPU_NS),
        copy_s={name: copy_ns / 1e9 for name, (_, _, copy_ns) in per_stream.items() if copy_ns},
    )
