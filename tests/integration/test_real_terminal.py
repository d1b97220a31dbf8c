"""What is shown at a terminal of 80 by 24, and what is not where there is none."""

from __future__ import annotations

import re

import pytest
from real_processes import FLOWS, D4py

MAPPINGS = {"simple": ("-m", "simple"), "multi": ("-m", "multi", "-n", "2", "--no-fuse")}
every_mapping = pytest.mark.parametrize("mapping", MAPPINGS)
talking = FLOWS / "talking.py"
WIDTH = 80
PIECES = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])|([\r\n])|([^\x1b\r\n]+)")


class Screen:
    """As much of a terminal as the command uses: an endless one, that never scrolls anything away."""

    def __init__(self, raw: str) -> None:
        self.rows: list[list[str]] = [[]]
        self._row = self._column = 0
        self.steering: set[str] = set()
        end = 0
        for found in PIECES.finditer(raw):
            assert found.start() == end, f"not understood: {raw[end : found.start()]!r}"
            end = found.end()
            numbers, letter, move, text = found.groups()
            if letter:
                self._steer(numbers, letter)
            elif move == "\r":
                self._column = 0
            elif move == "\n":
                self._to_row(self._row + 1)
            else:
                self._write(text)
        assert end == len(raw)

    def _steer(self, numbers: str, letter: str) -> None:
        self.steering.add(letter)
        if letter == "A":
            self._to_row(self._row - int(numbers or 1))
        elif letter == "K":
            assert numbers == "2", f"erases {numbers!r}"
            self.rows[self._row] = []
        else:
            assert letter in "mhl", f"steers by {letter!r}"

    def _to_row(self, row: int) -> None:
        self._row = max(0, row)
        while len(self.rows) <= self._row:
            self.rows.append([])

    def _write(self, text: str) -> None:
        for character in text:
            if self._column == WIDTH:
                self._to_row(self._row + 1)
                self._column = 0
            row = self.rows[self._row]
            row += " " * (self._column + 1 - len(row))
            row[self._column] = character
            self._column += 1

    @property
    def lines(self) -> list[str]:
        return ["".join(row).rstrip() for row in self.rows]


@every_mapping
def test_progress_is_shown_and_tears_no_line(d4py: D4py, mapping: str) -> None:
    terminal = d4py.at_terminal("run", talking, *MAPPINGS[mapping])
    assert terminal.wait() == 0
    drawn = re.findall(r"s  Source0 (\d+)  Talk1 (\d+)", terminal.text)
    assert len(drawn) > 3
    assert any(0 < int(taken) < 30 for _, taken in drawn)
    screen = Screen(terminal.text)
    expected = [f"Talk1[0]: line {number} {'x' * 10} end" for number in range(30)]
    assert [line for line in screen.lines if line.startswith("Talk1[0]")] == expected
    assert not [line for line in screen.lines if re.search(r"s  Source0 \d+  Talk1", line)], "progress is left"
    assert "\x1b[?25h" in terminal.text.rpartition("\x1b[?25l")[2], "the cursor is left hidden"
    assert any("completed in" in line for line in screen.lines)


@every_mapping
def test_a_line_wider_than_the_terminal(d4py: D4py, mapping: str) -> None:
    terminal = d4py.at_terminal("run", talking, "-p", "width=150", *MAPPINGS[mapping])
    assert terminal.wait() == 0
    shown = "".join(Screen(terminal.text).lines)
    for number in range(30):
        assert f"Talk1[0]: line {number} {'x' * 150} end" in shown


@every_mapping
def test_what_a_pe_prints_does_not_steer_the_terminal(d4py: D4py, mapping: str) -> None:
    terminal = d4py.at_terminal("run", talking, "-p", "hostile=yes", *MAPPINGS[mapping])
    assert terminal.wait() == 0
    assert "\x1b[2J" not in terminal.text
    assert "\x07" not in terminal.text
    screen = Screen(terminal.text)
    assert sum("line 29 " in line and line.endswith("end") for line in screen.lines) == 1


@every_mapping
def test_output_in_a_file_holds_lines_alone(d4py: D4py, mapping: str) -> None:
    terminal = d4py.at_terminal("run", talking, *MAPPINGS[mapping], out_to_file=True)
    assert terminal.wait() == 0
    assert terminal.out == "".join(f"Talk1[0]: line {number} {'x' * 10} end\n" for number in range(30))
    assert "Source0 " in terminal.text
    assert "line 3" not in terminal.text


@every_mapping
def test_without_a_terminal_there_is_no_progress(d4py: D4py, mapping: str) -> None:
    ended = d4py.run("run", talking, *MAPPINGS[mapping])
    assert ended.succeeds() == "".join(f"Talk1[0]: line {number} {'x' * 10} end\n" for number in range(30))
    assert "\x1b" not in ended.err
    assert "\r" not in ended.err


def test_quiet_is_quiet_at_a_terminal_too(d4py: D4py) -> None:
    terminal = d4py.at_terminal("run", FLOWS / "doubling.py", "-i", 2, "-q")
    assert terminal.wait() == 0
    assert terminal.text == "Double1.output: 2\r\nDouble1.output: 4\r\n"


def test_a_dumb_terminal_gets_no_steering(d4py: D4py, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = d4py.environment()
    monkeypatch.setattr(d4py, "environment", lambda: environment | {"TERM": "dumb"})
    terminal = d4py.at_terminal("run", FLOWS / "doubling.py", "-i", 2)
    assert terminal.wait() == 0
    assert "\x1b" not in terminal.text


@every_mapping
def test_an_error_at_a_terminal_leaves_it_in_order(d4py: D4py, mapping: str) -> None:
    terminal = d4py.at_terminal("run", FLOWS / "failing.py", "-p", "way=process", *MAPPINGS[mapping])
    assert terminal.wait() == 1
    lines = Screen(terminal.text).lines
    assert sum(line.startswith("d4py: error: ValueError: no such luck") for line in lines) == 1
    assert "\x1b[?25h" in terminal.text.rpartition("\x1b[?25l")[2], "the cursor is left hidden"
