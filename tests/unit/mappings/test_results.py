"""The launcher's end of the channels that results travel in."""

from collections.abc import Callable
from typing import Any

import pytest

from d4py_adaptive import IterativePE, ProducerPE
from d4py_adaptive.mappings.assembly import RESULTS
from d4py_adaptive.mappings.channel import Window
from d4py_adaptive.mappings.results import ResultSink
from d4py_adaptive.wire.encoding import PlainWire
from d4py_adaptive.wire.frame import Frame, Kind


class Keeps:
    def __init__(self) -> None:
        self.results: list[Any] = []

    def result(self, pe: str, port: str, item: Any) -> None:
        self.results.append((pe, port, item))


class Two(ProducerPE):
    def __init__(self) -> None:
        super().__init__()
        self._add_output("log")


@pytest.fixture
def keeps() -> Keeps:
    return Keeps()


@pytest.fixture
def sink(make_job: Callable[..., Any], keeps: Keeps) -> ResultSink:
    """Two0 has two results, Iterative1 one, of two instances; numbers 0, 1, 2."""
    streams = [(0, "output", 1, "input")]
    stages = [("Two0", (0,)), ("IterativePE1", (0, 1))]
    job = make_job([Two(), IterativePE()], streams, stages, window=Window(payload_bytes=1000))
    return ResultSink(job, keeps)  # type: ignore[arg-type]


def data(sender: int, first: int, port: int, *items: Any) -> Frame:
    encoded = [PlainWire().encode(item) for item in items]
    return Frame(Kind.DATA, sender, RESULTS, first, ports=[port] * len(items), items=encoded)


def test_results_go_to_the_observer_under_their_pe_and_port(sink: ResultSink, keeps: Keeps) -> None:
    sink.receive(data(0, 0, 0, "a", "b"))
    sink.receive(data(2, 0, 1, 3))
    assert keeps.results == [("Two0", "log", "a"), ("Two0", "log", "b"), ("IterativePE1", "output", 3)]


def test_results_of_one_instance_keep_their_order(sink: ResultSink, keeps: Keeps) -> None:
    assert sink.receive(data(0, 1, 0, "b")) is not None
    assert keeps.results == []
    sink.receive(data(0, 0, 0, "a"))
    assert [item for *_, item in keeps.results] == ["a", "b"]


def test_every_frame_is_answered_by_credit(sink: ResultSink) -> None:
    credit = sink.receive(data(0, 0, 0, "a", "b"))
    assert credit is not None
    assert (credit.kind, credit.sender, credit.receiver, credit.number) == (Kind.CREDIT, RESULTS, 0, 2)
    assert credit.first == 2 + Window().items
    assert credit.credit_bytes >= 1000


def test_the_end_needs_no_answer(sink: ResultSink) -> None:
    assert sink.receive(Frame(Kind.END, 0, RESULTS, 0)) is None


def test_it_is_complete_when_every_instance_has_ended_and_all_it_wrote_came(sink: ResultSink) -> None:
    for sender in (1, 2):
        sink.receive(Frame(Kind.END, sender, RESULTS, 0))
    sink.receive(Frame(Kind.END, 0, RESULTS, 1))
    assert not sink.complete
    sink.receive(data(0, 0, 0, "a"))
    assert sink.complete
