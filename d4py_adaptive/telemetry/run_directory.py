"""Where runs are kept: `$D4PY_HOME/runs/<id>/`, readable while a run goes on and after it died.

    run.json            the run record
    plan.json           how it was enacted
    board/<number>      counters, one file per instance
    profile.json        what the run measured, once it has ended
    events.jsonl        what happened, a line each
    dead-letters.jsonl  items that were skipped, with the failure and the pickled item

`$D4PY_HOME/running/<id>` stands while the run's process lives; what is left there by a process that is gone tells
the next command that a run ended without a word.
"""

from __future__ import annotations

import json
import os
import secrets
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from d4py_adaptive.clock import wall_time_s
from d4py_adaptive.dataflow.plan import Plan
from d4py_adaptive.errors import InputError, PlanError, did_you_mean
from d4py_adaptive.telemetry.run_record import RunRecord

_NETWORK_FILE_SYSTEMS = ("nfs", "lustre", "gpfs", "beegfs", "cifs", "smb", "afs", "ceph", "9p", "fuse.sshfs")


def d4py_home() -> Path:
    """`$D4PY_HOME`, by default `~/.d4py`."""
    return Path(os.environ.get("D4PY_HOME") or Path.home() / ".d4py")


class RunDirectory:
    """One run's folder.

    Attributes:
        path: the folder.
        id: its name.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.id = path.name

    @classmethod
    def create(cls, home: Path) -> RunDirectory:
        """A new folder, for its owner's eyes only.

        Raises:
            InputError: it cannot be made.
        """
        now_s = wall_time_s()
        moment = time.strftime("%Y%m%d-%H%M%S", time.gmtime(now_s))
        run_id = f"{moment}.{int(now_s * 1000) % 1000:03d}-{secrets.token_hex(3)}"
        path = home / "runs" / run_id
        try:
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.mkdir(mode=0o700, parents=True)
            (home / "running").mkdir(mode=0o700, exist_ok=True)
            (home / "running" / run_id).write_text(str(os.getpid()))
        except OSError as error:
            raise InputError(
                f"runs are kept in {home}, which cannot be written ({error}); set D4PY_HOME to a folder that can"
            ) from error
        return cls(path)

    @property
    def home(self) -> Path:
        """The folder of all runs' folders, and of what else is kept."""
        return self.path.parent.parent

    def board(self) -> Path:
        """Where the counters' files belong: here, or on a local disk where this folder is on a network."""
        return self.path / "board" if _is_local(self.path) else Path(tempfile.gettempdir()) / f"d4py-board-{self.id}"

    def write_record(self, record: RunRecord) -> None:
        """Put the run record in place, whole or not at all; a run that has ended is running no more."""
        self.write_json("run.json", record.to_dict())
        if record.ended_at_s is not None:
            (self.home / "running" / self.id).unlink(missing_ok=True)

    def read_record(self) -> RunRecord:
        """The run record.

        Raises:
            InputError: there is none, or it cannot be read.
        """
        try:
            return RunRecord.from_dict(json.loads((self.path / "run.json").read_text()))
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise InputError(f"{self.path} holds no run record that can be read: {error}") from error

    def read_plan(self) -> Plan:
        """The plan that was followed.

        Raises:
            InputError: there is none, or it cannot be read.
        """
        try:
            return Plan.from_dict(json.loads((self.path / "plan.json").read_text()))
        except (OSError, ValueError, PlanError) as error:
            raise InputError(f"{self.path} holds no plan that can be read: {error}") from error

    def write_json(self, name: str, content: Any) -> None:
        """Put a JSON file in place, whole or not at all."""
        self.write_text(name, json.dumps(content, indent=1, default=str) + "\n")

    def write_text(self, name: str, text: str) -> None:
        """Put a file in place, whole or not at all."""
        draft = self.path / f".{name}.{os.getpid()}"
        draft.write_text(text)
        draft.replace(self.path / name)

    def append(self, name: str, content: dict[str, Any]) -> None:
        """Add a line to a JSON-lines file."""
        with (self.path / name).open("a") as file:
            file.write(json.dumps(content, default=str) + "\n")


def all_runs(home: Path) -> list[RunDirectory]:
    """The runs that are kept, oldest first."""
    folder = home / "runs"
    return [RunDirectory(path) for path in sorted(folder.iterdir()) if path.is_dir()] if folder.is_dir() else []


def find_run(home: Path, name: str) -> RunDirectory:
    """The run of this name, or the only one whose name ends or begins so; `last` is the newest.

    Raises:
        InputError: there is none, or several.
    """
    runs = all_runs(home)
    found = runs[-1:] if name == "last" else [r for r in runs if r.id.endswith(name) or r.id.startswith(name)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise InputError(f"no run {name!r} in {home}{did_you_mean(name, [run.id for run in runs])}; see d4py runs")
    raise InputError(
        f"{name!r} fits {len(found)} runs: {', '.join(run.id for run in found[:5])}; give more of the name"
    )


def ended_without_a_word(home: Path) -> Iterator[RunDirectory]:
    """Runs whose process is gone although their record says that they are running."""
    folder = home / "running"
    for mark in sorted(folder.iterdir()) if folder.is_dir() else ():
        run = RunDirectory(home / "runs" / mark.name)
        try:
            record = run.read_record()
        except InputError:
            if _is_gone(_pid_in(mark), None):
                mark.unlink(missing_ok=True)
            continue
        if record.ended_at_s is not None:
            mark.unlink(missing_ok=True)
        elif record.host == os.uname().nodename and _is_gone(record.pid, record.pid_started_s):
            yield run


def _pid_in(mark: Path) -> int:
    try:
        return int(mark.read_text())
    except (OSError, ValueError):
        return 0


def process_started_s() -> float:
    """When this process started; with its number, this names it for ever."""
    return float(psutil.Process().create_time())


def _is_gone(pid: int, started_s: float | None) -> bool:
    try:
        alive = psutil.Process(pid)
        return alive.status() == psutil.STATUS_ZOMBIE or (
            started_s is not None and abs(alive.create_time() - started_s) > 1.0
        )
    except (psutil.NoSuchProcess, ValueError):
        return True


def _is_local(path: Path) -> bool:
    """Whether a memory-mapped file there is seen by all processes of this machine at once."""
    resolved = str(path.resolve())
    partitions = psutil.disk_partitions(all=True)
    holding = [p for p in partitions if resolved == p.mountpoint or resolved.startswith(p.mountpoint.rstrip("/") + "/")]
    if not holding:
        return True
    return not max(holding, key=lambda p: len(p.mountpoint)).fstype.startswith(_NETWORK_FILE_SYSTEMS)
