"""One running copy of a PE: what it may write, whose an item is, and what happens when it fails."""

import pickle
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from d4py_adaptive import ConsumerPE, GenericPE, IterativePE, ProducerPE
from d4py_adaptive.errors import Failure

Make = Callable[..., Any]
STREAM = [(0, "output", 1, "input")]


class Numbers(ProducerPE):
    def __init__(self, items: list[Any]) -> None:
        super().__init__()
        Numbers.items = iter(items)

    def _process(self, inputs: Any) -> Any:
        return next(Numbers.items)


class Invert(IterativePE):
    """Fails on zero."""

    def _process(self, data: float) -> float:
        return 1 / data


def failure_of(bench: Any) -> Failure:
    bench.run()
    (failure,) = [worker.failure[0] for worker in bench.workers if worker.failure]
    assert isinstance(failure, Failure)
    return failure


def test_a_failing_pe_is_named_with_its_item_and_the_user_s_own_frames(make_bench: Make) -> None:
    failure = failure_of(make_bench([Numbers([4, 2, 0, 1]), Invert()], STREAM, [("Numbers0 Invert1", (0,))], inputs=4))
    assert failure.where() == f"Invert1[0].process, port 'input', item 3, on {socket.gethostname()}, worker 0"
    assert (failure.error_type, failure.message) == ("ZeroDivisionError", "division by zero")
    lines = failure.traceback.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[1].endswith("in _process")
    assert "return 1 / data" in failure.traceback
    assert lines[-1] == "ZeroDivisionError: division by zero"
    assert "mappings/" not in failure.traceback.replace("tests/unit/mappings/", "")


def test_nothing_runs_after_a_failure(make_bench: Make) -> None:
    bench = make_bench([Numbers([4, 0, 1, 2]), Invert()], STREAM, inputs=4)
    failure_of(bench)
    assert bench.results == [0.25]
    assert not bench.workers[0].finished
    assert bench.workers[0].failure[1].__class__ is ZeroDivisionError


class Breaks(GenericPE):
    def __init__(self, method: str, error: BaseException) -> None:
        super().__init__()
        self._add_output("o")
        self.method, self.error = method, error

    def _break(self, method: str) -> None:
        if method == self.method:
            raise self.error

    def preprocess(self) -> None:
        self._break("preprocess")

    def process(self, inputs: Any) -> None:
        self._break("process")

    def postprocess(self) -> None:
        self._break("postprocess")


@pytest.mark.parametrize("method", ["preprocess", "process", "postprocess"])
def test_every_method_may_fail(make_bench: Make, method: str) -> None:
    failure = failure_of(make_bench([Breaks(method, ValueError("no"))], []))
    assert (failure.method, failure.port, failure.message) == (method, "", "no")
    assert failure.item == (1 if method == "process" else 0)


@pytest.mark.parametrize("error", [SystemExit(3), MemoryError("full"), RecursionError("deep"), StopIteration(1)])
def test_whatever_a_pe_raises_is_its_failure(make_bench: Make, error: BaseException) -> None:
    failure = failure_of(make_bench([Breaks("process", error)], []))
    assert failure.error_type == type(error).__name__


class Returns(GenericPE):
    def __init__(self, value: Any) -> None:
        super().__init__()
        self._add_output("left")
        self._add_output("right")
        self.value = value

    def process(self, inputs: Any) -> Any:
        return self.value() if callable(self.value) else self.value


@pytest.mark.parametrize(
    ("value", "results"),
    [
        (None, []),
        ({}, []),
        ({"left": 1}, [("left", 1)]),
        ({"left": 1, "right": None}, [("left", 1), ("right", None)]),
        (lambda: {"right": [2], "left": 1}, [("right", [2]), ("left", 1)]),
    ],
)
def test_what_process_returns_is_written(make_bench: Make, value: Any, results: list[Any]) -> None:
    bench = make_bench([Returns(value)], [])
    bench.run()
    assert [(port, item) for _, port, item in bench.launcher.results] == results


@pytest.mark.parametrize(
    ("value", "error_type", "message"),
    [
        (5, "TypeError", "process returns None or {output: item}; Returns0 returned int"),
        ([1], "TypeError", "process returns None or {output: item}; Returns0 returned list"),
        (
            {"lef": 1},
            "WorkflowError",
            "PE Returns0 has no output 'lef'; did you mean 'left'?; its outputs: left, right",
        ),
        (
            lambda: {"lef": 1},
            "WorkflowError",
            "PE Returns0 has no output 'lef'; did you mean 'left'?; its outputs: left, right",
        ),
    ],
)
def test_what_process_must_not_return(make_bench: Make, value: Any, error_type: str, message: str) -> None:
    failure = failure_of(make_bench([Returns(value)], []))
    assert (failure.error_type, failure.message, failure.method) == (error_type, message, "process")


def test_an_item_that_cannot_travel_is_a_failure_of_the_write(make_bench: Make) -> None:
    stages = [("Numbers0", (0,)), ("Invert1", (1,))]
    failure = failure_of(make_bench([Numbers([threading.Lock()]), Invert()], STREAM, stages))
    assert (failure.pe, failure.method, failure.port, failure.error_type) == (
        "Numbers0", "write", "output", "WireError",
    )  # fmt: skip
    assert failure.message.startswith("an item that goes to another process must be picklable; got lock: TypeError")


def test_an_item_without_its_key_is_a_failure_of_the_write(make_bench: Make) -> None:
    invert = Invert()
    invert.inputconnections["input"]["grouping"] = ["id"]
    failure = failure_of(make_bench([Numbers([7]), invert], STREAM, [("Numbers0", (0,)), ("Invert1", (0, 0))]))
    assert (failure.method, failure.port, failure.error_type) == ("write", "output", "WorkflowError")


class Unreadable:
    """Can be sent, but not received."""

    def __reduce__(self) -> Any:
        return _refuse, ()


def _refuse() -> None:
    raise ValueError("cannot be read")


def test_an_item_that_cannot_be_read_is_a_failure_that_names_its_receiver(make_bench: Make) -> None:
    stages = [("Numbers0", (0,)), ("Invert1", (1,))]
    failure = failure_of(make_bench([Numbers([Unreadable()]), Invert()], STREAM, stages))
    assert (failure.pe, failure.port, failure.error_type) == ("Invert1", "input", "ValueError")


class Odd:
    """Cannot be copied."""

    def __deepcopy__(self, memo: Any) -> Any:
        raise ValueError("only one of me")

    __reduce_ex__ = __deepcopy__


@pytest.mark.parametrize("stages", [[("Numbers0 Invert1", (0,))], [("Numbers0", (0,)), ("Invert1", (0,))]])
def test_an_item_that_cannot_be_kept_for_another_try_is_a_failure_too(make_bench: Make, stages: Any) -> None:
    bench = make_bench([Numbers([Odd()]), Invert()], STREAM, stages, on_error={"Invert": "retry:1"})
    assert failure_of(bench).pe in ("Numbers0", "Invert1")


def test_a_given_input_that_cannot_be_copied_is_a_failure_too(make_bench: Make) -> None:
    failure = failure_of(make_bench([Invert()], [], inputs={"Invert0": [{"input": Odd()}]}))
    assert failure.pe == "Invert0"


class Collect(ConsumerPE):
    """Shows what it got, then spoils it."""

    def __init__(self, seen: list[Any]) -> None:
        super().__init__()
        Collect.seen = seen

    def _process(self, data: Any) -> None:
        Collect.seen.append(data.tolist())
        data[:] = -1


class Reuses(ProducerPE):
    """Writes one buffer over and over."""

    def __init__(self) -> None:
        super().__init__()
        self.buffer = np.zeros(3000)

    def _process(self, inputs: Any) -> None:
        for _ in range(3):
            self.buffer += 1
            before = self.buffer.copy()
            self.write("output", self.buffer)
            np.testing.assert_array_equal(self.buffer, before)


@pytest.mark.parametrize(
    "stages",
    [
        [("Reuses0 Collect1 Collect2", (0,))],
        [("Reuses0", (0,)), ("Collect1", (0,)), ("Collect2", (0,))],
        [("Reuses0", (0,)), ("Collect1", (1,)), ("Collect2", (1,))],
        [("Reuses0 Collect1", (0,)), ("Collect2", (1,))],
    ],
)
def test_a_producer_may_reuse_and_a_reader_may_change_its_item(make_bench: Make, stages: Any) -> None:
    seen: list[Any] = []
    streams = [(0, "output", 1, "input"), (0, "output", 2, "input")]
    bench = make_bench([Reuses(), Collect(seen), Collect(seen)], streams, stages)
    bench.run()
    assert [worker.failure for worker in bench.workers if worker.failure] == []
    assert sorted(values[0] for values in seen) == [1, 1, 2, 2, 3, 3]
    assert all(len(set(values)) == 1 for values in seen)


class Tries(IterativePE):
    """Writes before it fails; succeeds at the given attempt."""

    def __init__(self, succeeds_at: int) -> None:
        super().__init__()
        self.succeeds_at, self.attempt = succeeds_at, 0

    def _process(self, data: Any) -> None:
        self.attempt += 1
        data.append("changed")
        self.write("output", (self.attempt, list(data)))
        if self.attempt < self.succeeds_at:
            raise OSError(f"attempt {self.attempt}")


def test_a_retry_gets_the_item_as_it_was_and_drops_what_the_failed_call_wrote(make_bench: Make) -> None:
    bench = make_bench([Numbers([["item"]]), Tries(3)], STREAM, on_error={"Tries": "retry:2"})
    bench.run()
    assert bench.results == [(3, ["item", "changed"])]
    tries = list(bench.board.read())[1]
    assert (tries.retried, tries.skipped, tries.items_out) == (2, 0, 1)
    assert bench.links[0].events == []


def test_retries_that_are_used_up_stop_the_run(make_bench: Make) -> None:
    bench = make_bench([Numbers([["item"]]), Tries(4)], STREAM, on_error={"Tries": "retry:2"})
    failure = failure_of(bench)
    assert (failure.error_type, failure.message, failure.item) == ("OSError", "attempt 3", 1)
    assert bench.results == []


def test_a_skipped_item_becomes_a_dead_letter(make_bench: Make) -> None:
    bench = make_bench([Numbers([2, 0, 4]), Invert()], STREAM, inputs=3, on_error={"": "retry:1,skip"})
    bench.run()
    assert bench.results == [0.5, 0.25]
    (event,) = bench.links[0].events
    assert (event["event"], event["attempts"], pickle.loads(event["item"])) == ("dead_letter", 2, {"input": 0})
    assert (event["failure"]["pe"], event["failure"]["item"]) == ("Invert1", 2)
    invert = list(bench.board.read())[1]
    assert (invert.skipped, invert.retried, invert.items_in, invert.items_out) == (1, 1, 3, 2)


def test_a_failure_downstream_of_a_careful_pe_is_not_its_own(make_bench: Make) -> None:
    """The first PE skips its own failures; the second, fused to it, stops the run."""
    bench = make_bench(
        [Numbers([0]), Tells(), Invert()],
        [(0, "output", 1, "input"), (1, "output", 2, "input")],
        [("Numbers0 Tells1 Invert2", (0,))],
        on_error={"Tells": "skip"},
    )
    assert failure_of(bench).pe == "Invert2"
    assert bench.links[0].events == []


class Tells(IterativePE):
    def _process(self, data: Any) -> Any:
        return data


def test_a_pe_that_stops_the_interpreter_is_skipped_like_any_failure(make_bench: Make) -> None:
    class Exits(Tells):
        def _process(self, data: Any) -> Any:
            return sys.exit("out") if data == 1 else data

    bench = make_bench([Numbers([1, 2]), Exits()], STREAM, inputs=2, on_error={"Exits": "skip"})
    bench.run()
    assert bench.results == [2]
    assert bench.links[0].events[0]["failure"]["error_type"] == "SystemExit"


def test_a_change_of_state_in_a_guarded_replica_stops_the_run(make_bench: Make) -> None:
    class Sneaky(Tells):
        def _process(self, data: Any) -> Any:
            self.seen = data
            return data

    stages = [("Numbers0", (0,)), ("Sneaky1", (0, 0))]
    failure = failure_of(make_bench([Numbers([1, 2]), Sneaky()], STREAM, stages, guarded=frozenset({"Sneaky1"})))
    assert (failure.pe, failure.error_type) == ("Sneaky1", "WorkflowError")
    assert "its self.seen changed" in failure.message


def test_a_message_of_several_lines_is_logged_line_by_line(make_bench: Make) -> None:
    class Tells(ProducerPE):
        def _process(self, inputs: Any) -> None:
            self.log("one\ntwo")

    bench = make_bench([Tells()], [])
    bench.run()
    assert bench.links[0].lines == [("Tells0[0]", "one"), ("Tells0[0]", "two")]


def test_one_instance_is_not_guarded(make_bench: Make) -> None:
    class Sneaky(Tells):
        def _process(self, data: Any) -> Any:
            self.seen = data
            return data

    bench = make_bench([Numbers([1]), Sneaky()], STREAM, guarded=frozenset({"Sneaky1"}))
    bench.run()
    assert bench.results == [1]
