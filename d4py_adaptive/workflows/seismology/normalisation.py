"""Making records comparable, in time and in frequency: pure functions of arrays.

Sums are NumPy's own and never a matrix product, since a threaded BLAS may add in another order with another
number of threads, and the same record must give the same bits in every run.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from d4py_adaptive.workflows.seismology.items import Samples

ROUNDING = 1e-12
"""Far above what rounding makes of a float64, far below what any digitiser resolves."""


def detrend_linear(samples: Samples) -> Samples:
    """The samples without their mean and their least-squares line; zeros if nothing else was there."""
    centred = samples - np.mean(samples)
    time = np.arange(samples.size) - (samples.size - 1) / 2
    spread = np.sum(time * time)
    slope = np.sum(time * centred) / spread if spread else 0.0
    rest = np.asarray(centred - slope * time)
    # What rounding leaves of a dead channel would look like noise once it is normalised.
    silent = np.max(np.abs(rest), initial=0.0) <= ROUNDING * np.max(np.abs(samples), initial=0.0)
    return np.zeros_like(rest) if silent else rest


def one_bit(samples: Samples) -> Samples:
    """The signs of the samples, 0 where a sample is 0."""
    return np.sign(samples)


def running_absolute_mean(samples: Samples, half_width: int) -> Samples:
    """The samples divided by the mean of the absolute values around each, `half_width` to either side.

    The window is cut at the ends of the record, and its mean taken of what is left. Where the mean is 0 the
    result is 0.
    """
    index = np.arange(samples.size)
    first = np.maximum(index - half_width, 0)
    stop = np.minimum(index + half_width + 1, samples.size)
    running_sum = np.concatenate([[0.0], np.cumsum(np.abs(samples))])
    mean = (running_sum[stop] - running_sum[first]) / (stop - first)
    return divide_where_sound(samples, mean, running_sum[-1])


def whiten(
    samples: Samples,
    sampling_rate_hz: float,
    freq_min_hz: float,
    freq_max_hz: float,
    taper_hz: float | None = None,
) -> Samples:
    """The samples with amplitude 1 at each frequency of the band, phases kept, and nothing outside.

    The amplitude falls to 0 as a cosine over `taper_hz` beyond either corner; a tenth of the band unless
    given.
    """
    spectrum = np.fft.rfft(samples)
    frequency: Samples = np.fft.rfftfreq(samples.size, 1 / sampling_rate_hz).astype(np.float64)
    width = (freq_max_hz - freq_min_hz) / 10 if taper_hz is None else taper_hz
    amplitude = np.abs(spectrum)
    white = divide_where_sound(spectrum, amplitude, float(np.max(amplitude, initial=0.0)))
    weights = cosine_band(frequency, freq_min_hz, freq_max_hz, width)
    return np.fft.irfft(white * weights, samples.size)


def cosine_band(frequency_hz: Samples, freq_min_hz: float, freq_max_hz: float, taper_hz: float) -> Samples:
    """Weights of 1 in the band, falling to 0 as half a cosine over `taper_hz` outside it."""
    distance = np.maximum(np.maximum(freq_min_hz - frequency_hz, frequency_hz - freq_max_hz), 0.0)
    if taper_hz <= 0:
        return np.where(distance > 0, 0.0, 1.0)
    return np.asarray(0.5 * (1 + np.cos(np.pi * np.minimum(distance / taper_hz, 1.0))))


def divide_where_sound(values: NDArray[Any], divisor: Samples, scale: float) -> NDArray[Any]:
    """`values / divisor`, and 0 where the divisor is nothing but rounding beside `scale`."""
    sound = divisor > np.finfo(np.float64).eps * scale
    quotient = np.zeros_like(values)
    np.divide(values, divisor, out=quotient, where=sound)
    return quotient
