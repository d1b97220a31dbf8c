"""Run records as a list, and one in full."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from d4py_adaptive.dashboard.records import print_run, print_runs
from d4py_adaptive.telemetry.run_directory import RunDirectory

Make = Callable[..., Any]
RUN = RunDirectory(Path("/somewhere/runs/r1"))


def test_no_runs(capsys: pytest.CaptureFixture[str]) -> None:
    print_runs([])
    assert capsys.readouterr().out == "no runs yet: d4py run WORKFLOW makes one\n"


def test_a_line_per_run(capsys: pytest.CaptureFixture[str], make_record: Make) -> None:
    print_runs([make_record(), make_record(id="20240301-120000.000-fedcba", state="running", ended_at_s=None)])
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert lines[0] == ["run", "workflow", "mapping", "workers", "state", "took"]
    assert lines[-2] == ["20240229-120000.000-abcdef", "flow.py", "multi", "2", "completed", "2.5", "s"]
    assert lines[-1] == ["20240301-120000.000-fedcba", "flow.py", "multi", "2", "running", "…"]


@pytest.mark.parametrize("name", ["[red]flow.py", "[bold]flow.py", "flow[1].py"])
def test_the_name_of_a_workflow_is_no_markup(capsys: pytest.CaptureFixture[str], make_record: Make, name: str) -> None:
    print_runs([make_record(workflow=name)])
    assert name in capsys.readouterr().out


def test_one_run(capsys: pytest.CaptureFixture[str], make_record: Make) -> None:
    instances = [
        {"pe": "A0", "items_in": 0, "items_out": 1500},
        {"pe": "B1", "items_in": 700, "items_out": 1},
        {"pe": "B1", "items_in": 800, "items_out": 1},
    ]
    print_run(RUN, make_record(instances=instances, dead_letters=2, error="no \x1b[31mway", state="failed"), False)
    assert capsys.readouterr().out.splitlines() == [
        "run       20240229-120000.000-abcdef in /somewhere/runs/r1",
        "workflow  flow.py",
        "enacted   multi, 2 worker(s), on node4, seed 7",
        f"started   {time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(1000.0))}",
        "state     failed after 2.5 s",
        "error     no [31mway",
        "skipped   2 item(s), kept in /somewhere/runs/r1/dead-letters.jsonl",
        "  A0: 1,500 items",
        "  B1: 1,500 items",
    ]


@pytest.mark.parametrize("asked", [True, False])
def test_a_traceback_is_shown_if_asked_for_without_its_control_characters(
    capsys: pytest.CaptureFixture[str], make_record: Make, asked: bool
) -> None:
    failure = {"traceback": "Traceback:\n  at line 1\nValueError: \x1b[2Jgone"}
    print_run(RUN, make_record(failure=failure), asked)
    out = capsys.readouterr().out
    assert ("  at line 1\n" in out) is asked
    assert "\x1b" not in out


def test_a_run_without_a_failure_has_no_traceback(capsys: pytest.CaptureFixture[str], make_record: Make) -> None:
    print_run(RUN, make_record(), True)
    assert len(capsys.readouterr().out.splitlines()) == 5
