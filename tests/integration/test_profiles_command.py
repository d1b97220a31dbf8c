"""`d4py profiles`, as a user types it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from real_processes import D4py

from d4py_adaptive.runtime.profiles import keep
from d4py_adaptive.telemetry.profile import (
    CostLaw,
    HeavyKey,
    HostProfile,
    PEProfile,
    Profile,
    ServiceTime,
    StreamProfile,
)

FLOW, OTHER = "0123456789abcdef", "fedcba9876543210"
HERE, THERE = "aa00000000000000", "bb00000000000000"


def measured(fingerprint: str = FLOW, host: str = HERE, **more: Any) -> Profile:
    fields: dict[str, Any] = {
        "workflow": "flows/xcorr.py",
        "level": "full",
        "mapping": "multi",
        "cores": 8,
        "wall_s": 2.5,
        "recorded_at_s": 1.7e9,
        "pes": (
            PEProfile(pe="Read0", items_out=1000, selectivity={"output": 1.0}, service=ServiceTime(calls=1000)),
            PEProfile(
                pe="Whiten1",
                items_in=1000,
                selectivity={"output": 0.5},
                service=ServiceTime(
                    calls=1000, timed=1000, mean_s=0.002, mean_error_s=1e-5, p95_s=0.004, max_s=0.01, cpu_share=0.97
                ),
                cost=CostLaw(kind="linear", coefficients=(0.0, 1e-9), error=0.1, samples=100),
            ),
        ),
        "streams": (
            StreamProfile(
                id="Read0.output->Whiten1.input",
                source="Read0",
                output="output",
                target="Whiten1",
                input="input",
                items=1000,
                bytes=3_200_000_000,
                item_bytes=3.2e6,
                compressibility=0.41,
                heavy_keys=(HeavyKey(key="'ABC'", share=0.3),),
            ),
            StreamProfile(id="Whiten1.rest", source="Whiten1", output="rest", items=500),
        ),
    }
    return Profile(**(fields | {"fingerprint": fingerprint, "host": host} | more))


def rows(out: str) -> list[list[str]]:
    assert all(len(line) <= 80 for line in out.splitlines()), out
    return [line.split() for line in out.splitlines() if line.strip()]


def test_no_profiles(d4py: D4py) -> None:
    assert d4py.run("profiles").succeeds() == "no profiles yet: d4py run WORKFLOW makes one\n"


def test_the_list(d4py: D4py) -> None:
    keep(d4py.home, measured())
    keep(d4py.home, measured())
    keep(d4py.home, measured(OTHER, THERE, workflow="science.stacking", partial=True, recorded_at_s=1.8e9))
    (d4py.home / "hosts").mkdir()
    (d4py.home / "hosts" / f"{THERE}.json").write_text(HostProfile(fingerprint=THERE, name="node4").to_json())
    title, _, *lines = rows(d4py.run("profiles").succeeds())
    assert title == ["name", "workflow", "machine", "runs", "level", "PEs", "measured"]
    assert [line[:-1] for line in lines] == [
        ["012345", "xcorr.py", "aa0000", "2", "full", "2"],
        ["fedcba", "science.stacking", "node4", "1", "part", "2"],
    ]


def test_every_name_in_the_list_can_be_typed(d4py: D4py) -> None:
    for profile in (measured(), measured(host=THERE), measured(OTHER, workflow="x" * 100)):
        keep(d4py.home, profile)
    found = [line[0] for line in rows(d4py.run("profiles").succeeds()) if line[0][0] in "0f"]
    assert found == ["012345/aa0000", "012345/bb0000", "fedcba"]
    for name, key in zip(found, (f"{FLOW}/{HERE}", f"{FLOW}/{THERE}", f"{OTHER}/{HERE}"), strict=True):
        assert d4py.run("profiles", "show", name).succeeds().startswith(f"profile   {key}\n")


def test_one_on_one_screen(d4py: D4py) -> None:
    keep(d4py.home, measured(notes=("a note",)))
    out = d4py.run("profiles", "show", "xcorr").succeeds()
    assert len(out.splitlines()) <= 24
    lines = rows(out)
    assert lines[:3] == [
        ["profile", f"{FLOW}/{HERE}"],
        ["workflow", "xcorr.py"],
        ["measured", "1", "run(s),", "full", "profile,", "on", "aa0000"],
    ]
    assert "multi, 0 worker(s), 8 core(s), took 2.5 s" in out
    assert ["note", "a", "note"] in lines
    assert ["Whiten1", "1,000", "2.0", "ms", "0.5%", "4.0", "ms", "10.0", "ms", "97%", "0.5", "linear"] in lines
    assert ["Read0", "->", "Whiten1", "1,000", "3.2", "GB", "3.2", "MB", "41%", "'ABC':", "30%"] in lines
    assert ["Whiten1.rest", "->", "results", "500"] in lines


def test_what_is_too_much_for_a_screen_is_counted(d4py: D4py) -> None:
    pes = tuple(PEProfile(pe=f"P{i}", service=ServiceTime(calls=1, mean_s=i)) for i in range(30))
    keep(d4py.home, measured(pes=pes))
    out = d4py.run("profiles", "show", "xcorr").succeeds()
    assert [line[0] for line in rows(out) if line[0][:1] == "P" and line[0] != "PE"] == [f"P{i}" for i in range(20, 30)]
    assert "left out  20 PE(s), 0 stream(s); d4py profiles export NAME - prints them all" in out


def test_from_one_machine_to_another(d4py: D4py) -> None:
    keep(d4py.home, measured())
    assert d4py.run("profiles", "export", "xcorr", "profile.json").succeeds() == "wrote profile.json\n"
    printed = d4py.run("profiles", "export", "xcorr", "-").succeeds()
    assert printed == (d4py.folder / "profile.json").read_text() == measured().to_json()
    assert d4py.run("profiles", "remove", "xcorr").succeeds() == f"removed {FLOW}/{HERE}, of xcorr.py\n"
    assert d4py.run("profiles").succeeds().startswith("no profiles yet")
    kept = d4py.run("profiles", "import", "profile.json").succeeds()
    assert kept == f"kept the profile of xcorr.py as {FLOW}/{HERE}\n"
    assert d4py.run("profiles", "export", "xcorr", "-").succeeds() == printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "xcor.py"], "no profile 'xcor.py' in {home}; did you mean 'xcorr.py'?; see d4py profiles"),
        (["show"], "NAME is missing; see d4py profiles show --help"),
        (["export", "xcorr"], "FILE is missing; see d4py profiles export --help"),
        (["export", "xcorr", "no/where.json"], "no/where.json cannot be written: No such file or directory"),
        (["import", "nowhere.json"], "nowhere.json cannot be read: No such file or directory"),
        (["import", "wrong.json"], "wrong.json holds no profile that can be read"),
        (["remove", "0000"], "no profile '0000' in {home}; see d4py profiles"),
        (["show", "a", "b"], "unexpected argument 'b'; see d4py profiles --help"),
        (["shwo", "a"], "'shwo'; see d4py profiles --help"),
        (["--lits"], "unknown option '--lits'"),
    ],
)
def test_mistakes(d4py: D4py, arguments: list[str], message: str) -> None:
    keep(d4py.home, measured())
    (d4py.folder / "wrong.json").write_text('{"schema_version": 1}')
    assert message.format(home=d4py.home) in d4py.run("profiles", *arguments).fails_with(2)


def test_a_broken_file_is_listed_and_can_be_removed(d4py: D4py) -> None:
    keep(d4py.home, measured())
    keep(d4py.home, measured(OTHER))
    (d4py.home / "profiles" / OTHER / f"{HERE}.json").write_text("{")
    out = d4py.run("profiles").succeeds()
    assert ["fedcba", "cannot", "be", "read"] in [line.split() for line in out.splitlines()]
    assert f"; delete it: d4py profiles remove {OTHER}/{HERE}" in out
    assert "delete it" in d4py.run("profiles", "show", "fed").fails_with(2)
    assert d4py.run("profiles", "remove", "fed").succeeds() == f"removed {OTHER}/{HERE}\n"
    assert "cannot be read" not in d4py.run("profiles").succeeds()


def test_names_neither_steer_the_terminal_nor_are_markup(d4py: D4py) -> None:
    evil = "\x1b[2J[red]x\r"
    keep(
        d4py.home,
        measured(
            workflow=evil,
            mapping=evil,
            notes=(evil,),
            recorded_at_s=1e18,
            pes=(PEProfile(pe=evil),),
            streams=(
                StreamProfile(
                    id=evil, source=evil, output=evil, items=1, heavy_keys=(HeavyKey(key=evil * 9, share=1.0),)
                ),
            ),
        ),
    )
    for arguments in (["profiles"], ["profiles", "show", "01"], ["profiles", "remove", "01"]):
        out = d4py.run(*arguments).succeeds()
        assert "\x1b" not in out
        assert "\r" not in out
        assert "[red]x" in out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_the_actions(d4py: D4py, shell: str) -> None:
    out = d4py.run("completion", shell).succeeds()
    assert "profiles" in out
    if shell != "fish":
        assert all(f"profiles_{action}" in out for action in ("show", "export", "import", "remove"))


NAMES = """
import sys
sys.path.insert(0, sys.argv[1])
from flow import Work
from d4py_adaptive.dataflow.builder import WorkflowGraph
from d4py_adaptive.dataflow.fingerprint import code_digest, workflow_fingerprint
graph = WorkflowGraph()
graph.connect(Work(), "output", Work(), "input")
print(workflow_fingerprint(graph.freeze()), code_digest(Work()))
"""
WORK = """
from d4py_adaptive.dataflow.patterns import IterativePE
NAMES = {"a", "b", "c"}
def known(data):
    return data in NAMES and data not in {"d", "e", "f"}
class Work(IterativePE):
    KINDS = frozenset({"x", "y", "z"})
    def _process(self, data):
        return known(data)
exec("def bare(data): return data in {'g', 'h', 'i'}")
Work.bare = bare
"""


def test_fingerprints_are_the_same_in_every_process_and_folder(d4py: D4py, tmp_path: Path) -> None:
    found = set()
    for seed in range(3):
        folder = tmp_path / str(seed)
        folder.mkdir()
        (folder / "flow.py").write_text(WORK)
        script = (
            f"import os, sys; os.environ['PYTHONHASHSEED'] = '{seed}'; "
            "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
        )
        found.add(d4py.python("-c", script, "-c", NAMES, folder).succeeds())
    assert len(found) == 1
