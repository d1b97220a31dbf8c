"""What the scripts for shells hold; tests/integration presses Tab in real ones."""

from __future__ import annotations

import argparse

import pytest

from d4py_adaptive.cli.completion import SHELLS, call
from d4py_adaptive.cli.main import VERBS, command_parser
from d4py_adaptive.errors import UnknownName
from d4py_adaptive.mappings.base import MAPPINGS
from d4py_adaptive.mappings.launch import START_METHODS


@pytest.mark.parametrize("shell", SHELLS)
def test_every_verb_option_and_choice_is_in_it(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(argparse.Namespace(shell=shell)) == 0
    script = capsys.readouterr().out
    _, verbs = command_parser(VERBS)
    options = [name for parser in verbs.values() for name in parser._option_string_actions]
    words = [*VERBS, *MAPPINGS, *START_METHODS, *SHELLS, *(name.lstrip("-") for name in options)]
    assert [word for word in words if word not in script] == []
    assert "*.py" in script


def test_a_shell_that_there_is_not() -> None:
    with pytest.raises(UnknownName) as caught:
        call(argparse.Namespace(shell="bsh"))
    assert str(caught.value) == "unknown shell 'bsh'; did you mean 'bash'?; known: bash, fish, zsh"
