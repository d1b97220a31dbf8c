"""Small values that travel together and are processed one after the other, with nothing to be seen of it."""

from collections.abc import Callable
from typing import Any

import pytest

from d4py_adaptive import ConsumerPE, IterativePE, ProducerPE
from d4py_adaptive.mappings.moving import adopt, release
from d4py_adaptive.mappings.replica import Run
from d4py_adaptive.telemetry.board import Board
from d4py_adaptive.wire.frame import Frame, Kind

Make = Callable[..., Any]
CHAIN = [(0, "output", 1, "input"), (1, "output", 2, "input")]
APART = [("Items0", (0,)), ("Same1", (1,)), ("Keep2", (2,))]


class Items(ProducerPE):
    """Writes the items that it is made with, one per call or all in one."""

    def __init__(self, items: list[Any], at_once: bool = False) -> None:
        super().__init__()
        self.items, self.at_once, self.calls = items, at_once, 0

    def _process(self, inputs: Any) -> Any:
        if self.at_once:
            for item in self.items:
                self.write("output", item)
            return None
        self.calls += 1
        return self.items[self.calls - 1]


class Same(IterativePE):
    def _process(self, data: Any) -> Any:
        return data


class Keep(ConsumerPE):
    kept: list[Any] = []

    def __init__(self) -> None:
        super().__init__()
        Keep.kept = []

    def _process(self, data: Any) -> None:
        Keep.kept.append(data)


MIXED: list[Any] = [1, 2.5, "three", (4, "four"), [5], {"six": 6}, b"7", True, "x" * 300, 9, [10], 11]


def hurry(bench: Any) -> Any:
    """Let every replica believe that a call takes a nanosecond, so that it makes many in a row."""
    for worker in bench.workers:
        for replica in worker.replicas:
            replica.service_ns = 1
    return bench


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("flat_items", [1, 3, 1024])
def test_whatever_may_and_may_not_travel_together_the_order_is_kept(
    make_bench: Make, at_once: bool, flat_items: int
) -> None:
    items = MIXED * 9
    pes = [Items(items, at_once), Same(), Keep()]
    bench = hurry(make_bench(pes, CHAIN, APART, inputs=1 if at_once else len(items), flat_items=flat_items))
    bench.run()
    assert Keep.kept == items
    assert [type(item) for item in Keep.kept] == [type(item) for item in items]
    source, same, keep = bench.board.read()
    assert (source.items_out, same.items_in, same.items_out, keep.items_in) == (len(items),) * 4
    assert same.bytes_in == source.bytes_out == same.bytes_out == keep.bytes_in > 0


def test_small_values_stand_in_one_list(make_bench: Make) -> None:
    bench = hurry(make_bench([Items(list(range(4))), Same(), Keep()], CHAIN, APART, inputs=4))
    bench.workers[0].step()
    (frame,) = [frame for _, frame in bench.links[0].frames if frame.kind is Kind.DATA]
    assert (frame.number, len(frame.items), frame.first) == (4, 1, 0)
    assert bench.job.wire.decode(frame.items[0].body, ()) == [0, 1, 2, 3]


def test_a_slow_pe_takes_one_at_a_time_and_is_not_sent_more_than_it_may_have(make_bench: Make, clock: Any) -> None:
    class Slow(Keep):
        def _process(self, data: Any) -> None:
            super()._process(data)
            clock.advance(10**9)

    stages = [("Items0", (0,)), ("Slow1", (1,))]
    bench = make_bench([Items(list(range(50)), True), Slow()], CHAIN[:1], stages)
    bench.workers[0].step()
    bench.deliver()
    for processed in range(1, 4):
        bench.workers[1].step()
        assert Keep.kept == list(range(processed))
    bench.run()
    assert Keep.kept == list(range(50))


def test_a_failure_names_the_item_of_the_run_that_failed(make_bench: Make) -> None:
    class Fails(IterativePE):
        def _process(self, data: int) -> int:
            return 10 // (data - 6)

    stages = [("Items0", (0,)), ("Fails1", (1,)), ("Keep2", (2,))]
    bench = hurry(make_bench([Items(list(range(9))), Fails(), Keep()], CHAIN, stages, inputs=9, flat_items=9))
    bench.run()
    failure, error = bench.workers[1].failure
    assert (failure.item, failure.port, failure.method) == (7, "input", "process")
    assert isinstance(error, ZeroDivisionError)


def test_a_source_that_fails_in_a_run_names_the_call(make_bench: Make) -> None:
    bench = hurry(make_bench([Items([0, 1, 2]), Keep()], CHAIN[:1], [("Items0", (0,)), ("Keep1", (1,))], inputs=9))
    bench.run()
    assert bench.workers[0].failure[0].item == 4


def test_a_source_is_stopped_in_the_middle_of_a_run(make_bench: Make) -> None:
    class Stops(Items):
        def _process(self, inputs: Any) -> Any:
            if self.calls == 5:
                bench.workers[0].stop()
            return super()._process(inputs)

    bench = make_bench([Stops(list(range(99))), Keep()], CHAIN[:1], [("Stops0", (0,)), ("Keep1", (1,))], inputs=99)
    hurry(bench).run()
    assert Keep.kept == [0, 1, 2, 3, 4]
    assert all(worker.finished for worker in bench.workers)


def test_a_run_that_is_half_done_can_be_moved(make_bench: Make, clock: Any) -> None:
    class Slow(Keep):
        def _process(self, data: Any) -> None:
            super()._process(data)
            clock.advance(10**9)

    bench = make_bench([Items(list(range(8))), Slow()], CHAIN[:1], [("Items0", (0,)), ("Slow1", (1,))], inputs=8)
    hurry(bench).workers[0].replicas[0].service_ns = 1
    bench.workers[0].step()
    replica = bench.workers[1].replicas[0]
    replica.service_ns = 10**9  # one at a time
    bench.deliver()
    bench.workers[1].step()
    assert Keep.kept == [0]
    assert isinstance(replica.inbox[0].item, Run)
    before = Board(bench.job.workflow, bench.job.plan, None)
    state = release(bench.workers[1], replica, 0)
    adopt(bench.workers[0], before, state)
    bench.workers[1].where[1] = 0
    bench.run()
    assert Keep.kept == list(range(8))


def test_lists_that_overtake_are_put_in_order(make_bench: Make) -> None:
    bench = hurry(make_bench([Items(list(range(12)), True), Keep()], CHAIN[:1], [("Items0", (0,)), ("Keep1", (1,))]))
    bench.workers[0].receive(Frame(Kind.CREDIT, 1, 0, 100, number=0, credit_bytes=10**6))
    while bench.workers[0].step():
        pass
    for _, frame in reversed(bench.links[0].frames):
        bench.workers[1].receive(frame)
    bench.links[0].frames.clear()
    bench.run()
    assert Keep.kept == list(range(12))


def test_two_inputs_of_one_pe_do_not_stand_in_one_list(make_bench: Make) -> None:
    class Two(Keep):
        def __init__(self) -> None:
            super().__init__()
            self._add_input("other")

        def process(self, inputs: Any) -> None:
            Keep.kept.extend(inputs.items())

    connections = [(0, "output", 1, "input"), (0, "output", 1, "other")]
    bench = hurry(make_bench([Items([1, 2, 3]), Two()], connections, [("Items0", (0,)), ("Two1", (1,))], inputs=3))
    bench.run()
    assert sorted(Keep.kept) == [(port, n) for port in ("input", "other") for n in (1, 2, 3)]
