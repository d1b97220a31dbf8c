"""What `d4py run` makes of its options; nothing is run."""

import argparse
import contextlib
from pathlib import Path
from typing import Any

import pytest

from d4py_adaptive import ConsumerPE, ProducerPE, WorkflowGraph
from d4py_adaptive.cli.loading import pairs
from d4py_adaptive.cli.run import _open_results, _require_place_for_results, add_arguments
from d4py_adaptive.cli.running import _policies, _start_method, inputs_of, notes_on
from d4py_adaptive.dashboard.terminal import TerminalView
from d4py_adaptive.errors import InputError, UnknownName

POLICIES = "--on-error takes stop, skip, retry:N or retry:N,skip"


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(exit_on_error=False, allow_abbrev=False)
    add_arguments(parser)
    return parser.parse_args(["flow.py", *words])


def test_what_is_said_if_nothing_is() -> None:
    assert vars(parsed()) == {
        "workflow": "flow.py", "attribute": None, "param": [], "mapping": "simple", "workers": None,
        "iterations": None, "data": None, "file": None, "seed": None, "on_error": [], "start_method": "",
        "no_fuse": False, "output": None, "overwrite": False, "verify": False, "quiet": False, "traceback": False,
        "split_sources": False, "buffers": None, "profile": "counters",
    }  # fmt: skip


def test_the_letters_of_dispel4py() -> None:
    options = parsed("-a", "graph", "-m", "multi", "-n", "4", "-i", "10", "-p", "a=1", "-p", "b=x=y", "-q")
    assert (options.attribute, options.mapping, options.workers, options.iterations) == ("graph", "multi", 4, 10)
    assert (options.param, options.quiet) == (["a=1", "b=x=y"], True)


@pytest.mark.parametrize("words", [("-i", "1", "-d", "{}"), ("-d", "{}", "-f", "x"), ("-i", "1", "-f", "x")])
def test_inputs_are_given_in_one_way(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises((argparse.ArgumentError, SystemExit)):
        parsed(*words)


def test_numbers() -> None:
    options = parsed("-n", "1", "-i", "0", "--seed", "-7")
    assert (options.workers, options.iterations, options.seed) == (1, 0, -7)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("-n", "0"), "takes a whole number from 1; got 0"),
        (("-n", "x"), "takes a whole number from 1; got x"),
        (("-n", ""), "takes a whole number from 1; got ''"),
        (("-i", "-1"), "takes a whole number from 0; got -1"),
        (("-i", "1e3"), "takes a whole number from 0; got 1e3"),
        (("--seed", "1.0"), "takes a whole number; got 1.0"),
    ],
)
def test_numbers_that_are_none(words: tuple[str, ...], text: str) -> None:
    with pytest.raises(argparse.ArgumentError) as caught:
        parsed(*words)
    assert caught.value.message == text


@pytest.mark.parametrize(
    ("text", "nbytes"),
    [
        ("1", 1),
        ("500MB", 500 * 10**6),
        ("500 mb", 500 * 10**6),
        ("2GiB", 2 * 2**30),
        ("1.5KiB", 1536),
        ("0.001kB", 1),
        (" 64B ", 64),
    ],
)
def test_sizes(text: str, nbytes: int) -> None:
    assert parsed("--buffers", text).buffers == nbytes


@pytest.mark.parametrize("text", ["", "0", "0.5", "MB", "5XB", "1e6", "-1", "5 M B", "1.MB", "1,5GB"])
def test_sizes_that_are_none(text: str) -> None:
    with pytest.raises(argparse.ArgumentError) as caught:
        parsed(f"--buffers={text}")
    said = "takes a size from 1 byte, such as 500MB or 2GiB; got "
    assert caught.value.message == said + (text or "''")


def inputs(*words: str) -> Any:
    return inputs_of(parsed(*words))


def test_inputs(tmp_path: Path) -> None:
    file = tmp_path / "inputs.json"
    file.write_text('{"A": [{"input": "µ"}]}', encoding="utf-8")
    assert inputs() is None
    assert inputs("-i", "0") == 0
    assert inputs("-d", '{"A": 5}') == {"A": 5}
    assert inputs("-f", str(file)) == {"A": [{"input": "µ"}]}


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("-d", "{"), "-d: this is not JSON: Expecting property name enclosed in double quotes: "),
        (("-d", "5"), '-d takes an object, {"PE": 5} or {"PE": [{"port": item}]}; got int'),
        (("-d", "[]"), '-d takes an object, {"PE": 5} or {"PE": [{"port": item}]}; got list'),
        (("-d", '{"A": 1, "A": 2}'), "'A' stands twice in one object of the input data; one of them would be lost"),
        (("-d", '{"A": [{"x": 1, "x": 2}]}'), "'x' stands twice in one object"),
        (("-d", 5000 * "["), "-d: this is not JSON: "),
        (("-f", "{there}/binnary"), "-f: there is no file {there}/binnary; did you mean 'binary'?"),
        (("-f", "{there}/no/where"), "-f: there is no file {there}/no/where"),
        (("-f", "{there}"), "-f: {there} cannot be read: Is a directory"),
        (("-f", "{there}/binary"), "-f: {there}/binary is not text in UTF-8"),
        (("-f", "{there}/text"), "-f {there}/text: this is not JSON: "),
    ],
)
def test_inputs_that_do_not_fit(tmp_path: Path, words: tuple[str, str], text: str) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\xfa")
    (tmp_path / "text").write_text("A: 5")
    with pytest.raises(InputError) as caught:
        inputs(words[0], words[1].replace("{there}", str(tmp_path)))
    assert str(caught.value).startswith(text.replace("{there}", str(tmp_path)))


def test_parameters() -> None:
    assert pairs(["a=1", "b=x=y", "c=", "a=2"], "-p") == {"a": "2", "b": "x=y", "c": ""}


@pytest.mark.parametrize("word", ["a", "=1", "", "="])
def test_parameters_that_are_none(word: str) -> None:
    with pytest.raises(InputError) as caught:
        pairs([word], "-p")
    assert str(caught.value) == f"-p takes NAME=VALUE; got {word!r}"


@pytest.mark.parametrize(
    ("words", "policies"),
    [
        ([], {}),
        (["skip"], {"": "skip"}),
        (["retry:3,skip"], {"": "retry:3,skip"}),
        (["Scale=skip", "stop"], {"Scale": "skip", "": "stop"}),
        (["*=skip"], {"": "skip"}),
    ],
)
def test_policies(words: list[str], policies: dict[str, str]) -> None:
    assert _policies(words) == policies


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("ignore", f"{POLICIES}; got 'ignore'"),
        ("skpi", f"{POLICIES}; got 'skpi'; did you mean 'skip'?"),
        ("Scale=retry", f"{POLICIES}; got 'retry'; did you mean 'retry:N'?"),
        ("Scale=", f"{POLICIES}; got ''"),
        ("=skip", "--on-error takes NAME=VALUE; got '=skip'"),
    ],
)
def test_policies_that_are_none(word: str, text: str) -> None:
    with pytest.raises(InputError) as caught:
        _policies([word])
    assert str(caught.value) == text


def test_start_methods() -> None:
    assert [_start_method(name) for name in ("", "fork", "spawn")] == ["", "fork", "spawn"]
    with pytest.raises(InputError) as caught:
        _start_method("frok")
    assert str(caught.value) == ("--start-method takes fork, forkserver or spawn; got 'frok'; did you mean 'fork'?")


@pytest.mark.parametrize(
    ("words", "useless"),
    [
        ((), []),
        (("-n", "1"), []),
        (("-n", "2"), ["-n"]),
        (("-n", "2", "--start-method", "fork"), ["-n", "--start-method"]),
        (("--buffers", "1GB"), ["--buffers"]),
        (("-m", "multi", "--buffers", "1GB"), []),
        (("-m", "multi", "-n", "2", "--start-method", "fork"), []),
    ],
)
def test_options_that_do_nothing(words: tuple[str, ...], useless: list[str]) -> None:
    assert [note.partition(" ")[0] for note in notes_on(parsed(*words))] == useless


def test_a_mapping_that_there_is_not() -> None:
    with pytest.raises(UnknownName):
        notes_on(parsed("-m", "mutli"))


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--overwrite",), "--overwrite replaces the results that -o writes; say with -o where they are"),
        (("-o", ""), "-o takes the name of a file or folder for results; got ''"),
    ],
)
def test_results_that_cannot_be(words: tuple[str, ...], text: str) -> None:
    with pytest.raises(InputError) as caught:
        _require_place_for_results(parsed(*words))
    assert str(caught.value) == text


def opened(words: tuple[str, ...], end: Any) -> TerminalView:
    graph = WorkflowGraph()
    graph.connect(ProducerPE(), "output", end, "input") if end is not None else graph.add(ProducerPE())
    view = TerminalView(quiet=True)
    with contextlib.ExitStack() as open_files:
        _open_results(parsed(*words), graph.freeze(), view, open_files)
        view.result("ProducerPE0", "output", 5)
    return view


def test_results_have_a_file_for_each_unconnected_output(tmp_path: Path) -> None:
    opened(("-o", f"{tmp_path}/new/"), None)
    assert (tmp_path / "new" / "ProducerPE0.output.jsonl").read_text() == "5\n"


def test_no_file_for_results_is_asked_for(tmp_path: Path) -> None:
    assert opened((), None)._results is None


def test_nothing_to_write_is_an_error() -> None:
    with pytest.raises(InputError, match="-o has nothing to write: this workflow has no output that is left unconn"):
        opened(("-o", "x"), ConsumerPE())
