"""`d4py run`: run a workflow."""

from __future__ import annotations

import argparse
import json
import signal
from pathlib import Path
from typing import Any

from d4py_adaptive.errors import InputError

SKIPPED_ITEMS = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what `d4py run` understands."""
    parser.add_argument("workflow", help="a Python file, or a module, that holds a WorkflowGraph")
    parser.add_argument("-a", "--attribute", metavar="NAME", help="the graph in it, or a function that builds it")
    parser.add_argument(
        "-p",
        "--param",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="give that function a parameter",
    )
    parser.add_argument("-m", "--mapping", default="simple", help="how to run it: simple (default), multi, toy")
    parser.add_argument(
        "-n",
        "--workers",
        type=int,
        metavar="N",
        help="most workers of a parallel mapping; default: the usable cores",
    )
    inputs = parser.add_mutually_exclusive_group()
    inputs.add_argument(
        "-i",
        "--iterations",
        type=int,
        metavar="N",
        help="how often each source is called, in total; default 1",
    )
    inputs.add_argument("-d", "--data", metavar="JSON", help='inputs per PE: {"PE": 5} or {"PE": [{"port": item}, …]}')
    inputs.add_argument("-f", "--file", metavar="FILE", help="a file with the same JSON")
    parser.add_argument("--seed", type=int, help="seed of random state; every run records the one it had")
    parser.add_argument(
        "--on-error",
        action="append",
        default=[],
        metavar="[PE=]WHAT",
        help="a failing call: stop, skip, retry:N or retry:N,skip",
    )
    parser.add_argument(
        "--start-method",
        default="",
        metavar="HOW",
        help="how worker processes start: fork, forkserver, spawn",
    )
    parser.add_argument("--no-fuse", action="store_true", help="give every PE a stage of its own")
    parser.add_argument(
        "--verify",
        action="store_true",
        help="run it sequentially too, and compare what comes out (its side effects happen twice)",
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress, no summary")
    parser.add_argument("--traceback", action="store_true", help="on an error, print where it happened too")


def call(options: argparse.Namespace) -> int:
    """Do it; the exit code."""
    from d4py_adaptive.cli.loading import load
    from d4py_adaptive.dashboard.terminal import TerminalView
    from d4py_adaptive.runtime.session import RunOptions, enact

    loaded = load(options.workflow, options.attribute, _parameters(options.param))
    run_options = RunOptions(
        mapping=options.mapping,
        workers=options.workers,
        fuse=not options.no_fuse,
        seed=options.seed,
        start_method=options.start_method,
        on_error=_policies(options.on_error),
        by_value=loaded.by_value,
        digests=options.verify,
        workflow=loaded.name,
    )
    # The run listens to signals itself; what comes while its end is being shown is not to spoil that.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with TerminalView(quiet=options.quiet) as view:
        finished = enact(loaded.graph, _inputs(options), run_options, view)
        view.finished(finished.record, finished.counters, finished.directory)
        if options.verify:
            from d4py_adaptive.runtime.verification import verify

            view.verified(verify(loaded.graph, _inputs(options), run_options, finished))
    return SKIPPED_ITEMS if finished.record.dead_letters else 0


def _inputs(options: argparse.Namespace) -> Any:
    if options.iterations is not None:
        if options.iterations < 0:
            raise InputError(f"-i takes a number from 0; got {options.iterations}")
        return options.iterations
    if options.data is not None:
        return _json(options.data, "-d")
    if options.file is not None:
        try:
            text = Path(options.file).read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"-f: {options.file} cannot be read: {error}") from error
        return _json(text, f"-f {options.file}")
    return None


def _json(text: str, where: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise InputError(f"{where}: this is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise InputError(
            f'{where} takes an object, {{"PE": 5}} or {{"PE": [{{"port": item}}]}}; got {type(value).__name__}'
        )
    return value


def _pairs(words: list[str], option: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise InputError(f"{option} takes NAME=VALUE; got {word!r}")
        pairs[name] = value
    return pairs


def _parameters(words: list[str]) -> dict[str, str]:
    return _pairs(words, "-p")


def _policies(words: list[str]) -> dict[str, str]:
    """What `--on-error` says: `PE=WHAT` for one PE, `WHAT` for all."""
    from d4py_adaptive.errors import WorkflowError
    from d4py_adaptive.mappings.error_policy import parse_policy

    policies = _pairs([word if "=" in word else f"*={word}" for word in words], "--on-error")
    policies = {"" if name == "*" else name: what for name, what in policies.items()}
    for name, what in policies.items():
        try:
            parse_policy(what, f"--on-error {name}".strip())
        except WorkflowError as error:
            raise InputError(str(error)) from error
    return policies
