"""One stage replica's life: what comes when, who has the turn, how long it took."""

from collections import deque
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from d4py_adaptive import GenericPE, IterativePE, ProducerPE
from d4py_adaptive.mappings.replica import TURN_WRITES, Feed
from d4py_adaptive.testing.clocks import ManualClock

Make = Callable[..., Any]


class Tells(GenericPE):
    """Notes every call of its life in `told`, which all share; passes items on."""

    told: list[str] = []

    def __init__(self, name: str, source: bool = False, late: bool = False) -> None:
        super().__init__()
        self.name, self.late = name, late
        if not source:
            self._add_input("i")
        self._add_output("o")

    def tell(self, what: str) -> None:
        Tells.told.append(f"{self.name} {what}")

    def preprocess(self) -> None:
        self.tell("begins")

    def process(self, inputs: dict[str, Any]) -> dict[str, Any]:
        item = inputs.get("i", "x")
        self.tell(f"got {item}")
        return {"o": f"{item}{self.name}"}

    def postprocess(self) -> None:
        self.tell("ends")
        if self.late:
            self.write("o", "late")


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(Tells, "told", [])
    return Tells.told


def test_a_fused_stage_lives_in_topological_order(make_bench: Make, told: list[str]) -> None:
    pes = [Tells("a", source=True, late=True), Tells("b", late=True), Tells("c")]
    bench = make_bench(pes, [(0, "o", 1, "i"), (1, "o", 2, "i")], [("a0 b1 c2", (0,))])
    bench.run()
    assert told == [
        "a begins", "b begins", "c begins",
        "a got x", "b got xa", "c got xab",
        "a ends", "b got late", "c got lateb",
        "b ends", "c got late",
        "c ends",
    ]  # fmt: skip
    assert bench.results == ["xabc", "latebc", "latec"]


def test_items_given_to_a_fed_pe_come_before_the_stream_s(make_bench: Make, told: list[str]) -> None:
    inputs = {"b1": [{"i": "given"}, {"i": "too"}]}
    bench = make_bench([Tells("a", source=True), Tells("b")], [(0, "o", 1, "i")], [("a0 b1", (0,))], inputs=inputs)
    bench.run()
    assert [text for text in told if "got" in text] == ["b got given", "b got too", "a got x", "b got xa"]


def test_sources_of_one_stage_take_turns(make_bench: Make, told: list[str]) -> None:
    pes = [Tells("a", source=True), Tells("b", source=True)]
    make_bench(pes, [], [("a0 b1", (0,))], inputs={"a0": 3, "b1": 2}).run()
    assert [text for text in told if "got" in text] == ["a got x", "b got x", "a got x", "b got x", "a got x"]


def test_a_long_write_gives_the_others_a_turn(make_bench: Make) -> None:
    class Burst(ProducerPE):
        def _process(self, inputs: Any) -> None:
            for n in range(3 * TURN_WRITES):
                self.write("output", n)

    bench = make_bench([Burst()], [])
    counts = []
    while bench.workers[0].step():
        counts.append(len(bench.results))
    assert counts[:3] == [TURN_WRITES, 2 * TURN_WRITES, 3 * TURN_WRITES]


def test_a_turn_ends_when_its_time_is_over(make_bench: Make, clock: ManualClock) -> None:
    clock.step_ns = 1_000_000
    bench = make_bench([Tells("a", source=True)], [], inputs=100)
    bench.workers[0].step()
    assert 0 < len(bench.results) < 10


def test_busy_time_is_each_pe_s_own(make_bench: Make, clock: ManualClock) -> None:
    class Takes(Tells):
        def process(self, inputs: dict[str, Any]) -> dict[str, Any]:
            clock.advance({"a": 1, "b": 20, "c": 300}[self.name] * 10**6)
            return super().process(inputs)

    pes = [Takes("a", source=True), Takes("b"), Takes("c")]
    streams = [(0, "o", 1, "i"), (1, "o", 2, "i")]
    for stages in ([("a0 b1 c2", (0,))], None, [("a0 b1", (0,)), ("c2", (1,))]):
        bench = make_bench(pes, streams, stages, inputs=10)
        bench.run()
        assert {c.pe: round(c.busy_s, 6) for c in bench.board.read()} == {"a0": 0.01, "b1": 0.2, "c2": 3.0}


def test_time_spent_waiting_for_room_is_blocked_not_busy(make_bench: Make, clock: ManualClock) -> None:
    class Burst(ProducerPE):
        def _process(self, inputs: Any) -> None:
            for n in range(6):
                self.write("output", n)

    class Sink(IterativePE):
        pass

    stages = [("Burst0", (0,)), ("Sink1", (1,))]
    bench = make_bench([Burst(), Sink()], [(0, "output", 1, "input")], stages)
    while bench.workers[0].step():
        pass
    clock.advance(7 * 10**9)
    bench.run()
    burst = next(iter(bench.board.read()))
    assert (burst.busy_s, burst.blocked_s) == (0.0, 7.0)


def test_counters_survive_fusion(make_bench: Make) -> None:
    pes = [Tells("a", source=True), Tells("b"), Tells("c")]
    streams = [(0, "o", 1, "i"), (0, "o", 2, "i")]
    for stages in ([("a0 b1 c2", (0,))], [("a0", (0,)), ("b1", (1,)), ("c2", (0,))]):
        bench = make_bench(pes, streams, stages, inputs=5)
        bench.run()
        rows = {c.pe: c for c in bench.board.read()}
        assert {pe: (c.items_in, c.items_out) for pe, c in rows.items()} == {"a0": (0, 5), "b1": (5, 5), "c2": (5, 5)}
        assert {name: items for name, (items, _) in rows["a0"].streams.items()} == {"a0.o->b1.i": 5, "a0.o->c2.i": 5}
        assert rows["b1"].streams["b1.o"][0] == 5


def test_a_feed_gives_items_then_calls_with_nothing() -> None:
    given = {"i": np.zeros(2)}
    feed = Feed(SimpleNamespace(), False, 2, deque([given]))  # type: ignore[arg-type]
    first = feed.next()
    first["i"][0] = 1
    assert given["i"][0] == 0  # what the user gave stays the user's
    assert [feed.left, feed.next(), feed.left, feed.next(), feed.left] == [True, {}, True, {}, False]


def test_a_replica_is_between_items_when_none_of_its_pes_is_in_a_call(make_bench: Make) -> None:
    class Burst(ProducerPE):
        def _process(self, inputs: Any) -> None:
            for n in range(10):
                self.write("output", n)

    class Sink(IterativePE):
        pass

    stages = [("Burst0", (0,)), ("Sink1", (1,))]
    bench = make_bench([Burst(), Sink()], [(0, "output", 1, "input")], stages)
    (burst,), (sink,) = (worker.replicas for worker in bench.workers)
    assert burst.between_items
    while bench.workers[0].step():
        pass
    bench.workers[1].step()
    assert not burst.between_items
    assert sink.between_items
    assert not sink.ready
    bench.run()
    assert burst.finished
    assert not burst.between_items
