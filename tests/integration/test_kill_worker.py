"""kill -9 of a worker, at any moment: the run ends at once, says what happened, and leaves nothing."""

from __future__ import annotations

import contextlib
import json
import random
import re
import time

import psutil
import pytest
from real_processes import FLOWS, PROMISE_S, D4py, Running, eventually, is_fork_server, is_resource_tracker

KINDS = {"flood": 3, "arrays": 3, "slow": 4, "many": 8, "results": 2, "lines": 3}
METHODS = ("fork", "forkserver", "spawn")
SCENES = [(method, kind) for kind in KINDS for method in METHODS]
SUITE = [("fork", "flood"), ("forkserver", "arrays"), ("spawn", "slow"), ("fork", "many"), ("spawn", "results")]
LATEST_KILL_S = 0.8

DEATH = re.compile(
    r"d4py: error: worker (?P<worker>\d+) \(pid (?P<pid>\d+)\) was killed by SIGKILL "
    r"while it ran (?P<doing>.*); it hosted (?P<hosted>[^;]*)"
)


def start(d4py: D4py, method: str, kind: str, *options: str) -> Running:
    return d4py.start(
        "run", FLOWS / "endless.py", "-p", f"kind={kind}", "-m", "multi", "-n", KINDS[kind], "--no-fuse",
        "--start-method", method, "-q", *options,
    )  # fmt: skip


def kill_one(d4py: D4py, method: str, kind: str, seed: int) -> None:
    chance = random.Random(seed)
    run = start(d4py, method, kind)
    workers = run.until_workers(chance.choice([1, KINDS[kind]]))
    time.sleep(chance.uniform(0, LATEST_KILL_S))  # the moment is what is tried; there is no event to wait for
    victim = chance.choice(workers)
    assert run.process.poll() is None, run.wait()
    victim.kill()
    ended = run.wait(PROMISE_S)
    killed_s = time.monotonic()

    line = ended.fails_with(4)
    found = DEATH.match(line)
    assert found, line
    assert int(found["pid"]) == victim.pid
    plan = json.loads((d4py.run_folder() / "plan.json").read_text())
    number = int(found["worker"])
    hosted = {pe for stage in plan["stages"] if number in stage["workers"] for pe in stage["pes"]}
    assert {label.partition("[")[0] for label in found["hosted"].split(", ")} == hosted
    d4py.is_gone(PROMISE_S - (time.monotonic() - killed_s))
    record = d4py.record()
    assert record["state"] == "failed"
    assert record["error"] in line
    assert d4py.marks() == []


@pytest.mark.timeout(60)
@pytest.mark.parametrize(("method", "kind"), SUITE)
def test_a_killed_worker_ends_the_run(d4py: D4py, method: str, kind: str) -> None:
    kill_one(d4py, method, kind, seed=SUITE.index((method, kind)))


@pytest.mark.chaos
@pytest.mark.timeout(60)
@pytest.mark.parametrize("number", range(100))
def test_a_hundred_killed_workers(d4py: D4py, number: int) -> None:
    kill_one(d4py, *SCENES[number % len(SCENES)], seed=1000 + number)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("method", METHODS)
def test_a_worker_killed_as_soon_as_it_is_there(d4py: D4py, method: str) -> None:
    run = d4py.start("run", FLOWS / "heavy.py", "-m", "multi", "-n", 2, "--no-fuse", "--start-method", method, "-q")
    eventually(d4py.records, PROMISE_S, "a run")  # what is started before it, to ask for the platform, is no worker
    (victim, *_) = run.until_workers(1)
    victim.kill()
    line = run.wait(PROMISE_S).fails_with(4)
    assert f"worker 0 (pid {victim.pid}) was killed by SIGKILL" in line
    d4py.is_gone()
    assert d4py.record()["state"] == "failed"
    assert d4py.marks() == []


@pytest.mark.timeout(60)
def test_all_workers_killed_at_once(d4py: D4py) -> None:
    run = start(d4py, "fork", "many")
    workers = run.until_workers(KINDS["many"])
    for worker in workers:
        worker.kill()
    line = run.wait(PROMISE_S).fails_with(4)
    found = DEATH.match(line)
    assert found, line
    assert int(found["pid"]) in {worker.pid for worker in workers}


@pytest.mark.timeout(60)
def test_a_killed_fork_server_does_no_harm(d4py: D4py) -> None:
    run = d4py.start(
        "run", FLOWS / "talking.py", "-m", "multi", "-n", 2, "--no-fuse", "--start-method", "forkserver", "-q"
    )
    run.until_prints("line 1 ")
    (server,) = (p for p in psutil.Process(run.pid).children() if is_fork_server(p))
    server.kill()
    assert "line 29 " in run.wait().succeeds()
    assert d4py.record()["state"] == "completed"


@pytest.mark.timeout(60)
@pytest.mark.parametrize("later_s", [0.0, 0.05, 0.1])
def test_a_fork_server_killed_while_workers_start(d4py: D4py, later_s: float) -> None:
    """Another one may be started in its place, or the run ends; it neither hangs nor breaks in the dark."""
    run = d4py.start(
        "run", FLOWS / "doubling.py", "-m", "multi", "-n", 12, "--start-method", "forkserver", "-q", "-i", 20
    )
    (server,) = eventually(
        lambda: [p for p in psutil.Process(run.pid).children() if is_fork_server(p)], PROMISE_S, "a fork server"
    )
    time.sleep(later_s)  # the moment is what is tried; there is no event to wait for
    with contextlib.suppress(psutil.NoSuchProcess):
        server.kill()
    ended = run.wait(PROMISE_S)
    if ended.code != 0:
        ended.fails_with(4)
    d4py.is_gone()
    assert d4py.record()["state"] == ("completed" if ended.code == 0 else "failed")
    assert d4py.marks() == []


@pytest.mark.timeout(60)
def test_a_worker_killed_after_its_fork_server(d4py: D4py) -> None:
    """Nobody can tell any more how such a worker ended, but that it did."""
    run = start(d4py, "forkserver", "lines")
    workers = run.until_workers(3)
    run.until_prints("Talk1")
    (server,) = (p for p in psutil.Process(run.pid).children() if is_fork_server(p))
    server.kill()
    workers[1].kill()
    run.wait(PROMISE_S).fails_with(4)
    d4py.is_gone()
    assert d4py.record()["state"] == "failed"
    assert d4py.marks() == []


@pytest.mark.timeout(60)
@pytest.mark.parametrize("method", ["forkserver", "spawn"])
def test_a_killed_resource_tracker_leaves_nothing_either(d4py: D4py, method: str) -> None:
    run = start(d4py, method, "flood")
    workers = run.until_workers(3)
    (tracker,) = (p for p in psutil.Process(run.pid).children() if is_resource_tracker(p))
    tracker.kill()
    workers[0].kill()
    ended = run.wait(PROMISE_S)
    assert ended.code == 4
    assert DEATH.match(ended.error_lines[-1]), ended


@pytest.mark.timeout(60)
def test_a_stopped_worker_can_be_killed_too(d4py: D4py) -> None:
    run = start(d4py, "fork", "flood")
    workers = run.until_workers(3)
    for worker in workers[:2]:
        worker.suspend()
    eventually(lambda: workers[1].status() == psutil.STATUS_STOPPED, PROMISE_S, "a stopped worker")
    workers[0].kill()
    assert f"(pid {workers[0].pid}) was killed by SIGKILL" in run.wait(PROMISE_S).fails_with(4)


@pytest.mark.timeout(60)
def test_without_quiet_the_error_is_the_last_line_and_the_table_comes_first(d4py: D4py) -> None:
    run = d4py.start("run", FLOWS / "endless.py", "-m", "multi", "-n", 3, "--no-fuse")
    run.until_workers(3)[0].kill()
    ended = run.wait(PROMISE_S)
    assert ended.code == 4
    assert [line.startswith("d4py: error: ") for line in ended.error_lines].count(True) == 1
    assert DEATH.match(ended.error_lines[-1]), ended.err
    assert "instances" in ended.err
