"""What `d4py run` makes of its options; nothing is run."""

import argparse
from pathlib import Path
from typing import Any

import pytest

from d4py_adaptive.cli.run import _inputs, _parameters, _policies, add_arguments
from d4py_adaptive.errors import InputError


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(exit_on_error=False, allow_abbrev=False)
    add_arguments(parser)
    return parser.parse_args(["flow.py", *words])


def test_what_is_said_if_nothing_is() -> None:
    assert vars(parsed()) == {
        "workflow": "flow.py", "attribute": None, "param": [], "mapping": "simple", "workers": None,
        "iterations": None, "data": None, "file": None, "seed": None, "on_error": [], "start_method": "",
        "no_fuse": False, "verify": False, "quiet": False, "traceback": False,
    }  # fmt: skip


def test_the_letters_of_dispel4py() -> None:
    options = parsed("-a", "graph", "-m", "multi", "-n", "4", "-i", "10", "-p", "a=1", "-p", "b=x=y", "-q")
    assert (options.attribute, options.mapping, options.workers, options.iterations) == ("graph", "multi", 4, 10)
    assert (options.param, options.quiet) == (["a=1", "b=x=y"], True)


@pytest.mark.parametrize("words", [("-i", "1", "-d", "{}"), ("-d", "{}", "-f", "x"), ("-i", "1", "-f", "x")])
def test_inputs_are_given_in_one_way(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises((argparse.ArgumentError, SystemExit)):
        parsed(*words)


def inputs(*words: str) -> Any:
    return _inputs(parsed(*words))


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
        (("-i", "-3"), "-i takes a number from 0; got -3"),
        (("-d", "{"), "-d: this is not JSON: Expecting property name enclosed in double quotes: "),
        (("-d", "5"), '-d takes an object, {"PE": 5} or {"PE": [{"port": item}]}; got int'),
        (("-d", "[]"), '-d takes an object, {"PE": 5} or {"PE": [{"port": item}]}; got list'),
        (("-f", "{there}/none"), "-f: {there}/none cannot be read: "),
        (("-f", "{there}"), "-f: {there} cannot be read: "),
        (("-f", "{there}/binary"), "-f: {there}/binary cannot be read: "),
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
    assert _parameters(["a=1", "b=x=y", "c=", "a=2"]) == {"a": "2", "b": "x=y", "c": ""}


@pytest.mark.parametrize("word", ["a", "=1", "", "="])
def test_parameters_that_are_none(word: str) -> None:
    with pytest.raises(InputError) as caught:
        _parameters([word])
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
        ("ignore", "--on-error: on_error is 'stop', 'skip', 'retry:N' or 'retry:N,skip'; got 'ignore'"),
        ("Scale=retry", "--on-error Scale: on_error is 'stop', 'skip', 'retry:N' or 'retry:N,skip'; got 'retry'"),
        ("Scale=", "--on-error Scale: on_error is 'stop', 'skip', 'retry:N' or 'retry:N,skip'; got ''"),
        ("=skip", "--on-error takes NAME=VALUE; got '=skip'"),
    ],
)
def test_policies_that_are_none(word: str, text: str) -> None:
    with pytest.raises(InputError) as caught:
        _policies([word])
    assert str(caught.value) == text
