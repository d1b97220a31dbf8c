"""From a raw trace to a record that may be correlated."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from d4py_adaptive.dataflow.patterns import IterativePE
from d4py_adaptive.errors import InputError
from d4py_adaptive.workflows.seismology.items import Samples, Waveform, samples_of
from d4py_adaptive.workflows.seismology.normalisation import (
    detrend_linear,
    one_bit,
    running_absolute_mean,
    whiten,
)
from d4py_adaptive.workflows.seismology.scientific import load
from d4py_adaptive.workflows.seismology.settings import Preparation

PURPOSE = "preparing waveforms"
ANTI_ALIAS_CORNER = 0.45
"""As a part of the new sampling rate: above the usable band, and 40 dB down where aliases would enter it."""
FILTER_CORNERS = 4
ANTI_ALIAS_CORNERS = 8
LANCZOS_WIDTH = 20
"""Samples to either side that a shifted or resampled value is computed from."""


class Preprocess(IterativePE):
    """Brings one trace to the common grid, into the band, and to even weight in time and frequency.

    The steps, in this order: detrend, taper, resample, remove the instrument response (of traces that carry
    one), band-pass without phase shift, normalise in time, whiten.
    """

    preload = ("obspy.signal.filter", "obspy.signal.interpolation")
    stateless = True
    read_only = True

    def __init__(self, preparation: Preparation | None = None) -> None:
        super().__init__()
        self.preparation = preparation or Preparation()

    def _process(self, data: Any) -> Waveform:
        return prepare(data, self.preparation)


def prepare(trace: Any, preparation: Preparation) -> Waveform:
    """The record of an obspy trace after all steps; the trace stays as it is.

    Raises:
        InputError: its sampling rate cannot give the rate or hold the band.
    """
    rate_hz = preparation.sampling_rate_hz or trace.stats.sampling_rate
    _require_enough(trace, rate_hz, preparation)
    samples = taper_ends(detrend_linear(samples_of(trace.data)), preparation.taper_fraction)
    samples = _on_grid(samples, trace.stats, rate_hz)
    if "response" in trace.stats:
        samples = _without_response(samples, trace, rate_hz, preparation)
    samples = load("obspy.signal.filter", PURPOSE).bandpass(
        samples,
        preparation.freq_min_hz,
        preparation.freq_max_hz,
        rate_hz,
        corners=FILTER_CORNERS,
        zerophase=True,
    )
    samples = _normalise_in_time(samples, rate_hz, preparation)
    if preparation.whitening:
        samples = whiten(samples, rate_hz, preparation.freq_min_hz, preparation.freq_max_hz)
    start = trace.stats.get("window_start", trace.stats.starttime)
    return {"id": trace.id, "start": str(start), "sampling_rate_hz": rate_hz, "samples": samples}


def _require_enough(trace: Any, rate_hz: float, preparation: Preparation) -> None:
    own_hz = trace.stats.sampling_rate
    preparation.require_rate(rate_hz, trace.id)
    if rate_hz > own_hz:
        raise InputError(
            f"sampling_rate_hz={rate_hz:g} is more than the {own_hz:g} Hz of {trace.id}; "
            f"set sampling_rate_hz to {own_hz:g} or less, or leave the channel out"
        )
    if trace.stats.npts < 2:
        raise InputError(f"{trace.id} needs at least 2 samples, got {trace.stats.npts}")


def taper_ends(samples: Samples, fraction: float) -> Samples:
    """The samples, brought to 0 as half a cosine over `fraction` of the record at each end."""
    width = int(fraction * samples.size)
    if not width:
        return samples
    rise = 0.5 * (1 - np.cos(np.pi * np.arange(width) / width))
    weights = np.ones(samples.size)
    weights[:width] = rise
    weights[-width:] = rise[::-1]
    return samples * weights


def _on_grid(samples: Samples, stats: Any, rate_hz: float) -> Samples:
    """The samples at `rate_hz`, the first of them at the window's start to the fraction of a sample."""
    if rate_hz < stats.sampling_rate:
        samples = load("obspy.signal.filter", PURPOSE).lowpass(
            samples,
            ANTI_ALIAS_CORNER * rate_hz,
            stats.sampling_rate,
            corners=ANTI_ALIAS_CORNERS,
            zerophase=True,
        )
    offset_s = float(stats.get("window_start", stats.starttime) - stats.starttime)
    window_s = float(stats.get("window_s", stats.endtime - stats.starttime))
    # Without this a window of 230 s could lose its last sample to rounding.
    count = math.floor(window_s * rate_hz + 1e-6) + 1
    if rate_hz == stats.sampling_rate and offset_s == 0:
        return samples[:count]
    # One sample more at either end, for a window that rounding puts just outside of the record.
    return np.asarray(
        load("obspy.signal.interpolation", PURPOSE).lanczos_interpolation(
            np.pad(samples, 1, mode="edge"),
            -stats.delta,
            stats.delta,
            offset_s,
            1 / rate_hz,
            count,
            a=LANCZOS_WIDTH,
        )
    )


def _without_response(samples: Samples, trace: Any, rate_hz: float, preparation: Preparation) -> Samples:
    header = trace.stats.copy()
    header.sampling_rate = rate_hz
    corrected = type(trace)(samples, header=header)
    low, high = preparation.freq_min_hz, preparation.freq_max_hz
    corrected.remove_response(
        output=preparation.units,
        pre_filt=(0.5 * low, 0.75 * low, 1.1 * high, 1.25 * high),
        zero_mean=False,
        taper=False,
    )
    return samples_of(corrected.data)


def _normalise_in_time(samples: Samples, rate_hz: float, preparation: Preparation) -> Samples:
    if preparation.normalisation == "one-bit":
        return one_bit(samples)
    if preparation.normalisation == "running-mean":
        return running_absolute_mean(samples, round(preparation.running_mean_s * rate_hz / 2))
    return samples
