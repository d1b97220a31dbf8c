"""`d4py completion`: what makes a shell complete d4py commands."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from typing import Any

SHELLS = {
    "bash": 'eval "$(d4py completion bash)"    in ~/.bashrc',
    "zsh": 'eval "$(d4py completion zsh)"     in ~/.zshrc, after compinit',
    "fish": "d4py completion fish | source     in ~/.config/fish/config.fish",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what `d4py completion` understands."""
    parser.add_argument("shell", metavar="SHELL", help=f"one of {', '.join(SHELLS)}")
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "\n  ".join(["what to write where:", *SHELLS.values()])


def call(options: argparse.Namespace) -> int:
    """Print it; the exit code."""
    import shtab

    from d4py_adaptive.cli.main import VERBS, command_parser
    from d4py_adaptive.errors import UnknownName
    from d4py_adaptive.mappings.base import MAPPINGS

    if options.shell not in SHELLS:
        raise UnknownName("shell", options.shell, SHELLS)
    mappings = tuple(MAPPINGS)
    parser, verbs = command_parser(VERBS)
    for of_verb in verbs.values():
        _say_what_fits(of_verb._actions, mappings)
    verbs |= dict.fromkeys(mappings, verbs["run"])  # in the table of the parser itself
    print(shtab.complete(parser, options.shell))
    return 0


def _say_what_fits(arguments: Iterable[Any], mappings: Sequence[str]) -> None:
    """Tell the library what may stand in the place of each argument; a name means the same in every verb."""
    import shtab

    from d4py_adaptive.mappings.launch import START_METHODS

    choices = {
        "mapping": mappings,
        "on_error": ("stop", "skip"),
        "run": ("last",),
        "shell": tuple(SHELLS),
        "start_method": START_METHODS,
    }
    for argument in arguments:
        if isinstance(argument, argparse._SubParsersAction):
            for action in argument.choices.values():
                _say_what_fits(action._actions, mappings)
        elif argument.dest in choices:
            argument.choices = choices[argument.dest]
        elif argument.dest in ("workflow", "target"):
            # The library's own pattern for zsh, (*.py), is a list of qualifiers there and matches nothing.
            argument.complete = {**shtab.glob("*.py"), "zsh": "_files -g '*.py'"}
        elif "FILE" in str(argument.metavar):
            argument.complete = shtab.FILE
