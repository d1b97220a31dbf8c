"""The keys of a port's declaration, as dispel4py's files import them."""

from __future__ import annotations

from d4py_adaptive.dataflow.pe import GROUPING, NAME, TYPE

__all__ = ["DESCRIPTION", "GROUPING", "META", "NAME", "TYPE", "WRITER"]

DESCRIPTION = "descr"
META = "meta"
WRITER = "writer"
