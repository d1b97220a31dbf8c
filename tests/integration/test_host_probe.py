"""The probe of this machine, for real: another process, shared memory, MPI, codecs. How fast it is is not asserted."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
from real_processes import PATIENCE_S, D4py, eventually, shared_memory

from d4py_adaptive.clock import monotonic_ns
from d4py_adaptive.errors import RunError
from d4py_adaptive.profiler.host import SIZES
from d4py_adaptive.runtime import echo as echo_module
from d4py_adaptive.runtime.echo import End, block, echo, python_command, together
from d4py_adaptive.runtime.host import probed
from d4py_adaptive.runtime.host_probes import host_probes, parts_not_here
from d4py_adaptive.runtime.machine import this_machine
from d4py_adaptive.runtime.mpi_link import mpi_hops, mpiexec
from d4py_adaptive.wire.slots import MIB


def children() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


def open_files() -> int:
    return psutil.Process().num_fds()


@pytest.fixture(autouse=True)
def _nothing_is_left() -> object:
    before, files, memory = children(), open_files(), shared_memory()
    yield
    assert children() == before
    assert open_files() == files
    assert shared_memory() <= memory


def test_a_profile_has_every_figure() -> None:
    machine = this_machine()
    profile = probed(machine)
    assert profile.fingerprint == machine.fingerprint
    assert list(profile.pickle_s) == list(SIZES)
    ways = {"pipe", "shared_memory"} | ({"mpi"} - profile.missing.keys())
    assert profile.hop_s.keys() == profile.batched_hop_s.keys() == ways
    for way in ways:
        assert list(profile.hop_s[way]) == list(profile.batched_hop_s[way]) == list(SIZES)
        assert all(profile.batched_hop_s[way][size] <= profile.hop_s[way][size] for size in SIZES)
        assert profile.hop_s[way][100] > profile.call_s > 0
    assert profile.pickle_s[100] < profile.pickle_s[1_000_000]
    assert profile.codecs.keys() | profile.missing.keys() >= {"zlib-1", "lz4", "zstd-1", "zstd-3"}
    assert {name: why for name, why in profile.missing.items() if name != "mpi"} == {
        name: why for name, why in parts_not_here().items() if name != "mpi"
    }
    assert 0.2 < profile.codecs["zlib-1"]["ratio"] < 0.8


def test_codecs_give_back_what_they_were_given() -> None:
    with host_probes() as probes:
        for name, codec in probes.codecs.items():
            assert codec.decode(codec.encode(probes.sample)) == probes.sample, name


def test_what_is_not_installed_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("d4py_adaptive.runtime.host_probes.find_spec", lambda name: None)
    with host_probes() as probes:
        assert list(probes.codecs) == ["zlib-1"]
        assert list(probes.links) == ["pipe", "shared_memory"]
        assert probes.missing.keys() == {"lz4", "zstd-1", "zstd-3", "mpi"}


@pytest.mark.parametrize("in_shared_memory", [False, True])
def test_items_come_back_as_they_went_and_the_same_way(in_shared_memory: bool) -> None:
    import numpy

    large = numpy.arange(50_000)
    with echo() as end:
        for _ in range(100):  # more than the memory would hold if none of it came back
            end.send([b"small", large, large[::-1].copy()], in_shared_memory)
            received = end.receive(30.0)
            assert received is not None
            (small, there, reverse), was_lent = received
            assert small == b"small"
            assert (there == large).all()
            assert (reverse == large[::-1]).all()
            assert was_lent is in_shared_memory
            del received, there, reverse


def test_an_item_of_many_megabytes_comes_back() -> None:
    with echo() as end:
        for in_shared_memory in (False, True):
            end.there_and_back(40 * MIB, 1, in_shared_memory)


@pytest.mark.parametrize("size", SIZES)
def test_what_travels_together_fits_the_shared_memory(size: int) -> None:
    with echo() as end:
        for _ in range(5):
            end.send([block(size)] * together(size, True), True)
            received = end.receive(30.0)
            assert received is not None
            assert received[1] is (size >= 16 * 1024)


def test_a_killed_partner_is_an_error_with_words() -> None:
    with echo() as end:
        end.there_and_back(100, 1, False)
        (partner,) = [child for child in children() if "runtime.echo" in " ".join(child.cmdline())]
        partner.send_signal(signal.SIGKILL)
        partner.wait(30)
        with pytest.raises(RunError, match="has ended"):
            end.there_and_back(1_000_000, 1, True)


def test_a_stopped_partner_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(echo_module, "PATIENCE_S", 0.2)
    with echo() as end:
        assert end.send([b"wake up"], False) is None
        assert end.receive(30.0)
        (partner,) = [child for child in children() if "runtime.echo" in " ".join(child.cmdline())]
        partner.send_signal(signal.SIGSTOP)
        with pytest.raises(RunError, match=r"has not answered for 0\.2 s"):
            end.there_and_back(30_000_000, 1, False)


def test_without_a_second_process_the_rest_is_probed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    with host_probes() as probes, pytest.raises(RunError, match=r"cannot be started: .*No such file"):
        probes.links["pipe"](monotonic_ns)


def test_a_partner_that_cannot_import_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(echo_module, "python_command", lambda *_: [sys.executable, "-c", "raise SystemExit(3)"])
    with ExitStack() as ends:
        end: End = ends.enter_context(echo())
        with pytest.raises(RunError, match="has ended"):
            end.there_and_back(100, 1, False)


def test_another_python_finds_modules_where_this_one_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import subprocess

    (tmp_path / "only_here.py").write_text("def main(*words):\n    print(*words)\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "only_here", raising=False)
    done = subprocess.run(python_command("only_here", 1, "two"), capture_output=True, text=True, timeout=60)
    assert done.stdout == "1 two\n", done.stderr


# MPI.

has_mpi = pytest.mark.skipif("mpi" in parts_not_here(), reason=f"mpi: {parts_not_here().get('mpi')}")


@has_mpi
def test_two_ranks() -> None:
    command = mpiexec()
    assert command
    found = mpi_hops(command, 60)
    assert list(found.alone) == list(found.together) == list(SIZES)
    assert 0 < found.alone[100] <= found.alone[1_000_000]


def script(tmp_path: Path, text: str) -> str:
    path = tmp_path / "mpiexec"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("exit 0", "should print figures; got b''"),
        ("echo '[1, 2]'", "should print figures; got"),
        ("echo -----; echo 'not allowed here' >&2; exit 7", "failed with code 7: not allowed here"),
        (
            "printf 'Traceback\\n  x\\nRuntimeError: cannot load MPI library\\n' >&2; exit 1",
            "code 1: RuntimeError: cannot",
        ),
        ("exit 9", "failed with code 9: it did not say why"),
        ("sleep 300", "was given 0.3 s for two ranks, and was not done"),
        ("sleep 300 & wait", "was given 0.3 s for two ranks"),
    ],
)
def test_an_mpiexec_that_fails_says_why(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(RunError) as caught:
        mpi_hops(script(tmp_path, text), 0.3 if "sleep" in text else 30)
    assert said in str(caught.value)


@has_mpi
def test_an_mpiexec_of_another_mpi_is_noticed(tmp_path: Path) -> None:
    # It starts ranks that do not know of each other, as an mpiexec does whose MPI is not mpi4py's.
    with pytest.raises(RunError, match="should start 2 ranks that know of each other; this one knows of 1"):
        mpi_hops(script(tmp_path, 'shift 2; "$@"'), 60)


def test_mpiexec_beside_this_python_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beside, elsewhere = tmp_path / "venv", tmp_path / "elsewhere"
    for folder in (beside, elsewhere):
        folder.mkdir()
        script(folder, "exit 0")
    monkeypatch.setenv("PATH", str(elsewhere))
    monkeypatch.setattr(sys, "executable", str(beside / "python"))
    assert mpiexec() == str(beside / "mpiexec")
    (beside / "mpiexec").unlink()
    assert mpiexec() == str(elsewhere / "mpiexec")
    (elsewhere / "mpiexec").unlink()
    assert mpiexec() is None


def test_interrupted_it_leaves_nothing_running(d4py: D4py) -> None:
    command = d4py.start("doctor")
    eventually(lambda: psutil.Process(command.pid).children(), PATIENCE_S, "start a process to hand items to")
    os.kill(command.pid, signal.SIGINT)
    assert command.wait().code == 130
    d4py.is_gone()
