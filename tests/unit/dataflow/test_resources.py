"""The cores that this process may use: affinity, quota and grant, whichever is least."""

import os
import resource
from pathlib import Path

import pytest

from d4py_adaptive.dataflow.resources import usable_cores, usable_memory_bytes


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)


def quota(folder: Path, text: str) -> Path:
    (folder / "cpu.max").write_text(text)
    return folder


def test_affinity_alone(tmp_path: Path) -> None:
    assert usable_cores({}, tmp_path) == 8


@pytest.mark.parametrize(
    ("text", "cores"),
    [
        ("max 100000\n", 8),
        ("200000 100000\n", 2),
        ("150000 100000\n", 2),
        ("1000 100000\n", 1),
        ("1600000 100000\n", 8),
        ("", 8),
        ("nonsense\n", 8),
    ],
)
def test_the_quota_of_the_cgroup(tmp_path: Path, text: str, cores: int) -> None:
    assert usable_cores({}, quota(tmp_path, text)) == cores


@pytest.mark.parametrize(
    ("environment", "cores"),
    [
        ({"SLURM_CPUS_PER_TASK": "4"}, 4),
        ({"PBS_NCPUS": "3"}, 3),
        ({"NSLOTS": "2"}, 2),
        ({"LSB_DJOB_NUMPROC": "5"}, 5),
        ({"SLURM_CPUS_PER_TASK": "4", "NSLOTS": "2"}, 2),
        ({"SLURM_CPUS_PER_TASK": "64"}, 8),
        ({"SLURM_CPUS_PER_TASK": "0"}, 8),
        ({"SLURM_CPUS_PER_TASK": ""}, 8),
        ({"SLURM_CPUS_PER_TASK": "-2"}, 8),
        ({"SLURM_CPUS_PER_TASK": "four"}, 8),
        ({"SLURM_CPUS_PER_TASK": "²"}, 8),
    ],
)
def test_the_grant_of_the_batch_system(tmp_path: Path, environment: dict[str, str], cores: int) -> None:
    assert usable_cores(environment, tmp_path) == cores


def test_the_least_of_all_counts(tmp_path: Path) -> None:
    assert usable_cores({"NSLOTS": "5"}, quota(tmp_path, "300000 100000")) == 3


@pytest.mark.parametrize(("installed", "cores"), [(6, 6), (None, 1)])
def test_without_affinity_the_installed_cores_count(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, installed: int | None, cores: int
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: installed)
    assert usable_cores({}, tmp_path) == cores


@pytest.mark.parametrize(
    ("text", "allowed"),
    [("max\n", 8 * 2**30), (f"{2**30}\n", 2**30), (f"{2**40}\n", 8 * 2**30), ("", 8 * 2**30), ("much", 8 * 2**30)],
)
def test_memory_is_what_is_installed_or_what_the_cgroup_allows(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, allowed: int
) -> None:
    installed = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 2 * 2**20}
    monkeypatch.setattr(os, "sysconf", installed.__getitem__)
    assert usable_memory_bytes(tmp_path) == 8 * 2**30
    (tmp_path / "memory.max").write_text(text)
    assert usable_memory_bytes(tmp_path) == allowed


@pytest.mark.parametrize(
    ("limit", "allowed"), [(2**30, 2**30), (2**50, 8 * 2**30), (resource.RLIM_INFINITY, 8 * 2**30)]
)
def test_a_limit_on_addresses_bounds_it_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, limit: int, allowed: int
) -> None:
    monkeypatch.setattr(os, "sysconf", lambda name: {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 2**21}[name])
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, limit))
    assert usable_memory_bytes(tmp_path) == allowed
