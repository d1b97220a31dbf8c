"""The machine's profile, probed once and kept in `$D4PY_HOME/hosts/<fingerprint>.json` until the machine changes."""

from __future__ import annotations

import fcntl
import os
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from d4py_adaptive.clock import Clock, monotonic_ns, wall_time_s
from d4py_adaptive.errors import InputError
from d4py_adaptive.profiler.host import Machine, probe_host
from d4py_adaptive.runtime.host_probes import NOT_HERE, host_probes, parts_not_here
from d4py_adaptive.runtime.machine import this_machine
from d4py_adaptive.telemetry.profile import HostProfile
from d4py_adaptive.telemetry.saved import read_saved_file

PATIENCE_S = 30.0
"""How long to wait for another process that is probing this machine, before it is probed beside it."""

_LOOK_AGAIN_S = 0.05

Note = Callable[[str], None]
"""Tells the user something."""


def known_host(home: Path, *, refresh: bool = False, note: Note | None = None) -> HostProfile:
    """What this machine can do: as it was kept, or probed now, which takes two seconds.

    It is probed again when the machine changed, when a part was installed or removed that the probe tries, and when
    what was kept cannot be read.

    Args:
        home: `$D4PY_HOME`.
        refresh: whether to probe in any case.
        note: told what the user should know, such as that nothing can be kept there; by default it is a warning.
    """
    return Hosts(home / "hosts", note or _warn).profile(this_machine(), refresh)


def _warn(text: str) -> None:
    warnings.warn(text, RuntimeWarning, stacklevel=2)


def probed(machine: Machine, clock: Clock = monotonic_ns) -> HostProfile:
    """The machine's profile, measured now."""
    with host_probes() as probes:
        return probe_host(machine, probes, clock, wall_time_s())


class Hosts:
    """The profiles of machines that are kept.

    Args:
        folder: where.
        note: told what the user should know.
        probe: measures.
        not_here: tells what cannot be probed because it is not installed.
    """

    def __init__(
        self,
        folder: Path,
        note: Note,
        probe: Callable[[Machine], HostProfile] = probed,
        not_here: Callable[[], dict[str, str]] = parts_not_here,
    ) -> None:
        self._folder = folder
        self._note = note
        self._probe = probe
        self._not_here = not_here

    def profile(self, machine: Machine, refresh: bool) -> HostProfile:
        """The profile of this machine, as it was kept or probed now."""
        if not refresh and (kept := self._kept(machine, lambda _: None)):
            return kept
        with self._alone(machine):
            # Whoever had to be waited for may have probed it.
            if not refresh and (kept := self._kept(machine, self._note)):
                return kept
            profile = self._probe(machine)
            self._keep(profile)
            return profile

    def path(self, fingerprint: str) -> Path:
        """Where the profile of a machine is kept."""
        return self._folder / f"{fingerprint}.json"

    def _kept(self, machine: Machine, note: Note) -> HostProfile | None:
        """The profile that is kept of this machine, if it can be read and still holds."""
        path = self.path(machine.fingerprint)
        try:
            if not path.exists():
                return None
            kept = read_saved_file(HostProfile, path)
            if kept.fingerprint != machine.fingerprint:
                raise InputError(f"{path} is of another machine")
        except (InputError, OSError) as error:
            note(f"{error}; the machine is probed again")
            return None
        left_out = {name: why for name, why in kept.missing.items() if why.startswith(NOT_HERE)}
        return kept if left_out == self._not_here() else None

    def _keep(self, profile: HostProfile) -> None:
        path = self.path(profile.fingerprint)
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            draft.write_text(profile.to_json())
            draft.replace(path)
        except OSError as error:
            with suppress(OSError):
                draft.unlink()
            self._note(
                f"what this machine can do is measured every time, since it cannot be kept in {self._folder} "
                f"({error.strerror}); set D4PY_HOME to a folder that can be written"
            )

    @contextmanager
    def _alone(self, machine: Machine) -> Iterator[None]:
        """Let nobody else probe meanwhile, which would make both slow, as far as the file system can see to it."""
        lock = self._lock(self._folder / f".{machine.fingerprint}.lock")
        try:
            yield
        finally:
            if lock is not None:
                os.close(lock)

    def _lock(self, path: Path) -> int | None:
        """A file descriptor that holds the lock until it is closed; None where there can be none."""
        try:
            self._folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._folder.mkdir(mode=0o700, exist_ok=True)
            lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError:
            return None  # if nothing can be written there, `_keep` says so
        deadline_s = time.monotonic() + PATIENCE_S
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return lock
            except BlockingIOError:
                if time.monotonic() >= deadline_s:
                    return lock
                time.sleep(_LOOK_AGAIN_S)
            except OSError:
                return lock  # a file system without locks: both probe, and the later one stays
