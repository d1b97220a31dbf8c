"""Puts the profiles of several runs together, so that a workflow is known better with each of them.

Counts are weights: they add up, and means are weighted with them. Older runs fade: now and then all that is kept is
halved, so that a profile follows its workflow, data and machine as they change. What counts are good for is therefore
their ratios; how many runs a profile holds is told by `runs` alone.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping
from typing import TypeVar

from msgspec.structs import replace

from d4py_adaptive.telemetry import sketch
from d4py_adaptive.telemetry.profile import (
    CostLaw,
    HeavyKey,
    PEProfile,
    Profile,
    ServiceTime,
    Split,
    StateSeen,
    StreamProfile,
)

MOST_CALLS = 1_000_000
"""Calls of one PE from which on what is kept is halved before the next run is added."""

RUNS_IN_FULL = 20
"""So many runs count in full; after them, what is kept is halved every `RUNS_BETWEEN` runs."""

RUNS_BETWEEN = 10

_MOST_NOTES = 12
_Z_95 = 1.96

K = TypeVar("K", int, str)


def merged(kept: Profile | None, new: Profile) -> Profile:
    """What is known after one more run.

    Whole runs and partial ones are not mixed: a whole one replaces what partial ones told, and a partial one adds
    nothing to whole ones. Other systems' traces give way to both. The figures of a PE whose code has changed begin
    anew, as do those of the streams it writes. Stages, instances and workers are the new run's alone.

    Args:
        kept: what was known before, of the same workflow on the same machine.
        new: what the run measured.

    Raises:
        ValueError: the two are of different workflows or machines.
    """
    if kept is None:
        return new
    if (kept.fingerprint, kept.host) != (new.fingerprint, new.host):
        raise ValueError("profiles of different workflows or machines cannot be merged")
    if _rank(new) < _rank(kept):
        what = "a trace of another system" if new.level == "foreign" else "a partial run"
        return replace(kept, notes=_notes(kept.notes, [f"{what} was left out: the figures are of better runs"]))
    if _rank(new) > _rank(kept):
        return new
    runs = kept.runs + new.runs
    if _is_time_to_fade(kept, runs):
        kept = _faded(kept)
    codes = {pe.pe: pe.code for pe in kept.pes}
    changed = [pe.pe for pe in new.pes if codes.get(pe.pe, pe.code) != pe.code]
    pes = {pe.pe: pe for pe in kept.pes if pe.pe not in changed}
    streams = {stream.id: stream for stream in kept.streams if stream.source not in changed}
    day = time.strftime("%Y-%m-%d", time.gmtime(new.recorded_at_s))
    return replace(
        new,
        level="full" if "full" in (kept.level, new.level) else new.level,
        runs=runs,
        pes=(*(_merged_pe(pes.pop(pe.pe), pe) if pe.pe in pes else pe for pe in new.pes), *pes.values()),
        streams=(
            *(_merged_stream(streams.pop(s.id), s) if s.id in streams else s for s in new.streams),
            *streams.values(),
        ),
        notes=_notes(
            kept.notes, new.notes, [f"the code of PE {pe} changed: its figures begin on {day}" for pe in changed]
        ),
    )


def _rank(profile: Profile) -> int:
    return 0 if profile.level == "foreign" else 1 if profile.partial else 2


def _notes(*sources: Iterable[str]) -> tuple[str, ...]:
    """The latest notes, each once."""
    said = [note for source in sources for note in source]
    return tuple(dict.fromkeys(reversed(said)))[:_MOST_NOTES][::-1]


def _merged_pe(kept: PEProfile, new: PEProfile) -> PEProfile:
    weights = _received(kept), _received(new)
    return replace(
        new,
        items_in=kept.items_in + new.items_in,
        items_out=kept.items_out + new.items_out,
        bytes_in=kept.bytes_in + new.bytes_in,
        bytes_out=kept.bytes_out + new.bytes_out,
        selectivity={
            port: _mean((kept.selectivity.get(port, 0.0), new.selectivity.get(port, 0.0)), weights) or 0.0
            for port in kept.selectivity | new.selectivity
        },
        item_in_bytes=_mean((kept.item_in_bytes, new.item_in_bytes), (kept.items_in, new.items_in)),
        skipped=kept.skipped + new.skipped,
        retried=kept.retried + new.retried,
        service=_merged_service(kept.service, new.service),
        cost=_better_law(kept.cost, new.cost),
        split=Split(**{part: getattr(kept.split, part) + getattr(new.split, part) for part in Split.__struct_fields__}),
        state=_merged_state(kept.state, new.state),
    )


def _received(pe: PEProfile) -> int:
    """What selectivity is per: items received, or calls of a source."""
    return pe.items_in or pe.service.calls


def _merged_service(kept: ServiceTime, new: ServiceTime) -> ServiceTime:
    calls = kept.calls + new.calls
    buckets = sketch.merged((kept.buckets, new.buckets))
    deviation_s = _deviation_s(kept, new)
    longest_s = max(kept.max_s, new.max_s)
    best = new if new.timed or not kept.timed else kept
    p50_s, p95_s, p99_s = (
        (min(sketch.quantile_s(buckets, share), longest_s) for share in (0.5, 0.95, 0.99))
        if buckets
        else (best.p50_s, best.p95_s, best.p99_s)
    )
    return ServiceTime(
        calls=calls,
        timed=kept.timed + new.timed,
        mean_s=_mean((kept.mean_s, new.mean_s), (kept.calls, new.calls)) or 0.0,
        mean_error_s=_Z_95 * deviation_s / math.sqrt(calls) if calls else 0.0,
        p50_s=p50_s,
        p95_s=p95_s,
        p99_s=p99_s,
        max_s=longest_s,
        deviation_s=deviation_s,
        buckets=buckets,
        cpu_share=_mean((kept.cpu_share, new.cpu_share), (kept.calls * kept.mean_s, new.calls * new.mean_s)),
        own_cpu_share=_mean(
            (kept.own_cpu_share, new.own_cpu_share), (kept.calls * kept.mean_s, new.calls * new.mean_s)
        ),
    )


def _deviation_s(kept: ServiceTime, new: ServiceTime) -> float:
    """The deviation of all calls together: what they deviate within each run, and what the runs' means do."""
    before, now = kept.timed or kept.calls, new.timed or new.calls
    if not before or not now:
        return kept.deviation_s if before else new.deviation_s
    within = (before - 1) * kept.deviation_s**2 + (now - 1) * new.deviation_s**2
    between = before / (before + now) * now * (kept.mean_s - new.mean_s) ** 2
    return math.sqrt((within + between) / (before + now - 1))


def _better_law(kept: CostLaw | None, new: CostLaw | None) -> CostLaw | None:
    """The newer law, unless it rests on far fewer samples."""
    if kept is None or new is None:
        return new or kept
    return new if 2 * new.samples >= kept.samples else kept


def _merged_state(kept: StateSeen, new: StateSeen) -> StateSeen:
    return replace(
        new if new.reason else kept,
        declared=new.declared,
        looks=kept.looks + new.looks,
        changed=_sum(kept.changed, new.changed),
    )


def _merged_stream(kept: StreamProfile, new: StreamProfile) -> StreamProfile:
    weights = kept.items, new.items
    return replace(
        new,
        items=kept.items + new.items,
        bytes=kept.bytes + new.bytes,
        item_bytes=_mean((kept.item_bytes, new.item_bytes), weights),
        copy_s=kept.copy_s + new.copy_s,
        compressibility=_mean((kept.compressibility, new.compressibility), weights),
        distinct_keys=max((n for n in (kept.distinct_keys, new.distinct_keys) if n is not None), default=None),
        heavy_keys=_heaviest(kept, new),
    )


def _heaviest(kept: StreamProfile, new: StreamProfile) -> tuple[HeavyKey, ...]:
    """The heaviest keys of both, by their share of the items of those runs that looked at keys."""
    if not _looked_at_keys(new):
        return kept.heavy_keys
    if not _looked_at_keys(kept):
        return new.heavy_keys
    before, now = ({heavy.key: heavy.share for heavy in stream.heavy_keys} for stream in (kept, new))
    weights = kept.items, new.items
    shares = {key: _mean((before.get(key, 0.0), now.get(key, 0.0)), weights) or 0.0 for key in before | now}
    heaviest = sorted(shares, key=lambda key: (-shares[key], key))[: max(len(before), len(now))]
    return tuple(HeavyKey(key=key, share=shares[key]) for key in heaviest)


def _looked_at_keys(stream: StreamProfile) -> bool:
    return bool(stream.heavy_keys) or stream.distinct_keys is not None


def _mean(values: tuple[float | None, float | None], weights: tuple[float, float]) -> float | None:
    """The weighted mean of what is known, never outside of it; the latter where nothing weighs anything."""
    kept, new = values
    if kept is None or new is None:
        return kept if new is None else new
    total = sum(weights)
    mean = kept * (weights[0] / total) + new * (weights[1] / total) if total else new
    return min(max(mean, min(kept, new)), max(kept, new))


def _sum(kept: Mapping[K, int], new: Mapping[K, int]) -> dict[K, int]:
    return {name: kept.get(name, 0) + new.get(name, 0) for name in {**kept, **new}}


# ---------------------------------------------------------------------- fading


def _is_time_to_fade(kept: Profile, runs: int) -> bool:
    """Whether what is kept is too much for the next run to show; all of it fades together, so that ratios stay."""
    passes = runs > RUNS_IN_FULL and kept.runs // RUNS_BETWEEN < runs // RUNS_BETWEEN
    return passes or any(pe.service.calls > MOST_CALLS for pe in kept.pes)


def _faded(profile: Profile) -> Profile:
    return replace(
        profile,
        pes=tuple(_faded_pe(pe) for pe in profile.pes),
        streams=tuple(
            replace(stream, items=_half(stream.items), bytes=_half(stream.bytes), copy_s=stream.copy_s / 2)
            for stream in profile.streams
        ),
    )


def _faded_pe(pe: PEProfile) -> PEProfile:
    return replace(
        pe,
        items_in=_half(pe.items_in),
        items_out=_half(pe.items_out),
        bytes_in=_half(pe.bytes_in),
        bytes_out=_half(pe.bytes_out),
        skipped=_half(pe.skipped),
        retried=_half(pe.retried),
        service=replace(
            pe.service,
            calls=_half(pe.service.calls),
            timed=_half(pe.service.timed),
            buckets=_half_of_each(pe.service.buckets),
        ),
        split=Split(**{part: getattr(pe.split, part) / 2 for part in Split.__struct_fields__}),
        state=replace(
            pe.state,
            looks=_half(pe.state.looks),
            changed={name: _half(count) for name, count in pe.state.changed.items()},
        ),
    )


def _half(count: int) -> int:
    """Half of it, rounded up: what was seen once is never forgotten."""
    return (count + 1) // 2


def _half_of_each(buckets: Mapping[int, int]) -> dict[int, int]:
    """Half of a sketch of the same form: every other value of it, in order of size."""
    halves, seen = {}, 0
    for bucket, count in sorted(buckets.items()):
        before, seen = seen, seen + count
        halves[bucket] = _half(seen) - _half(before)
    return {bucket: count for bucket, count in halves.items() if count}
