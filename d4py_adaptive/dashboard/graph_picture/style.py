"""Colours and sizes of a picture; told apart in grey too, where sources and sinks are known by their round ends."""

from __future__ import annotations

PAPER = "#ffffff"
INK = "#1f2933"
FAINT_INK = "#52606d"
STREAM = "#486581"
BADGE = "#334e68"

# Fill and border.
INNER = ("#ffffff", "#334e68")
SOURCE = ("#e3f4e8", "#2f7d4f")
SINK = ("#fdebdd", "#b35a1f")

# Of a composite and of one inside it, and so on in turn.
GROUPS = (("#edf2f8", "#9fb3c8"), ("#dde7f2", "#829ab1"))

TIMES = "\N{MULTIPLICATION SIGN}"

TITLE_SIZE = 12.0
PORT_SIZE = 9.5
GROUP_SIZE = 10.5

STREAM_WIDTH = 1.4
HEAD = 8.0
"""Length of an arrow's head."""
HEAD_WIDTH = 7.0
