"""Who is measured, in which environment; one run of one of them, and what it found."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from tally import reports

HERE = Path(__file__).resolve().parent
ENVIRONMENTS = Path(sys.prefix) / "peers"
PEER = "stream-d4py==2.9.1"

TUNED = {"MALLOC_MMAP_THRESHOLD_": str(2**30), "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1)}
"""Lets glibc keep the memory of large buffers instead of giving it back to the kernel after each."""

ALLOWED_S = 900.0


@dataclass(frozen=True)
class Side:
    """A way to run a workflow.

    Attributes:
        label: what the table calls it.
        how: its name in `enact.WAYS`.
        needs: what pip installs into an environment of its own; empty is this environment.
        variables: what is set in its environment.
        optional: whether it is left out where its environment was not made, and its CPU time is not known: it starts
            processes that it does not wait for.
    """

    label: str
    how: str
    needs: str = ""
    variables: Mapping[str, str] = field(default_factory=dict, hash=False)
    optional: bool = False

    @property
    def python(self) -> Path | None:
        """Its interpreter; None if it is not installed."""
        if not self.needs:
            return Path(sys.executable)
        python = environment(self.needs) / "bin" / "python"
        if not python.exists() and not self.optional:
            make_environment(self.needs)
        return python if python.exists() else None


OURS = Side("d4py multi, a process per PE", "d4py apart")
TOGETHER = Side("d4py multi, fused, one worker", "d4py together")
PLANNED = Side("d4py multi -n 4, its own plan", "d4py planned")
SIMPLE = Side("d4py simple", "d4py simple")
THEIRS = Side("stream-d4py 2.9.1 multi", "stream-d4py", PEER)
THEIRS_TUNED = Side("the same, glibc tuned", "stream-d4py", PEER, TUNED)
HANDOVER = Side("plain one-copy hand-over", "handover")
POOL = Side("multiprocessing.Pool.imap", "pool")
RAY = Side("Ray, actors", "ray", "ray==2.60.0 numpy", optional=True)
DASK = Side("Dask distributed", "dask", "distributed==2026.8.0 numpy", optional=True)


def environment(needs: str) -> Path:
    return ENVIRONMENTS / f"{needs.split()[0].replace('==', '-')}-environment"


def make_environment(needs: str) -> None:
    """Make a virtual environment with these packages."""
    folder = environment(needs)
    print(f"making an environment for {needs} (once) ...", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    subprocess.run([folder / "bin" / "python", "-m", "pip", "install", "-q", *needs.split()], check=True)


@dataclass(frozen=True)
class Outcome:
    """What one run found.

    Attributes:
        sinks: what each instance of the sink reported.
        source: what the source reported; nothing if the side has none of its own.
        run: when the runtime was called, when it came back, and the CPU time of all processes.
        others: share of the machine's CPU time that went to processes outside this run.
    """

    sinks: list[dict]
    source: dict
    run: dict
    others: float

    @property
    def multiset(self) -> list[tuple]:
        """Which items came out at each instance of the sink, without their order."""
        return sorted((sink["count"], sink["sum"], sink["hash"]) for sink in self.sinks)

    @property
    def streaming_s(self) -> float:
        """From the first to the last item at the sink."""
        return (max(s["last_ns"] for s in self.sinks) - min(s["first_ns"] for s in self.sinks)) / 1e9

    @property
    def starting_s(self) -> float:
        """From the call of the runtime to the first item at the sink."""
        return (min(sink["first_ns"] for sink in self.sinks) - self.run["started_ns"]) / 1e9

    @property
    def ending_s(self) -> float:
        """From the last item at the sink to the runtime's return."""
        return (self.run["ended_ns"] - max(sink["last_ns"] for sink in self.sinks)) / 1e9


class FailedError(Exception):
    """A run that gave no outcome."""


def run(side: Side, spec: Mapping[str, object], watch: Callable[[psutil.Process], None] | None = None) -> Outcome:
    """Run a side once.

    Args:
        side: which.
        spec: what `flows.build` takes, without the folder.
        watch: called again and again with the process, as long as it runs.

    Raises:
        FailedError: it ended badly, or not at all.
    """
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as printed:
        variables = {**os.environ, "D4PY_HOME": f"{folder}/home", "PYTHONHASHSEED": "0", **side.variables}
        before = busy_s()
        process = subprocess.Popen(
            [side.python, HERE / "enact.py", side.how, json.dumps({**spec, "folder": folder})],
            stdout=printed,
            stderr=subprocess.STDOUT,
            env=variables,
            start_new_session=True,
        )
        try:
            _wait(process, watch)
        finally:
            _end(process)
        busy, passed = (now - then for now, then in zip(busy_s(), before, strict=True))
        printed.seek(0)
        said = printed.read().decode(errors="replace")
        found = {role: [one for one in reports(folder) if one["role"] == role] for role in ("sink", "source", "run")}
        if process.returncode or not found["sink"] or not found["run"]:
            raise FailedError(f"{side.label} ended with {process.returncode}:\n{said[-2000:]}")
        done = found["run"][0]
        others = max(0.0, busy - done["cpu_s"]) / (passed * (os.cpu_count() or 1))
        return Outcome(found["sink"], (found["source"] or [{}])[0], done, others)


def _wait(process: subprocess.Popen, watch: Callable[[psutil.Process], None] | None) -> None:
    until = time.monotonic() + ALLOWED_S
    if watch is None:
        try:
            process.wait(ALLOWED_S)
        except subprocess.TimeoutExpired:
            raise FailedError(f"no end after {ALLOWED_S:.0f} s") from None
        return
    watched = psutil.Process(process.pid)
    while process.poll() is None:
        if time.monotonic() > until:
            raise FailedError(f"no end after {ALLOWED_S:.0f} s")
        watch(watched)


def _end(process: subprocess.Popen) -> None:
    """End what is left of a run, which has a session of its own."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def busy_s() -> tuple[float, float]:
    """CPU time that all processes of the machine but this one have used, and the time now."""
    user, nice, system, _, _, irq, softirq, *_ = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    used = sum(map(int, (user, nice, system, irq, softirq))) / os.sysconf("SC_CLK_TCK")
    return used - time.process_time(), time.monotonic()
