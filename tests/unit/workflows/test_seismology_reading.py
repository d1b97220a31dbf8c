from __future__ import annotations

import os

import numpy as np
import pytest

from d4py_adaptive.errors import InputError
from d4py_adaptive.workflows.seismology.reading import ReadWaveforms, read_metadata, waveform_files
from d4py_adaptive.workflows.seismology.scientific import load

obspy = load("obspy", "the tests")
START = obspy.UTCDateTime(2020, 1, 1)


def test_the_example_is_four_stations_over_230_seconds(drive):
    seen = drive(ReadWaveforms(), [{}])
    assert [trace.id for trace in seen.items] == ["BW.UH1..SHZ", "BW.UH2..SHZ", "BW.UH3..SHZ", "BW.UH4..EHZ"]
    for trace in seen.items:
        assert trace.stats.window_start == obspy.UTCDateTime("2010-05-27T16:24:03.68")
        assert trace.stats.window_s == pytest.approx(230.31)
        assert trace.stats.starttime <= trace.stats.window_start
        assert trace.stats.endtime >= trace.stats.window_start + trace.stats.window_s
    assert seen.lines == ["4 channels, 230.31 s from 2010-05-27T16:24:03.680000Z"]


def test_a_folder_is_read_whole_merged_and_cut_to_the_common_window(drive, waveform_folder):
    seen = drive(ReadWaveforms(str(waveform_folder)), [{}])
    assert [trace.id for trace in seen.items] == ["XX.AAA..HHZ", "XX.BBB..HHZ", "XX.CCC..HHZ"]
    for trace in seen.items:
        assert (trace.stats.window_start, trace.stats.window_s) == (START + 5, 46.0)
        assert START + 5 - trace.stats.delta <= trace.stats.starttime <= START + 5
        assert START + 51 <= trace.stats.endtime <= START + 51 + trace.stats.delta
    assert any("readme.txt" in line for line in seen.lines)
    assert any(line.startswith("filled") and "XX.CCC..HHZ" in line for line in seen.lines)


def test_a_gap_is_filled_along_a_line(drive, waveform_folder):
    seen = drive(ReadWaveforms(str(waveform_folder / "c.mseed")), [{}])
    trace = seen.items[0]
    hole = trace.slice(START + 20, START + 21).data
    np.testing.assert_allclose(hole, np.linspace(hole[0], hole[-1], hole.size), atol=1e-9)


@pytest.mark.parametrize("separator", [",", os.pathsep, ", "])
def test_several_files_in_one_text(drive, waveform_folder, separator):
    names = [str(waveform_folder / "a.mseed"), str(waveform_folder / "2020" / "b.sac")]
    for data in (names, separator.join(names)):
        assert len(drive(ReadWaveforms(data), [{}]).items) == 2


def test_a_glob_and_a_file_with_wildcards_in_its_name(drive, waveform_folder):
    assert len(drive(ReadWaveforms(str(waveform_folder / "*.mseed")), [{}]).items) == 2
    assert len(drive(ReadWaveforms(str(waveform_folder / "**" / "*.sac")), [{}]).items) == 1
    odd = waveform_folder / "a[1].mseed"
    (waveform_folder / "a.mseed").rename(odd)
    assert len(drive(ReadWaveforms(str(odd)), [{}]).items) == 1


def test_a_file_found_twice_is_read_once(waveform_folder):
    file = str(waveform_folder / "a.mseed")
    assert len(waveform_files([file, file])) == 1


def test_the_output_folder_is_not_read(waveform_folder):
    found = waveform_files(str(waveform_folder), exclude=str(waveform_folder / "2020"))
    assert [path.name for path, _ in found] == ["a.mseed", "c.mseed", "readme.txt"]


def test_channels_choose(drive, tmp_path, make_trace):
    obspy.Stream([make_trace("AAA"), make_trace("AAA", channel="HHE")]).write(str(tmp_path / "x.mseed"), format="MSEED")
    chosen = drive(ReadWaveforms(str(tmp_path), channels="*Z"), [{}]).items
    assert [trace.id for trace in chosen] == ["XX.AAA..HHZ"]
    assert len(drive(ReadWaveforms(str(tmp_path), channels="*Z, HHE"), [{}]).items) == 2
    with pytest.raises(InputError, match=r"channels='\*N'.*XX\.AAA\.\.HHE, XX\.AAA\.\.HHZ"):
        drive(ReadWaveforms(str(tmp_path), channels="*N"), [{}])


def test_missing_empty_and_unreadable_data_say_so(drive, tmp_path):
    with pytest.raises(InputError, match=r"'/no/such/place', which does not exist"):
        drive(ReadWaveforms("/no/such/place"), [{}])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"none in 0 files .*-p data="):
        drive(ReadWaveforms(str(tmp_path / "empty")), [{}])
    (tmp_path / "text.txt").write_text("words")
    with pytest.raises(InputError, match="none in 1 files"):
        drive(ReadWaveforms(str(tmp_path)), [{}])
    with pytest.raises(InputError, match=r"text\.txt cannot be read as waveforms"):
        drive(ReadWaveforms(str(tmp_path / "text.txt")), [{}])


def test_no_common_time_names_the_culprits(drive, tmp_path, make_trace):
    late = make_trace("LATE", starttime=START + 3600)
    obspy.Stream([make_trace("AAA"), late]).write(str(tmp_path / "x.mseed"), format="MSEED")
    with pytest.raises(InputError, match=r"XX\.LATE\.\.HHZ starts at 2020-01-01T01.* XX\.AAA\.\.HHZ ends at"):
        drive(ReadWaveforms(str(tmp_path)), [{}])


def test_a_channel_mostly_missing_or_not_of_numbers_is_left_out(drive, tmp_path, make_trace):
    broken = make_trace("NAN")
    broken.data[7] = np.nan
    holes = [make_trace("HOLE", 10.0), make_trace("HOLE", 10.0, starttime=START + 50)]
    obspy.Stream([make_trace("AAA"), broken, *holes]).write(str(tmp_path / "x.mseed"), format="MSEED")
    seen = drive(ReadWaveforms(str(tmp_path)), [{}])
    assert [trace.id for trace in seen.items] == ["XX.AAA..HHZ"]
    assert any(line.startswith("left out XX.HOLE..HHZ, of which 39.98 s in 60 s") for line in seen.lines)
    assert any(line.startswith("left out XX.NAN..HHZ") for line in seen.lines)


def test_pieces_of_unequal_rate_are_refused(drive, tmp_path, make_trace):
    pieces = obspy.Stream([make_trace("AAA", 10.0), make_trace("AAA", 10.0, 20.0, starttime=START + 11)])
    pieces.write(str(tmp_path / "x.mseed"), format="MSEED")
    with pytest.raises(InputError, match=r"XX\.AAA\.\.HHZ must have one sampling rate, got 20 and 50 Hz"):
        drive(ReadWaveforms(str(tmp_path)), [{}])


@pytest.fixture
def jochberg(tmp_path):
    """obspy's example record and its metadata, in files."""
    stream = obspy.read()
    for trace in stream:
        trace.stats.pop("response", None)
    stream.write(str(tmp_path / "rjob.mseed"), format="MSEED")
    (tmp_path / "metadata").mkdir()
    file = tmp_path / "metadata" / "bw.xml"
    obspy.read_inventory().write(str(file), format="STATIONXML")
    return tmp_path / "rjob.mseed", file


def test_metadata_brings_each_trace_its_response(drive, jochberg):
    data, metadata = jochberg
    for where in (metadata, metadata.parent):
        traces = drive(ReadWaveforms(str(data), str(where)), [{}]).items
        assert len(traces) == 3
        assert all(trace.stats.response.instrument_sensitivity for trace in traces)


def test_channels_without_metadata_are_left_out(drive, jochberg, tmp_path, make_trace):
    data, metadata = jochberg
    stranger = make_trace("AAA", starttime=obspy.read()[0].stats.starttime)
    stranger.write(str(tmp_path / "stranger.mseed"), format="MSEED")
    seen = drive(ReadWaveforms([str(data), str(tmp_path / "stranger.mseed")], str(metadata)), [{}])
    assert len(seen.items) == 3
    assert any(line.startswith("left out XX.AAA..HHZ: No matching response") for line in seen.lines)
    with pytest.raises(InputError, match="none of their channels in"):
        drive(ReadWaveforms(str(tmp_path / "stranger.mseed"), str(metadata)), [{}])


def test_bad_metadata_says_so(tmp_path):
    with pytest.raises(InputError, match="StationXML file, or a folder"):
        read_metadata(str(tmp_path))
    (tmp_path / "x.xml").write_text("<nothing/>")
    with pytest.raises(InputError, match=r"x\.xml cannot be read as station metadata"):
        read_metadata(str(tmp_path))
