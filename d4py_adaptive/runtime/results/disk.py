"""What results are written with: whole lines at the end of a file, and arrays and pickles in files of their own."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from d4py_adaptive.errors import RunError

SIDE_FILE = re.compile(r"\d{6,}\.(npy|pickle)")
"""What the files beside the lines are called; nothing else is ever removed from their folder."""


class LineFile:
    """A file that grows by whole lines; open only while it is written to, so that there may be any number.

    Args:
        path: the file, which exists and is empty.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._nbytes = 0
        self.waiting: list[str] = []

    def flush(self) -> None:
        """Put the waiting lines into the file.

        Raises:
            RunError: that failed; the file ends with the last whole line that went in.
        """
        if not self.waiting:
            return
        # What stands for no character in UTF-8, half a surrogate pair, becomes JSON's own escape for it.
        text = "".join(self.waiting).encode("utf-8", "backslashreplace")
        try:
            handle = os.open(self._path, os.O_WRONLY | os.O_APPEND)
            try:
                self._append(handle, text)
            finally:
                os.close(handle)
        except OSError as error:
            raise not_written(self._path, error) from error
        self.waiting.clear()

    def _append(self, handle: int, text: bytes) -> None:
        found_nbytes = os.fstat(handle).st_size
        if found_nbytes != self._nbytes:
            raise RunError(
                f"{self._path} should have {self._nbytes:,} bytes by now; it has {found_nbytes:,}: another program, "
                "or another run with the same -o, writes to it too"
            )
        written = 0
        try:
            while written < len(text):
                written += os.write(handle, memoryview(text)[written:])
        except BaseException:
            whole = text.rfind(b"\n", 0, written) + 1
            os.ftruncate(handle, self._nbytes + whole)
            self._nbytes += whole
            self.waiting[:] = [text[whole:].decode()]
            raise
        self._nbytes += written


class SideFiles:
    """Arrays and pickles, one file each, numbered in a folder that is made for the first.

    Args:
        base: the folder that references start from.
        name: the name of the folder in it.
    """

    def __init__(self, base: Path, name: str) -> None:
        self._base = base
        self._name = name
        self._written = 0

    def array(self, array: Any) -> str:
        """Write an array to a `.npy` file; the reference to it.

        Raises:
            RunError: that failed.
        """
        from d4py_adaptive.runtime.results.tagged_arrays import write_npy

        return self._write("npy", lambda file: write_npy(file, array))

    def blob(self, data: bytes) -> str:
        """Write a pickle; the reference to it.

        Raises:
            RunError: that failed.
        """
        return self._write("pickle", lambda file: file.write(data))

    def _write(self, suffix: str, content: Any) -> str:
        reference = f"{self._name}/{self._written + 1:06d}.{suffix}"
        path = self._base / reference
        try:
            if not self._written:
                path.parent.mkdir(exist_ok=True)
            with path.open("xb") as file:
                content(file)
        except OSError as error:
            raise not_written(path, error) from error
        self._written += 1
        return reference


def clear_side_files(folder: Path) -> None:
    """Remove what `SideFiles` wrote to a folder, and the folder if nothing else is in it."""
    if not folder.is_dir():
        return
    for path in list(folder.iterdir()):
        if SIDE_FILE.fullmatch(path.name):
            path.unlink()
    if not any(folder.iterdir()):
        folder.rmdir()


def not_written(path: Path, error: OSError) -> RunError:
    """Results could not be written; what came before stays."""
    return RunError(
        f"results cannot be written to {path}: {error.strerror or error}; what came before is there: "
        "make room, or choose another place with -o"
    )
