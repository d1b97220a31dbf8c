"""A run that is only a sample: its sources are stopped in time, and what is under way is processed."""

from collections.abc import Callable
from typing import Any

import pytest

from d4py_adaptive import ConsumerPE, ProducerPE
from d4py_adaptive.mappings.meter import NEVER
from d4py_adaptive.mappings.sampling import Sample
from d4py_adaptive.testing.clocks import ManualClock

Make = Callable[..., Any]
S = 10**9


class Source(ProducerPE):
    """Writes `burst` numbers per call, each of which takes a millisecond of the clock."""

    def __init__(self, burst: int = 1) -> None:
        super().__init__()
        self.burst = burst

    def _process(self, inputs: Any) -> None:
        for number in range(self.burst):
            CLOCK.advance(10**6)
            self.write("output", number)


class Keep(ConsumerPE):
    kept: list[Any] = []

    def _process(self, data: Any) -> None:
        Keep.kept.append(data)


CLOCK = ManualClock()


@pytest.fixture
def clock() -> ManualClock:
    CLOCK.now_ns = 5 * S
    Keep.kept = []
    return CLOCK


def written(bench: Any) -> list[int]:
    bench.run()
    assert all(worker.finished and worker.failure is None for worker in bench.workers)
    return [counters.items_out for counters in bench.board.read() if counters.pe.startswith("Source")]


def test_a_run_of_everything_has_no_sample(make_job: Make) -> None:
    assert Sample.of(make_job([Source()], [])) is None


def test_the_time_counts_from_when_the_worker_is_made(make_job: Make, clock: ManualClock) -> None:
    assert Sample.of(make_job([Source()], [], sample_s=2.5)) == Sample(clock.now_ns + 2_500_000_000, None)
    assert Sample.of(make_job([Source()], [], sample_items=7)) == Sample(NEVER, 7)


def test_it_is_enough_from_that_moment_on(clock: ManualClock) -> None:
    sample = Sample(8 * S, None)
    assert [sample.is_enough([], now_ns) for now_ns in (5 * S, 8 * S - 1, 8 * S, 9 * S)] == [False, False, True, True]


@pytest.mark.parametrize("burst", [1, 10**9])
def test_sources_stop_after_that_time(make_bench: Make, burst: int) -> None:
    bench = make_bench([Source(burst), Keep()], [(0, "output", 1, "input")], inputs=10**9, sample_s=0.5)
    (number,) = written(bench)
    assert 500 <= number <= 600
    assert len(Keep.kept) == number


@pytest.mark.parametrize("burst", [1, 10**9])
def test_sources_stop_after_so_many_items(make_bench: Make, burst: int) -> None:
    bench = make_bench([Source(burst), Keep()], [(0, "output", 1, "input")], inputs=10**9, sample_items=300)
    (number,) = written(bench)
    assert 300 <= number <= 400
    assert len(Keep.kept) == number


def test_every_source_gives_so_many(make_bench: Make) -> None:
    bench = make_bench([Source(), Source(3)], [], inputs=10**9, sample_items=50)
    assert min(written(bench)) >= 50


def test_a_source_that_has_no_more_keeps_none_waiting(make_bench: Make) -> None:
    bench = make_bench([Source(), Source()], [], inputs={"Source0": 4, "Source1": 10**9}, sample_items=50)
    few, many = written(bench)
    assert few == 4
    assert 50 <= many <= 150


def test_a_worker_without_sources_goes_on(make_bench: Make) -> None:
    stages = [("Source0", (0,)), ("Keep1", (1,))]
    bench = make_bench([Source(), Keep()], [(0, "output", 1, "input")], stages, inputs=10**9, sample_items=50)
    (number,) = written(bench)
    assert len(Keep.kept) == number >= 50
    assert [worker.stopping for worker in bench.workers] == [True, False]


def test_whichever_comes_first_ends_it(make_bench: Make) -> None:
    bench = make_bench([Source()], [], inputs=10**9, sample_s=0.1, sample_items=10**6)
    assert written(bench)[0] < 200
    bench = make_bench([Source()], [], inputs=10**9, sample_s=10**6, sample_items=100)
    assert written(bench)[0] < 200


def test_a_run_that_is_shorter_than_its_sample_is_whole(make_bench: Make) -> None:
    assert written(make_bench([Source()], [], inputs=20, sample_s=100.0, sample_items=100)) == [20]
