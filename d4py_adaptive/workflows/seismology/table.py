"""The table of all correlations."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from d4py_adaptive.workflows.seismology.items import Summary

COLUMNS = ("pair", "file", "lag_s", "peak", "coefficient", "snr")


def as_csv(summaries: Iterable[Summary]) -> bytes:
    """A line per correlation, in the order given, under a line of names."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for summary in summaries:
        numbers = (summary["lag_s"], summary["peak"], summary["coefficient"], summary["snr"])
        writer.writerow([summary["pair"], summary["file"], *(f"{number:.6g}" for number in numbers)])
    return text.getvalue().encode()


def in_words(summaries: list[Summary]) -> str:
    """One line on all correlations: how many, and which stands out of its noise the most."""
    best = max(summaries, key=lambda summary: (summary["snr"], summary["pair"]))
    return (
        f"{len(summaries)} correlation{'s' if len(summaries) > 1 else ''}; clearest: {best['pair']}, "
        f"coefficient {best['coefficient']:+.3f} at {best['lag_s']:+.3f} s, {best['snr']:.1f} times its noise"
    )
