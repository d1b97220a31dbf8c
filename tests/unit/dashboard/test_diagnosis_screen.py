"""What `d4py diagnose` prints.

The screens in tests/golden are what somebody looked at. After a change that is meant, they are made again by
`D4PY_WRITE_GOLDEN=1 pytest tests/unit/dashboard/test_diagnosis_screen.py`, and looked at again.
"""

import io
import os
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.cells import cell_len
from rich.text import Text
from sample_diagnosis import healthy_diagnosis, large_diagnosis, sample_diagnosis

from d4py_adaptive.dashboard.report import figures
from d4py_adaptive.dashboard.report.causes import CAUSES
from d4py_adaptive.dashboard.report.page import BLOCKS, LETTERS, bar, shortened
from d4py_adaptive.dashboard.report.screen import marks_for, screen, show
from d4py_adaptive.dashboard.report.shares import KINDS, busiest, shares
from d4py_adaptive.telemetry.diagnosis import Advice, Cause, Diagnosis, Finding
from d4py_adaptive.telemetry.profile import PEProfile, Profile, Split, StreamProfile

GOLDEN = Path(__file__).parents[2] / "golden"
MADE = {"sample": cache(sample_diagnosis), "healthy": cache(healthy_diagnosis), "large": cache(large_diagnosis)}
SCREENS: dict[str, dict[str, Any]] = {
    "sample": {},
    "sample_24_lines": {"height": 24},
    "sample_ascii_60_columns": {"width": 60, "marks": LETTERS},
    "sample_details": {"details": True},
    "healthy": {},
    "large": {},
    "large_140_columns": {"width": 140},
}
HOSTILE = "\x1b[31m[red]evil[/red]\n\u202e\x07" + "x" * 200


def lines(diagnosis: Diagnosis, width: int = 80, details: bool = False, **options: Any) -> list[str]:
    return [line.rstrip() for line in screen(diagnosis, width, details, **options).plain.split("\n")]


def changed(diagnosis: Diagnosis, **changes: Any) -> Diagnosis:
    return msgspec.structs.replace(diagnosis, **changes)


def bare(**changes: Any) -> Diagnosis:
    verdict = Finding(cause="healthy", sentence="Nothing limits this run.")
    return Diagnosis(**{"target": "flow.py", "verdict": verdict, "profile": Profile(workflow="flow.py")} | changes)


@pytest.mark.parametrize("name", SCREENS)
def test_the_screen_is_the_one_that_was_looked_at(name: str) -> None:
    shown = "\n".join(lines(MADE[name.split("_")[0]](), **SCREENS[name])) + "\n"
    path = GOLDEN / f"diagnosis_{name}.txt"
    if os.environ.get("D4PY_WRITE_GOLDEN"):
        path.write_text(shown)
    assert shown == path.read_text(), __doc__


@pytest.mark.parametrize("make", MADE.values(), ids=MADE)
@pytest.mark.parametrize(("width", "height"), [(80, 24), (80, 30), (80, 39), (100, 24), (160, 39)])
def test_it_fits_the_screen(make: Any, width: int, height: int) -> None:
    shown = lines(make(), width, height=height)
    assert len(shown) <= height
    assert max(map(cell_len, shown)) <= width


@pytest.mark.parametrize("make", MADE.values(), ids=MADE)
@pytest.mark.parametrize("width", [60, 70, 80, 120])
def test_details_fit_the_width_but_for_what_is_to_be_copied(make: Any, width: int) -> None:
    diagnosis = make()
    copied = {line.strip() for one in diagnosis.advice for line in one.command.splitlines()} | {diagnosis.command}
    assert [
        line for line in lines(diagnosis, width, True) if cell_len(line) > width and line.strip() not in copied
    ] == []


@pytest.mark.parametrize("cause", CAUSES)
def test_the_first_line_names_the_cause_and_the_culprit(cause: Cause) -> None:
    verdict = Finding(cause=cause, pe="Correlate", sentence="It is slow.")
    assert lines(bare(verdict=verdict))[0] == f"▌ {CAUSES[cause]}: Correlate"
    verdict = Finding(cause=cause, stream="A.output->B.input", sentence="It is large.")
    assert lines(bare(verdict=verdict))[0] == f"▌ {CAUSES[cause]}: A.output -> B.input"


def test_every_cause_has_a_name() -> None:
    assert set(CAUSES) == set(Cause.__args__)  # type: ignore[attr-defined]


def test_the_verdict_is_wrapped_and_never_cut() -> None:
    sentence = " ".join(f"word{number}" for number in range(300)) + " " + "long" * 60
    verdict = Finding(cause="slow_pe", pe="A", sentence=sentence)
    shown = "".join(line.removeprefix("▌ ") + " " for line in lines(bare(verdict=verdict), height=24))
    assert sentence.replace(" ", "") in shown.replace(" ", "")


def test_a_percentage_stays_with_its_sign() -> None:
    verdict = Finding(cause="slow_pe", pe="A", sentence="x " * 37 + "93 % of the time")
    assert not any(line.startswith("▌ %") for line in lines(bare(verdict=verdict), 79))


def test_commands_stand_alone_and_whole() -> None:
    command = "d4py run flow.py " + " ".join(f"-p parameter{number}=1" for number in range(10))
    code = "class Reader(ProducerPE):\n    splittable = True"
    advice = [Advice(cause="state", text="Do.", command=text) for text in (command, code)]
    shown = lines(bare(advice=advice), 60)
    assert f"      {command}" in shown
    assert shown[shown.index("      class Reader(ProducerPE):") + 1] == "          splittable = True"


def test_a_command_that_a_terminal_breaks_counts_as_several_lines() -> None:
    advice = tuple(Advice(cause="state", text="Do.", command="long" * 100) for _ in range(3))
    shown = lines(changed(sample_diagnosis(), advice=advice), height=30)
    assert sum(max(1, -(-cell_len(line) // 80)) for line in shown) <= 30


def test_advice_is_ranked_and_its_gain_shown() -> None:
    advice = (
        Advice(cause="slow_pe", text="First.", gain=1.62, gain_low=1.5, gain_high=1.7),
        Advice(cause="slow_pe", text="Second.", gain=1.25, gain_low=1.25, gain_high=1.25),
        Advice(cause="slow_pe", text="Third."),
        Advice(cause="slow_pe", text="Fourth."),
    )
    shown = lines(bare(advice=advice))
    place = shown.index("What to do")
    assert shown[place + 1 : place + 5] == [
        " 1  x1.62 [1.50-1.70]  First.", " 2  x1.25  Second.", " 3  Third.", "   and 1 more (--details)",
    ]  # fmt: skip
    assert " 4  Fourth." in lines(bare(advice=advice), details=True)


def test_evidence_is_told_in_its_units() -> None:
    evidence = {"busy_share": 0.934, "mean_call_s": 0.0123, "item_bytes": 1_440_128.0, "wanted_cores": 5.25}
    finding = Finding(cause="slow_pe", pe="A", sentence="It is slow.", evidence=evidence)
    shown = lines(bare(verdict=finding, findings=(finding,)), details=True)
    assert "    busy 93 %; mean call 12.3 ms; item 1.4 MB; wanted cores 5.25" in shown


def test_pes_that_are_not_shown_are_counted_and_the_culprit_is_always_there() -> None:
    diagnosis = MADE["large"]()
    idle = Finding(cause="serial_source", pe=diagnosis.profile.pes[0].pe, sentence="It is a source.")
    shown = lines(changed(diagnosis, verdict=idle), height=24)
    assert any(line.startswith(f" ▸ {idle.pe}") for line in shown)
    assert any(line.endswith(" more (--details)") for line in shown)
    names = [pe.pe for pe in diagnosis.profile.pes]
    assert all(any(name in line for line in lines(diagnosis, details=True)) for name in names)


def test_the_busiest_are_shown_in_the_order_of_the_profile() -> None:
    pes = tuple(
        PEProfile(pe=name, split=Split(compute_s=busy)) for name, busy in zip("abcd", (1, 5, 2, 4), strict=True)
    )
    profile = Profile(workflow="w", pes=pes)
    assert [pe.pe for pe in busiest(profile, 2)] == ["b", "d"]
    assert [pe.pe for pe in busiest(profile, 2, "a")] == ["a", "b"]


def test_streams_come_by_volume_and_ports_only_where_they_tell_streams_apart() -> None:
    def stream(source: str, port: str, target: str, size: int) -> StreamProfile:
        return StreamProfile(
            id=f"{source}.{port}->{target}.input", source=source, output=port, target=target,
            input="input" if target else "", items=10, bytes=size,
        )  # fmt: skip

    streams = (
        stream("A", "x", "B", 1),
        stream("A", "y", "B", 3),
        stream("B", "out", "C", 2),
        stream("C", "out", "", 0),
    )
    shown = lines(bare(profile=Profile(workflow="w", wall_s=1.0, streams=streams)))
    place = shown.index("Streams by volume") + 2
    assert [line[3:20].rstrip() for line in shown[place : place + 4]] == [
        "A.y → B.input", "B → C", "A.x → B.input", "C → results",
    ]  # fmt: skip


def test_warnings_are_shown_and_a_partial_run_is_said() -> None:
    diagnosis = bare(warnings=("Old.", "Busy.", "Third.", "Fourth."), profile=Profile(workflow="w", partial=True))
    shown = lines(diagnosis)
    assert [line for line in shown if line.startswith("! ")] == ["! Old.", "! Busy.", "! Third."]
    assert "! Fourth." in lines(diagnosis, details=True)
    assert "first part of the input" in shown[2]


def test_a_profile_without_any_figure_shows() -> None:
    pe = PEProfile(pe="A")
    stream = StreamProfile(id="A.output", source="A", output="output")
    for details in (False, True):
        shown = "\n".join(lines(bare(profile=Profile(workflow="w", pes=(pe,), streams=(stream,))), details=details))
        assert "0 %" in shown
        assert "A → results" in shown


@pytest.mark.parametrize("details", [False, True])
def test_hostile_names_do_not_steer_the_terminal(details: bool) -> None:
    def poisoned(value: Any) -> Any:
        if isinstance(value, str):
            return f"{HOSTILE}{next(numbers)}"
        if isinstance(value, tuple | list):
            return tuple(map(poisoned, value))
        if isinstance(value, dict):
            return {poisoned(key) if isinstance(key, str) else key: poisoned(entry) for key, entry in value.items()}
        if isinstance(value, msgspec.Struct):
            kept = {"cause", "kind", "level", "grouping"}
            names = [name for name in value.__struct_fields__ if name not in kept]
            return msgspec.structs.replace(value, **{name: poisoned(getattr(value, name)) for name in names})
        return value

    numbers = count()
    text = screen(poisoned(sample_diagnosis()), 80, details)
    assert all(character.isprintable() for character in text.plain.replace("\n", ""))
    assert "[red]evil[/red]" in text.plain
    assert not any("red" in str(span.style) for span in text.spans)


@pytest.mark.parametrize(("encoding", "marks"), [("utf-8", BLOCKS), ("ascii", LETTERS), ("latin-1", LETTERS)])
def test_what_a_terminal_cannot_show_is_not_drawn(encoding: str, marks: Any) -> None:
    assert marks_for(encoding) is marks
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding=encoding)
    show(changed(sample_diagnosis(), run="Zürich 地震"), out)
    text = raw.getvalue().decode(encoding)
    assert "\x1b" not in text
    assert ("█" in text) is (marks is BLOCKS)


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def printed(monkeypatch: pytest.MonkeyPatch, **environment: str) -> str:
    settings = {"TERM": "xterm-256color", "COLUMNS": "70", "LINES": "30"} | environment
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    out = Terminal()
    show(sample_diagnosis(), out)
    return out.getvalue()


def test_a_terminal_gets_colours_and_its_own_size(monkeypatch: pytest.MonkeyPatch) -> None:
    text = printed(monkeypatch)
    assert "\x1b[36m" in text
    shown = Text.from_ansi(text).plain.splitlines()
    assert len(shown) < 30
    assert max(map(len, shown)) <= 70


def test_no_colour_where_none_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    text = printed(monkeypatch, NO_COLOR="1")
    assert "\x1b[36m" not in text
    assert "█" in text


@pytest.mark.parametrize("marks", [BLOCKS, LETTERS])
def test_kinds_of_time_are_told_apart_without_colours(marks: Any) -> None:
    assert len(set(marks.bars.values())) == len(KINDS)
    split = Split(compute_s=2, serialise_s=1, codec_s=1, blocked_s=2, starved_s=2, others_s=2, overhead_s=2)
    drawn = bar(shares(split), 12, marks).plain
    assert drawn == "".join(marks.bars[kind] * 2 for kind in KINDS)


def test_bars_are_as_long_as_the_shares_they_show() -> None:
    thirds = shares(Split(compute_s=1, blocked_s=1, starved_s=1))
    assert len(bar(thirds, 10, BLOCKS).plain) == 10
    assert bar(shares(Split()), 10, BLOCKS).plain == ""


@pytest.mark.parametrize(
    ("text", "width", "short"),
    [
        ("Correlate", 9, "Correlate"),
        ("CrossCorrelate", 9, "Cros…late"),
        ("地震地震地震", 9, "地震…地震"),
        ("abc", 1, "…"),
    ],
)
def test_long_names_lose_their_middle(text: str, width: int, short: str) -> None:
    assert shortened(text, width, "…") == short
    assert cell_len(short) <= width


def test_figures() -> None:
    assert [figures.count(n) for n in (0, 999_999, 1_234_567)] == ["0", "999,999", "1.2 M"]
    assert [figures.size(n) for n in (0, 999, 999.6, 1_440_128, 10**12)] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "1.4 MB",
        "1.0 TB",
    ]
    assert [figures.rate(n) for n in (0, 0.028, 5.82, 90_909.1)] == ["0", "0.028", "5.8", "90,909"]
    assert figures.share(0.934) == "93 %"
