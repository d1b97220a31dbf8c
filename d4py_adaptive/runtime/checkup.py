"""The state of a machine as far as runs depend on it: what may be used and why, what is missing, what to do."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import psutil

from d4py_adaptive.dataflow.resources import usable_cores
from d4py_adaptive.runtime.host import known_host
from d4py_adaptive.runtime.host_probes import INSTALL_CODECS, INSTALL_MPI, INSTALL_MPIEXEC, NOT_HERE
from d4py_adaptive.runtime.mpi_link import mpiexec
from d4py_adaptive.telemetry.profile import Bytes, Count, HostProfile
from d4py_adaptive.telemetry.run_directory import RunDirectory
from d4py_adaptive.telemetry.saved import Saved

_LITTLE_MEMORY = 0.1
_LITTLE_DISK_BYTES = 10**9


class Home(Saved, frozen=True, kw_only=True):
    """Where runs are kept.

    Attributes:
        path: the folder.
        writable: whether runs can be kept there.
        local: whether it is on a disk of this machine, where a running workflow's counters may live.
        free_bytes: room that is left; None where that cannot be seen.
    """

    path: str
    writable: bool
    local: bool
    free_bytes: Bytes | None


class Part(Saved, frozen=True, kw_only=True):
    """Something that is used where it is installed.

    Attributes:
        name: what it is called.
        purpose: what it is for.
        version: the one that is installed, or where it is; empty where it is not.
        install: what to do to have it.
    """

    name: str
    purpose: str
    version: str
    install: str


class Checkup(Saved, frozen=True, kw_only=True):
    """What `d4py doctor` finds.

    Attributes:
        schema_version: of this format.
        package: version of this package.
        system: operating system.
        host: what the machine can do.
        installed_cores: how many cores it has.
        core_limits: what keeps some of them from being used, and how many each leaves.
        free_memory_bytes: memory that is free now.
        load: how many processes wanted a core over the last minute; None where the system does not say.
        home: where runs are kept.
        parts: what is optional.
        notes: what came up while the machine was probed.
    """

    SCHEMA_VERSION: ClassVar[int] = 1

    schema_version: int = 1
    package: str
    system: str
    host: HostProfile
    installed_cores: Count
    core_limits: dict[str, Count]
    free_memory_bytes: Bytes
    load: float | None
    home: Home
    parts: tuple[Part, ...]
    notes: tuple[str, ...] = ()


def check(home: Path, refresh: bool, known: Callable[..., HostProfile] = known_host) -> Checkup:
    """Look at this machine.

    Args:
        home: `$D4PY_HOME`.
        refresh: whether to measure again what is known.
        known: knows the machine's profile.
    """
    notes: list[str] = []
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None  # before it is probed, which adds to it
    host = known(home, refresh=refresh, note=notes.append)
    system = os.uname()
    return Checkup(
        package=version("d4py_adaptive"),
        system=f"{system.sysname} {system.release}",
        host=host,
        installed_cores=os.cpu_count() or 1,
        core_limits=core_limits(),
        free_memory_bytes=psutil.virtual_memory().available,
        load=load,
        home=state_of(home),
        parts=tuple(_parts()),
        notes=tuple(notes),
    )


def core_limits(
    environment: Mapping[str, str] = os.environ, cgroup: Path = Path("/sys/fs/cgroup"), installed: int | None = None
) -> dict[str, int]:
    """What keeps cores of this machine from being used, and how many each of these leaves."""
    installed = installed or os.cpu_count() or 1
    nowhere = Path(os.devnull)
    affinity = usable_cores({}, nowhere)
    found = {"affinity (taskset, or the batch system)": affinity} if affinity < installed else {}
    quota = usable_cores({}, cgroup)
    if quota < affinity:
        found[f"quota of the cgroup ({cgroup / 'cpu.max'})"] = quota
    for name, value in sorted(environment.items()):
        granted = usable_cores({name: value}, nowhere)
        if granted < affinity:
            found[f"{name}={value}"] = granted
    return found


def state_of(home: Path) -> Home:
    """Whether and how runs can be kept in a folder, which is made if need be."""
    run = RunDirectory(home / "runs" / "checkup")
    writable, free_bytes = True, None
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home):
            free_bytes = psutil.disk_usage(str(home)).free
    except OSError:
        writable = False
    return Home(path=str(home), writable=writable, local=run.board().parent == run.path, free_bytes=free_bytes)


_OPTIONAL = (
    ("scikit-learn", "sklearn", "what a PE costs by the size of its items", "pip install 'd4py_adaptive[diagnose]'"),
    ("matplotlib", "matplotlib", "graphs as PNG and PDF", "pip install 'd4py_adaptive[draw]'"),
    ("obspy", "obspy", "the seismology workflow", "pip install 'd4py_adaptive[seismology]'"),
    ("lz4", "lz4", "quick compression", INSTALL_CODECS),
    ("zstandard", "zstandard", "compression", INSTALL_CODECS),
    ("mpi4py", "mpi4py", "workflows over several machines", INSTALL_MPI),
)


def _parts() -> Iterator[Part]:
    for name, module, purpose, install in _OPTIONAL:
        yield Part(name=name, purpose=purpose, version=_version(name, module), install=install)
    yield Part(name="mpiexec", purpose="starts MPI's ranks", version=mpiexec() or "", install=INSTALL_MPIEXEC)


def _version(package: str, module: str) -> str:
    if not find_spec(module):
        return ""
    try:
        return version(package)
    except PackageNotFoundError:
        return "of unknown version"


def complaints(checkup: Checkup) -> list[str]:
    """What makes runs slow here or keeps them from being kept, each with what to do about it, the worst first."""
    host, home = checkup.host, checkup.home
    found: list[str] = []
    if not home.writable:
        found.append(f"No workflow can run: {home.path} cannot be written. Set D4PY_HOME to a folder that can.")
    found.extend(checkup.notes)
    if home.free_bytes is not None and home.free_bytes < _LITTLE_DISK_BYTES:
        found.append(f"Only {home.free_bytes / 1e6:,.0f} MB are left where runs are kept: remove old ones.")
    if checkup.load is not None and checkup.load > host.cores:
        found.append(
            f"{checkup.load:.1f} processes wanted the {host.cores} core(s) over the last minute: runs have to share "
            "them, and the figures above may be too high. top shows who they are."
        )
    if checkup.free_memory_bytes < _LITTLE_MEMORY * host.memory_bytes:
        found.append("Nearly all memory is in use by others: large items may not find room.")
    if host.cores == 1:
        found.append("With one core, run with -m simple: more processes gain only where PEs wait for something.")
    if not home.local:
        found.append(f"{home.path} is on a network: each run's counters are kept on a local disk instead.")
    for name, why in host.missing.items():
        if not why.startswith(NOT_HERE):
            found.append(f"{name} could not be probed: {why}. d4py doctor --refresh tries again.")
    return found
