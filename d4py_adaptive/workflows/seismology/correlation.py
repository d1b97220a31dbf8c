"""The cross-correlation of two records, and what can be read off it.

Sign, as in `obspy.signal.cross_correlation.correlate(a, b, shift)`: the value at lag k is the sum over t of
a[t + k] · b[t]. A peak at a positive lag means that the signal reaches a later than b.
"""

from __future__ import annotations

import math

import numpy as np

from d4py_adaptive.dataflow.patterns import IterativePE
from d4py_adaptive.errors import InputError, UnknownName
from d4py_adaptive.workflows.seismology.items import Correlation, Pair, Samples, samples_of
from d4py_adaptive.workflows.seismology.scientific import load

NORMALISE = ("coefficient", "none")
SIGNAL_PART = 0.25
"""Lags nearer to the peak than this part of the largest lag are signal, the others noise."""


class Correlate(IterativePE):
    """Correlates one pair of records at the lags from -max_lag_s to +max_lag_s.

    Args:
        max_lag_s: largest lag.
        normalise: `'coefficient'` divides by the root of both records' energies, `'none'` does not.
    """

    preload = ("scipy.fft",)
    stateless = True
    read_only = True

    def __init__(self, max_lag_s: float = 10.0, normalise: str = "coefficient") -> None:
        super().__init__()
        if normalise not in NORMALISE:
            raise UnknownName("way to normalise", normalise, NORMALISE)
        if not max_lag_s > 0:
            raise InputError(f"max_lag_s must be a time above 0, got {max_lag_s:g}")
        self.max_lag_s = max_lag_s
        self.normalise = normalise

    def _process(self, data: Pair) -> Correlation:
        return correlate_pair(data, self.max_lag_s, self.normalise)


def correlate_pair(pair: Pair, max_lag_s: float, normalise: str) -> Correlation:
    """The correlation of a pair, measured.

    Raises:
        InputError: the records are not longer than the largest lag.
    """
    rate_hz = pair["sampling_rate_hz"]
    a, b = samples_of(pair["a"]), samples_of(pair["b"])
    max_lag = round(max_lag_s * rate_hz)
    if max_lag >= min(a.size, b.size):
        raise InputError(
            f"max_lag_s={max_lag_s:g} needs longer records than the {min(a.size, b.size) / rate_hz:g} s of "
            f"{pair['a_id']} and {pair['b_id']}; lower max_lag_s or give more data"
        )
    raw = cross_correlate(a, b, max_lag)
    energy = root_energy(a, b)
    samples = normalised(raw, energy) if normalise == "coefficient" else raw
    peak = int(np.argmax(np.abs(samples)))
    return {
        "pair": f"{pair['a_id']}_{pair['b_id']}",
        "a_id": pair["a_id"],
        "b_id": pair["b_id"],
        "start": pair["start"],
        "sampling_rate_hz": rate_hz,
        "max_lag_s": max_lag / rate_hz,
        "samples": samples,
        "lag_s": (peak - max_lag) / rate_hz,
        "peak": float(samples[peak]),
        "coefficient": float(normalised(raw[peak : peak + 1], energy)[0]),
        "snr": signal_to_noise(samples, peak, max_lag),
    }


def cross_correlate(a: Samples, b: Samples, max_lag: int) -> Samples:
    """The sums over t of a[t + k] · b[t] for k from -max_lag to +max_lag, in samples.

    Records are taken as 0 beyond their ends, and first samples as simultaneous.
    """
    fft = load("scipy.fft", "correlating records")
    # As many zeros as the largest lag keep what wraps around out of the lags that are kept.
    size = fft.next_fast_len(max(a.size, b.size) + max_lag, real=True)
    spectrum = fft.rfft(a, size) * np.conj(fft.rfft(b, size))
    circular = fft.irfft(spectrum, size)
    return np.concatenate([circular[size - max_lag :], circular[: max_lag + 1]])


def root_energy(a: Samples, b: Samples) -> float:
    """The root of the product of both records' sums of squares."""
    return math.sqrt(np.sum(a * a)) * math.sqrt(np.sum(b * b))


def normalised(samples: Samples, energy: float) -> Samples:
    """The samples divided by `energy`; zeros where a record held nothing."""
    return samples / energy if energy > 0 else np.zeros_like(samples)


def signal_to_noise(samples: Samples, peak: int, max_lag: int) -> float:
    """The absolute value at `peak` over the root mean square of the lags far from it; infinite over 0."""
    distance = np.abs(np.arange(samples.size) - peak)
    noise = samples[distance > SIGNAL_PART * max_lag]
    root_mean_square = math.sqrt(np.mean(noise * noise)) if noise.size else 0.0
    return abs(float(samples[peak])) / root_mean_square if root_mean_square else math.inf
