"""Driving PEs one by one, without a runtime."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from d4py_adaptive.dataflow.pe import GenericPE
from d4py_adaptive.workflows.seismology.correlation import Correlate
from d4py_adaptive.workflows.seismology.pairing import PairStations
from d4py_adaptive.workflows.seismology.preprocessing import Preprocess
from d4py_adaptive.workflows.seismology.report import ReportCorrelations
from d4py_adaptive.workflows.seismology.scientific import load
from d4py_adaptive.workflows.seismology.writing import WriteCorrelations

# Here, since obspy cannot be imported with warnings as errors by a plain import (see `load`).
obspy = load("obspy", "the tests")

START = obspy.UTCDateTime(2020, 1, 1)


class Recorder:
    """Stands in for the runtime: keeps what a PE writes and logs."""

    def __init__(self) -> None:
        self.items: list[Any] = []
        self.lines: list[str] = []

    def write(self, port: str, item: object) -> None:
        self.items.append(item)

    def log(self, message: object) -> None:
        self.lines.append(str(message))


def drive(pe: GenericPE, inputs: Iterable[dict[str, Any]]) -> Recorder:
    recorder = Recorder()
    pe._runtime = recorder
    pe.preprocess()
    for item in inputs:
        for port, result in (pe.process(item) or {}).items():
            pe.write(port, result)
    pe.postprocess()
    return recorder


@pytest.fixture(name="drive")
def _drive() -> Callable[..., Recorder]:
    return drive


@pytest.fixture
def make_trace() -> Callable[..., Any]:
    """Makes a trace of seeded noise."""

    def make(station: str = "AAA", seconds: float = 60.0, rate_hz: float = 50.0, **header: Any) -> Any:
        seed = sum(map(ord, station))
        data = np.random.default_rng(seed).normal(size=round(seconds * rate_hz) + 1)
        stats = {"network": "XX", "station": station, "channel": "HHZ", "starttime": START}
        return obspy.Trace(data, header={**stats, "sampling_rate": rate_hz, **header})

    return make


@pytest.fixture
def waveform_folder(tmp_path: Path, make_trace: Callable[..., Any]) -> Path:
    """Three stations, one of them in two pieces with a small gap, and a file that is none."""
    folder = tmp_path / "waveforms"
    (folder / "2020").mkdir(parents=True)
    make_trace("AAA").write(str(folder / "a.mseed"), format="MSEED")
    make_trace("BBB", starttime=START + 5).write(str(folder / "2020" / "b.sac"), format="SAC")
    pieces = obspy.Stream([make_trace("CCC", 20.0), make_trace("CCC", 30.0, starttime=START + 21)])
    pieces.write(str(folder / "c.mseed"), format="MSEED")
    (folder / "readme.txt").write_text("no waveforms here\n")
    (folder / ".hidden").write_bytes((folder / "a.mseed").read_bytes())
    return folder


@pytest.fixture
def run_by_hand() -> Callable[..., Recorder]:
    """Runs all stages after reading, each on its items in the order of permutation `shuffle`."""

    def run(traces: Iterable[Any], output: Path, shuffle: int = 0, file_format: str = "sac") -> Recorder:
        def order(items: list[Any]) -> list[Any]:
            permutations = itertools.permutations(items)
            return list(next(itertools.islice(permutations, shuffle, None)))

        records = drive(Preprocess(), [{"input": trace} for trace in traces]).items
        pairs = drive(PairStations(), [{"input": record} for record in order(records)]).items
        found = drive(Correlate(), [{"input": pair} for pair in order(pairs)]).items
        summaries = drive(WriteCorrelations(str(output), file_format), [{"input": item} for item in found]).items
        inputs = [{"correlation": item} for item in found] + [{"summary": item} for item in summaries]
        return drive(ReportCorrelations(str(output)), order(inputs))

    return run
