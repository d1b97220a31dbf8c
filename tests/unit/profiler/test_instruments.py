"""The probes of a full profile: what they find, what hostile items do to them, and how reports are put together."""

import json
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from d4py_adaptive import ConsumerPE, GenericPE, IterativePE, ProducerPE, WorkflowGraph
from d4py_adaptive.dataflow.inputs import resolve_inputs
from d4py_adaptive.dataflow.plan import Plan, Stage
from d4py_adaptive.mappings.interruption import Interruption
from d4py_adaptive.mappings.job import Job
from d4py_adaptive.mappings.simple import SimpleMapping
from d4py_adaptive.profiler import longest_spans, reservoir
from d4py_adaptive.profiler.instruments import HEAVY_KEYS, Findings, FullProfile, InstanceProbe, spans_of
from d4py_adaptive.telemetry.profile import HeavyKey, Span
from d4py_adaptive.testing.clocks import ManualClock

ORIGIN_NS = 10**9


@pytest.fixture
def probe() -> InstanceProbe:
    return FullProfile().probe("Scale1", 0, ORIGIN_NS)


@pytest.fixture
def pe() -> Any:
    pe: Any = GenericPE()
    pe.id, pe.seen, pe.gain = "Scale1", [], 2
    return pe


def found(*probes: InstanceProbe) -> Findings:
    merged = Findings.merged([probe.report() for probe in probes])
    assert merged is not None
    return merged


# ---------------------------------------------------------------------- calls


def test_sizes_are_kept_with_how_long_calls_took(probe: InstanceProbe, pe: Any) -> None:
    for call, (size, own_ns) in enumerate([(100, 5_000), (300, 9_000)], 1):
        probe.before(pe, call)
        probe.called(own_ns, size)
    assert found(probe).sizes.pairs == [(100, 5_000), (300, 9_000)]
    assert found(probe).item_bytes == 200


def test_a_source_has_no_sizes_and_no_law_of_them(probe: InstanceProbe, pe: Any) -> None:
    probe.before(pe, 1)
    probe.called(5_000, None)
    assert found(probe).item_bytes is None
    assert found(probe).cost(1.0) is None


def test_the_cost_of_a_call_follows_from_the_sizes(probe: InstanceProbe) -> None:
    for number in range(200):
        size = 1_000 * (1 + number % 20)
        probe.called(50_000 + 3 * size, size)
    law = found(probe).cost(50e-6 + 3e-9 * 10_500)
    assert law is not None
    assert (law.samples, law.smallest_bytes, law.largest_bytes) == (200, 1_000, 20_000)
    if law.kind != "constant":  # scikit-learn is not installed everywhere
        assert (law.kind, law.coefficients) == ("linear", pytest.approx((50e-6, 3e-9), rel=0.05))


def test_changes_of_state_are_counted_by_attribute(probe: InstanceProbe, pe: Any) -> None:
    for call in range(1, 9):
        probe.before(pe, call)
        pe.seen.append(call)
        probe.called(1_000, 10)
    state = found(probe).state
    assert (state.looks, state.changed) == (4, {"seen": 4})  # calls 1, 2, 4, 8
    assert state.compared["gain"] == 4


def test_calls_that_were_not_seen_to_begin_change_nothing(probe: InstanceProbe) -> None:
    probe.called(1_000, 10)
    assert found(probe).state.looks == 0
    assert found(probe).item_bytes == 10


# ---------------------------------------------------------------------- items


def test_items_are_measured_as_they_would_travel(probe: InstanceProbe) -> None:
    array = np.arange(1_000.0)
    probe.wrote("a.out->b.in", array, ())
    probe.wrote("a.out->c.in", [1, 2], ())
    probe.wrote("a.out->c.in", "x" * 200, ())
    streams = found(probe).streams
    assert list(streams) == ["a.out->b.in", "a.out->c.in"]
    assert 8_000 <= (streams["a.out->b.in"].item_bytes or 0) < 8_500
    mean = (len(pickle.dumps([1, 2], 5)) + len(pickle.dumps("x" * 200, 5))) / 2
    assert streams["a.out->c.in"].item_bytes == mean


@pytest.mark.parametrize(
    ("item", "ratio"),
    [
        (np.zeros(20_000), (0.0, 0.02)),
        (np.random.default_rng(1).bytes(160_000), (0.95, 1.05)),
        ("to be or not to be " * 8_000, (0.0, 0.1)),
    ],
)
def test_compressibility_is_of_the_bytes_that_would_travel(
    probe: InstanceProbe, item: Any, ratio: tuple[float, float]
) -> None:
    probe.wrote("s", item, ())
    found_ratio = found(probe).streams["s"].compressibility
    assert found_ratio is not None
    assert ratio[0] <= found_ratio <= ratio[1]


def test_keys_are_counted_as_grouping_takes_them(probe: InstanceProbe) -> None:
    for number in range(100):
        probe.wrote("by place", ("heavy" if number % 2 else f"key {number}", number), (0,))
        probe.wrote("by name", {"a": number % 4, "b": 1}, ("a", "b"))
        probe.wrote("any", number, ())
    streams = found(probe).streams
    assert streams["by place"].distinct_keys == 51
    assert streams["by place"].heavy_keys[0] == HeavyKey(key="'heavy'", share=0.5)
    assert len(streams["by place"].heavy_keys) == HEAVY_KEYS
    assert {(key.key, key.share) for key in streams["by name"].heavy_keys} == {(f"({n}, 1)", 0.25) for n in range(4)}
    assert (streams["any"].distinct_keys, streams["any"].heavy_keys) == (None, ())


# ---------------------------------------------------------------------- hostile items


class Refuses:
    """Cannot be pickled, and says so with an error of its own kind."""

    nbytes = 77

    def __reduce__(self) -> Any:
        raise KeyError("not me")


class RaisesOnKeys(dict[str, Any]):
    def __getitem__(self, key: str) -> Any:
        raise ZeroDivisionError


class RaisesOnState:
    def __getstate__(self) -> Any:
        raise RuntimeError


class NotInOrder:
    """Its buffer does not stand in memory one byte after the other."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        return bytes, (pickle.PickleBuffer(memoryview(bytearray(100))[::2]),)


def deep() -> list[Any]:
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    return nested


def flatten(nested: Any) -> None:
    """Take a deep item apart, which the interpreter's own end could not."""
    while nested:
        nested = nested.pop()


@pytest.mark.parametrize(
    "make",
    [
        Refuses, RaisesOnState, NotInOrder, deep, lambda: (n for n in range(3)), lambda: lambda: 0, lambda: open,
        lambda: np.array([object()]), lambda: None, lambda: b"", lambda: np.zeros((0, 3)),
    ],
    ids=["refuses", "no state", "not in order", "deep", "generator", "function", "builtin", "objects", "none", "empty",
         "empty array"],
)  # fmt: skip
def test_no_item_stops_a_run(probe: InstanceProbe, make: Callable[[], Any]) -> None:
    item = make()
    for keys in ((), (0,), ("key", 1)):
        probe.wrote("s", item, keys)
    stream = found(probe).streams["s"]
    assert stream.item_bytes is not None
    assert stream.heavy_keys == () or make is not Refuses
    if make is deep:
        flatten(item)


def test_what_does_not_travel_is_measured_where_it_stands(probe: InstanceProbe) -> None:
    probe.wrote("s", Refuses(), ())
    assert found(probe).streams["s"].item_bytes == 77
    assert found(probe).streams["s"].compressibility is None


@pytest.mark.parametrize("item", [RaisesOnKeys(a=1), {"b": 1}, (), 5, (object(),), {"a": object()}])
def test_items_without_sound_keys_are_left_out_of_the_count(probe: InstanceProbe, item: Any) -> None:
    probe.wrote("s", item, ("a",) if isinstance(item, dict) else (0,))
    probe.wrote("s", {"a": 1}, ("a",))
    stream = found(probe).streams["s"]
    assert stream.distinct_keys == 1
    assert stream.heavy_keys == (HeavyKey(key="1", share=1.0),)


# ---------------------------------------------------------------------- spans


def test_spans_count_from_when_the_run_began(probe: InstanceProbe) -> None:
    probe.span("process", ORIGIN_NS + 5 * 10**9, ORIGIN_NS + 7 * 10**9)
    probe.span("preprocess", ORIGIN_NS, ORIGIN_NS + 10**9)
    assert spans_of(probe.report()) == (
        Span(start_s=0.0, end_s=1.0, kind="preprocess"),
        Span(start_s=5.0, end_s=7.0, kind="process"),
    )


def test_a_span_from_before_the_run_began_begins_with_it(probe: InstanceProbe) -> None:
    probe.span("preprocess", ORIGIN_NS - 50, ORIGIN_NS + 10**9)
    assert spans_of(probe.report()) == (Span(start_s=0.0, end_s=1.0, kind="preprocess"),)


# ---------------------------------------------------------------------- reports


def busy_probe(index: int = 0) -> InstanceProbe:
    probe = FullProfile().probe("Scale1", index, ORIGIN_NS)
    pe: Any = GenericPE()
    pe.id, pe.total = "Scale1", 0
    for call in range(1, 5):
        probe.before(pe, call)
        pe.total += 1
        probe.called(1_000 * call, 100 * call)
        probe.wrote("s", {"key": (index, call)}, ("key",))
        probe.span("process", ORIGIN_NS, ORIGIN_NS + call)
    return probe


def test_a_report_is_of_plain_values(probe: InstanceProbe) -> None:
    for one in (probe, busy_probe()):
        report = one.report()
        assert pickle.loads(pickle.dumps(report)) == report
        assert Findings.merged([json.loads(json.dumps(report))]) is not None

        def check(value: Any) -> None:
            assert type(value) in (dict, list, tuple, str, int, float, bool, type(None)), value
            for member in (
                value.items() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
            ):
                check(list(member) if isinstance(member, tuple) else member)

        check(report)


def test_to_report_does_not_change_what_is_reported() -> None:
    probe = busy_probe()
    assert probe.report() == probe.report()
    assert found(probe).streams["s"].compressibility is not None


def test_what_several_instances_found_is_put_together() -> None:
    both = found(busy_probe(0), busy_probe(1))
    assert (both.sizes.seen, both.item_bytes) == (8, 250)
    assert both.state.changed == {"total": 6}
    assert both.streams["s"].distinct_keys == 8
    assert sum(key.share for key in both.streams["s"].heavy_keys) == pytest.approx(HEAVY_KEYS / 8)


def test_instances_that_reported_nothing_are_left_out() -> None:
    assert Findings.merged([]) is None
    assert Findings.merged([None, None]) is None
    report = busy_probe().report()
    with_none, alone = Findings.merged([None, report, None]), Findings.merged([report])
    assert with_none is not None
    assert alone is not None
    assert (with_none.sizes.pairs, with_none.state, with_none.streams) == (
        alone.sizes.pairs,
        alone.state,
        alone.streams,
    )


def test_instances_that_wrote_to_different_streams(pe: Any) -> None:
    one, other = (FullProfile().probe("Scale1", index, 0) for index in (0, 1))
    one.wrote("s", 1, ())
    other.wrote("t", "x" * 100, ())
    other.before(pe, 1)
    other.called(1, 1)
    both = found(one, other)
    assert list(both.streams) == ["s", "t"]
    assert both.state.looks == 1


def test_findings_stay_small_however_long_the_run() -> None:
    probe = FullProfile().probe("Scale1", 0, 0)
    for number in range(5_000):
        probe.called(number, number)
        probe.wrote("s", (number,), (0,))
        probe.span("process", number, 2 * number)
    assert len(found(probe).sizes.pairs) == reservoir.CAPACITY
    assert len(pickle.dumps(probe.report())) < 100_000


def test_the_instrument_travels_and_its_instances_sample_differently() -> None:
    full = pickle.loads(pickle.dumps(FullProfile()))
    assert full == FullProfile()
    samples = []
    for index in (0, 0, 1):
        probe = full.probe("Scale1", index, 0)
        for number in range(3 * reservoir.CAPACITY):
            probe.called(1, number)
        samples.append(found(probe).sizes.pairs)
    assert samples[0] == samples[1]
    assert sorted(samples[0]) != sorted(samples[2])


# ---------------------------------------------------------------------- in a run


class Texts(ProducerPE):
    def __init__(self) -> None:
        super().__init__()
        self.number = 0

    def _process(self, inputs: Any) -> Any:
        CLOCK.advance(10**6 + self.number * 7_919_000 % 10**6)
        self.number += 1
        return [f"key {self.number % 3}", "x" * 1_000]


class Count(IterativePE):
    stateless = False

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def _process(self, data: Any) -> Any:
        CLOCK.advance(2 * 10**6)
        self.total += 1
        return self.total


class Sink(ConsumerPE):
    def _process(self, data: Any) -> None:
        CLOCK.advance(10**5)


CLOCK = ManualClock()


class Keeps:
    def __init__(self) -> None:
        self.found: dict[str, Any] = {}

    def started(self) -> None: ...

    def result(self, pe: str, port: str, item: Any) -> None: ...

    def line(self, instance: str, text: str) -> None: ...

    def event(self, event: Any) -> None:
        if event["event"] == "probe":
            self.found[event["pe"]] = Findings.merged([event["found"]]), spans_of(event["found"])


@pytest.mark.parametrize("fused", [True, False])
def test_a_run_is_looked_at(fused: bool) -> None:
    CLOCK.now_ns = 10**9
    count = Count()
    count.inputconnections["input"]["grouping"] = [0]
    graph = WorkflowGraph()
    graph.connect(Texts(), "output", count, "input")
    graph.connect(count, "output", Sink(), "input")
    workflow = graph.freeze()
    pes = ("Texts0", "Count1", "Sink2")
    plan = Plan((Stage(pes, (0,)),) if fused else tuple(Stage((pe,), (0,)) for pe in pes), 1, "simple")
    inputs = resolve_inputs(workflow, 2_000)
    job = Job(workflow, plan.check(workflow), inputs, clock=CLOCK, origin_ns=10**9, instrument=FullProfile())
    keeps = Keeps()
    SimpleMapping().run(job, keeps, Interruption())
    texts, count_, sink = (keeps.found[pe] for pe in pes)
    assert list(texts[0].streams) == ["Texts0.output->Count1.input"]
    stream = texts[0].streams["Texts0.output->Count1.input"]
    assert stream.item_bytes == pytest.approx(len(pickle.dumps(["key 1", "x" * 1_000], 5)))
    assert stream.distinct_keys == 3
    assert sum(key.share for key in stream.heavy_keys) == pytest.approx(1)
    assert count_[0].state.changed.keys() == {"total"}
    assert (texts[0].item_bytes, texts[0].cost(1e-3)) == (None, None)
    assert 1_000 < count_[0].item_bytes < 1_100
    assert {own_ns for _, own_ns in count_[0].sizes.pairs} == {2 * 10**6}
    assert {own_ns for _, own_ns in sink[0].sizes.pairs} == {10**5}
    assert count_[0].sizes.seen > 10
    assert len(texts[1]) == longest_spans.CAPACITY
    assert "process" in {span.kind for span in texts[1]}
    assert max(span.end_s for span in texts[1]) <= (CLOCK.now_ns - 10**9) / 1e9
