"""Files written for dispel4py, as they are: under every start method, in a script, in a notebook."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from real_processes import FLOWS, D4py

from_2015 = FLOWS / "from_2015.py"
EXPECTED = [
    "Count3.output: ('BLUEBLUE', 3)",
    "Count3.output: ('GREENGREEN', 3)",
    "Count3.output: ('REDRED', 3)",
    "SumPEReduce6.output: [45]",
]


def shown(out: str) -> list[str]:
    lines = sorted(line for line in out.splitlines() if "Average processing time" not in line)
    assert "Average processing time" in out
    return lines


@pytest.mark.parametrize(
    "how",
    [
        ("simple",),
        ("multi", "-n", 1),
        ("multi", "-n", 3),
        ("multi", "-n", 3, "--start-method", "forkserver"),
        ("multi", "-n", 3, "--start-method", "spawn"),
    ],
)
def test_a_file_of_2015(d4py: D4py, how: tuple[object, ...]) -> None:
    assert shown(d4py.run("run", from_2015, "-m", *how, "-d", '{"words": 9}').succeeds()) == EXPECTED


def test_partitions_share_their_workers_with_nobody_else(d4py: D4py) -> None:
    d4py.run("run", from_2015, "-m", "multi", "-n", 6, "-i", 9).succeeds()
    (plan,) = d4py.home.glob("runs/*/plan.json")
    hosts: dict[str, set[int]] = {}
    for stage in json.loads(plan.read_text())["stages"]:
        for pe in stage["pes"]:
            hosts[pe] = set(stage["workers"])
    partition = hosts["PE_upper1"] | hosts["PE_same2"] | hosts["Count3"]
    rest = set().union(*(workers for pe, workers in hosts.items() if pe.startswith(("PE_only", "Sum"))))
    assert not partition & hosts["words0"]
    assert not (partition | hosts["words0"]) & rest


def test_a_script(tmp_path: Path, d4py: D4py) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import argparse\n"
        "import d4py_adaptive.dispel4py.installed\n"
        "from dispel4py.base import IterativePE, ProducerPE\n"
        "from dispel4py.new import multi_process\n"
        "from dispel4py.new.simple_process import process_and_return\n"
        "from dispel4py.workflow_graph import WorkflowGraph\n"
        "class One(ProducerPE):\n"
        "    def _process(self, inputs): return 1\n"
        "class Two(IterativePE):\n"
        "    def _process(self, data): return data + 1\n"
        "graph, one = WorkflowGraph(), One()\n"
        "graph.connect(one, 'output', Two(), 'input')\n"
        "if __name__ == '__main__':\n"
        "    print(process_and_return(graph, {one: 2}))\n"
        "    multi_process.process(graph, {one: 2}, argparse.Namespace(num=2, simple=True))\n"
    )
    environment = {"D4PY_HOME": str(d4py.home), "PATH": "/usr/bin:/bin"}
    ended = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60, env=environment)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines() == ["{'Two1': {'output': [2, 2]}}", "Two1.output: 2", "Two1.output: 2"]


CELLS = [
    (
        "import d4py_adaptive.dispel4py.installed\n"
        "from dispel4py.base import ProducerPE, SimpleFunctionPE\n"
        "from dispel4py.new.simple_process import process_and_return\n"
        "from dispel4py.visualisation import display\n"
        "from dispel4py.workflow_graph import WorkflowGraph\n"
        "class Five(ProducerPE):\n"
        "    def _process(self, inputs):\n"
        "        print('here')\n"
        "        return 5\n"
        "def double(x):\n"
        "    return 2 * x\n"
        "graph, five = WorkflowGraph(), Five()\n"
        "graph.connect(five, 'output', SimpleFunctionPE(double), 'input')\n"
        "process_and_return(graph, {five: 2})"
    ),
    "import d4py_adaptive\nd4py_adaptive.run(graph, 2, mapping='multi', workers=2).outputs",
    "display(graph)",
    "graph",
    (
        "def wrong(x):\n"
        "    raise ValueError('not this')\n"
        "graph.connect(five, 'output', SimpleFunctionPE(wrong), 'input')\n"
        "d4py_adaptive.run(graph, mapping='multi', workers=2)"
    ),
]


def test_a_notebook(d4py: D4py, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cells have classes of their own, and the kernel has threads, so that workers are not simply forked."""
    nbformat = pytest.importorskip("nbformat", reason="pip install nbclient ipykernel")
    nbclient = pytest.importorskip("nbclient", reason="pip install nbclient ipykernel")
    pytest.importorskip("ipykernel", reason="pip install nbclient ipykernel")
    monkeypatch.setenv("D4PY_HOME", str(d4py.home))
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in CELLS])
    nbclient.NotebookClient(notebook, timeout=60, kernel_name="python3", allow_errors=True).execute()
    first, second, third, shown, last = ([dict(output) for output in cell.outputs] for cell in notebook.cells)
    assert "".join(output.get("text", "") for output in first).count("Five0[0]: here\n") == 2
    for outputs in (first, second):
        assert outputs[-1]["data"]["text/plain"] == "{'PE_double1': {'output': [10, 10]}}"
    for outputs in (third, shown):
        assert outputs[-1]["data"]["image/svg+xml"].lstrip().startswith(("<?xml", "<svg"))
    assert last[-1]["ename"] == "PEError"
    assert "ValueError: not this (in PE_wrong2[0].process, port 'input', item 1" in last[-1]["evalue"]
