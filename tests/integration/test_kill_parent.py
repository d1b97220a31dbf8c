"""kill -9 of the launcher: its workers end too, whatever they are doing, and the next command tells of it."""

from __future__ import annotations

import os
import random
import re
import time

import pytest
from real_processes import FLOWS, PROMISE_S, D4py, Running, eventually

METHODS = ("fork", "forkserver", "spawn")
WAYS = ("python", "sleep", "numpy", "c")


def start_busy(d4py: D4py, method: str, way: str) -> Running:
    run = d4py.start(
        "run", FLOWS / "busy.py", "-p", f"way={way}", "-m", "multi", "-n", 2, "--no-fuse",
        "--start-method", method, "-q",
    )  # fmt: skip
    run.until_prints("in it")
    return run


def kill(run: Running) -> None:
    run.process.kill()
    run.process.wait()


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("method", "way"),
    [("fork", "python"), ("forkserver", "sleep"), ("spawn", "numpy"), ("fork", "c"), ("forkserver", "c")],
)
def test_busy_workers_end_with_their_launcher(d4py: D4py, method: str, way: str) -> None:
    run = start_busy(d4py, method, way)
    assert len(run.workers()) == 2
    kill(run)
    d4py.is_gone(PROMISE_S)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("mapping", ["simple", "multi"])
def test_the_next_command_tells_once_what_happened(d4py: D4py, mapping: str) -> None:
    run = d4py.start("run", FLOWS / "endless.py", "-m", mapping, "-n", 3, "-q")
    eventually(lambda: calls_made(d4py) > 1000, PROMISE_S * 2, "a run under way")
    kill(run)
    d4py.is_gone(PROMISE_S)
    run_id = d4py.record()["id"]
    assert d4py.marks() == [run_id]

    first = d4py.run("runs")
    assert first.code == 0
    (line,) = first.error_lines
    assert line.startswith("d4py: ")
    for part in (run_id, "endless.py", str(run.pid), "was killed"):
        assert part in line
    calls = re.findall(r"(Flood|Pass|Tally)\d ((?:\d|,\d)+)", line.partition("calls made by then:")[2])
    assert [pe for pe, _ in calls] == ["Flood", "Pass", "Tally"]
    assert int(calls[0][1]) == 1
    assert int(calls[1][1].replace(",", "")) > 0
    assert run_id in first.out
    assert "died" in first.out

    second = d4py.run("runs")
    assert second.err == ""
    assert second.out == first.out
    assert d4py.marks() == []
    record = d4py.record()
    assert (record["state"], record["ended_at_s"] is not None) == ("died", True)
    assert str(run.pid) in record["error"]


def calls_made(d4py: D4py) -> int:
    """How many items the second PE has taken, as its board file says."""
    boards = list((d4py.home / "runs").glob("*/board/1"))
    if not boards:
        return 0
    row = memoryview(boards[0].read_bytes()).cast("q")
    return row[1] if len(row) else 0


@pytest.mark.timeout(60)
def test_a_run_that_goes_on_is_not_taken_for_dead(d4py: D4py) -> None:
    run = d4py.start("run", FLOWS / "endless.py", "-q")
    eventually(lambda: calls_made(d4py) > 10, PROMISE_S * 2, "a run under way")
    other = d4py.run("runs")
    assert other.err == ""
    assert "running" in other.out
    kill(run)


@pytest.mark.timeout(60)
def test_a_number_that_belongs_to_another_process_by_now_does_not_deceive(d4py: D4py) -> None:
    """The dead run's process number may have been given to a process that lives."""
    run = d4py.start("run", FLOWS / "endless.py", "-q")
    eventually(lambda: calls_made(d4py) > 10, PROMISE_S * 2, "a run under way")
    kill(run)
    path = d4py.run_folder() / "run.json"
    path.write_text(path.read_text().replace(f'"pid": {run.pid},', f'"pid": {os.getpid()},'))
    told = d4py.run("runs")
    assert len(told.error_lines) == 1
    assert f"its process {os.getpid()} was killed" in told.err


@pytest.mark.timeout(60)
def test_several_dead_runs_are_each_told_of(d4py: D4py) -> None:
    runs = [d4py.start("run", FLOWS / "endless.py", "-q") for _ in range(3)]
    eventually(lambda: len(d4py.marks()) == 3, PROMISE_S * 2, "three runs")
    eventually(lambda: len(d4py.records()) == 3, PROMISE_S * 2, "three records")
    for run in runs:
        kill(run)
    told = d4py.run("runs")
    assert len(told.error_lines) == 3
    assert all(str(run.pid) in told.err for run in runs)


@pytest.mark.chaos
@pytest.mark.timeout(90)
@pytest.mark.parametrize("number", range(30))
def test_thirty_killed_launchers(d4py: D4py, number: int) -> None:
    chance = random.Random(number)
    method = METHODS[number % 3]
    if number % 2:
        run = start_busy(d4py, method, WAYS[number // 2 % len(WAYS)])
    else:
        kind = chance.choice(["flood", "arrays", "slow", "many", "results", "lines"])
        run = d4py.start(
            "run", FLOWS / "endless.py", "-p", f"kind={kind}", "-m", "multi", "-n", 5, "--no-fuse",
            "--start-method", method, "-q",
        )  # fmt: skip
        eventually(d4py.marks, PROMISE_S * 2, "a run")
    time.sleep(chance.uniform(0, 0.5))  # the moment is what is tried; there is no event to wait for
    kill(run)
    d4py.is_gone(PROMISE_S)
    told = d4py.run("runs")
    if d4py.records():
        assert str(run.pid) in told.err
        assert d4py.record()["state"] == "died"
    assert d4py.marks() == []
    assert d4py.run("runs").err == ""
