"""What a mapping is given, and what it tells of a run while it goes on."""

from __future__ import annotations

from collections.abc import Mapping as MappingType
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from d4py_adaptive.clock import Clock, monotonic_ns
from d4py_adaptive.dataflow.inputs import GivenInputs
from d4py_adaptive.dataflow.plan import Plan
from d4py_adaptive.dataflow.workflow import Workflow
from d4py_adaptive.mappings.channel import Window
from d4py_adaptive.telemetry.instrument import Instrument
from d4py_adaptive.wire.encoding import PlainWire, Wire
from d4py_adaptive.wire.slots import MIB, SlabSize


@dataclass(frozen=True)
class Job:
    """One run to be enacted.

    Attributes:
        workflow: what runs.
        plan: how.
        inputs: what each PE starts from.
        seed: seed of the run's random state.
        explicit_seed: whether the user asked for it; then generators that PEs hold are seeded from it too.
        wire: encodes what crosses a process boundary.
        window: how much may be under way in a channel.
        slab: how much shared memory each worker may have for large buffers.
        batch_items: most items in one frame, each of which is encoded by itself.
        flat_items: most small values in one frame, which are encoded together.
        guarded: PEs whose replicas rest on their code having been read as stateless; watched for changes of state.
        random: PEs that draw from the global random generators; each instance gets its own stream.
        interchangeable: PEs whose instances nobody can tell apart, so that any of them may get an item.
        on_error: for single PEs, what a failing call does, instead of the PE's own word; `''` is for all PEs.
        digests: whether to keep digests of what reaches each input and result, to compare two runs.
        board: folder of the counters' files; None keeps them in memory.
        start_method: how worker processes start; empty lets the mapping choose.
        by_value: modules whose classes and functions travel with the job instead of being imported again.
        metered: whether time is measured and calls are counted; only benchmarks do without.
        instrument: what a full profile looks through; None is no full profile.
        sample_s: stop the sources after so many seconds; None lets them go on.
        sample_items: stop the sources of a worker once each has written so many items.
        clock: the time.
        origin_ns: when the run began, on that clock.
    """

    workflow: Workflow
    plan: Plan
    inputs: MappingType[str, GivenInputs]
    seed: int = 0
    explicit_seed: bool = False
    wire: Wire = field(default_factory=PlainWire)
    window: Window = field(default_factory=Window)
    slab: SlabSize = field(default_factory=lambda: SlabSize(64 * MIB, 2**40))
    batch_items: int = 64
    flat_items: int = 1024
    guarded: frozenset[str] = frozenset()
    random: frozenset[str] = frozenset()
    interchangeable: frozenset[str] = frozenset()
    on_error: MappingType[str, str] = field(default_factory=dict)
    digests: bool = False
    board: Path | None = None
    start_method: str = ""
    by_value: tuple[str, ...] = ()
    metered: bool = True
    instrument: Instrument | None = None
    sample_s: float | None = None
    sample_items: int | None = None
    clock: Clock = monotonic_ns
    origin_ns: int = 0


class Observer(Protocol):
    """What a mapping tells of a run, in the process that started it."""

    def started(self) -> None:
        """The workers are up."""

    def result(self, pe: str, port: str, item: Any) -> None:
        """An item left the workflow through an unconnected output."""

    def line(self, instance: str, text: str) -> None:
        """A PE printed or logged a line."""

    def event(self, event: MappingType[str, Any]) -> None:
        """Something worth a record happened: a dead letter, a warning, a digest."""
