"""A replica moves between two items: nothing is lost, repeated or overtaken."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from d4py_adaptive import IterativePE, ProducerPE
from d4py_adaptive.errors import RunError
from d4py_adaptive.mappings.moving import adopt, release
from d4py_adaptive.wire.frame import Frame, Kind

Make = Callable[..., Any]


class Numbers(ProducerPE):
    def __init__(self, burst: int = 1) -> None:
        super().__init__()
        self.burst, self.next = burst, 0

    def _process(self, inputs: Any) -> None:
        for _ in range(self.burst):
            self.write("output", self.next)
            self.next += 1


class Total(IterativePE):
    """Keeps a sum, and draws a number for each item."""

    def __init__(self) -> None:
        super().__init__()
        self.total = self.begun = self.ended = 0

    def preprocess(self) -> None:
        self.begun += 1

    def _process(self, data: int) -> Any:
        self.total += data
        return self.total, random.random()

    def postprocess(self) -> None:
        self.write("output", ("end", self.begun))


STREAM = [(0, "output", 1, "input")]
STAGES = [("Numbers0", (0,)), ("Total1", (1,))]


@pytest.fixture
def bench(make_bench: Make) -> Any:
    return make_bench(
        [Numbers(), Total()], STREAM, [*STAGES[:1], ("Total1", (1,))], inputs=40, random=frozenset({"Total1"})
    )


def move(bench: Any, origin: int, destination: int, pe: str) -> None:
    """Move the replica of a PE, and tell the others at once."""
    worker = bench.workers[origin]
    (replica,) = [replica for replica in worker.replicas if pe in replica.instances]
    numbers = [instance.ref.number for instance in replica.instances.values()]
    adopt(bench.workers[destination], bench.board, release(worker, replica, destination))
    for other in bench.workers:
        for number in numbers:
            other.receive(Frame(Kind.RELOCATE, 0, number, destination, generation=worker.moves[number]))


def results_of(bench: Any) -> list[Any]:
    bench.run()
    assert [worker.failure for worker in bench.workers] == [None] * len(bench.workers)
    assert all(worker.finished for worker in bench.workers)
    return list(bench.results)


def expected(make_bench: Make) -> list[Any]:
    return results_of(make_bench([Numbers(), Total()], STREAM, STAGES, inputs=40, random=frozenset({"Total1"})))


@pytest.mark.parametrize("steps", [0, 1, 2, 3, 5, 8])
@pytest.mark.parametrize("pe", ["Numbers0", "Total1"])
def test_a_move_shows_in_no_result(make_bench: Make, bench: Any, pe: str, steps: int) -> None:
    for _ in range(steps):
        for worker in bench.workers:
            worker.step()
        bench.deliver()
    origin = bench.workers[0].where[0 if pe == "Numbers0" else 1]
    if any(pe in replica.instances and replica.between_items for replica in bench.workers[origin].replicas):
        move(bench, origin, 1 - origin, pe)
    assert results_of(bench) == expected(make_bench)


def test_a_replica_may_move_to_and_fro_with_items_in_its_inbox(make_bench: Make, bench: Any) -> None:
    at = 1
    for _ in range(12):
        bench.workers[0].step()
        bench.deliver()
        (replica,) = [r for r in bench.workers[at].replicas if "Total1" in r.instances]
        if replica.between_items:
            move(bench, at, 1 - at, "Total1")
            at = 1 - at
        bench.workers[at].step()
    assert results_of(bench) == expected(make_bench)
    assert bench.workers[0].moves[1] > 1


def test_a_replica_in_the_middle_of_a_call_stays(make_bench: Make) -> None:
    bench = make_bench([Numbers(burst=20), Total()], STREAM, STAGES)
    while bench.workers[0].step():
        pass
    (replica,) = bench.workers[0].replicas
    with pytest.raises(RunError) as caught:
        release(bench.workers[0], replica, 1)
    assert str(caught.value) == "replica (0, 0) is in the middle of a call; move it between two items"


def test_a_frame_that_comes_too_late_follows_the_replica(make_bench: Make, bench: Any) -> None:
    bench.workers[0].step()
    late, bench.links[0].frames = bench.links[0].frames, []
    (replica,) = bench.workers[1].replicas
    # The sender is not told: what it sends to worker 1 is passed on to itself.
    adopt(bench.workers[0], bench.board, release(bench.workers[1], replica, 0))
    for _, frame in late:
        bench.workers[1].receive(frame)
    assert [to for to, _ in bench.links[1].frames] == [0] * len(late)
    assert results_of(bench) == expected(make_bench)


def test_dealing_out_goes_on_where_it_stopped(make_bench: Make) -> None:
    stages = [("Numbers0", (0,)), ("Total1", (2, 2, 2))]
    bench = make_bench([Numbers(), Total()], STREAM, stages, inputs=3)
    worker = bench.workers[0]
    worker.step()
    bench.deliver()
    reference = make_bench([Numbers(), Total()], STREAM, stages, inputs=3)
    (replica,) = worker.replicas
    if replica.between_items:
        move(bench, 0, 1, "Numbers0")
    totals = [item for item in results_of(bench) if item[0] != "end"]
    assert sorted(t for t, _ in totals) == sorted(t for t, _ in results_of(reference) if t != "end")


def test_counters_go_on(bench: Any) -> None:
    for _ in range(3):
        for worker in bench.workers:
            worker.step()
        bench.deliver()
    (replica,) = bench.workers[1].replicas
    if replica.between_items:
        move(bench, 1, 0, "Total1")
    bench.run()
    assert [(c.items_in, c.items_out) for c in bench.board.read()] == [(0, 40), (40, 41)]
