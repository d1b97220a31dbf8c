"""Where profiles are kept: `$D4PY_HOME/profiles/<workflow>/<host>.json`, both by their fingerprints.

A profile is read and written as a whole, and two runs that end at once both count.
"""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath

import msgspec
from msgspec.structs import replace

from d4py_adaptive.errors import InputError, did_you_mean
from d4py_adaptive.profiler.merging import merged
from d4py_adaptive.telemetry.profile import HostProfile, Profile
from d4py_adaptive.telemetry.saved import read_saved, read_saved_file
from d4py_adaptive.telemetry.sketch import BUCKETS

MOST_BYTES = 64 * 2**20
"""The largest file that is imported."""

MOST = 2.0**63
"""No figure of a profile is larger; what is computed from such figures does not overflow."""

_WORKFLOW = re.compile(r"[0-9a-f]{16}")
_HOST = re.compile(r"[0-9A-Za-z_-]{1,64}")
_PATIENCE_S = 5.0
_POLL_S = 0.01


@dataclass(frozen=True, slots=True)
class Kept:
    """One profile that is kept.

    Attributes:
        path: its file.
        profile: what it holds; None if it cannot be read.
        problem: why it cannot be read.
    """

    path: Path
    profile: Profile | None
    problem: str = ""

    @property
    def key(self) -> str:
        """What names it for certain: the fingerprints of workflow and host, with a slash between."""
        return f"{self.path.parent.name}/{self.path.stem}"

    @property
    def names(self) -> tuple[str, ...]:
        """What people call its workflow: as they typed it, without its folder, and by its last part alone."""
        if self.profile is None:
            return ()
        typed = self.profile.workflow
        name = PurePath(typed).name
        return typed, name, name.removesuffix(".py") if name.endswith(".py") else name.rpartition(".")[2]

    def read(self) -> Profile:
        """What it holds.

        Raises:
            InputError: it cannot be read.
        """
        if self.profile is None:
            raise InputError(self.problem)
        return self.profile


# ---------------------------------------------------------------------- keeping


def keep(home: Path, profile: Profile) -> None:
    """Add what a run measured to what is kept of its workflow on its machine.

    Raises:
        InputError: what is kept cannot be read or written, or the profile holds no sound figures.
    """
    path = _path(home, profile, "this run's profile")
    with _locked(home):
        _put(path, merged(_read(path), profile))


def kept(home: Path, fingerprint: str, host: str) -> Profile | None:
    """What is kept of a workflow on a machine; None if nothing is.

    Raises:
        InputError: it cannot be read.
    """
    return _read(home / "profiles" / fingerprint / f"{host}.json")


def all_kept(home: Path) -> list[Kept]:
    """Every profile that is kept, the newest last; those that cannot be read too, first."""
    found = []
    for path in sorted((home / "profiles").glob("*/*.json")):
        if _WORKFLOW.fullmatch(path.parent.name) and _HOST.fullmatch(path.stem):
            try:
                profile = _read(path)
            except InputError as error:
                found.append(Kept(path, None, str(error)))
            else:
                found += [Kept(path, profile)] if profile is not None else []  # removed meanwhile
    return sorted(found, key=lambda kept: kept.profile.recorded_at_s if kept.profile is not None else -math.inf)


def find_kept(home: Path, name: str) -> Kept:
    """The only profile of this name: its workflow's, or the beginning of its fingerprints.

    Raises:
        InputError: there is none, or several.
    """
    everything = all_kept(home)
    found = [one for one in everything if name in one.names]
    found = found or [one for one in everything if _begins(one.key, name)]
    if len(found) == 1:
        return found[0]
    if not found:
        known = {known for one in everything for known in (*one.names, one.key)}
        raise InputError(f"no profile {name!r} in {home}{did_you_mean(name, known)}; see d4py profiles")
    raise InputError(
        f"{name!r} fits {len(found)} profiles: {', '.join(one.key for one in found[:4])}; give the beginning of one"
    )


def _begins(key: str, name: str) -> bool:
    """Whether a name is the beginning of a fingerprint, or those of two with a slash between."""
    ends, beginnings = key.split("/"), name.split("/")
    return bool(beginnings[0]) and len(beginnings) <= 2 and all(map(str.startswith, ends, beginnings))


def remove(home: Path, name: str) -> Kept:
    """Delete the profile of this name; what it was.

    Raises:
        InputError: there is none, or several.
    """
    found = find_kept(home, name)
    with _locked(home):
        found.path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # profiles of other machines are in it
            found.path.parent.rmdir()
    return found


def export(home: Path, name: str, path: Path) -> Profile:
    """Write the profile of this name to a file; what was written.

    Raises:
        InputError: there is none, or several, or the file cannot be written.
    """
    profile = find_kept(home, name).read()
    try:
        path.write_text(profile.to_json())
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from error
    return profile


def import_profile(home: Path, path: Path) -> Profile:
    """Keep the profile in a file, of this machine or another; it is not mixed with one that is kept already.

    Raises:
        InputError: the file holds no sound profile, or one of its workflow and machine is kept.
    """
    try:
        with path.open("rb") as file:
            text = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    if len(text) > MOST_BYTES:
        raise InputError(f"{path} is larger than {MOST_BYTES >> 20} MiB, which no profile is")
    profile = _sound(read_saved(Profile, text, str(path)), str(path))
    _require_moderate(msgspec.to_builtins(profile), str(path))
    target = _path(home, profile, str(path))
    with _locked(home):
        before = _read(target)
        if before is not None and before != profile:
            key = f"{profile.fingerprint}/{profile.host}"
            raise InputError(
                f"another profile of this workflow and machine is kept already, {key}, of {before.runs:,} run(s); "
                f"remove it first: d4py profiles remove {key}"
            )
        _put(target, profile)
    return profile


# ---------------------------------------------------------------------- is it still true?


def staleness(
    profile: Profile, codes: Mapping[str, str], host: str, fingerprint: str, measured_on: HostProfile | None = None
) -> tuple[str, ...]:
    """Why a profile may not be true of what would run now; a sentence for each reason, none if it is.

    Args:
        profile: what was measured.
        codes: the digest of each PE's code as it is now.
        host: the fingerprint of this machine.
        fingerprint: the fingerprint of the graph as it is now.
        measured_on: the machine of the profile, if `machine_of` knows it.
    """
    start = f"profile of {PurePath(profile.workflow).name}: "
    reasons = []
    if profile.fingerprint != fingerprint:
        reasons.append("the graph changed since it was measured")
    changed = [pe.pe for pe in profile.pes if codes.get(pe.pe, pe.code) != pe.code]
    if changed:
        reasons.append(f"the code of PE{'s' * (len(changed) > 1)} {_listed(changed)} changed since it was measured")
    if profile.host != host:
        machine = _described(profile, measured_on)
        reasons.append(f"it was measured on another machine, or before this one changed ({machine})")
    return tuple(start + reason for reason in reasons)


def machine_of(home: Path, host: str) -> HostProfile | None:
    """What is known of the machine of this fingerprint; None if it was never probed with this home."""
    try:
        return read_saved_file(HostProfile, home / "hosts" / f"{host}.json")
    except InputError:  # it is probed again when it is needed
        return None


def _described(profile: Profile, machine: HostProfile | None) -> str:
    parts = [f"{profile.cores} core{'s' * (profile.cores != 1)}"]
    if machine is not None:
        parts = [machine.name, *parts, machine.processor, machine.python and f"Python {machine.python}"]
    return ", ".join(filter(None, parts))


def _listed(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


# ---------------------------------------------------------------------- files


def _path(home: Path, profile: Profile, where: str) -> Path:
    """Where a profile belongs: its fingerprints are names of a folder and a file, and nothing else."""
    if not _WORKFLOW.fullmatch(profile.fingerprint):
        raise InputError(f"{where} needs its workflow's fingerprint, 16 hex digits; got {profile.fingerprint!r}")
    if not _HOST.fullmatch(profile.host):
        raise InputError(f"{where} needs its machine's fingerprint, letters and digits; got {profile.host!r}")
    return home / "profiles" / profile.fingerprint / f"{profile.host}.json"


def _read(path: Path) -> Profile | None:
    if not path.exists():
        return None
    try:
        profile = _sound(read_saved_file(Profile, path), str(path))
        if (profile.fingerprint, profile.host) != (path.parent.name, path.stem):
            raise InputError(f"{path} holds the profile of another workflow or machine")
    except InputError as error:
        key = f"{path.parent.name}/{path.stem}"
        raise InputError(f"{error}; delete it: d4py profiles remove {key}") from error
    return profile


def _put(path: Path, profile: Profile) -> None:
    """Put a profile in its place, whole or not at all; one that could not be read again is not put anywhere."""
    text = profile.to_json()
    _sound(read_saved(Profile, text, "the profile to keep"), "the profile to keep")
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        draft.write_text(text)
        draft.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        raise _cannot_write(path.parent, error) from error


def _sound(profile: Profile, where: str) -> Profile:
    """The profile, if what is merged of it can be computed with.

    Raises:
        InputError: it cannot.
    """
    _require_moderate(msgspec.to_builtins(replace(profile, instances=(), workers=())), where)
    for pe in profile.pes:
        if not all(0 <= bucket < BUCKETS for bucket in pe.service.buckets):
            raise InputError(f"{where} counts calls of {pe.pe} in a bucket that there is not, beyond {BUCKETS - 1}")
    return profile


def _require_moderate(value: object, where: str) -> None:
    if not all(abs(figure) <= MOST for figure in _figures(value)):
        raise InputError(f"{where} holds a figure that no profile has, beyond {MOST:.1e}")


def _figures(value: object) -> Iterator[float]:
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            waiting += part.values()
        elif isinstance(part, list | tuple):
            waiting += part
        elif isinstance(part, int | float):
            yield part


@contextlib.contextmanager
def _locked(home: Path) -> Iterator[None]:
    """Be the only one to change what is kept; the folders are for their owner's eyes only."""
    folder = home / "profiles"
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        file = (folder / "lock").open("w")
    except OSError as error:
        raise _cannot_write(folder, error) from error
    with file:
        deadline_s = time.monotonic() + _PATIENCE_S
        while not _lock(file.fileno(), folder):
            if time.monotonic() > deadline_s:
                raise InputError(f"another d4py has kept {folder / 'lock'} locked for {_PATIENCE_S:.0f} s; end it")
            time.sleep(_POLL_S)
        yield


def _lock(file: int, folder: Path) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise _cannot_write(folder, error) from error
    return True


def _cannot_write(folder: Path, error: OSError) -> InputError:
    return InputError(
        f"profiles are kept in {folder}, which cannot be written ({error}); set D4PY_HOME to a folder that can"
    )
