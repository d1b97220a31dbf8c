"""The picture of all correlations: one row of wiggles per pair."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

import numpy as np

from d4py_adaptive.workflows.seismology.items import Correlation
from d4py_adaptive.workflows.seismology.scientific import load
from d4py_adaptive.workflows.seismology.writing import lags_s

PURPOSE = "drawing correlations"
MOST_ROWS = 60
"""More would not be told apart; the table lists all."""
ROW_INCHES = 0.48
HEIGHT_OF_WIGGLE = 0.48
"""Half a row, nearly: neighbours touch at their peaks and do not cross."""
INK, PALE_INK, FILL, MARK, FAINT = "#1f3552", "#5a6575", "#9db8d6", "#c8452d", "#c9ced6"


def as_png(correlations: list[Correlation], of: int) -> bytes:
    """The correlations from top to bottom in the order given, as a PNG file of the same bytes every time.

    Each row is scaled to its own peak. The title says so where there are more, `of` in all.
    """
    matplotlib = load("matplotlib.style", PURPOSE)
    canvas_of = load("matplotlib.backends.backend_agg", PURPOSE).FigureCanvasAgg
    # A user's own style sheet would change the bytes.
    with matplotlib.context("default"):
        figure = _draw(correlations, of)
        buffer = io.BytesIO()
        canvas_of(figure)
        figure.savefig(buffer, format="png", dpi=150, metadata={"Software": None})
    return buffer.getvalue()


def clearest(correlations: Iterable[Correlation]) -> list[Correlation]:
    """The correlations that stand out of their noise the most, as many as one picture can show."""
    return sorted(correlations, key=lambda item: (-item["snr"], item["pair"]))[:MOST_ROWS]


def _draw(rows: list[Correlation], of: int) -> Any:
    height = 1.5 + ROW_INCHES * (len(rows) + 1)
    figure = load("matplotlib.figure", PURPOSE).Figure(figsize=(9.5, height), facecolor="white", layout="constrained")
    axes = figure.add_subplot()
    for row, correlation in enumerate(rows):
        _draw_row(axes, row, correlation)
    _label(axes, rows, of)
    _rule(axes, rows)
    return figure


def _draw_row(axes: Any, row: int, correlation: Correlation) -> None:
    scale = HEIGHT_OF_WIGGLE / (abs(correlation["peak"]) or 1.0)
    lags = lags_s(correlation)
    # Rows count downwards on an inverted axis, on which up is minus.
    wiggle = row - scale * correlation["samples"]
    axes.fill_between(lags, row, np.minimum(wiggle, row), color=FILL, linewidth=0)
    axes.plot(lags, wiggle, color=INK, linewidth=0.8)
    axes.plot(correlation["lag_s"], row - scale * correlation["peak"], "o", color=MARK, markersize=4, clip_on=False)


def _label(axes: Any, rows: list[Correlation], of: int) -> None:
    pairs = f"{of} pair{'s' if of > 1 else ''}"
    which = pairs if len(rows) == of else f"the {len(rows)} clearest of {pairs}"
    axes.set_title(f"Cross-correlation of {which}\n", loc="left", fontsize=12, fontweight="bold", color=INK)
    start = rows[0]["start"][:19].replace("T", " ")
    axes.annotate(
        f"records from {start} UTC · each row scaled to its peak · right: coefficient and lag of the peak",
        (0, 1),
        xycoords="axes fraction",
        xytext=(0, 5),
        textcoords="offset points",
        fontsize=8.5,
        color=PALE_INK,
    )
    axes.set_yticks(range(len(rows)), [f"{item['a_id']} · {item['b_id']}" for item in rows], fontsize=8.5)
    values = axes.secondary_yaxis("right")
    values.set_yticks(range(len(rows)), [_value(item) for item in rows], fontsize=8.5)
    values.tick_params(length=0, colors=MARK)
    values.spines["right"].set_visible(False)


def _value(item: Correlation) -> str:
    text = f"{item['coefficient']:+.2f}  at  {item['lag_s']:+.2f} s"
    # A hyphen is too short to be seen as the sign of a number.
    return text.replace("-", "\N{MINUS SIGN}")


def _rule(axes: Any, rows: list[Correlation]) -> None:
    limit_s = max(item["max_lag_s"] for item in rows)
    axes.set_xlim(-limit_s, limit_s)
    axes.set_ylim(len(rows) - 0.4, -0.75)
    axes.set_xlabel("lag (s); positive: later at the first channel")
    axes.grid(axis="x", color=FAINT, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.axvline(0, color=PALE_INK, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
    axes.tick_params(axis="y", length=0)
    for side in ("left", "top", "right"):
        axes.spines[side].set_visible(False)
