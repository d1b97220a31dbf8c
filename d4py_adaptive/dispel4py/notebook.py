"""Shows a graph in a notebook."""

from __future__ import annotations

import sys

from d4py_adaptive.dashboard.graph_picture import picture
from d4py_adaptive.dataflow.builder import WorkflowGraph


def display(graph: WorkflowGraph) -> None:
    """Show a picture of the graph below a notebook's cell; elsewhere, say how to get one."""
    if "IPython" not in sys.modules:
        sys.stderr.write("d4py: display shows a picture in a notebook; here, `d4py draw FILE` writes one\n")
        return
    from IPython.display import SVG
    from IPython.display import display as show

    show(SVG(picture(graph, "svg")))
