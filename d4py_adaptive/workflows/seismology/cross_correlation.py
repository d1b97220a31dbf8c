"""Cross-correlation of seismic waveforms, every channel with every other.

    d4py run d4py_adaptive.workflows.seismology.cross_correlation
    d4py run d4py_adaptive.workflows.seismology.cross_correlation -p data=waveforms/ -p freq_min_hz=0.1 ...

    ReadWaveforms → Preprocess → PairStations → Correlate → WriteCorrelations → ReportCorrelations
                                                        └──────────────────────↗

Without `data` it takes 230 s of a local event at four stations, which ship inside obspy.
"""

from __future__ import annotations

from pathlib import Path

from d4py_adaptive.dataflow.builder import WorkflowGraph
from d4py_adaptive.workflows.seismology.correlation import Correlate
from d4py_adaptive.workflows.seismology.folder import require_creatable
from d4py_adaptive.workflows.seismology.pairing import PairStations
from d4py_adaptive.workflows.seismology.preprocessing import Preprocess
from d4py_adaptive.workflows.seismology.reading import ReadWaveforms
from d4py_adaptive.workflows.seismology.report import ReportCorrelations
from d4py_adaptive.workflows.seismology.settings import Preparation
from d4py_adaptive.workflows.seismology.writing import WriteCorrelations


def build_graph(
    data: str | None = None,
    output: str = "cross_correlation",
    metadata: str | None = None,
    channels: str = "*Z",
    sampling_rate_hz: float = 25.0,
    freq_min_hz: float = 2.0,
    freq_max_hz: float = 8.0,
    normalisation: str = "none",
    running_mean_s: float = 2.0,
    whitening: bool = True,
    max_lag_s: float = 10.0,
    normalise: str = "coefficient",
    autocorrelations: bool = False,
    format: str = "sac",  # noqa: A002 - the word a user types
) -> WorkflowGraph:
    """The workflow.

    Args:
        data: folder, glob, file, or several separated by commas; the example inside obspy unless given.
        output: folder for the results, made if need be.
        metadata: StationXML file or folder; removes the instrument responses.
        channels: channel codes to take, with wildcards, separated by commas.
        sampling_rate_hz: rate that all channels are brought down to; 0 keeps each channel's own.
        freq_min_hz: lower corner of the band.
        freq_max_hz: upper corner, 0.4 times the sampling rate at most.
        normalisation: in time: one-bit, running-mean or none.
        running_mean_s: window of the running mean.
        whitening: give every frequency of the band the same amplitude.
        max_lag_s: largest lag.
        normalise: coefficient (peak of 1 for equal records) or none.
        autocorrelations: correlate each channel with itself too.
        format: sac or numpy.

    Raises:
        InputError: a parameter does not fit.
    """
    folder = Path(output).expanduser().absolute()
    require_creatable(folder)
    preparation = Preparation(sampling_rate_hz, freq_min_hz, freq_max_hz, normalisation, running_mean_s, whitening)
    read = ReadWaveforms(data, metadata, channels, exclude=str(folder))
    prepare = Preprocess(preparation)
    pair = PairStations(autocorrelations)
    correlate = Correlate(max_lag_s, normalise)
    write = WriteCorrelations(str(folder), format)
    report = ReportCorrelations(str(folder))

    graph = WorkflowGraph()
    graph.connect(read, "output", prepare, "input")
    graph.connect(prepare, "output", pair, "input")
    graph.connect(pair, "output", correlate, "input")
    graph.connect(correlate, "output", write, "input")
    graph.connect(correlate, "output", report, "correlation")
    graph.connect(write, "output", report, "summary")
    return graph
