"""What PEs print, as whole lines under the instance's name."""

import io
import sys
from types import SimpleNamespace
from typing import Any, cast

import pytest

from d4py_adaptive.mappings.output import LineWriter, lines_of
from d4py_adaptive.mappings.worker import Worker


class Stage:
    """Says which instance runs, and keeps the lines."""

    def __init__(self) -> None:
        self.label = ""
        self.lines: list[tuple[str, str]] = []
        self.behind = io.StringIO()
        self.writer = LineWriter(
            lambda: self.label, lambda *line: self.lines.append(line), cast(io.TextIOBase, self.behind)
        )

    def write(self, label: str, text: str) -> int:
        self.label = label
        return self.writer.write(text)


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_text_is_cut_into_lines(stage: Stage) -> None:
    assert stage.write("A[0]", "one\ntwo\n\nth") == 11
    assert stage.lines == [("A[0]", "one"), ("A[0]", "two"), ("A[0]", "")]
    stage.write("A[0]", "ree\n")
    assert stage.lines[3:] == [("A[0]", "three")]


def test_lines_of_two_instances_do_not_mix(stage: Stage) -> None:
    stage.write("A[0]", "begun ")
    stage.write("B[0]", "between\n")
    stage.write("A[0]", "ended\n")
    assert stage.lines == [("B[0]", "between"), ("A[0]", "begun ended")]


def test_a_line_that_was_never_ended_comes_at_the_end_once(stage: Stage) -> None:
    stage.write("A[0]", "no end")
    stage.write("B[1]", "nor here")
    stage.writer.flush()
    assert stage.lines == []
    stage.writer.finish()
    stage.writer.finish()
    assert stage.lines == [("A[0]", "no end"), ("B[1]", "nor here")]


def test_what_is_printed_while_no_pe_runs_goes_straight_on(stage: Stage) -> None:
    assert stage.write("", "half a li") == 9
    assert (stage.lines, stage.behind.getvalue()) == ([], "half a li")


def test_print_works_on_it(stage: Stage) -> None:
    stage.label = "A[0]"
    print("a", 1, file=stage.writer, flush=True)
    print("b", end="", file=stage.writer)
    assert stage.lines == [("A[0]", "a 1")]
    assert stage.writer.writable()
    assert not stage.writer.isatty()


def test_standard_output_is_the_worker_s_for_the_time_of_the_block() -> None:
    lines: list[Any] = []
    instance = SimpleNamespace(ref=SimpleNamespace(label="A[0]"))
    worker = SimpleNamespace(current=instance, line=lambda *line: lines.append(line))
    before = sys.stdout

    def talk() -> None:
        with lines_of(cast(Worker, worker)):
            print("whole")  # noqa: T201
            print("part", end="")  # noqa: T201
            raise RuntimeError

    with pytest.raises(RuntimeError):
        talk()
    assert sys.stdout is before
    assert lines == [("A[0]", "whole"), ("A[0]", "part")]


def test_what_is_printed_between_pes_is_not_lost(capsys: pytest.CaptureFixture[str]) -> None:
    worker = SimpleNamespace(current=None, line=None)
    with lines_of(cast(Worker, worker)):
        print("by nobody")  # noqa: T201
    assert capsys.readouterr().out == "by nobody\n"
