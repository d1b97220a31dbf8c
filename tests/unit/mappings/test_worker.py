"""The worker: hosts replicas, sends frames, takes frames, allows more; driven by hand, frame by frame."""

from collections.abc import Callable
from typing import Any

import pytest

from d4py_adaptive import ConsumerPE, GenericPE, IterativePE, ProducerPE
from d4py_adaptive.errors import RunError
from d4py_adaptive.mappings.assembly import RESULTS
from d4py_adaptive.mappings.channel import Window
from d4py_adaptive.mappings.links import LAUNCHER
from d4py_adaptive.mappings.reporting import report
from d4py_adaptive.telemetry.board import State
from d4py_adaptive.wire.encoding import PlainWire
from d4py_adaptive.wire.frame import Frame, Kind

Make = Callable[..., Any]


class Numbers(ProducerPE):
    """Writes 0, 1, 2, …, `burst` per call."""

    def __init__(self, burst: int = 1) -> None:
        super().__init__()
        self.burst, self.next = burst, 0

    def _process(self, inputs: Any) -> None:
        for _ in range(self.burst):
            self.write("output", self.next)
            self.next += 1


class Double(IterativePE):
    def _process(self, data: int) -> int:
        return 2 * data


class Keep(ConsumerPE):
    """Keeps what comes, in `kept`, which all copies share."""

    def __init__(self, kept: list[Any]) -> None:
        super().__init__()
        Keep.kept = kept

    def _process(self, data: Any) -> None:
        Keep.kept.append(data)


CHAIN = [(0, "output", 1, "input"), (1, "output", 2, "input")]


def kinds(frames: list[tuple[int, Frame]]) -> list[str]:
    return [f"{f.kind.name} {f.sender}->{f.receiver}" for _, f in frames]


@pytest.mark.parametrize(
    "stages",
    [
        [("Numbers0 Double1 Double2", (0,))],
        [("Numbers0", (0,)), ("Double1", (0,)), ("Double2", (0,))],
        [("Numbers0", (0,)), ("Double1", (1,)), ("Double2", (0,))],
        [("Numbers0 Double1", (1,)), ("Double2", (0,))],
        [("Numbers0", (2,)), ("Double1", (0, 1, 2)), ("Double2", (1, 0))],
    ],
)
def test_the_results_do_not_depend_on_the_plan(make_bench: Make, stages: Any) -> None:
    bench = make_bench([Numbers(3), Double(), Double()], CHAIN, stages, inputs=40)
    bench.run()
    assert sorted(bench.results) == [4 * n for n in range(120)]
    assert all(worker.finished and worker.failure is None for worker in bench.workers)
    assert all(counters.state is State.DONE for counters in bench.board.read())


def items_in(frame: Frame) -> int:
    return frame.number or len(frame.items)


def test_one_channel_keeps_its_order(make_bench: Make) -> None:
    kept: list[Any] = []
    bench = make_bench([Numbers(500), Keep(kept)], CHAIN[:1], [("Numbers0", (0,)), ("Keep1", (1,))])
    bench.run()
    assert kept == list(range(500))


def test_results_that_are_not_collected_go_to_the_launcher(make_bench: Make) -> None:
    bench = make_bench([Numbers(2)], [], collect=False)
    bench.run()
    *data, end = [frame for to, frame in bench.links[0].frames if to == LAUNCHER]
    assert {(frame.kind, frame.sender, frame.receiver) for frame in data} == {(Kind.DATA, 0, RESULTS)}
    assert [frame.first for frame in data] == [0, 1]
    assert [PlainWire().decode(i.body, i.buffers) for frame in data for i in frame.items] == [[0], [1]]
    assert (end.kind, end.sender, end.receiver, end.first) == (Kind.END, 0, RESULTS, 2)


def test_a_sender_stops_when_its_credit_is_used_up_and_goes_on_when_there_is_more(make_bench: Make) -> None:
    bench = make_bench([Numbers(10), Keep([])], CHAIN[:1], [("Numbers0", (0,)), ("Keep1", (1,))])
    sender = bench.workers[0]
    while sender.step():
        pass
    sent = [frame for _, frame in bench.links[0].frames]
    assert sum(items_in(frame) for frame in sent) == Window.FIRST == 4
    assert not sender.finished
    assert [counters.state for counters in bench.board.read()] == [State.BLOCKED, State.NEW]
    sender.receive(Frame(Kind.CREDIT, 1, 0, 6, number=4, credit_bytes=10**6))
    while sender.step():
        pass
    assert sum(items_in(frame) for _, frame in bench.links[0].frames) == 6
    bench.run()
    assert Keep.kept == list(range(10))
    assert sender.finished


def test_the_bytes_under_way_are_bounded_too(make_bench: Make) -> None:
    class Texts(Numbers):
        def _process(self, inputs: Any) -> None:
            for _ in range(10):
                self.write("output", "x" * 1000)

    window = Window(payload_bytes=1500)
    bench = make_bench([Texts(), Keep([])], CHAIN[:1], [("Texts0", (0,)), ("Keep1", (1,))], window=window)
    while bench.workers[0].step():
        pass
    assert sum(items_in(frame) for _, frame in bench.links[0].frames) == 2
    bench.run()
    assert len(Keep.kept) == 10


def test_items_are_gathered_while_the_receiver_has_something_to_read(make_bench: Make) -> None:
    stages = [("Numbers0", (0,)), ("Keep1", (1,))]
    bench = make_bench([Numbers(600), Keep([])], CHAIN[:1], stages, flat_items=50)
    sender, receiver = bench.workers
    sizes = []
    while not (sender.finished and receiver.finished):
        sender.step()
        sizes += [items_in(frame) for _, frame in bench.links[0].frames]
        bench.deliver()
        while receiver.step():
            pass
        bench.deliver()
    assert sum(sizes) == 600
    assert 1 < max(sizes) <= 50


def test_a_slow_receiver_gets_few_items_at_a_time(make_bench: Make, clock: Any) -> None:
    class Slow(Keep):
        def _process(self, data: Any) -> None:
            super()._process(data)
            clock.advance(10**9)

    bench = make_bench([Numbers(100), Slow([])], CHAIN[:1], [("Numbers0", (0,)), ("Slow1", (1,))])
    most = 0
    for _ in range(1000):
        while bench.workers[0].step():
            pass
        bench.deliver()
        most = max(most, sum(len(replica.inbox) for replica in bench.workers[1].replicas))
        if not bench.workers[1].step() and not bench.deliver():
            break
    assert Keep.kept == list(range(100))
    assert most <= Window.FIRST


def test_a_broadcast_is_encoded_once(make_bench: Make) -> None:
    class Counting(PlainWire):
        encoded = 0

        def encode(self, item: object, keep: Any = bytes) -> Any:
            Counting.encoded += 1
            return super().encode(item, keep)

    keep = Keep([])
    keep.inputconnections["input"]["grouping"] = "all"
    stages = [("Numbers0", (0,)), ("Keep1", (1, 2, 3))]
    bench = make_bench([Numbers(3), keep], CHAIN[:1], stages, wire=Counting())
    bench.run()
    assert sorted(Keep.kept) == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert Counting.encoded == 3


def test_frames_that_overtake_are_put_in_order(make_bench: Make) -> None:
    kept: list[Any] = []
    bench = make_bench([Numbers(4), Keep(kept)], CHAIN[:1], [("Numbers0", (0,)), ("Keep1", (1,))], flat_items=1)
    while bench.workers[0].step():
        pass
    frames = [frame for _, frame in bench.links[0].frames]
    assert kinds(bench.links[0].frames) == ["DATA 0->1"] * 4 + ["END 0->1"]
    for frame in reversed(frames):
        bench.workers[1].receive(frame)
    bench.links[0].frames.clear()
    bench.run()
    assert kept == [0, 1, 2, 3]
    assert bench.workers[1].finished


def test_items_that_come_twice_are_an_error(make_bench: Make) -> None:
    bench = make_bench([Numbers(2), Keep([])], CHAIN[:1], [("Numbers0", (0,)), ("Keep1", (1,))])
    while bench.workers[0].step():
        pass
    frame = bench.links[0].frames[0][1]
    bench.workers[1].receive(frame)
    with pytest.raises(RunError, match=r"^items 0 and on of channel 0->1 came twice$"):
        bench.workers[1].receive(frame)


def test_a_stage_ends_only_when_every_sender_said_so(make_bench: Make) -> None:
    stages = [("Numbers0", (0,)), ("Numbers1", (1,)), ("Keep2", (2,))]
    streams = [(0, "output", 2, "input"), (1, "output", 2, "input")]
    bench = make_bench([Numbers(), Numbers(), Keep([])], streams, stages)
    one, two, keep = bench.workers
    while one.step():
        pass
    bench.deliver()
    while keep.step():
        pass
    assert Keep.kept == [0]
    assert not keep.finished
    while two.step():
        pass
    bench.deliver()
    while keep.step():
        pass
    assert keep.finished


def test_endless_sources_starve_nobody(make_bench: Make) -> None:
    bench = make_bench([Numbers(), Numbers()], [], inputs=10**9)
    worker = bench.workers[0]
    for _ in range(20):
        worker.step()
    counts = [sum(1 for pe, *_ in bench.launcher.results if pe == name) for name in ("Numbers0", "Numbers1")]
    assert min(counts) > 0
    worker.stop()
    bench.run()
    assert worker.finished


def test_stopping_ends_an_endless_call_of_a_source_and_finishes_the_rest(make_bench: Make) -> None:
    class Endless(Numbers):
        left = False

        def _process(self, inputs: Any) -> None:
            try:
                while True:
                    super()._process(inputs)
            finally:
                Endless.left = True

    kept: list[Any] = []
    bench = make_bench([Endless(), Keep(kept)], CHAIN[:1], [("Endless0", (0,)), ("Keep1", (1,))])
    for _ in range(50):
        for worker in bench.workers:
            worker.step()
        bench.deliver()
    assert len(kept) > 50
    bench.workers[0].stop()
    bench.run()
    assert Endless.left
    assert all(worker.finished for worker in bench.workers)
    assert kept == list(range(len(kept)))


def test_aborting_runs_the_finally_clauses_of_suspended_pes(make_bench: Make) -> None:
    left: list[str] = []

    class Careful(Numbers):
        def _process(self, inputs: Any) -> None:
            try:
                super()._process(inputs)
            except Exception:
                left.append("as if it had failed")
                raise
            finally:
                left.append("finally")

        def postprocess(self) -> None:
            left.append("postprocess")

    bench = make_bench([Careful(100), Keep([])], CHAIN[:1], [("Careful0", (0,)), ("Keep1", (1,))])
    while bench.workers[0].step():
        pass
    bench.workers[0].abort()
    assert left == ["finally"]
    assert not bench.workers[0].finished


def test_a_restless_scheduler_makes_every_write_give_way(make_bench: Make) -> None:
    bench = make_bench([Numbers(10)], [], restless=lambda: True)
    turns = 0
    while bench.workers[0].step():
        turns += 1
    assert turns > 10
    assert bench.results == list(range(10))


def test_lines_and_digests_are_passed_on(make_bench: Make) -> None:
    class Talks(Double):
        def _process(self, data: int) -> None:
            self.log(f"got {data}")

    bench = make_bench([Numbers(2), Talks()], CHAIN[:1], digests=True)
    bench.run()
    report(bench.workers[0])
    assert bench.links[0].lines == [("Talks1[0]", "got 0"), ("Talks1[0]", "got 1")]
    assert [(e["event"], e["pe"], e["port"], e["number"]) for e in bench.links[0].events if e["event"] == "digest"] == [
        ("digest", "Talks1", "input", 1),
        ("digest", "Talks1", "input", 1),
    ]


def test_a_frame_for_an_instance_that_lives_elsewhere_is_passed_on(make_bench: Make) -> None:
    stages = [("Numbers0", (0,)), ("Keep1", (1,)), ("Double2", (2,))]
    bench = make_bench([Numbers(), Keep([]), Double()], CHAIN[:1], stages)
    frame = Frame(Kind.DATA, 0, 1)
    bench.workers[2].receive(frame)
    assert bench.links[2].frames == [(1, frame)]


def test_news_of_a_move_counts_only_if_it_is_newer(make_bench: Make) -> None:
    stages = [("Numbers0", (0,)), ("Keep1", (1,)), ("Double2", (2,))]
    worker = make_bench([Numbers(), Keep([]), Double()], CHAIN[:1], stages).workers[0]
    for to, move, expected in ((2, 1, 2), (1, 1, 2), (1, 3, 1), (2, 2, 1)):
        worker.receive(Frame(Kind.RELOCATE, 0, 1, to, generation=move))
        assert worker.where[1] == expected
    worker.receive(Frame(Kind.RELOCATE, 0, 0, 2, generation=9))
    assert worker.where[0] == 0  # it lives here; who else would know better?


def test_a_pe_without_streams_runs_alone(make_bench: Make) -> None:
    called: list[str] = []

    class Alone(GenericPE):
        def preprocess(self) -> None:
            called.append("preprocess")

        def process(self, inputs: dict[str, Any]) -> None:
            called.append(f"process {inputs}")

        def postprocess(self) -> None:
            called.append("postprocess")

    make_bench([Alone()], [], inputs=2).run()
    assert called == ["preprocess", "process {}", "process {}", "postprocess"]
