"""dispel4py's functions that run a graph, called as its users call them."""

import argparse
from pathlib import Path
from typing import Any

import pytest

from d4py_adaptive import IterativePE, ProducerPE, WorkflowGraph
from d4py_adaptive.dispel4py.enactment import (
    STATUS_TERMINATED,
    dynamic_process,
    mpi_process,
    multi_process,
    process_and_return,
    simple_process,
)
from d4py_adaptive.errors import InputError


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("D4PY_HOME", str(tmp_path))


class Numbers(ProducerPE):
    def __init__(self) -> None:
        super().__init__()
        self.counter = 0

    def _process(self, inputs: Any) -> int:
        self.counter += 1
        return self.counter


class Double(IterativePE):
    def _process(self, number: int) -> int:
        return 2 * number


@pytest.fixture
def graph() -> WorkflowGraph:
    graph = WorkflowGraph()
    graph.connect(Numbers(), "output", Double(), "input")
    return graph


def test_results_come_back_by_id_and_output(graph: WorkflowGraph) -> None:
    numbers, double = graph.get_contained_objects()
    assert process_and_return(graph, {numbers: 3}) == {double.id: {"output": [2, 4, 6]}}  # type: ignore[union-attr]
    assert process_and_return(graph, inputs={"Numbers": [{}]}) == {"Double1": {"output": [2]}}
    assert process_and_return(graph, {numbers: 0}) == {}


def test_result_mappings_are_refused(graph: WorkflowGraph) -> None:
    with pytest.raises(InputError, match="resultmappings is dispel4py's own"):
        process_and_return(graph, 1, {"Numbers0": ["output"]})


def test_process_prints_what_comes_out(graph: WorkflowGraph, capsys: pytest.CaptureFixture[str]) -> None:
    assert simple_process(graph, {"Numbers": 2}) is None
    assert capsys.readouterr().out == "Double1.output: 2\nDouble1.output: 4\n"


class Called(Exception):
    """What would have been run."""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs nothing: raises what was asked for."""

    def enact(graph: WorkflowGraph, inputs: Any, options: Any, view: Any) -> None:
        raise Called(options.mapping, options.workers, graph.freeze().partitions)

    def run(graph: WorkflowGraph, inputs: Any, **options: Any) -> Any:
        class Result:
            outputs = {"Double1": {"output": [2, 4]}}

        return Result()

    monkeypatch.setattr("d4py_adaptive.dispel4py.enactment.enact", enact)
    monkeypatch.setattr("d4py_adaptive.dispel4py.enactment.run", run)


HALVES = (("Numbers0",), ("Double1",))


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (argparse.Namespace(num=3, simple=False), ("multi", 3, ())),
        (argparse.Namespace(num=3, simple=True), ("multi", 3, HALVES)),
        (argparse.Namespace(num_processes=5, simple=False), ("multi", 5, ())),
        (None, ("multi", None, ())),
    ],
)
@pytest.mark.parametrize("process", [multi_process, mpi_process, dynamic_process])
@pytest.mark.usefixtures("asked")
def test_the_arguments_mean_what_they_did(graph: WorkflowGraph, process: Any, args: Any, expected: Any) -> None:
    with pytest.raises(Called) as called:
        process(graph, {"Numbers": 1}, args)
    assert called.value.args == expected


@pytest.mark.usefixtures("asked")
def test_partitions_that_are_there_win(graph: WorkflowGraph) -> None:
    graph.partitions = [graph.get_contained_objects()]
    with pytest.raises(Called, match="Numbers0', 'Double1"):
        multi_process(graph, 1, argparse.Namespace(num=3, simple=True))


@pytest.mark.usefixtures("asked")
def test_results_come_as_a_queue_if_asked_for(graph: WorkflowGraph) -> None:
    results = multi_process(graph, 2, argparse.Namespace(num=2, simple=False, results=True))
    assert results is not None
    taken = [results.get() for _ in range(3)]
    assert taken == [("Double1", "output", 2), ("Double1", "output", 4), STATUS_TERMINATED]


@pytest.mark.usefixtures("asked")
def test_another_mapping_than_asked_for_is_said(graph: WorkflowGraph, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Called):
        dynamic_process(graph)
    assert "the graph runs under multi, on this machine" in capsys.readouterr().err


def test_one_of_several_ranks_does_not_run_the_whole_graph(
    graph: WorkflowGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PMI_SIZE", "4")
    with pytest.raises(InputError, match="this is one of 4 ranks; run it without mpiexec"):
        mpi_process(graph, 1)
