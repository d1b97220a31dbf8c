"""Tells, at the next command, of runs whose process was killed."""

from __future__ import annotations

import sys


def tell_of_dead_runs() -> None:
    """Say on standard error what happened to runs that ended without a word, and note it in their records."""
    from d4py_adaptive.telemetry.run_directory import d4py_home

    home = d4py_home()
    if not (home / "running").is_dir() or not any((home / "running").iterdir()):
        return
    from d4py_adaptive.telemetry.obituary import bury

    for text in bury(home):
        print(f"d4py: {text}", file=sys.stderr)
