"""Runs the real `d4py` command in processes of its own, and sees to it that nothing of them is left."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import secrets
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import psutil
import pytest

FLOWS = Path(__file__).parent / "flows"
TAG = "D4PY_TEST_TAG"
PROMISE_S = 5.0
"""Within this time after a kill nothing of a run is left; the promise of the issues."""

PATIENCE_S = 30.0
"""How long a test waits for what has no promised time before it calls it a hang."""

POLL_S = 0.01


def eventually(condition: Callable[[], Any], within_s: float, what: str) -> Any:
    """The first true value of the condition; fails the test if there is none in time."""
    deadline = time.monotonic() + within_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            pytest.fail(f"not within {within_s} s: {what}")
        time.sleep(POLL_S)


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def error_lines(self) -> list[str]:
        return self.err.splitlines()

    def fails_with(self, code: int) -> str:
        """The one line on standard error; fails unless that is all there is, with this exit code."""
        assert (self.code, len(self.error_lines)) == (code, 1), self
        (line,) = self.error_lines
        assert line.startswith("d4py: error: "), self
        return line

    def succeeds(self) -> str:
        """What it printed; fails unless it went well."""
        assert self.code == 0, self
        assert "Traceback" not in self.err, self
        return self.out


class Running:
    """A command that runs, its output in files so that nobody has to read it meanwhile."""

    def __init__(self, process: subprocess.Popen[bytes], out: Path, err: Path) -> None:
        self.process = process
        self.pid = process.pid
        self._out, self._err = out, err

    @property
    def out(self) -> str:
        return self._out.read_text(errors="replace")

    @property
    def err(self) -> str:
        return self._err.read_text(errors="replace")

    def wait(self, within_s: float = PATIENCE_S) -> Ended:
        """How it ended; fails if it does not in time."""
        try:
            code = self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            pytest.fail(f"still running after {within_s} s; out: {self.out!r}; err: {self.err!r}")
        return Ended(code, self.out, self.err)

    def until_prints(self, text: str, times: int = 1, within_s: float = PATIENCE_S) -> None:
        """Wait until standard output holds a text."""
        eventually(
            lambda: self.out.count(text) >= times or self.process.poll() is not None, within_s, f"print {text!r}"
        )
        assert self.out.count(text) >= times, self.wait()

    def workers(self) -> list[psutil.Process]:
        """The worker processes, not those that multiprocessing adds for itself, nor what is about to become one."""
        with contextlib.suppress(psutil.NoSuchProcess):
            children = psutil.Process(self.pid).children()
            if "forkserver" in self.process.args:  # type: ignore[operator]
                return [worker for child in children if is_fork_server(child) for worker in child.children()]
            if "spawn" in self.process.args:  # type: ignore[operator]
                return [child for child in children if "spawn_main" in command_line(child)]
            itself = command_line(psutil.Process(self.pid))
            return [child for child in children if command_line(child) == itself]
        return []

    def until_workers(self, number: int) -> list[psutil.Process]:
        """Wait until it has so many workers."""
        return eventually(  # type: ignore[no-any-return]
            lambda: found if len(found := self.workers()) >= number else None, PATIENCE_S, f"{number} workers"
        )


def command_line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def is_fork_server(process: psutil.Process) -> bool:
    return "multiprocessing.forkserver" in command_line(process)


def is_resource_tracker(process: psutil.Process) -> bool:
    return "multiprocessing.resource_tracker" in command_line(process)


class Terminal:
    """A command at a real terminal of 80 by 24 characters, which a test can type at."""

    def __init__(self, process: subprocess.Popen[bytes], master: int, out: Path | None) -> None:
        self.process = process
        self.pid = process.pid
        self.raw = b""
        self._master = master
        self._out = out

    @property
    def text(self) -> str:
        return self.raw.decode(errors="replace")

    @property
    def out(self) -> str:
        """What reached standard output, where that is not the terminal."""
        assert self._out is not None
        return self._out.read_text()

    def read(self, within_s: float = 0.05) -> bool:
        """Take what the terminal shows; False once nobody writes to it any more."""
        if not select.select([self._master], [], [], within_s)[0]:
            return True
        try:
            piece = os.read(self._master, 65536)
        except OSError:  # Linux says so when the last writer has closed it
            return False
        self.raw += piece
        return bool(piece)

    def until(self, condition: Callable[[], Any], what: str, within_s: float = PATIENCE_S) -> None:
        """Read until the condition holds."""
        deadline = time.monotonic() + within_s
        while not condition():
            assert time.monotonic() < deadline, f"not within {within_s} s: {what}; shown: {self.text!r}"
            self.read()

    def until_shows(self, text: str, times: int = 1) -> None:
        self.until(lambda: self.text.count(text) >= times, f"show {text!r}")

    def press_ctrl_c(self) -> None:
        """As a user does: the terminal sends SIGINT to every process in the foreground."""
        os.write(self._master, b"\x03")

    def press_ctrl_c_twice(self) -> None:
        """Two presses that the command can tell apart, as far apart as a finger needs."""
        shown = self.text.count("^C")
        self.press_ctrl_c()
        self.until(lambda: self.text.count("^C") > shown, "echo the key")
        self.until(lambda: not pending_signals(self.pid), "take the signal")
        self.read_for(0.2)
        self.press_ctrl_c()

    def hold_ctrl_c(self, within_s: float) -> None:
        """Keep the keys down, as a keyboard repeats them, until the command has ended."""

        def pressed_again() -> bool:
            self.press_ctrl_c()
            self.read_for(0.03)
            return self.process.poll() is not None

        self.until(pressed_again, "end", within_s)

    def read_for(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and self.read(left):
            pass

    def wait(self, within_s: float = PATIENCE_S) -> int:
        """The exit code; fails if it does not end in time."""
        self.until(lambda: self.process.poll() is not None, "end", within_s)
        while self.read(0.05) and select.select([self._master], [], [], 0.05)[0]:
            pass
        return self.process.wait()

    def hang_up(self) -> None:
        """Close the window."""
        with contextlib.suppress(OSError):
            os.close(self._master)


def pending_signals(pid: int) -> int:
    """The signals sent to a process that it has not taken, as the kernel's bit mask."""
    status = Path(f"/proc/{pid}/status").read_text()
    masks = [line.split()[1] for line in status.splitlines() if line.startswith(("SigPnd", "ShdPnd"))]
    return int(masks[0], 16) | int(masks[1], 16)


class D4py:
    """The command, in a home of its own, with every process it starts tagged."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self._tag = secrets.token_hex(8)
        self._files: list[IO[bytes]] = []
        self._processes: list[subprocess.Popen[bytes]] = []
        self._terminals: list[Terminal] = []
        self._started = 0

    def environment(self, warnings: str = "error") -> dict[str, str]:
        dropped = {name for name in os.environ if name.startswith(("PYTHON", "D4PY"))} - {"PYTHONPATH"}
        kept = {name: value for name, value in os.environ.items() if name not in dropped}
        return kept | {
            TAG: self._tag,
            "D4PY_HOME": str(self.home),
            "PYTHONWARNINGS": warnings,
            "TERM": "xterm-256color",
        }

    def start(self, *arguments: object, warnings: str = "error") -> Running:
        """Start `d4py` with these arguments."""
        return self.start_python("-m", "d4py_adaptive", *arguments, warnings=warnings)

    def start_python(self, *arguments: object, stdin: Path | None = None, warnings: str = "error") -> Running:
        """Start Python with these arguments."""
        self._started += 1
        out, err = (self.folder / f"{name}{self._started}.txt" for name in ("out", "err"))
        with contextlib.ExitStack() as files:
            source = files.enter_context((stdin or Path(os.devnull)).open("rb"))
            process = subprocess.Popen(
                [sys.executable, *map(str, arguments)],
                stdin=source,
                stdout=files.enter_context(out.open("wb")),
                stderr=files.enter_context(err.open("wb")),
                cwd=self.folder,
                env=self.environment(warnings),
                start_new_session=True,
            )
        self._processes.append(process)
        return Running(process, out, err)

    def run(self, *arguments: object, within_s: float = PATIENCE_S, warnings: str = "error") -> Ended:
        """Run `d4py` to its end."""
        return self.start(*arguments, warnings=warnings).wait(within_s)

    def python(self, *arguments: object, stdin: Path | None = None) -> Ended:
        """Run Python to its end."""
        return self.start_python(*arguments, stdin=stdin).wait()

    def at_terminal(self, *arguments: object, out_to_file: bool = False) -> Terminal:
        """Start `d4py` at a terminal; standard output goes to a file if asked for."""
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        out = self.folder / "terminal-out.txt" if out_to_file else None
        with contextlib.ExitStack() as files:
            process = subprocess.Popen(
                [sys.executable, "-m", "d4py_adaptive", *map(str, arguments)],
                stdin=slave,
                stdout=files.enter_context(out.open("wb")) if out else slave,
                stderr=slave,
                cwd=self.folder,
                env=self.environment(),
                start_new_session=True,
                preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            )
        os.close(slave)
        self._processes.append(process)
        terminal = Terminal(process, master, out)
        self._terminals.append(terminal)
        return terminal

    def alive(self) -> list[psutil.Process]:
        """Every process that descends from what was started here, whoever its parent is by now."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get(TAG) == self._tag and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def is_gone(self, within_s: float = PROMISE_S) -> None:
        """Fail unless every process ends in time."""
        deadline = time.monotonic() + within_s
        while left := self.alive():
            if time.monotonic() > deadline:
                pytest.fail(f"left running: {[(p.pid, p.ppid(), command_line(p)) for p in left]}")
            time.sleep(POLL_S)

    def records(self) -> list[dict[str, Any]]:
        """The run records that are kept, oldest first."""
        found = [json.loads(path.read_text()) for path in (self.home / "runs").glob("*/run.json")]
        return sorted(found, key=lambda record: record["started_at_s"])

    def record(self) -> dict[str, Any]:
        """The only run record."""
        (found,) = self.records()
        return found

    def run_folder(self) -> Path:
        """The only run's folder."""
        (found,) = (self.home / "runs").iterdir()
        return found

    def marks(self) -> list[str]:
        """The runs that are said to go on."""
        folder = self.home / "running"
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []

    def clean_up(self) -> None:
        """End whatever a failed test left."""
        for process in self.alive():
            with contextlib.suppress(psutil.Error):
                process.send_signal(signal.SIGKILL)
        for started in self._processes:
            started.wait()
        for terminal in self._terminals:
            terminal.hang_up()


def shared_memory() -> set[str]:
    """What lies in /dev/shm and could be ours: other people's programs may use it too."""
    ours = ("d4py", "psm_", "sem.mp", "pym", "mp-")
    folder = Path("/dev/shm")
    return {path.name for path in folder.iterdir() if path.name.startswith(ours)} if folder.is_dir() else set()
