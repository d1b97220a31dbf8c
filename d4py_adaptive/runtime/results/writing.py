"""The results of a run in files, written while it goes on: `d4py run -o FILE`, or `-o FOLDER/`.

    results.jsonl           {"pe": "Pick1", "port": "output", "item": {"time": 3.5, "station": "ABC"}}
    results.jsonl.files/    its arrays

    results/
      outputs.json                which output is in which file
      Pick1.output.jsonl          {"time": 3.5, "station": "ABC"}
      Filter1.output.jsonl        {"$npy": "Filter1.output.files/000001.npy", "shape": [3000], "dtype": "<f8"}
      Filter1.output.files/       its arrays

One file keeps the order in which items came, and which output each came from; that suits `jq`, and a run with one
output. In a folder an item is a line by itself, so that `pandas.read_json("results/Pick1.output.jsonl", lines=True)` is
a table with a column for each key. Every array is a `.npy` file, which `numpy.load` reads; its name is given from the
folder that the lines are in, so that both can be moved together. `read_results` reads either form. How other values are
written stands in `tagged_values`.

Lines are put into their files when 256 KiB of them are waiting, when an item comes a second or more after the last
time, and at the end. So a run that is killed loses about 256 KiB at most, and nothing that came more than a second
before the last item did. A kill in the middle of writing can leave a piece of a line at the end of a file, which
`read_results` leaves out. Nothing is done against the death of the machine itself.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from json import JSONEncoder
from pathlib import Path
from types import TracebackType

from d4py_adaptive.clock import Clock, monotonic_ns
from d4py_adaptive.errors import D4pyError, InputError, RunError, WireError
from d4py_adaptive.runtime.results.disk import not_written
from d4py_adaptive.runtime.results.layout import Folder, Layout, OneFile, Place
from d4py_adaptive.runtime.results.reading import read_results

__all__ = ["ResultWriter", "open_results", "read_results"]

FLUSH_BYTES = 256 * 1024
FLUSH_NS = 1_000_000_000

_to_json = JSONEncoder(ensure_ascii=False, check_circular=False, allow_nan=False).encode


def open_results(
    path: str | Path, overwrite: bool = False, outputs: Iterable[tuple[str, str]] = (), clock: Clock = monotonic_ns
) -> ResultWriter:
    """Make ready to write results to a file or a folder; nothing is overwritten unless that is asked for.

    Args:
        path: a folder if it ends in `/`, is one, or is new and has no suffix; else a file. Folders above it are made.
        overwrite: whether earlier results there are replaced. Only files that this function's writers made are ever
            removed; anything else in a folder stays.
        outputs: the outputs, `(pe, port)`, which in a folder have a file even if no item comes.
        clock: what tells how long lines have waited.

    Raises:
        InputError: something is there already, or cannot be written.
    """
    name = os.fspath(path)
    place = Path(os.path.abspath(name))  # noqa: PTH100 - a PE may change the folder; links stay as they are
    try:
        is_folder = name.endswith("/") or place.is_dir() or not (place.suffix or place.exists())
        layout = Folder(place, name, overwrite) if is_folder else OneFile(place, name, overwrite)
        return ResultWriter(layout, outputs, clock)
    except OSError as error:
        raise InputError(
            f"results cannot be written to {name}: {error.filename or place}: {error.strerror or error}; "
            "choose another place with -o"
        ) from error


class ResultWriter:
    """Writes items as they come; a context manager, whose end puts the last of them into their files."""

    def __init__(self, layout: Layout, outputs: Iterable[tuple[str, str]], clock: Clock) -> None:
        self._layout = layout
        self._clock = clock
        outputs = list(dict.fromkeys(outputs))
        self._places = dict(zip(outputs, layout.places(outputs), strict=True))
        self._items = 0
        self._waiting_bytes = 0
        self._flushed_ns = clock()
        self._error: D4pyError | None = None

    def __enter__(self) -> ResultWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        told = self._error
        try:
            self.flush()
        except RunError:
            if not isinstance(told, RunError):
                raise
        if error is None and told is not None:
            raise told  # a PE caught it

    @property
    def summary(self) -> str:
        """What was written, in one line: `1,204 items in results.jsonl`."""
        return self._layout.summary(self._items, len(self._places))

    def write(self, pe: str, port: str, item: object) -> None:
        """Write an item as it is now; what the caller does to it later does not show.

        Raises:
            WireError: the item cannot be written in any way; the writer goes on with others.
            RunError: a file cannot be written; nothing more is.
        """
        if isinstance(self._error, RunError):
            raise self._error
        try:
            place = self._places.get((pe, port)) or self._add(pe, port)
            line = f"{place.head}{_json_of(item, place, pe, port)}{place.tail}"
        except D4pyError as error:
            self._error = error
            raise
        place.lines.waiting.append(line)
        self._items += 1
        self._waiting_bytes += len(line)
        if self._waiting_bytes >= FLUSH_BYTES or self._clock() - self._flushed_ns >= FLUSH_NS:
            self.flush()

    def flush(self) -> None:
        """Put all lines that are waiting into their files.

        Raises:
            RunError: a file cannot be written; nothing more is.
        """
        try:
            for place in self._places.values():
                place.lines.flush()
        except RunError as error:
            self._error = error
            raise
        self._waiting_bytes = 0
        self._flushed_ns = self._clock()

    def _add(self, pe: str, port: str) -> Place:
        """The place of an output that was not declared."""
        try:
            (place,) = self._layout.places([(pe, port)])
        except OSError as error:
            raise not_written(Path(error.filename or f"{pe}.{port}"), error) from error
        self._places[pe, port] = place
        return place


def _json_of(item: object, place: Place, pe: str, port: str) -> str:
    if type(item) is int and -(1 << 63) <= item < 1 << 64:
        return str(item)
    try:
        with contextlib.suppress(RecursionError):
            return _to_json(place.tagger.tag(item))
        return _to_json(place.tagger.pickle(item))  # it goes deeper than JSON may, or is in itself
    except WireError as error:
        raise WireError(
            f"results are written as JSON, arrays and pickles; {pe}.{port} gave an item of type {type(item).__name__} "
            f"that cannot be: {error}; let the PE write plain data, or connect this output"
        ) from error
