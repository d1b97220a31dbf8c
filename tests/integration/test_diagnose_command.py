"""`d4py diagnose`, as a user types it, and as a run goes wrong under it."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from real_processes import FLOWS, PROMISE_S, D4py, Ended, Running, eventually

from d4py_adaptive.telemetry.diagnosis import Diagnosis
from d4py_adaptive.telemetry.profile import Profile
from d4py_adaptive.telemetry.saved import read_saved, read_saved_file

pytestmark = pytest.mark.usefixtures("on_known_machine")

SCHEMA = Path(__file__).parents[2] / "docs" / "diagnosis.schema.json"
DOUBLING, UNRULY, BUSY = FLOWS / "doubling.py", FLOWS / "unruly.py", FLOWS / "booked.py"
MAPPINGS = {"simple": ("simple",), "multi": ("multi", "-n", 2, "--no-fuse"), "toy": ("toy", "-n", 2)}
every_mapping = pytest.mark.parametrize("mapping", MAPPINGS)
METHODS = ("fork", "forkserver", "spawn")


def diagnosed(ended: Ended) -> Diagnosis:
    """What `--json -` printed: that, and nothing else."""
    return read_saved(Diagnosis, ended.succeeds(), "standard output")


def against_schema(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> None:
    """Fail where a value lacks what the schema requires, or has what it does not know."""
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    for choice in schema.get("anyOf", []):
        if "$ref" in choice and isinstance(value, dict):
            against_schema(value, choice, root)
    if isinstance(value, dict) and "properties" in schema:
        assert set(schema.get("required", [])) <= value.keys() <= schema["properties"].keys()
        for name, part in value.items():
            against_schema(part, schema["properties"][name], root)
    if isinstance(value, list) and "items" in schema:
        for part in value:
            against_schema(part, schema["items"], root)


@every_mapping
def test_a_workflow(d4py: D4py, mapping: str) -> None:
    ended = d4py.run("diagnose", DOUBLING, "-i", 20, "-m", *MAPPINGS[mapping])
    lines = ended.succeeds().splitlines()
    assert lines[0].startswith("▌ ")
    assert all(len(line) <= 80 for line in lines)
    assert len(lines) <= 40
    assert "Where the time went" in ended.out
    assert "Source0 → Double1" in ended.out
    record = d4py.record()
    assert f"doubling.py, run {record['id']}, {mapping}" in ended.out
    profile = read_saved_file(Profile, d4py.run_folder() / "profile.json")
    assert (profile.level, profile.partial, profile.mapping) == ("full", False, mapping)
    assert [(pe.pe, pe.items_in, pe.items_out, pe.service.calls) for pe in profile.pes] == [
        ("Source0", 0, 20, 20), ("Double1", 20, 20, 20)
    ]  # fmt: skip


def test_a_short_run_is_nobody_s_fault(d4py: D4py) -> None:
    for mapping, cause in (("simple", "healthy"), ("multi", "run_sequentially")):
        ended = d4py.run("diagnose", DOUBLING, "-i", 10, "-m", *MAPPINGS[mapping], "--json", "-")
        assert diagnosed(ended).verdict.cause == cause


def test_a_run_by_all_its_names(d4py: D4py) -> None:
    d4py.run("run", DOUBLING, "-i", 5, "-q").succeeds()
    run_id = d4py.record()["id"]
    names = ["last", run_id, run_id[:-3], run_id[-6:], d4py.run_folder()]
    told = {d4py.run("diagnose", name).succeeds() for name in names}
    assert len(told) == 1
    assert f"run {run_id}, simple" in told.pop()
    assert len(d4py.records()) == 1
    d4py.run("run", DOUBLING, "-q").succeeds()
    assert run_id not in d4py.run("diagnose", "last").succeeds()
    assert "fits 2 runs" in d4py.run("diagnose", run_id[:6]).fails_with(2)


def test_a_trace_of_another_system(d4py: D4py) -> None:
    rows = [f"{pe},0,process,x,{at},{at + 1}" for pe in ("Read1", "Fit2") for at in range(5)]
    (d4py.folder / "trace.csv").write_text("PE,rank,method,data,start,end\n" + "\n".join(rows) + "\n")
    found = diagnosed(d4py.run("diagnose", "trace.csv", "--json", "-"))
    assert {pe.pe for pe in found.profile.pes} == {"Read1", "Fit2"}
    assert found.profile.level == "foreign"
    assert d4py.run("diagnose", "trace.csv").succeeds().startswith("▌ ")
    assert d4py.records() == []


@every_mapping
def test_the_json_is_what_the_schema_says(d4py: D4py, mapping: str) -> None:
    ended = d4py.run("diagnose", BUSY, "-a", "chain", "-m", *MAPPINGS[mapping], "--json", "-")
    schema = json.loads(SCHEMA.read_text())
    against_schema(json.loads(ended.out), schema, schema)
    found = diagnosed(ended)
    assert found.run == d4py.record()["id"]
    assert found.profile.to_json() == (d4py.run_folder() / "profile.json").read_text()
    again = diagnosed(d4py.run("diagnose", "last", "--json", "-"))
    assert again.profile == found.profile


class Page(HTMLParser):
    """Where a page's elements begin and end, and what it loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.begun.append(tag)
        self.loaded += [value for name, value in attrs if name in ("src", "href") and value and value[0] not in "#d"]

    def handle_endtag(self, tag: str) -> None:
        self.ended.append(tag)


@every_mapping
def test_the_files(d4py: D4py, mapping: str) -> None:
    files = {name: f"my {name}.out" for name in ("json", "html", "trace", "speedscope")}
    options = [word for name, file in files.items() for word in (f"--{name}", file)]
    ended = d4py.run("diagnose", DOUBLING, "-i", 50, "-m", *MAPPINGS[mapping], *options)
    assert "Where the time went" in ended.succeeds()
    assert [line for line in ended.error_lines if line.startswith("written")] == [
        f"written: {file}" for file in files.values()
    ]
    text = {name: (d4py.folder / file).read_text() for name, file in files.items()}
    found = read_saved(Diagnosis, text["json"], "the file")
    page = Page(text["html"])
    assert page.begun.count("html") == page.ended.count("html") == 1
    assert page.loaded == []
    assert found.verdict.sentence.partition(",")[0].partition(":")[0] in text["html"]
    slices = json.loads(text["trace"])["traceEvents"]
    assert {event["args"]["name"] for event in slices if event["name"] == "thread_name"} >= {"Source0[0]", "Double1[0]"}
    scope = json.loads(text["speedscope"])
    assert scope["$schema"] == "https://www.speedscope.app/file-format-schema.json"
    assert len(scope["profiles"]) >= len(found.profile.instances)


def test_quiet_prints_nothing(d4py: D4py) -> None:
    ended = d4py.run("diagnose", DOUBLING, "-q", "--json", "j.json")
    assert (ended.code, ended.out, ended.err) == (0, "", "")
    assert (d4py.folder / "j.json").stat().st_size > 1000


@pytest.mark.parametrize("words", [("simple",), *(("multi", "-n", 2, "--start-method", method) for method in METHODS)])
def test_what_a_workflow_prints_is_not_in_the_json(d4py: D4py, words: tuple[object, ...]) -> None:
    ended = d4py.run("diagnose", UNRULY, "-a", "chatting", "--json", "-", "-m", *words)
    diagnosed(ended)
    for said in ("printed while it was built", "]: printed", "]: without an end", "]: logged", "another program"):
        assert said in ended.err


@pytest.mark.parametrize(
    ("way", "mapping"),
    [("process", "simple"), ("process", "multi"), ("preprocess", "simple"), ("postprocess", "multi")],
)
def test_a_workflow_that_fails(d4py: D4py, way: str, mapping: str) -> None:
    ended = d4py.run("diagnose", FLOWS / "failing.py", "-p", f"way={way}", "-q", "-m", *MAPPINGS[mapping])
    line = ended.fails_with(1)
    assert "Trouble1[0]" in line
    assert ended.out == ""
    record = d4py.record()
    assert record["state"] == "failed"
    later = d4py.run("diagnose", "last")
    assert "! the run failed; the figures are of calls that had ended by then" in later.succeeds()
    assert record["id"] in later.out
    assert d4py.run("profiles").succeeds().startswith("no profiles yet")


def start_endless(d4py: D4py) -> Running:
    words = ("-p", "kind=flood", "-m", "multi", "-n", 2, "--no-fuse", "--json", "-")
    run = d4py.start("diagnose", FLOWS / "endless.py", *words)
    run.until_workers(2)
    return run


def until_under_way(d4py: D4py) -> None:
    """Wait until the board has counted something."""
    row = d4py.run_folder() / "board" / "0"
    eventually(lambda: any(row.read_bytes()[8 * 5 : 8 * 8]), PROMISE_S, "be under way")


@pytest.mark.timeout(60)
@pytest.mark.parametrize("mapping", ["simple", "multi"])
def test_ctrl_c(d4py: D4py, mapping: str) -> None:
    terminal = d4py.at_terminal("diagnose", FLOWS / "draining.py", "-m", *map(str, MAPPINGS[mapping]), out_to_file=True)
    terminal.until_shows("under way")
    terminal.press_ctrl_c()
    assert terminal.wait() == 130
    assert terminal.out == ""
    assert "SIGINT ended the run in order" in terminal.text
    assert "Traceback" not in terminal.text
    assert "! the run interrupted" in d4py.run("diagnose", "last").succeeds().replace("was interrupted", "interrupted")
    assert d4py.run("profiles").succeeds().startswith("no profiles yet")


@pytest.mark.timeout(60)
def test_a_worker_that_is_killed(d4py: D4py) -> None:
    run = start_endless(d4py)
    until_under_way(d4py)
    run.workers()[0].kill()
    ended = run.wait(PROMISE_S)
    assert ended.code == 4
    assert "was killed by SIGKILL" in ended.error_lines[-1]
    assert ended.out == ""
    found = diagnosed(d4py.run("diagnose", "last", "--json", "-"))
    assert any("failed" in warning for warning in found.warnings)
    assert sum(pe.items_out for pe in found.profile.pes) > 0
    assert d4py.run("profiles").succeeds().startswith("no profiles yet")


@pytest.mark.timeout(60)
def test_a_run_that_goes_on_and_one_whose_launcher_is_killed(d4py: D4py) -> None:
    run = start_endless(d4py)
    until_under_way(d4py)
    run_id = d4py.record()["id"]
    assert d4py.run("diagnose", "last").fails_with(2).endswith(f"run {run_id} has no profile: it has not ended yet")
    run.process.kill()
    run.wait()
    d4py.is_gone()
    ended = d4py.run("diagnose", "last")
    assert ended.code == 2
    obituary, line = ended.error_lines
    assert f"{run_id} " in obituary
    assert line == f"d4py: error: run {run_id} has no profile: its process was killed before it could write one"


def test_a_run_without_a_profile(d4py: D4py) -> None:
    d4py.run("run", DOUBLING, "-q", "--profile", "off").succeeds()
    assert not (d4py.run_folder() / "profile.json").exists()
    assert "it was made with --profile off" in d4py.run("diagnose", "last").fails_with(2)


BROKEN = {
    "empty": "",
    "cut short": None,
    "no object": "[]",
    "no profile": '{"schema_version": 1}',
    "of a later version": '{"schema_version": 999, "workflow": "x"}',
    "of a wrong type": '{"schema_version": 1, "workflow": 5}',
    "with more than there is": '{"schema_version": 1, "workflow": "x", "more": 5}',
    "binary": "\x00\x01\udcff",
}


def test_a_profile_that_cannot_be_read(d4py: D4py) -> None:
    d4py.run("run", DOUBLING, "-q").succeeds()
    path = d4py.run_folder() / "profile.json"
    whole = path.read_text()
    for text in BROKEN.values():
        path.write_text(whole[:2000] if text is None else text, errors="surrogateescape")
        assert str(path) in d4py.run("diagnose", "last").fails_with(2)


def test_a_run_folder_that_lacks_a_part(d4py: D4py) -> None:
    d4py.run("run", DOUBLING, "-q").succeeds()
    run_id = d4py.run_folder().name
    for name in ("plan.json", "run.json"):
        path = d4py.run_folder() / name
        whole = path.read_text()
        path.write_text("{")
        assert run_id in d4py.run("diagnose", run_id).fails_with(2)
        path.unlink()
        assert run_id in d4py.run("diagnose", run_id).fails_with(2)
        path.write_text(whole)
    d4py.run("diagnose", run_id).succeeds()


def test_a_home_that_cannot_be_written(d4py: D4py) -> None:
    shutil.rmtree(d4py.home)
    d4py.home.write_text("a file")
    assert "set D4PY_HOME to a folder that can" in d4py.run("diagnose", DOUBLING).fails_with(2)
    d4py.home.unlink()
    for part in ("profiles", "hosts"):
        d4py.home.mkdir()
        (d4py.home / part).write_text("a file, where a folder is needed")
        ended = d4py.run("diagnose", DOUBLING, "-q")
        ended.succeeds()
        (line,) = ended.error_lines
        assert part in line
        assert "set D4PY_HOME" in line
        shutil.rmtree(d4py.home)


@every_mapping
def test_nothing_to_do(d4py: D4py, mapping: str) -> None:
    ended = d4py.run("diagnose", DOUBLING, "-i", 0, "-m", *MAPPINGS[mapping])
    assert "Where the time went" in ended.succeeds()
    assert re.search(r"Source0 → Double1 +0 ", ended.out)
    assert diagnosed(d4py.run("diagnose", "last", "--json", "-")).profile.pes[1].service.calls == 0


@every_mapping
def test_nothing_but_sources(d4py: D4py, mapping: str) -> None:
    found = diagnosed(d4py.run("diagnose", UNRULY, "-a", "sources_only", "-m", *MAPPINGS[mapping], "--json", "-"))
    assert [pe.items_out for pe in found.profile.pes] == [50, 50, 50]
    assert [(stream.target, stream.items) for stream in found.profile.streams] == [("", 50)] * 3


@pytest.mark.timeout(100)
@pytest.mark.parametrize("mapping", ["simple", "multi"])
def test_a_chain_of_two_hundred_pes(d4py: D4py, mapping: str) -> None:
    words = ("-a", "long_chain", "-m", *MAPPINGS[mapping], "--html", "h.html", "--trace", "t", "--speedscope", "s")
    ended = d4py.run("diagnose", UNRULY, *words, within_s=90)
    assert len(ended.succeeds().splitlines()) <= 40
    assert re.search(r"and \d+ more \(--details\)", ended.out)
    assert (d4py.folder / "h.html").stat().st_size < 4_000_000
    details = d4py.run("diagnose", "last", "--details").succeeds()
    assert all(f"Next{number} " in details for number in range(1, 200))


@pytest.mark.parametrize("mapping", ["simple", "multi"])
def test_odd_names(d4py: D4py, mapping: str) -> None:
    words = ("-a", "odd_names", "--html", "h.html", "--json", "j.json", "--trace", "t.json", "--speedscope", "s.json")
    ended = d4py.run("diagnose", UNRULY, "-m", *MAPPINGS[mapping], *words)
    out = ended.succeeds()
    assert "\x1b" not in out + ended.err
    assert "\u202e" not in out
    page = (d4py.folder / "h.html").read_text()
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page
    for name in ("j.json", "t.json", "s.json"):
        json.loads((d4py.folder / name).read_text())
    assert d4py.run("diagnose", "last", "--details").succeeds()
