"""CSV files of other systems, read row by row, with messages that name file and line."""

from __future__ import annotations

import csv
import itertools
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from d4py_adaptive.errors import InputError

_MOST_SHOWN = 80
MAKE_AGAIN = "correct or remove the line, or trace the run again"


class Table:
    """A CSV file.

    Args:
        path: the file.

    Attributes:
        name: what messages call it.
        first: the fields of its first row, stripped; none if it is empty.
        line: the line that was read last, from 1.
        read: the rows that were read after the header.
        cut: the number of its last line, if that has no end, as when its writer was killed; it is left out.

    Raises:
        InputError: it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = str(path)
        self.line = 0
        self.read = 0
        self.cut = 0
        with self._opened() as file:
            self.first = [field.strip() for field in next(self._parsed(file), [])]

    @property
    def cut_note(self) -> str:
        """What a reader of the profile must know where the last line has no end."""
        return f"line {self.cut} of {self.path.name} has no end and was left out: its writer was killed"

    def rows(self, header: bool = True) -> Iterator[list[str]]:
        """Its rows, without the header and without empty lines.

        Raises:
            InputError: it is no CSV text.
        """
        self.line = self.read = self.cut = 0
        with self._opened() as file:
            for row in itertools.islice(self._parsed(file), int(header), None):
                self.read += 1
                yield row

    def seconds(self, text: str, column: str) -> float:
        """The duration or time that a field of the current row holds."""
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not 0 <= value < math.inf:
            raise self.wrong(f"{column} must be seconds, 0 or more", repr(text))
        return value

    def count(self, text: str, column: str) -> int:
        """The number of things that a field of the current row holds."""
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not 0 <= value < math.inf or value % 1:
            raise self.wrong(f"{column} must be a whole number, 0 or more", repr(text))
        return int(value)

    def wrong(self, required: str, got: str, fix: str = MAKE_AGAIN) -> InputError:
        """What to raise about the current row."""
        return InputError(f"{self.name}, line {self.line}: {required}, not {got[:_MOST_SHOWN]}; {fix}")

    def _opened(self) -> IO[str]:
        try:
            return self.path.open(newline="", encoding="utf-8-sig")
        except OSError as error:
            fix = f": give its files, {self.path}/*.csv" if self.path.is_dir() else ""
            raise InputError(f"{self.path} cannot be read: {error.strerror}{fix}") from error

    def _parsed(self, file: IO[str]) -> Iterator[list[str]]:
        reader = csv.reader(self._whole_lines(file), strict=True)
        try:
            for row in reader:
                self.line = reader.line_num
                if row:
                    yield row
        except csv.Error as error:
            self.line = reader.line_num
            raise self.wrong("a line of comma-separated values is needed", f"what it holds ({error})") from error
        except UnicodeDecodeError as error:
            raise InputError(f"{self.name} must be a CSV file; it holds bytes that are no UTF-8 text") from error

    def _whole_lines(self, file: IO[str]) -> Iterator[str]:
        """The lines that have an end: a number in the last one could be cut short and still read as a number."""
        for number, line in enumerate(file, 1):
            if line[-1] in "\r\n":
                yield line
            else:
                self.cut = number


def check_some_rows(tables: Sequence[Table]) -> None:
    """Raise where none of the files that were read holds a row: only an idle instance's file may be empty."""
    if not any(table.read for table in tables):
        table = next((table for table in tables if table.cut), tables[0])
        but = f" but its line {table.cut}, which has no end" if table.cut else ""
        raise InputError(
            f"a trace needs a row at least; {table.name} holds none{but}: was the run killed, or did it get no input?"
        )
