"""The Tab key in real shells: what was typed, and the words that the shell has after it."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from real_processes import FLOWS, PATIENCE_S, D4py

TYPED = {
    "d4py comp": ["completion"],
    "d4py mul": ["multi"],
    "d4py run --map": ["run", "--mapping"],
    "d4py run -m mul": ["run", "-m", "multi"],
    "d4py run --start-method forks": ["run", "--start-method", "forkserver"],
    "d4py run fl": ["run", "flow.py"],
    "d4py diagnose fl": ["diagnose", "flow.py"],
    "d4py profiles sho": ["profiles", "show"],
    "d4py profiles import inp": ["profiles", "import", "inputs.json"],
    "d4py run -q fl": ["run", "-q", "flow.py"],
    "d4py run deep": ["run", "deeper/"],
    "d4py run deeper/in": ["run", "deeper/inner.py"],
    "d4py run sp": ["run", "spaced name.py"],
    "d4py run flow.py -i 3 --verif": ["run", "flow.py", "-i", "3", "--verify"],
    "d4py run flow.py --on-error sk": ["run", "flow.py", "--on-error", "skip"],
    "d4py run flow.py -f inp": ["run", "flow.py", "-f", "inputs.json"],
    "d4py run flow.py -o res": ["run", "flow.py", "-o", "results.jsonl"],
    "d4py multi fl": ["multi", "flow.py"],
    "d4py runs la": ["runs", "last"],
    "d4py completion z": ["completion", "zsh"],
}
STARTS = {
    "bash": ["bash", "--noprofile", "--norc", "-i"],
    "zsh": ["zsh", "-f", "-i"],
}
PREPARES = {"bash": "", "zsh": "autoload -U compinit; compinit -u -d zcompdump; "}


@pytest.fixture
def here(d4py: D4py) -> D4py:
    """The command in a folder with files of several kinds."""
    for name in ("flow.py", "flow.txt", "notes.txt", "inputs.json", "results.jsonl", "spaced name.py"):
        (d4py.folder / name).touch()
    (d4py.folder / "deeper").mkdir()
    (d4py.folder / "deeper" / "inner.py").touch()
    return d4py


def require(shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed; on Debian: apt-get install {shell}")


class Prompt:
    """A shell at a terminal."""

    def __init__(self, master: int) -> None:
        self._master = master
        self._shown = ""

    def type(self, text: str, until: str) -> re.Match[str]:
        """Type, and wait until the terminal shows something new."""
        self._shown = ""
        os.write(self._master, text.encode())
        deadline = time.monotonic() + PATIENCE_S
        while not (found := re.search(until, self._shown)):
            assert time.monotonic() < deadline, f"no {until!r} in {self._shown!r}"
            if select.select([self._master], [], [], 0.1)[0]:
                self._shown += os.read(self._master, 65536).decode(errors="replace")
        return found

    def words_after_tab(self, typed: str) -> list[str]:
        """What the shell makes of a line when Tab is pressed at its end."""
        # Ctrl-A and Ctrl-E go to the line's begin and end: the completed line becomes the words that printf is given.
        found = self.type(f"{typed}\t\x01printf '<%s>' \x05; echo END\n", r"((?:<[^<>%]*>)+)END")
        return re.findall(r"<([^<>]*)>", found[1])[1:]


@contextmanager
def prompt(here: D4py, shell: str) -> Iterator[Prompt]:
    """A shell that has been told how to complete, as its user's start-up file would tell it."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        STARTS[shell],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        cwd=here.folder,
        env=here.environment() | {"TERM": "dumb", "HOME": str(here.folder), "PS1": "$ "},
        start_new_session=True,
    )
    os.close(slave)
    try:
        at = Prompt(master)
        script = f'"$({sys.executable} -m d4py_adaptive completion {shell})"'
        at.type(f"{PREPARES[shell]}eval {script}; echo READY:$?\n", r"READY:0")
        yield at
    finally:
        process.kill()
        process.wait()
        os.close(master)


@pytest.mark.parametrize("shell", STARTS)
def test_tab(here: D4py, shell: str) -> None:
    require(shell)
    expected = {typed: [word.removesuffix("/") for word in words] for typed, words in TYPED.items()}
    with prompt(here, shell) as at:
        got = {typed: [word.removesuffix("/") for word in at.words_after_tab(typed)] for typed in TYPED}
        other_files = at.words_after_tab("d4py run note")
    assert got == expected
    assert other_files == ["run", {"bash": "note", "zsh": "notes.txt"}[shell]]  # zsh offers any where none fits


def test_tab_in_fish(here: D4py) -> None:
    require("fish")
    script = here.folder / "d4py.fish"
    script.write_text(here.run("completion", "fish").succeeds())
    expected = {typed: [words[-1]] for typed, words in TYPED.items()}
    assert {typed: offered_by_fish(here, script, typed) for typed in expected} == expected
    assert offered_by_fish(here, script, "d4py run note") == []


def offered_by_fish(here: D4py, script: Path, typed: str) -> list[str]:
    done = subprocess.run(
        ["fish", "--no-config", "-c", f"source {script}; complete -C {typed!r}"],
        cwd=here.folder,
        env=here.environment() | {"HOME": str(here.folder)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.stderr == ""
    return [line.partition("\t")[0] for line in done.stdout.splitlines()]


def test_a_shell_that_starts_hears_nothing_of_dead_runs(here: D4py) -> None:
    here.run("run", FLOWS / "doubling.py", "-q").succeeds()
    file = here.run_folder() / "run.json"
    file.write_text(json.dumps(here.record() | {"state": "running", "ended_at_s": None, "pid": 2**22 + 1}))
    (here.home / "running" / file.parent.name).touch()
    assert here.run("completion", "bash").err == ""
    assert file.parent.name in here.run("runs").err
