"""Diagnoses to draw: of a seismic workflow whose correlation is slow, of a healthy run, of a large graph."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from statistics import NormalDist

from d4py_adaptive.telemetry import sketch
from d4py_adaptive.telemetry.diagnosis import Advice, Alternative, Diagnosis, Finding
from d4py_adaptive.telemetry.profile import (
    CostLaw,
    HeavyKey,
    HostProfile,
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

WALL_S = 412.6
SLOTS = 206
GIB = 2**30


@dataclass(frozen=True)
class Sketched:
    """A PE in a few figures; its instances share its work evenly.

    Attributes:
        pe: its id.
        stage: number of its stage.
        workers: the worker of each instance.
        calls: calls of `process`, all instances together.
        median_s: of its service time.
        spread: of the logarithm of its service time.
        shares: of an instance's time: serialise, codec, blocked, others, overhead; beside compute, the rest is starved.
        scaling: how many instances it may have.
        cpu_share: processor time over wall time.
        cost: how its service time depends on the item's size.
        changed: attributes that were seen to change.
    """

    pe: str
    stage: int
    workers: tuple[int, ...]
    calls: int
    median_s: float
    spread: float = 0.2
    shares: tuple[float, float, float, float, float] = (0.02, 0.0, 0.0, 0.0, 0.01)
    scaling: Scaling = field(default_factory=lambda: Scaling(reason="it keeps no state"))
    cpu_share: float | None = 0.99
    cost: CostLaw | None = None
    changed: dict[str, int] = field(default_factory=dict)
    item_bytes: int = 1_440_128
    source: bool = False

    @property
    def mean_s(self) -> float:
        return self.median_s * math.exp(self.spread**2 / 2)

    def split(self, wall_s: float) -> Split:
        """Where the time of one instance went."""
        compute = min(0.97 * wall_s, self.mean_s * self.calls / len(self.workers))
        serialise, codec, blocked, others, overhead = (share * wall_s for share in self.shares)
        used = compute + serialise + codec + blocked + others + overhead
        if used > wall_s:
            blocked, others = (part * (wall_s - compute - serialise - codec - overhead) / (blocked + others) if
                               blocked + others else 0.0 for part in (blocked, others))  # fmt: skip
        starved = 0.0 if self.source else max(0.0, wall_s - used)
        if self.source:
            blocked += max(0.0, wall_s - used)
        return Split(
            compute_s=compute, serialise_s=serialise, codec_s=codec, blocked_s=max(0.0, blocked),
            starved_s=starved, others_s=max(0.0, others), overhead_s=overhead,
        )  # fmt: skip

    def service(self) -> ServiceTime:
        """Its service time, log-normal."""
        normal = NormalDist(math.log(self.median_s), self.spread)
        timed = min(self.calls, 2000)
        buckets: dict[int, int] = {}
        for number in range(timed):
            bucket = sketch.bucket_of(int(math.exp(normal.inv_cdf((number + 0.5) / timed)) * 1e9))
            buckets[bucket] = buckets.get(bucket, 0) + 1
        p50, p95, p99 = (math.exp(normal.inv_cdf(share)) for share in (0.5, 0.95, 0.99))
        return ServiceTime(
            calls=self.calls, timed=timed, mean_s=self.mean_s, mean_error_s=self.mean_s * 0.02, p50_s=p50, p95_s=p95,
            p99_s=p99, max_s=p99 * 1.7, deviation_s=self.mean_s * self.spread, buckets=buckets,
            cpu_share=self.cpu_share,
        )  # fmt: skip

    def profile(self, wall_s: float) -> PEProfile:
        """The PE over all its instances."""
        one, number = self.split(wall_s), len(self.workers)
        summed = {name: getattr(one, name) * number for name in one.__struct_fields__}
        items_in = 0 if self.source else self.calls
        return PEProfile(
            pe=self.pe, code=f"{abs(hash_of(self.pe)):016x}", instances=number, items_in=items_in,
            items_out=self.calls, bytes_in=items_in * self.item_bytes, bytes_out=self.calls * self.item_bytes,
            selectivity={"output": 1.0}, item_in_bytes=None if self.source else float(self.item_bytes),
            service=self.service(), cost=self.cost, split=Split(**summed),
            state=StateSeen(
                stateless_by_code=not self.changed, looks=40 if self.changed else 0, changed=self.changed,
                reason="".join(f"process changes self.{name}" for name in self.changed),
            ),
            scaling=self.scaling,
        )  # fmt: skip

    def instances(self, wall_s: float, slots: int, spans: int) -> list[InstanceProfile]:
        """Its instances, each with what it did when."""
        made = []
        for index, worker in enumerate(self.workers):
            share = self.calls // len(self.workers)
            made.append(
                InstanceProfile(
                    pe=self.pe, index=index, worker=worker, stage=self.stage, items_in=0 if self.source else share,
                    items_out=share, calls=share, wall_s=wall_s, split=self.split(wall_s),
                    timeline=timeline(self.split(wall_s), wall_s, slots, hash_of(f"{self.pe}{index}")),
                    spans=self._spans(wall_s, spans, index),
                )
            )  # fmt: skip
        return made

    def _spans(self, wall_s: float, number: int, index: int) -> tuple[Span, ...]:
        dice = random.Random(hash_of(f"{self.pe}/{index}"))
        starts = sorted(dice.uniform(0, wall_s * 0.97) for _ in range(number))
        made = []
        for start in starts:
            kind = "blocked" if self.shares[2] > 0.3 and dice.random() < 0.5 else "process"
            length = self.median_s * dice.uniform(1.5, 3)
            made.append(Span(start_s=start, end_s=min(wall_s, start + length), kind=kind))
        return tuple(made)


def hash_of(text: str) -> int:
    """A number that is the same in every process."""
    number = 7
    for character in text:
        number = (number * 31 + ord(character)) % 2**31
    return number


def timeline(split: Split, wall_s: float, slots: int, seed: int) -> Timeline:
    """A timeline whose sums are about those of the split: it warms up, and wobbles."""
    dice = random.Random(seed)
    slot = wall_s / slots
    rows: dict[str, list[float]] = {name: [] for name in ("compute_s", "serialise_s", "blocked_s", "starved_s")}
    for number in range(slots):
        warm = min(1.0, (number + 1) / (0.04 * slots))
        parts = {name: getattr(split, name) / wall_s * slot for name in rows}
        busy = parts["compute_s"] * warm * dice.uniform(0.85, 1.1)
        parts["starved_s"] = max(0.0, parts["starved_s"] + (parts["compute_s"] - busy))
        parts["compute_s"] = busy
        parts["blocked_s"] *= warm * dice.uniform(0.7, 1.2)
        over = max(1.0, sum(parts.values()) / slot)
        for name, row in rows.items():
            row.append(round(parts[name] / over, 6))
    return Timeline(slot_s=slot, **{name: tuple(row) for name, row in rows.items()})


_STATION_PAIR = CostLaw(
    kind="linear", coefficients=(0.011, 1.02e-7), error=0.06, samples=2400, smallest_bytes=720_128,
    largest_bytes=2_880_128,
)  # fmt: skip

_SEISMIC = (
    Sketched(
        "ReadWaveforms", 0, (0,), 2400, 0.019, 0.5, (0.012, 0.0, 0.66, 0.07, 0.008), source=True, cpu_share=0.41,
        scaling=Scaling(fixed=1, is_source=True, reason="it is a source that does not declare that it can be split"),
    ),
    Sketched("Detrend", 0, (0,), 2400, 0.0121, 0.15, (0.031, 0.0, 0.74, 0.11, 0.006), cost=CostLaw(
        kind="constant", coefficients=(0.0122,), error=0.11, samples=2400, smallest_bytes=720_128,
        largest_bytes=2_880_128)),
    Sketched("Whiten", 1, (1, 3), 2400, 0.046, 0.25, (0.024, 0.0, 0.55, 0.02, 0.006)),
    Sketched(
        "CrossCorrelate", 2, (2,), 2400, 0.157, 0.18, (0.018, 0.0, 0.004, 0.0, 0.005), cost=_STATION_PAIR,
        scaling=Scaling(at_most=None, reason="it keeps no state, so a plan may choose"),
    ),
    Sketched(
        "StackPairs", 3, (1, 3), 9600, 0.0024, 0.7, (0.012, 0.0, 0.0, 0.09, 0.009), item_bytes=48_128,
        scaling=Scaling(keyed=True, at_most=12, reason="its input is grouped by `pair`, of which 12 were seen"),
    ),
    Sketched(
        "WriteStacks", 4, (3,), 240, 0.021, 0.9, (0.001, 0.0, 0.0, 0.11, 0.001), item_bytes=48_128, cpu_share=0.12,
        changed={"written": 40},
        scaling=Scaling(fixed=1, reason="process changes self.written, so its number shows in the results"),
    ),
)  # fmt: skip


def _seismic_streams() -> tuple[StreamProfile, ...]:
    big, small = 1_440_128, 48_128

    def stream(source: str, target: str, items: int, size: int, **more: object) -> StreamProfile:
        values: dict[str, object] = {
            "id": f"{source}.output->{target}.input" if target else f"{source}.output", "source": source,
            "output": "output", "target": target, "input": "input" if target else "", "items": items,
            "bytes": items * size, "item_bytes": float(size),
        }  # fmt: skip
        return StreamProfile(**(values | more))

    return (
        stream("ReadWaveforms", "Detrend", 2400, big, fused=True, compressibility=0.44),
        stream("Detrend", "Whiten", 2400, big, compressibility=0.71),
        stream("Whiten", "CrossCorrelate", 2400, big, compressibility=0.93, copy_s=1.9),
        stream(
            "CrossCorrelate", "StackPairs", 9600, small, grouping="group_by", keys=("pair",), distinct_keys=12,
            compressibility=0.95,
            heavy_keys=(HeavyKey(key="'ANMO-COLA'", share=0.31), HeavyKey(key="'ANMO-CTAO'", share=0.12)),
        ),
        stream("StackPairs", "WriteStacks", 240, small, grouping="all_to_one"),
        stream("WriteStacks", "", 240, 118),
    )  # fmt: skip


def _host() -> HostProfile:
    sizes = (100, 10_000, 1_000_000)
    return HostProfile(
        fingerprint="9f3c21aa", name="geo-node-07", processor="AMD EPYC 7543 32-Core Processor", cores=4,
        memory_bytes=16 * GIB, python="3.11.7", probed_at_s=1_760_000_000.0, call_s=4.1e-8,
        pickle_s=dict(zip(sizes, (1.9e-6, 5.2e-6, 2.4e-4), strict=True)),
        hop_s={
            "pipe": dict(zip(sizes, (1.8e-5, 2.9e-5, 9.8e-4), strict=True)),
            "shared_memory": dict(zip(sizes, (1.9e-5, 2.2e-5, 1.1e-4), strict=True)),
        },
        batched_hop_s={"pipe": dict(zip(sizes, (4.6e-7, 6.1e-6, 9.1e-4), strict=True))},
        codecs={"zlib": {"ratio": 0.52, "compress_bytes_per_s": 4.1e7, "expand_bytes_per_s": 2.9e8}},
        missing={"mpi": "mpi4py is not installed"},
    )  # fmt: skip


_ENVIRONMENT = {"d4py_adaptive": "0.1.0", "python": "3.11.7", "numpy": "2.1.3", "obspy": "1.5.1",
                "system": "Linux 6.1.0-26-amd64 x86_64"}  # fmt: skip


def _workers(instances: list[InstanceProfile], number: int, wall_s: float) -> tuple[WorkerProfile, ...]:
    made = []
    for worker in range(number):
        cpu = sum(one.split.compute_s + one.split.serialise_s for one in instances if one.worker == worker)
        made.append(
            WorkerProfile(
                number=worker, pid=24_100 + worker, wall_s=wall_s, cpu_s=min(cpu * 0.98, wall_s),
                runnable_s=1.2 + worker, peak_memory_bytes=(310 + 57 * worker) * 2**20,
                threads=1 + worker % 2, page_faults=3 * worker,
            )
        )  # fmt: skip
    return tuple(made)


def sample_diagnosis() -> Diagnosis:
    """A seismic workflow of six PEs on four workers, in which `CrossCorrelate` is slow and its readers wait."""
    instances = [one for pe in _SEISMIC for one in pe.instances(WALL_S, SLOTS, 24)]
    profile = Profile(
        workflow="ambient_noise.py", fingerprint="c0ffee12", host="9f3c21aa", level="full", mapping="multi", cores=4,
        memory_bytes=16 * GIB, wall_s=WALL_S, start_s=0.42, recorded_at_s=1_760_000_412.0,
        pes=tuple(pe.profile(WALL_S) for pe in _SEISMIC), streams=_seismic_streams(),
        stages=(("ReadWaveforms", "Detrend"), ("Whiten",), ("CrossCorrelate",), ("StackPairs",), ("WriteStacks",)),
        instances=tuple(instances), workers=_workers(instances, 4, WALL_S),
        notes=("service times of StackPairs are of 2,000 of its 9,600 calls",),
    )  # fmt: skip
    slow = Finding(
        cause="slow_pe", pe="CrossCorrelate", cost=0.57,
        sentence="CrossCorrelate limits the run: its one instance computes 93 % of the time, while Whiten waits 55 % "
        "and Detrend 74 % of theirs for it to take an item.",
        evidence={"busy (%)": 93.1, "service time (ms)": 159.6, "items": 2400.0, "Whiten blocked (%)": 55.0},
    )  # fmt: skip
    return Diagnosis(
        target="ambient_noise.py", run="20251009-101612.407-3f2a9c", verdict=slow,
        findings=(
            slow,
            Finding(
                cause="blocking_io", pe="ReadWaveforms", cost=0.06,
                sentence="ReadWaveforms uses the processor 41 % of its own time: it waits for the disk.",
                evidence={"processor time / time": 0.41, "p99 (ms)": 60.8},
            ),
            Finding(
                cause="skewed_keys", stream="CrossCorrelate.output->StackPairs.input", cost=0.02,
                sentence="31 % of the items to StackPairs carry the pair 'ANMO-COLA', and all go to one instance.",
                evidence={"share of the heaviest key (%)": 31.0, "keys": 12.0},
            ),
        ),
        advice=(
            Advice(
                cause="slow_pe", text="Give CrossCorrelate two more instances: it keeps no state.",
                command="d4py run ambient_noise.py -n 6 --instances CrossCorrelate=3",
                gain=2.21, gain_low=1.94, gain_high=2.38,
            ),
            Advice(
                cause="blocking_io", text="Let ReadWaveforms be split, so that one instance reads while another waits.",
                command="class ReadWaveforms(ProducerPE):\n    splittable = True",
                gain=1.03, gain_low=1.0, gain_high=1.07,
            ),
            Advice(cause="skewed_keys", text="Nothing to do for now: StackPairs is idle 90 % of the time."),
        ),
        alternatives=(
            Alternative(what="CrossCorrelate on 3 workers", predicted_s=186.7, workers=6, gain=2.21),
            Alternative(what="CrossCorrelate on 2 workers", predicted_s=213.0, workers=5, gain=1.94),
            Alternative(what="as it ran", predicted_s=409.0, workers=4, gain=1.01),
            Alternative(what="everything in one process", predicted_s=592.4, workers=1, gain=0.70),
        ),
        warnings=("2 other processes used 0.6 cores while this ran: times may be long by as much",),
        profile=profile, host=_host(),
        plan_notes=(
            "ReadWaveforms and Detrend share a stage: an item takes 0.9 ms to another process and 12 ms to process",
            "WriteStacks has one instance: process changes self.written",
        ),
        environment=_ENVIRONMENT, command="d4py diagnose ambient_noise.py -n 4 --html report.html",
    )  # fmt: skip


def healthy_diagnosis() -> Diagnosis:
    """A run in which nothing limits unduly: counters alone, no timelines, no host, no advice."""
    sketched = (
        Sketched("Numbers", 0, (0,), 100_000, 4e-6, shares=(0.0, 0.0, 0.0, 0.58, 0.02), source=True),
        Sketched("Square", 0, (0,), 100_000, 5.8e-6, shares=(0.0, 0.0, 0.0, 0.4, 0.01), item_bytes=32),
    )
    pes = tuple(pe.profile(1.1) for pe in sketched)
    instances = [one for pe in sketched for one in pe.instances(1.1, 1, 0)]
    bare = tuple(
        InstanceProfile(pe=one.pe, index=one.index, worker=0, stage=0, calls=one.calls, wall_s=1.1, split=one.split)
        for one in instances
    )
    return Diagnosis(
        target="squares.py", run="20251009-110000.000-aaaaaa",
        verdict=Finding(cause="healthy", sentence="Nothing limits this run unduly: its worker computes all the time."),
        profile=Profile(
            workflow="squares.py", mapping="simple", wall_s=1.1, start_s=0.01, pes=pes,
            streams=(
                StreamProfile(
                    id="Numbers.output->Square.input", source="Numbers", output="output", target="Square",
                    input="input", fused=True, items=100_000,
                ),
                StreamProfile(id="Square.output", source="Square", output="output", items=100_000, bytes=3_200_000),
            ),
            stages=(("Numbers", "Square"),), instances=bare, workers=_workers(instances, 1, 1.1),
        ),
        environment={"python": "3.11.7"}, command="d4py diagnose squares.py",
    )  # fmt: skip


def large_diagnosis(pes: int = 50, instances: int = 8, slots: int = 240, spans: int = 100) -> Diagnosis:
    """A layered graph of many PEs with many instances each, every one with a full timeline and spans."""
    dice, wall = random.Random(11), 1800.0
    workers = 16
    sketched = []
    for number in range(pes):
        load = dice.uniform(0.05, 0.5) if number != pes // 2 else 0.95
        calls = 4000
        share = (dice.uniform(0.01, 0.05), 0.0, 0.3 if number < pes // 2 else 0.02, dice.uniform(0.05, 0.2), 0.01)
        places = tuple((number + index) % workers for index in range(instances))
        median = load * wall * instances / calls
        sketched.append(
            Sketched(f"Step{number:02d}Process", number, places, calls, median, 0.3, share, source=number == 0)
        )
    streams = []
    for number in range(1, pes):
        for source in {number - 1 if number % 5 else max(0, number - 5), max(0, number - dice.randint(1, 8))}:
            size = int(10 ** dice.uniform(2, 6))
            a, b = sketched[source].pe, sketched[number].pe
            streams.append(
                StreamProfile(
                    id=f"{a}.output->{b}.input", source=a, output="output", target=b, input="input", items=4000,
                    bytes=4000 * size, item_bytes=float(size), compressibility=dice.uniform(0.2, 1),
                )
            )  # fmt: skip
    last = sketched[-1].pe
    streams.append(StreamProfile(id=f"{last}.output", source=last, output="output", items=4000, bytes=400_000))
    made = [one for pe in sketched for one in pe.instances(wall, slots, spans)]
    culprit = sketched[pes // 2].pe
    slow = Finding(
        cause="slow_pe", pe=culprit, cost=0.4, evidence={"busy_share": 0.95},
        sentence=f"{culprit} limits the run: its {instances} instances compute 95 % of the time.",
    )  # fmt: skip
    return Diagnosis(
        target="large.py", run="20251009-120000.000-bbbbbb", verdict=slow, findings=(slow,),
        advice=(
            Advice(
                cause="slow_pe", text=f"Give {culprit} {instances} more instances.", gain=1.8, gain_low=1.5,
                gain_high=2.0, command=f"d4py run large.py -n 24 --instances {culprit}={2 * instances}",
            ),
        ),
        alternatives=(Alternative(what=f"{culprit} doubled", predicted_s=1000.0, workers=24, gain=1.8),),
        profile=Profile(
            workflow="large.py", level="full", mapping="multi", cores=16, memory_bytes=64 * GIB, wall_s=wall,
            start_s=1.2, pes=tuple(pe.profile(wall) for pe in sketched), streams=tuple(streams),
            stages=tuple((pe.pe,) for pe in sketched), instances=tuple(made), workers=_workers(made, workers, wall),
        ),
        host=_host(), environment=_ENVIRONMENT, command="d4py diagnose large.py -n 16 --html report.html",
    )  # fmt: skip
