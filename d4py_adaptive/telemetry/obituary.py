"""What is known of a run whose process was killed, from what it left behind."""

from __future__ import annotations

import mmap
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from d4py_adaptive.clock import wall_time_s
from d4py_adaptive.errors import InputError
from d4py_adaptive.telemetry.board import Field
from d4py_adaptive.telemetry.run_directory import RunDirectory, ended_without_a_word


def bury(home: Path) -> Iterator[str]:
    """Note in the record of every run that ended without a word that it died; yield a sentence on each."""
    for run in ended_without_a_word(home):
        try:
            record = run.read_record()
            text = (
                f"run {run.id} ({record.workflow}, started {_clock_time(record.started_at_s)}) ended without a word: "
                f"its process {record.pid} was killed{_last_seen(run)}"
            )
            run.write_record(replace(record, state="died", ended_at_s=wall_time_s(), error=text))
        except (InputError, OSError):
            continue
        yield text


def _last_seen(run: RunDirectory) -> str:
    """What its instances were doing, as their counters still say."""
    try:
        stages = [pe for stage in run.read_plan().stages for pe in stage.pes for _ in stage.workers]
    except InputError:
        return ""
    calls: dict[str, int] = {}
    for number, pe in enumerate(stages):
        try:
            with (
                (run.board() / str(number)).open("rb") as file,
                mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as m,
            ):
                row = memoryview(m).cast("q")
                calls[pe] = calls.get(pe, 0) + row[Field.ITEM]
                row.release()
        except (OSError, ValueError):
            continue
    progress = ", ".join(f"{pe} {n:,}" for pe, n in calls.items())
    return f"; calls made by then: {progress}" if progress else ""


def _clock_time(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
