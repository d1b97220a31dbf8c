"""`d4py_adaptive.run` from scripts, threads and notebooks."""

from __future__ import annotations

import pytest
from real_processes import D4py

METHODS = ("fork", "forkserver", "spawn")
every_method = pytest.mark.parametrize("method", METHODS)

SCRIPT = """
from pathlib import Path
from d4py_adaptive import IterativePE, ProducerPE, SimpleFunctionPE, WorkflowGraph, run

with Path("ran.txt").open("a") as file:
    file.write("ran\\n")

OFFSET = 100

class Source(ProducerPE):
    def _process(self, inputs):
        for number in range(4):
            self.write("output", number)

def add(number, more):
    return number + more

class Offset(IterativePE):
    def _process(self, data):
        return add(data, OFFSET)

class Pair(IterativePE):
    def _process(self, data):
        return Value(data)

class Value:
    def __init__(self, number):
        self.number = number
    def __eq__(self, other):
        return isinstance(other, Value) and self.number == other.number
    def __repr__(self):
        return f"Value({self.number})"

offset, pair = Offset(), Pair()
graph = WorkflowGraph()
graph.connect(Source(), "output", offset, "input")
graph.connect(offset, "output", pair, "input")
"""

RUN = """
result = run(graph, mapping="multi", workers=2, fuse=False, start_method={method!r})
values = result.outputs[pair.id]["output"]
assert all(isinstance(value, Value) for value in values), "a class of the script is another one now"
print(sorted(value.number for value in values), result.record.state, result.record.start_method)
"""


def prints(d4py: D4py, method: str) -> str:
    return f"[100, 101, 102, 103] completed {method}\n"


@every_method
def test_a_script_without_a_main_guard_runs_once(d4py: D4py, method: str) -> None:
    (d4py.folder / "script.py").write_text(SCRIPT + RUN.format(method=method))
    ended = d4py.python("script.py")
    assert ended.succeeds() == prints(d4py, method)
    assert ended.err == ""
    assert (d4py.folder / "ran.txt").read_text() == "ran\n"


@every_method
def test_a_script_on_standard_input(d4py: D4py, method: str) -> None:
    source = d4py.folder / "stdin.py"
    source.write_text(SCRIPT + RUN.format(method=method))
    ended = d4py.python("-", stdin=source)
    assert ended.succeeds() == prints(d4py, method)
    assert ended.err == ""


@every_method
def test_a_script_given_as_an_argument(d4py: D4py, method: str) -> None:
    ended = d4py.python("-c", SCRIPT + RUN.format(method=method))
    assert ended.succeeds() == prints(d4py, method)
    assert ended.err == ""


@every_method
def test_cells_of_a_notebook(d4py: D4py, method: str) -> None:
    """Cells run in a `__main__` that is no file, a class may be defined again, and a loop may be running."""
    (d4py.folder / "kernel.py").write_text(
        "import asyncio, sys, types\n"
        "main = sys.modules['__main__'] = types.ModuleType('__main__')\n"
        f"cells = {[SCRIPT, RUN.format(method=method), SCRIPT, RUN.format(method=method)]!r}\n"
        "async def kernel():\n"
        "    for number, cell in enumerate(cells):\n"
        "        exec(compile(cell, f'<cell {number}>', 'exec'), vars(main))\n"
        "asyncio.run(kernel())\n"
    )
    ended = d4py.python("kernel.py")
    assert ended.succeeds() == 2 * prints(d4py, method)
    assert ended.err == ""


@pytest.mark.parametrize("method", ["", "forkserver", "spawn"])  # to fork with threads is the user's risk
def test_from_a_thread(d4py: D4py, method: str) -> None:
    (d4py.folder / "script.py").write_text(
        SCRIPT
        + "import threading\ndef work():\n"
        + "".join(f"    {line}\n" for line in RUN.format(method=method).splitlines())
        + "thread = threading.Thread(target=work)\nthread.start()\nthread.join()\n"
    )
    ended = d4py.python("script.py")
    assert ended.succeeds() == prints(d4py, method or "forkserver")
    assert ended.err == ""
    assert (d4py.folder / "ran.txt").read_text() == "ran\n"


def test_two_runs_in_two_threads_at_once(d4py: D4py) -> None:
    (d4py.folder / "script.py").write_text(
        SCRIPT
        + "import threading\nresults = []\n"
        + "def work():\n"
        + "    results.append(run(graph, mapping='multi', workers=2, fuse=False))\n"
        + "threads = [threading.Thread(target=work) for _ in range(3)]\n"
        + "[thread.start() for thread in threads]\n[thread.join() for thread in threads]\n"
        + "for result in results:\n"
        + "    print(sorted(value.number for value in result.outputs[pair.id]['output']))\n"
    )
    ended = d4py.python("script.py")
    assert ended.succeeds() == 3 * "[100, 101, 102, 103]\n"
    assert ended.err == ""


@pytest.mark.parametrize("mapping", ["simple", "multi", "toy"])
def test_the_same_graph_twice(d4py: D4py, mapping: str) -> None:
    (d4py.folder / "script.py").write_text(
        SCRIPT
        + f"results = [run(graph, 2, mapping={mapping!r}) for _ in range(3)]\n"
        + "for result in results:\n"
        + "    print(sorted(value.number for value in result.outputs[pair.id]['output']))\n"
        + "assert len({result.record.id for result in results}) == 3\n"
        + "graph.connect(pair, 'output', SimpleFunctionPE(repr), 'input')\n"
        + f"print(*run(graph, mapping={mapping!r}).outputs)\n"
    )
    out = d4py.python("script.py").succeeds()
    expected = sorted(2 * [100, 101, 102, 103])
    assert out == 3 * f"{expected}\n" + "PE_repr3\n"


@every_method
def test_a_failure_is_an_exception_and_the_next_run_goes_well(d4py: D4py, method: str) -> None:
    (d4py.folder / "script.py").write_text(
        SCRIPT
        + "from d4py_adaptive.errors import PEError\n"
        + "class Fails(IterativePE):\n    def _process(self, data):\n        raise KeyError('lost')\n"
        + "bad = WorkflowGraph()\nbad.connect(Source(), 'output', Fails(), 'input')\n"
        + "try:\n"
        + f"    run(bad, mapping='multi', workers=2, fuse=False, start_method={method!r})\n"
        + "except PEError as error:\n    print(error.failure.pe, error.failure.error_type)\n"
        + RUN.format(method=method)
    )
    ended = d4py.python("script.py")
    assert ended.succeeds() == "Fails1 KeyError\n" + prints(d4py, method)
    assert ended.err == ""


@every_method
def test_lambdas_and_functions_of_the_script(d4py: D4py, method: str) -> None:
    (d4py.folder / "script.py").write_text(
        SCRIPT
        + "factor = 3\nboth = WorkflowGraph()\n"
        + "times = SimpleFunctionPE(lambda number: number * factor)\n"
        + "plus = SimpleFunctionPE(add, {'more': 1})\n"
        + "both.connect(Source(), 'output', times, 'input')\nboth.connect(times, 'output', plus, 'input')\n"
        + f"result = run(both, mapping='multi', workers=3, fuse=False, start_method={method!r})\n"
        + "print(sorted(result.outputs[plus.id]['output']))\n"
    )
    ended = d4py.python("script.py")
    assert ended.succeeds() == "[1, 4, 7, 10]\n"
    assert ended.err == ""


def test_a_script_keeps_its_own_signal_handlers(d4py: D4py) -> None:
    (d4py.folder / "script.py").write_text(
        SCRIPT
        + "import signal\ndef mine(number, frame):\n    pass\n"
        + "signal.signal(signal.SIGINT, mine)\nsignal.signal(signal.SIGTERM, mine)\n"
        + "for mapping in ('simple', 'multi'):\n"
        + "    run(graph, mapping=mapping)\n"
        + "    assert signal.getsignal(signal.SIGINT) is mine\n"
        + "    assert signal.getsignal(signal.SIGTERM) is mine\n"
    )
    ended = d4py.python("script.py")
    ended.succeeds()
    assert ended.err == ""


def test_nothing_is_left_open_by_many_runs(d4py: D4py) -> None:
    (d4py.folder / "script.py").write_text(
        SCRIPT
        + "import os, threading\n"
        + "def state():\n"
        + "    return len(os.listdir('/proc/self/fd')), threading.active_count()\n"
        + "run(graph, mapping='multi', workers=2, fuse=False)\n"
        + "before = state()\n"
        + "for _ in range(10):\n"
        + "    run(graph, mapping='multi', workers=2, fuse=False)\n"
        + "assert state() == before, (before, state())\n"
    )
    ended = d4py.python("script.py")
    ended.succeeds()
    assert ended.err == ""


@every_method
def test_a_process_with_many_open_files_can_start_workers(d4py: D4py, method: str) -> None:
    held = (
        "import os, resource\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))\n"
        "held = [os.open(os.devnull, os.O_RDONLY) for _ in range(1500)]\n"
    )
    (d4py.folder / "script.py").write_text(held + SCRIPT + RUN.format(method=method))
    assert d4py.python("script.py").succeeds() == prints(d4py, method)
