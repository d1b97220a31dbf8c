"""`d4py run -o`: what is in the files when a run ends, whichever way it ends."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from real_processes import FLOWS, PATIENCE_S, D4py, eventually

from d4py_adaptive.dataflow.digest import digest
from d4py_adaptive.runtime.results.writing import read_results

MAPPINGS = {
    "simple": ("-m", "simple"),
    "fork": ("-m", "multi", "-n", "2", "--no-fuse", "--start-method", "fork"),
    "spawn": ("-m", "multi", "-n", "2", "--no-fuse", "--start-method", "spawn"),
}
every_mapping = pytest.mark.parametrize("mapping", MAPPINGS)
every_place = pytest.mark.parametrize("place", ["results.jsonl", "results/"])

FLOW = """
from dataclasses import dataclass
import numpy as np
from d4py_adaptive import GenericPE, IterativePE, ProducerPE, WorkflowGraph

@dataclass(frozen=True)
class Pick:
    time: float
    station: str

class Source(ProducerPE):
    stateless = False
    number = 0
    def _process(self, inputs):
        self.number += 1
        return self.number

class Picker(GenericPE):
    def __init__(self):
        super().__init__()
        self._add_input("input")
        for name in ("picks", "windows", "never"):
            self._add_output(name)

    def process(self, inputs):
        number = inputs["input"]
        self.write("picks", Pick(number / 2, "ABC"))
        self.write("windows", {"number": number, "trace": np.arange(number, dtype="f4"), "key": {(1, 2): {3}}})

class FailsAtFive(IterativePE):
    stateless = True
    def _process(self, number):
        if number == 5:
            raise ValueError("five")
        return number

class GivesGenerator(IterativePE):
    def _process(self, number):
        return number if number < 3 else (one for one in ())

class Catches(IterativePE):
    def process(self, inputs):
        try:
            self.write("output", inputs["input"] if inputs["input"] < 3 else (one for one in ()))
        except Exception:
            pass

class Endless(ProducerPE):
    def process(self, inputs):
        number = 0
        while True:
            self.write("output", {"number": number})
            number += 1

def build(pe):
    made = WorkflowGraph()
    made.connect(Source(), "output", pe(), "input")
    return made

graph = build(Picker)
failing, unwritable, catching = build(FailsAtFive), build(GivesGenerator), build(Catches)
endless = WorkflowGraph()
endless.add(Endless())
"""


@pytest.fixture
def flow(d4py: D4py) -> Path:
    path = d4py.folder / "flow.py"
    path.write_text(FLOW)
    return path


def read(place: Path) -> dict[str, dict[str, list[Any]]]:
    """What was written; a killed run may leave a piece of a line."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".* a piece of a line")
        return read_results(place)


@every_mapping
@every_place
def test_the_files_hold_what_the_outputs_gave(
    d4py: D4py, flow: Path, mapping: str, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = d4py.run("run", flow, "-i", 6, *MAPPINGS[mapping], "-o", place)
    ended.succeeds()
    assert "12 items in results" in ended.err
    monkeypatch.syspath_prepend(d4py.folder)
    with_classes = read_results(d4py.folder / place, allow_pickle=True)
    from flow import Pick  # type: ignore[import-not-found]

    assert with_classes.keys() == {"Picker1"}
    found = with_classes["Picker1"]
    assert found.keys() == {"picks", "windows"}
    assert sorted(found["picks"], key=lambda pick: pick.time) == [Pick(n / 2, "ABC") for n in range(1, 7)]
    windows = [{"number": n, "trace": np.arange(n, dtype="f4"), "key": {(1, 2): {3}}} for n in range(1, 7)]
    assert Counter(map(digest, found["windows"])) == Counter(map(digest, windows))
    monkeypatch.delitem(sys.modules, "flow")


def test_each_output_of_a_folder_is_a_table_for_other_programs(d4py: D4py, flow: Path) -> None:
    d4py.run("run", flow, "-i", 3, "-o", "out/").succeeds()
    folder = d4py.folder / "out"
    assert {path.name for path in folder.iterdir()} == {
        "outputs.json", "Picker1.picks.jsonl", "Picker1.windows.jsonl", "Picker1.windows.files", "Picker1.never.jsonl",
    }  # fmt: skip
    assert (folder / "Picker1.never.jsonl").read_text() == ""
    lines = [json.loads(line) for line in (folder / "Picker1.windows.jsonl").read_text().splitlines()]
    assert [line["number"] for line in lines] == [1, 2, 3]
    assert np.load(folder / lines[2]["trace"]["$npy"]).tolist() == [0, 1, 2]


@every_place
def test_earlier_results_are_in_the_way_before_anything_runs(d4py: D4py, place: str) -> None:
    doubling = FLOWS / "doubling.py"
    d4py.run("run", doubling, "-i", 2, "-o", place).succeeds()
    said = d4py.run("run", doubling, "-i", 3, "-o", place).fails_with(2)
    assert "is not empty" in said
    assert "--overwrite" in said
    assert len(d4py.records()) == 1
    assert read(d4py.folder / place) == {"Double1": {"output": [2, 4]}}
    d4py.run("run", doubling, "-i", 3, "-o", place, "--overwrite").succeeds()
    assert read(d4py.folder / place) == {"Double1": {"output": [2, 4, 6]}}


def test_a_file_that_is_no_result_is_not_overwritten(d4py: D4py, flow: Path) -> None:
    (d4py.folder / "notes.txt").write_text("mine")
    for arguments in (("-o", "notes.txt", "--overwrite"), ("-o", "notes.txt/x.jsonl"), ("-o", flow, "--overwrite")):
        d4py.run("run", flow, *arguments).fails_with(2)
    assert (d4py.folder / "notes.txt").read_text() == "mine"
    assert flow.read_text() == FLOW


@every_mapping
@every_place
def test_what_came_before_a_failure_stays(d4py: D4py, flow: Path, mapping: str, place: str) -> None:
    ended = d4py.run("run", flow, "-a", "failing", "-i", 8, *MAPPINGS[mapping], "-o", place)
    assert (ended.code, "ValueError: five" in ended.err) == (1, True)
    found = read(d4py.folder / place).get("FailsAtFive1", {"output": []})["output"]
    assert set(found) <= {1, 2, 3, 4, 6, 7, 8}
    assert len(set(found)) == len(found)
    if mapping == "simple":
        assert found == [1, 2, 3, 4]


@pytest.mark.parametrize("graph", ["unwritable", "catching"])
def test_an_item_that_cannot_be_written_fails_the_run(d4py: D4py, flow: Path, graph: str) -> None:
    said = d4py.run("run", flow, "-a", graph, "-i", 4, "-q", "-o", "results.jsonl").err
    pe = "GivesGenerator1" if graph == "unwritable" else "Catches1"
    assert f"{pe}.output gave an item of type generator that cannot be: " in said
    assert "Traceback" not in said
    assert read(d4py.folder / "results.jsonl") == {pe: {"output": [1, 2]}}


@pytest.mark.timeout(60)
@every_place
@pytest.mark.parametrize("mapping", ["simple", "fork"])
def test_a_killed_run_leaves_whole_lines(d4py: D4py, flow: Path, mapping: str, place: str) -> None:
    running = d4py.start("run", flow, "-a", "endless", *MAPPINGS[mapping], "-o", place)
    file = d4py.folder / place
    file = file if file.suffix else file / "Endless0.output.jsonl"
    eventually(lambda: file.exists() and file.stat().st_size > 10**6, PATIENCE_S, "write a megabyte")
    running.process.send_signal(signal.SIGKILL)
    running.wait()
    items = read(d4py.folder / place)["Endless0"]["output"]
    assert items == [{"number": number} for number in range(len(items))]
    assert len(items) > 10_000
    d4py.is_gone()
    d4py.run("runs")  # it tells of the death, which is not this test's matter


@pytest.mark.timeout(60)
@pytest.mark.parametrize("mapping", ["simple", "fork"])
def test_ctrl_c_keeps_every_result(d4py: D4py, flow: Path, mapping: str) -> None:
    running = d4py.start("run", flow, "-a", "endless", *MAPPINGS[mapping], "-o", "results.jsonl")
    file = d4py.folder / "results.jsonl"
    eventually(lambda: file.exists() and file.stat().st_size > 10**6, PATIENCE_S, "write a megabyte")
    running.process.send_signal(signal.SIGINT)
    ended = running.wait()
    assert ended.code == 130
    items = read_results(file)["Endless0"]["output"]
    assert items == [{"number": number} for number in range(len(items))]
    assert f"{len(items):,} items in results.jsonl" in ended.err


@pytest.mark.parametrize("mapping", ["simple", "fork"])
def test_a_full_disk_ends_the_run_with_the_name_of_the_file(d4py: D4py, flow: Path, mapping: str) -> None:
    limited = (
        "import resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))\n"
        "from d4py_adaptive.cli.main import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    command = ("run", str(flow), "-a", "endless", "-q", *MAPPINGS[mapping], "-o", "results.jsonl")
    ended = d4py.python("-c", limited, *command)
    assert ended.code == 1
    line = ended.error_lines[-1]  # before it, that one worker was enough
    assert "Traceback" not in ended.err
    assert f"results cannot be written to {d4py.folder}/results.jsonl: File too large" in line
    items = read(d4py.folder / "results.jsonl")["Endless0"]["output"]
    assert items == [{"number": number} for number in range(len(items))]
    assert len(items) > 1000


def test_objects_are_read_in_another_process(tmp_path: Path) -> None:
    (tmp_path / "flow.py").write_text(
        "from dataclasses import dataclass\n"
        "@dataclass\nclass Pick:\n    time: float\n"
        "class Model:\n    def __init__(self, size):\n        self.size = size\n"
    )
    shutil.copy(tmp_path / "flow.py", tmp_path / "my-flow.py")
    (tmp_path / "__main__.py").touch()  # which is not the main module of either process
    write = (
        "import importlib.util, sys, flow\n"
        "from d4py_adaptive.runtime.results.writing import open_results\n"
        "spec = importlib.util.spec_from_file_location('d4py_workflow_my-flow', 'my-flow.py')\n"
        "mine = sys.modules[spec.name] = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(mine)\n"
        "@flow.dataclass\nclass Here(flow.Pick): pass\n"
        "with open_results('r.jsonl') as results:\n"
        "    for item in (flow.Pick(1.5), flow.Model(2), mine.Pick(3.5), mine.Model(4), Here(5)):\n"
        "        results.write('A', 'out', item)\n"
    )
    reading = (
        "from d4py_adaptive.runtime.results.writing import read_results\n"
        "items = read_results('r.jsonl', allow_pickle=True)['A']['out']\n"
        "print(*[list(vars(item).values())[0] for item in items])\n"
    )

    def run(text: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", text]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)

    assert run(write).stderr == ""
    done = run(reading)
    assert done.stdout == "1.5 2 3.5 4 5\n", done.stderr
    (tmp_path / "flow.py").unlink()
    said = run(reading).stderr
    assert "line 1: the class flow:Pick cannot be imported (ModuleNotFoundError: No module named 'flow')" in said
    assert "PYTHONPATH" in said
