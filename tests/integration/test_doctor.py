"""What `d4py doctor` shows, keeps and says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from real_processes import D4py

from d4py_adaptive.cli.doctor import screen
from d4py_adaptive.dataflow.resources import usable_cores
from d4py_adaptive.runtime.checkup import Checkup, Home, Part, check
from d4py_adaptive.telemetry.profile import HostProfile
from d4py_adaptive.telemetry.saved import read_saved

SIZES = (100, 1_000, 10_000, 100_000, 1_000_000)


def profile(**changes: Any) -> HostProfile:
    figures: dict[str, Any] = {
        "fingerprint": "f00", "name": "node4", "processor": "Model 9", "cores": 8, "memory_bytes": 32 * 10**9,
        "python": "CPython 3.11.7", "call_s": 4e-8,
        "pickle_s": dict(zip(SIZES, (2e-6, 6e-6, 5e-5, 8e-4, 1.2e-2), strict=True)),
        "hop_s": {"pipe": dict.fromkeys(SIZES, 3e-5), "shared_memory": dict.fromkeys(SIZES, 3e-5)},
        "batched_hop_s": {"pipe": dict.fromkeys(SIZES, 4e-6), "shared_memory": dict.fromkeys(SIZES, 4e-6)},
        "codecs": {"zlib-1": {"ratio": 0.5, "encode_bytes_per_s": 1e8, "decode_bytes_per_s": 4e8}},
    }  # fmt: skip
    return HostProfile(**(figures | changes))


def checkup(**changes: Any) -> Checkup:
    figures: dict[str, Any] = {
        "package": "0.1.0", "system": "Linux 6.1", "host": profile(), "installed_cores": 8, "core_limits": {},
        "free_memory_bytes": 30 * 10**9, "load": 0.2, "parts": (),
        "home": Home(path="/home/ada/.d4py", writable=True, local=True, free_bytes=10**12),
    }  # fmt: skip
    return Checkup(**(figures | changes))


def shown(found: Checkup) -> str:
    lines = list(screen(found))
    assert max(map(len, lines)) <= 80, lines
    return "\n".join(lines)


# The command.


def test_the_screen_fits_a_terminal_and_names_what_matters(d4py: D4py) -> None:
    ended = d4py.run("doctor")
    out = ended.succeeds()
    assert ended.err == ""
    assert re.search(rf"^cores +{usable_cores()} of the \d+ installed can be used", out, re.MULTILINE)
    for text in ("to another process", "zlib-1", "scikit-learn", str(d4py.home), "can be written, on a local disk"):
        assert text in out
    assert [line for line in out.splitlines() if len(line) > 80 and str(d4py.home) not in line] == []


def test_it_measures_once_and_again_when_told(d4py: D4py) -> None:
    (first, again, refreshed) = (
        read_saved(Checkup, d4py.run("doctor", "--json", *more).succeeds(), "it") for more in ((), (), ("--refresh",))
    )
    assert again.host == first.host
    assert refreshed.host.probed_at_s > first.host.probed_at_s
    (kept,) = (d4py.home / "hosts").glob("*.json")
    assert kept.stem == refreshed.host.fingerprint
    assert json.loads(kept.read_text())["probed_at_s"] == refreshed.host.probed_at_s


def test_two_at_once_measure_once(d4py: D4py) -> None:
    both = [d4py.start("doctor", "--json") for _ in range(2)]
    first, second = (read_saved(Checkup, command.wait().succeeds(), "it").host for command in both)
    assert first == second


def test_a_broken_file_is_said_and_mended(d4py: D4py) -> None:
    d4py.run("doctor").succeeds()
    (kept,) = (d4py.home / "hosts").glob("*.json")
    kept.write_text("{")
    out = d4py.run("doctor").succeeds()
    assert "the machine is probed again" in " ".join(out.split())
    assert "probed again" not in d4py.run("doctor").succeeds()


def test_a_home_that_cannot_be_written_is_found(d4py: D4py) -> None:
    d4py.home.write_text("a file where a folder should be")
    ended = d4py.run("doctor")
    assert ended.code == 1
    assert "CANNOT be written" in ended.out
    assert "Set D4PY_HOME to a folder that can." in " ".join(ended.out.split())
    assert ended.err == ""


def test_a_grant_of_the_batch_system_is_named(d4py: D4py, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "1")
    out = d4py.run("doctor").succeeds()
    assert re.search(r"^cores +1 of the", out, re.MULTILINE)
    if usable_cores({}) > 1:
        assert "no more than 1: SLURM_CPUS_PER_TASK=1" in out


# What it makes of what it finds.


def test_a_machine_that_lacks_nothing() -> None:
    assert shown(checkup()).endswith("Nothing here that keeps runs from being quick.")


def test_the_lessons() -> None:
    out = " ".join(shown(checkup()).split())
    assert "A PE that works less than about 40 us on an item of 1 kB gains nothing from a process of its own." in out
    assert "1 MB of numbers in lists or dicts takes 3001 times as long to hand over as in an array: send arrays." in out


def test_a_codec_says_for_which_links_it_pays() -> None:
    # 1 byte of 2 saved, at 10 + 2.5 ns a byte.
    assert re.search(r"zlib-1 +50% +100 MB/s +400 MB/s +40 MB/s$", shown(checkup()), re.MULTILINE)
    useless = {"lz4": {"ratio": 1.01, "encode_bytes_per_s": 1e10, "decode_bytes_per_s": 1e10}}
    assert re.search(r"lz4 .* no link$", shown(checkup(host=profile(codecs=useless))), re.MULTILINE)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"load": 9.5}, "9.5 processes wanted the 8 core(s) over the last minute"),
        ({"free_memory_bytes": 10**9}, "Nearly all memory is in use"),
        ({"host": profile(cores=1)}, "With one core, run with -m simple"),
        ({"home": Home(path="/n/.d4py", writable=True, local=False, free_bytes=10**12)}, "/n/.d4py is on a network"),
        ({"home": Home(path="/n", writable=True, local=True, free_bytes=5 * 10**6)}, "Only 5 MB are left"),
        ({"host": profile(missing={"mpi": "mpiexec failed with code 1"})}, "mpi could not be probed: mpiexec failed"),
        ({"notes": ("something came up",)}, "- something came up"),
    ],
)
def test_what_to_look_at(changes: dict[str, Any], said: str) -> None:
    out = " ".join(shown(checkup(**changes)).split())
    assert "What to look at:" in out
    assert said in out


def test_what_is_missing_comes_with_what_to_type() -> None:
    parts = (
        Part(name="lz4", purpose="quick compression", version="", install="pip install it"),
        Part(name="mpiexec", purpose="starts ranks", version="/opt/mpi/bin/mpiexec", install="load a module"),
        Part(name="obspy", purpose="seismology", version="1.5.1", install="pip install it"),
    )
    lines = shown(checkup(parts=parts)).splitlines()
    start = lines.index("Optional parts            for")
    assert [line.split() for line in lines[start + 1 : start + 6]] == [
        ["lz4", "is", "missing", "quick", "compression"], ["pip", "install", "it"],
        ["mpiexec", "starts", "ranks"], ["/opt/mpi/bin/mpiexec"],
        ["obspy", "1.5.1", "seismology"],
    ]  # fmt: skip


def test_without_a_second_process_the_rest_is_shown() -> None:
    broken = profile(hop_s={}, batched_hop_s={}, missing={"pipe": "cannot be started", "shared_memory": "the same"})
    out = shown(checkup(host=broken))
    assert "to another process" not in out
    assert "pipe could not be probed: cannot be started" in out


def test_names_do_not_steer_the_terminal() -> None:
    assert "\x1b" not in shown(checkup(host=profile(name="\x1b[2Jnode", missing={"mpi": "\x1b[31mno"})))


def test_a_profile_is_asked_for_with_the_home_that_is_looked_at(tmp_path: Path) -> None:
    asked: list[object] = []

    def known(home: Path, *, refresh: bool, note: object) -> HostProfile:
        asked.extend((home, refresh))
        return profile()

    found = check(tmp_path, True, known)
    assert asked == [tmp_path, True]
    assert read_saved(Checkup, found.to_json(), "it") == found
