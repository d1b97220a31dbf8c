"""The picture of the graph: boxes in the colour of their PE's utilisation, streams as wide as their bytes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from d4py_adaptive.dashboard.graph_picture import style
from d4py_adaptive.dashboard.graph_picture.boxes import Direction
from d4py_adaptive.dashboard.graph_picture.outline import Arrow, Element, Group, Outline, Port
from d4py_adaptive.dashboard.graph_picture.page import page_of
from d4py_adaptive.dashboard.graph_picture.shapes import Page
from d4py_adaptive.dashboard.report import figures, wording
from d4py_adaptive.dashboard.text import short
from d4py_adaptive.telemetry.profile import PEProfile, Profile, StreamProfile

HEAT = ("#fdf8f0", "#fbe6c8", "#f8cf97", "#f3b166", "#ea8f45")
"""Fill of a box: utilisation up to 20 %, 40 %, and so on. `report.css` has their counterparts for the dark."""

_THICKEST = 8.0
_LONGEST_NAME = 56
_MOST_PES = 150
"""Of a larger graph no picture is drawn: it could not be read, and takes long to lay out."""


def utilisation(pe: PEProfile) -> float | None:
    """The share of its instances' time in which a PE worked: computed, encoded, compressed; None if unmeasured."""
    split = pe.split
    life = sum(getattr(split, name) for name in split.__struct_fields__)
    return (split.compute_s + split.serialise_s + split.codec_s) / life if life else None


def graph_page(profile: Profile, direction: Direction) -> Page | None:
    """The picture of a profile's graph; None if it has no PEs, or too many."""
    if not 0 < len(profile.pes) <= _MOST_PES:
        return None
    page = page_of(graph_outline(profile), "The workflow", direction)
    return Page(page.title, page.width, page.height, page.shapes, _description(profile))


def graph_outline(profile: Profile) -> Outline:
    """What is drawn of a profile's graph: PEs that share a stage stand in a frame."""
    ends = [end for stream in profile.streams for end in (stream.source, stream.target) if end]
    keys = {pe: f"pe{number}" for number, pe in enumerate(dict.fromkeys([*(pe.pe for pe in profile.pes), *ends]))}
    into, out_of = defaultdict[str, list[StreamProfile]](list), defaultdict[str, list[StreamProfile]](list)
    for stream in profile.streams:
        out_of[stream.source].append(stream)
        if stream.target:
            into[stream.target].append(stream)
    measured = {pe.pe: pe for pe in profile.pes}
    elements = {pe: _element(key, pe, measured.get(pe), into[pe], out_of[pe]) for pe, key in keys.items()}
    members: list[Element | Group] = []
    for number, stage in enumerate(profile.stages):
        inside = [pe for pe in dict.fromkeys(stage) if pe in elements]
        if len(inside) > 1:
            members.append(Group(f"stage{number}", "one stage", tuple(map(elements.pop, inside))))
    most = max((stream.bytes for stream in profile.streams), default=0)
    arrows = [
        Arrow(keys[stream.source], _name(stream.output), keys[stream.target], _name(stream.input), _width(stream, most))
        for stream in profile.streams
        if stream.target
    ]
    return Outline(Group("graph", profile.workflow, (*members, *elements.values())), tuple(arrows))


def _element(
    key: str, name: str, pe: PEProfile | None, into: Sequence[StreamProfile], out_of: Sequence[StreamProfile]
) -> Element:
    inputs = dict.fromkeys(stream.input for stream in into)
    outputs = dict.fromkeys(stream.output for stream in out_of)
    busy = utilisation(pe) if pe else None
    return Element(
        key,
        short(name, _LONGEST_NAME),
        tuple(_input(port, [stream for stream in into if stream.input == port]) for port in inputs),
        tuple(
            Port(_name(port), sum(1 for stream in out_of if stream.output == port and stream.target))
            for port in outputs
        ),
        pe.instances if pe else 1,
        "" if busy is None else f"{figures.share(busy)} busy",
        (style.PAPER if busy is None else HEAT[min(int(busy * len(HEAT)), len(HEAT) - 1)], style.BADGE),
    )


def _input(port: str, streams: Sequence[StreamProfile]) -> Port:
    """An input; on the arrow before it stands who gets an item, and how many bytes came."""
    total = sum(stream.bytes for stream in streams)
    words = (short(wording.grouping(streams[0]), 24), figures.size(total) if total else "")
    return Port(_name(port), len(streams), " · ".join(word for word in words if word))


def _name(port: str) -> str:
    return short(port, _LONGEST_NAME)


def _width(stream: StreamProfile, most: int) -> float:
    return max(style.STREAM_WIDTH, _THICKEST * stream.bytes / most) if most else style.STREAM_WIDTH


def _description(profile: Profile) -> str:
    busy = ((pe.pe, utilisation(pe)) for pe in profile.pes)
    boxes = ", ".join(f"{pe} {'not measured' if part is None else figures.share(part)}" for pe, part in busy)
    streams = ", ".join(f"{s.source} to {s.target} {figures.size(s.bytes)}" for s in profile.streams if s.target)
    return f"PEs and how busy they are: {boxes}. Streams and their bytes: {streams or 'none'}."
