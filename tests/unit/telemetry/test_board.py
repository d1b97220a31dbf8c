"""Counters: one row per instance, written by one, read by anyone, also after its writer died."""

from pathlib import Path

import pytest

from d4py_adaptive.dataflow.plan import Plan
from d4py_adaptive.dataflow.workflow import Workflow
from d4py_adaptive.telemetry import sketch, timeline
from d4py_adaptive.telemetry.board import PER_STREAM, Board, Counters, Field, State, outgoing

TIMES = [field for field in Field if field.name.endswith("_NS")]
STREAM = "Numbers0.output->Show1.input"


def fill(board: Board, number: int) -> None:
    row = board.row(number)
    for field in Field:
        row[field] = 10 * number + int(field)
    row[Field.STATE] = State.PROCESS
    for nanoseconds, field in enumerate(TIMES, 1):
        row[field] = nanoseconds * 500_000_000


def test_streams_that_are_counted(workflow: Workflow) -> None:
    assert outgoing(workflow, "Numbers0") == (STREAM, "Numbers0.log")
    assert outgoing(workflow, "Show1") == ()


@pytest.mark.parametrize("in_files", [False, True])
def test_what_is_written_is_read(workflow: Workflow, plan: Plan, tmp_path: Path, in_files: bool) -> None:
    board = Board(workflow, plan, tmp_path / "board" if in_files else None)
    board.create()
    fill(board, 1)
    row = board.row(0)
    for place, value in enumerate([3, 300, 0, 5, 2**62, 10**9], len(Field)):
        row[place] = value
    numbers, show, other = board.read()
    assert numbers.streams == {STREAM: (3, 300), "Numbers0.log": (5, 2**62)}
    assert numbers.copy_s == {"Numbers0.log": 1.0}
    assert show == Counters(
        label="Show1[0]", pe="Show1", index=0, state=State.PROCESS, item=11, items_in=15, items_out=16, bytes_in=17,
        bytes_out=18, busy_s=1.0, blocked_s=2.5, skipped=19, retried=20, pid=12, streams={}, serialise_s=1.5,
        codec_s=2.0, starved_s=3.0, others_s=3.5, overhead_s=4.0, life_s=4.5, timed=13, longest_s=0.5, cpu_s=5.0,
        cpu_of_s=5.5, setup_s=6.0, own_cpu_s=6.5,
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
    alike = len(Field) + sketch.BUCKETS + timeline.LENGTH
    assert sizes == {"0": 8 * (alike + 2 * PER_STREAM), "1": 8 * alike, "2": 8 * alike}


def test_the_parts_of_a_row_do_not_overlap(workflow: Workflow, plan: Plan) -> None:
    board = Board(workflow, plan, None)
    row, of_sketch, of_timeline = board.row(0), board.sketch(0), board.timeline(0)
    for part, value in ((of_sketch, 1), (of_timeline, 2)):
        for place in range(len(part)):
            part[place] = value
    counters = len(Field) + 2 * PER_STREAM
    assert row.tolist() == counters * [0] + sketch.BUCKETS * [1] + timeline.LENGTH * [2]


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
