"""What `d4py run` shows: a progress line, the PEs' own lines, results in short, a summary."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from d4py_adaptive.dashboard.text import duration, plain, short
from d4py_adaptive.dataflow.plan import Plan
from d4py_adaptive.telemetry.board import Counters
from d4py_adaptive.telemetry.run_directory import RunDirectory
from d4py_adaptive.telemetry.run_record import RunRecord, totals

if TYPE_CHECKING:
    from rich.live import Live
    from rich.text import Text

SHOWN_RESULTS = 5


class Results(Protocol):
    """Where results go instead of being shown."""

    @property
    def summary(self) -> str:
        """What was written, in one line."""

    def write(self, pe: str, port: str, item: object) -> None:
        """Take a result as it is now."""


class TerminalView:
    """Watches a run for someone at a terminal; without one, it prints no progress.

    Args:
        quiet: show no progress and no summary.
        lines_to: where PEs' lines go; None is standard output.
    """

    def __init__(self, quiet: bool = False, lines_to: TextIO | None = None) -> None:
        self._quiet = quiet
        self._results: Results | None = None
        self._out = lines_to or sys.stdout  # as it is before PEs' own prints are caught; in a notebook, the notebook's
        self._live: Live | None = None
        self._read: Callable[[], list[Counters]] | None = None
        self._started_s = time.monotonic()
        self._counts: Counter[tuple[str, str]] = Counter()
        self._shown: dict[tuple[str, str], list[str]] = {}

    def __enter__(self) -> TerminalView:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop_progress()
        if error is not None and self._read is not None:
            self._print_results()
            if not self._quiet:
                _print_table(self._read())
                self._print_written()

    def write_to(self, results: Results) -> None:
        """Give results to `results` from here on, instead of showing them."""
        self._results = results

    def started(self, _directory: RunDirectory, _plan: Plan, read: Callable[[], list[Counters]]) -> None:
        """Begin to show progress, if there is a terminal to show it on."""
        self._read = read
        self._started_s = time.monotonic()
        if self._quiet or not sys.stderr.isatty():
            return
        from rich.console import Console
        from rich.live import Live

        self._live = Live(
            get_renderable=self._progress,
            console=Console(stderr=True),
            refresh_per_second=4,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()

    def _progress(self) -> Text:
        from rich.text import Text

        rows = totals(self._read()) if self._read is not None else []
        pes = "  ".join(f"{row.pe} {row.items_in or row.items_out:,}" for row in rows)
        line = Text(f"{duration(time.monotonic() - self._started_s):>8}  {pes}", style="cyan", no_wrap=True)
        line.truncate(max(20, (self._live.console.width if self._live else 80) - 1), overflow="ellipsis")
        return line

    def _stop_progress(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def result(self, pe: str, port: str, item: Any) -> None:
        """Pass it on, or count it and keep the first few to show."""
        if self._results is not None:
            self._results.write(pe, port, item)
            return
        place = (pe, port)
        self._counts[place] += 1
        shown = self._shown.setdefault(place, [])
        if len(shown) < SHOWN_RESULTS:
            shown.append(short(item))

    def line(self, instance: str, text: str) -> None:
        """Show a line of a PE, above the progress line."""
        self._print(plain(f"{instance}: {text}"), error=False)

    def note(self, text: str) -> None:
        """Show something the user should know."""
        self._print(plain(f"d4py: {text}"), error=True)

    def _print(self, text: str, error: bool) -> None:
        if self._live is not None and (error or self._out.isatty()):
            self._live.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            _write(sys.stderr if error else self._out, text)

    def finished(self, record: RunRecord, counters: list[Counters], directory: RunDirectory) -> None:
        """Show results and summary."""
        self._stop_progress()
        self._print_results()
        self._read = None
        if self._quiet:
            return
        _print_table(counters)
        took = duration((record.ended_at_s or 0) - record.started_at_s)
        skipped = f", {record.dead_letters} item(s) skipped: see dead-letters.jsonl" if record.dead_letters else ""
        print(
            f"{record.state} in {took} under {record.mapping} on {record.workers} worker(s){skipped}; "
            f"record: {directory.path}",
            file=sys.stderr,
        )
        self._print_written()

    def _print_written(self) -> None:
        if self._results is not None:
            print(f"written: {plain(self._results.summary)}", file=sys.stderr)

    def _print_results(self) -> None:
        for (pe, port), shown in sorted(self._shown.items()):
            for text in shown:
                _write(sys.stdout, f"{pe}.{port}: {text}")
            more = self._counts[pe, port] - len(shown)
            if more:
                _write(sys.stdout, f"{pe}.{port}: … and {more:,} more")
        sys.stdout.flush()

    def verified(self, text: str) -> None:
        """Show what `--verify` found to be the same."""
        print(f"verified: {text}", file=sys.stderr)


def _write(stream: TextIO, text: str) -> None:
    """Write a line, whatever is in it, to a stream of any encoding."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    stream.write(plain(text).encode(encoding, "backslashreplace").decode(encoding) + "\n")
    stream.flush()


def _print_table(counters: list[Counters]) -> None:
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE, pad_edge=False)
    table.add_column("PE", overflow="fold")
    for title in ("instances", "in", "out", "busy", "blocked", "per item"):
        table.add_column(title, justify="right", no_wrap=True)
    rows = totals(counters)
    if any(row.skipped for row in rows):
        table.add_column("skipped", justify="right", no_wrap=True)
    for row in rows:
        calls = row.items_in or row.items_out or 1
        cells: list[Any] = [
            Text(plain(row.pe)), str(row.instances), f"{row.items_in:,}", f"{row.items_out:,}", duration(row.busy_s),
            duration(row.blocked_s) if row.blocked_s > 0.0005 else "", duration(row.busy_s / calls),
        ]  # fmt: skip
        table.add_row(*cells, *([f"{row.skipped:,}"] if len(table.columns) > len(cells) else []))
    Console(stderr=True).print(table)
