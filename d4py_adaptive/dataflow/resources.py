"""What this process may use of the machine: affinity, cgroup limits and the batch system's grant."""

from __future__ import annotations

import contextlib
import math
import os
import resource
from collections.abc import Mapping
from pathlib import Path

_GRANTS = ("SLURM_CPUS_PER_TASK", "PBS_NCPUS", "NSLOTS", "LSB_DJOB_NUMPROC")


def usable_cores(environment: Mapping[str, str] = os.environ, cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """The number of cores this process may use, at least 1; never more than are installed."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    bounds = [affinity, _cgroup_quota(cgroup), *(_grant(environment.get(name)) for name in _GRANTS)]
    return max(1, min(bound for bound in bounds if bound is not None))


def usable_memory_bytes(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """The memory this process may use: what is installed, or what its cgroup or its limit on addresses allows."""
    bounds = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    addresses, _ = resource.getrlimit(resource.RLIMIT_AS)
    if addresses != resource.RLIM_INFINITY:
        bounds.append(addresses)
    with contextlib.suppress(OSError):
        allowed = (cgroup / "memory.max").read_text().strip()
        if allowed.isdecimal():
            bounds.append(int(allowed))
    return min(bounds)


def _grant(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() and int(text) > 0 else None


def _cgroup_quota(cgroup: Path) -> int | None:
    """Whole cores that the cgroup's CPU quota (v2 `cpu.max`) allows, or None for no quota."""
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
    except (OSError, ValueError):
        return None
    return None if quota == "max" else max(1, math.ceil(int(quota) / int(period)))
