"""What a process takes of the machine, from a worker's start to its end."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from d4py_adaptive.mappings import usage
from d4py_adaptive.mappings.usage import LOOK_NS, Usage
from d4py_adaptive.telemetry.profile import WorkerProfile
from d4py_adaptive.testing.clocks import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(10**12)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What the system says, to be changed by hand."""
    says = SimpleNamespace(cpu_s=50.0, runnable_s=7.0, threads=3, counted=0, faults=100, memory=2_000)

    def threads() -> int:
        says.counted += 1
        return int(says.threads)

    monkeypatch.setattr(usage, "_cpu_s", lambda: says.cpu_s)
    monkeypatch.setattr(usage, "_runnable_s", lambda: says.runnable_s)
    monkeypatch.setattr(usage, "_threads", threads)
    monkeypatch.setattr(
        usage.resource, "getrusage", lambda _: SimpleNamespace(ru_majflt=says.faults, ru_maxrss=says.memory)
    )
    monkeypatch.setattr(usage, "_RSS_UNIT", 1024)
    return says


def test_what_was_taken_before_is_not_the_worker_s(machine: Any, clock: ManualClock) -> None:
    worker = Usage(4, clock)
    clock.advance(2_500_000_000)
    machine.cpu_s, machine.runnable_s, machine.faults, machine.memory = 51.5, 7.25, 130, 3_000
    assert worker.report() == {
        "number": 4, "pid": os.getpid(), "wall_s": 2.5, "cpu_s": 1.5, "runnable_s": 0.25,
        "peak_memory_bytes": 3_000 * 1024, "threads": 3, "page_faults": 30,
    }  # fmt: skip


def test_a_report_is_a_worker_s_profile(clock: ManualClock) -> None:
    profile = WorkerProfile(**Usage(2, clock).report())
    assert (profile.number, profile.pid) == (2, os.getpid())
    assert profile.peak_memory_bytes > 10 * 2**20
    assert profile.threads >= 1
    assert 0 <= profile.cpu_s < 60


def test_the_system_may_not_say_how_long_it_kept_a_process_waiting(machine: Any, clock: ManualClock) -> None:
    for before, after in ((None, 1.0), (1.0, None), (None, None)):
        machine.runnable_s = before
        worker = Usage(0, clock)
        machine.runnable_s = after
        assert worker.report()["runnable_s"] is None


def test_threads_are_counted_now_and_then_and_at_the_end(machine: Any, clock: ManualClock) -> None:
    worker = Usage(0, clock)
    for _ in range(100):  # for five seconds
        clock.advance(LOOK_NS // 20)
        worker.look(clock())
    assert machine.counted == 5
    worker.report()
    assert machine.counted == 6


def test_the_most_threads_count(machine: Any, clock: ManualClock) -> None:
    worker = Usage(0, clock)
    for machine.threads in (2, 9, 4):
        clock.advance(LOOK_NS)
        worker.look(clock())
    machine.threads = 1
    assert worker.report()["threads"] == 9


@pytest.fixture
def five_threads() -> Iterator[None]:
    enough = threading.Event()
    threads = [threading.Thread(target=enough.wait) for _ in range(5)]
    for thread in threads:
        thread.start()
    yield
    enough.set()
    for thread in threads:
        thread.join()


def test_threads_of_this_process_are_seen(five_threads: None, clock: ManualClock) -> None:
    assert Usage(0, clock).report()["threads"] >= 6


def test_processor_time_is_of_this_process(clock: ManualClock) -> None:
    worker = Usage(0, clock)
    before_s = worker.report()["cpu_s"]
    while worker.report()["cpu_s"] < before_s + 0.01:
        sum(range(1000))


@pytest.mark.parametrize("says", [None, "", "12", "12 many 3"])
def test_a_system_without_such_a_file_or_with_another_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, says: str | None
) -> None:
    if says is not None:
        (tmp_path / "schedstat").write_text(says)
    monkeypatch.setattr(usage, "Path", lambda _: tmp_path / "schedstat")
    assert usage._runnable_s() is None
    (tmp_path / "schedstat").write_text("5 2500000000 7\n")
    assert usage._runnable_s() == 2.5
