"""Where the results of a run go: all into one file, or into a folder with a file per output."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Protocol

from d4py_adaptive.errors import InputError
from d4py_adaptive.runtime.results.disk import LineFile, SideFiles, clear_side_files
from d4py_adaptive.runtime.results.tagged_values import Tagger

INDEX = "outputs.json"
"""The file of a results folder that says which output is in which file; its being there makes the folder ours."""

_FORMAT = {"format": "d4py results", "version": 1}
_FIRST_BYTES = b'{"pe": "'
_OTHER_FORMATS = {
    ".csv", ".gz", ".h5", ".hdf5", ".mseed", ".nc", ".npy", ".npz", ".parquet", ".pickle", ".pkl", ".py", ".tsv",
    ".xlsx", ".zarr", ".zip",
}  # fmt: skip
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


@dataclass(frozen=True, slots=True)
class Place:
    """How items of one output are written.

    Attributes:
        head: what stands before an item in its line.
        tail: what stands after it.
        lines: the file.
        tagger: what turns the items into JSON values.
    """

    head: str
    tail: str
    lines: LineFile
    tagger: Tagger


class Layout(Protocol):
    """Gives each output its place."""

    def places(self, outputs: Iterable[tuple[str, str]]) -> list[Place]:
        """The places of outputs, `(pe, port)`, that had none before; their files exist from here on.

        Raises:
            InputError: a file that is none of these results stands in the way.
            OSError: a file cannot be made.
        """

    def summary(self, items: int, outputs: int) -> str:
        """What was written, in one line."""


class OneFile:
    """All outputs in one file, `{"pe": …, "port": …, "item": …}` in each line; arrays in a folder beside it."""

    def __init__(self, path: Path, name: str, overwrite: bool) -> None:
        self._name = name
        beside = path.with_name(f"{path.name}.files")
        _require_json_lines(path)
        if not overwrite:
            _require(not path.exists() or path.stat().st_size == 0, f"{name} exists and is not empty")
            _require(not beside.is_dir() or not any(beside.iterdir()), f"{beside} is left from other results")
        if path.exists():
            _empty_if_results(path, name)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(exist_ok=False)
        clear_side_files(beside)
        self._lines = LineFile(path)
        self._tagger = Tagger(SideFiles(path.parent, beside.name))

    def places(self, outputs: Iterable[tuple[str, str]]) -> list[Place]:
        """See `Layout.places`."""
        quoted = [(_quoted(pe), _quoted(port)) for pe, port in outputs]
        heads = [f'{{"pe": {pe}, "port": {port}, "item": ' for pe, port in quoted]
        return [Place(head, "}\n", self._lines, self._tagger) for head in heads]

    def summary(self, items: int, outputs: int) -> str:  # noqa: ARG002 - they are in one file
        """See `Layout.summary`."""
        return f"{_number(items, 'item')} in {self._name}"


def _quoted(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)


def _require_json_lines(path: Path) -> None:
    if path.suffix.lower() in _OTHER_FORMATS:
        raise InputError(
            f"results are written as JSON lines; got the name {path.name}, which says {path.suffix}: "
            f"write {path.stem}.jsonl, which pandas.read_json(…, lines=True) reads"
        )


def _require(free: bool, what: str) -> None:
    if not free:
        raise InputError(f"{what}; give another name, or --overwrite to replace earlier results")


def _empty_if_results(path: Path, name: str) -> None:
    if not path.is_file():
        raise InputError(f"results go into a file or a folder; {name} is neither: give a name that ends in .jsonl")
    with path.open("r+b") as file:
        if file.read(len(_FIRST_BYTES)) not in (b"", _FIRST_BYTES):
            raise InputError(f"--overwrite replaces results only; {name} holds something else: give another name")
        file.truncate(0)


class Folder:
    """A file per output, `<pe>.<port>.jsonl`, with an item in each line and its arrays in a folder beside it.

    A name that is no file name on every system, or is taken, is changed and told apart by a digest; the index has
    the true one.
    """

    def __init__(self, path: Path, name: str, overwrite: bool) -> None:
        self._path = path
        self._name = f"{name.rstrip('/')}/"
        self._rows: list[dict[str, str]] = []
        path.mkdir(parents=True, exist_ok=True)
        if not overwrite:
            _require(not any(path.iterdir()), f"the folder {name} is not empty")
        elif (path / INDEX).exists():
            _clear(path)
        with (path / INDEX).open("x") as file:  # of two runs that begin at once, one fails here
            json.dump({**_FORMAT, "outputs": []}, file)

    def places(self, outputs: Iterable[tuple[str, str]]) -> list[Place]:
        """See `Layout.places`."""
        rows = list(self._rows)
        for pe, port in outputs:
            rows.append(_row(pe, port, {row["file"].lower() for row in rows}))
        new = rows[len(self._rows) :]
        for row in new:
            if (self._path / row["file"]).exists():
                raise InputError(
                    f"{self._path / row['file']} is in the way, and is not listed as a result in {INDEX} there: "
                    "remove it, or choose another folder"
                )
        self._rows = rows
        self._write_index()  # before the files, so that none is ever ours that it does not list
        return [self._place(row) for row in new]

    def _place(self, row: dict[str, str]) -> Place:
        path = self._path / row["file"]
        path.touch(exist_ok=False)
        return Place("", "\n", LineFile(path), Tagger(SideFiles(self._path, f"{path.stem}.files")))

    def _write_index(self) -> None:
        draft = self._path / f".{INDEX}"
        draft.write_text(json.dumps({**_FORMAT, "outputs": self._rows}, indent=1) + "\n")
        draft.replace(self._path / INDEX)

    def summary(self, items: int, outputs: int) -> str:
        """See `Layout.summary`."""
        return f"{_number(outputs, 'output')}, {_number(items, 'item')} in {self._name}"


def _row(pe: str, port: str, taken: set[str]) -> dict[str, str]:
    """An output in the index: its true name, and a file name that is safe, and none of those taken."""
    name = f"{pe}.{port}"
    if not _PLAIN_NAME.fullmatch(name) or f"{name}.jsonl".lower() in taken:
        clean = re.sub(r"[^A-Za-z0-9_.-]", "_", name)[:80].lstrip(".-")
        told = blake2b(json.dumps([pe, port]).encode(), digest_size=4).hexdigest()
        name = f"{clean}-{told}".lstrip("-")
    return {"pe": pe, "port": port, "file": f"{name}.jsonl"}


def read_index(folder: Path) -> list[dict[str, Any]]:
    """Which output is in which file of a results folder: objects with `pe`, `port` and `file`.

    Raises:
        InputError: it is no results folder.
    """
    try:
        index = json.loads((folder / INDEX).read_text())
        if {key: index[key] for key in _FORMAT} != _FORMAT:
            raise ValueError(f"{_FORMAT} is needed")
        for row in index["outputs"]:
            if Path(row["file"]).name != row["file"] or Path(row["file"]).suffix != ".jsonl":
                raise ValueError(f"{row['file']!r} is no .jsonl file in this folder")
            str.join("", [row["pe"], row["port"]])  # both are there, and are text
        return list(index["outputs"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(
            f"{folder} is no folder of results: its {INDEX} cannot be read ({type(error).__name__}: {error})"
        ) from error


def _clear(folder: Path) -> None:
    """Remove the results in a folder, and nothing else."""
    for row in read_index(folder):
        path = folder / row["file"]
        path.unlink(missing_ok=True)
        clear_side_files(path.with_name(f"{path.stem}.files"))
    (folder / INDEX).unlink()


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")
