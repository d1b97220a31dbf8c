"""Every example of dispel4py 1.2.1 and stream-d4py 2.9.1, under its own runtime and under this one: who is right where.

python benchmarks/peers/examples.py [--markdown] [--dispel4py PYTHON] [--stream-d4py PYTHON]

Makes a virtual environment for each peer beside this one's packages, unless it is given an interpreter that has the
peer. dispel4py 1.2.1 gets a Python up to 3.8 if there is one, and with it the networkx of its time. Takes two minutes:
what hangs is given ten seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
TESTS = HERE.parents[1] / "tests" / "integration"
sys.path.insert(0, str(TESTS))

from forked_commands import RESULTS  # noqa: E402
from peer_examples import (  # noqa: E402
    DISPEL4PY,
    FOLDER,
    MAPPINGS,
    PEERS,
    TEXT,
    TEXT_FILE,
    Example,
    Outcome,
    Peer,
    fault,
)

ALLOWED_S = 10.0
OF_ITS_TIME = ("networkx==1.11", "decorator<5")

Outcomes = dict[tuple[str, str], Outcome]
"""By the example's name and the mapping."""


@dataclass(frozen=True)
class Cause:
    """Why something goes wrong on their side.

    Attributes:
        pattern: found in what is wrong, or in what was printed.
        cell: how the table says it.
        sentence: the cause.
    """

    pattern: str
    cell: str
    sentence: str


CAUSES = (
    Cause(
        "takes 1 positional argument but 2 were given",
        "{how}",
        "The example's own `_process` takes no inputs, and the runtime passes some. `simple` says so; under `multi` "
        "the process of the source dies, and the others wait for it for ever.",
    ),
    Cause(
        "Not enough processes",
        "does not run",
        "A graph needs a process for each PE or, failing that, one for each partition, of which there are at least "
        "two: `-n 1` is never enough. (1.2.1 says so and exits with 0.)",
    ),
    Cause(
        "cannot unpack non-iterable NoneType",
        "error",
        "With fewer processes than PEs, each counted with its `numprocesses`, PEs are put into partitions; that fails "
        "with a TypeError if one of them has a `numprocesses` above 1.",
    ),
    Cause(
        "^hangs",
        "hangs",
        "Two streams into one input of a PE with several instances: the list of senders is shared by mistake, and each "
        "instance waits for more ends of stream than there are.",
    ),
    Cause(
        "division by zero",
        "error, exit code 0",
        "`ProcessTimingPE` divides by the number of items, which is 0 in an instance that got none; the traceback is "
        "printed, and the exit code is 0.",
    ),
    Cause(
        "TestOneInOneOut1.output: 10 items instead of 20",
        "10 of 20",
        "The example declares two instances, each of which is to get every item; `simple` sets `numprocesses` to 1, so "
        "that the same graph gives other results than under `multi`.",
    ),
    Cause(
        r"TestOneInOneOut1.output: (\d+) items instead of 20",
        "{items} instead of 20",
        "The example declares two instances, each of which is to get every item; 1.2.1 takes `numprocesses` for a "
        "weight and starts as many instances as `-n` leaves room for.",
    ),
    Cause(
        "lines logged instead of",
        "counts split",
        "Fewer processes than PEs: all but the source go into one partition, which is copied; the `'global'` grouping "
        "inside it is lost, and a word is counted in several places. The exit code is 0.",
    ),
    Cause(
        "changed size during iteration",
        "error",
        "1.2.1 removes nodes from a graph while it goes through them, which networkx has not allowed since version 2.",
    ),
)


# The environments.


def interpreters(given: dict[Peer, str | None]) -> dict[Peer, str]:
    """A Python for each peer that has it installed."""
    return {peer: python or environment(peer) for peer, python in given.items()}


def environment(peer: Peer) -> str:
    """Make the peer's virtual environment, once; its Python."""
    base = (peer is DISPEL4PY and old_python()) or sys.executable
    folder = FOLDER / f"{peer.requirement.replace('==', '-')}-environment"
    python = folder / "bin" / "python"
    if not python.exists():
        note(f"making an environment for {peer.requirement} with {base} (once) ...")
        subprocess.run([base, "-m", "venv", folder], check=True)
        packages = [*(OF_ITS_TIME if base != sys.executable and peer is DISPEL4PY else ()), peer.requirement]
        subprocess.run([python, "-m", "pip", "install", "-q", *packages], check=True)
    return str(python)


def old_python() -> str | None:
    """A Python that runs the networkx of dispel4py 1.2.1's time."""
    managed = sorted((Path.home() / ".pyenv" / "versions").glob("3.[78].*/bin/python"), reverse=True)
    for python in ("python3.8", "python3.7", *map(str, managed)):
        if shutil.which(python) and not subprocess.run([python, "-c", ""], capture_output=True).returncode:
            return python  # and not only a stand-in that says which version to install
    return None


def unpack(peer: Peer) -> None:
    """Unpack the peer's wheel for this runtime to find the examples in."""
    if not (peer.folder / "dispel4py").is_dir():
        note(f"unpacking {peer.requirement} (once) ...")
        subprocess.run([*peer.how_to_get.split(), "-q"], check=True)


# Both sides.


def theirs(peer: Peer, python: str) -> Outcomes:
    """What becomes of each example under each mapping of the peer's own."""
    keys = [(example, mapping) for example in peer.examples for mapping in MAPPINGS]
    with ThreadPoolExecutor(os.cpu_count()) as threads, tempfile.TemporaryDirectory() as folder:
        (Path(folder) / TEXT_FILE).write_text("\n".join(TEXT) + "\n")
        found = threads.map(lambda key: run_theirs(python, *key, folder), keys)
        return {(example.name, mapping): outcome for (example, mapping), outcome in zip(keys, found, strict=True)}


def run_theirs(python: str, example: Example, mapping: str, folder: str) -> Outcome:
    kind, *_, workers = (*MAPPINGS[mapping], "1")[:3]
    inputs = json.dumps(example.iterations if example.data is None else example.data)
    with tempfile.NamedTemporaryFile() as results:
        process = subprocess.Popen(
            [python, HERE / "record_theirs.py", results.name, example.module, kind, workers, inputs],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            printed, code = process.communicate(timeout=ALLOWED_S)[0], process.returncode
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            printed, code = process.communicate()[0], None
        lines = Path(results.name).read_text().splitlines()
    return Outcome(code, [tuple(json.loads(line)) for line in lines], printed.decode(errors="replace"))


def ours(peer: Peer) -> Outcomes:
    """What becomes of each example under each mapping here, through the `d4py` command."""
    keys = [(example, mapping) for example in peer.examples for mapping in MAPPINGS]
    commands = [example.command(mapping, RESULTS) for example, mapping in keys]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / TEXT_FILE).write_text("\n".join(TEXT) + "\n")
        ended = subprocess.run(
            [sys.executable, TESTS / "forked_commands.py", peer.folder],
            input=json.dumps(commands).encode(),
            stdout=subprocess.PIPE,
            cwd=folder,
            env={**os.environ, "D4PY_HOME": folder},
            check=True,
        )
    found = [Outcome(**outcome) for outcome in json.loads(ended.stdout)]
    return {(example.name, mapping): outcome for (example, mapping), outcome in zip(keys, found, strict=True)}


# The table.


class Reasons:
    """Letters for the causes, in the order in which they are met."""

    def __init__(self) -> None:
        self.met: list[Cause] = []

    def cell(self, example: Example, outcome: Outcome) -> str:
        """What the table says of an outcome."""
        wrong = fault(example, outcome)
        if not wrong:
            return "right"
        for cause in CAUSES:
            found = re.search(cause.pattern, wrong) or re.search(cause.pattern, outcome.printed)
            if found:
                if cause not in self.met:
                    self.met.append(cause)
                how = "hangs" if outcome.code is None else "error"
                items = found[1] if found.groups() else ""
                return f"{cause.cell.format(how=how, items=items)} ({self.letter(cause)})"
        return wrong

    def letter(self, cause: Cause) -> str:
        return "abcdefghijklm"[self.met.index(cause)]


def table(peer: Peer, their: Outcomes, our: Outcomes, reasons: Reasons) -> list[list[str]]:
    """Rows of the peer's table, the first with the titles."""
    rows = [[peer.requirement.replace("==", " "), *MAPPINGS, "d4py, all four"]]
    for example in sorted(peer.examples, key=lambda example: example.name):
        cells = [reasons.cell(example, their[example.name, mapping]) for mapping in MAPPINGS]
        faults = {fault(example, our[example.name, mapping]) for mapping in MAPPINGS} - {""}
        rows.append([example.name.removeprefix("graph_testing."), *cells, "; ".join(sorted(faults)) or "right"])
    return rows


def print_table(rows: Sequence[Sequence[str]], markdown: bool) -> None:
    if markdown:
        title, *rest = rows
        for row in (title, ["---"] * len(title), *rest):
            print("| " + " | ".join(row) + " |")
    else:
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    print()


def note(text: str) -> None:
    print(text, file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--markdown", action="store_true", help="print the tables as Markdown")
    for peer in PEERS:
        name = peer.requirement.partition("==")[0]
        parser.add_argument(f"--{name}", metavar="PYTHON", help=f"an interpreter that has {peer.requirement}")
    options = vars(parser.parse_args())
    given = {peer: options[peer.requirement.partition("==")[0].replace("-", "_")] for peer in PEERS}
    reasons, right, runs = Reasons(), [0, 0], 0
    for peer, python in interpreters(given).items():
        unpack(peer)
        note(f"{peer.requirement}: {len(peer.examples)} examples, {len(MAPPINGS)} mappings, both sides ...")
        their, our = theirs(peer, python), ours(peer)
        print_table(table(peer, their, our, reasons), options["markdown"])
        for side, outcomes in enumerate((their, our)):
            right[side] += sum(not fault(e, outcomes[e.name, m]) for e in peer.examples for m in MAPPINGS)
        runs += len(their)
    for cause in reasons.met:
        print(f"({reasons.letter(cause)}) {cause.sentence}" + ("\n" if options["markdown"] else ""))
    print(f"\nRight of {runs}: theirs {right[0]}, ours {right[1]}.")


if __name__ == "__main__":
    main()
