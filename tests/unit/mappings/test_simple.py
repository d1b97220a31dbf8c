"""The simple mapping, in process: results, lines, failures, and being asked to stop."""

import signal
from collections.abc import Callable
from typing import Any

import pytest

from d4py_adaptive import IterativePE, ProducerPE
from d4py_adaptive.errors import PEError, PlanError, RunError
from d4py_adaptive.mappings.interruption import Interruption
from d4py_adaptive.mappings.simple import SimpleMapping, run_alone

Make = Callable[..., Any]
STREAM = [(0, "output", 1, "input")]


class Numbers(ProducerPE):
    def __init__(self) -> None:
        super().__init__()
        self.next = 0

    def _process(self, inputs: Any) -> int:
        self.next += 1
        return self.next


class Prints(IterativePE):
    def _process(self, data: int) -> int:
        print("got", data)  # noqa: T201
        return 10 // (4 - data)


class Observed:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def started(self) -> None:
        self.told.append("started")

    def result(self, pe: str, port: str, item: Any) -> None:
        self.told.append((pe, port, item))

    def line(self, instance: str, text: str) -> None:
        self.told.append((instance, text))

    def event(self, event: Any) -> None:
        self.told.append(event["event"])


@pytest.fixture
def observed() -> Observed:
    return Observed()


def test_a_run_tells_what_happens(make_job: Make, observed: Observed) -> None:
    job = make_job([Numbers(), Prints()], STREAM, inputs=2, digests=True)
    SimpleMapping().run(job, observed, Interruption())
    assert observed.told == [
        "started",
        ("Prints1[0]", "got 1"), ("Prints1", "output", 3),
        ("Prints1[0]", "got 2"), ("Prints1", "output", 5),
        "digest", "digest", "usage",
    ]  # fmt: skip


def test_a_failure_is_raised_from_the_pe_s_own_error(make_job: Make, observed: Observed) -> None:
    job = make_job([Numbers(), Prints()], STREAM, inputs=9)
    with pytest.raises(PEError) as caught:
        SimpleMapping().run(job, observed, Interruption())
    assert caught.value.failure.item == 4
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_two_runs_of_one_workflow_do_not_share_state(make_job: Make) -> None:
    numbers = Numbers()
    told = []
    for _ in range(2):
        observed = Observed()
        SimpleMapping().run(make_job([numbers], [], inputs=2), observed, Interruption())
        told.append(observed.told)
    assert told == [["started", ("Numbers0", "output", 1), ("Numbers0", "output", 2), "usage"]] * 2


def test_a_signal_stops_the_sources_in_order(make_job: Make, observed: Observed) -> None:
    interruption = Interruption()

    class Interrupts(Numbers):
        def _process(self, inputs: Any) -> int:
            if self.next == 5:
                interruption.signal_number = signal.SIGINT
                interruption._on_signal()
            return super()._process(inputs)

    SimpleMapping().run(make_job([Interrupts()], [], inputs=10**9), observed, interruption)
    assert [item for *_, item in observed.told[1:-1]] in ([1, 2, 3, 4, 5], [1, 2, 3, 4, 5, 6])


def test_a_plan_for_several_workers_is_not_for_this_mapping(make_job: Make) -> None:
    job = make_job([Numbers(), Prints()], STREAM, [("Numbers0", (0,)), ("Prints1", (1,))])
    with pytest.raises(PlanError) as caught:
        SimpleMapping().settle(job)
    assert str(caught.value) == "the simple mapping has one worker; this plan has 2: use -m multi"
    alone = make_job([Numbers()], [])
    assert SimpleMapping().settle(alone) is alone


def test_a_plan_for_several_workers_cannot_be_run_on_one(make_job: Make, observed: Observed) -> None:
    job = make_job([Numbers(), Prints()], STREAM, [("Numbers0", (0,)), ("Prints1", (1,))])
    with pytest.raises(RunError, match="a run on one worker has a DATA frame for worker 1; the plan is not its own"):
        SimpleMapping().run(job, observed, Interruption())


def test_a_run_that_is_stuck_says_so(make_bench: Make) -> None:
    stages = [("Numbers0", (0,)), ("Prints1", (1,))]
    worker = make_bench([Numbers(), Prints()], STREAM, stages).workers[1]
    with pytest.raises(RunError) as caught:
        run_alone(worker)
    assert str(caught.value) == ("the run is stuck: no stage can go on and not all have finished; please report this")


def test_a_result_that_is_not_taken_is_no_failure_of_the_pe(make_job: Make, observed: Observed) -> None:
    class Full(Observed):
        def result(self, pe: str, port: str, item: Any) -> None:
            raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        SimpleMapping().run(make_job([Numbers()], [], inputs=2), Full(), Interruption())
