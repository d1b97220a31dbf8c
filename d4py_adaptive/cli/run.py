"""`d4py run`: run a workflow."""

from __future__ import annotations

import argparse
import contextlib
import copy
import signal
from dataclasses import replace
from typing import TYPE_CHECKING

from d4py_adaptive.cli import running
from d4py_adaptive.errors import InputError

if TYPE_CHECKING:
    from d4py_adaptive.dashboard.terminal import TerminalView
    from d4py_adaptive.dataflow.workflow import Workflow

SKIPPED_ITEMS = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what `d4py run` understands."""
    parser.usage = "d4py run [OPTION ...] WORKFLOW"
    parser.epilog = "d4py MAPPING WORKFLOW is short for d4py run -m MAPPING WORKFLOW."
    what = parser.add_argument_group("what to run")
    what.add_argument("workflow", metavar="WORKFLOW", help="a Python file, or a module, that holds a WorkflowGraph")
    running.add_builder(what)
    running.add_inputs(parser.add_argument_group("inputs (one of these)").add_mutually_exclusive_group())
    _add_results(parser.add_argument_group("results"))
    running.add_ways_to_run(parser.add_argument_group("how to run it"))
    running.add_errors(parser.add_argument_group("when things go wrong"))


def _add_results(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    where = "write results there as they come: a .jsonl file, or a folder with a file per output"
    add("-o", "--output", metavar="FILE|DIR", help=where)
    add("--overwrite", action="store_true", help="replace earlier results there")
    twice = "run it sequentially too, and compare what comes out (its side effects happen twice)"
    add("--verify", action="store_true", help=twice)
    add("-q", "--quiet", action="store_true", help="no progress, no summary")
    what = "what to measure: counters (default), full (what d4py diagnose needs for all it can say), off"
    add("--profile", default="counters", choices=("counters", "full", "off"), metavar="HOW", help=what)


def call(options: argparse.Namespace) -> int:
    """Do it; the exit code."""
    from d4py_adaptive.dashboard.terminal import TerminalView
    from d4py_adaptive.runtime.session import enact

    # All of this comes before the user's file runs, which may take its time: a slip of the pen is told at once.
    run_options = replace(running.options_of(options), digests=options.verify, profile=options.profile)
    _require_place_for_results(options)
    notes = running.notes_on(options)
    inputs = running.inputs_of(options)
    inputs_again = copy.deepcopy(inputs) if options.verify else None
    loaded = running.load_workflow(options, options.workflow)
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


def _require_place_for_results(options: argparse.Namespace) -> None:
    """Refuse options for results that lack what they are for.

    Raises:
        InputError: so it is.
    """
    if options.overwrite and options.output is None:
        raise InputError("--overwrite replaces the results that -o writes; say with -o where they are")
    if options.output == "":
        raise InputError("-o takes the name of a file or folder for results; got ''")
