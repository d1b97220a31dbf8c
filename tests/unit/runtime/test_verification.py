"""A run compared with a sequential one."""

import random
from collections import Counter
from typing import Any

import pytest

from d4py_adaptive import IterativePE, ProducerPE, WorkflowGraph
from d4py_adaptive.errors import RunError
from d4py_adaptive.runtime.session import RunOptions, enact
from d4py_adaptive.runtime.verification import differences, verify


class Numbers(ProducerPE):
    def __init__(self) -> None:
        super().__init__()
        self.next = 0

    def _process(self, inputs: Any) -> int:
        self.next += 1
        return self.next


class Double(IterativePE):
    stateless = True

    def _process(self, data: int) -> int:
        return 2 * data


class Ranked(Double):
    """Says which instance it is: its results depend on how many there are."""

    def _process(self, data: int) -> int:
        return self.rank


class Noise(Numbers):
    """Has a random generator of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.generator = random.Random(3)

    def _process(self, inputs: Any) -> int:
        return self.generator.randrange(10**9)


class Draws(Numbers):
    """Draws from the global generator."""

    def _process(self, inputs: Any) -> int:
        return random.randrange(10**9)


def chain(*pes: Any) -> WorkflowGraph:
    graph = WorkflowGraph()
    graph.add(pes[0])
    for before, after in zip(pes, pes[1:], strict=False):  # noqa: RUF007
        graph.connect(before, "output", after, "input")
    return graph


def verified(graph: WorkflowGraph, view: Any, **options: Any) -> str:
    run_options = RunOptions(mapping="toy", workers=3, digests=True, **options)
    return verify(graph, 12, run_options, enact(graph, 12, run_options, view))


def test_a_run_that_gives_the_same(view: Any) -> None:
    assert verified(chain(Numbers(), Double()), view) == ("24 items at 2 place(s) are the same as in a sequential run")


def test_a_run_that_gives_something_else(view: Any) -> None:
    with pytest.raises(RunError) as caught:
        verified(chain(Numbers(), Ranked()), view)
    text = str(caught.value)
    assert text.startswith("this run and a sequential one differ: output Ranked1.output has ")
    assert " item(s) that the sequential run has not, and lacks " in text


@pytest.mark.parametrize("seed", [None, 5])
@pytest.mark.parametrize("source", [Noise, Draws])
def test_random_numbers_are_the_same_again(view: Any, source: type[ProducerPE], seed: int | None) -> None:
    assert verified(chain(source(), Double()), view, seed=seed).startswith("24 items at 2 place(s) are the same")


def test_the_seed_of_a_record_repeats_what_was_drawn_from_global_generators(view: Any) -> None:
    first = enact(chain(Draws()), 3, RunOptions(), view)
    before, view.results = view.results, []
    enact(chain(Draws()), 3, RunOptions(seed=first.record.seed), view)
    assert view.results == before


def test_the_second_run_shows_nothing(view: Any) -> None:
    verified(chain(Numbers(), Double()), view)
    assert len(view.results) == 12


def test_differences_name_the_place() -> None:
    same = {"output A.o": Counter({b"1": 2})}
    assert differences(same, same) == []
    got = same | {"output B.o": Counter({b"1": 3, b"2": 1}), "input C.i": Counter({b"x": 1})}
    expected = same | {"output B.o": Counter({b"1": 1, b"3": 1})}
    assert differences(got, expected) == [
        "input C.i has 1 item(s) that the sequential run has not, and lacks 0",
        "output B.o has 3 item(s) that the sequential run has not, and lacks 1",
    ]
