"""The timeline: one lane per instance, with what it did from slot to slot, and its longest calls and waits below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from d4py_adaptive.dashboard.report.axes import Mark, even_marks
from d4py_adaptive.dashboard.report.splits import in_words
from d4py_adaptive.telemetry.profile import InstanceProfile, Profile, Span, Timeline

HEIGHT = 24
"""Height of a lane, in its own units; the spans stand in the lowest part."""

SPAN_KINDS = ("preprocess", "process", "postprocess", "blocked")

_SPANS_AT, _SPAN_HEIGHT = 20, 4
_STACKED = ("compute", "serialise", "blocked", "starved")
"""From the bottom to the top."""

_MOST_STEPS, _MOST_STEPS_PER_LANE = 36_000, 300
_MOST_SPANS = 12_000
_MOST_LANES = 400
_WIDTH = 1000


@dataclass(frozen=True, slots=True)
class Lane:
    """An instance in the timeline.

    Attributes:
        instance: the instance.
        said: where its time went, in words.
        layers: an SVG path for each kind of time, the one to draw first first.
        spans: an SVG path for each kind of span.
    """

    instance: InstanceProfile
    said: str
    layers: tuple[tuple[str, str], ...]
    spans: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Lanes:
    """The whole timeline; `left_out` instances have no lane for want of room."""

    end_s: float
    width: int
    marks: tuple[Mark, ...]
    lanes: tuple[Lane, ...]
    left_out: int
    slot_s: float
    has_spans: bool


def timeline_of(profile: Profile) -> Lanes | None:
    """The timeline of a profile; None where no instance has one."""
    drawn = [one for one in profile.instances if one.timeline is not None or one.spans]
    kept = _spread(drawn, _MOST_LANES)
    end_s = max((_end_s(one) for one in kept), default=0.0)
    if end_s <= 0:
        return None
    slots = min(_MOST_STEPS_PER_LANE, _MOST_STEPS // len(kept))
    spans = _MOST_SPANS // len(kept)
    lanes = tuple(_lane(one, end_s, slots, spans) for one in kept)
    slot_s = max((one.timeline.slot_s * _together(one.timeline, slots) for one in kept if one.timeline), default=0.0)
    has_spans = any(lane.spans for lane in lanes)
    return Lanes(end_s, _WIDTH, even_marks(end_s), lanes, len(drawn) - len(kept), slot_s, has_spans)


def _lane(instance: InstanceProfile, end_s: float, slots: int, spans: int) -> Lane:
    layers = _layers(instance.timeline, end_s, slots) if instance.timeline else ()
    return Lane(instance, in_words(instance.split), layers, _spans(instance.spans, end_s, spans))


def _end_s(instance: InstanceProfile) -> float:
    timeline = instance.timeline
    of_slots = timeline.slot_s * max(len(row) for row in _rows(timeline)) if timeline else 0.0
    return max(of_slots, max((span.end_s for span in instance.spans), default=0.0))


def _together(timeline: Timeline, most: int) -> int:
    """How many slots are drawn as one."""
    return max(1, -(-max(len(row) for row in _rows(timeline)) // most))


def _rows(timeline: Timeline) -> list[tuple[float, ...]]:
    return [getattr(timeline, f"{kind}_s") for kind in _STACKED]


def _layers(timeline: Timeline, end_s: float, most: int) -> tuple[tuple[str, str], ...]:
    """A path per kind, each from the bottom up to the top of its kind, so that the next covers what is not its own."""
    rows = _rows(timeline)
    length = max(len(row) for row in rows)
    if not length or not timeline.slot_s:
        return ()
    together = _together(timeline, most)
    width = _WIDTH * timeline.slot_s * together / end_s
    paths = []
    for number, kind in enumerate(_STACKED):
        heights = []
        for start in range(0, length, together):
            part = sum(sum(row[start : start + together]) for row in rows[: number + 1])
            slots = min(together, length - start)
            heights.append(round(min(1.0, part / (timeline.slot_s * slots)) * _SPANS_AT))
        if any(rows[number]):
            paths.append((kind, _steps(heights, width, _WIDTH * timeline.slot_s * length / end_s)))
    return tuple(reversed(paths))


def _steps(heights: Sequence[int], width: float, end: float) -> str:
    """An area of steps of this width above the base line up to `end`, as an SVG path; equal neighbours are one step."""
    edges = [round(min(width * number, end)) for number in range(len(heights) + 1)]
    path, at, height = [f"M0 {_SPANS_AT}"], 0, 0
    for number, wanted in enumerate(heights):
        if wanted != height:
            path.append((f"h{edges[number] - at}" if edges[number] != at else "") + f"v{height - wanted}")
            at, height = edges[number], wanted
    path.append(f"h{edges[-1] - at}V{_SPANS_AT}z")
    return "".join(path)


def _spans(spans: Sequence[Span], end_s: float, most: int) -> tuple[tuple[str, str], ...]:
    """The longest spans, a path of boxes per kind."""
    longest = sorted(spans, key=lambda span: span.start_s - span.end_s)[:most]
    found = []
    for kind in SPAN_KINDS:
        boxes = []
        for span in sorted((span for span in longest if span.kind == kind), key=lambda span: span.start_s):
            start = _WIDTH * span.start_s / end_s
            width = max(1.0, _WIDTH * (span.end_s - span.start_s) / end_s)
            boxes.append(f"M{start:.0f} {_SPANS_AT}h{width:.0f}v{_SPAN_HEIGHT}h-{width:.0f}z")
        if boxes:
            found.append((kind, "".join(boxes)))
    return tuple(found)


def _spread(instances: Sequence[InstanceProfile], most: int) -> list[InstanceProfile]:
    """At most so many instances: the lowest numbers of every PE."""
    if len(instances) <= most:
        return list(instances)
    ranks = sorted(range(len(instances)), key=lambda number: (instances[number].index, number))
    return [instances[number] for number in sorted(ranks[:most])]
