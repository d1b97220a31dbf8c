"""The HTML report: what it says, that it is whole, safe and small, and that nothing in it can steer a browser."""

from __future__ import annotations

import base64
import hashlib
import math
import re
import subprocess
import sys
from html.parser import HTMLParser
from typing import Any

import msgspec
import pytest
from sample_diagnosis import healthy_diagnosis, large_diagnosis, sample_diagnosis

from d4py_adaptive.dashboard.report.html import html_report
from d4py_adaptive.telemetry.diagnosis import Diagnosis, Finding
from d4py_adaptive.telemetry.profile import Profile

TIMES = "\N{MULTIPLICATION SIGN}"

HOSTILE = "</script></style><img src=x onerror=alert(1)>\"' onload='x {{ 7*7 }} &amp;\x00\x1b[31m\u202e\ud800"

SECTIONS = (
    "verdict", "advice", "time", "graph", "timeline", "streams", "service", "plan", "findings", "machine", "origin",
)  # fmt: skip

VOID = {"meta", "link", "br", "img", "input"}


class Page(HTMLParser):
    """A page as it was parsed: its elements with their attributes, its text, and whether its tags match."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs), f"an attribute of <{tag}> stands twice"
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("script", "style"):
            self.text.append(data)

    @property
    def words(self) -> str:
        """All text, with single spaces."""
        return " ".join(" ".join(self.text).split())

    def of(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of all elements of a kind."""
        return [attributes for name, attributes in self.elements if name == tag]


def everywhere(value: Any, text: str) -> Any:
    """The value with `text` before every text in it that is free, so that what was told apart still is."""
    if isinstance(value, Profile | Diagnosis):
        kept = {"level": value.level} if isinstance(value, Profile) else {}
        changed = {name: everywhere(getattr(value, name), text) for name in value.__struct_fields__}
        return msgspec.structs.replace(value, **(changed | kept))
    if isinstance(value, msgspec.Struct):
        literal = {"cause", "kind", "grouping"}
        changed = {
            name: getattr(value, name) if name in literal else everywhere(getattr(value, name), text)
            for name in value.__struct_fields__
        }
        return msgspec.structs.replace(value, **changed)
    if isinstance(value, str):
        return value and text + value
    if isinstance(value, tuple):
        return tuple(everywhere(one, text) for one in value)
    if isinstance(value, dict):
        return {everywhere(name, text): everywhere(one, text) for name, one in value.items()}
    return value


@pytest.fixture(scope="module")
def sample() -> str:
    return html_report(sample_diagnosis())


# What it says.


def test_the_sections_come_in_order(sample: str) -> None:
    page = Page(sample)
    assert tuple(section["id"] for section in page.of("section") if "id" in section) == SECTIONS
    assert {link["href"] for link in page.of("a")} <= {f"#{name}" for name in SECTIONS}


def test_the_verdict_comes_first_and_the_warning_before_the_advice(sample: str) -> None:
    diagnosis, words = sample_diagnosis(), Page(sample).words
    at = [words.index(text) for text in (diagnosis.verdict.sentence, diagnosis.warnings[0], diagnosis.advice[0].text)]
    assert at == sorted(at)


@pytest.mark.parametrize(
    "said",
    [
        "What limits this run: Slow PE",
        f"2.21{TIMES} as fast : 0:06:53 becomes 0:03:07 (90 % interval 1.94{TIMES} to 2.38{TIMES})",
        "d4py run ambient_noise.py -n 6 --instances CrossCorrelate=3",
        "compute 93 %",
        "95 % busy",
        "by pair · 462 MB",
        "about 12; heaviest: 'ANMO-COLA' 31 %, 'ANMO-CTAO' 12 %",
        "11.0 ms + 102.0 ms per MB (within 6 %; 2,400 calls, items of 720 kB to 2.9 MB)",
        "always 1: it is a source that does not declare that it can be split",
        "CrossCorrelate on 2 workers 5 0:03:33 1.94\N{MULTIPLICATION SIGN}",
        "share of the heaviest key (%) 31",
        "zlib, expand 290 MB/s",
        "written had changed in 40 of 40 looks",
        "geo-node-07",
        "mpi was not probed: mpi4py is not installed",
        "41 ns",
        "2025-10-09 09:00:12 UTC",
        "d4py diagnose ambient_noise.py -n 4 --html report.html",
        "service times of StackPairs are of 2,000 of its 9,600 calls",
    ],
)
def test_what_is_known_is_said(sample: str, said: str) -> None:
    assert said in Page(sample).words


def test_a_healthy_run() -> None:
    words = Page(html_report(healthy_diagnosis())).words
    for said in (
        "Verdict: healthy",
        "Nothing needs doing.",
        "This profile has no timeline",
        "Nothing was found that costs time unduly.",
        "The machine was not probed.",
    ):
        assert said in words
    assert "Before you trust this" not in words
    assert "limits the run" not in words


def test_next_to_nothing_is_known() -> None:
    nothing = Diagnosis(target="", verdict=Finding(cause="healthy", sentence=""), profile=Profile(workflow=""))
    words = Page(html_report(nothing)).words
    for said in ("No time was measured.", "No picture is drawn", "The graph has no streams.", "Nothing is known of"):
        assert said in words


def test_figures_that_are_no_numbers() -> None:
    diagnosis = sample_diagnosis()
    strange = {"endless": math.inf, "unknown": math.nan}
    finding = msgspec.structs.replace(diagnosis.verdict, evidence=strange)
    advice = msgspec.structs.replace(diagnosis.advice[0], gain=math.inf, gain_low=0.0, gain_high=math.nan)
    changed = msgspec.structs.replace(diagnosis, findings=(finding,), advice=(advice,))
    assert "endless \N{EN DASH}" in Page(html_report(changed)).words
    nil = msgspec.structs.replace(advice, gain=0.0)
    assert "as fast" not in Page(html_report(msgspec.structs.replace(diagnosis, advice=(nil,)))).words


def test_the_same_diagnosis_gives_the_same_page(sample: str) -> None:
    assert html_report(sample_diagnosis()) == sample


# That it is one file, small, and complete.


def test_nothing_is_loaded(sample: str) -> None:
    page = Page(sample)
    assert not {"src", "srcset", "action", "data", "poster", "style"} & {
        key for _, attrs in page.elements for key in attrs
    }
    assert [link["href"] for link in page.of("link")] == ["data:,"]
    assert re.findall(r"url\(([^)]*)\)", sample) == ["#p-codec", "#p-blocked", "#p-others", "#p-blocked"]
    assert set(re.findall(r"\w+://[^\"' ]*", sample)) == {"http://www.w3.org/2000/svg"}  # a name space, not an address
    assert "@import" not in sample


def test_the_policy_allows_this_style_and_this_script_alone(sample: str) -> None:
    (policy,) = [meta["content"] for meta in Page(sample).of("meta") if "http-equiv" in meta]
    assert policy is not None
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'; ")
    for tag in ("style", "script"):
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", sample, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_the_script_is_small(sample: str) -> None:
    (script,) = re.findall(r"<script>(.*?)</script>", sample, re.DOTALL)
    assert len(script) <= 10_000


def test_a_large_workflow_stays_below_2_mb() -> None:
    diagnosis = large_diagnosis(pes=50, instances=8)
    assert len(diagnosis.profile.instances) == 400
    html = html_report(diagnosis)
    assert len(html.encode()) < 2_000_000
    page = Page(html)
    assert sum(svg.get("class") == "lane" for svg in page.of("svg")) == 400
    assert "Step49Process" in page.words


def test_a_huge_workflow_is_told_of_in_part() -> None:
    html = html_report(large_diagnosis(pes=160, instances=10, slots=50, spans=5))
    words = Page(html).words
    assert len(html.encode()) < 4_000_000
    assert "1,200 further instances are not shown" in words
    assert "No picture is drawn of 160 PEs." in words


# That everybody can read it.


def test_tables_name_their_rows_and_columns(sample: str) -> None:
    page = Page(sample)
    assert {head["scope"] for head in page.of("th")} == {"row", "col"}
    assert len(page.of("caption")) == len(page.of("table"))


def test_pictures_say_what_they_show_or_are_hidden_from_readers(sample: str) -> None:
    pictures = re.findall(r"<svg\b([^>]*)>\s*(<title>)?", sample)
    assert len(pictures) > 30
    assert all(title or 'aria-hidden="true"' in attributes for attributes, title in pictures)
    assert sample.count("<desc>PEs and how busy they are: ReadWaveforms 14 %") == 2


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_contrasts(sample: str, scheme: int) -> None:
    blocks = re.findall(r":root \{(.*?)\}", sample, re.DOTALL)
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", blocks[scheme]))
    kinds = ("compute", "serialise", "codec", "blocked", "starved", "others", "overhead")
    pairs = [(f"on-{kind}", kind) for kind in kinds]
    pairs += [(ink, paper) for ink in ("ink", "faint", "link", "good", "bad") for paper in ("paper", "card")]
    pairs += [("warn", "warn-card"), ("ink", "warn-card")]
    poor = {pair: round(contrast(*(colours[name] for name in pair)), 2) for pair in pairs}
    assert {pair: ratio for pair, ratio in poor.items() if ratio < 4.5} == {}


# That what others wrote stays text.


def test_hostile_text_stays_text(sample: str) -> None:
    page, clean = Page(html_report(everywhere(sample_diagnosis(), HOSTILE))), Page(sample)
    allowed = {name for name, _ in clean.elements}
    assert {name for name, _ in page.elements} <= allowed
    assert {key for _, attrs in page.elements for key in attrs} <= {key for _, attrs in clean.elements for key in attrs}
    assert page.of("script") == [{}]
    assert "</script></style><img src=x onerror=alert(1)>" in page.words
    assert "{{ 7*7 }}" in page.words


def test_text_that_no_file_can_hold() -> None:
    html = html_report(everywhere(sample_diagnosis(), HOSTILE))
    assert html.encode().decode() == html
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", html)


def test_a_name_of_ten_thousand_letters() -> None:
    diagnosis = everywhere(sample_diagnosis(), "x" * 10_000)
    widths = [float(svg["width"] or 0) for svg in Page(html_report(diagnosis)).of("svg") if "xmlns" in svg]
    assert widths
    assert max(widths) < 3000


def test_the_template_engine_is_loaded_when_it_is_needed() -> None:
    script = "import sys, d4py_adaptive.dashboard.report.html; sys.exit('jinja2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=60).returncode == 0
