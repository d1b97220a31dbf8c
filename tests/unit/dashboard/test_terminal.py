"""What `d4py run` shows, here without a terminal: lines, results in short, a table, a summary."""

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from d4py_adaptive.dashboard.terminal import SHOWN_RESULTS, TerminalView
from d4py_adaptive.dataflow.plan import Plan
from d4py_adaptive.telemetry.run_directory import RunDirectory

Make = Callable[..., Any]
DIRECTORY = RunDirectory(Path("/somewhere/runs/r1"))
PLAN = Plan((), 1, "simple")


def rows(text: str) -> dict[str, list[str]]:
    """The cells of a table's rows, by their first."""
    split = [line.split() for line in text.splitlines()]
    return {cells[0]: cells[1:] for cells in split if cells}


def finish(view: TerminalView, record: Any, counters: list[Any]) -> None:
    view.finished(record, counters, DIRECTORY)


def test_results_come_first_the_rest_is_counted(capsys: pytest.CaptureFixture[str], make_record: Make) -> None:
    view = TerminalView(quiet=True)
    for n in range(SHOWN_RESULTS + 1200):
        view.result("B1", "output", n)
    view.result("A0", "log", "text\nof two lines")
    finish(view, make_record(), [])
    out = capsys.readouterr().out.splitlines()
    assert out == [
        "A0.log: text of two lines",
        *(f"B1.output: {n}" for n in range(SHOWN_RESULTS)),
        "B1.output: … and 1,200 more",
    ]


def test_the_summary_goes_to_standard_error(
    capsys: pytest.CaptureFixture[str], make_record: Make, make_counters: Make
) -> None:
    finish(TerminalView(), make_record(), [make_counters("A0", items_in=1500, items_out=3, busy_s=3.0, blocked_s=0.25)])
    captured = capsys.readouterr()
    assert captured.out == ""
    assert rows(captured.err)["A0"] == ["1", "1,500", "3", "3.0", "s", "250.0", "ms", "2.0", "ms"]
    assert captured.err.splitlines()[-1] == (
        "completed in 2.5 s under multi on 2 worker(s); record: /somewhere/runs/r1"
    )


def test_skipped_items_have_a_column_and_a_word(
    capsys: pytest.CaptureFixture[str], make_record: Make, make_counters: Make
) -> None:
    counters = [make_counters("A0", items_in=4, busy_s=4.0, skipped=2), make_counters("B1")]
    finish(TerminalView(), make_record(dead_letters=2), counters)
    err = capsys.readouterr().err
    assert rows(err)["A0"][-1] == "2"
    assert "skipped" in err.splitlines()[1]
    assert ", 2 item(s) skipped: see dead-letters.jsonl; record:" in err


def test_time_per_item_of_a_source_is_per_item_it_wrote(
    capsys: pytest.CaptureFixture[str], make_record: Make, make_counters: Make
) -> None:
    finish(TerminalView(), make_record(), [make_counters("Source0", items_out=1000, busy_s=10.0)])
    assert rows(capsys.readouterr().err)["Source0"][-2:] == ["10.0", "ms"]


@pytest.mark.parametrize("name", ["[red]Alarm[/red]0", "[/x]0", "[link=a]0", "Mean[5]0"])
def test_a_pe_s_name_is_no_markup(
    capsys: pytest.CaptureFixture[str], make_record: Make, make_counters: Make, name: str
) -> None:
    finish(TerminalView(), make_record(), [make_counters(name)])
    assert name in capsys.readouterr().err


def test_quiet_shows_results_alone(capsys: pytest.CaptureFixture[str], make_record: Make, make_counters: Make) -> None:
    finish(TerminalView(quiet=True), make_record(), [make_counters("A0")])
    assert capsys.readouterr() == ("", "")


def test_names_and_results_steer_no_terminal(capsys: pytest.CaptureFixture[str], make_record: Make) -> None:
    view = TerminalView(quiet=True)
    view.result("\x1b[31mA0", "\x07out", "\x1b[2Jitem")
    finish(view, make_record(), [])
    assert not set(capsys.readouterr().out) & set("\x1b\x07")


def test_lines_and_notes(capsys: pytest.CaptureFixture[str]) -> None:
    view = TerminalView()
    view.line("A[0]", "half \x1b[31mred")
    view.note("be \x07warned")
    assert capsys.readouterr() == ("A[0]: half [31mred\n", "d4py: be warned\n")


def test_a_line_that_the_terminal_cannot_show_does_not_end_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", out)
    TerminalView().line("A[0]", "µ and \udc80 from a file name")
    out.seek(0)
    assert out.read().startswith("A[0]: ")


def test_a_run_that_failed_shows_what_came_and_how_far_it_got(
    capsys: pytest.CaptureFixture[str], make_counters: Make
) -> None:
    def fail() -> None:
        with TerminalView() as view:
            view.started(DIRECTORY, PLAN, lambda: [make_counters("A0", items_in=7)])
            view.result("A0", "output", "early")
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        fail()
    captured = capsys.readouterr()
    assert captured.out == "A0.output: early\n"
    assert rows(captured.err)["A0"][:2] == ["1", "7"]


def test_a_run_that_failed_before_it_started_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match=r"^no$"), TerminalView():
        raise ValueError("no")
    assert capsys.readouterr() == ("", "")


def test_what_was_shown_at_the_end_is_not_shown_again_when_verifying_fails(
    capsys: pytest.CaptureFixture[str], make_record: Make, make_counters: Make
) -> None:
    def fail() -> None:
        with TerminalView() as view:
            view.started(DIRECTORY, PLAN, lambda: [make_counters("A0")])
            view.result("A0", "output", 1)
            finish(view, make_record(), [make_counters("A0")])
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        fail()
    captured = capsys.readouterr()
    assert captured.out == "A0.output: 1\n"
    assert captured.err.count("instances") == 1


def test_the_progress_line_counts_per_pe(make_counters: Make) -> None:
    view = TerminalView(quiet=True)
    counters = [make_counters("Source0", items_out=1234), make_counters("Sink1", items_in=1200)]
    view.started(DIRECTORY, PLAN, lambda: counters)
    assert view._progress().plain.split()[-4:] == ["Source0", "1,234", "Sink1", "1,200"]
    assert len(view._progress().plain) <= 80


def test_what_was_verified(capsys: pytest.CaptureFixture[str]) -> None:
    TerminalView().verified("5 items")
    assert capsys.readouterr().err == "verified: 5 items\n"


class Written:
    """Where results go."""

    def __init__(self) -> None:
        self.items: list[object] = []

    @property
    def summary(self) -> str:
        return f"{len(self.items)} items in a\x07 file"

    def write(self, pe: str, port: str, item: object) -> None:
        self.items.append((pe, port, item))


def test_results_that_go_elsewhere_are_not_shown_but_said(
    capsys: pytest.CaptureFixture[str], make_record: Make, make_counters: Make
) -> None:
    written = Written()
    view = TerminalView()
    view.write_to(written)
    view.result("A0", "output", 1)
    view.result("A0", "output", [2])
    finish(view, make_record(), [make_counters("A0")])
    captured = capsys.readouterr()
    assert written.items == [("A0", "output", 1), ("A0", "output", [2])]
    assert captured.out == ""
    assert captured.err.splitlines()[-1] == "written: 2 items in a file"


def test_results_that_go_elsewhere_leave_quiet_nothing_to_say(
    capsys: pytest.CaptureFixture[str], make_record: Make
) -> None:
    view = TerminalView(quiet=True)
    view.write_to(Written())
    finish(view, make_record(), [])
    assert capsys.readouterr() == ("", "")


def test_a_run_that_failed_says_what_was_written(capsys: pytest.CaptureFixture[str], make_counters: Make) -> None:
    def fail() -> None:
        with TerminalView() as view:
            view.write_to(Written())
            view.started(DIRECTORY, PLAN, lambda: [make_counters("A0")])
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        fail()
    assert capsys.readouterr().err.splitlines()[-1] == "written: 0 items in a file"
