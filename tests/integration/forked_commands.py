"""Runs `d4py` commands, each in a process forked from this one, which spares them the imports.

python forked_commands.py FOLDER < argument lists, as JSON

FOLDER goes first on the path. What a command is to write with `-o` goes into RESULTS in the current folder. Prints, as
JSON, what became of each command: its exit code (null if it had to be killed), its results as `[PE, output, item]`, and
what it printed.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import warnings
from pathlib import Path
from typing import Any

RESULTS = "results.jsonl"
PRINTED = "printed.txt"
ALLOWED_S = 20.0


def in_child(arguments: list[str]) -> int:
    """Run `d4py` here; its exit code."""
    from d4py_adaptive.cli.main import main

    os.setsid()
    with Path(PRINTED).open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.argv = ["d4py", *arguments]  # one example reads it
    try:
        return main(arguments)
    except SystemExit as left:
        return left.code if isinstance(left.code, int) else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def outcome(arguments: list[str]) -> dict[str, Any]:
    """What became of one command."""
    Path(RESULTS).unlink(missing_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # numpy's threads wait for work, and hold nothing
        pid = os.fork()
    if not pid:
        code = 99
        try:
            code = in_child(arguments)
        finally:
            os._exit(code)
    ended = os.pidfd_open(pid)
    in_time = bool(select.select([ended], [], [], ALLOWED_S)[0])
    os.close(ended)
    if not in_time:
        os.killpg(pid, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    lines = Path(RESULTS).read_text().splitlines() if Path(RESULTS).exists() else []
    results = [(line["pe"], line["port"], line["item"]) for line in map(json.loads, lines)]
    return {"code": code if in_time else None, "results": results, "printed": Path(PRINTED).read_text(errors="replace")}


def main() -> None:
    # Imported here, once.
    import numpy  # noqa: F401

    import d4py_adaptive.cli.run
    import d4py_adaptive.dashboard.terminal
    import d4py_adaptive.mappings.multi
    import d4py_adaptive.mappings.simple
    import d4py_adaptive.runtime.session  # noqa: F401

    folder = sys.argv[1]
    sys.path.insert(0, folder)
    os.environ["PYTHONPATH"] = folder
    json.dump([outcome(arguments) for arguments in json.load(sys.stdin)], sys.stdout)


if __name__ == "__main__":
    main()
