from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from d4py_adaptive.errors import InputError, MissingDependency
from d4py_adaptive.workflows.seismology.reading import ReadWaveforms
from d4py_adaptive.workflows.seismology.scientific import load

MODULE = "d4py_adaptive.workflows.seismology.cross_correlation"


@pytest.fixture
def build_graph():
    return __import__(MODULE, fromlist=["build_graph"]).build_graph


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("file_format", ["sac", "numpy"])
def test_the_same_files_whatever_the_order(drive, run_by_hand, tmp_path, file_format):
    traces = drive(ReadWaveforms(), [{}]).items
    results = []
    for shuffle in (0, 11, 23):
        results.append(run_by_hand(traces, tmp_path / str(shuffle), shuffle, file_format).items)
    assert results[0] == results[1] == results[2]
    first = contents(tmp_path / "0")
    assert len(first) == 8
    assert first == contents(tmp_path / "11") == contents(tmp_path / "23")


def test_the_example_shows_the_event_at_every_pair(drive, run_by_hand, tmp_path):
    run_by_hand(drive(ReadWaveforms(), [{}]).items, tmp_path)
    table = (tmp_path / "correlations.csv").read_text().splitlines()[1:]
    for line in table:
        _, _, lag_s, _, coefficient, snr = line.split(",")
        assert abs(float(lag_s)) < 3.0, "the stations are a few kilometres apart"
        assert abs(float(coefficient)) > 0.25
        assert float(snr) > 8.0


def test_the_graph_is_whole(build_graph, tmp_path):
    graph = build_graph(output=str(tmp_path / "new"))
    workflow = graph.freeze()
    names = sorted(node.name for node in workflow.nodes)
    assert names == [
        "Correlate", "PairStations", "Preprocess", "ReadWaveforms", "ReportCorrelations", "WriteCorrelations"
    ]  # fmt: skip
    assert not (tmp_path / "new").exists(), "building makes no files"


def test_every_parameter_can_be_given_as_text(build_graph):
    for parameter in inspect.signature(build_graph).parameters.values():
        assert parameter.annotation in {"str", "float", "int", "bool", "str | None"}
        assert parameter.default is not inspect.Parameter.empty


def test_a_parameter_that_does_not_fit_is_refused_before_anything_runs(build_graph, tmp_path):
    with pytest.raises(InputError, match="freq_max_hz=12"):
        build_graph(freq_max_hz=12.0)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"):
        build_graph(output=str(tmp_path / "file"))


def test_building_imports_no_heavy_package(tmp_path):
    code = (
        f"import sys; from {MODULE} import build_graph; build_graph(output={str(tmp_path)!r}); "
        "print(sorted({'obspy', 'scipy', 'matplotlib'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_missing_package_says_how_to_install_it(monkeypatch):
    def refuse(name, *args, **kwargs):
        raise ModuleNotFoundError(f"No module named {name!r}", name="obspy")

    monkeypatch.setattr("importlib.import_module", refuse)
    with pytest.raises(MissingDependency, match=r"reading waveforms needs .*'obspy'.*\[seismology\]"):
        load("obspy.signal", "reading waveforms")


def test_a_broken_package_is_not_called_missing(monkeypatch):
    def refuse(name, *args, **kwargs):
        raise ModuleNotFoundError("No module named 'lxml'", name="lxml")

    monkeypatch.setattr("importlib.import_module", refuse)
    with pytest.raises(ModuleNotFoundError, match="lxml"):
        load("obspy", "reading waveforms")
