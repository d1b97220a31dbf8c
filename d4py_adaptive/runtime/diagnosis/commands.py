"""The command line that runs the same workflow in another way."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

_MAPPINGS = ("simple", "multi", "toy", "mpi", "storm", "spark")
_WITH_VALUE = {
    "-a": "--attribute", "-p": "--param", "-i": "--iterations", "-d": "--data", "-f": "--file", "-o": "--output",
    "--start-method": "", "--buffers": "", "--seed": "", "--on-error": "",
}  # fmt: skip
_ALONE = {"--overwrite", "-s", "--split-sources", "--no-fuse"}
_PARALLEL = ("--no-fuse", "--split-sources", "-s", "--start-method", "--buffers")
"""What does nothing in one process."""


@dataclass(frozen=True, slots=True)
class CommandLine:
    """What `d4py run` was, or could have been, called with.

    Attributes:
        target: the workflow.
        kept: the options that say what to run and with what input, as they were given.
    """

    target: str
    kept: tuple[str, ...] = ()

    def __call__(self, workers: int, without: tuple[str, ...] = (), extra: str = "", before: str = "") -> str:
        """The command that runs it on so many workers.

        Args:
            workers: how many; 1 is sequential.
            without: options to leave out.
            extra: options to add.
            before: what to set in the environment.
        """
        how = f" -m multi -n {workers}" if workers > 1 else ""
        dropped = {*without, *extra.split(), *(_PARALLEL if workers == 1 else ())}
        words = [*_left(self.kept, dropped), *extra.split(), self.target]
        return f"{before + ' ' if before else ''}d4py run{how} {shlex.join(words)}"

    def has(self, option: str) -> bool:
        """Whether it was called with this option."""
        return option in self.kept


def command_line(command: str, target: str) -> CommandLine:
    """What to keep of a run's command line: all that `d4py run` understands, but for mapping and workers.

    A command that is not `d4py`'s (a script that calls the API) gives nothing to keep.
    """
    try:
        words = shlex.split(command)
    except ValueError:
        return CommandLine(target)
    verbs = [at for at, word in enumerate(words[:4]) if word in ("run", "diagnose", *_MAPPINGS)]
    if not verbs:
        return CommandLine(target)
    kept: list[str] = []
    rest = words[verbs[0] + 1 :]
    while rest:
        word = rest.pop(0)
        name, is_joined = _name(word), "=" in word and word.startswith("--")
        if name in _ALONE:
            kept.append(word)
        elif name in _WITH_VALUE and (is_joined or len(name) < len(word) or rest):
            kept += [word] if is_joined or (not word.startswith("--") and len(word) > 2) else [word, rest.pop(0)]
    return CommandLine(target, tuple(kept))


def _name(word: str) -> str:
    """The option that a word gives, in its short form if it has one; the word itself where it is none."""
    if word.startswith("--"):
        long = word.split("=", 1)[0]
        return next((short for short, other in _WITH_VALUE.items() if other == long), long)
    return word[:2] if word.startswith("-") else word


def _left(kept: tuple[str, ...], without: set[str]) -> list[str]:
    """The options but for some, each with its value."""
    words, left = list(kept), []
    while words:
        word = words.pop(0)
        valued = _takes_next(word)
        option = [word, words.pop(0)] if valued and words else [word]
        if _name(word) not in without and word not in without:
            left += option
    return left


def _takes_next(word: str) -> bool:
    return _name(word) in _WITH_VALUE and "=" not in word and (word.startswith("--") or len(word) == 2)
