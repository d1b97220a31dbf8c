"""`d4py diagnose`: what limits a workflow or a run, and what to do about it."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from d4py_adaptive.cli import running
from d4py_adaptive.errors import InputError, RunError

if TYPE_CHECKING:
    from d4py_adaptive.telemetry.diagnosis import Diagnosis
    from d4py_adaptive.telemetry.run_directory import RunDirectory


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what `d4py diagnose` understands."""
    parser.usage = "d4py diagnose [OPTION ...] WORKFLOW|RUN|TRACE.csv ..."
    parser.description = "Say what limits a workflow or a run, what to do about it, and where the time went."
    parser.epilog = "docs/diagnose.md explains the screen, and what each cause means."
    what = parser.add_argument_group("what to diagnose")
    names = "a workflow, which is run with a full profile; a run's name, or last; or timings of another system"
    what.add_argument("target", nargs="+", metavar="WORKFLOW|RUN|TRACE.csv", help=names)
    running.add_builder(what)
    part = "stop the sources after 30s, 2min, or so many items of each; nothing of it replaces what whole runs measured"
    what.add_argument("--sample", type=_sample, metavar="30s|N", default=(None, None), help=part)
    _add_reports(parser.add_argument_group("what to show"))
    running.add_inputs(parser.add_argument_group("inputs of a workflow (one of these)").add_mutually_exclusive_group())
    running.add_ways_to_run(parser.add_argument_group("how to run a workflow"))
    running.add_errors(parser.add_argument_group("when things go wrong"))


def _add_reports(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--details", action="store_true", help="everything, however long")
    add("--json", metavar="FILE", help="the same as JSON, docs/diagnosis.schema.json; - is standard output")
    add("--html", metavar="FILE", help="a report with pictures, in one file")
    add("--trace", metavar="FILE", help="what each instance did when, for ui.perfetto.dev or chrome://tracing")
    add("--speedscope", metavar="FILE", help="the same for speedscope.app")
    add("-q", "--quiet", action="store_true", help="no screen and no progress, only the files that are asked for")


def call(options: argparse.Namespace) -> int:
    """Do it; the exit code."""
    from d4py_adaptive.telemetry.run_directory import d4py_home

    _require_places(options)
    traces = [name for name in options.target if name.endswith((".csv", ".json"))]
    if traces and traces != options.target:
        raise InputError(
            "timings of another system are diagnosed alone: give nothing but its .csv and .json files, all of one run"
        )
    if traces:
        from d4py_adaptive.runtime.examination import examine_trace

        _refuse_options_of_runs(options, f"{traces[0]} holds timings of a run that has ended")
        diagnosis = examine_trace([Path(name) for name in traces])
    elif len(options.target) > 1:
        raise InputError(f"one workflow or run at a time; got {len(options.target)}: {', '.join(options.target)}")
    else:
        run = _run_named(d4py_home(), options.target[0])
        diagnosis = _of_workflow(options, options.target[0]) if run is None else _of_run(options, run)
    _report(options, diagnosis)
    return 0


def _run_named(home: Path, name: str) -> RunDirectory | None:
    """The run that a word names; None if it names a workflow."""
    from d4py_adaptive.telemetry.run_directory import RunDirectory, find_run

    path = Path(name)
    if (path / "run.json").is_file():
        return RunDirectory(path.resolve())
    if (
        path.exists()
        or name.endswith(".py")
        or Path(f"{name}.py").exists()
        or not (name == "last" or re.fullmatch(r"[0-9a-f.-]*\d[0-9a-f.-]*", name))
    ):
        return None
    return find_run(home, name)


def _of_run(options: argparse.Namespace, run: RunDirectory) -> Diagnosis:
    from d4py_adaptive.runtime.examination import examine_run

    _refuse_options_of_runs(options, f"{run.id} is a run that has ended")
    return examine_run(run, note=_note)


def _refuse_options_of_runs(options: argparse.Namespace, what: str) -> None:
    """Refuse options that say how a workflow is run, since nothing is.

    Raises:
        InputError: there are some.
    """
    given = {
        "-a": options.attribute, "-p": options.param, "-i": options.iterations is not None,
        "-d": options.data is not None, "-f": options.file is not None, "--sample": options.sample != (None, None),
        "-m": options.mapping != "simple", "-n": options.workers, "--start-method": options.start_method,
        "--buffers": options.buffers, "--no-fuse": options.no_fuse, "-s": options.split_sources,
        "--seed": options.seed is not None, "--on-error": options.on_error,
    }  # fmt: skip
    useless = [option for option, value in given.items() if value]
    if useless:
        raise InputError(f"{useless[0]} is for a workflow that is to be run; {what}")


def _of_workflow(options: argparse.Namespace, target: str) -> Diagnosis:
    """Run it with a full profile, and say what limited that."""
    from d4py_adaptive.dashboard.terminal import TerminalView
    from d4py_adaptive.runtime.examination import doubts_on_kept, examine_run
    from d4py_adaptive.runtime.session import enact
    from d4py_adaptive.telemetry.run_directory import d4py_home

    sample_s, sample_items = options.sample
    run_options = replace(running.options_of(options), profile="full", sample_s=sample_s, sample_items=sample_items)
    notes = running.notes_on(options)
    inputs = running.inputs_of(options)
    doubts: list[str] = []
    with _standard_output_kept():
        loaded = running.load_workflow(options, target)
        run_options = replace(run_options, by_value=loaded.by_value, workflow=loaded.name)
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as in `d4py run`
        with TerminalView(options.quiet, lines_to=sys.stderr) as view:
            for note in notes:
                view.note(note)
            finished = enact(
                loaded.graph,
                inputs,
                run_options,
                view,
                lambda workflow: doubts.extend(doubts_on_kept(d4py_home(), workflow)),
            )
    signal.signal(signal.SIGINT, before)
    return examine_run(finished.directory, doubts, _note)


@contextlib.contextmanager
def _standard_output_kept() -> Iterator[None]:
    """Keep standard output for the diagnosis: what the workflow prints, and programs that it starts, goes to the other.

    That is done below Python, since libraries and programs print there.
    """
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


def _note(text: str) -> None:
    from d4py_adaptive.dashboard.text import plain

    print(plain(f"d4py: {text}"), file=sys.stderr)


def _report(options: argparse.Namespace, diagnosis: Diagnosis) -> None:
    """Show the diagnosis, and write the files that are asked for."""
    if options.json == "-":
        sys.stdout.write(diagnosis.to_json())
    elif not options.quiet:
        from d4py_adaptive.dashboard.report.screen import show

        show(diagnosis, sys.stdout, options.details)
    for name, text in _FILES.items():
        path = getattr(options, name)
        if path is not None and path != "-":
            _write(Path(path), text(diagnosis), f"d4py diagnose {diagnosis.run} --{name} FILE" if diagnosis.run else "")
            if not options.quiet:
                print(f"written: {path}", file=sys.stderr)


def _write(path: Path, text: str, again: str) -> None:
    """Write a report.

    Raises:
        RunError: it cannot be written; the message says how to have it written elsewhere.
    """
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        hint = f"; the run is kept: {again}" if again else ""
        raise RunError(f"{path} cannot be written: {error.strerror}{hint}") from error


def _html(diagnosis: Diagnosis) -> str:
    from d4py_adaptive.dashboard.report.html import html_report

    return html_report(diagnosis)


def _trace(diagnosis: Diagnosis) -> str:
    from d4py_adaptive.dashboard.report.traces import chrome_trace

    return json.dumps(chrome_trace(diagnosis.profile))


def _speedscope(diagnosis: Diagnosis) -> str:
    from d4py_adaptive.dashboard.report.traces import speedscope

    return json.dumps(speedscope(diagnosis.profile))


_FILES: dict[str, Callable[[Diagnosis], str]] = {
    "json": lambda diagnosis: diagnosis.to_json(),
    "html": _html,
    "trace": _trace,
    "speedscope": _speedscope,
}


def _require_places(options: argparse.Namespace) -> None:
    """Refuse files that cannot be written, before anything runs.

    Raises:
        InputError: so it is.
    """
    places = [(name, getattr(options, name)) for name in _FILES if getattr(options, name) is not None]
    for name, place in places:
        path = Path(place)
        if place == "-" and name == "json":
            continue
        if place in ("", "-") or path.is_dir() or not path.absolute().parent.is_dir():
            raise InputError(f"--{name} takes the name of a file in a folder that exists; got {place!r}")
    files = [Path(place).absolute() for _, place in places if place != "-"]
    if len(set(files)) < len(files):
        raise InputError("two reports would be written to one file; give each its own")


_SECONDS = {"ms": 0.001, "s": 1.0, "sec": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0}


def _sample(text: str) -> tuple[float | None, int | None]:
    """How long, or how many items, a sample is."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", text.strip())
    if match and float(match[1]) > 0:
        if match[2] in _SECONDS:
            return float(match[1]) * _SECONDS[match[2]], None
        if not match[2] and match[1].isdecimal():
            return None, int(match[1])
    raise argparse.ArgumentTypeError(
        f"takes a time such as 30s or 2min, or a number of items; got {text or repr(text)}"
    )
