"""What PEs print, as whole lines under the instance's name."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Callable, Iterator

from d4py_adaptive.mappings.worker import Worker


class LineWriter(io.TextIOBase):
    """Stands in for `sys.stdout` while PEs run: cuts what they print into lines, each with its instance's name.

    What is printed while no PE runs goes straight on.
    """

    def __init__(self, label: Callable[[], str], emit: Callable[[str, str], None], behind: io.TextIOBase) -> None:
        self._label = label
        self._emit = emit
        self._behind = behind
        self._partial: dict[str, str] = {}

    def write(self, text: str) -> int:
        """Take some text; pass on the lines it completes."""
        label = self._label()
        if not label:
            return self._behind.write(text)
        *lines, rest = (self._partial.pop(label, "") + text).split("\n")
        for line in lines:
            self._emit(label, line)
        if rest:
            self._partial[label] = rest
        return len(text)

    def writable(self) -> bool:
        """Yes."""
        return True

    def flush(self) -> None:
        """Nothing to do: lines leave when they are whole."""

    def finish(self) -> None:
        """Pass on lines that were never ended."""
        for label, rest in self._partial.items():
            self._emit(label, rest)
        self._partial.clear()


@contextlib.contextmanager
def lines_of(*workers: Worker) -> Iterator[None]:
    """Pass on what the PEs of the workers in this process print, line by line, for the time of the block."""

    def label() -> str:
        return next((worker.current.ref.label for worker in workers if worker.current is not None), "")

    writer = LineWriter(label, workers[0].line, sys.stdout)  # type: ignore[arg-type]
    with contextlib.redirect_stdout(writer):
        try:
            yield
        finally:
            writer.finish()
