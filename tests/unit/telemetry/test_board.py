"""Counters: one row per instance, written by one, read by anyone, also after its writer died."""

from pathlib import Path

import pytest

from d4py_adaptive.dataflow.plan import Plan
from d4py_adaptive.dataflow.workflow import Workflow
from d4py_adaptive.telemetry.board import Board, Counters, Field, State, outgoing

STREAM = "Numbers0.output->Show1.input"


def fill(board: Board, number: int) -> None:
    row = board.row(number)
    for field in Field:
        row[field] = 10 * number + int(field)
    row[Field.STATE] = State.PROCESS
    row[Field.BUSY_NS], row[Field.BLOCKED_NS] = 2_500_000_000, 500_000_000


def test_streams_that_are_counted(workflow: Workflow) -> None:
    assert outgoing(workflow, "Numbers0") == (STREAM, "Numbers0.log")
    assert outgoing(workflow, "Show1") == ()


@pytest.mark.parametrize("in_files", [False, True])
def test_what_is_written_is_read(workflow: Workflow, plan: Plan, tmp_path: Path, in_files: bool) -> None:
    board = Board(workflow, plan, tmp_path / "board" if in_files else None)
    board.create()
    fill(board, 1)
    row = board.row(0)
    row[len(Field) : len(Field) + 4] = memoryview(bytes(8 * 4)).cast("q")
    for place, value in enumerate([3, 300, 5, 2**62], len(Field)):
        row[place] = value
    numbers, show, other = board.read()
    assert numbers.streams == {STREAM: (3, 300), "Numbers0.log": (5, 2**62)}
    assert show == Counters(
        label="Show1[0]", pe="Show1", index=0, state=State.PROCESS, item=11, items_in=12, items_out=13, bytes_in=14,
        bytes_out=15, busy_s=2.5, blocked_s=0.5, skipped=18, retried=19, pid=20, streams={},
    )  # fmt: skip
    assert (other.label, other.state, other.items_in) == ("Show1[1]", State.NEW, 0)


def test_another_reader_sees_it_at_once(workflow: Workflow, plan: Plan, tmp_path: Path) -> None:
    writer, reader = Board(workflow, plan, tmp_path), Board(workflow, plan, tmp_path)
    writer.create()
    assert next(iter(reader.read())).items_out == 0
    writer.row(0)[Field.ITEMS_OUT] = 9
    assert next(iter(reader.read())).items_out == 9


def test_each_instance_has_a_file_of_its_size(workflow: Workflow, plan: Plan, tmp_path: Path) -> None:
    Board(workflow, plan, tmp_path / "a" / "b").create()
    sizes = {path.name: path.stat().st_size for path in (tmp_path / "a" / "b").iterdir()}
    assert sizes == {"0": 8 * (len(Field) + 4), "1": 8 * len(Field), "2": 8 * len(Field)}


def test_a_forgotten_row_is_mapped_anew_in_files_and_kept_in_memory(
    workflow: Workflow, plan: Plan, tmp_path: Path
) -> None:
    for folder in (tmp_path, None):
        board = Board(workflow, plan, folder)
        board.create()
        row = board.row(0)
        row[Field.ITEM] = 4
        board.forget(0)
        board.forget(0)
        assert (board.row(0) is row) == (folder is None)
        assert board.row(0)[Field.ITEM] == 4


def test_rows_are_zero_at_first(workflow: Workflow, plan: Plan) -> None:
    assert all(set(Board(workflow, plan, None).row(number)) == {0} for number in range(3))
