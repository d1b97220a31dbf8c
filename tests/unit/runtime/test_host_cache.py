"""When a machine is probed and when what is kept of it is believed; nothing is measured here."""

from __future__ import annotations

import errno
import fcntl
import os
from dataclasses import replace
from pathlib import Path

import pytest

from d4py_adaptive.dataflow.resources import usable_cores
from d4py_adaptive.profiler.host import Machine
from d4py_adaptive.runtime import host
from d4py_adaptive.runtime.checkup import core_limits, state_of
from d4py_adaptive.runtime.host import Hosts
from d4py_adaptive.runtime.host_probes import NOT_HERE, parts_not_here, records
from d4py_adaptive.runtime.machine import processor
from d4py_adaptive.telemetry.profile import HostProfile
from d4py_adaptive.wire.encoding import PlainWire

MACHINE = Machine("node4", "Model 9", 8, 2**34, "Linux 6.1", "CPython 3.11.7", "0.1.0")


class Kept:
    """A folder of profiles whose probe counts how often it is asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.probed = 0
        self.notes: list[str] = []
        self.missing: dict[str, str] = {}
        self.not_here: dict[str, str] = {}
        self.hosts = Hosts(folder, self.notes.append, self._probe, lambda: self.not_here)

    def _probe(self, machine: Machine) -> HostProfile:
        self.probed += 1
        missing = self.missing | self.not_here
        return HostProfile(fingerprint=machine.fingerprint, call_s=self.probed * 1e-8, missing=missing)

    def profile(self, machine: Machine = MACHINE, refresh: bool = False) -> HostProfile:
        return self.hosts.profile(machine, refresh)

    @property
    def path(self) -> Path:
        return self.hosts.path(MACHINE.fingerprint)


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path / "home" / "hosts")


def test_probed_once(kept: Kept) -> None:
    first = kept.profile()
    assert [kept.profile() for _ in range(3)] == [first] * 3
    assert (kept.probed, kept.notes) == (1, [])


def test_the_folder_is_for_its_owner_alone(kept: Kept) -> None:
    kept.profile()
    assert {path.stat().st_mode & 0o777 for path in (kept.folder, kept.folder.parent)} == {0o700}
    assert sorted(path.name for path in kept.folder.iterdir() if not path.name.endswith(".lock")) == [kept.path.name]


def test_probed_again_when_asked_for(kept: Kept) -> None:
    kept.profile()
    refreshed = kept.profile(refresh=True)
    assert (kept.probed, refreshed.call_s) == (2, 2e-8)
    assert kept.profile() == refreshed


def test_probed_again_when_the_machine_changed(kept: Kept) -> None:
    before = kept.profile()
    changed = replace(MACHINE, cores=4)
    assert kept.profile(changed).fingerprint == changed.fingerprint
    assert kept.probed == 2
    assert kept.profile() == before  # both are kept: a home is shared by machines
    assert kept.probed == 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "holds no host profile that can be read"),
        (b"", "holds no host profile that can be read"),
        (b"\xff\xfe", "holds no host profile that can be read"),
        (b'{"schema_version": 99}', "of schema version 99"),
        (b'{"schema_version": 1, "fingerprint": "of another"}', "is of another machine"),
    ],
)
def test_what_cannot_be_read_is_said_and_probed_again(kept: Kept, content: bytes, said: str) -> None:
    kept.profile()
    kept.path.write_bytes(content)
    assert kept.profile().call_s == 2e-8
    (note,) = kept.notes
    assert said in note
    assert str(kept.path) in note
    assert note.endswith("; the machine is probed again")
    kept.profile()
    assert (kept.probed, len(kept.notes)) == (2, 1)


def test_a_folder_in_the_file_s_place_is_said_and_does_no_harm(kept: Kept) -> None:
    kept.path.mkdir(parents=True)
    assert kept.profile().call_s == 1e-8
    assert "cannot be read" in kept.notes[0]
    assert "is measured every time" in kept.notes[1]


def test_where_nothing_can_be_kept_it_is_probed_every_time_and_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file where a folder should be")
    kept = Kept(tmp_path / "file" / "hosts")
    assert [kept.profile().call_s for _ in range(2)] == [1e-8, 2e-8]
    assert len(kept.notes) == 2
    assert "set D4PY_HOME" in kept.notes[0]


def test_what_was_installed_since_is_probed(kept: Kept) -> None:
    kept.not_here = {"lz4": f"{NOT_HERE}pip install it"}
    kept.profile()
    kept.profile()
    assert kept.probed == 1
    kept.not_here = {}
    assert kept.profile().missing == {}
    assert kept.probed == 2


def test_what_was_removed_since_is_known(kept: Kept) -> None:
    kept.profile()
    kept.not_here = {"lz4": f"{NOT_HERE}pip install it"}
    assert kept.profile().missing == kept.not_here


def test_what_failed_is_not_tried_every_time(kept: Kept) -> None:
    kept.missing = {"mpi": "mpiexec failed with code 1"}
    kept.profile()
    kept.profile()
    assert kept.probed == 1


def test_whoever_had_to_wait_takes_what_the_other_probed(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    by_other = HostProfile(fingerprint=MACHINE.fingerprint, call_s=5e-8)

    def lock(descriptor: int, _: int) -> None:
        kept.path.write_text(by_other.to_json())  # while we waited

    monkeypatch.setattr(fcntl, "flock", lock)
    assert kept.profile() == by_other
    assert kept.probed == 0


def test_it_waits_for_the_lock_no_longer_than_it_should(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(host.time, "sleep", slept.append)
    monkeypatch.setattr(host.time, "monotonic", lambda: sum(slept))
    kept.folder.mkdir(parents=True)
    other = os.open(kept.folder / f".{MACHINE.fingerprint}.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(other, fcntl.LOCK_EX)
    assert kept.profile().call_s == 1e-8
    os.close(other)
    assert host.PATIENCE_S <= sum(slept) < host.PATIENCE_S + 1


def test_a_file_system_without_locks_does_no_harm(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int, _: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert kept.profile() == kept.profile()
    assert kept.probed == 1


def test_a_probe_that_fails_keeps_nothing_and_holds_no_lock(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: Machine) -> HostProfile:
        raise KeyboardInterrupt

    monkeypatch.setattr(kept.hosts, "_probe", interrupted)
    with pytest.raises(KeyboardInterrupt):
        kept.profile()
    assert not kept.path.exists()
    free = os.open(kept.folder / f".{MACHINE.fingerprint}.lock", os.O_RDWR)
    fcntl.flock(free, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(free)


def test_by_default_a_note_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "home").write_text("a file")
    probe = HostProfile(fingerprint="f")
    monkeypatch.setattr(host, "Hosts", lambda folder, note: Hosts(folder, note, lambda _: probe, dict))
    with pytest.warns(RuntimeWarning, match="is measured every time"):
        assert host.known_host(tmp_path / "home") == probe


@pytest.mark.parametrize(
    ("text", "expected"),
    [("processor\t: 0\nmodel name\t: Some Chip: 9\nmodel name\t: Other\n", "Some Chip: 9"), ("BogoMIPS\t: 3\n", None)],
)
def test_the_model_of_the_processor(tmp_path: Path, text: str, expected: str | None) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(text)
    found = processor(cpuinfo)
    assert found == expected if expected else found
    assert processor(tmp_path / "none")


def test_parts_that_are_not_here_say_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("d4py_adaptive.runtime.host_probes.find_spec", lambda name: None)
    missing = parts_not_here()
    assert missing.keys() == {"lz4", "zstd-1", "zstd-3", "mpi"}
    assert missing["mpi"] == "not installed: pip install 'd4py_adaptive[mpi]'"
    monkeypatch.setattr("d4py_adaptive.runtime.host_probes.find_spec", lambda name: object())
    monkeypatch.setattr("d4py_adaptive.runtime.host_probes.mpiexec", lambda: None)
    assert list(parts_not_here()) == ["mpi"]
    assert "no mpiexec" in parts_not_here()["mpi"]


@pytest.mark.parametrize("size", [100, 1_000, 10_000, 100_000, 1_000_000])
def test_records_have_about_the_size_asked_for(size: int) -> None:
    assert PlainWire().encode(records(size)).nbytes == pytest.approx(size, rel=0.4)
    assert records(size) == records(size)


def test_what_limits_the_cores(tmp_path: Path) -> None:
    quota = tmp_path / "cpu.max"
    quota.write_text("100000 100000\n")
    usable = usable_cores({}, tmp_path / "none")
    found = core_limits({"SLURM_CPUS_PER_TASK": "1", "HOME": "1", "NSLOTS": "9999"}, tmp_path, usable + 3)
    assert found["affinity (taskset, or the batch system)"] == usable
    rest = {name: cores for name, cores in found.items() if not name.startswith("affinity")}
    if usable > 1:
        assert rest == {f"quota of the cgroup ({quota})": 1, "SLURM_CPUS_PER_TASK=1": 1}
    assert core_limits({}, tmp_path / "none", usable) == {}


def test_a_home_that_can_be_written_is_made(tmp_path: Path) -> None:
    state = state_of(tmp_path / "new" / "home")
    assert (state.writable, state.local) == (True, True)
    assert state.free_bytes
    assert list((tmp_path / "new" / "home").iterdir()) == []


def test_a_home_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    state = state_of(tmp_path / "file" / "home")
    assert (state.writable, state.free_bytes) == (False, None)
