"""Pictures of workflow graphs, without Graphviz.

    write_image(graph, "workflow.svg")

A graph is read into an `Outline`, laid out, and drawn as a `Page` of shapes, which becomes SVG text or, by
matplotlib, PNG or PDF. A graph that could not run, with a loop or a loose end, can be drawn too.
"""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from d4py_adaptive.dashboard.graph_picture.boxes import Direction
from d4py_adaptive.dashboard.graph_picture.dot import dot
from d4py_adaptive.dashboard.graph_picture.ink import inked
from d4py_adaptive.dashboard.graph_picture.outline import outline
from d4py_adaptive.dashboard.graph_picture.page import page_of
from d4py_adaptive.dashboard.graph_picture.saving import save
from d4py_adaptive.dashboard.graph_picture.svg import svg
from d4py_adaptive.dataflow.builder import WorkflowGraph
from d4py_adaptive.errors import UnknownName

__all__ = ["IMAGE_TYPES", "Direction", "draw", "picture", "write_image"]

IMAGE_TYPES = ("png", "svg", "pdf", "dot")


def draw(graph: WorkflowGraph, direction: Direction | None = None, title: str = "workflow") -> str:
    """The graph in Graphviz's dot language.

    Args:
        graph: the graph, which stays as it is.
        direction: where streams go, `right` or `down`; None is down.
        title: name of the dot graph.
    """
    return dot(outline(graph), title, direction or "down")


def picture(
    graph: WorkflowGraph, img_type: str = "png", direction: Direction | None = None, title: str = "workflow"
) -> bytes:
    """The content of a file with a picture of the graph; the same for the same graph.

    Args:
        graph: the graph, which stays as it is.
        img_type: `png`, `svg`, `pdf`, or `dot` for text in Graphviz's language.
        direction: where streams go, `right` or `down`; None is to the right if the picture is not too wide.
        title: kept in the file, not drawn.

    Raises:
        UnknownName: there is no such type.
        MissingDependency: a PNG or PDF is asked for, and matplotlib is not installed.
    """
    if img_type not in IMAGE_TYPES:
        raise UnknownName("image type", img_type, IMAGE_TYPES)
    if img_type == "dot":
        return draw(graph, direction, title).encode()
    page = page_of(outline(graph), title, direction)
    return svg(page).encode() if img_type == "svg" else inked(page, img_type)


def write_image(
    graph: WorkflowGraph,
    filename: str | PathLike[str],
    img_type: str | None = None,
    direction: Direction | None = None,
    title: str = "workflow",
) -> None:
    """Write a picture of the graph to a file, whole or not at all.

    Args:
        graph: the graph, which stays as it is.
        filename: the file; it is replaced if there is one.
        img_type: as for `picture`; None is what the file's name ends in, or `png` where that is no known type.
        direction: as for `picture`.
        title: as for `picture`.

    Raises:
        UnknownName: there is no such type.
        MissingDependency: a PNG or PDF is asked for, and matplotlib is not installed.
        InputError: the file cannot be written.
    """
    path = Path(filename)
    ending = path.suffix.lower().removeprefix(".")
    save(picture(graph, img_type or (ending if ending in IMAGE_TYPES else "png"), direction, title), path)
