"""How words become a verb with options, and errors one line and an exit code; no workflow is run."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from d4py_adaptive.cli import run
from d4py_adaptive.cli.main import VERBS, _verb_first, command_parser, main
from d4py_adaptive.errors import Failure, InputError, PEError, WorkerDied

BUG = "this is a bug in d4py_adaptive, please report it"
FAILURE = Failure("A0", 0, "process", "input", 3, "node4", 1, "ValueError", "no", "Traceback of the user's\n")


@pytest.fixture(autouse=True)
def _narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


Failing = Callable[[BaseException], None]


@pytest.fixture
def run_raises(monkeypatch: pytest.MonkeyPatch) -> Failing:
    def run_raises(error: BaseException) -> None:
        def call(options: argparse.Namespace) -> int:
            raise error

        monkeypatch.setattr(run, "call", call)

    return run_raises


@pytest.mark.parametrize("words", [[], ["-h"], ["--help"], ["multi", "--help"], *([verb, "-h"] for verb in VERBS)])
def test_help_fits_a_terminal(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match=r"^0$"):  # as argparse itself leaves after a verb's help
        raise SystemExit(main(words))
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out.startswith("usage: d4py ")
    assert max(map(len, captured.out.splitlines())) <= 80
    assert captured.out.isascii()


def test_help_lists_the_verbs_each_on_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    main([])
    out = capsys.readouterr().out
    for verb, summary in VERBS.items():
        assert re.search(rf"^    {verb} +" + re.escape(summary).replace(r"\ ", r"\s+") + "$", out, re.MULTILINE)


def test_only_the_verbs_asked_for_know_their_options() -> None:
    _, verbs = command_parser(("runs",))
    assert list(verbs) == list(VERBS)
    assert "--traceback" in verbs["runs"].format_help()
    assert "--mapping" not in verbs["run"].format_help()


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert re.fullmatch(r"d4py \d+\.\d+\S*\n", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["run", "a.py"], ["run", "a.py"]),
        (["multi", "a.py", "-n", "4"], ["run", "-m", "multi", "a.py", "-n", "4"]),
        (["simple"], ["run", "-m", "simple"]),
    ],
)
def test_the_name_of_a_mapping_means_to_run_with_it(words: list[str], meant: list[str]) -> None:
    assert _verb_first(words) == meant


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["a.py"], "a verb comes first; type: d4py run a.py"),
        (["./a", "-i", "3"], "a verb comes first; type: d4py run ./a -i 3"),
        (["-m", "multi", "run", "a.py"], "a verb comes first; type: d4py run -m multi a.py"),
        (["-i", "3"], "a verb comes first; type: d4py run -i 3"),
        (["--traceback", "runs"], "a verb comes first; type: d4py runs --traceback"),
        (["--hepl"], "unknown option '--hepl'; did you mean '--help'?; see d4py --help"),
        (["-H"], "unknown option '-H'; did you mean '-h'?; see d4py --help"),
    ],
)
def test_words_without_a_verb_in_front(words: list[str], text: str) -> None:
    with pytest.raises(InputError) as caught:
        _verb_first(words)
    assert str(caught.value) == text


def fails(words: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    code = main(words)
    captured = capsys.readouterr()
    assert captured.out == ""
    return code, captured.err.splitlines()


def test_a_verb_that_nothing_resembles(capsys: pytest.CaptureFixture[str]) -> None:
    code, lines = fails(["xyzzy"], capsys)
    assert (code, len(lines)) == (2, 1)
    assert lines[0].startswith(f"d4py: error: unknown verb 'xyzzy'; verbs: {', '.join(VERBS)}; mappings: multi, ")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["run", "-n"], "-n/--workers needs a value"),
        (["run", "a.py", "-n", "-x"], "unknown option '-x'"),
        (["run", "-q"], "WORKFLOW is missing"),
        (["run", "a.py", "-i", "1", "-d", "{}"], "-d/--data and -i/--iterations cannot be given together"),
        (["run", "a.py", "--quiet=yes"], "-q/--quiet takes no value; got 'yes'"),
        (["run", "a.py", "-i", "-3"], "-i/--iterations takes a whole number from 0; got -3"),
        (["run", "a.py", "-i", "--", "-3"], "-i/--iterations needs a value"),
        (["run", "a.py", "--", "-i"], "unexpected argument '-i'"),
        (["run", "a.py", "b.py", "c.py"], "unexpected argument 'b.py'"),
        (["completion", "--", "-x", "y"], "unexpected argument 'y'"),
        (["run", "a.py", "--sedd", "1", "--quite"], "unknown option '--sedd'; did you mean '--seed'?"),
    ],
)
def test_options_that_do_not_fit(words: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert fails(words, capsys) == (2, [f"d4py: error: {text}; see d4py {words[0]} --help"])


@pytest.mark.parametrize("word", ["-5", "-.5", "- a sentence", "-"])
def test_what_begins_with_a_dash_and_is_no_option(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, (line,) = fails(["runs", "one", word], capsys)
    assert code == 2
    assert line == f"d4py: error: unexpected argument {word!r}; see d4py runs --help"


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (InputError("two\n lines\x1b[31m"), 2, "d4py: error: two / lines[31m"),
        (WorkerDied("gone"), 4, "d4py: error: gone"),
        (PEError(FAILURE), 1, f"d4py: error: ValueError: no (in {FAILURE.where()}); --traceback shows where"),
        (KeyboardInterrupt(), 130, "d4py: interrupted"),
        (OSError(28, "No space left on device"), 1, "d4py: error: No space left on device; --traceback shows where"),
        (OSError(13, "Denied", "/x"), 1, "d4py: error: /x: Denied; --traceback shows where"),
        (
            KeyError("x"),
            70,
            f"d4py: error: KeyError: 'x'; {BUG}; --traceback shows what to report",
        ),
    ],
)
def test_every_error_is_one_line_and_a_code(
    run_raises: Failing, error: BaseException, code: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run_raises(error)
    assert fails(["run", "a.py"], capsys) == (code, [line])


def test_a_message_without_end_keeps_its_ends(run_raises: Failing, capsys: pytest.CaptureFixture[str]) -> None:
    run_raises(InputError("begin " + 100_000 * "x" + " end"))
    _, (line,) = fails(["run", "a.py"], capsys)
    assert len(line) < 2000
    assert line.startswith("d4py: error: begin x")
    assert line.endswith("x end")


def test_the_traceback_of_a_bug_is_ours(run_raises: Failing, capsys: pytest.CaptureFixture[str]) -> None:
    run_raises(KeyError("x"))
    code, lines = fails(["run", "a.py", "--traceback"], capsys)
    assert code == 70
    assert lines[0] == "Traceback (most recent call last):"
    assert any("main.py" in line or "test_main.py" in line for line in lines)
    assert lines[-1] == f"d4py: error: KeyError: 'x'; {BUG}"


def test_the_traceback_of_a_pe_is_what_it_brought(run_raises: Failing, capsys: pytest.CaptureFixture[str]) -> None:
    run_raises(PEError(FAILURE))
    _, lines = fails(["run", "a.py", "--traceback"], capsys)
    assert lines == ["Traceback of the user's", f"d4py: error: ValueError: no (in {FAILURE.where()})"]


def test_the_traceback_of_what_the_user_s_code_caused_leaves_ours_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "flow_of_main.py"
    file.write_text("def f():\n    raise ValueError('no')\nf()\n")
    code, lines = fails(["run", str(file), "--traceback"], capsys)
    sys.modules.pop("flow_of_main", None)
    sys.path.remove(str(tmp_path))
    assert code == 2
    assert [line.strip() for line in lines if line.startswith("  File")] == [
        f'File "{file}", line 3, in <module>',
        f'File "{file}", line 2, in f',
    ]
