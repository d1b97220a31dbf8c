"""A run's profile: what the board, the workers and the probes say, put together as one value."""

import pickle
from dataclasses import replace
from typing import Any

import pytest

from d4py_adaptive import ConsumerPE, GenericPE, IterativePE, ProducerPE, WorkflowGraph
from d4py_adaptive.dataflow.counts import instance_counts
from d4py_adaptive.dataflow.fingerprint import workflow_fingerprint
from d4py_adaptive.dataflow.inputs import resolve_inputs
from d4py_adaptive.dataflow.plan import Plan, Stage
from d4py_adaptive.mappings.interruption import Interruption
from d4py_adaptive.mappings.job import Job
from d4py_adaptive.mappings.simple import SimpleMapping
from d4py_adaptive.mappings.toy import ToyMapping
from d4py_adaptive.profiler.instruments import FullProfile
from d4py_adaptive.runtime.measured import LEAST_CPU_S, Circumstances, Reports, measured
from d4py_adaptive.telemetry.board import PER_STREAM, Board, Field, outgoing
from d4py_adaptive.telemetry.profile import HeavyKey, Profile, Split, StreamProfile
from d4py_adaptive.telemetry.saved import read_saved
from d4py_adaptive.telemetry.sketch import bucket_of
from d4py_adaptive.testing.clocks import ManualClock

S, MS = 10**9, 10**6
WHERE = Circumstances(
    workflow="flow.py", mapping="simple", host="aa", cores=2, memory_bytes=10**9, wall_s=5.0, start_s=0.5,
    preload_s=0.25, recorded_at_s=1.7e9, partial=False, codes={},
)  # fmt: skip
CLOCK = ManualClock()


class Source(ProducerPE):
    """Writes two items per call, and every second call one to `other`."""

    def __init__(self) -> None:
        super().__init__()
        self._add_output("other")
        self.number = 0

    def preprocess(self) -> None:
        CLOCK.advance(3 * MS)

    def _process(self, inputs: Any) -> None:
        CLOCK.advance(4 * MS)
        self.number += 1
        for place in range(2):
            self.write("output", [f"key {place}", self.number])
        if self.number % 2:
            self.write("other", self.number)


class Work(IterativePE):
    stateless = True

    def _process(self, data: Any) -> Any:
        CLOCK.advance(2 * MS)
        return data[1] if data[1] % 5 else None


class Total(IterativePE):
    """Keeps a sum."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def _process(self, data: Any) -> Any:
        CLOCK.advance(MS)
        self.total += data[1]
        return self.total


class Sink(ConsumerPE):
    stateless = True

    def _process(self, data: Any) -> None:
        CLOCK.advance(MS)


class Kept:
    """Keeps what is told at the end."""

    def __init__(self) -> None:
        self.usage: list[Any] = []
        self.found: dict[tuple[str, int], Any] = {}

    def started(self) -> None: ...

    def result(self, pe: str, port: str, item: Any) -> None: ...

    def line(self, instance: str, text: str) -> None: ...

    def event(self, event: Any) -> None:
        if event["event"] == "usage":
            self.usage.append(event["usage"])
        elif event["event"] == "probe":
            self.found[event["pe"], event["index"]] = event["found"]


def grouped(pe: GenericPE, grouping: Any) -> GenericPE:
    pe.inputconnections["input"]["grouping"] = grouping
    return pe


def job_of(
    pes: list[GenericPE], streams: list[tuple[int, str, int, str]], stages: list[tuple[str, tuple[int, ...]]],
    inputs: object = None, **options: Any,
) -> Job:  # fmt: skip
    graph = WorkflowGraph()
    for pe in pes:
        graph.add(pe)
    for source, output, target, input_ in streams:
        graph.connect(pes[source], output, pes[target], input_)
    workflow = graph.freeze()
    workers = 1 + max(worker for _, on in stages for worker in on)
    plan = Plan(tuple(Stage(tuple(names.split()), on) for names, on in stages), workers, "test").check(workflow)
    return Job(workflow, plan, resolve_inputs(workflow, inputs), clock=CLOCK, origin_ns=S, **options)


def profile_of(job: Job, board: Board, kept: Kept, **changes: Any) -> Profile:
    counts = instance_counts(job.workflow)
    return measured(job, counts, board, Reports(kept.usage, kept.found), replace(WHERE, **changes))


STREAMS = [
    (0, "output", 1, "input"), (0, "output", 2, "input"), (0, "output", 3, "input"), (1, "output", 4, "input"),
]  # fmt: skip
FUSED = [("Source0 Work1 Total2 Sink3 Sink4", (0,))]
APART = [("Source0", (0,)), ("Work1 Sink4", (1, 2)), ("Total2", (0, 1)), ("Sink3", (0, 2))]


def run(stages: Any, monkeypatch: pytest.MonkeyPatch, calls: int = 100, seed: int = 0, **options: Any) -> Profile:
    """The profile of a source whose items go to a filter, to sums by key, and to all sinks."""
    CLOCK.now_ns = S
    made: list[Board] = []
    new = Board.__init__

    def keeping(self: Board, *arguments: Any) -> None:
        new(self, *arguments)
        made.append(self)

    monkeypatch.setattr(Board, "__init__", keeping)
    pes = [Source(), Work(), grouped(Total(), [0]), grouped(Sink(), "all"), Sink()]
    job = job_of(pes, STREAMS, stages, calls, seed=seed, **options)
    kept = Kept()
    (SimpleMapping() if job.plan.workers == 1 else ToyMapping()).run(job, kept, Interruption())
    return profile_of(job, made[0], kept)


@pytest.mark.parametrize(("stages", "sinks"), [(FUSED, 1), (APART, 2)], ids=["simple", "toy"])
def test_what_a_run_measured(monkeypatch: pytest.MonkeyPatch, stages: Any, sinks: int) -> None:
    profile = run(stages, monkeypatch)
    assert [pe.pe for pe in profile.pes] == ["Source0", "Work1", "Total2", "Sink3", "Sink4"]
    assert [(pe.items_in, pe.items_out) for pe in profile.pes] == [
        (0, 250), (200, 160), (200, 200), (200 * sinks, 0), (160, 0),
    ]  # fmt: skip
    assert [pe.selectivity for pe in profile.pes] == [
        {"output": 2.0, "other": 0.5}, {"output": 0.8}, {"output": 1.0}, {}, {},
    ]  # fmt: skip
    assert [pe.service.calls for pe in profile.pes] == [100, 200, 200, 200 * sinks, 160]
    assert [pe.service.mean_s for pe in profile.pes] == pytest.approx([4e-3, 2e-3, 1e-3, 1e-3, 1e-3])
    assert [pe.setup_s for pe in profile.pes] == pytest.approx([3e-3, 0, 0, 0, 0])
    assert [pe.instances for pe in profile.pes] == [1, sinks, sinks, sinks, sinks]
    for pe in profile.pes:
        assert 0 < pe.service.timed <= sum(pe.service.buckets.values()) <= pe.service.calls
        assert sum(pe.service.buckets.values()) > 0.8 * pe.service.calls
        assert pe.service.max_s == pytest.approx(pe.service.mean_s)
        assert pe.service.p50_s == pytest.approx(pe.service.mean_s, rel=0.0625)
        assert pe.service.p50_s <= pe.service.p95_s <= pe.service.p99_s <= pe.service.max_s
        assert pe.split.compute_s == pytest.approx(pe.service.mean_s * pe.service.calls + pe.setup_s)
        lives_s = sum(instance.wall_s for instance in profile.instances if instance.pe == pe.pe)
        assert sum(getattr(pe.split, part) for part in Split.__struct_fields__) == pytest.approx(lives_s)


@pytest.mark.parametrize(("stages", "sinks"), [(FUSED, 1), (APART, 2)], ids=["simple", "toy"])
def test_streams_of_a_run(monkeypatch: pytest.MonkeyPatch, stages: Any, sinks: int) -> None:
    streams = {stream.id: stream for stream in run(stages, monkeypatch).streams}
    assert list(streams) == [
        "Source0.output->Work1.input", "Source0.output->Total2.input", "Source0.output->Sink3.input",
        "Work1.output->Sink4.input", "Source0.other", "Total2.output",
    ]  # fmt: skip
    assert [stream.items for stream in streams.values()] == [200, 200, 200 * sinks, 160, 50, 200]
    assert [(stream.grouping, stream.keys) for stream in streams.values()] == [
        ("shuffle", ()), ("group_by", ("0",)), ("one_to_all", ()), ("shuffle", ()), ("shuffle", ()), ("shuffle", ()),
    ]  # fmt: skip
    assert [stream.fused for stream in streams.values()] == [sinks == 1] * 3 + [True, False, False]
    other = streams["Source0.other"]
    assert (other.source, other.output, other.target, other.input) == ("Source0", "other", "", "")
    assert all(stream.compressibility is stream.distinct_keys is None for stream in streams.values())
    if sinks == 1:
        assert {(stream.bytes, stream.item_bytes) for stream in list(streams.values())[:4]} == {(0, None)}


def test_instances_and_workers_of_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    profile = run(APART, monkeypatch)
    assert sorted((i.label, i.worker, i.stage) for i in profile.instances) == sorted([
        ("Source0[0]", 0, 0), ("Work1[0]", 1, 1), ("Sink4[0]", 1, 1), ("Work1[1]", 2, 1), ("Sink4[1]", 2, 1),
        ("Total2[0]", 0, 2), ("Total2[1]", 1, 2), ("Sink3[0]", 0, 3), ("Sink3[1]", 2, 3),
    ])  # fmt: skip
    assert sum(i.calls for i in profile.instances if i.pe == "Work1") == 200
    assert profile.stages == (("Source0",), ("Work1", "Sink4"), ("Total2",), ("Sink3",))
    assert [worker.number for worker in profile.workers] == [0, 1, 2]
    for instance in profile.instances:
        assert instance.timeline is not None
        assert sum(instance.timeline.compute_s) <= instance.split.compute_s + 1e-9
        assert instance.spans == ()


def test_state_and_scaling_are_what_the_code_says(monkeypatch: pytest.MonkeyPatch) -> None:
    profile = run(FUSED, monkeypatch, calls=3)
    source, work, total = (profile.of(pe) for pe in ("Source0", "Work1", "Total2"))
    assert (work.state.declared, work.state.stateless_by_code) == (True, True)
    assert (total.state.declared, total.state.stateless_by_code) == (None, False)
    assert "self.total" in total.state.reason
    assert (source.scaling.is_source, source.scaling.fixed, source.scaling.keyed) == (True, 1, False)
    assert (work.scaling.is_source, work.scaling.fixed) == (False, None)
    assert (total.scaling.keyed, total.scaling.fixed) == (True, None)
    assert all(pe.scaling.reason for pe in profile.pes)


def test_a_profile_knows_where_and_of_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    profile = run(FUSED, monkeypatch, calls=3)
    assert (profile.workflow, profile.mapping, profile.host, profile.cores) == ("flow.py", "simple", "aa", 2)
    assert (profile.wall_s, profile.start_s, profile.recorded_at_s) == (5.0, 0.5, 1.7e9)
    assert (profile.partial, profile.level, profile.runs, profile.notes) == (False, "counters", 1, ())
    job = job_of([Source(), Work()], STREAMS[:1], [("Source0 Work1", (0,))])
    profile = profile_of(
        job,
        Board(job.workflow, job.plan, None),
        Kept(),
        partial=True,
        notes=("a sample: 5 s",),
        codes={"Work1": "c0de"},
    )
    assert profile.fingerprint == workflow_fingerprint(job.workflow)
    assert [pe.code for pe in profile.pes] == ["", "c0de"]
    assert (profile.partial, profile.notes) == (True, ("a sample: 5 s",))


@pytest.mark.parametrize("stages", [FUSED, APART], ids=["simple", "toy"])
def test_a_full_profile_knows_sizes_keys_state_and_spans(monkeypatch: pytest.MonkeyPatch, stages: Any) -> None:
    profile = run(stages, monkeypatch, instrument=FullProfile())
    assert profile.level == "full"
    stream = {stream.id: stream for stream in profile.streams}["Source0.output->Total2.input"]
    size = len(pickle.dumps(["key 0", 50], 5))
    if stages is FUSED:  # else sizes were counted, where items did not travel as estimates
        assert stream.item_bytes == pytest.approx(size, abs=1)
    assert stream.item_bytes is not None
    assert stream.bytes == pytest.approx(stream.item_bytes * stream.items, abs=1)
    assert stream.compressibility is not None
    assert stream.distinct_keys == 2
    assert {key.key for key in stream.heavy_keys} == {"'key 0'", "'key 1'"}
    work, total = profile.of("Work1"), profile.of("Total2")
    assert total.state.changed.keys() == {"total"}
    assert total.state.looks == total.state.changed["total"] > 0
    assert (work.state.changed, work.state.looks > 0) == ({}, True)
    assert work.cost is not None
    assert work.cost.coefficients[0] == pytest.approx(2e-3)
    assert profile.of("Source0").cost is None
    spans = [span for instance in profile.instances for span in instance.spans]
    assert {"preprocess", "process", "postprocess"} <= {span.kind for span in spans}


def test_a_profile_is_saved_and_read_back(monkeypatch: pytest.MonkeyPatch) -> None:
    for stages, options in ((FUSED, {}), (APART, {"instrument": FullProfile()})):
        profile = run(stages, monkeypatch, **options)
        assert read_saved(Profile, profile.to_json(), "x") == profile


def test_a_run_in_which_nothing_happened_has_a_profile_too(monkeypatch: pytest.MonkeyPatch) -> None:
    for options in ({}, {"instrument": FullProfile()}):
        job = job_of([Source(), Work()], STREAMS[:1], [("Source0", (0,)), ("Work1", (1,))], **options)
        profile = profile_of(job, Board(job.workflow, job.plan, None), Kept())
        assert [(pe.selectivity, pe.service.mean_s, pe.cost) for pe in profile.pes] == [({}, 0, None)] * 2
        assert profile.workers == ()
        assert read_saved(Profile, profile.to_json(), "x") == profile


# ---------------------------------------------------------------------- counters set by hand


class Planted:
    """A job whose board is filled in by hand."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.board = Board(job.workflow, job.plan, None)
        self.kept = Kept()

    def set(self, number: int, **fields: int) -> None:
        for name, value in fields.items():
            self.board.row(number)[Field[name]] = value

    def stream(self, number: int, name: str, *figures: int) -> None:
        pe = self.job.plan.instances[number].pe
        start = len(Field) + PER_STREAM * outgoing(self.job.workflow, pe).index(name)
        for place, figure in enumerate(figures, start):
            self.board.row(number)[place] = figure

    def uses(self, number: int, cpu_s: float) -> None:
        self.kept.usage.append({"number": number, "cpu_s": cpu_s})

    @property
    def profile(self) -> Profile:
        return profile_of(self.job, self.board, self.kept)


@pytest.fixture
def chain() -> Planted:
    """A source on worker 0, a PE on workers 0 and 1, a sink on worker 1."""
    stages = [("Source0", (0,)), ("Work1", (0, 1)), ("Sink2", (1,))]
    return Planted(job_of([Source(), Work(), Sink()], [STREAMS[0], (1, "output", 2, "input")], stages))


def test_instances_are_summed_up(chain: Planted) -> None:
    for number, times in ((1, 1), (2, 3)):
        chain.set(number, ITEM=10 * times, ITEMS_IN=10 * times, ITEMS_OUT=5 * times, BYTES_IN=700 * times,
                  BYTES_OUT=50 * times, SKIPPED=times, RETRIED=2 * times, TIMED=4 * times, COMPUTE_NS=2 * S * times,
                  SETUP_NS=S // 2 * times, SERIALISE_NS=3 * S, CODEC_NS=4 * S, BLOCKED_NS=5 * S, STARVED_NS=6 * S,
                  OTHERS_NS=7 * S, OVERHEAD_NS=8 * S, LONGEST_NS=S * times)  # fmt: skip
        chain.board.sketch(number)[bucket_of(S)] = 10 * times
    work = chain.profile.of("Work1")
    assert (work.items_in, work.items_out, work.bytes_in, work.bytes_out) == (40, 20, 2800, 200)
    assert (work.item_in_bytes, work.skipped, work.retried, work.setup_s) == (70, 4, 8, 2.0)
    assert (work.service.calls, work.service.timed, work.service.max_s) == (40, 16, 3.0)
    assert work.service.mean_s == pytest.approx((8 - 2) / 40)
    assert work.service.buckets == {bucket_of(S): 40}
    assert work.service.p50_s == work.service.p99_s == pytest.approx(1.0, rel=0.0625)
    assert work.split == Split(
        compute_s=8.0, serialise_s=6.0, codec_s=8.0, blocked_s=10.0, starved_s=12.0, others_s=14.0, overhead_s=16.0
    )


def test_quantiles_are_not_longer_than_the_longest_call(chain: Planted) -> None:
    chain.set(1, ITEM=1, TIMED=1, COMPUTE_NS=1024, LONGEST_NS=1024)
    chain.board.sketch(1)[bucket_of(1024)] = 1
    service = chain.profile.of("Work1").service
    assert service.p50_s == service.p99_s == service.max_s == pytest.approx(1024e-9)


def test_a_broadcast_counts_once_for_selectivity_however_many_readers_it_has() -> None:
    stages = [("Source0", (0,)), ("Sink1", (0, 1, 1))]
    planted = Planted(job_of([Source(), grouped(Sink(), "all")], [STREAMS[0]], stages))
    planted.set(0, ITEM=10)
    planted.stream(0, "Source0.output->Sink1.input", 60, 600)
    planted.stream(0, "Source0.other", 5)
    profile = planted.profile
    assert profile.of("Source0").selectivity == {"output": 2.0, "other": 0.5}
    assert (profile.streams[0].items, profile.streams[0].bytes, profile.streams[0].item_bytes) == (60, 600, 10.0)


def test_sizes_and_copies_of_streams(chain: Planted) -> None:
    chain.stream(1, "Work1.output->Sink2.input", 4, 400, S)
    chain.stream(2, "Work1.output->Sink2.input", 6, 800, 2 * S)
    (first, stream, result) = chain.profile.streams
    assert (first.item_bytes, first.bytes) == (None, 0)
    assert (stream.items, stream.bytes, stream.item_bytes, stream.copy_s) == (10, 1200, 120.0, 3.0)
    assert result.id == "Source0.other"


def found_report(stream: str, items: int, nbytes: int) -> dict[str, Any]:
    probe = FullProfile().probe("Work1", 0, 0)
    probe.called(5, 90)
    for _ in range(items):
        probe.wrote(stream, "x" * nbytes, (0,))
    return {**probe.report()}


def test_sizes_that_were_not_encoded_are_those_of_the_sample(chain: Planted) -> None:
    name = "Source0.output->Work1.input"
    chain.kept.found["Source0", 0] = found_report(name, 3, 84)
    chain.kept.found["Work1", 1] = found_report("Work1.output->Sink2.input", 0, 0)
    chain.set(1, ITEM=10, ITEMS_IN=10)
    chain.stream(0, name, 50)
    profile = chain.profile
    size = len(pickle.dumps("x" * 84, 5))
    assert (profile.streams[0].item_bytes, profile.streams[0].bytes) == (size, 50 * size)
    assert profile.streams[0].heavy_keys == (HeavyKey(key="'x'", share=1.0),)
    assert profile.of("Work1").item_in_bytes == 90


def test_a_size_that_was_counted_comes_before_one_that_was_sampled(chain: Planted) -> None:
    name = "Source0.output->Work1.input"
    chain.kept.found["Source0", 0] = found_report(name, 3, 84)
    chain.stream(0, name, 50, 500)
    assert chain.profile.streams[0] == StreamProfile(
        id=name, source="Source0", output="output", target="Work1", input="input", items=50, bytes=500,
        item_bytes=10.0, compressibility=chain.profile.streams[0].compressibility, distinct_keys=1,
        heavy_keys=(HeavyKey(key="'x'", share=1.0),),
    )  # fmt: skip


# ---------------------------------------------------------------------- processor time


def shares(planted: Planted) -> dict[str, float | None]:
    return {pe.pe: pe.service.cpu_share for pe in planted.profile.pes}


def test_processor_time_that_was_measured_is_told(chain: Planted) -> None:
    chain.set(1, COMPUTE_NS=S, CPU_NS=30 * MS, CPU_OF_NS=60 * MS)
    chain.set(2, COMPUTE_NS=S, CPU_NS=30 * MS, CPU_OF_NS=20 * MS)
    chain.set(3, COMPUTE_NS=S, CPU_NS=160 * MS, CPU_OF_NS=40 * MS)
    assert shares(chain) == {"Source0": None, "Work1": 0.75, "Sink2": 4.0}


@pytest.mark.parametrize(("busy_ns", "of_ns"), [(10 * MS, int(LEAST_CPU_S * 1e9) - 1), (100 * S, 199 * MS)])
def test_processor_time_of_too_small_a_part_is_not(chain: Planted, busy_ns: int, of_ns: int) -> None:
    chain.set(3, COMPUTE_NS=busy_ns, CPU_NS=of_ns, CPU_OF_NS=of_ns)
    assert shares(chain)["Sink2"] is None
    chain.set(3, COMPUTE_NS=busy_ns, CPU_NS=of_ns, CPU_OF_NS=of_ns + MS)
    assert shares(chain)["Sink2"] == pytest.approx(1, rel=0.4)


def test_what_is_not_known_is_what_the_process_used_beyond_the_rest(chain: Planted) -> None:
    chain.set(0, COMPUTE_NS=4 * S, SERIALISE_NS=S, OVERHEAD_NS=S // 2, CODEC_NS=S // 2)
    chain.set(1, COMPUTE_NS=2 * S, CPU_NS=S, CPU_OF_NS=2 * S)  # uses 1 s of its 2
    chain.set(2, COMPUTE_NS=2 * S, CPU_NS=S, CPU_OF_NS=2 * S)
    chain.uses(0, 4.0)
    chain.uses(1, 1.0)
    assert shares(chain) == {"Source0": pytest.approx((4 - 2 - 1) / 4), "Work1": 0.5, "Sink2": None}


def test_several_that_are_not_known_share_what_is_left_by_their_time(chain: Planted) -> None:
    chain.set(0, COMPUTE_NS=3 * S)
    chain.set(1, COMPUTE_NS=S)
    chain.set(2, COMPUTE_NS=2 * S)
    chain.uses(0, 2.0)
    chain.uses(1, 2.0)
    assert shares(chain) == {"Source0": 0.5, "Work1": pytest.approx((0.5 + 2) / 3), "Sink2": None}


def test_an_instance_that_had_nothing_to_do_hides_nothing_of_the_others(chain: Planted) -> None:
    chain.set(1, COMPUTE_NS=2 * S)
    chain.uses(0, 1.0)
    chain.uses(1, 0.1)
    assert shares(chain)["Work1"] == pytest.approx(0.5)


def test_what_is_left_is_never_below_nothing_nor_above_all(chain: Planted) -> None:
    chain.set(0, COMPUTE_NS=S, SERIALISE_NS=9 * S)
    chain.set(3, COMPUTE_NS=S)
    chain.uses(0, 2.0)
    chain.uses(1, 7.0)
    assert shares(chain) == {"Source0": 0.0, "Work1": None, "Sink2": 1.0}


def test_without_a_word_of_its_worker_nothing_is_known(chain: Planted) -> None:
    chain.set(0, COMPUTE_NS=S)
    chain.set(1, COMPUTE_NS=S)
    chain.set(2, COMPUTE_NS=S)
    chain.uses(0, 2.0)
    assert shares(chain) == {"Source0": 1.0, "Work1": None, "Sink2": None}
