"""A small workflow, its plan, and a record."""

from collections.abc import Callable
from typing import Any

import pytest

from d4py_adaptive import ConsumerPE, ProducerPE, WorkflowGraph
from d4py_adaptive.dataflow.plan import Plan, Stage
from d4py_adaptive.dataflow.workflow import Workflow
from d4py_adaptive.telemetry.run_record import RunRecord


class Numbers(ProducerPE):
    """Two outputs, one of which nobody reads."""

    def __init__(self) -> None:
        super().__init__()
        self._add_output("log")


class Show(ConsumerPE):
    """A sink."""


@pytest.fixture
def workflow() -> Workflow:
    graph = WorkflowGraph()
    graph.connect(Numbers(), "output", Show(), "input")
    return graph.freeze()


@pytest.fixture
def plan() -> Plan:
    return Plan((Stage(("Numbers0",), (0,)), Stage(("Show1",), (0, 1))), 2, "multi")


@pytest.fixture
def make_record() -> Callable[..., RunRecord]:
    def make(**changes: Any) -> RunRecord:
        values: dict[str, Any] = {
            "id": "20240229-120000.000-abcdef", "workflow": "flow.py", "state": "running", "mapping": "multi",
            "workers": 2, "start_method": "fork", "seed": 7, "argv": ["d4py", "run"], "host": "elsewhere", "pid": 4711,
            "pid_started_s": 1.5, "started_at_s": 1000.0, "instances": [], "environment": {"python": "3.11"},
        }  # fmt: skip
        return RunRecord(**(values | changes))

    return make
