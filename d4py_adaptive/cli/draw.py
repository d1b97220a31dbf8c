"""`d4py draw`: draw a workflow's graph."""

from __future__ import annotations

import argparse
import sys

TYPE_CHECKING = False  # see d4py_adaptive/__init__.py
if TYPE_CHECKING:
    from pathlib import Path

    from d4py_adaptive.dataflow.builder import WorkflowGraph


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what `d4py draw` understands."""
    add = parser.add_argument
    add("workflow", metavar="WORKFLOW", help="a Python file, or a module, that holds a WorkflowGraph")
    add("-a", "--attribute", metavar="NAME", help="the graph in it, or a function that builds it")
    add("-p", "--param", action="append", default=[], metavar="NAME=VALUE", help="give that function a parameter")
    outputs = parser.add_mutually_exclusive_group()
    outputs.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="the picture, its kind by its ending: .png, .svg, .pdf or .dot; default: the workflow's name and .png; "
        "- prints dot text",
    )
    outputs.add_argument("--dot", action="store_true", help="print dot text, for Graphviz")
    add(
        "--direction",
        choices=("right", "down"),
        help="where streams go; default: right, or down if the picture became too wide",
    )
    add("--traceback", action="store_true", help="on an error, print where it happened too")


def call(options: argparse.Namespace) -> int:
    """Do it; the exit code."""
    import warnings

    from d4py_adaptive.dashboard.graph_picture import draw, write_image

    name = _name(options.workflow)
    if options.dot or options.output == "-":
        print(draw(_load(options), options.direction, name), end="")
        return 0
    path = _path(f"{name}.png" if options.output is None else options.output)
    graph = _load(options)
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always", UserWarning)
        write_image(graph, path, direction=options.direction, title=name)
    for note in notes:
        print(f"d4py: note: {note.message}", file=sys.stderr)
    print(f"wrote {path}")
    return 0


def _load(options: argparse.Namespace) -> WorkflowGraph:
    """The graph; what the user's file prints meanwhile does not get into dot text."""
    from contextlib import redirect_stdout

    from d4py_adaptive.cli.loading import load, pairs

    with redirect_stdout(sys.stderr):
        return load(options.workflow, options.attribute, pairs(options.param, "-p")).graph


def _name(workflow: str) -> str:
    """What to call the workflow: its file's name without folder and ending, or the last part of its module's name."""
    from pathlib import Path

    return Path(workflow).stem if "/" in workflow or workflow.endswith(".py") else workflow.rpartition(".")[2]


def _path(output: str) -> Path:
    from pathlib import Path

    from d4py_adaptive.dashboard.graph_picture import IMAGE_TYPES
    from d4py_adaptive.errors import InputError

    path = Path(output)
    if path.suffix.lower().removeprefix(".") not in IMAGE_TYPES:
        endings = ", ".join(f".{kind}" for kind in IMAGE_TYPES)
        raise InputError(f"-o takes a file whose name ends in one of {endings}, or - for dot text; got {output!r}")
    return path
