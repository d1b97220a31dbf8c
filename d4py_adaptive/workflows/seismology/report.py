"""One picture and one table of everything that was correlated."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from d4py_adaptive.dataflow.pe import GenericPE
from d4py_adaptive.workflows.seismology.folder import make_folder, write_whole
from d4py_adaptive.workflows.seismology.items import Correlation, Summary
from d4py_adaptive.workflows.seismology.picture import MOST_ROWS, as_png, clearest
from d4py_adaptive.workflows.seismology.table import as_csv, in_words

PICTURE = "correlations.png"
TABLE = "correlations.csv"


class ReportCorrelations(GenericPE):
    """Collects all correlations and their summaries, and draws and lists them once the last has come.

    The picture shows the clearest where they are more than it can hold, and only those are kept in memory.
    It writes a line of text on them to its output. What it makes does not depend on the order of arrival.

    Args:
        output: the folder for the picture and the table, made if need be.
    """

    stateless = False

    def __init__(self, output: str = "cross_correlation") -> None:
        super().__init__()
        self._add_input("correlation", grouping="global")
        self._add_input("summary", grouping="global")
        self._add_output("output")
        self.output = output
        self.correlations: dict[str, Correlation] = {}
        self.summaries: dict[str, Summary] = {}

    def process(self, inputs: Mapping[str, Any]) -> None:
        """Keep what came."""
        if "correlation" in inputs:
            self.correlations[inputs["correlation"]["pair"]] = inputs["correlation"]
            self._drop_unclear()
        if "summary" in inputs:
            self.summaries[inputs["summary"]["pair"]] = inputs["summary"]

    def _drop_unclear(self) -> None:
        # Not at every item, since it sorts; what is kept in the end does not depend on when.
        if len(self.correlations) >= 2 * MOST_ROWS:
            self.correlations = {item["pair"]: item for item in clearest(self.correlations.values())}

    def _postprocess(self) -> None:
        if not self.summaries:
            return
        folder = make_folder(self.output)
        summaries = [self.summaries[pair] for pair in sorted(self.summaries)]
        write_whole(folder / TABLE, as_csv(summaries))
        drawn = sorted(clearest(self.correlations.values()), key=lambda item: item["pair"])
        write_whole(folder / PICTURE, as_png(drawn, len(summaries)))
        self.log(f"files in {Path(folder).absolute()}")
        # File names and no folder, so that runs into different folders give the same result.
        self.write("output", f"{in_words(summaries)}; see {PICTURE} and {TABLE}")
