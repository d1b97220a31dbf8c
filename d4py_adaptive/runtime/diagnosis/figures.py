"""What the rules look at: a profile's figures, with the waits for a core taken out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from d4py_adaptive.telemetry.profile import HostProfile, InstanceProfile, PEProfile, Profile, Split, StreamProfile

HOP_S = 1.4e-5
"""What this runtime itself spends on an item that goes to another process, both sides together; small values take a
tenth of it, but which items those are is not known."""

BUSY_MACHINE = 0.8
"""From this share of the cores' time on, a worker that was not computing is taken to have waited for a core."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a PE asks of the machine in the whole run, over all its instances.

    Attributes:
        pe: its id.
        compute_s: time in its code, waits for things outside included, waits for a core not.
        cpu_s: processor time of that.
        hand_over_s: encoding, decoding, copying, compressing, and the runtime's own work.
        busiest: share of it that falls to the busiest instance.
    """

    pe: str
    compute_s: float
    cpu_s: float
    hand_over_s: float
    busiest: float

    @property
    def busy_s(self) -> float:
        """All of it."""
        return self.compute_s + self.hand_over_s

    @property
    def waiting(self) -> float:
        """The share of its time in its code that it waits for something outside."""
        return max(0.0, 1 - self.cpu_s / self.compute_s) if self.compute_s else 0.0


class Figures:
    """A profile as the rules see it.

    Args:
        profile: the profile.
        host: what the machine can do, if it was probed.
    """

    def __init__(self, profile: Profile, host: HostProfile | None = None) -> None:
        self.profile = profile
        self.host = host
        self.cores = max(1, profile.cores)
        self.pes = {pe.pe: pe for pe in profile.pes}
        self.instances = profile.instances or tuple(_stand_ins(profile))
        self.workers = {worker.number: worker for worker in profile.workers}

    @cached_property
    def worker_numbers(self) -> tuple[int, ...]:
        """The workers that hosted something."""
        return tuple(sorted({one.worker for one in self.instances} | set(self.workers))) or (0,)

    @property
    def is_parallel(self) -> bool:
        """Whether there was more than one worker."""
        return len(self.worker_numbers) > 1

    @cached_property
    def wall_s(self) -> float:
        """How long the run took; where that is not known, as long as its busiest worker was busy."""
        return self.profile.wall_s or max((one.wall_s for one in self.instances), default=0.0) or self.bound_s

    @property
    def total_s(self) -> float:
        """The same, with the time until its workers were up."""
        return self.wall_s + self.profile.start_s

    @cached_property
    def work(self) -> dict[str, Work]:
        """The work of each PE, in topological order."""
        own: dict[str, list[InstanceProfile]] = {pe: [] for pe in self.pes}
        for one in self.instances:
            own.setdefault(one.pe, []).append(one)
        return {pe: self._work_of(pe, own[pe]) for pe in self.pes}

    def _work_of(self, pe: str, instances: list[InstanceProfile]) -> Work:
        compute_s = sum(one.split.compute_s * self._on_core[one.worker] for one in instances)
        cpu_s = sum(
            one.split.compute_s
            * min(self._cpu_share(one) * self._cpu_scale[one.worker], max(1.0, self._cpu_share(one)))
            for one in instances
        )
        busy = [self.busy_s(one) for one in instances]
        compute_s = max(compute_s, min(cpu_s, sum(one.split.compute_s for one in instances)))
        beside_s = sum(hand_over_s(one.split) * self._on_core[one.worker] for one in instances)
        writing_s = min(0.9 * cpu_s, 0.9 * compute_s, max(0.0, self._least_writing_s(pe) - beside_s))
        return Work(
            pe=pe,
            compute_s=compute_s - writing_s,
            cpu_s=cpu_s - writing_s,
            hand_over_s=beside_s + writing_s,
            busiest=max(busy) / sum(busy) if sum(busy) > 0 else 1 / max(1, len(busy)),
        )

    def _least_writing_s(self, pe: str) -> float:
        """What a PE spends in `write` on items for other processes; as it is called by the PE, it is not told apart."""
        return HOP_S / 2 * sum(s.items for s in self.crossing if s.source == pe) if self.is_parallel else 0.0

    def busy_s(self, one: InstanceProfile) -> float:
        """How long an instance was busy, waits for a core aside."""
        return raw_busy_s(one.split) * self._on_core[one.worker]

    @cached_property
    def worker_busy_s(self) -> dict[int, float]:
        """How long each worker was busy, waits for a core aside."""
        busy = dict.fromkeys(self.worker_numbers, 0.0)
        for one in self.instances:
            busy[one.worker] += self.busy_s(one)
        return busy

    @cached_property
    def cpu_s(self) -> float:
        """Processor time of the work, over all PEs."""
        return sum(work.cpu_s + work.hand_over_s for work in self.work.values())

    @cached_property
    def bound_s(self) -> float:
        """The time that the run takes at least as it is: that of its busiest worker, or of its cores."""
        return max(*self.worker_busy_s.values(), self.cpu_s / self.cores, 0.0)

    @cached_property
    def stretch(self) -> float:
        """By how much the run took longer than that: imbalance, latency, other programs."""
        return max(1.0, self.wall_s / self.bound_s) if self.bound_s else 1.0

    @cached_property
    def _raw_busy_s(self) -> dict[int, float]:
        busy: dict[int, float] = defaultdict(float)
        for one in self.instances:
            busy[one.worker] += raw_busy_s(one.split)
        return busy

    @cached_property
    def _on_core(self) -> dict[int, float]:
        """By worker, the share of its busy time that it did not wait for a core."""
        full = sum(worker.cpu_s for worker in self.workers.values()) >= BUSY_MACHINE * self.cores * self.profile.wall_s
        shares = dict.fromkeys(self.worker_numbers, 1.0)
        for number, busy in self._raw_busy_s.items():
            worker = self.workers.get(number)
            if worker is None or not worker.cpu_s or not busy:
                continue
            idle = max(0.0, busy - worker.cpu_s)
            waited = idle if worker.runnable_s is None and full else min(idle, worker.runnable_s or 0.0)
            shares[number] = 1 - waited / busy
        return shares

    def _cpu_share(self, one: InstanceProfile) -> float:
        """Processor time over wall time of its PE's code; where that was not measured, that of its worker."""
        share, worker = self.pes[one.pe].service.cpu_share, self.workers.get(one.worker)
        if share is not None:
            return share
        busy = self._raw_busy_s[one.worker]
        return min(1.0, worker.cpu_s / busy) if worker is not None and worker.cpu_s and busy else 1.0

    @cached_property
    def _cpu_scale(self) -> dict[int, float]:
        """By worker, what makes its instances' processor time its own: looks are few, and waits for a core long."""
        used = dict.fromkeys(self.worker_numbers, 0.0)
        for one in self.instances:
            beside_s = hand_over_s(one.split) * self._on_core[one.worker]
            used[one.worker] += self._cpu_share(one) * one.split.compute_s + beside_s
        measured = {number: worker.cpu_s for number, worker in self.workers.items() if worker.cpu_s}
        return {number: measured.get(number, cpu_s) / cpu_s if cpu_s else 1.0 for number, cpu_s in used.items()}

    @cached_property
    def wanted_cores(self) -> dict[int, float]:
        """By worker, how many cores it used or waited for, on average; it waits while it has something to do."""

        def wanted_s(number: int) -> float:
            worker = self.workers[number]
            return worker.cpu_s + min(worker.runnable_s or 0.0, self._raw_busy_s.get(number, 0.0))

        return {number: wanted_s(number) / self.wall_s if self.wall_s else 0.0 for number in self.workers}

    @cached_property
    def outside_load(self) -> float:
        """By how much other programs lengthened the work: cores that the workers could use, over those they got."""
        got = sum(worker.cpu_s for worker in self.workers.values()) / self.wall_s if self.wall_s else 0.0
        return max(1.0, min(sum(self.wanted_cores.values()), self.cores) / got) if got else 1.0

    @cached_property
    def calls(self) -> dict[str, int]:
        """How often each PE was called."""
        return {pe.pe: pe.service.calls or pe.items_in for pe in self.profile.pes}

    @cached_property
    def inbound(self) -> dict[str, tuple[StreamProfile, ...]]:
        """The streams into each PE."""
        return {
            pe: tuple(s for s in self.profile.streams if s.target == pe and s.source in self.pes) for pe in self.pes
        }

    @cached_property
    def crossing(self) -> tuple[StreamProfile, ...]:
        """The streams between PEs whose items are handed over by more than a call."""
        return tuple(s for streams in self.inbound.values() for s in streams if not s.fused)

    def instances_of(self, pe: str) -> tuple[InstanceProfile, ...]:
        """The instances of a PE."""
        return tuple(one for one in self.instances if one.pe == pe)


def hand_over_s(split: Split) -> float:
    """What an instance spends on its items beside the PE's own code."""
    return split.serialise_s + split.codec_s + split.overhead_s


def raw_busy_s(split: Split) -> float:
    """How long an instance was busy, waits for a core included."""
    return split.compute_s + hand_over_s(split)


def _stand_ins(profile: Profile) -> Iterable[InstanceProfile]:
    """Instances for a profile that has none: alike, each on a worker of its own unless the run was sequential."""
    worker = 0
    for pe in profile.pes:
        number = max(1, pe.instances)
        for index in range(number):
            yield InstanceProfile(
                pe=pe.pe, index=index, worker=worker, stage=0, calls=pe.service.calls // number, split=_part(pe, number)
            )
            worker += profile.mapping != "simple"


def _part(pe: PEProfile, number: int) -> Split:
    split = pe.split
    compute_s = split.compute_s or pe.service.calls * pe.service.mean_s
    return Split(
        compute_s=compute_s / number,
        serialise_s=split.serialise_s / number,
        codec_s=split.codec_s / number,
        overhead_s=split.overhead_s / number,
        blocked_s=split.blocked_s / number,
        starved_s=split.starved_s / number,
    )
