"""Finding waveform files, and the source of the workflow that reads them."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from d4py_adaptive.dataflow.patterns import ProducerPE
from d4py_adaptive.errors import InputError
from d4py_adaptive.workflows.seismology.scientific import load
from d4py_adaptive.workflows.seismology.window import common_window, merge_channels

PURPOSE = "reading waveforms"
EXAMPLE_FILES = (
    "BW.UH1._.SHZ.D.2010.147.cut.slist.gz",
    "BW.UH2._.SHZ.D.2010.147.cut.slist.gz",
    "BW.UH3._.SHZ.D.2010.147.cut.slist.gz",
    "BW.UH4._.EHZ.D.2010.147.cut.slist.gz",
)
"""Four vertical channels of one local event, 230 s long, among obspy's own test data."""


class ReadWaveforms(ProducerPE):
    """Reads waveforms once and writes one trace per channel, all cut to the time they have in common.

    Args:
        data: a folder (searched with its sub-folders), a glob, a file, or several of these, as a list or
            separated by commas or `os.pathsep`; the example that ships inside obspy unless given.
        metadata: a StationXML file or a folder of such; each trace is written with its instrument response
            then, and channels without one are left out.
        channels: codes of the channels to take, wildcards allowed, separated by commas.
        exclude: a folder that is not searched, such as the output's.

    Each trace carries `stats.window_start` and `stats.window_s`: the common window, which the trace covers.
    """

    preload = ("obspy",)

    def __init__(
        self,
        data: str | Sequence[str] | None = None,
        metadata: str | None = None,
        channels: str = "*",
        exclude: str | None = None,
    ) -> None:
        super().__init__()
        self.data = data
        self.metadata = metadata
        self.channels = channels
        self.exclude = exclude

    def _process(self, inputs: Any) -> None:  # noqa: ARG002 - the hook's signature
        traces, notes = merge_channels(self._select(self._read_all()))
        for note in notes:
            self.log(note)
        if self.metadata is not None:
            traces = self._with_responses(traces, self.metadata)
        traces = common_window(traces)
        first = traces[0].stats
        self.log(f"{len(traces)} channels, {first.window_s:g} s from {first.window_start}")
        for trace in traces:
            self.write(self.OUTPUT_NAME, trace)

    def _read_all(self) -> Any:
        obspy = load("obspy", PURPOSE)
        stream = obspy.Stream()
        wanted = example_files() if self.data is None else waveform_files(self.data, self.exclude)
        for path, named in wanted:
            try:
                stream += obspy.read(glob.escape(str(path)))
            except Exception as error:  # obspy's readers raise whatever their format's parser does
                if named:
                    raise InputError(f"{path} cannot be read as waveforms by obspy: {error}") from error
                self.log(f"left out {path}, which obspy cannot read as waveforms ({type(error).__name__})")
        if not stream:
            raise InputError(
                f"waveforms that obspy can read are needed, got none in {len(wanted)} files ({self.data}); "
                "give a folder, a glob or a file with -p data=..."
            )
        return stream

    def _select(self, stream: Any) -> Any:
        found = sorted({trace.id for trace in stream})
        selected = type(stream)()
        for code in self.channels.split(","):
            selected += stream.select(channel=code.strip())
        if not selected:
            raise InputError(
                f"no channel matches channels={self.channels!r}; the files hold {', '.join(found)}; "
                "use channels='*' for all"
            )
        return selected

    def _with_responses(self, traces: list[Any], metadata: str) -> list[Any]:
        inventory = read_metadata(metadata)
        kept = []
        for trace in traces:
            try:
                trace.stats.response = inventory.get_response(trace.id, trace.stats.starttime)
            except Exception as error:  # noqa: BLE001 - obspy raises no narrower one
                self.log(f"left out {trace.id}: {error} ({metadata})")
            else:
                kept.append(trace)
        if not kept:
            raise InputError(f"metadata for the waveforms is needed, got none of their channels in {metadata}")
        return kept


def waveform_files(data: str | Sequence[str], exclude: str | None = None) -> list[tuple[Path, bool]]:
    """The files that `data` stands for, sorted within each part, and whether the user named each one itself.

    Raises:
        InputError: a part is neither a folder, nor a file, nor a glob that matches something.
    """
    files: dict[Path, bool] = {}
    for part in _parts(data):
        path = Path(part).expanduser()
        if path.is_dir():
            found = dict.fromkeys(_files_below(path, exclude), False)
        elif path.is_file():
            found = {path: True}
        else:
            found = dict.fromkeys(_matches(str(path)), False)
        files.update(found)
    return list(files.items())


def _parts(data: str | Sequence[str]) -> list[str]:
    if not isinstance(data, str):
        return [str(part) for part in data]
    if Path(data).expanduser().exists():
        return [data]
    return [part.strip() for part in data.replace(os.pathsep, ",").split(",") if part.strip()]


def _files_below(folder: Path, exclude: str | None) -> Iterator[Path]:
    refused = None if exclude is None else Path(exclude).resolve()
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden and (refused is None or refused not in path.resolve().parents):
            yield path


def _matches(pattern: str) -> list[Path]:
    names = glob.glob(pattern, recursive=True)  # noqa: PTH207 - a Path's glob takes no absolute pattern
    found = [Path(name) for name in sorted(names) if Path(name).is_file()]
    if not found:
        raise InputError(f"a folder, a file or a glob of waveforms is needed, got {pattern!r}, which does not exist")
    return found


def example_files() -> list[tuple[Path, bool]]:
    """The waveforms that ship inside obspy.

    Raises:
        InputError: this obspy was packaged without its test data.
    """
    folder = Path(load("obspy", PURPOSE).__file__).parent / "signal" / "tests" / "data"
    files = [(folder / name, True) for name in EXAMPLE_FILES]
    if not all(path.is_file() for path, _ in files):
        raise InputError(
            f"the example waveforms are needed, but this obspy came without its test data ({folder}); "
            "give your own with -p data=..."
        )
    return files


def read_metadata(metadata: str) -> Any:
    """The inventory of a StationXML file, or of all that a folder holds.

    Raises:
        InputError: there is none, or obspy cannot read it.
    """
    obspy = load("obspy", "reading station metadata")
    path = Path(metadata).expanduser()
    files = sorted(path.glob("*.xml")) if path.is_dir() else [path]
    if not files or not files[0].is_file():
        raise InputError(f"a StationXML file, or a folder of *.xml files, is needed, got {metadata!r}")
    inventory = obspy.Inventory()
    for file in files:
        try:
            inventory += obspy.read_inventory(glob.escape(str(file)))
        except Exception as error:
            raise InputError(f"{file} cannot be read as station metadata by obspy: {error}") from error
    return inventory
