"""A profile as files that other viewers open: trace events for Perfetto and chrome://tracing, and speedscope's own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from d4py_adaptive.dashboard.report.page import one_line
from d4py_adaptive.dashboard.report.shares import seconds
from d4py_adaptive.telemetry.profile import InstanceProfile, Profile, Timeline

SPEEDSCOPE_SCHEMA = "https://www.speedscope.app/file-format-schema.json"

KINDS = ("compute", "serialise", "blocked", "starved")
"""What a timeline tells apart; `elsewhere` is what is left of a slot."""


@dataclass(frozen=True)
class Slice:
    """A stretch of an instance's life, in seconds since the run began.

    Attributes:
        start_s: its start.
        end_s: its end, later than its start.
        name: what the instance did most.
        shares: the share of each kind, where they are known.
    """

    start_s: float
    end_s: float
    name: str
    shares: dict[str, float] = field(default_factory=dict)


def chrome_trace(profile: Profile) -> dict[str, Any]:
    """The profile as trace events: a process per worker, a thread per instance, and counters per PE.

    An instance's thread shows what it did most in each slot of time. Its longest calls and waits, where the profile has
    them, are a thread of their own behind it. The slices of a thread follow or contain one another, as the format
    demands. Times are in microseconds.
    """
    workers = sorted({one.worker for one in profile.instances} | {worker.number for worker in profile.workers})
    pids = {worker.number: worker.pid for worker in profile.workers}
    named: list[dict[str, Any]] = []
    timed: list[dict[str, Any]] = []
    for number in workers:
        process = f"worker {number}, process {pids[number]}" if pids.get(number) else f"worker {number}"
        named += _named("process", number + 1, 0, process)  # viewers take process 0 for the idle one
    for number, one in enumerate(profile.instances):
        tracks = {one_line(one.label): slots(one, profile.wall_s), f"{one_line(one.label)}, longest": longest(one)}
        for tid, (name, found) in enumerate(tracks.items(), 2 * number + 1):
            if found:
                named += _named("thread", one.worker + 1, tid, name)
                timed += _slices(one.worker + 1, tid, found)
    counters = max(workers, default=0) + 2
    named += _named("process", counters, 0, "all workers, by PE")
    timed += (event | {"ph": "C", "pid": counters, "tid": 0} for event in _counters(profile))
    return {
        "traceEvents": named + sorted(timed, key=lambda event: (event["ts"], -event.get("dur", 0.0))),
        "displayTimeUnit": "ms",
        "otherData": {"workflow": one_line(profile.workflow), "mapping": profile.mapping, "level": profile.level},
    }


def speedscope(profile: Profile) -> dict[str, Any]:
    """The profile as speedscope reads it: where the time of all PEs went, and what each instance did when."""
    frames = _Frames()
    parts = [
        ([frames.of(one_line(pe.pe)), frames.of(kind)], round(spent, 9))
        for pe in profile.pes
        for kind, spent in seconds(pe.split).items()
        if spent > 0
    ]
    profiles = [_sampled("where the time went, all PEs", parts)]
    for one in profile.instances:
        found = slots(one, profile.wall_s) or longest(one)
        if found:
            profiles.append(_evented(one_line(one.label), found, profile.wall_s, frames))
        else:
            whole = [([frames.of(kind)], round(spent, 9)) for kind, spent in seconds(one.split).items() if spent > 0]
            profiles.append(_sampled(f"{one_line(one.label)}, in total", whole))
    return {
        "$schema": SPEEDSCOPE_SCHEMA,
        "name": one_line(profile.workflow),
        "exporter": "d4py_adaptive",
        "activeProfileIndex": 0,
        "shared": {"frames": frames.list},
        "profiles": profiles,
    }


def slots(instance: InstanceProfile, wall_s: float) -> list[Slice]:
    """What an instance did most in each slot of its timeline, in order, like slots joined; without one, nothing."""
    return _joined(_slots(instance.timeline, wall_s)) if instance.timeline is not None else []


def longest(instance: InstanceProfile) -> list[Slice]:
    """An instance's longest calls and waits, by start.

    Of two, one contains the other or they stand apart; where they cross, the later one is cut.
    """
    found = [Slice(span.start_s, span.end_s, span.kind) for span in instance.spans if span.end_s > span.start_s]
    return _nested(sorted(found, key=lambda part: (part.start_s, -part.end_s)))


def _nested(found: Iterable[Slice]) -> list[Slice]:
    kept: list[Slice] = []
    around: list[float] = []  # ends of the slices that the next one may stand in
    for part in found:
        while around and around[-1] <= part.start_s:
            around.pop()
        end_s = min(part.end_s, around[-1]) if around else part.end_s
        around.append(end_s)
        kept.append(Slice(part.start_s, end_s, part.name))
    return kept


def _slots(timeline: Timeline, wall_s: float) -> Iterator[Slice]:
    """A slice per slot in which something was measured; the last slot ends with the run."""
    rows = zip_longest(timeline.compute_s, timeline.serialise_s, timeline.blocked_s, timeline.starved_s, fillvalue=0.0)
    for number, row in enumerate(rows):
        start_s, end_s = number * timeline.slot_s, (number + 1) * timeline.slot_s
        if start_s < wall_s < end_s:
            end_s = wall_s
        if end_s > start_s and sum(row) > 0:
            spent = dict(zip(KINDS, row, strict=True)) | {"elsewhere": max(0.0, end_s - start_s - sum(row))}
            yield Slice(start_s, end_s, max(spent, key=spent.__getitem__), spent)


def _joined(slots: Iterable[Slice]) -> list[Slice]:
    """Slots that follow one another and are of one name as one, with shares in place of seconds."""
    joined: list[Slice] = []
    for slot in slots:
        last = joined[-1] if joined else None
        if last is not None and last.name == slot.name and abs(last.end_s - slot.start_s) < 1e-9:
            spent = {kind: last.shares[kind] + slot.shares[kind] for kind in slot.shares}
            joined[-1] = Slice(last.start_s, slot.end_s, slot.name, spent)
        else:
            joined.append(slot)
    return [Slice(part.start_s, part.end_s, part.name, _shares(part.shares)) for part in joined]


def _shares(spent: dict[str, float]) -> dict[str, float]:
    total = sum(spent.values())
    return {kind: round(value / total, 4) for kind, value in spent.items()}


def _counters(profile: Profile) -> Iterator[dict[str, Any]]:
    """How many instances of each PE did what, by slot; and its items, which are known at the end alone."""
    for pe in profile.pes:
        name, spent = one_line(pe.pe), _spent_by_slot(profile, pe.pe)
        for start_s in sorted(spent):
            yield {"name": name, "ts": _us(start_s), "args": spent[start_s]}
        if spent:
            end_s = max(profile.wall_s, max(spent))
            yield {"name": name, "ts": _us(end_s), "args": dict.fromkeys(KINDS, 0.0)}
        yield {"name": f"{name} items", "ts": 0.0, "args": {"in": 0, "out": 0}}
        yield {"name": f"{name} items", "ts": _us(profile.wall_s), "args": {"in": pe.items_in, "out": pe.items_out}}


def _spent_by_slot(profile: Profile, pe: str) -> dict[float, dict[str, float]]:
    """By start of slot: how many instances did what, on average over the slot."""
    spent: dict[float, dict[str, float]] = {}
    for one in profile.instances:
        if one.pe != pe or one.timeline is None or one.timeline.slot_s <= 0:
            continue
        for kind in KINDS:
            for number, value in enumerate(getattr(one.timeline, f"{kind}_s")):
                slot = spent.setdefault(round(number * one.timeline.slot_s, 9), dict.fromkeys(KINDS, 0.0))
                slot[kind] = round(slot[kind] + value / one.timeline.slot_s, 4)
    return spent


def _slices(pid: int, tid: int, found: Iterable[Slice]) -> Iterator[dict[str, Any]]:
    for part in found:
        start, end = _us(part.start_s), _us(part.end_s)
        yield {
            "ph": "X", "cat": "instance", "pid": pid, "tid": tid, "name": part.name, "ts": start,
            "dur": round(end - start, 3), "args": part.shares,
        }  # fmt: skip


def _named(what: str, pid: int, tid: int, name: str) -> list[dict[str, Any]]:
    """Events that give a process or a thread its name, and its place by its number."""
    where = {"ph": "M", "pid": pid, "tid": tid, "ts": 0.0}
    return [
        where | {"name": f"{what}_name", "args": {"name": name}},
        where | {"name": f"{what}_sort_index", "args": {"sort_index": tid or pid}},
    ]


def _us(time_s: float) -> float:
    return round(time_s * 1e6, 3)


class _Frames:
    """Speedscope's table of frames: each name once."""

    def __init__(self) -> None:
        self.list: list[dict[str, str]] = []
        self._places: dict[str, int] = {}

    def of(self, name: str) -> int:
        """The number of a frame."""
        if name not in self._places:
            self._places[name] = len(self.list)
            self.list.append({"name": name})
        return self._places[name]


def _sampled(name: str, parts: list[tuple[list[int], float]]) -> dict[str, Any]:
    weights = [weight for _, weight in parts]
    return {
        "type": "sampled",
        "name": name,
        "unit": "seconds",
        "startValue": 0,
        "endValue": round(sum(weights), 9),
        "samples": [stack for stack, _ in parts],
        "weights": weights,
    }


def _evented(name: str, found: list[Slice], wall_s: float, frames: _Frames) -> dict[str, Any]:
    events: list[dict[str, Any]] = []
    opened: list[tuple[int, float]] = []

    def close_until(time_s: float) -> None:
        while opened and opened[-1][1] <= time_s:
            frame, end_s = opened.pop()
            events.append({"type": "C", "frame": frame, "at": round(end_s, 9)})

    for part in found:
        close_until(part.start_s)
        frame = frames.of(part.name)
        events.append({"type": "O", "frame": frame, "at": round(part.start_s, 9)})
        opened.append((frame, part.end_s))
    close_until(float("inf"))
    end_s = max(wall_s, events[-1]["at"])
    return {
        "type": "evented",
        "name": name,
        "unit": "seconds",
        "startValue": 0,
        "endValue": end_s,
        "events": events,
    }
