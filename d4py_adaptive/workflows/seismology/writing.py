"""One file per correlation: SAC for seismologists, or NumPy."""

from __future__ import annotations

import io
import json
from typing import Any
from urllib.parse import quote

import numpy as np

from d4py_adaptive.dataflow.patterns import IterativePE
from d4py_adaptive.errors import UnknownName
from d4py_adaptive.workflows.seismology.folder import make_folder, write_whole
from d4py_adaptive.workflows.seismology.items import Correlation, Samples, Summary
from d4py_adaptive.workflows.seismology.scientific import load


class WriteCorrelations(IterativePE):
    """Writes each correlation to a file named after its pair, and writes a summary of it to its output.

    The bytes depend on the correlation alone, and each pair has its own file, so that any number of instances
    may write into one folder.

    Args:
        output: the folder, made if need be.
        format: `'sac'` or `'numpy'`.
    """

    preload = ("obspy.io.sac",)
    stateless = True
    read_only = True

    def __init__(self, output: str = "cross_correlation", format: str = "sac") -> None:  # noqa: A002 - a user's word
        super().__init__()
        if format not in ENCODERS:
            raise UnknownName("file format", format, ENCODERS)
        self.output = output
        self.format = format

    def _process(self, data: Correlation) -> Summary:
        extension, encode = ENCODERS[self.format]
        name = f"{_file_part(data['a_id'])}_{_file_part(data['b_id'])}.{extension}"
        write_whole(make_folder(self.output) / name, encode(data))
        return {
            "pair": data["pair"],
            "file": name,
            "lag_s": data["lag_s"],
            "peak": data["peak"],
            "coefficient": data["coefficient"],
            "snr": data["snr"],
        }


def lags_s(correlation: Correlation) -> Samples:
    """The lag of each sample."""
    count = correlation["samples"].size
    return (np.arange(count) - count // 2) / correlation["sampling_rate_hz"]


def as_sac(correlation: Correlation) -> bytes:
    """The correlation as a SAC file.

    A peak at a positive lag is a wave that reaches a after b. SAC's words for it: an event at b, recorded at
    a. So `kevnm` is b's id, `kstnm` and the other station fields are a's. `t0` marks the peak, `user0` and
    `user1` hold its coefficient and its signal-to-noise ratio. The reference time is the records' start.
    """
    time = load("obspy", "writing SAC files").UTCDateTime(correlation["start"])
    network, station, location, channel = _codes(correlation["a_id"])
    trace = load("obspy.io.sac", "writing SAC files").SACTrace(
        data=correlation["samples"].astype(np.float32),
        delta=1 / correlation["sampling_rate_hz"],
        b=-correlation["max_lag_s"],
        iztype="iunkn",
        nzyear=time.year,
        nzjday=time.julday,
        nzhour=time.hour,
        nzmin=time.minute,
        nzsec=time.second,
        nzmsec=time.microsecond // 1000,
        knetwk=network[:8],
        kstnm=station[:8],
        khole=location[:8],
        kcmpnm=channel[:8],
        kevnm=correlation["b_id"][:16],
        t0=correlation["lag_s"],
        kt0="peak",
        user0=correlation["coefficient"],
        user1=correlation["snr"],
        kuser0="coeff",
        kuser1="snr",
    )
    buffer = io.BytesIO()
    trace.write(buffer, byteorder="little")
    return buffer.getvalue()


def as_numpy(correlation: Correlation) -> bytes:
    """The correlation as an .npz file of `lag_s`, `correlation` and `metadata` (a JSON text)."""
    metadata = {key: value for key, value in correlation.items() if key != "samples"}
    buffer = io.BytesIO()
    np.savez(
        buffer,
        lag_s=lags_s(correlation),
        correlation=correlation["samples"],
        metadata=np.array(json.dumps(metadata, sort_keys=True)),
    )
    return buffer.getvalue()


ENCODERS: dict[str, tuple[str, Any]] = {"sac": ("sac", as_sac), "numpy": ("npz", as_numpy)}


def _file_part(channel: str) -> str:
    # An underscore divides the two ids, and a slash would divide folders: neither may come from an id.
    return quote(channel, safe=" +@,").replace("_", "%5F")


def _codes(channel: str) -> tuple[str, str, str, str]:
    network, station, location, code = (channel.split(".") + [""] * 4)[:4]
    return network, station, location, code
