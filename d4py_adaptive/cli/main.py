"""`d4py`: finds the verb, and turns errors into one line and an exit code."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module

TYPE_CHECKING = False  # see d4py_adaptive/__init__.py
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import NoReturn

# Imported when asked for: `d4py --help` has to be quick.
VERBS = {
    "run": "run a workflow",
    "runs": "list the runs that are kept, or show one",
}

_INTERRUPTED = 130
_BROKEN_PIPE = 141


class _Parser(argparse.ArgumentParser):
    """Says what is wrong with a command line in one line."""

    def error(self, message: str) -> NoReturn:
        """Say it, and leave."""
        self.exit(2, f"d4py: error: {message}; see {self.prog} --help\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the `d4py` command; its exit code.

    0 is success, 1 a failed run, 2 a wrong command line or workflow, 3 a run that skipped items, 4 a worker that
    died, 128 and the signal's number an interrupted run.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    parser = _Parser(prog="d4py", description="Run stream workflows in the dispel4py tradition.", allow_abbrev=False)
    parser.add_argument("--version", action="store_true", help="print the version and leave")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB")
    chosen = next((word for word in arguments if not word.startswith("-")), None)
    for verb, summary in VERBS.items():
        subparser = verbs.add_parser(verb, help=summary, description=f"{summary.capitalize()}.", allow_abbrev=False)
        if verb == chosen:
            import_module(f"d4py_adaptive.cli.{verb}").add_arguments(subparser)
    options = _parse(parser, chosen, arguments)
    if options.version:
        from importlib.metadata import version

        print(f"d4py {version('d4py_adaptive')}")
        return 0
    if options.verb is None:
        parser.print_help()
        return 0
    return _call(options)


def _parse(parser: argparse.ArgumentParser, chosen: str | None, arguments: list[str]) -> argparse.Namespace:
    if chosen is not None and chosen not in VERBS:
        parser.exit(2, f"d4py: error: unknown verb {chosen!r}{_nearest(chosen, VERBS)}; verbs: {', '.join(VERBS)}\n")
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        word = unknown[0].partition("=")[0]
        near = _nearest(word, _option_names(parser, chosen))
        parser.exit(2, f"d4py: error: unknown option or argument {word!r}{near}\n")
    return options


def _nearest(word: str, known: Iterable[str]) -> str:
    from d4py_adaptive.errors import did_you_mean

    return did_you_mean(word, known)


def _option_names(parser: argparse.ArgumentParser, chosen: str | None) -> list[str]:
    names: list[str] = []
    for action in parser._actions:
        names += action.option_strings
        if isinstance(action, argparse._SubParsersAction) and chosen in action.choices:
            names += _option_names(action.choices[chosen], None)
    return names


def _call(options: argparse.Namespace) -> int:
    from d4py_adaptive.cli.obituaries import tell_of_dead_runs
    from d4py_adaptive.errors import D4pyError, PEError

    tell_of_dead_runs()
    try:
        code: int = import_module(f"d4py_adaptive.cli.{options.verb}").call(options)
    except D4pyError as error:
        if getattr(options, "traceback", False):
            _print_traceback(error)
        hint = "; --traceback shows where" if isinstance(error, PEError) and not options.traceback else ""
        print(f"d4py: error: {_one_line(error)}{hint}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("d4py: interrupted", file=sys.stderr)
        return _INTERRUPTED
    except BrokenPipeError:
        if not _nobody_reads():
            raise
        import os

        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 - for what is flushed at exit
        return _BROKEN_PIPE
    return code


def _one_line(error: BaseException) -> str:
    """The message without what would steer the terminal, its lines joined."""
    from d4py_adaptive.dashboard.text import plain

    return " / ".join(plain(line).strip() for line in str(error).splitlines() if line.strip())


def _nobody_reads() -> bool:
    """Whether standard output is a pipe whose reader has gone."""
    import select

    poll = select.poll()
    poll.register(1, select.POLLOUT)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def _print_traceback(error: BaseException) -> None:
    from d4py_adaptive.errors import PEError

    if isinstance(error, PEError):
        from d4py_adaptive.dashboard.text import plain

        print("\n".join(map(plain, error.failure.traceback.splitlines())), file=sys.stderr)
    else:
        import traceback

        traceback.print_exception(error)


if __name__ == "__main__":
    sys.exit(main())
