"""The toy mapping: the same seed, the same run; any seed, the same results."""

from collections.abc import Callable
from typing import Any

import pytest

from d4py_adaptive import IterativePE, ProducerPE
from d4py_adaptive.errors import PEError, RunError
from d4py_adaptive.mappings.interruption import Interruption
from d4py_adaptive.mappings.toy import Network, ToyMapping

Make = Callable[..., Any]
STREAMS = [(0, "output", 1, "input"), (1, "output", 2, "input")]
STAGES = [("Numbers0", (0,)), ("Scale1", (1, 2)), ("Scale2", (0,))]


class Numbers(ProducerPE):
    def _process(self, inputs: Any) -> None:
        for n in range(5):
            self.write("output", n)


class Scale(IterativePE):
    def _process(self, data: int) -> int:
        return 60 // (data + 1)


class Observed:
    def __init__(self) -> None:
        self.items: list[Any] = []

    def started(self) -> None:
        pass

    def result(self, pe: str, port: str, item: Any) -> None:
        self.items.append(item)

    def event(self, event: Any) -> None:
        assert event["event"] == "usage"


def job(make_job: Make, seed: int, **options: Any) -> Any:
    return make_job([Numbers(), Scale(), Scale()], STREAMS, STAGES, inputs=4, seed=seed, **options)


def items(make_job: Make, seed: int) -> list[Any]:
    observed = Observed()
    ToyMapping().run(job(make_job, seed), observed, Interruption())  # type: ignore[arg-type]
    return observed.items


def test_a_seed_repeats_a_run(make_job: Make) -> None:
    assert items(make_job, 3) == items(make_job, 3)


def test_results_do_not_depend_on_the_seed(make_job: Make) -> None:
    runs = [items(make_job, seed) for seed in range(25)]
    assert all(sorted(run) == sorted(runs[0]) for run in runs)
    assert len({tuple(run) for run in runs}) > 1


def test_replicas_move(make_job: Make) -> None:
    moved = 0
    for seed in range(10):
        network = Network(job(make_job, seed), Observed())  # type: ignore[arg-type]
        network.run()
        moved += sum(sum(worker.moves.values()) for worker in network.workers)
        assert network.queues == {}
    assert moved > 0


class Fails(Scale):
    def _process(self, data: int) -> int:
        raise ValueError(data)


def test_a_failure_is_raised(make_job: Make) -> None:
    failing = make_job([Numbers(), Fails(), Scale()], STREAMS, [*STAGES[:1], ("Fails1", (1, 2)), STAGES[2]], seed=1)
    with pytest.raises(PEError, match=r"^ValueError: \d \(in Fails1\[\d\]\.process, port 'input', item 1, on "):
        ToyMapping().run(failing, Observed(), Interruption())  # type: ignore[arg-type]


def test_a_network_that_is_stuck_says_so(make_job: Make) -> None:
    network = Network(job(make_job, 1), Observed())  # type: ignore[arg-type]
    for worker in network.workers:
        worker.replicas.clear()
    with pytest.raises(RunError) as caught:
        network.run()
    assert str(caught.value) == (
        "the toy run is stuck: no frame under way, nobody can go on, and not all have finished"
    )
