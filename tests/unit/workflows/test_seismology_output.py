from __future__ import annotations

import csv
import json
import os

import numpy as np
import pytest

from d4py_adaptive.errors import InputError, UnknownName
from d4py_adaptive.workflows.seismology import picture
from d4py_adaptive.workflows.seismology.correlation import correlate_pair
from d4py_adaptive.workflows.seismology.folder import make_folder, require_creatable, write_whole
from d4py_adaptive.workflows.seismology.report import ReportCorrelations
from d4py_adaptive.workflows.seismology.scientific import load
from d4py_adaptive.workflows.seismology.writing import WriteCorrelations

obspy = load("obspy", "the tests")
START = "2020-01-02T03:04:05.678000Z"


def correlation(a="XX.AAA.00.HHZ", b="YY.BBB..BHZ", seed=1, max_lag_s=4.0):
    random = np.random.default_rng(seed)
    one, two = random.normal(size=400), random.normal(size=400)
    pair = {"a_id": a, "b_id": b, "start": START, "sampling_rate_hz": 20.0, "a": one, "b": one + two}
    return correlate_pair(pair, max_lag_s, "coefficient")


def write(drive, folder, item, **options):
    return drive(WriteCorrelations(str(folder), **options), [{"input": item}]).items[0]


def test_sac_files_read_back(drive, tmp_path):
    item = correlation()
    summary = write(drive, tmp_path, item)
    assert summary["file"] == "XX.AAA.00.HHZ_YY.BBB..BHZ.sac"
    (trace,) = obspy.read(str(tmp_path / summary["file"]))
    assert trace.id == "XX.AAA.00.HHZ"
    assert trace.stats.npts == 161
    assert trace.stats.delta == pytest.approx(0.05)
    assert trace.stats.sac.b == -4.0
    assert trace.stats.sac.e == pytest.approx(4.0)
    assert trace.stats.sac.kevnm.strip() == "YY.BBB..BHZ"
    assert trace.stats.sac.t0 == pytest.approx(item["lag_s"])
    assert trace.stats.sac.user0 == pytest.approx(item["coefficient"])
    assert trace.stats.starttime == obspy.UTCDateTime(START) - 4.0
    np.testing.assert_array_equal(trace.data, item["samples"].astype(np.float32))


def test_numpy_files_read_back(drive, tmp_path):
    item = correlation()
    summary = write(drive, tmp_path, item, format="numpy")
    with np.load(tmp_path / summary["file"]) as file:
        np.testing.assert_array_equal(file["correlation"], item["samples"])
        np.testing.assert_allclose(file["lag_s"], np.linspace(-4.0, 4.0, 161), atol=1e-12)
        metadata = json.loads(str(file["metadata"]))
    assert metadata == {key: value for key, value in item.items() if key != "samples"}


@pytest.mark.parametrize("file_format", ["sac", "numpy"])
def test_the_same_bytes_every_time_and_nothing_else_left(drive, tmp_path, file_format):
    for folder in ("one", "two"):
        write(drive, tmp_path / folder, correlation(), format=file_format)
        write(drive, tmp_path / folder, correlation(), format=file_format)
    (one,), (two,) = ((*(tmp_path / folder).iterdir(),) for folder in ("one", "two"))
    assert one.name == two.name
    assert one.read_bytes() == two.read_bytes()


def test_a_summary_says_what_the_header_says(drive, tmp_path):
    item = correlation()
    summary = write(drive, tmp_path, item)
    assert summary == {
        **{key: item[key] for key in ("pair", "lag_s", "peak", "coefficient", "snr")},
        "file": "XX.AAA.00.HHZ_YY.BBB..BHZ.sac",
    }


@pytest.mark.parametrize("odd", ["XX.A_A..HHZ", "../..//etc", ".XX.A..", ""])
def test_odd_ids_stay_in_the_folder_and_apart(drive, tmp_path, odd):
    files = {write(drive, tmp_path, correlation(a, b))["file"] for a, b in [(odd, "B_C"), (f"{odd}_B", "C")]}
    assert len(files) == 2
    assert files == {path.name for path in tmp_path.iterdir()}


def test_unknown_format_names_the_known():
    with pytest.raises(UnknownName, match="known: numpy, sac"):
        WriteCorrelations(format="segy")


def test_a_failed_write_leaves_the_old_file_and_no_scraps(tmp_path, monkeypatch):
    file = tmp_path / "x"
    write_whole(file, b"old")
    with pytest.raises(TypeError):
        write_whole(file, None)  # type: ignore[arg-type]
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    assert file.read_bytes() == b"old"


def test_an_output_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot be created: .*file is a file; give another"):
        require_creatable(tmp_path / "file" / "below")
    with pytest.raises(InputError, match=r"cannot be created .*give another with -p output"):
        make_folder(str(tmp_path / "file" / "below"))
    require_creatable(tmp_path / "new" / "newer")
    assert not (tmp_path / "new").exists()


def test_an_output_folder_that_is_not_writable_is_refused(tmp_path, monkeypatch):
    # Not by chmod: root may write everywhere.
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(InputError, match="not writable"):
        require_creatable(tmp_path / "new")
    with pytest.raises(InputError, match="must be writable"):
        make_folder(str(tmp_path))


def report(drive, folder, items, order=1):
    summaries = [
        {
            **{key: item[key] for key in ("pair", "lag_s", "peak", "coefficient", "snr")},
            "file": f"{item['pair']}.sac",
        }
        for item in items
    ]
    inputs = [{"correlation": item} for item in items] + [{"summary": summary} for summary in summaries]
    return drive(ReportCorrelations(str(folder)), inputs[::order])


ITEMS = [correlation(f"XX.{a}..HHZ", f"XX.{b}..HHZ", seed) for seed, (a, b) in enumerate(["CD", "AB", "BC"])]


def test_the_table_lists_all_pairs_sorted(drive, tmp_path):
    seen = report(drive, tmp_path, ITEMS)
    with (tmp_path / "correlations.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["pair"] for row in rows] == [
        "XX.A..HHZ_XX.B..HHZ",
        "XX.B..HHZ_XX.C..HHZ",
        "XX.C..HHZ_XX.D..HHZ",
    ]
    assert float(rows[2]["coefficient"]) == pytest.approx(ITEMS[0]["coefficient"], rel=1e-5)
    assert float(rows[2]["lag_s"]) == ITEMS[0]["lag_s"]
    (line,) = seen.items
    assert line.startswith("3 correlations; clearest: XX.")
    assert str(tmp_path) not in line
    assert seen.lines == [f"files in {tmp_path}"]


def test_picture_table_and_result_do_not_depend_on_the_order_of_arrival(drive, tmp_path):
    lines = [report(drive, tmp_path / str(order), ITEMS, order).items for order in (1, -1)]
    assert lines[0] == lines[1]
    for name in ("correlations.png", "correlations.csv"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "-1" / name).read_bytes()


def test_the_picture_is_a_png_without_a_date(drive, tmp_path):
    report(drive, tmp_path, ITEMS)
    content = (tmp_path / "correlations.png").read_bytes()
    assert content.startswith(b"\x89PNG")
    assert b"Software" not in content
    assert b"tIME" not in content


def test_many_pairs_show_the_clearest_and_keep_no_more(drive, tmp_path, monkeypatch):
    monkeypatch.setattr(picture, "MOST_ROWS", 4)
    monkeypatch.setattr("d4py_adaptive.workflows.seismology.report.MOST_ROWS", 4)
    items = [correlation(f"XX.{n:02d}..HHZ", "XX.Z..HHZ", n, max_lag_s=1.0) for n in range(20)]
    expected = {item["pair"] for item in sorted(items, key=lambda item: -item["snr"])[:4]}
    drawn = []
    monkeypatch.setattr(
        "d4py_adaptive.workflows.seismology.report.as_png", lambda rows, of: drawn.append((rows, of)) or b""
    )
    for order in (1, -1):
        report(drive, tmp_path, items, order)
    for rows, of in drawn:
        assert {item["pair"] for item in rows} == expected
        assert of == 20


def test_nothing_to_report_makes_nothing(drive, tmp_path):
    assert drive(ReportCorrelations(str(tmp_path / "new")), []).items == []
    assert not (tmp_path / "new").exists()
