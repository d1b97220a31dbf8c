"""The tables of the diagnosis screen: where the time of each PE went, and what the streams carried."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from d4py_adaptive.dashboard.report.figures import count, rate, share, size
from d4py_adaptive.dashboard.report.page import MARGIN, STYLES, Column, Marks, Page, bar
from d4py_adaptive.dashboard.report.shares import KINDS, busiest, shares
from d4py_adaptive.dashboard.text import duration
from d4py_adaptive.telemetry.profile import PEProfile, Profile, Split, StreamProfile

if TYPE_CHECKING:
    from rich.text import Text

WIDE = 110
"""Columns from which there is room for more figures per PE."""


def add_time(page: Page, profile: Profile, most: int, culprit: str) -> None:
    """Add where the time went: a line per PE, the busiest `most` of them."""
    if not profile.pes:
        return
    shown = busiest(profile, most, culprit)
    bars = bars_of(page, [pe.split for pe in shown])
    page.heading("Where the time went", legend(page.marks, bars))
    quantiles = (50, 95, 99) if page.width >= WIDE else (50,)
    columns = (
        Column("PE", left=True, least=14), Column("n"), Column("", left=True), Column("busy"),
        Column("calls", optional=True), *(Column(f"p{quantile}") for quantile in quantiles), Column("items/s"),
    )  # fmt: skip
    rows = [_time_of(profile, pe, drawn, quantiles) for pe, drawn in zip(shown, bars, strict=True)]
    page.table(columns, rows, [page.marks.culprit if pe.pe == culprit else " " for pe in shown])
    add_more(page, len(profile.pes) - len(shown))


def bars_of(page: Page, splits: Iterable[Split]) -> list[Text]:
    """A bar per split, as wide as there is room for beside a table's figures."""
    width = max(12, min(48, page.width - (56 if page.width < WIDE else 74)))
    return [bar(shares(split), width, page.marks) for split in splits]


def legend(marks: Marks, bars: Iterable[Text]) -> list[Text]:
    """The kinds of time that bars show, each behind its character."""
    from rich.text import Text

    seen = {character for drawn in bars for character in drawn.plain}
    kinds = [kind for kind in KINDS if marks.bars[kind] in seen]
    named = [Text.assemble((marks.bars[kind], STYLES[kind]), f" {kind}") for kind in kinds if kind != "others"]
    return named + [Text("blank: others' turn")] * ("others" in kinds)


def _time_of(profile: Profile, pe: PEProfile, drawn: Text, quantiles: Iterable[int]) -> list[str | Text]:
    service = pe.service
    times = {50: service.p50_s, 95: service.p95_s, 99: service.p99_s}
    return [
        pe.pe,
        count(pe.instances),
        drawn,
        share(shares(pe.split)["busy"]),
        count(service.calls),
        *(duration(times[quantile]) if service.timed else "-" for quantile in quantiles),
        rate((pe.items_in or pe.items_out) / profile.wall_s) if profile.wall_s else "-",
    ]


def add_streams(page: Page, profile: Profile, most: int) -> None:
    """Add the streams by volume, the `most` largest."""
    largest = by_volume(profile)[:most]
    if not largest:
        return
    page.heading("Streams by volume")
    columns = (
        Column("stream", left=True, least=20), Column("items"), Column("bytes"), Column("each"),
        Column("MB/s", optional=True), Column("", left=True, optional=True),
    )  # fmt: skip
    names = stream_names(profile, page.marks)
    page.table(columns, [(names[stream.id], *_volume_of(stream, profile)) for stream in largest])
    add_more(page, len(profile.streams) - len(largest))


def by_volume(profile: Profile) -> list[StreamProfile]:
    """The streams, those with most bytes first."""
    return sorted(profile.streams, key=lambda stream: (-stream.bytes, -stream.items))


def stream_names(profile: Profile, marks: Marks) -> dict[str, str]:
    """What people read, by id: the PEs at a stream's ends; the ports too where several streams join these."""
    alike = Counter((stream.source, stream.target) for stream in profile.streams)
    names = {}
    for stream in profile.streams:
        source, target = stream.source, stream.target or "results"
        if alike[stream.source, stream.target] > 1:
            source = f"{source}.{stream.output}"
            target = f"{target}.{stream.input}" if stream.target else target
        names[stream.id] = f"{source} {marks.arrow} {target}"
    return names


def _volume_of(stream: StreamProfile, profile: Profile) -> list[str]:
    flag = "fused" if stream.fused else ""
    if not stream.bytes:
        return [count(stream.items), "-", "-", "-", flag]
    each = stream.bytes / max(1, stream.items) if stream.item_bytes is None else stream.item_bytes
    pace = rate(stream.bytes / profile.wall_s / 1e6) if profile.wall_s else "-"
    return [count(stream.items), size(stream.bytes), size(each), pace, flag]


def add_more(page: Page, left: int) -> None:
    """Say how many more there would be, if any, and how to see them."""
    if left:
        page.add((f"{' ' * MARGIN}and {left:,} more (--details)", "bright_black"))
