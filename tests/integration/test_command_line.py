"""What the command understands, and what it says to what it does not."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter

import pytest
from real_processes import FLOWS, D4py

doubling = FLOWS / "doubling.py"


def results(out: str, place: str = "Double1.output") -> list[str]:
    return re.findall(rf"^{re.escape(place)}: (.*)$", out, re.MULTILINE)


# What is right.


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",)])
def test_help(d4py: D4py, arguments: tuple[str, ...]) -> None:
    ended = d4py.run(*arguments)
    assert "usage: d4py" in ended.succeeds()
    assert "run a workflow" in ended.out
    assert ended.err == ""
    assert not d4py.home.exists()


def test_help_of_a_verb(d4py: D4py) -> None:
    out = d4py.run("run", "--help").succeeds()
    for option in ("--mapping", "--workers", "--iterations", "--on-error", "--verify", "--start-method"):
        assert option in out


def test_version(d4py: D4py) -> None:
    assert re.fullmatch(r"d4py \d+\.\d+\.\d+\S*\n", d4py.run("--version").succeeds())


def test_iterations(d4py: D4py) -> None:
    ended = d4py.run("run", doubling, "-i", 5)
    assert results(ended.succeeds()) == ["2", "4", "6", "8", "10"]
    assert "completed in" in ended.err
    assert "under simple on 1 worker(s)" in ended.err
    assert d4py.record()["state"] == "completed"
    assert d4py.marks() == []


def test_more_results_than_are_shown(d4py: D4py) -> None:
    out = d4py.run("run", doubling, "-i", 1007).succeeds()
    assert len(results(out)) == 6
    assert results(out)[-1] == "… and 1,002 more"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("-i", 0), []),
        ((), ["2"]),
        (("-d", '{"Source": 2}'), ["2", "4"]),
        (("-d", '{"Source0": [{"start": 21}, {"start": 4}]}'), ["42", "8"]),
        (("-d", '{"Double": [{"input": "ab"}], "Source": 0}'), ["abab"]),
    ],
)
def test_inputs(d4py: D4py, arguments: tuple[object, ...], expected: list[str]) -> None:
    assert results(d4py.run("run", doubling, *arguments).succeeds()) == expected


def test_inputs_from_a_file(d4py: D4py) -> None:
    (d4py.folder / "in.json").write_text('{"Source": [{"start": 7}]}')
    assert results(d4py.run("run", doubling, "-f", "in.json").succeeds()) == ["14"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "-i", 2, "-q", doubling),
        ("run", doubling, "-i", 2, "-q"),
        ("run", "-q", doubling, "-i", 2),
        ("run", "--iterations=2", "--quiet", doubling),
        ("run", "-i2", "-q", "--", doubling),
    ],
)
def test_options_before_and_after_the_file(d4py: D4py, arguments: tuple[object, ...]) -> None:
    ended = d4py.run(*arguments)
    assert results(ended.succeeds()) == ["2", "4"]
    assert ended.err == ""


def test_a_module_in_the_current_folder(d4py: D4py) -> None:
    (d4py.folder / "flows_here").mkdir()
    (d4py.folder / "flows_here" / "__init__.py").write_text("")
    (d4py.folder / "flows_here" / "mine.py").write_text(doubling.read_text())
    assert results(d4py.run("run", "flows_here.mine", "-i", 2).succeeds()) == ["2", "4"]


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_a_file_finds_the_modules_beside_it(d4py: D4py, method: str) -> None:
    folder = d4py.folder / "elsewhere"
    folder.mkdir()
    (folder / "beside.py").write_text("def triple(x):\n    return 3 * x\n")
    (folder / "flow.py").write_text(
        doubling.read_text().replace("return 2 * data", "import beside; return beside.triple(data)")
    )
    ended = d4py.run("run", folder / "flow.py", "-m", "multi", "-n", 2, "--no-fuse", "--start-method", method, "-q")
    assert results(ended.succeeds()) == ["3"]


def test_parameters(d4py: D4py) -> None:
    out = d4py.run(
        "run", doubling, "-a", "build_factors",
        "-p", "factor=-3", "-p", "scale=1e-2", "--param", "loud=yes", "-p", "name=a=b",
    ).succeeds()  # fmt: skip
    assert results(out, "Factor1.output") == ["(-3, 0.01, True, 'a=b')"]


def test_quiet_shows_results_alone(d4py: D4py) -> None:
    ended = d4py.run("run", doubling, "-i", 2, "-q")
    assert ended.succeeds() == "Double1.output: 2\nDouble1.output: 4\n"
    assert ended.err == ""


def test_fewer_workers_than_allowed_is_said(d4py: D4py) -> None:
    ended = d4py.run("run", FLOWS / "failing.py", "-p", "way=none", "-m", "multi", "-n", 7)
    ended.succeeds()
    assert re.search(r"^d4py: 7 workers allowed, \d used", ended.err, re.MULTILINE)


def test_a_seed_repeats_a_run(d4py: D4py) -> None:
    flow = d4py.folder / "dice.py"
    flow.write_text(
        doubling.read_text()
        .replace("return 2 * data", "return random.random()")
        .replace('"""Numbers', 'import random\n"""Numbers', 1)
    )
    first = results(d4py.run("run", flow, "-i", 3, "--seed", 42).succeeds())
    assert results(d4py.run("run", flow, "-i", 3, "--seed", 42).succeeds()) == first
    assert results(d4py.run("run", flow, "-i", 3, "--seed", 43).succeeds()) != first
    drawn = d4py.run("run", flow, "-i", 3)
    again = d4py.run("run", flow, "-i", 3, "--seed", d4py.records()[-1]["seed"])
    assert results(again.succeeds()) == results(drawn.succeeds())


def test_lines_of_many_pes_come_out_whole(d4py: D4py) -> None:
    out = d4py.run(
        "run", doubling, "-a", "build_talkers", "-p", "writers=8", "-m", "multi", "-n", 5, "-i", 3, "-q"
    ).succeeds()
    lines = out.splitlines()
    pattern = re.compile(r"Hundred(\d)\[\d\]: (?:d \d+ e)?(?:ab\d{3}c)?|Hundred(\d)\[\d\]: d \d+ e")
    assert [line for line in lines if not pattern.fullmatch(line)] == []
    pieces = Counter(re.findall(r"(Hundred\d).*?: (ab\d{3}c|d \d+ e)$", out, re.MULTILINE))
    assert set(pieces.values()) == {3}
    assert len(pieces) == 8 * 200


def test_verify_finds_a_run_as_it_should_be(d4py: D4py) -> None:
    ended = d4py.run("run", doubling, "-m", "multi", "-n", 2, "-i", 50, "--verify")
    ended.succeeds()
    assert re.search(r"^verified: \d+ items at \d place\(s\) are the same as in a sequential run$", ended.err, re.M)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_verify_finds_results_that_depend_on_the_worker(d4py: D4py, method: str) -> None:
    ended = d4py.run(
        "run", FLOWS / "worker_dependent.py", "-m", "multi", "-n", 2, "--start-method", method, "--verify", "-q"
    )
    line = ended.fails_with(1)
    assert "this run and a sequential one differ: " in line
    assert "Where1.output has 6 item(s) that the sequential run has not, and lacks 6" in line


def test_runs_lists_the_newest_last(d4py: D4py) -> None:
    for _ in range(5):
        d4py.run("run", doubling, "-q").succeeds()
    expected = [record["id"] for record in d4py.records()]
    out = d4py.run("runs").succeeds()
    assert re.findall(r"\d{8}-\d{6}\S*", out) == expected
    assert expected[-1] in d4py.run("runs", "last").succeeds()
    assert expected[0] in d4py.run("runs", expected[0]).succeeds()


def test_runs_of_a_home_that_is_not_there(d4py: D4py) -> None:
    assert "no runs yet" in d4py.run("runs").succeeds()


def test_a_reader_that_has_had_enough_is_no_error(d4py: D4py) -> None:
    for _ in range(3):
        d4py.run("run", doubling, "-q").succeeds()
    listing = subprocess.Popen(
        [sys.executable, "-m", "d4py_adaptive", "runs"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=d4py.environment(),
    )
    assert listing.stdout is not None
    assert listing.stderr is not None
    listing.stdout.close()
    with listing.stderr as errors:
        assert errors.read() == b""
    listing.wait(30)


def test_a_home_that_cannot_be_written(d4py: D4py) -> None:
    d4py.home.write_text("a file where a folder should be")
    line = d4py.run("run", doubling).fails_with(2)
    assert "set D4PY_HOME" in line


def test_the_record_says_how_it_was_run(d4py: D4py) -> None:
    d4py.run("run", doubling, "-m", "multi", "-n", 2, "--no-fuse", "-i", 3, "--seed", 9).succeeds()
    record = d4py.record()
    assert record["argv"][1:] == [
        "run", str(doubling), "-m", "multi", "-n", "2", "--no-fuse", "-i", "3", "--seed", "9",
    ]  # fmt: skip
    assert (record["mapping"], record["workers"], record["seed"]) == ("multi", 2, 9)
    assert record["start_method"] in ("fork", "forkserver", "spawn")
    assert json.loads((d4py.run_folder() / "plan.json").read_text())["workers"] == 2
    assert {c["pe"]: c["items_in"] for c in record["instances"]}["Source0"] == 0
    assert sum(c["items_in"] for c in record["instances"] if c["pe"] == "Double1") == 3
