from __future__ import annotations

import math

import numpy as np
import pytest

from d4py_adaptive.errors import InputError, UnknownName
from d4py_adaptive.workflows.seismology.correlation import (
    Correlate,
    correlate_pair,
    cross_correlate,
    normalised,
    root_energy,
    signal_to_noise,
)
from d4py_adaptive.workflows.seismology.scientific import load

RANDOM = np.random.default_rng(2)
A, B = RANDOM.normal(size=997), RANDOM.normal(size=997)


def pair_of(a, b, rate_hz=10.0):
    return {
        "a_id": "XX.A..HHZ",
        "b_id": "XX.B..HHZ",
        "start": "2020",
        "sampling_rate_hz": rate_hz,
        "a": a,
        "b": b,
    }


def assert_close(got, expected):
    # Relative to the largest value: a sum that is nearly 0 has no relative precision of its own.
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-9 * np.max(np.abs(expected)))


@pytest.mark.parametrize("max_lag", [0, 1, 50, 996])
@pytest.mark.parametrize(("normalise", "obspys"), [("coefficient", "naive"), ("none", None)])
def test_agrees_with_obspy(max_lag, normalise, obspys):
    correlate = load("obspy.signal.cross_correlation", "a test").correlate
    got = cross_correlate(A, B, max_lag)
    if normalise == "coefficient":
        got = normalised(got, root_energy(A, B))
    for method in ("direct", "fft"):
        assert_close(got, correlate(A, B, max_lag, demean=False, normalize=obspys, method=method))


def test_agrees_with_the_sums_it_stands_for():
    max_lag = 30
    expected = [
        sum(A[t + k] * B[t] for t in range(A.size) if 0 <= t + k < A.size) for k in range(-max_lag, max_lag + 1)
    ]
    assert_close(cross_correlate(A, B, max_lag), expected)


def test_nothing_wraps_around():
    a, b = np.zeros(64), np.zeros(64)
    a[0] = b[63] = 1.0
    expected = np.zeros(127)
    expected[0] = 1.0
    np.testing.assert_allclose(cross_correlate(a, b, 63), expected, atol=1e-12)


def test_records_of_different_length_start_together():
    full = np.correlate(A, B[:900], "full")
    zero = 899
    assert_close(cross_correlate(A, B[:900], 40), full[zero - 40 : zero + 41])


@pytest.mark.parametrize("shift", [-7, 0, 12])
def test_a_positive_lag_means_later_at_the_first_record(shift):
    a = np.roll(B, shift)
    found = correlate_pair(pair_of(a, B), 3.0, "coefficient")
    assert found["lag_s"] == pytest.approx(shift / 10.0)
    assert found["coefficient"] == pytest.approx(1.0, abs=0.05)


def test_a_record_with_itself_has_coefficient_1():
    found = correlate_pair(pair_of(A, A), 3.0, "coefficient")
    assert (found["lag_s"], found["peak"]) == (0.0, pytest.approx(1.0, rel=1e-12))


def test_without_normalisation_the_coefficient_stays_one():
    raw = correlate_pair(pair_of(A, B), 3.0, "none")
    even = correlate_pair(pair_of(A, B), 3.0, "coefficient")
    assert raw["coefficient"] == even["coefficient"] == even["peak"]
    assert raw["peak"] == pytest.approx(raw["coefficient"] * math.sqrt(np.sum(A**2) * np.sum(B**2)), rel=1e-12)


def test_small_units_are_no_silence():
    found = correlate_pair(pair_of(A * 1e-12, A * 1e-12), 3.0, "coefficient")
    assert found["peak"] == pytest.approx(1.0)


def test_a_silent_record_correlates_with_nothing():
    found = correlate_pair(pair_of(np.zeros(100), A[:100]), 3.0, "coefficient")
    np.testing.assert_array_equal(found["samples"], np.zeros(61))
    assert (found["peak"], found["coefficient"], found["snr"]) == (0.0, 0.0, math.inf)


def test_alignment_in_memory_does_not_show():
    shifted = np.frombuffer(b"x" + A.tobytes(), dtype=np.uint8)[1:].view(np.float64)
    assert not shifted.flags.aligned
    once = correlate_pair(pair_of(A, B), 3.0, "coefficient")
    again = correlate_pair(pair_of(shifted, B.astype(">f8")), 3.0, "coefficient")
    assert once["samples"].tobytes() == again["samples"].tobytes()


def test_signal_to_noise_leaves_the_peaks_surroundings_out():
    samples = np.full(41, 2.0)
    samples[10:15] = 50.0
    samples[12] = 100.0
    assert signal_to_noise(samples, 12, 20) == pytest.approx(50.0)


def test_its_items_and_its_records_stay_as_they_are(drive):
    pair = pair_of(A.copy(), B.copy())
    (found,) = drive(Correlate(3.0), [{"input": pair}]).items
    np.testing.assert_array_equal(pair["a"], A)
    assert found["pair"] == "XX.A..HHZ_XX.B..HHZ"
    assert found["max_lag_s"] == 3.0
    assert found["samples"].shape == (61,)


def test_refuses_what_it_cannot_do():
    with pytest.raises(InputError, match=r"max_lag_s=200 needs longer records than the 99\.7 s"):
        correlate_pair(pair_of(A, B), 200.0, "none")
    with pytest.raises(InputError, match="above 0, got -1"):
        Correlate(-1.0)
    with pytest.raises(UnknownName, match="did you mean 'coefficient'"):
        Correlate(1.0, "coeficient")


def test_replication_is_declared_safe():
    assert Correlate.stateless is True
