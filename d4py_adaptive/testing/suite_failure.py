"""The part of the conformance suite on failure: it never hangs a run, never vanishes, and says where it was."""

# ruff: noqa: D102 - a test's name says what it shows

from __future__ import annotations

import base64
import json
import pickle
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from d4py_adaptive.errors import InputError, PEError, RunError
from d4py_adaptive.testing.suite_base import Outcome, SuiteBase, chain
from d4py_adaptive.testing.suite_elements import (
    Apply,
    Collect,
    Emit,
    Fail,
    FailAtFirst,
    Mark,
    Swallow,
    double,
    same,
)

PROMPT_S = 8.0
"""Within this time a failed run has ended, on a machine with a lot to do."""


class MuteError(ValueError):
    """An exception that cannot even be shown."""

    def __str__(self) -> str:
        raise RuntimeError("mute")


class Unusual(BaseException):
    """An exception that is no Exception."""


class DemandingError(Exception):
    """An exception that cannot be unpickled."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__("demanding")
        self.sum = one + two


class FailureSuite(SuiteBase):
    """DESIGN, "How a run behaves", Failure."""

    @pytest.mark.parametrize("method", ["preprocess", "process", "postprocess"])
    def test_a_failing_pe_ends_the_run_and_says_where(self, method: str) -> None:
        source, failing = Emit(range(10)), Fail(ZeroDivisionError("by nothing"), method)
        graph = chain(source, failing, Apply(same))
        for options in self.everywhere(graph):
            failure = self.failure(graph, **options)
            assert (failure.pe, failure.instance, failure.method) == (failing.id, 0, method)
            assert (failure.error_type, failure.message) == ("ZeroDivisionError", "by nothing")
            assert (failure.port, failure.item) == (("input", 4) if method == "process" else ("", 0))
            assert failure.host == socket.gethostname()
            assert 0 <= failure.worker < 3
            assert "raise self.error" in failure.traceback
            assert "mappings" not in failure.traceback

    def test_the_instance_that_failed_is_named(self) -> None:
        source, failing = Emit([0, 1, 2, 3, 4, 5]), Fail(KeyError("no"), at=4)
        failing.numprocesses = 3
        failure = self.failure(chain(source, failing))
        assert (failure.pe, failure.instance, failure.item) == (failing.id, 1, 2)

    def test_a_failing_source_is_named(self) -> None:
        failure = self.failure(chain(Emit(None), Apply(same)))  # type: ignore[arg-type]
        assert (failure.pe, failure.method, failure.port, failure.item) == ("Emit0", "process", "", 1)

    @pytest.mark.parametrize(
        "error",
        [
            SystemExit(0),
            SystemExit("bye"),
            StopIteration(),
            RecursionError(),
            DemandingError(1, 2),
            Unusual("odd"),
            MuteError(),
        ],
        ids=lambda error: type(error).__name__,
    )
    def test_whatever_a_pe_raises_is_its_failure(self, error: BaseException) -> None:
        if self.parallel and not self.inherits and isinstance(error, DemandingError):
            with pytest.raises(RunError, match="could not start"):
                self.run(chain(Emit(range(10)), Fail(error)))
            return
        failing = Fail(error)
        failure = self.failure(chain(Emit(range(10)), failing))
        assert (failure.pe, failure.method, failure.item) == (failing.id, "process", 4)
        assert failure.error_type == type(error).__name__

    def test_a_failure_downstream_ends_an_endless_source(self, tmp_path: Path) -> None:
        mark = tmp_path / "mark"
        graph = chain(Mark(mark), Apply(same), Fail(ValueError("enough"), at=500))
        for options in self.everywhere(graph):
            started = time.monotonic()
            assert self.failure(graph, **options).message == "enough"
            assert time.monotonic() - started < PROMPT_S
            assert mark.read_text() == "cleaned up"
            mark.unlink()

    def test_a_failure_upstream_ends_what_waits_for_it(self) -> None:
        started = time.monotonic()
        self.failure(chain(Emit(range(10)), Fail(ValueError("no")), Apply(same), Collect("all", numprocesses=3)))
        assert time.monotonic() - started < PROMPT_S

    def test_a_pe_that_swallows_everything_hides_nothing(self) -> None:
        for swallow in (Swallow(Exception), Swallow(BaseException)):
            graph = chain(Emit(range(10)), swallow, Fail(ValueError("downstream")))
            for options in self.everywhere(graph):
                failure = self.failure(graph, **options)
                assert (failure.pe, failure.message) == ("Fail2", "downstream")

    def test_an_unknown_output_is_an_error_that_lists_those_there_are(self) -> None:
        failure = self.failure(chain(WriteElsewhere(), Apply(same)))
        assert failure.pe == "WriteElsewhere0"
        assert "'outptu'" in failure.message
        assert "output" in failure.message

    def test_what_process_returns_must_be_outputs(self) -> None:
        failure = self.failure(chain(ReturnList(), Apply(same)))
        assert (failure.pe, failure.error_type) == ("ReturnList0", "TypeError")

    def test_a_broken_run_says_so_in_its_record(self) -> None:
        outcome = Outcome()
        with pytest.raises(PEError) as caught:
            self.run_kept(outcome, chain(Emit(range(10)), Fail(ValueError("no"))))
        assert caught.value.exit_code != 0
        assert "Fail1[0].process" in str(caught.value)

    def test_results_before_a_failure_are_kept(self) -> None:
        outcome, failing = Outcome(), Fail(ValueError("no"), "postprocess")
        with pytest.raises(PEError):
            self.run_kept(outcome, chain(Emit(range(5)), failing))
        assert set(outcome.of(failing)) <= set(range(5))

    # Skip and retry.

    def test_skip_drops_the_item_and_what_its_call_wrote(self) -> None:
        failing, last = Fail(ValueError("not this one"), at=3, on_error="skip"), Apply(double)
        graph = chain(Emit(range(6)), failing, last)
        for options in self.everywhere(graph):
            outcome = self.run(graph, **options)
            assert sorted(outcome.of(last)) == [0, 2, 4, 8, 10]
            assert any("skipped item 4" in note and "not this one" in note for note in outcome.notes)

    def test_a_skipped_item_is_in_the_dead_letter_file_as_it_came(self) -> None:
        failing = FailAtFirst(9, "retry:1,skip")
        outcome = self.run(chain(Emit([["a"]]), failing))
        assert outcome.of(failing) == []
        assert outcome.finished is not None
        assert outcome.finished.record.dead_letters == 1
        (letter,) = _dead_letters(outcome)
        assert pickle.loads(base64.b64decode(letter["item"])) == {"input": ["a"]}
        assert (letter["attempts"], letter["failure"]["message"]) == (2, "attempt 2")
        assert (letter["failure"]["pe"], letter["failure"]["item"]) == (failing.id, 1)

    def test_retry_gives_each_attempt_the_item_as_it_came(self) -> None:
        failing = FailAtFirst(2, "retry:2")
        graph = chain(Emit([["a"], ["b"]]), failing)
        for options in self.everywhere(graph):
            assert self.run(graph, **options).of(failing) == [["a", 3], ["b", 3]]

    def test_retry_fails_when_its_attempts_are_used_up(self) -> None:
        failure = self.failure(chain(Emit([["a"]]), FailAtFirst(2, "retry:1")))
        assert (failure.message, failure.item) == ("attempt 2", 1)

    def test_a_run_may_say_what_failures_do(self) -> None:
        failing = Fail(ValueError("no"), at=3)
        graph = chain(Emit(range(6)), failing)
        for key in (failing.name, f"{failing.name}1", ""):
            assert sorted(self.run(graph, on_error={key: "skip"}).of(failing)) == [0, 1, 2, 4, 5]
        with pytest.raises(InputError, match="Fial"):
            self.run(graph, on_error={"Fial": "skip"})

    def test_skip_on_a_pe_with_state_warns(self) -> None:
        outcome = self.run(chain(Emit([["a"]]), FailAtFirst(0, "skip")))
        assert any("FailAtFirst1" in note and "state" in note for note in outcome.notes)

    def test_skip_does_not_cover_a_failure_downstream(self) -> None:
        source, middle, failing = Emit(range(6)), Apply(same, on_error="skip"), Fail(ValueError("no"))
        graph = chain(source, middle, failing)
        for options in self.everywhere(graph):
            assert self.failure(graph, **options).pe == failing.id

    def test_skip_does_not_cover_preprocess(self) -> None:
        failing = Fail(ValueError("no"), "preprocess", on_error="skip")
        assert self.failure(chain(Emit(range(6)), failing)).method == "preprocess"

    def test_a_failing_source_that_is_skipped_goes_on(self) -> None:
        source = FailingSource()
        assert self.run(chain(source), 4, on_error={"": "skip"}).of(source) == [1, 2, 4]

    def test_every_failure_is_a_run_error(self) -> None:
        with pytest.raises(RunError):
            self.run(chain(Emit(range(5)), Fail(ValueError("no"))))


def _dead_letters(outcome: Outcome) -> list[dict[str, Any]]:
    assert outcome.finished is not None
    lines = (outcome.finished.directory.path / "dead-letters.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


class WriteElsewhere(Emit):
    """Writes to an output that it has not got."""

    def __init__(self) -> None:
        super().__init__([])

    def process(self, inputs: dict[str, Any]) -> None:  # noqa: ARG002
        """Mistype."""
        self.write("outptu", 1)


class ReturnList(Emit):
    """Returns what is no mapping."""

    def __init__(self) -> None:
        super().__init__([])

    def process(self, inputs: dict[str, Any]) -> Any:  # noqa: ARG002
        """Forget the name of the output."""
        return [1]


class FailingSource(Emit):
    """Fails at its third call."""

    def __init__(self) -> None:
        super().__init__([])
        self.calls = 0

    def process(self, inputs: dict[str, Any]) -> None:  # noqa: ARG002
        """Write, and fail once."""
        self.calls += 1
        self.write("output", self.calls)
        if self.calls == 3:
            raise ValueError("third")
