"""Shows run records: a list, or one in full."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import PurePath

from d4py_adaptive.dashboard.text import duration, plain
from d4py_adaptive.telemetry.run_directory import RunDirectory
from d4py_adaptive.telemetry.run_record import RunRecord


def print_runs(records: list[RunRecord]) -> None:
    """Print a line per run, the newest last."""
    if not records:
        print("no runs yet: d4py run WORKFLOW makes one")
        return
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE, pad_edge=False)
    table.add_column("run", no_wrap=True, min_width=26)
    table.add_column("workflow", overflow="fold")
    for title in ("mapping", "workers", "state", "took"):
        table.add_column(title, no_wrap=True)
    for record in records:
        table.add_row(
            record.id,
            Text(plain(PurePath(record.workflow).name)),
            record.mapping,
            str(record.workers),
            record.state,
            _took(record),
        )
    Console().print(table)


def print_run(run: RunDirectory, record: RunRecord, with_traceback: bool) -> None:
    """Print what is known of one run."""
    print(f"run       {record.id} in {run.path}")
    print(f"workflow  {plain(record.workflow)}")
    print(f"enacted   {record.mapping}, {record.workers} worker(s), on {record.host}, seed {record.seed}")
    print(f"started   {time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(record.started_at_s))}")
    print(f"state     {record.state} after {_took(record)}")
    if record.error:
        print(f"error     {plain(record.error)}")
    if record.dead_letters:
        print(f"skipped   {record.dead_letters} item(s), kept in {run.path / 'dead-letters.jsonl'}")
    items: Counter[str] = Counter()
    for instance in record.instances:
        items[instance["pe"]] += instance["items_in"] or instance["items_out"]
    for pe, number in items.items():
        print(f"  {plain(pe)}: {number:,} items")
    if with_traceback and record.failure is not None:
        print("\n".join(map(plain, str(record.failure["traceback"]).splitlines())))


def _took(record: RunRecord) -> str:
    return "…" if record.ended_at_s is None else duration(record.ended_at_s - record.started_at_s)
