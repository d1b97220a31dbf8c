"""What the test files of dispel4py 1.2.1, stream-d4py 2.9.1 and the 2015 repository expect, in words of our own.

Of dispel4py 1.2.1's own test files, those that are in its wheel run too, unchanged. Those of stream-d4py are in its
repository alone; docs/dispel4py_examples.md says what became of them.
"""

from __future__ import annotations

import argparse
import ast
import shutil
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from peer_examples import DISPEL4PY
from real_processes import D4py

from d4py_adaptive import GenericPE, IterativePE, ProducerPE, WorkflowGraph
from d4py_adaptive.dispel4py.standing_in import stand_in
from d4py_adaptive.mappings.launch import IMPORTED_FIRST

ONE_TO_FIVE = [1, 2, 3, 4, 5]
NOSE = """
def eq_(one, other):
    assert one == other, f"{one} != {other}"
"""


@pytest.fixture(autouse=True)
def _standing_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """`dispel4py` leads to this package, during a test."""
    monkeypatch.setenv("D4PY_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    before = set(IMPORTED_FIRST)
    stand_in()
    yield
    IMPORTED_FIRST.intersection_update(before)
    for name in [name for name in sys.modules if name.partition(".")[0] == "dispel4py"]:
        del sys.modules[name]


class Counter(GenericPE):
    """Writes the number of the call to each of its outputs."""

    def __init__(self, *outputs: str) -> None:
        super().__init__()
        for name in outputs or ("output",):
            self._add_output(name, tuple_type=["number"])
        self.calls = 0

    def _process(self, inputs: Any) -> dict[str, int]:
        self.calls += 1
        return dict.fromkeys(self.outputconnections, self.calls)


class Range(GenericPE):
    """Writes tuples of one number, from 0, at each call."""

    def __init__(self, stop: int) -> None:
        super().__init__()
        self._add_output("output")
        self.stop = stop

    def _process(self, inputs: Any) -> None:
        for number in range(self.stop):
            self.write("output", [number])


class Same(GenericPE):
    """Returns what it gets."""

    def __init__(self) -> None:
        super().__init__()
        self._add_input("input")
        self._add_output("output")

    def process(self, inputs: Any) -> Any:
        return {"output": inputs["input"]}


class Writes(Same):
    """Writes what it gets."""

    def process(self, inputs: Any) -> None:
        self.write("output", inputs["input"])


class Either(GenericPE):
    """Turns into text what comes in at one input or the other."""

    def __init__(self) -> None:
        super().__init__()
        self._add_input("left")
        self._add_input("right")
        self._add_output("output")

    def process(self, inputs: Any) -> dict[str, str]:
        return {"output": "".join(str(inputs[name]) for name in self.inputconnections if name in inputs)}


def chain(*pes: Any) -> WorkflowGraph:
    graph = WorkflowGraph()
    for one, other in pairwise(pes):
        graph.connect(one, "output", other, "input")
    return graph


def diamond(last: Either) -> tuple[WorkflowGraph, Counter]:
    graph, source, ways = WorkflowGraph(), Counter("one", "two"), (Same(), Same())
    for output, way, port in zip(("one", "two"), ways, ("left", "right"), strict=True):
        graph.connect(source, output, way, "input")
        graph.connect(way, "output", last, port)
    return graph, source


# The sequential mapping.


def returned(graph: WorkflowGraph, inputs: Any) -> Any:
    from dispel4py.new import simple_process  # type: ignore[import-not-found]

    return simple_process.process_and_return(graph, inputs=inputs)


@pytest.mark.parametrize("calls", [5, [{}] * 5])
def test_a_pipeline_returns_what_its_last_pe_gives_and_no_more(calls: Any) -> None:
    source, last = Counter(), Same()
    assert returned(chain(source, Same(), last), {source: calls}) == {last.id: {"output": ONE_TO_FIVE}}


@pytest.mark.parametrize("name", [lambda pe: pe, lambda pe: pe.id, lambda pe: pe.name])
def test_inputs_are_for_a_pe_an_id_or_a_name(name: Callable[[GenericPE], Any]) -> None:
    source, last = Counter(), Same()
    graph = chain(source, last)
    assert returned(graph, {name(source): 5}) == {last.id: {"output": ONE_TO_FIVE}}


def test_two_ways_from_one_pe_to_another() -> None:
    last = Either()
    graph, source = diamond(last)
    assert returned(graph, {source: [{}]}) == {last.id: {"output": ["1", "1"]}}


def test_each_of_two_readers_gets_everything() -> None:
    source, one, other = Counter(), Same(), Writes()
    graph = chain(source, one)
    graph.connect(source, "output", other, "input")
    assert returned(graph, {source: 5}) == {pe.id: {"output": ONE_TO_FIVE} for pe in (one, other)}


def test_a_consumer_leaves_nothing_to_return(capsys: pytest.CaptureFixture[str]) -> None:
    from dispel4py.base import ConsumerPE  # type: ignore[import-not-found]

    class Prints(ConsumerPE):  # type: ignore[misc]
        def _process(self, data: Any) -> None:
            print(data)  # noqa: T201

    source = Counter()
    assert returned(chain(source, Prints()), {source: 2}) == {}
    assert [line.split()[-1] for line in capsys.readouterr().out.splitlines()] == ["1", "2"]


def test_producers_and_iterative_pes() -> None:
    class Numbers(ProducerPE):
        def _process(self, inputs: Any) -> None:
            for number in range(5, 234):
                self.write(ProducerPE.OUTPUT_NAME, number)

    class Itself(IterativePE):
        def _process(self, data: Any) -> Any:
            return data

    source, last = Numbers(), Itself()
    assert returned(chain(source, last), {source: 1}) == {last.id: {"output": list(range(5, 234))}}


def test_types_are_told_and_asked_for_in_both_spellings() -> None:
    class Typed(Same):
        def setInputTypes(self, types: Any) -> None:
            self.outputconnections["output"]["type"] = types["input"]

    source, last = Counter(), Typed()
    last._add_input("input", grouping=[0], tuple_type=["integer"])
    last.setInputTypes({"input": ["number"]})
    assert last.getOutputTypes() == last.get_output_types() == {"output": ["number"]}
    last.inputconnections["input"].pop("grouping")
    assert returned(chain(source, last), {source: 5}) == {last.id: {"output": ONE_TO_FIVE}}


def test_a_chain_of_functions() -> None:
    from dispel4py.base import create_iterative_chain

    def add(a: int, b: int) -> int:
        return a + b

    def is_odd(a: int) -> bool:
        return a % 2 == 1

    source = Counter()
    graph = chain(source, create_iterative_chain([(add, {"b": 1}), (add, {"b": 5}), is_odd]))
    graph.flatten()
    (results,) = returned(graph, {source: 2}).values()
    assert results == {"output": [True, False]}


@pytest.mark.parametrize("filled", ["by hand", "by a function", "by a function with parameters"])
@pytest.mark.parametrize("times", [1, 2])
def test_composite_pes(filled: str, times: int) -> None:
    """A stream connected twice carries everything twice."""
    from dispel4py.base import CompositePE

    def fill(composite: Any, streams: int = times) -> None:
        first, second = Same(), Same()
        for _ in range(streams):
            composite.connect(first, "output", second, "input")
        composite._map_input("into", first, "input")
        composite._map_output("out of", second, "output")

    if filled == "by hand":
        composite = CompositePE()
        fill(composite)
    else:
        composite = CompositePE(fill, *([{"streams": times}] if "parameters" in filled else []))
    source, last = Counter(), Same()
    graph = WorkflowGraph()
    graph.connect(source, "output", composite, "into")
    graph.connect(composite, "out of", last, "input")
    graph.flatten()
    assert returned(graph, {source: 5}) == {last.id: {"output": [n for n in ONE_TO_FIVE for _ in range(times)]}}


# Aggregates.


@pytest.mark.parametrize(
    ("old", "new", "first", "result"),
    [
        ("parallelSum", "parallel_sum", "SumPE", [499500]),
        ("parallelCount", "parallel_count", "CountReduce", [1000]),
        ("parallelMin", "parallel_min", "MinPE", [0]),
        ("parallelMax", "parallel_max", "MaxPE", [999]),
        ("parallelAvg", "parallel_avg", "AverageReducePE", [499.5, 1000, 499500]),
        ("parallelStdDev", "parallel_std_dev", "StdDevReducePE", (288.8194360957494, 1000, 499500, 332833500)),
    ],
)
def test_aggregates_in_both_spellings(old: str, new: str, first: str, result: Any) -> None:
    """Keys of results begin with a PE's class, by which the peers' tests tell them apart."""
    from dispel4py.new import aggregate

    for name in (old, new):
        source = Range(1000)
        source.name = "numbers"
        graph = chain(source, getattr(aggregate, name)())
        graph.flatten()
        ((pe, outputs),) = returned(graph, {"numbers": [{}]}).items()
        assert pe.startswith(first)
        assert outputs == {"output": [result if isinstance(result, list) else pytest.approx(result)]}


def test_a_running_aggregate_of_ones_own() -> None:
    from dispel4py.new.aggregate import ContinuousReducePE

    class Sums(ContinuousReducePE):  # type: ignore[misc]
        def _process(self, data: Any) -> None:
            for index in self.indexes:
                self.value[index] += data[index]

    source, sums = Range(4), Sums()
    assert returned(chain(source, sums), {source: 1}) == {sums.id: {"output": [[0], [1], [3], [6]]}}


# The parallel mappings. The peers' tests see only whether they end.


def arguments(num: int) -> Any:
    return argparse.Namespace(num=num, simple=False, results=True)


def arguments_in_a_class(num: int) -> Any:
    """As one of the peers' tests has it: attributes of the class itself."""
    return type("Namespace", (argparse.Namespace,), {"num": num, "simple": False, "results": True})


@pytest.mark.parametrize("args", [arguments, arguments_in_a_class])
@pytest.mark.parametrize("module", ["multi_process", "mpi_process"])
def test_graphs_on_several_processes(module: str, args: Callable[[int], Any]) -> None:
    from importlib import import_module

    process = import_module(f"dispel4py.new.{module}").process
    source, one, other, last = Counter(), Same(), Same(), Either()
    tee = chain(source, one)
    tee.connect(source, "output", other, "input")
    square, corner = diamond(last)
    start, end = Counter(), Same()
    for graph, first, calls, num, expected in [
        (chain(start, Same(), end), start, 3, 5, [(end.id, [1, 2, 3])]),
        (square, corner, 1, 4, [(last.id, ["1", "1"])]),
        (tee, source, 5, 3, [(one.id, ONE_TO_FIVE), (other.id, ONE_TO_FIVE)]),
    ]:
        queue = process(graph, inputs={first: [{}] * calls}, args=args(num))
        taken = list(iter(queue.get, 12))  # STATUS_TERMINATED
        assert sorted(taken) == sorted((pe, "output", item) for pe, items in expected for item in items)


# The files themselves.


@pytest.fixture
def their_file(d4py: D4py, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """A test file of dispel4py 1.2.1, in a folder of its own, with what it needs of nose beside it."""
    if not (DISPEL4PY.folder / "dispel4py").is_dir():
        pytest.skip(f"{DISPEL4PY.requirement} is not unpacked; run: {DISPEL4PY.how_to_get}")
    (d4py.folder / "nose").mkdir()
    (d4py.folder / "nose" / "__init__.py").write_text("")
    (d4py.folder / "nose" / "tools.py").write_text(NOSE)
    monkeypatch.setenv("PYTHONPATH", f"{d4py.folder}:{DISPEL4PY.folder}")

    def copied(name: str) -> Path:
        return Path(shutil.copy(DISPEL4PY.folder / "dispel4py" / "new" / name, d4py.folder))

    return copied


def test_their_tests_of_aggregates(d4py: D4py, their_file: Callable[[str], Path]) -> None:
    """One expects what it should not: 1000 where the sum stands and 499500 where the sum of squares does.

    That is what 1.2.1 gives, since its second step takes standard deviation, count and sum for count, sum and squares.
    """
    file = their_file("aggregate_test.py")
    ended = d4py.start_python(
        "-m", "pytest", "-q", "-p", "d4py_adaptive.dispel4py.installed", "-p", "no:cacheprovider", "-rA", file,
        warnings="default",
    ).wait()  # fmt: skip
    verdicts = dict(reversed(line.split()[:2]) for line in ended.out.splitlines() if f"{file.name}::" in line)
    assert verdicts == {
        f"{file.name}::{name}": "FAILED" if name == "testStdDev" else "PASSED"
        for name in ("testSum", "testAvg", "testStdDev", "testCount", "testMinMax", "testContinuousReduce")
    }, ended.out
    assert "AssertionError: 1000 != 499500" in ended.out


def test_their_test_of_mpi(d4py: D4py, their_file: Callable[[str], Path]) -> None:
    """Its call lacks an argument that 1.2.1 itself insists on."""
    (d4py.folder / "start.py").write_text(
        "import runpy, d4py_adaptive.dispel4py.installed\n"
        f"runpy.run_path({str(their_file('mpi_process_test.py'))!r}, run_name='__main__')\n"
    )
    ended = d4py.python(d4py.folder / "start.py")
    items = [ast.literal_eval(line.rpartition(": ")[2]) for line in ended.succeeds().splitlines()]
    assert sorted(items) == [1, 2, 3]
    assert "MPI: not here; the graph runs under multi" in ended.err
