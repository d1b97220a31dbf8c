from __future__ import annotations

import pickle

import numpy as np
import pytest

from d4py_adaptive.errors import InputError, UnknownName
from d4py_adaptive.workflows.seismology.preprocessing import Preprocess, prepare, taper_ends
from d4py_adaptive.workflows.seismology.reading import ReadWaveforms
from d4py_adaptive.workflows.seismology.scientific import load
from d4py_adaptive.workflows.seismology.settings import Preparation

obspy = load("obspy", "the tests")
START = obspy.UTCDateTime(2020, 1, 1)
PLAIN = Preparation(normalisation="none", whitening=False)


def sine(rate_hz, frequency_hz, offset_s=0.0, seconds=60.0, **stats):
    """A sine that starts at START + offset_s, its phase 0 at START."""
    time = offset_s + np.arange(round(seconds * rate_hz) + 1) / rate_hz
    header = {"station": "SIN", "channel": "HHZ", "sampling_rate": rate_hz, "starttime": START + offset_s}
    return obspy.Trace(np.sin(2 * np.pi * frequency_hz * time), header={**header, **stats})


@pytest.mark.parametrize("rate_hz", [25.0, 40.0, 50.0, 100.0])
@pytest.mark.parametrize("offset_s", [0.0, -0.003, -0.0125])
def test_every_channel_lands_on_the_windows_grid_without_a_shift(rate_hz, offset_s):
    trace = sine(rate_hz, 4.0, offset_s, window_start=START, window_s=59.9)
    record = prepare(trace, PLAIN)
    time = np.arange(record["samples"].size) / 25.0
    middle = slice(200, -200)
    assert record["samples"].size == 1498
    assert record["sampling_rate_hz"] == 25.0
    np.testing.assert_allclose(record["samples"][middle], np.sin(8 * np.pi * time)[middle], atol=2e-3)


def test_what_would_alias_into_the_band_is_gone():
    # 21 Hz comes back as 4 Hz when every second of 50 samples per second is taken.
    aliased = prepare(sine(50.0, 21.0), PLAIN)["samples"]
    assert np.max(np.abs(aliased[200:-200])) < 1e-3


def test_the_band_pass_keeps_the_band_and_little_else():
    inside = prepare(sine(25.0, 4.0), PLAIN)["samples"][300:-300]
    below, above = (prepare(sine(25.0, f), PLAIN)["samples"][300:-300] for f in (0.5, 11.5))
    assert np.max(np.abs(inside)) == pytest.approx(1.0, abs=0.01)
    assert max(np.max(np.abs(below)), np.max(np.abs(above))) < 0.02


@pytest.mark.parametrize(("normalisation", "whitening"), [("one-bit", False), ("running-mean", False), ("none", True)])
def test_the_steps_chosen_are_those_done(normalisation, whitening, make_trace):
    settings = Preparation(normalisation=normalisation, whitening=whitening)
    samples = prepare(make_trace("AAA"), settings)["samples"]
    if normalisation == "one-bit":
        assert set(np.unique(samples)) <= {-1.0, 0.0, 1.0}
    elif normalisation == "running-mean":
        assert np.mean(np.abs(samples)) == pytest.approx(1.0, abs=0.03)
    else:
        amplitude = np.abs(np.fft.rfft(samples))
        frequency = np.fft.rfftfreq(samples.size, 1 / 25.0)
        np.testing.assert_allclose(amplitude[(frequency > 2) & (frequency < 8)], 1.0, rtol=1e-9)


def test_a_trace_stays_as_it_is_and_the_same_comes_out_twice(drive, make_trace):
    trace = make_trace("AAA")
    before = pickle.dumps((trace.data, dict(trace.stats)))
    pe = Preprocess()
    state = pickle.dumps(pe)
    one, two = drive(pe, [{"input": trace}, {"input": trace}]).items
    assert one["samples"].tobytes() == two["samples"].tobytes()
    assert pickle.dumps((trace.data, dict(trace.stats))) == before
    assert pickle.dumps(pe) == state
    assert Preprocess.stateless is True


def test_a_rate_of_zero_keeps_each_channels_own(make_trace):
    record = prepare(make_trace("AAA", rate_hz=50.0), Preparation(sampling_rate_hz=0, whitening=False))
    assert (record["sampling_rate_hz"], record["samples"].size) == (50.0, 3001)


@pytest.mark.parametrize("slope", [0.0, 0.3])
def test_a_dead_channel_gives_silence(slope, make_trace):
    trace = make_trace("AAA")
    trace.data[:] = 0.1 + slope * np.arange(trace.data.size)
    for normalisation in ("one-bit", "running-mean", "none"):
        samples = prepare(trace, Preparation(normalisation=normalisation))["samples"]
        np.testing.assert_array_equal(samples, np.zeros(samples.size))


def test_the_taper_falls_to_nothing_at_both_ends():
    tapered = taper_ends(np.ones(100), 0.1)
    assert tapered[0] == tapered[-1] == 0.0
    np.testing.assert_array_equal(tapered, tapered[::-1])
    np.testing.assert_array_equal(tapered[10:90], 1.0)
    np.testing.assert_array_equal(taper_ends(np.ones(5), 0.1), 1.0)


def test_the_response_is_removed_as_obspy_does_it(drive, tmp_path):
    stream = obspy.read()
    stream.write(str(tmp_path / "rjob.mseed"), format="MSEED")
    obspy.read_inventory().write(str(tmp_path / "bw.xml"), format="STATIONXML")
    (trace,) = drive(ReadWaveforms(str(tmp_path / "rjob.mseed"), str(tmp_path / "bw.xml"), "EHZ"), [{}]).items
    with_response = prepare(trace, Preparation(sampling_rate_hz=0, normalisation="none", whitening=False))

    expected = stream.select(channel="EHZ")[0].copy()
    expected.detrend("linear").taper(0.05, type="cosine")
    expected.remove_response(
        obspy.read_inventory(), "VEL", pre_filt=(1.0, 1.5, 8.8, 10.0), zero_mean=False, taper=False
    )
    expected.filter("bandpass", freqmin=2.0, freqmax=8.0, corners=4, zerophase=True)
    scale = np.max(np.abs(expected.data))
    assert scale < 1e-4, "metres per second, no more counts"
    middle = slice(300, -300)
    np.testing.assert_allclose(with_response["samples"][middle], expected.data[middle], atol=1e-2 * scale)


def test_settings_that_do_not_fit_say_what_would():
    with pytest.raises(UnknownName, match="did you mean 'one-bit'"):
        Preparation(normalisation="onebit")
    with pytest.raises(InputError, match="0 < freq_min_hz < freq_max_hz, got 8 and 2"):
        Preparation(freq_min_hz=8.0, freq_max_hz=2.0)
    with pytest.raises(InputError, match=r"at least 50 Hz, got 25 Hz .*lower freq_max_hz to 10 or less"):
        Preparation(freq_max_hz=20.0)
    with pytest.raises(InputError, match="running_mean_s must be a time above 0"):
        Preparation(normalisation="running-mean", running_mean_s=0.0)
    with pytest.raises(InputError, match="taper_fraction"):
        Preparation(taper_fraction=0.6)
    with pytest.raises(InputError, match="got -1 Hz"):
        Preparation(sampling_rate_hz=-1.0)


def test_a_channel_that_cannot_give_the_rate_or_the_band_is_named(make_trace):
    with pytest.raises(InputError, match=r"more than the 20 Hz of XX\.AAA\.\.HHZ"):
        prepare(make_trace("AAA", rate_hz=20.0), PLAIN)
    with pytest.raises(InputError, match=r"got 10 Hz \(XX\.AAA\.\.HHZ\)"):
        prepare(make_trace("AAA", rate_hz=10.0), Preparation(sampling_rate_hz=0))
    with pytest.raises(InputError, match="at least 2 samples, got 1"):
        prepare(make_trace("AAA", seconds=0.0), PLAIN)
