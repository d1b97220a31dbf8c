"""Planted costs are found where they were planted: PEs, wires and copies that move the clock on by themselves."""

from collections.abc import Callable
from typing import Any

import pytest

from d4py_adaptive import ConsumerPE, GenericPE, IterativePE, ProducerPE
from d4py_adaptive.mappings import meter
from d4py_adaptive.mappings.interruption import Interruption
from d4py_adaptive.mappings.job import Job
from d4py_adaptive.mappings.meter import Laps
from d4py_adaptive.mappings.moving import adopt, release
from d4py_adaptive.mappings.simple import SimpleMapping
from d4py_adaptive.mappings.toy import ToyMapping
from d4py_adaptive.telemetry.board import Board, Counters, Field
from d4py_adaptive.testing.clocks import ManualClock
from d4py_adaptive.wire.encoding import PlainWire
from d4py_adaptive.wire.frame import Frame, Kind

Make = Callable[..., Any]

US, MS, S = 10**3, 10**6, 10**9
CHAIN = [(0, "output", 1, "input"), (1, "output", 2, "input")]
PARTS = ("COMPUTE", "SERIALISE", "CODEC", "BLOCKED", "STARVED", "OTHERS", "OVERHEAD")

CLOCK = ManualClock()
"""What the PEs here move on; the clock of the bench while a test lasts. Not an attribute: that would be state."""


@pytest.fixture
def clock() -> ManualClock:
    CLOCK.now_ns, CLOCK.step_ns = S, 0
    return CLOCK


class Source(ProducerPE):
    """Writes 0, 1, 2, … and takes so long for each."""

    def __init__(self, cost_ns: int = 0) -> None:
        super().__init__()
        self.cost_ns, self.next = cost_ns, 0

    def _process(self, inputs: Any) -> Any:
        CLOCK.advance(self.cost_ns)
        self.next += 1
        return self.next - 1


class Burst(Source):
    """Writes so many in one call."""

    def __init__(self, number: int, cost_ns: int = 0) -> None:
        super().__init__(cost_ns)
        self.number = number

    def _process(self, inputs: Any) -> None:
        for _ in range(self.number):
            self.write("output", super()._process(inputs))


class Lists(Source):
    """Writes lists, which must be encoded or copied, and returns none."""

    def _process(self, inputs: Any) -> None:
        self.write("output", [super()._process(inputs)])


class Work(IterativePE):
    stateless = True

    def __init__(self, cost_ns: int = 0) -> None:
        super().__init__()
        self.cost_ns = cost_ns

    def _process(self, data: Any) -> Any:
        CLOCK.advance(self.cost_ns)
        return data


class Sink(ConsumerPE):
    stateless = True

    def __init__(self, cost_ns: int = 0) -> None:
        super().__init__()
        self.cost_ns = cost_ns

    def _process(self, data: Any) -> None:
        CLOCK.advance(self.cost_ns)


class Slow(PlainWire):
    """Takes 3 us to encode and 5 us to decode, whatever the item."""

    def encode(self, item: object, keep: Any = bytes) -> Any:
        CLOCK.advance(3 * US)
        return super().encode(item, keep)

    def decode(self, body: Any, buffers: Any) -> Any:
        CLOCK.advance(5 * US)
        return super().decode(body, buffers)


def counters(bench: Any) -> dict[str, Counters]:
    """What the board says, by label, after a look at whether every life is accounted for."""
    check_sums(bench.job, bench.board)
    return {counters.label: counters for counters in bench.board.read()}


def check_sums(job: Job, board: Board) -> None:
    for ref in job.plan.instances:
        row = board.row(ref.number)
        parts = {part: row[Field[f"{part}_NS"]] for part in PARTS}
        assert sum(parts.values()) == row[Field.LIFE_NS], (ref.label, parts, row[Field.LIFE_NS])
        assert min(parts.values()) >= 0


def compute_us(bench: Any) -> dict[str, int]:
    return {label: round(c.busy_s * 1e6) for label, c in counters(bench).items()}


def many_in_a_row(bench: Any) -> Any:
    """Let every replica believe that a call takes a nanosecond, so that it makes many in a row."""
    for worker in bench.workers:
        for replica in worker.replicas:
            replica.service_ns = 1
    return bench


def publish(bench: Any) -> None:
    for worker in bench.workers:
        worker._publish()


@pytest.fixture(
    params=[
        [("Source0 Work1 Sink2", (0,))],
        [("Source0", (0,)), ("Work1", (0,)), ("Sink2", (0,))],
        [("Source0", (0,)), ("Work1", (1,)), ("Sink2", (0,))],
        [("Source0 Work1", (0,)), ("Sink2", (1,))],
        [("Source0", (0,)), ("Work1 Sink2", (1,))],
    ],
    ids=["fused", "on one worker", "on two workers", "first two fused", "last two fused"],
)
def stages(request: pytest.FixtureRequest) -> Any:
    return request.param


# ---------------------------------------------------------------------- each PE's own


def test_each_pe_has_its_own_cost_however_it_is_placed(make_bench: Make, stages: Any) -> None:
    bench = make_bench([Source(7 * US), Work(300 * US), Sink(20 * US)], CHAIN, stages, inputs=50)
    bench.run()
    assert compute_us(bench) == {"Source0[0]": 350, "Work1[0]": 15_000, "Sink2[0]": 1_000}
    of = counters(bench)
    assert [(c.items_in, c.items_out, c.item) for c in of.values()] == [(0, 50, 50), (50, 50, 50), (50, 0, 50)]
    assert [c.timed for c in of.values()] == [50, 50, 50]
    assert [c.longest_s for c in of.values()] == pytest.approx([7e-6, 300e-6, 20e-6])


def test_calls_in_a_row_are_told_apart_too(make_bench: Make, stages: Any) -> None:
    bench = make_bench([Source(7 * US), Work(30 * US), Sink(20 * US)], CHAIN, stages, inputs=300)
    many_in_a_row(bench).run()
    assert compute_us(bench) == {"Source0[0]": 2_100, "Work1[0]": 9_000, "Sink2[0]": 6_000}


def test_very_quick_calls_in_a_row_are_told_apart_by_those_that_are_timed(make_bench: Make, stages: Any) -> None:
    bench = make_bench([Source(100), Work(300), Sink(20)], CHAIN, stages, inputs=20_000)
    many_in_a_row(bench).run()
    found = {label: c.busy_s / 20_000 * 1e9 for label, c in counters(bench).items()}
    assert found == pytest.approx({"Source0[0]": 100, "Work1[0]": 300, "Sink2[0]": 20}, rel=0.01)
    assert sum(c.busy_s for c in counters(bench).values()) == pytest.approx(20_000 * 420e-9)
    for counter in counters(bench).values():
        sketch = bench.board.sketch([r.label for r in bench.job.plan.instances].index(counter.label))
        assert 20_000 - 2 * meter._FEW < sum(sketch) <= 20_000
        assert meter.ALWAYS_TIMED < counter.timed < 2_000
        assert counter.longest_s == pytest.approx(found[counter.label] / 1e9, rel=0.01)


def test_a_source_that_writes_everything_in_one_call(make_bench: Make, stages: Any) -> None:
    stages = [(pes.replace("Source0", "Burst0"), on) for pes, on in stages]
    bench = make_bench([Burst(500, 7 * US), Work(300 * US), Sink(20 * US)], CHAIN, stages)
    bench.run()
    of = counters(bench)
    assert compute_us(bench) == {"Burst0[0]": 3_500, "Work1[0]": 150_000, "Sink2[0]": 10_000}
    assert (of["Burst0[0]"].item, of["Burst0[0]"].timed) == (1, 1)
    assert of["Burst0[0]"].longest_s == pytest.approx(3_500e-6)


class Setup(Work):
    """Prepares for 2 ms, finishes for 5 ms."""

    def preprocess(self) -> None:
        CLOCK.advance(2 * MS)

    def postprocess(self) -> None:
        CLOCK.advance(5 * MS)
        self.write("output", [1])


def test_what_pes_do_before_and_after_all_items_is_told_from_their_calls(make_bench: Make, stages: Any) -> None:
    stages = [(pes.replace("Work1", "Setup1"), on) for pes, on in stages]
    bench = make_bench([Source(7 * US), Setup(300 * US), Sink(20 * US)], CHAIN, stages, inputs=10)
    bench.run()
    of = counters(bench)
    assert compute_us(bench) == {"Source0[0]": 70, "Setup1[0]": 3_000 + 7_000, "Sink2[0]": 220}
    assert [c.setup_s for c in of.values()] == pytest.approx([0, 7e-3, 0])
    assert of["Setup1[0]"].longest_s == pytest.approx(300e-6)


def test_the_time_of_a_call_that_writes_to_a_fused_pe_is_not_that_pe_s(make_bench: Make) -> None:
    class Around(Work):
        def _process(self, data: Any) -> None:
            CLOCK.advance(10 * US)
            self.write("output", [data])
            CLOCK.advance(1 * US)
            self.write("output", data)
            CLOCK.advance(2 * US)

    bench = make_bench([Source(), Around(), Sink(50 * US)], CHAIN, [("Source0 Around1 Sink2", (0,))], inputs=10)
    bench.run()
    assert compute_us(bench) == {"Source0[0]": 0, "Around1[0]": 130, "Sink2[0]": 1_000}
    assert counters(bench)["Around1[0]"].longest_s == pytest.approx(13e-6)


def test_tries_that_fail_count_as_time_in_the_pe(make_bench: Make) -> None:
    class Fails(Work):
        errorpolicy = "skip"

        def _process(self, data: Any) -> None:
            CLOCK.advance(4 * US)
            raise ValueError

    bench = make_bench(
        [Source(), Fails()], CHAIN[:1], [("Source0 Fails1", (0,))], inputs=5, on_error={"": "retry:2,skip"}
    )
    bench.run()
    of = counters(bench)["Fails1[0]"]
    assert (of.item, of.skipped, of.retried) == (5, 5, 10)
    assert of.busy_s == pytest.approx(60e-6)
    assert of.longest_s == pytest.approx(12e-6)


# ---------------------------------------------------------------------- waits


def test_who_writes_faster_than_its_reader_reads_is_blocked(make_bench: Make) -> None:
    bench = make_bench([Burst(40), Sink(10 * MS)], CHAIN[:1], [("Burst0", (0,)), ("Sink1", (1,))])
    bench.run()
    of = counters(bench)
    assert of["Burst0[0]"].blocked_s >= 0.9 * 40 * 10e-3 - 5 * 10e-3
    assert (of["Burst0[0]"].starved_s, of["Burst0[0]"].busy_s) == (0, 0)
    assert of["Sink1[0]"].busy_s == pytest.approx(0.4)
    assert of["Sink1[0]"].blocked_s == 0


def test_a_wait_for_room_that_lasts_is_on_the_board(make_bench: Make, clock: ManualClock) -> None:
    bench = make_bench([Burst(40), Sink()], CHAIN[:1], [("Burst0", (0,)), ("Sink1", (1,))])
    while bench.workers[0].step():
        pass
    for _ in range(3):
        clock.advance(2 * MS)
        publish(bench)
        before = counters(bench)
    assert before["Burst0[0]"].blocked_s == pytest.approx(6e-3)
    bench.run()
    assert counters(bench)["Burst0[0]"].blocked_s == pytest.approx(6e-3)


def test_who_reads_faster_than_items_come_is_starved(make_bench: Make, clock: ManualClock) -> None:
    bench = make_bench([Source(10 * MS), Sink(MS)], CHAIN[:1], [("Source0", (0,)), ("Sink1", (1,))], inputs=20)
    sender, receiver = bench.workers
    while not receiver.finished:
        receiver.step()
        sender.step()
        bench.deliver()
    of = counters(bench)
    assert of["Sink1[0]"].starved_s == pytest.approx(0.2)
    assert of["Sink1[0]"].busy_s == pytest.approx(0.02)
    assert of["Source0[0]"].starved_s == of["Source0[0]"].blocked_s == 0


def test_an_item_that_came_and_waits_for_its_worker_starves_nobody(make_bench: Make, clock: ManualClock) -> None:
    bench = make_bench([Source(), Sink()], CHAIN[:1], [("Source0", (0,)), ("Sink1", (1,))])
    sender, receiver = bench.workers
    while receiver.step():
        pass
    clock.advance(3 * MS)
    while sender.step():
        pass
    bench.deliver()
    clock.advance(8 * MS)
    publish(bench)
    before = counters(bench)["Sink1[0]"]
    assert (before.starved_s, before.others_s) == pytest.approx((3e-3, 8e-3))
    bench.run()
    after = counters(bench)["Sink1[0]"]
    assert (after.starved_s, after.others_s) == pytest.approx((3e-3, 8e-3))


def test_what_shares_a_worker_waits_for_the_others(make_bench: Make) -> None:
    stages = [("Source0", (0,)), ("Source1", (0,))]
    bench = make_bench([Source(MS), Source(3 * MS)], [], stages, inputs=10)
    bench.run()
    of = counters(bench)
    assert compute_us(bench) == {"Source0[0]": 10_000, "Source1[0]": 30_000}
    assert of["Source0[0]"].others_s > 0
    assert of["Source1[0]"].others_s > 0
    assert of["Source0[0]"].starved_s == of["Source1[0]"].starved_s == 0


def test_fused_pes_wait_for_one_another(make_bench: Make) -> None:
    bench = make_bench([Source(MS), Sink(3 * MS)], CHAIN[:1], [("Source0 Sink1", (0,))], inputs=10)
    bench.run()
    of = counters(bench)
    assert (of["Source0[0]"].others_s, of["Sink1[0]"].others_s) == pytest.approx((0.03, 0.01))
    assert of["Source0[0]"].life_s == pytest.approx(0.04)


# ---------------------------------------------------------------------- copies and bytes


def test_encoding_and_decoding_is_neither_s_own_code(make_bench: Make) -> None:
    stages = [("Lists0", (0,)), ("Sink1", (1,))]
    bench = make_bench([Lists(2 * US), Sink(7 * US)], CHAIN[:1], stages, inputs=20, wire=Slow())
    bench.run()
    of = counters(bench)
    assert compute_us(bench) == {"Lists0[0]": 40, "Sink1[0]": 140}
    assert (of["Lists0[0]"].serialise_s, of["Sink1[0]"].serialise_s) == pytest.approx((60e-6, 100e-6))
    assert of["Lists0[0]"].bytes_out == of["Sink1[0]"].bytes_in == of["Lists0[0]"].streams[STREAM][1] > 0


STREAM = "Lists0.output->Sink1.input"


@pytest.mark.parametrize("item", [7, "short", "x" * 5_000, ("x" * 300, 1), [1]], ids=lambda item: repr(item)[:9])
@pytest.mark.parametrize("grouping", [None, "all", "global"])
@pytest.mark.parametrize("returns", [True, False])
def test_work_before_a_write_is_the_pe_s_own_whatever_it_writes(
    make_bench: Make, item: Any, grouping: Any, returns: bool
) -> None:
    class Writes(Source):
        def _process(self, inputs: Any) -> Any:
            CLOCK.advance(100 * US)
            if returns:
                return item
            return self.write("output", item)

    sink = Sink(10 * US)
    if grouping:
        sink.inputconnections["input"]["grouping"] = grouping
    stages = [("Writes0", (0,)), ("Sink1", (0, 1))]
    bench = make_bench([Writes(), sink], CHAIN[:1], stages, inputs=50, wire=Slow())
    bench.run()
    of = counters(bench)
    assert of["Writes0[0]"].busy_s == pytest.approx(5e-3)
    assert of["Writes0[0]"].serialise_s <= 50 * 3e-6 + 1e-9
    copies = 2 if grouping == "all" else 1
    assert of["Sink1[0]"].busy_s + of["Sink1[1]"].busy_s == pytest.approx(copies * 50 * 10e-6)


def test_small_values_are_encoded_together_at_their_sender_s_expense(make_bench: Make) -> None:
    stages = [("Burst0", (0,)), ("Sink1", (1,))]
    bench = make_bench([Burst(200), Sink()], CHAIN[:1], stages, wire=Slow(), flat_items=10)
    many_in_a_row(bench).run()
    of = counters(bench)
    assert of["Burst0[0]"].busy_s == 0
    assert 0 < of["Burst0[0]"].serialise_s <= 200 * 3e-6
    assert of["Burst0[0]"].bytes_out == of["Burst0[0]"].streams["Burst0.output->Sink1.input"][1] > 0


def test_a_frame_that_is_sent_when_another_stage_ends_is_nobody_s_twice(make_bench: Make) -> None:
    """The replica that ends flushes whatever waits on its worker, in the middle of its own turn."""
    stages = [("Burst0", (0,)), ("Source1", (0,)), ("Sink2", (1,))]
    streams = [(0, "output", 2, "input"), (1, "output", 2, "input")]
    bench = make_bench([Burst(3), Source(), Sink()], streams, stages, wire=Slow())
    sender = bench.workers[0]
    (burst,) = [replica for replica in sender.replicas if "Burst0" in replica.instances]
    (source,) = [replica for replica in sender.replicas if "Source1" in replica.instances]
    instance = burst.instances["Burst0"]
    sender._flush_at_ns = CLOCK.now_ns + S
    sender.run(burst)
    (outlet,) = [outlet for outlet in sender.outlets.values() if outlet.sender == instance.ref.number]
    sender.outbox.put_flat(burst, outlet, 0, [7])
    assert outlet.flat
    sender.run(source)
    publish(bench)
    counters(bench)


class Copied:
    """Takes 4 us to copy."""

    def __deepcopy__(self, memo: Any) -> Any:
        CLOCK.advance(4 * US)
        return self

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError("it does not travel")


class Fan(Source):
    def _process(self, inputs: Any) -> None:
        CLOCK.advance(self.cost_ns)
        item = [Copied()]
        self.write("output", item)
        item.clear()


@pytest.mark.parametrize("fused", [True, False])
def test_copies_for_several_readers_are_counted_with_their_streams(make_bench: Make, fused: bool) -> None:
    names = ["Fan0", "Sink1", "Sink2"]
    stages = [(" ".join(names), (0,))] if fused else [(name, (0,)) for name in names]
    streams = [(0, "output", 1, "input"), (0, "output", 2, "input")]
    bench = make_bench([Fan(US), Sink(2 * US), Sink(3 * US)], streams, stages, inputs=10)
    bench.run()
    of = counters(bench)
    assert compute_us(bench) == {"Fan0[0]": 10, "Sink1[0]": 20, "Sink2[0]": 30}
    copies = of["Fan0[0]"].copy_s
    assert list(copies) == ["Fan0.output->Sink1.input", "Fan0.output->Sink2.input"]
    assert of["Fan0[0]"].serialise_s == pytest.approx(sum(copies.values()))
    assert sum(copies.values()) == pytest.approx(10 * 2 * 4e-6)
    assert len(set(copies.values())) == 1


def test_an_item_that_nobody_else_holds_costs_one_copy_less(make_bench: Make) -> None:
    class Gives(Source):
        def process(self, inputs: Any) -> Any:
            return {"output": [Plain()]}

    streams = [(0, "output", 1, "input"), (0, "output", 2, "input")]
    bench = make_bench([Gives(), Sink(), Sink()], streams, [("Gives0 Sink1 Sink2", (0,))], inputs=10)
    bench.run()
    assert counters(bench)["Gives0[0]"].serialise_s == pytest.approx(10 * 4e-6)


class Plain:
    """Takes 4 us to copy, which is how it travels."""

    def __reduce__(self) -> Any:
        CLOCK.advance(4 * US)
        return Plain, ()


def test_readers_that_promise_not_to_change_items_spare_the_copies(make_bench: Make) -> None:
    class Reads(Sink):
        read_only = True

    streams = [(0, "output", 1, "input"), (0, "output", 2, "input")]
    bench = make_bench([Fan(), Reads(), Reads()], streams, [("Fan0 Reads1 Reads2", (0,))], inputs=10)
    bench.run()
    of = counters(bench)["Fan0[0]"]
    assert (of.serialise_s, of.copy_s) == (0, {})


def test_numbers_are_never_copied(make_bench: Make) -> None:
    streams = [(0, "output", 1, "input"), (0, "output", 2, "input")]
    bench = make_bench([Source(), Sink(), Sink()], streams, [("Source0 Sink1 Sink2", (0,))], inputs=10)
    bench.run()
    of = counters(bench)["Source0[0]"]
    assert (of.serialise_s, of.copy_s) == (0, {})
    assert {items for items, _ in of.streams.values()} == {10}


def test_a_broadcast_counts_each_reader_s_bytes_and_is_encoded_once(make_bench: Make) -> None:
    sink = Sink()
    sink.inputconnections["input"]["grouping"] = "all"
    stages = [("Lists0", (0,)), ("Sink1", (1, 2, 1))]
    bench = make_bench([Lists(), sink], CHAIN[:1], stages, inputs=10, wire=Slow())
    bench.run()
    of = counters(bench)
    source = of["Lists0[0]"]
    assert source.serialise_s == pytest.approx(30e-6)
    assert (source.items_out, source.streams[STREAM][0]) == (10, 30)
    assert source.streams[STREAM][1] == 3 * source.bytes_out
    assert [of[f"Sink1[{i}]"].items_in for i in range(3)] == [10, 10, 10]


# ---------------------------------------------------------------------- processor time


def test_processor_time_is_told_from_time_that_a_pe_waits_outside(
    make_bench: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    cpu = ManualClock()
    monkeypatch.setattr(Laps.__init__, "__defaults__", (True, cpu, cpu))

    class Waits(Sink):
        def _process(self, data: Any) -> None:
            CLOCK.advance(900 * US)
            cpu.advance(90 * US)

    class Threads(Work):
        def _process(self, data: Any) -> Any:
            CLOCK.advance(100 * US)
            cpu.advance(400 * US)
            return data

    pes = [Source(), Threads(), Waits()]
    bench = make_bench(pes, CHAIN, [("Source0 Threads1 Waits2", (0,))], inputs=400)
    bench.run()
    of = counters(bench)
    for label, share in (("Threads1[0]", 4.0), ("Waits2[0]", 0.1)):
        assert of[label].cpu_of_s > 0.002
        assert of[label].cpu_s / of[label].cpu_of_s == pytest.approx(share)
        assert of[label].cpu_of_s <= of[label].busy_s


@pytest.mark.parametrize("cost_us", [50, 700, 5_000])
def test_processor_time_is_measured_of_pes_that_write_at_the_end_of_each_call(
    make_bench: Make, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, cost_us: int
) -> None:
    cpu = ManualClock()
    monkeypatch.setattr(Laps.__init__, "__defaults__", (True, cpu, cpu))

    class Half(Work):
        def _process(self, data: Any) -> None:
            CLOCK.advance(cost_us * US)
            cpu.advance(cost_us * US // 2)
            self.write("output", [data])

    bench = make_bench([Source(), Half(), Sink()], CHAIN, [("Source0 Half1 Sink2", (0,))], inputs=1_000)
    bench.run()
    of = counters(bench)["Half1[0]"]
    assert of.cpu_of_s > 0.002 * of.busy_s
    assert of.cpu_s / of.cpu_of_s == pytest.approx(0.5)


def test_a_look_that_begins_below_a_quick_call_measures_nobody_wrongly(
    make_bench: Make, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A PE that waits outside, before one that computes and writes in the middle of its call."""
    cpu = ManualClock()
    monkeypatch.setattr(Laps.__init__, "__defaults__", (True, cpu, cpu))

    class Fetches(Source):
        def _process(self, inputs: Any) -> Any:
            CLOCK.advance(40 * US)
            return super()._process(inputs)

    class Computes(Work):
        def _process(self, data: Any) -> None:
            CLOCK.advance(2 * US)
            cpu.advance(2 * US)
            self.write("output", data)
            CLOCK.advance(60 * US)
            cpu.advance(60 * US)

    bench = make_bench([Fetches(), Computes(), Sink()], CHAIN, [("Fetches0 Computes1 Sink2", (0,))], inputs=3_000)
    bench.run()
    of = counters(bench)
    shares = [of[label].cpu_s / of[label].cpu_of_s for label in ("Fetches0[0]", "Computes1[0]")]
    assert shares == pytest.approx([0, 1], abs=0.01)


# ---------------------------------------------------------------------- moves


def test_a_move_keeps_the_sums(make_bench: Make, clock: ManualClock) -> None:
    stages = [("Lists0", (0,)), ("Sink1", (1,))]
    bench = make_bench([Lists(2 * US), Sink(2 * MS)], CHAIN[:1], stages, inputs=60, wire=Slow())
    at = 1
    for _ in range(30):
        for worker in bench.workers:
            worker.step()
        clock.advance(11 * US)
        bench.deliver()
        clock.advance(13 * US)
        (replica,) = [replica for replica in bench.workers[at].replicas if "Sink1" in replica.instances]
        if not replica.between_items:
            continue
        origin, at = bench.workers[at], 1 - at
        released = release(origin, replica, at)
        clock.advance(17 * US)
        adopt(bench.workers[at], bench.board, released)
        for other in bench.workers:
            other.receive(Frame(Kind.RELOCATE, 0, 1, at, generation=origin.moves[1]))
        clock.advance(19 * US)
        publish(bench)
        counters(bench)
    bench.run()
    of = counters(bench)
    assert bench.workers[0].moves[1] > 10
    assert compute_us(bench) == {"Lists0[0]": 120, "Sink1[0]": 120_000}
    assert (of["Sink1[0]"].items_in, of["Sink1[0]"].item, of["Sink1[0]"].timed) == (60, 60, 60)
    assert sum(bench.board.sketch(1)) == 60


class Observed:
    def started(self) -> None: ...

    def result(self, pe: str, port: str, item: Any) -> None: ...

    def line(self, instance: str, text: str) -> None: ...

    def event(self, event: Any) -> None: ...


@pytest.fixture
def boards(monkeypatch: pytest.MonkeyPatch) -> list[Board]:
    """The boards that are made."""
    made: list[Board] = []
    new = Board.__init__

    def keeping(self: Board, *arguments: Any) -> None:
        new(self, *arguments)
        made.append(self)

    monkeypatch.setattr(Board, "__init__", keeping)
    return made


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("metered", [True, False])
def test_whatever_the_toy_mapping_does_the_sums_are_kept(
    make_job: Make, boards: list[Board], clock: ManualClock, seed: int, metered: bool
) -> None:
    clock.step_ns = 50  # every look at the clock takes time, so that a wrong lap shows
    stages = [("Lists0", (0,)), ("Work1 Work2", (1, 2)), ("Sink3", (0,))]
    streams = [*CHAIN, (2, "output", 3, "input"), (0, "output", 3, "input")]
    pes: list[GenericPE] = [Lists(2 * US), Work(30 * US), Work(5 * US), Sink(7 * US)]
    job = make_job(pes, streams, stages, inputs=60, seed=seed, wire=Slow(), metered=metered)
    ToyMapping().run(job, Observed(), Interruption())
    (board,) = boards
    check_sums(job, board)
    of = {c.label: c for c in board.read()}
    assert [sum(c.items_in for c in of.values() if c.pe == pe) for pe in ("Work1", "Work2", "Sink3")] == [60, 60, 120]
    if not metered:
        assert {(c.busy_s, c.life_s, c.starved_s, c.timed) for c in of.values()} == {(0, 0, 0, 0)}
        return
    for pe, calls, cost_s in (("Lists0", 60, 2e-6), ("Work1", 60, 30e-6), ("Work2", 60, 5e-6), ("Sink3", 120, 7e-6)):
        busy_s = sum(c.busy_s for c in of.values() if c.pe == pe)
        assert calls * cost_s <= busy_s < calls * (cost_s + 2e-6)
    assert sum(c.serialise_s for c in of.values()) > 60 * 3e-6


@pytest.mark.parametrize("in_a_row", [False, True])
def test_the_sums_are_kept_to_the_nanosecond_when_every_look_at_the_clock_takes_time(
    make_bench: Make, clock: ManualClock, stages: Any, in_a_row: bool
) -> None:
    clock.step_ns = 37
    bench = make_bench([Source(700), Work(300), Sink(200)], CHAIN, stages, inputs=3_000)
    if in_a_row:
        many_in_a_row(bench)
    bench.run()
    of = counters(bench)
    assert [c.items_in for c in of.values()] == [0, 3_000, 3_000]
    for label, cost_s in (("Source0[0]", 700e-9), ("Work1[0]", 300e-9), ("Sink2[0]", 200e-9)):
        assert of[label].busy_s == pytest.approx(3_000 * cost_s, rel=0.6)


def test_a_run_on_one_worker_is_accounted_for(make_job: Make, boards: list[Board], clock: ManualClock) -> None:
    clock.step_ns = 50
    stages = [("Burst0", (0,)), ("Work1 Sink2", (0,)), ("Source3", (0,))]
    job = make_job([Burst(300, US), Work(30 * US), Sink(), Source(MS)], CHAIN, stages, inputs=3)
    SimpleMapping().run(job, Observed(), Interruption())
    (board,) = boards
    check_sums(job, board)


def test_a_failed_run_is_accounted_for_until_then(make_bench: Make, clock: ManualClock) -> None:
    class Breaks(Work):
        def _process(self, data: Any) -> Any:
            CLOCK.advance(5 * US)
            if data == 3:
                raise ValueError
            return data

    clock.step_ns = 50
    bench = make_bench([Source(US), Breaks(), Sink()], CHAIN, [("Source0 Breaks1", (0,)), ("Sink2", (0,))], inputs=9)
    bench.run()
    assert bench.workers[0].failure is not None
    of = counters(bench)
    assert of["Breaks1[0]"].busy_s >= 20e-6
    bench.workers[0].abort()
    publish(bench)
    counters(bench)


def test_a_pe_that_is_blocked_when_the_run_is_aborted_is_accounted_for(make_bench: Make, clock: ManualClock) -> None:
    bench = make_bench([Burst(40), Sink()], CHAIN[:1], [("Burst0", (0,)), ("Sink1", (1,))])
    while bench.workers[0].step():
        pass
    clock.advance(5 * MS)
    for worker in bench.workers:
        worker.abort()
    clock.advance(5 * MS)
    publish(bench)
    assert counters(bench)["Burst0[0]"].blocked_s == pytest.approx(5e-3)
