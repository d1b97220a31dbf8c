"""What is known of a run whose process was killed."""

import os
import time
from collections.abc import Callable

import pytest

from d4py_adaptive.dataflow.plan import Plan
from d4py_adaptive.dataflow.workflow import Workflow
from d4py_adaptive.telemetry import obituary
from d4py_adaptive.telemetry.board import Board, Field
from d4py_adaptive.telemetry.obituary import bury
from d4py_adaptive.telemetry.run_directory import RunDirectory
from d4py_adaptive.telemetry.run_record import RunRecord

GONE = 2**22 + 5
Make = Callable[..., RunRecord]


@pytest.fixture
def dead(tmp_path: object, make_record: Make, monkeypatch: pytest.MonkeyPatch) -> RunDirectory:
    monkeypatch.setattr(obituary, "wall_time_s", lambda: 5000.0)
    run = RunDirectory.create(tmp_path)  # type: ignore[arg-type]
    run.write_record(make_record(id=run.id, pid=GONE, host=os.uname().nodename))
    return run


def started() -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(1000.0))


def test_a_death_is_told_once_and_noted_in_the_record(dead: RunDirectory) -> None:
    (text,) = bury(dead.home)
    assert text == (f"run {dead.id} (flow.py, started {started()}) ended without a word: its process {GONE} was killed")
    record = dead.read_record()
    assert (record.state, record.ended_at_s, record.error) == ("died", 5000.0, text)
    assert list(bury(dead.home)) == []


def test_the_counters_still_say_how_far_it_came(dead: RunDirectory, workflow: Workflow, plan: Plan) -> None:
    dead.write_json("plan.json", plan.to_dict())
    board = Board(workflow, plan, dead.board())
    board.create()
    for number, calls in enumerate([1, 1200, 34]):
        board.row(number)[Field.ITEM] = calls
    (text,) = bury(dead.home)
    assert text.endswith("was killed; calls made by then: Numbers0 1, Show1 1,234")


def test_counters_that_are_gone_are_left_out(dead: RunDirectory, workflow: Workflow, plan: Plan) -> None:
    dead.write_json("plan.json", plan.to_dict())
    board = Board(workflow, plan, dead.board())
    board.create()
    board.row(2)[Field.ITEM] = 5
    (dead.board() / "0").unlink()
    (dead.board() / "1").write_bytes(b"")
    (text,) = bury(dead.home)
    assert text.endswith("was killed; calls made by then: Show1 5")


def test_one_run_that_cannot_be_buried_does_not_hide_the_others(
    dead: RunDirectory, make_record: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = RunDirectory.create(dead.home)
    other.write_record(make_record(id=other.id, pid=GONE, host=os.uname().nodename))
    write = RunDirectory.write_record

    def refuse(self: RunDirectory, record: RunRecord) -> None:
        if self.id == dead.id:
            raise PermissionError
        write(self, record)

    monkeypatch.setattr(RunDirectory, "write_record", refuse)
    assert [text.split()[1] for text in bury(dead.home)] == [other.id]
