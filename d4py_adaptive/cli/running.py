"""What a command line says of a run: which workflow, with what, and how; the same for every verb that runs one."""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from d4py_adaptive.errors import InputError, did_you_mean

if TYPE_CHECKING:
    from d4py_adaptive.runtime.loading import Loaded
    from d4py_adaptive.runtime.session import RunOptions

ON_ERROR = ("stop", "skip", "retry:N", "retry:N,skip")


def add_builder(group: argparse._ArgumentGroup) -> None:
    """How the graph is found and built."""
    add = group.add_argument
    add("-a", "--attribute", metavar="NAME", help="the graph in it, or a function that builds it")
    add("-p", "--param", action="append", default=[], metavar="NAME=VALUE", help="give that function a parameter")


def add_inputs(group: argparse._MutuallyExclusiveGroup) -> None:
    """What it starts from."""
    add = group.add_argument
    often = "how often each source is called, in total; default 1"
    add("-i", "--iterations", type=whole_number(0), metavar="N", help=often)
    add("-d", "--data", metavar="JSON", help='per PE: {"PE": 5} or {"PE": [{"port": item}, ...]}')
    add("-f", "--file", metavar="FILE", help="a file with the same JSON")


def add_ways_to_run(group: argparse._ArgumentGroup) -> None:
    """How it is enacted."""
    add = group.add_argument
    add("-m", "--mapping", default="simple", help="simple (default), multi, toy")
    most = "most workers of a parallel mapping; default: the usable cores"
    add("-n", "--workers", type=whole_number(1), metavar="N", help=most)
    add("--start-method", default="", metavar="HOW", help="how worker processes start: fork, forkserver, spawn")
    add("--buffers", type=_size, metavar="SIZE", help="most memory for items under way; default: an eighth of all")
    add("--no-fuse", action="store_true", help="give every PE a stage of its own")
    add("-s", "--split-sources", action="store_true", help="sources share processes, and all else shares the others")
    seed = "seed of random state; every run records the one it had"
    add("--seed", type=whole_number(), metavar="N", help=seed)


def add_errors(group: argparse._ArgumentGroup) -> None:
    """What happens when things go wrong."""
    add = group.add_argument
    what = "what a failing call does: stop (default), skip, retry:N or retry:N,skip"
    add("--on-error", action="append", default=[], metavar="[PE=]WHAT", help=what)
    add("--traceback", action="store_true", help="print where it happened too")


def options_of(options: argparse.Namespace) -> RunOptions:
    """How the workflow is to be run.

    Raises:
        InputError: a word is unknown.
    """
    from d4py_adaptive.runtime.session import RunOptions

    return RunOptions(
        mapping=options.mapping,
        workers=options.workers,
        fuse=not options.no_fuse,
        buffer_bytes=options.buffers,
        seed=options.seed,
        start_method=_start_method(options.start_method),
        on_error=_policies(options.on_error),
    )


def load_workflow(options: argparse.Namespace, target: str) -> Loaded:
    """The workflow, as its user wants it placed.

    Raises:
        LoadError: it cannot be loaded.
    """
    from d4py_adaptive.cli.loading import load, pairs

    loaded = load(target, options.attribute, pairs(options.param, "-p"))
    if options.split_sources and loaded.graph.partitions is None:
        loaded.graph.partition_sources()
    return loaded


def notes_on(options: argparse.Namespace) -> list[str]:
    """What the user should know of options that fit but do nothing.

    Raises:
        UnknownName: there is no such mapping.
    """
    from d4py_adaptive.mappings.base import MAPPINGS

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


def whole_number(least: int | None = None) -> Callable[[str], int]:
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


def inputs_of(options: argparse.Namespace) -> Any:
    """What the workflow starts from.

    Raises:
        InputError: it is no JSON of the right form, or the file cannot be read.
    """
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
