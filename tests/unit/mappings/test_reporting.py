"""What a worker tells of itself: counters on the board now and then, the rest at its end."""

import pickle
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from d4py_adaptive import ConsumerPE, ProducerPE
from d4py_adaptive.mappings import worker as worker_module
from d4py_adaptive.mappings.reporting import publish, report
from d4py_adaptive.telemetry.board import Counters, Field, State
from d4py_adaptive.telemetry.sketch import bucket_of
from d4py_adaptive.telemetry.timeline import FIRST_SLOT_NS, read_timeline
from d4py_adaptive.testing.clocks import ManualClock

Make = Callable[..., Any]
MS = 10**6
STREAM = [(0, "output", 1, "input")]


class Source(ProducerPE):
    def _process(self, inputs: Any) -> Any:
        CLOCK.advance(2 * MS)
        return [1, 2, 3]


class Sink(ConsumerPE):
    def _process(self, data: Any) -> None:
        CLOCK.advance(3 * MS)


CLOCK = ManualClock()


@pytest.fixture
def clock() -> ManualClock:
    CLOCK.now_ns = 0
    return CLOCK


def of(bench: Any) -> list[Counters]:
    return list(bench.board.read())


def test_every_counter_is_put_on_the_board(make_bench: Make) -> None:
    bench = make_bench([Source(), Sink()], STREAM, [("Source0", (0,)), ("Sink1", (0,))])
    (replica, _) = bench.workers[0].replicas
    instance = replica.instances["Source0"]
    names = {
        "items_in": "ITEMS_IN", "items_out": "ITEMS_OUT", "bytes_in": "BYTES_IN", "bytes_out": "BYTES_OUT",
        "skipped": "SKIPPED", "retried": "RETRIED", "compute_ns": "COMPUTE_NS", "serialise_ns": "SERIALISE_NS",
        "codec_ns": "CODEC_NS", "blocked_ns": "BLOCKED_NS", "cpu_ns": "CPU_NS", "cpu_of_ns": "CPU_OF_NS",
        "setup_ns": "SETUP_NS", "own_cpu_ns": "OWN_CPU_NS",
    }  # fmt: skip
    for number, name in enumerate(names, 101):
        setattr(instance, name, number)
    instance.timer.note(77, 1)
    assert publish(replica, 5000) == 1
    for number, field in enumerate(names.values(), 101):
        assert instance.row[Field[field]] == number, field
    assert (instance.row[Field.TIMED], instance.row[Field.LONGEST_NS]) == (1, 77)
    assert bench.board.sketch(0)[bucket_of(77)] == 1
    assert instance.row[Field.OTHERS_NS] == instance.row[Field.LIFE_NS] == 5000


def test_streams_are_counted_with_their_bytes_and_copies(make_bench: Make) -> None:
    bench = make_bench([Source(), Sink(), Sink()], [*STREAM, (0, "output", 2, "input")],
                       [("Source0 Sink1", (0,)), ("Sink2", (1,))])  # fmt: skip
    (replica,) = bench.workers[0].replicas
    instance = replica.instances["Source0"]
    (fused,), (queued,) = instance.readers["output"]
    fused.items, fused.copy_ns = 3, 4_000_000_000
    queued.items, queued.payload_bytes, queued.copy_ns = 5, 600, 7_000_000_000
    queued.outlets[0].flat_bytes = 80
    instance.bytes_out = 900
    publish(replica, 0)
    source = of(bench)[0]
    assert source.streams == {"Source0.output->Sink1.input": (3, 0), "Source0.output->Sink2.input": (5, 680)}
    assert source.copy_s == {"Source0.output->Sink1.input": 4.0, "Source0.output->Sink2.input": 7.0}
    assert source.bytes_out == 980


def test_a_board_is_up_to_date_when_a_replica_ends(make_bench: Make) -> None:
    bench = make_bench([Source(), Sink()], STREAM, [("Source0 Sink1", (0,))], inputs=7)
    bench.run()
    source, sink = of(bench)
    assert (source.state, source.item, source.items_out, sink.items_in) == (State.DONE, 7, 7, 7)
    assert (source.timed, sink.timed) == (7, 7)
    assert (source.busy_s, sink.busy_s) == pytest.approx((14e-3, 21e-3))


def test_the_time_line_holds_all_of_an_instance_s_time_when_it_ends(make_bench: Make) -> None:
    """However short the run, and also what came after its last whole slot."""
    for calls in (1, 17):
        CLOCK.now_ns = 0
        bench = make_bench([Source(), Sink()], STREAM, [("Source0", (0,)), ("Sink1", (1,))], inputs=calls)
        bench.run()
        for number, counters in enumerate(of(bench)):
            seconds = read_timeline(bench.board.timeline(number).tolist())[1]
            for kind, total_s in (
                ("compute", counters.busy_s),
                ("serialise", counters.serialise_s),
                ("blocked", counters.blocked_s),
                ("starved", counters.starved_s),
            ):
                assert sum(seconds[kind]) == pytest.approx(total_s), (calls, counters.label, kind)


def test_the_time_line_shows_when_it_was(make_bench: Make, clock: ManualClock) -> None:
    bench = make_bench([Source()], [], inputs=100)
    for _ in range(20):
        bench.workers[0].step()
    paused = clock.now_ns // FIRST_SLOT_NS
    clock.advance(40 * FIRST_SLOT_NS)
    bench.run()
    slot_s, kinds = read_timeline(bench.board.timeline(0).tolist())
    shares = [seconds / slot_s for seconds in kinds["compute"]]
    assert shares[: paused - 3] == pytest.approx([1] * (paused - 3))
    assert max(shares[paused + 1 : paused + 39]) < 0.2
    assert sum(shares) * slot_s == pytest.approx(0.2)


def test_counters_are_put_on_the_board_seldom_and_the_more_seldom_the_more_there_are(
    make_bench: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    published: list[int] = []

    def noting(replica: Any, now_ns: int) -> int:
        published.append(now_ns)
        return publish(replica, now_ns)

    monkeypatch.setattr(worker_module, "publish", noting)
    for pes in (1, 20):
        published.clear()
        bench = make_bench([Source() for _ in range(pes)], [], inputs=10**6)
        worker = bench.workers[0]
        for _ in range(400):
            worker.step()
        moments = sorted(set(published))
        gaps = [after - before for before, after in zip(moments, moments[1:], strict=False)]  # noqa: RUF007
        assert len(gaps) > 10
        assert min(gaps) >= worker_module.PUBLISH_NS + pes * worker_module.PUBLISH_MORE_NS


def test_an_idle_worker_puts_its_last_word_on_the_board(make_bench: Make) -> None:
    bench = make_bench([Source(), Sink()], STREAM, [("Source0", (0,)), ("Sink1", (1,))], inputs=2)
    for _ in range(9):
        bench.workers[0].step()
        bench.deliver()
        bench.workers[1].step()
    assert bench.workers[1].has_word or of(bench)[1].items_in == 2
    bench.workers[1].tell()
    assert of(bench)[1].items_in == 2


def told(events: list[Mapping[str, Any]], kind: str) -> list[Mapping[str, Any]]:
    return [event for event in events if event["event"] == kind]


class Probe:
    """Finds how often it was told of a span."""

    def __init__(self, *arguments: Any) -> None:
        self.arguments, self.spans = arguments, 0

    def before(self, pe: Any, call: int) -> None: ...

    def called(self, own_ns: int, item_bytes: int | None) -> None: ...

    def wrote(self, stream: str, item: Any, keys: tuple[object, ...]) -> None: ...

    def span(self, kind: str, start_ns: int, end_ns: int) -> None:
        self.spans += 1

    def report(self) -> Mapping[str, Any]:
        return {"arguments": self.arguments, "spans": self.spans}


class Instrument:
    def probe(self, pe: str, index: int, origin_ns: int) -> Probe:
        return Probe(pe, index, origin_ns)


def test_at_its_end_a_worker_tells_what_it_used_and_what_its_probes_found(make_bench: Make) -> None:
    stages = [("Source0", (0,)), ("Sink1", (1, 1))]
    bench = make_bench([Source(), Sink()], STREAM, stages, inputs=4, instrument=Instrument(), origin_ns=9)
    bench.run()
    for worker in bench.workers:
        report(worker)
    events = [links.events for links in bench.links]
    assert [[event["usage"]["number"] for event in told(one, "usage")] for one in events] == [[0], [1]]
    found = [
        sorted([(event["pe"], event["index"], event["found"]) for event in told(one, "probe")], key=lambda one: one[1])
        for one in events
    ]
    # preprocess, two or four calls, postprocess
    assert found == [
        [("Source0", 0, {"arguments": ("Source0", 0, 9), "spans": 6})],
        [("Sink1", index, {"arguments": ("Sink1", index, 9), "spans": 4}) for index in (0, 1)],
    ]
    assert all(pickle.loads(pickle.dumps(event)) == event for one in events for event in one)


def test_without_an_instrument_there_is_nothing_to_find(make_bench: Make) -> None:
    bench = make_bench([Source()], [])
    bench.run()
    report(bench.workers[0])
    assert [event["event"] for event in bench.links[0].events] == ["usage"]
