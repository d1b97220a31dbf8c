"""The graph that stream-d4py's timed mappings write beside their timings: `…_shape_run….json`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec

from d4py_adaptive.errors import InputError
from d4py_adaptive.telemetry.profile import StreamProfile

Grouping = Literal["shuffle", "group_by", "one_to_all", "all_to_one"]

_GROUPINGS: dict[str, Grouping] = {"global": "all_to_one", "all": "one_to_all"}


class _Edge(msgspec.Struct, frozen=True):
    """A stream between PEs, or between two of their instances: those name their PEs beside."""

    source: str = msgspec.field(name="from")
    target: str = msgspec.field(name="to")
    from_connection: str = "output"
    to_connection: str = "input"
    from_pe_id: str = ""
    to_pe_id: str = ""
    communication: str = ""


class _Shape(msgspec.Struct, frozen=True):
    nodes: list[Any]
    edges: list[_Edge]


def holds_shape(path: Path) -> bool:
    """Whether a file is meant to be one, by its first character."""
    try:
        with path.open("rb") as file:
            return file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")
    except OSError:
        return False  # said well where it is read as a table


def read_shape(path: Path) -> list[StreamProfile]:
    """The streams of a graph, of which nothing but their ends is known.

    Raises:
        InputError: the file is not one that a timed mapping wrote.
    """
    try:
        shape = msgspec.json.decode(path.read_bytes(), type=_Shape)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path} must be the graph that a timed mapping of stream-d4py writes, JSON with nodes and edges: {error}"
        ) from error
    return list({stream.id: stream for stream in _streams(shape)}.values())


def _streams(shape: _Shape) -> Iterator[StreamProfile]:
    for edge in shape.edges:
        source, target = edge.from_pe_id or edge.source, edge.to_pe_id or edge.target
        yield StreamProfile(
            id=f"{source}.{edge.from_connection}->{target}.{edge.to_connection}",
            source=source,
            output=edge.from_connection,
            target=target,
            input=edge.to_connection,
            grouping=_grouping(edge.communication),
        )


def _grouping(communication: str) -> Grouping:
    """A grouping by the word of the trace; a grouping by key is written as the list of its keys."""
    return "group_by" if communication.startswith("[") else _GROUPINGS.get(communication, "shuffle")
