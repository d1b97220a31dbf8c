"""`d4py run`: run a workflow."""

from __future__ import annotations

import argparse
import contextlib
import copy
import json
import re
import signal
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from d4py_adaptive.errors import InputError, did_you_mean

if TYPE_CHECKING:
    from d4py_adaptive.dashboard.terminal import TerminalView
    from d4py_adaptive.dataflow.workflow import Workflow

SKIPPED_ITEMS = 3
ON_ERROR = ("stop", "skip", "retry:N", "retry:N,skip")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what `d4py run` understands."""
    parser.usage = "d4py run [OPTION ...] WORKFLOW"
    parser.epilog = "d4py MAPPING WORKFLOW is short for d4py run -m MAPPING WORKFLOW."
    _add_workflow(parser.add_argument_group("what to run"))
    _add_inputs(parser.add_argument_group("inputs (one of these)").add_mutually_exclusive_group())
    _add_results(parser.add_argument_group("results"))
    _add_ways_to_run(parser.add_argument_group("how to run it"))
    _add_errors(parser.add_argument_group("when things go wrong"))


def _add_workflow(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("workflow", metavar="WORKFLOW", help="a Python file, or a module, that holds a WorkflowGraph")
    add("-a", "--attribute", metavar="NAME", help="the graph in it, or a function that builds it")
    add("-p", "--param", action="append", default=[], metavar="NAME=VALUE", help="give that function a parameter")


def _add_inputs(group: argparse._MutuallyExclusiveGroup) -> None:
    add = group.add_argument
    often = "how often each source is called, in total; default 1"
    add("-i", "--iterations", type=_whole_number(0), metavar="N", help=often)
    add("-d", "--data", metavar="JSON", help='per PE: {"PE": 5} or {"PE": [{"port": item}, ...]}')
    add("-f", "--file", metavar="FILE", help="a file with the same JSON")


def _add_results(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    where = "write results there as they come: a .jsonl file, or a folder with a file per output"
    add("-o", "--output", metavar="FILE|DIR", help=where)
    add("--overwrite", action="store_true", help="replace earlier results there")
    twice = "run it sequentially too, and compare what comes out (its side effects happen twice)"
    add("--verify", action="store_true", help=twice)
    add("-q", "--quiet", action="store_true", help="no progress, no summary")


def _add_ways_to_run(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("-m", "--mapping", default="simple", help="simple (default), multi, toy")
    most = "most workers of a parallel mapping; default: the usable cores"
    add("-n", "--workers", type=_whole_number(1), metavar="N", help=most)
    add("--start-method", default="", metavar="HOW", help="how worker processes start: fork, forkserver, spawn")
    add("--buffers", type=_size, metavar="SIZE", help="most memory for items under way; default: an eighth of all")
    add("--no-fuse", action="store_true", help="give every PE a stage of its own")
    add("-s", "--split-sources", action="store_true", help="sources share processes, and all else shares the others")
    seed = "seed of random state; every run records the one it had"
    add("--seed", type=_whole_number(), metavar="N", help=seed)


def _add_errors(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    what = "what a failing call does: stop (default), skip, retry:N or retry:N,skip"
    add("--on-error", action="append", default=[], metavar="[PE=]WHAT", help=what)
    add("--traceback", action="store_true", help="print where it happened too")


def call(options: argparse.Namespace) -> int:
    """Do it; the exit code."""
    from d4py_adaptive.cli.loading import load, pairs
    from d4py_adaptive.dashboard.terminal import TerminalView
    from d4py_adaptive.runtime.session import RunOptions, enact

    # All of this comes before the user's file runs, which may take its time: a slip of the pen is told at once.
    run_options = RunOptions(
        mapping=options.mapping,
        workers=options.workers,
        fuse=not options.no_fuse,
        buffer_bytes=options.buffers,
        seed=options.seed,
        start_method=_start_method(options.start_method),
        on_error=_policies(options.on_error),
        digests=options.verify,
    )
    notes = _notes(options)
    inputs = _inputs(options)
    inputs_again = copy.deepcopy(inputs) if options.verify else None
    loaded = load(options.workflow, options.attribute, pairs(options.param, "-p"))
    if options.split_sources and loaded.graph.partitions is None:
        loaded.graph.partition_sources()
    run_options = replace(run_options, by_value=loaded.by_value, workflow=loaded.name)
    # The run listens to signals itself; what comes while its end is being shown is not to spoil that.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with TerminalView(options.quiet) as view, contextlib.ExitStack() as open_files:
        for note in notes:
            view.note(note)
        finished = enact(
            loaded.graph, inputs, run_options, view, lambda workflow: _open_results(options, workflow, view, open_files)
        )
        open_files.close()
        view.finished(finished.record, finished.counters, finished.directory)
        if options.verify:
            from d4py_adaptive.runtime.verification import verify

            view.verified(verify(loaded.graph, inputs_again, run_options, finished))
    return SKIPPED_ITEMS if finished.record.dead_letters else 0


def _open_results(
    options: argparse.Namespace, workflow: Workflow, view: TerminalView, open_files: contextlib.ExitStack
) -> None:
    """Make ready where results are to be written, if anywhere: earlier ones are gone from here on, if they may be."""
    if options.output is not None:
        from d4py_adaptive.runtime.results.writing import open_results

        if not workflow.results:
            raise InputError("-o has nothing to write: this workflow has no output that is left unconnected")
        results = open_results(options.output, options.overwrite, workflow.results)
        view.write_to(open_files.enter_context(results))


def _notes(options: argparse.Namespace) -> list[str]:
    """What the user should know of options that fit but do nothing.

    Raises:
        UnknownName: there is no such mapping.
        InputError: an option lacks what it is for.
    """
    from d4py_adaptive.mappings.base import MAPPINGS

    if options.overwrite and options.output is None:
        raise InputError("--overwrite replaces the results that -o writes; say with -o where they are")
    if options.output == "":
        raise InputError("-o takes the name of a file or folder for results; got ''")
    if MAPPINGS.get(options.mapping).parallel:
        return []
    useless = {
        "-n": (options.workers or 1) > 1, "--start-method": options.start_method, "--buffers": options.buffers
    }  # fmt: skip
    return [
        f"{option} does nothing under {options.mapping}, which has one process; -m multi has several"
        for option, given in useless.items()
        if given
    ]


def _whole_number(least: int | None = None) -> Callable[[str], int]:
    """What makes a number of a word."""

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            pass
        else:
            if least is None or number >= least:
                return number
        raise argparse.ArgumentTypeError(
            f"takes a whole number{'' if least is None else f' from {least}'}; got {text or repr(text)}"
        )

    return read


_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


def _size(text: str) -> int:
    """The bytes that a size with a unit says."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)", text.strip())
    if match and match[2].upper() in _UNITS:
        size = int(float(match[1]) * _UNITS[match[2].upper()])
        if size:
            return size
    raise argparse.ArgumentTypeError(f"takes a size from 1 byte, such as 500MB or 2GiB; got {text or repr(text)}")


def _start_method(name: str) -> str:
    if name:
        from d4py_adaptive.mappings.launch import START_METHODS

        if name not in START_METHODS:
            near = did_you_mean(name, START_METHODS)
            raise InputError(f"--start-method takes {_either(START_METHODS)}; got {name!r}{near}")
    return name


def _inputs(options: argparse.Namespace) -> Any:
    if options.data is not None:
        return _json(options.data, "-d")
    if options.file is not None:
        path = Path(options.file)
        try:
            text = path.read_text(encoding="utf-8-sig")
        except FileNotFoundError:
            near = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
            raise InputError(f"-f: there is no file {path}{did_you_mean(path.name, near)}") from None
        except UnicodeDecodeError:
            raise InputError(f"-f: {path} is not text in UTF-8") from None
        except OSError as error:
            raise InputError(f"-f: {path} cannot be read: {error.strerror}") from error
        return _json(text, f"-f {path}")
    return options.iterations


def _json(text: str, where: str) -> dict[str, Any]:
    try:
        value = json.loads(text, object_pairs_hook=_each_once)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: this is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise InputError(
            f'{where} takes an object, {{"PE": 5}} or {{"PE": [{{"port": item}}]}}; got {type(value).__name__}'
        )
    return value


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The pairs of an object; of two with one name Python would drop the first without a word."""
    values = dict(pairs)
    if len(values) < len(pairs):
        twice, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise InputError(f"{twice!r} stands twice in one object of the input data; one of them would be lost")
    return values


def _policies(words: list[str]) -> dict[str, str]:
    """What `--on-error` says: `PE=WHAT` for one PE, `WHAT` for all."""
    from d4py_adaptive.cli.loading import pairs
    from d4py_adaptive.errors import WorkflowError
    from d4py_adaptive.mappings.error_policy import parse_policy

    policies = pairs([word if "=" in word else f"*={word}" for word in words], "--on-error")
    for what in policies.values():
        try:
            parse_policy(what, "--on-error")
        except WorkflowError as error:
            near = did_you_mean(what, ON_ERROR)
            raise InputError(f"--on-error takes {_either(ON_ERROR)}; got {what!r}{near}") from error
    return {"" if name == "*" else name: what for name, what in policies.items()}


def _either(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"
