from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as stn

from d4py_adaptive.workflows.seismology.normalisation import (
    cosine_band,
    detrend_linear,
    one_bit,
    running_absolute_mean,
    whiten,
)
from d4py_adaptive.workflows.seismology.scientific import load

NOISE = np.random.default_rng(1).normal(size=1501)


def test_detrending_agrees_with_scipy():
    sloped = NOISE + 3.0 + 0.01 * np.arange(NOISE.size)
    expected = load("scipy.signal", "a test").detrend(sloped, type="linear")
    np.testing.assert_allclose(detrend_linear(sloped), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_detrending_a_line_leaves_nothing(size):
    np.testing.assert_allclose(detrend_linear(5.0 - 2.0 * np.arange(size)), 0.0, atol=1e-12)


def test_one_bit_keeps_signs_only():
    np.testing.assert_array_equal(one_bit(np.array([-3.0, -1e-300, 0.0, 1e300])), [-1.0, -1.0, 0.0, 1.0])


@given(
    samples=stn.arrays(np.float64, st.integers(1, 40), elements=st.floats(-1e6, 1e6).map(lambda x: round(x, 3))),
    half_width=st.integers(0, 50),
)
def test_running_mean_is_the_mean_of_what_the_window_holds(samples, half_width):
    result = running_absolute_mean(samples, half_width)
    for index, value in enumerate(samples):
        mean = np.mean(np.abs(samples[max(index - half_width, 0) : index + half_width + 1]))
        assert result[index] == pytest.approx(value / mean if mean else 0.0, rel=1e-6)


def test_running_mean_evens_out_an_earthquake():
    quake = NOISE.copy()
    quake[500:700] *= 1000.0
    even = running_absolute_mean(quake, 10)
    assert np.std(even[520:680]) == pytest.approx(np.std(even[800:]), rel=0.2)


@pytest.mark.parametrize("size", [1500, 1501])
def test_whitened_spectrum_is_flat_in_the_band_and_nothing_outside(size):
    rate_hz, low_hz, high_hz = 25.0, 2.0, 8.0
    white = whiten(np.cumsum(NOISE[:size]), rate_hz, low_hz, high_hz)
    amplitude = np.abs(np.fft.rfft(white))
    frequency = np.fft.rfftfreq(size, 1 / rate_hz)
    inside = (frequency >= low_hz) & (frequency <= high_hz)
    outside = (frequency < low_hz - 0.6) | (frequency > high_hz + 0.6)
    np.testing.assert_allclose(amplitude[inside], 1.0, rtol=1e-9)
    np.testing.assert_allclose(amplitude[outside], 0.0, atol=1e-9)
    assert np.all(amplitude[~inside] < 1.0)


def test_whitening_keeps_the_phase():
    samples = NOISE[:1500]
    frequency = np.fft.rfftfreq(1500, 1 / 25.0)
    inside = (frequency >= 2) & (frequency <= 8)
    before, after = np.fft.rfft(samples)[inside], np.fft.rfft(whiten(samples, 25.0, 2.0, 8.0))[inside]
    np.testing.assert_allclose(before / np.abs(before), after, rtol=1e-9)


def test_whitening_silence_gives_silence():
    np.testing.assert_array_equal(whiten(np.zeros(100), 25.0, 2.0, 8.0), np.zeros(100))


def test_the_band_falls_off_as_a_cosine():
    weights = cosine_band(np.array([1.0, 1.5, 2.0, 5.0, 8.0, 8.25, 9.0]), 2.0, 8.0, 1.0)
    np.testing.assert_allclose(weights, [0, 0.5, 1, 1, 1, 0.5 * (1 + np.cos(np.pi / 4)), 0], atol=1e-12)
    np.testing.assert_array_equal(cosine_band(np.array([1.9, 2.0, 8.1]), 2.0, 8.0, 0.0), [0, 1, 0])
