"""How long a workflow would take, run in another way: operational analysis over the measured figures.

A run takes at least as long as its busiest instance, as its work dealt out to its workers, and as its processor time
dealt out to the cores. By how much the measured run exceeded that bound, a predicted one is taken to as well.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, replace

from d4py_adaptive.runtime.diagnosis.figures import HOP_S, Figures, Work
from d4py_adaptive.telemetry.profile import StreamProfile

START_S, WORKER_START_S = 0.02, 0.005
"""What starting workers takes, and each of them, where it was not measured."""

CALL_S = 3e-7
"""What handing over an item by a call costs."""

HOP_S_PER_BYTE = 6e-10
"""What the bytes of an item take on their way to another process, where the machine was not probed."""

SMALL_BYTES = 100
MOST_WORKERS = 32
SKEWED = 1.5
"""An instance that has so many times its fair share is no accident."""


@dataclass(frozen=True, slots=True)
class Setup:
    """Another way to run.

    Attributes:
        workers: how many; 1 is sequential.
        freed: PEs that may have an instance per worker, whatever keeps them from it now.
        balanced: PEs whose items are dealt out evenly, whatever their keys.
        free_streams: streams that cost nothing.
        fuse: whether PEs share stages as the planner has it.
    """

    workers: int
    freed: frozenset[str] = frozenset()
    balanced: frozenset[str] = frozenset()
    free_streams: frozenset[str] = frozenset()
    fuse: bool = True


def predicted_s(figures: Figures, setup: Setup) -> float:
    """How long the run would take, the start of its workers included."""
    if setup.workers == 1:
        return sequential_s(figures)
    start_s = figures.profile.start_s / len(figures.worker_numbers) * setup.workers if figures.is_parallel else 0.0
    start_s = start_s or START_S + WORKER_START_S * setup.workers
    return start_s + _makespan_s(figures, setup) * figures.stretch


def sequential_s(figures: Figures) -> float:
    """How long it would take in one process, where streams are calls."""
    if not figures.is_parallel and not figures.crossing:
        return figures.total_s
    own_s = sum(work.compute_s + _fused_s(figures, pe) for pe, work in figures.work.items())
    return own_s * figures.outside_load


def bound_s(figures: Figures) -> float:
    """No way to run it on these cores takes less: their time for its own code, and what cannot be divided."""
    cpu_s = sum(work.cpu_s for work in figures.work.values())
    longest = (work.compute_s / max(1, most_instances(figures, pe)) for pe, work in figures.work.items())
    return max(cpu_s / figures.cores, *longest, 0.0)


def most_instances(figures: Figures, pe: str) -> int:
    """How many instances of a PE could share its work."""
    scaling = figures.pes[pe].scaling
    return scaling.fixed or min(scaling.at_most or MOST_WORKERS, max(1, figures.calls[pe]), MOST_WORKERS)


def best_workers(figures: Figures, setup: Setup) -> int:
    """The fewest workers, at most 32, that come within 5 % of the quickest."""
    times = {n: predicted_s(figures, replace(setup, workers=n)) for n in range(2, MOST_WORKERS + 1)}
    return next(n for n, seconds in times.items() if seconds <= 1.05 * min(times.values()))


def instances_in(figures: Figures, setup: Setup) -> dict[str, int]:
    """How many instances each PE would have."""
    freed = setup.freed | setup.balanced

    def number(pe: str) -> int:
        most = most_instances(figures, pe)
        if pe in freed:
            return setup.workers
        return most if figures.pes[pe].scaling.fixed is not None else min(setup.workers, most)

    return {pe: number(pe) for pe in figures.pes}


def fused_groups(figures: Figures, instances: Mapping[str, int]) -> dict[str, int]:
    """The number of the stage that each PE would stand in, by the planner's rules, about."""
    stage: dict[str, int] = {}
    for number, pe in enumerate(figures.pes):
        streams = figures.inbound[pe]
        before = {stage.get(stream.source, -1) for stream in streams}
        joins = len(before) == 1 and -1 not in before and all(_may_fuse(figures, s, instances) for s in streams)
        stage[pe] = before.pop() if joins else number
    return stage


def sides_s(figures: Figures, stream: StreamProfile) -> tuple[float, float]:
    """What the items of a stream cost at its two ends: as measured, where it crossed; else as they would."""
    if not stream.fused and figures.is_parallel:
        return _measured_s(figures, stream, stream.source), _measured_s(figures, stream, stream.target)
    one_s = stream.items * hop_s(figures, stream.item_bytes or SMALL_BYTES) / 2
    return one_s, one_s


def hop_s(figures: Figures, item_bytes: float) -> float:
    """What it costs to hand an item of this size to another process, both sides together."""
    host = figures.host
    if host is None or not host.batched_hop_s:
        return HOP_S + HOP_S_PER_BYTE * item_bytes
    ways = [way for way in ("shared_memory", "pipe") if host.batched_hop_s.get(way)]
    carried_s = min((_at_size(host.batched_hop_s[way], item_bytes) for way in ways), default=0.0)
    return HOP_S + carried_s + _at_size(host.pickle_s, item_bytes)


def _makespan_s(figures: Figures, setup: Setup) -> float:
    instances = instances_in(figures, setup)
    groups = fused_groups(figures, instances) if setup.fuse else {pe: n for n, pe in enumerate(figures.pes)}
    works = [_in_setup(figures, pe, setup, instances[pe], groups) for pe in figures.pes]
    busiest_s: dict[int, float] = {}
    for work in works:  # replicas of a stage hold an instance of each of its PEs
        busiest_s[groups[work.pe]] = busiest_s.get(groups[work.pe], 0.0) + work.busy_s * work.busiest
    all_s, cpu_s = sum(work.busy_s for work in works), sum(work.cpu_s + work.hand_over_s for work in works)
    return max(*busiest_s.values(), all_s / setup.workers, cpu_s / figures.cores, 0.0)


def _in_setup(figures: Figures, pe: str, setup: Setup, instances: int, groups: Mapping[str, int]) -> Work:
    hand_over_s = _fused_s(figures, pe)
    for stream in figures.profile.streams:
        ends = (stream.source, stream.target)
        if pe not in ends or not {*ends} <= groups.keys() or stream.id in setup.free_streams:
            continue
        if groups[stream.source] != groups[stream.target]:
            writing_s, reading_s = sides_s(figures, stream)
            hand_over_s += (writing_s if pe == stream.source else 0.0) + (reading_s if pe == stream.target else 0.0)
    work = _with_setup(figures, pe, instances)
    share = 1 / instances if pe in setup.balanced else _busiest(figures, pe, instances)
    setup_s = _setup_each_s(figures, pe)
    busy_s = work.compute_s + hand_over_s
    busiest_s = setup_s + (busy_s - setup_s * instances) * share
    return replace(work, hand_over_s=hand_over_s, busiest=busiest_s / busy_s if busy_s else share)


def _setup_each_s(figures: Figures, pe: str) -> float:
    """What one instance of a PE takes to be set up and wound up, which more instances do not divide."""
    profile, compute_s = figures.pes[pe], figures.work[pe].compute_s
    return min(profile.setup_s, compute_s) / max(1, profile.instances)


def _with_setup(figures: Figures, pe: str, instances: int) -> Work:
    """A PE's work if it had so many instances, each of which is set up and wound up."""
    work, more = figures.work[pe], instances - max(1, figures.pes[pe].instances)
    compute_s = work.compute_s + more * _setup_each_s(figures, pe)
    return replace(work, compute_s=compute_s, cpu_s=work.cpu_s * compute_s / work.compute_s if work.compute_s else 0.0)


def _busiest(figures: Figures, pe: str, instances: int) -> float:
    """The share of a PE's work that would fall to the busiest of so many instances."""
    profile = figures.pes[pe]
    if not profile.scaling.keyed or instances == 1:
        return 1 / instances
    least = heaviest_key(figures, pe)
    if not least and profile.instances > 1:
        measured = figures.work[pe].busiest
        least = measured if measured * profile.instances >= SKEWED else 0.0
    return max(1 / instances, least)


def heaviest_key(figures: Figures, pe: str) -> float:
    """The share of a PE's items that carry its most frequent key; 0 where that is not known."""
    shares = [key.share for stream in figures.inbound[pe] for key in stream.heavy_keys]
    few = [1 / stream.distinct_keys for stream in figures.inbound[pe] if stream.distinct_keys]
    return max(*shares, *few, 0.0, 0.0)


def _fused_s(figures: Figures, pe: str) -> float:
    """What a PE costs beside its code where all its streams are calls."""
    if figures.is_parallel and any(pe in (stream.source, stream.target) for stream in figures.crossing):
        return min(figures.work[pe].hand_over_s, CALL_S * figures.calls[pe])
    return figures.work[pe].hand_over_s


def _measured_s(figures: Figures, stream: StreamProfile, pe: str) -> float:
    """A crossing stream's part of what a PE spends on its items, by number of items."""
    own = [other for other in figures.crossing if pe in (other.source, other.target)]
    items = sum(other.items for other in own)
    beside_s = figures.work[pe].hand_over_s - _fused_s(figures, pe)
    return beside_s * (stream.items / items if items else 1 / max(1, len(own)))


def _may_fuse(figures: Figures, stream: StreamProfile, instances: Mapping[str, int]) -> bool:
    source, target = instances[stream.source], instances[stream.target]
    free = figures.pes[stream.target].scaling.fixed is None
    return source == target and (source == 1 or (stream.grouping == "shuffle" and free))


def _at_size(seconds: Mapping[int, float], size: float) -> float:
    """Between the two sizes that were probed, or beyond the last in proportion."""
    sizes = sorted(seconds)
    if not sizes:
        return 0.0
    at = bisect_right(sizes, size)
    if at == 0:
        return seconds[sizes[0]]
    if at == len(sizes):
        return seconds[sizes[-1]] * max(1.0, size / max(1, sizes[-1]))
    low, high = sizes[at - 1], sizes[at]
    return seconds[low] + (seconds[high] - seconds[low]) * (size - low) / (high - low)
