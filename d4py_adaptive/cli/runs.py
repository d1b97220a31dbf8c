"""`d4py runs`: what has run, and how it went."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what `d4py runs` understands."""
    parser.add_argument("run", nargs="?", help="show this run: its name, the end of it, or `last`")
    parser.add_argument("--traceback", action="store_true", help="print the traceback of a failed PE too")


def call(options: argparse.Namespace) -> int:
    """Do it; the exit code."""
    from d4py_adaptive.dashboard.records import print_run, print_runs
    from d4py_adaptive.errors import InputError
    from d4py_adaptive.telemetry.run_directory import all_runs, d4py_home, find_run

    if options.run is not None:
        run = find_run(d4py_home(), options.run)
        print_run(run, run.read_record(), options.traceback)
        return 0
    records = []
    for run in all_runs(d4py_home()):
        try:
            records.append(run.read_record())
        except InputError:
            continue
    print_runs(records)
    return 0
