"""The report of a diagnosis as one HTML file, which loads nothing and needs no JavaScript."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from d4py_adaptive.dashboard.graph_picture.svg import svg
from d4py_adaptive.dashboard.report import figures, wording
from d4py_adaptive.dashboard.report.causes import CAUSES
from d4py_adaptive.dashboard.report.graph import HEAT, graph_page, utilisation
from d4py_adaptive.dashboard.report.histograms import histograms_of
from d4py_adaptive.dashboard.report.plan_table import stages_of
from d4py_adaptive.dashboard.report.splits import KINDS, bar_of, used_kinds
from d4py_adaptive.dashboard.report.timeline import timeline_of
from d4py_adaptive.dashboard.text import plain
from d4py_adaptive.telemetry.diagnosis import Diagnosis
from d4py_adaptive.telemetry.profile import Profile

if TYPE_CHECKING:
    from jinja2 import Environment

_LARGE = {"wide": 1500, "narrow": 550}
"""Wider pictures of the graph than this, in pixels, are scrolled within their frame."""

_FOLDER = Path(__file__).parent / "web"


def html_report(diagnosis: Diagnosis) -> str:
    """The diagnosis as a self-contained HTML page."""
    from markupsafe import Markup

    profile = diagnosis.profile
    bars = [bar_of(pe) for pe in profile.pes]
    style, script = (_read(name) for name in ("report.css", "report.js"))
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            d=diagnosis,
            profile=profile,
            # Both are ours, and a hash in the page's policy allows these two and nothing else.
            style=Markup(style),
            script=Markup(script),
            style_hash=_hash(style),
            script_hash=_hash(script),
            bars=bars,
            kinds={kind: KINDS[kind] for kind in used_kinds(bars)},
            graphs=_graphs(profile),
            timeline=timeline_of(profile),
            histograms=histograms_of(profile.pes),
            stages=stages_of(profile),
            streams=sorted(profile.streams, key=lambda stream: -stream.bytes),
        )
    )


def _graphs(profile: Profile) -> dict[str, dict[str, Any]]:
    """The graph's picture for wide and narrow screens, as markup: `svg` escapes what is written in it.

    What is too wide to the right goes down; what is too wide even so is not made to fit, as it would be too small.
    """
    from markupsafe import Markup

    right, down = (graph_page(profile, direction) for direction in ("right", "down"))
    if right is None or down is None:
        return {}
    pages = {"wide": down if right.width > _LARGE["wide"] else right, "narrow": down}
    return {
        name: {"markup": Markup(_shown(svg(page))), "large": page.width > _LARGE[name]} for name, page in pages.items()
    }


@cache
def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """What a content security policy calls this text."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    made.filters |= {
        "size": figures.size,
        "count": figures.count,
        "rate": figures.rate,
        "share": figures.share,
        "time": wording.timespan,
        "evidence": lambda figures: [wording.evidence(name, value) for name, value in figures.items()],
        "times": wording.factor,
        "moment": wording.moment,
        "law": wording.law,
        "scaling": wording.scaling,
        "keys": wording.keys,
        "grouping": wording.grouping,
        "busy": utilisation,
    }
    made.globals |= {"NONE": wording.NONE, "CAUSES": CAUSES, "HEAT": HEAT}
    return made


def _shown(value: Any) -> Any:
    """A value as it may stand in HTML: text without control characters and halves of characters; escaped after this."""
    if type(value) is not str:
        return value
    return plain(value).encode("utf-8", "replace").decode()
