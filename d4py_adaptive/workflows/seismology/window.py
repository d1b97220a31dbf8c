"""From pieces of channels to one trace each over the time that all of them cover."""

from __future__ import annotations

from typing import Any

import numpy as np

from d4py_adaptive.errors import InputError

LARGEST_GAP = 0.1
"""Part of a channel's span that may be missing; more would correlate what was never recorded."""


def merge_channels(stream: Any) -> tuple[list[Any], list[str]]:
    """One trace per channel, sorted by id, and a note on each channel that was filled or left out.

    Small gaps are filled along a straight line, which the band-pass takes away again.

    Raises:
        InputError: pieces of one channel have different sampling rates, or no channel is left.
    """
    merged: list[Any] = []
    notes: list[str] = []
    for channel in sorted({trace.id for trace in stream}):
        pieces = type(stream)([trace for trace in stream if trace.id == channel and trace.stats.npts])
        trace, note = _merge(pieces, channel)
        merged += [trace] if trace is not None else []
        notes += [note] if note else []
    if not merged:
        raise InputError(f"no channel can be used: {'; '.join(notes)}; give other files with -p data=...")
    return merged, notes


def _merge(pieces: Any, channel: str) -> tuple[Any, str]:
    if any(np.ma.isMaskedArray(piece.data) for piece in pieces):
        pieces = pieces.split()
    if not pieces:
        return None, f"left out {channel}, which has no samples"
    rates = sorted({piece.stats.sampling_rate for piece in pieces})
    if len(rates) > 1:
        raise InputError(
            f"the pieces of {channel} must have one sampling rate, "
            f"got {' and '.join(f'{rate:g}' for rate in rates)} Hz; give them in separate runs"
        )
    span_s = max(p.stats.endtime for p in pieces) - min(p.stats.starttime for p in pieces)
    gap_s = sum(max(gap[6], 0.0) for gap in pieces.get_gaps())
    if gap_s > LARGEST_GAP * span_s:
        return None, f"left out {channel}, of which {gap_s:g} s in {span_s:g} s are missing"
    trace = _joined(pieces)
    if not np.isfinite(trace.data).all():
        return None, f"left out {channel}, some of whose samples are not numbers"
    return trace, f"filled {gap_s:g} s of gaps in {channel}" if gap_s > 0 else ""


def _joined(pieces: Any) -> Any:
    if len(pieces) > 1:
        for piece in pieces:
            piece.data = piece.data.astype(np.float64)
            # obspy refuses pieces whose calibration differs; it is never applied here.
            piece.stats.calib = 1.0
        pieces.merge(method=1, fill_value="interpolate")
    return pieces[0]


def common_window(traces: list[Any]) -> list[Any]:
    """The traces, cut to the time that all of them cover and marked with it.

    A trace keeps a sample before the window's start and one after its end where it has them, so that it can
    be brought onto the window's grid.

    Raises:
        InputError: there is no such time.
    """
    latest = max(traces, key=lambda trace: (trace.stats.starttime, trace.id))
    earliest = min(traces, key=lambda trace: (trace.stats.endtime, trace.id))
    start, end = latest.stats.starttime, earliest.stats.endtime
    if not start < end:
        raise InputError(
            f"the channels must cover a common time, but {latest.id} starts at {start} "
            f"and {earliest.id} ends at {end}; leave one of them out"
        )
    for trace in traces:
        trace.trim(start - trace.stats.delta, end + trace.stats.delta, nearest_sample=False)
        trace.stats.window_start = start
        trace.stats.window_s = end - start
    return traces
