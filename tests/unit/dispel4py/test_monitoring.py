"""A timed PE does what the PE does."""

import copy
import pickle
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

from d4py_adaptive import IterativePE, ProducerPE, WorkflowGraph
from d4py_adaptive.dataflow.counts import instance_counts
from d4py_adaptive.dataflow.pe import GenericPE
from d4py_adaptive.dispel4py.enactment import process_and_return
from d4py_adaptive.dispel4py.monitoring import ProcessTimingPE, ReadTimingWrapper


class Numbers(ProducerPE):
    def _process(self, inputs: Any) -> int:
        return 4


class Double(IterativePE):
    def _process(self, number: int) -> int:
        return 2 * number


class Total(IterativePE):
    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def _process(self, number: int) -> None:
        self.total += number

    def _postprocess(self) -> None:
        self.write("output", self.total)


def timed(pe: GenericPE, wrapper: type[ProcessTimingPE | ReadTimingWrapper] = ProcessTimingPE) -> WorkflowGraph:
    graph = WorkflowGraph()
    graph.connect(Numbers(), "output", wrapper(pe), "input")
    return graph


@pytest.mark.parametrize("wrapper", [ProcessTimingPE, ReadTimingWrapper])
@pytest.mark.parametrize(("pe", "expected"), [(Double, [8, 8, 8]), (Total, [12])])
def test_the_results_are_the_pe_s(
    wrapper: Any,
    pe: Any,
    expected: list[int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("D4PY_HOME", str(tmp_path))
    assert process_and_return(timed(pe(), wrapper), 3) == {f"{pe.__name__}1": {"output": expected}}
    said = capsys.readouterr().out
    assert said.startswith(f"{pe.__name__}1[0]: Average {wrapper.what}: ")
    assert float(said.rpartition(" ")[2]) > 0


def test_it_is_still_the_pe() -> None:
    wrapped = ProcessTimingPE(Double())
    assert isinstance(wrapped, Double)
    assert isinstance(wrapped, ProcessTimingPE)
    assert (wrapped.name, list(wrapped.inputconnections)) == ("Double", ["input"])


def test_it_may_have_as_many_instances_as_the_pe() -> None:
    assert instance_counts(timed(Double()).freeze())["Double1"].fixed is None
    assert instance_counts(timed(Total()).freeze())["Total1"].fixed == 1


def test_it_can_be_copied_and_sent() -> None:
    wrapped = ProcessTimingPE(Double())
    for again in (copy.deepcopy(wrapped), pickle.loads(cloudpickle.dumps(wrapped))):
        assert again.process({"input": 3}) == {"output": 6}
