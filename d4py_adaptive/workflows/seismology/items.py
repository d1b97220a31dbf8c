"""What travels on the streams of the cross-correlation: plain dicts of metadata and arrays."""

from __future__ import annotations

from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float64]


def samples_of(data: Any) -> Samples:
    """`data` as contiguous, aligned float64 values, copied only where it must be.

    Arithmetic may take another path through the processor for an unaligned array, and what crossed a process
    boundary need not be aligned: results must not differ in their last bit for that.
    """
    return np.require(data, dtype=np.float64, requirements=["C", "A"])


class Waveform(TypedDict):
    """One channel, ready to be correlated."""

    id: str
    start: str
    sampling_rate_hz: float
    samples: Samples


class Pair(TypedDict):
    """Two channels over the same time, `a_id` before `b_id`."""

    a_id: str
    b_id: str
    start: str
    sampling_rate_hz: float
    a: Samples
    b: Samples


class Correlation(TypedDict):
    """The cross-correlation of a pair at the lags from -max_lag_s to +max_lag_s, and what was measured on it.

    `lag_s`, `peak` and `snr` are those of the largest absolute value; `coefficient` is that value divided by
    the root of both signals' energies, whatever the normalisation of `samples`.
    """

    pair: str
    a_id: str
    b_id: str
    start: str
    sampling_rate_hz: float
    max_lag_s: float
    samples: Samples
    lag_s: float
    peak: float
    coefficient: float
    snr: float


class Summary(TypedDict):
    """One written correlation: its file's name within the output folder, and its largest value."""

    pair: str
    file: str
    lag_s: float
    peak: float
    coefficient: float
    snr: float
