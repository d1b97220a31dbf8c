"""What `d4py diagnose` prints: what limits a run, what to do and where the time went, on one screen; or everything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, TextIO

from d4py_adaptive.dashboard.report.causes import title
from d4py_adaptive.dashboard.report.figures import gain
from d4py_adaptive.dashboard.report.page import BLOCKS, LETTERS, Marks, Page, copyable, one_line
from d4py_adaptive.dashboard.report.screen_details import add_details
from d4py_adaptive.dashboard.report.screen_tables import add_more, add_streams, add_time
from d4py_adaptive.dashboard.text import duration
from d4py_adaptive.telemetry.diagnosis import Advice, Diagnosis

if TYPE_CHECKING:
    from rich.text import Text

MORE = (
    "More: --details, --json FILE, --html FILE, --trace FILE, --speedscope FILE",
    "More: --json FILE, --html FILE, --trace FILE, --speedscope FILE",
)
"""The last line, without details and with them."""


def screen(
    diagnosis: Diagnosis, width: int = 80, details: bool = False, *, height: int = 39, marks: Marks = BLOCKS
) -> Text:
    """A diagnosis as text for a terminal.

    Args:
        diagnosis: what to show.
        width: columns that there are, 40 at least.
        details: show everything, however long; else what matters most.
        height: lines to fill at most without details. Tables, advice and warnings shrink for this; the verdict is
            never cut.
        marks: what to draw with; `LETTERS` where a terminal shows ASCII alone.
    """
    from rich.text import Text

    for most in (_everything(diagnosis),) if details else _choices():
        page = Page(width, marks)
        _add_verdict(page, diagnosis)
        _add_advice(page, diagnosis.advice, most.advice)
        add_time(page, diagnosis.profile, most.pes, diagnosis.verdict.pe)
        add_streams(page, diagnosis.profile, most.streams)
        _add_warnings(page, diagnosis.warnings, most.warnings)
        if details:
            add_details(page, diagnosis)
        page.blank()
        page.paragraph(MORE[details], style="bright_black")
        if page.height <= height:
            break
    return Text("\n", no_wrap=True, overflow="ignore").join(page.lines)


def show(diagnosis: Diagnosis, out: TextIO, details: bool = False) -> None:
    """Print a diagnosis: in a terminal's own size, with what it can show; without colours into a file or pipe."""
    from rich.console import Console

    encoding = getattr(out, "encoding", None) or "utf-8"
    console = Console(file=out)
    height = min(40, max(24, console.height)) if console.is_terminal else 40
    text = screen(diagnosis, console.width, details, height=height - 1, marks=marks_for(encoding))
    with console.capture() as captured:
        console.print(text, soft_wrap=True, highlight=False)
    out.write(captured.get().encode(encoding, "backslashreplace").decode(encoding))
    out.flush()


def marks_for(encoding: str) -> Marks:
    """What to draw with where text is written in this encoding."""
    try:
        BLOCKS.all.encode(encoding)
    except UnicodeEncodeError:
        return LETTERS
    return BLOCKS


@dataclass(frozen=True)
class _Most:
    """How much of everything to show at most."""

    advice: int = 3
    pes: int = 10
    streams: int = 5
    warnings: int = 3


def _everything(diagnosis: Diagnosis) -> _Most:
    profile = diagnosis.profile
    return _Most(len(diagnosis.advice), len(profile.pes), len(profile.streams), len(diagnosis.warnings))


def _choices() -> Iterator[_Most]:
    """What a screen may hold, the fullest first: what is furthest from the verdict goes first."""
    yield from (_Most(streams=streams) for streams in (5, 4, 3, 2))
    yield from (_Most(pes=pes, streams=2) for pes in range(9, 5, -1))
    yield from (_Most(pes=pes, streams=0) for pes in range(10, 3, -1))
    yield from (_Most(advice=2, pes=pes, streams=0) for pes in range(6, 3, -1))
    yield from (_Most(advice=1, pes=pes, streams=0, warnings=1) for pes in range(6, 1, -1))


def _add_verdict(page: Page, diagnosis: Diagnosis) -> None:
    verdict, rule = diagnosis.verdict, f"{page.marks.rule} "
    colour = "green" if verdict.cause == "healthy" else "yellow"
    page.paragraph(title(verdict), first=rule, indent=rule, rule=colour, style=f"bold {colour}")
    page.paragraph(verdict.sentence, first=rule, indent=rule, rule=colour)
    page.paragraph(_facts(diagnosis), first=rule, indent=rule, rule=colour, style="bright_black")


def _facts(diagnosis: Diagnosis) -> str:
    profile, workers = diagnosis.profile, len(diagnosis.profile.workers)
    facts = (
        PurePath(one_line(diagnosis.target)).name,
        diagnosis.run and f"run {diagnosis.run}",
        profile.mapping,
        workers and f"{workers} worker{'s' if workers > 1 else ''}",
        profile.wall_s and duration(profile.wall_s),
        profile.partial and "first part of the input",
    )
    return ", ".join(str(fact) for fact in facts if fact)


def _add_advice(page: Page, advice: Sequence[Advice], most: int) -> None:
    from rich.text import Text

    if not advice:
        return
    page.heading("What to do")
    for number, one in enumerate(advice[:most], 1):
        first = Text.assemble(f" {number}  ", (gain(one), "bold green"), "  " if gain(one) else "")
        page.paragraph(one.text, first=first, indent=4)
        for line in copyable(one.command):
            page.add("      ", (line, "bold"))
    add_more(page, len(advice[most:]))


def _add_warnings(page: Page, warnings: Sequence[str], most: int) -> None:
    from rich.text import Text

    if warnings:
        page.blank()
    for warning in warnings[:most]:
        page.paragraph(warning, first=Text("! ", style="bold yellow"), indent=2)
    add_more(page, len(warnings[most:]))
