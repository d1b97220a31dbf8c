"""`d4py`: finds the verb, and turns errors into one line and an exit code."""

from __future__ import annotations

import argparse
import os
import re
import sys
from importlib import import_module

from d4py_adaptive.cli.obituaries import tell_of_dead_runs

TYPE_CHECKING = False  # see d4py_adaptive/__init__.py
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import NoReturn

# Imported when asked for: `d4py --help` has to be quick.
VERBS = {
    "run": "run a workflow",
    "diagnose": "say what limits a workflow or a run, and what to do about it",
    "runs": "list the runs that are kept, or show one",
    "profiles": "list what was measured of workflows, or show one",
    "draw": "draw a workflow's graph",
    "doctor": "show what this machine can do, and what it lacks",
    "completion": "print what makes a shell complete d4py commands",
}

_BUG = 70  # what sysexits.h calls EX_SOFTWARE
_INTERRUPTED = 130
_BROKEN_PIPE = 141

_LONGEST_MESSAGE = 1500
_PACKAGE = __file__.rpartition("cli")[0]

# What argparse says, and how it reads beside our own messages.
_PLAINER = (
    (r"^the following arguments are required: (.*)$", r"\1 is missing"),
    (r"^argument ([^:]*): ", r"\1 "),
    (r"^(\S+) expected one argument$", r"\1 needs a value"),
    (r"^(\S+) not allowed with argument (\S+)$", r"\1 and \2 cannot be given together"),
    (r"^(\S+) ignored explicit argument ", r"\1 takes no value; got "),
    (r"^(\S+) invalid choice: (.*) \(choose from (.*)\)$", r"\1 takes one of \3; got \2"),
)


class _Parser(argparse.ArgumentParser):
    """Says what is wrong with a command line as everything else here does: by an error, in one line."""

    def error(self, message: str) -> NoReturn:
        """Raise it.

        Raises:
            InputError: always.
        """
        from d4py_adaptive.errors import InputError

        for pattern, plainer in _PLAINER:
            message = re.sub(pattern, plainer, message)
        raise InputError(f"{message}; see {self.prog} --help")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the `d4py` command; its exit code.

    0 is success, 1 a failed run, 2 a wrong command line or workflow, 3 a run that skipped items, 4 a worker that
    died, 70 a bug of this package, 128 and the signal's number an interrupted run.
    """
    _open_standard_streams()
    words = sys.argv[1:] if arguments is None else list(arguments)
    try:
        code = _obey(words)
        sys.stdout.flush()
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - not even a bug of ours is to fill the screen
        return _failed(error, "--traceback" in words)
    return code


def _obey(words: list[str]) -> int:
    """Do what the words say; the exit code."""
    if words[:1] == ["--version"]:
        from importlib.metadata import version

        print(f"d4py {version('d4py_adaptive')}")
        return 0
    if words[:1] in ([], ["-h"], ["--help"]):
        command_parser(())[0].print_help()
        return 0
    verb, *words = _verb_first(words)
    options = _parse(command_parser((verb,))[1][verb], words)
    if verb != "completion":  # which shells call while they start
        tell_of_dead_runs()
    code: int = import_module(f"d4py_adaptive.cli.{verb}").call(options)
    return code


def _open_standard_streams() -> None:
    """Put nothing in the place of those that were closed, which the next file or socket would take otherwise."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            opened = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, open(opened, "w" if number else "r", closefd=False))  # noqa: SIM115


def command_parser(verbs: Iterable[str]) -> tuple[_Parser, dict[str, _Parser]]:
    """The parser of the command, and those of the verbs; only `verbs` know their options, as that imports them."""
    parser = _Parser(
        prog="d4py",
        usage="d4py VERB [OPTION ...]",
        description="Run stream workflows in the dispel4py tradition.",
        epilog="d4py VERB --help says more of a verb.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="store_true", help="print the version and leave")
    known = parser.add_subparsers(metavar="VERB [OPTION ...]", title="verbs")
    for verb, summary in VERBS.items():
        description = f"{summary[0].upper()}{summary[1:]}."
        of_verb = known.add_parser(verb, help=summary, description=description, prog=f"d4py {verb}", allow_abbrev=False)
        if verb in verbs:
            import_module(f"d4py_adaptive.cli.{verb}").add_arguments(of_verb)
    return parser, known.choices


def _verb_first(words: list[str]) -> list[str]:
    """The words with a verb in front: a mapping's name means to run with it, as dispel4py's command had it."""
    first = words[0]
    if first in VERBS:
        return words
    import shlex

    from d4py_adaptive.errors import InputError, did_you_mean
    from d4py_adaptive.mappings.base import MAPPINGS

    if first in MAPPINGS:
        return ["run", "-m", *words]
    if first.startswith("-") and (near := _near(first, ["-h", "--help", "--version"])):
        raise InputError(f"unknown option {first!r}{near}; see d4py --help")
    if first.startswith("-") or "." in first or "/" in first:
        verb = next((word for word in words if word in VERBS), "run")
        rest = [word for word in words if word != verb]
        raise InputError(f"a verb comes first; type: {shlex.join(['d4py', verb, *rest])}")
    near = did_you_mean(first, [*VERBS, *MAPPINGS])
    raise InputError(f"unknown verb {first!r}{near}; verbs: {', '.join(VERBS)}; mappings: {', '.join(MAPPINGS)}")


def _parse(parser: argparse.ArgumentParser, words: list[str]) -> argparse.Namespace:
    """What the words say; a mistyped option is named before argparse takes its value for something else."""
    known = list(parser._option_string_actions)
    for word in words[: words.index("--") if "--" in words else None]:
        name = word.partition("=")[0]
        fits = name in known or (word[:2] in known and not word.startswith("--"))
        if word.startswith("-") and word != "-" and not fits and not re.match(r"-\.?\d", word) and " " not in word:
            parser.error(f"unknown option {name!r}{_near(name, known)}")
    options, unexpected = parser.parse_known_args(words)
    if unexpected:
        surplus = next((word for word in unexpected if word != "--"), "--")
        parser.error(f"unexpected argument {surplus!r}")
    return options


def _near(option: str, known: list[str]) -> str:
    """The nearest option; one letter resembles any other, so only itself in the other case is near."""
    from d4py_adaptive.errors import did_you_mean

    return did_you_mean(option, known if len(option) > 2 else [name for name in known if name == option.swapcase()])


def _failed(error: BaseException, with_traceback: bool) -> int:
    """Say in one line what went wrong; the exit code."""
    from d4py_adaptive.errors import D4pyError, PEError

    if isinstance(error, KeyboardInterrupt):
        print("d4py: interrupted", file=sys.stderr)
        return _INTERRUPTED
    message, hint, code = f"{error}", "shows where", 1
    if isinstance(error, D4pyError):
        hint, code = hint if isinstance(error, PEError) else "", error.exit_code
    elif isinstance(error, OSError):
        if isinstance(error, BrokenPipeError) and _nobody_reads():
            _forget_what_cannot_be_written()
            return _BROKEN_PIPE
        _forget_what_cannot_be_written()
        message = ": ".join(map(str, filter(None, (error.filename, error.strerror)))) or message
    else:
        message = f"{type(error).__name__}: {error}; this is a bug in d4py_adaptive, please report it"
        hint, code = "shows what to report", _BUG
    if with_traceback:
        _print_traceback(error)
    more = f"; --traceback {hint}" if hint and not with_traceback else ""
    print(f"d4py: error: {_one_line(message)}{more}", file=sys.stderr)
    return code


def _one_line(message: str) -> str:
    """The message without what would steer the terminal, its lines joined, its middle left out if it is endless."""
    from d4py_adaptive.dashboard.text import plain

    line = " / ".join(plain(part).strip() for part in message.splitlines() if part.strip())
    half = _LONGEST_MESSAGE // 2
    return line if len(line) <= _LONGEST_MESSAGE else f"{line[:half]} ... {line[-half:]}"


def _nobody_reads() -> bool:
    """Whether standard output is a pipe whose reader has gone."""
    import select

    poll = select.poll()
    poll.register(1, select.POLLOUT)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def _forget_what_cannot_be_written() -> None:
    """Keep what is left for a standard output that takes nothing from failing once more at exit."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _print_traceback(error: BaseException) -> None:
    """What the user's code raised, from its own first line on; where there is none of it, all."""
    import traceback

    from d4py_adaptive.dashboard.text import plain
    from d4py_adaptive.errors import PEError

    if isinstance(error, PEError):
        text = error.failure.traceback
    else:
        raised = error.__cause__ or error
        step = raised.__traceback__
        while step is not None and step.tb_frame.f_code.co_filename.startswith((_PACKAGE, "<frozen importlib")):
            step = step.tb_next
        text = "".join(traceback.format_exception(type(raised), raised, step or raised.__traceback__))
    print("\n".join(map(plain, text.splitlines())), file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
