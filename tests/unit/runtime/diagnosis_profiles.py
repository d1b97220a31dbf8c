"""Profiles made by hand: a few PEs, what their instances did, and on which workers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from d4py_adaptive.telemetry.profile import (
    InstanceProfile,
    PEProfile,
    Profile,
    Scaling,
    ServiceTime,
    Split,
    StateSeen,
    StreamProfile,
    WorkerProfile,
)

SOURCE = Scaling(fixed=1, is_source=True, reason="a source has one instance unless declared splittable")
FREE = Scaling(reason="it keeps nothing")
KEYED = Scaling(keyed=True, reason="every input is grouped by key")
STATE = Scaling(fixed=1, reason="process changes self.total")
GIB = 2**30


@dataclass
class Sketch:
    """A PE: how long each of its instances computes, and on which worker.

    Attributes:
        pe: its id.
        compute_s: of each instance.
        workers: of each instance.
        items: received by each instance; for a source, its calls.
        hand_over_s: of each instance.
        cpu_share: processor time over wall time.
        scaling: how many instances it may have.
        looks: how often its state was compared.
        changed: what had changed then.
    """

    pe: str
    compute_s: list[float]
    workers: list[int]
    items: list[int] = field(default_factory=list)
    hand_over_s: list[float] = field(default_factory=list)
    cpu_share: float | None = 1.0
    scaling: Scaling = FREE
    looks: int = 0
    changed: dict[str, int] = field(default_factory=dict)
    bytes_in: int = 0

    def __post_init__(self) -> None:
        number = len(self.compute_s)
        self.items = self.items or [100] * number
        self.hand_over_s = self.hand_over_s or [0.0] * number

    def profile(self) -> PEProfile:
        calls, compute_s = sum(self.items), sum(self.compute_s)
        state = StateSeen(
            stateless_by_code=self.scaling is not STATE, looks=self.looks, changed=self.changed,
            reason=self.scaling.reason,
        )  # fmt: skip
        return PEProfile(
            pe=self.pe, instances=len(self.compute_s), items_in=0 if self.scaling.is_source else calls,
            service=ServiceTime(calls=calls, mean_s=compute_s / max(1, calls), cpu_share=self.cpu_share),
            split=Split(compute_s=compute_s, overhead_s=sum(self.hand_over_s)), scaling=self.scaling, state=state,
            bytes_in=self.bytes_in,
        )  # fmt: skip

    def instances(self, wall_s: float, stage: int) -> list[InstanceProfile]:
        return [
            InstanceProfile(
                pe=self.pe, index=index, worker=worker, stage=stage, items_in=items, calls=items, wall_s=wall_s,
                split=Split(
                    compute_s=compute_s, overhead_s=beside_s, starved_s=max(0.0, wall_s - compute_s - beside_s)
                ),
            )
            for index, (worker, compute_s, beside_s, items) in enumerate(
                zip(self.workers, self.compute_s, self.hand_over_s, self.items, strict=True)
            )
        ]  # fmt: skip


def stream(source: str, target: str, items: int = 100, **more: Any) -> StreamProfile:
    return StreamProfile(
        id=f"{source}.output->{target}.input", source=source, output="output", target=target, input="input",
        items=items, **more,
    )  # fmt: skip


def profile(
    sketches: list[Sketch],
    streams: list[StreamProfile],
    *,
    wall_s: float,
    cores: int = 2,
    start_s: float = 0.02,
    stages: list[int] | None = None,
    workers: dict[int, dict[str, Any]] | None = None,
    contended: bool = False,
    **more: Any,
) -> Profile:
    """The profile of a run; its workers used the processor as long as their instances computed, unless `workers` says.

    Args:
        contended: whether what workers were busy beyond their share of the cores was a wait for a core.
    """
    stages = stages or list(range(len(sketches)))
    instances = [one for sketch, stage in zip(sketches, stages, strict=True) for one in sketch.instances(wall_s, stage)]
    numbers = sorted({one.worker for one in instances})
    shares = {sketch.pe: 1.0 if sketch.cpu_share is None else sketch.cpu_share for sketch in sketches}
    made = []
    for number in numbers:
        own = [one for one in instances if one.worker == number]
        busy_s = sum(one.split.compute_s * shares[one.pe] + one.split.overhead_s for one in own)
        cpu_s = min(busy_s, cores * wall_s / len(numbers)) if contended else busy_s
        measured = {"cpu_s": cpu_s, "runnable_s": busy_s - cpu_s, "wall_s": wall_s, "peak_memory_bytes": 2**26}
        made.append(WorkerProfile(number=number, **(measured | (workers or {}).get(number, {}))))
    is_parallel = len(numbers) > 1
    return Profile(
        workflow="flow", mapping="multi" if is_parallel else "simple", cores=cores, memory_bytes=16 * GIB,
        wall_s=wall_s, start_s=start_s if is_parallel else 0.0, pes=tuple(sketch.profile() for sketch in sketches),
        streams=tuple(streams), instances=tuple(instances), workers=tuple(made), **more,
    )  # fmt: skip
