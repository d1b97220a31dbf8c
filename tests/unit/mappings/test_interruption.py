"""Ctrl-C and SIGTERM: the first asks, the second insists. The handler is called by hand; no signal is sent."""

import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from d4py_adaptive.errors import Interrupted
from d4py_adaptive.mappings import interruption as module
from d4py_adaptive.mappings.interruption import DRAIN_S, SIGNALS, Interruption, interruptible


class Timer:
    """A timer that never goes off by itself."""

    made: list["Timer"] = []

    def __init__(self, seconds: float, function: Any, arguments: tuple[Any, ...]) -> None:
        self.seconds, self.function, self.arguments = seconds, function, arguments
        self.daemon = self.started = self.cancelled = False
        Timer.made.append(self)

    def start(self) -> None:
        self.started = True

    def cancel(self) -> None:
        self.cancelled = True


@pytest.fixture(autouse=True)
def _no_timers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Timer, "made", [])
    monkeypatch.setattr(module.threading, "Timer", Timer)


@pytest.fixture
def calls() -> list[int]:
    return []


@pytest.fixture
def interruption(calls: list[int]) -> Interruption:
    interruption = Interruption()
    interruption.listen(lambda: calls.append(1))
    return interruption


def test_before_any_signal(interruption: Interruption) -> None:
    interruption.done()
    assert (interruption.signal_number, interruption.hard, interruption.armed) == (0, False, False)


def test_a_signal_that_came_before_anyone_listened_is_told_at_once(calls: list[int]) -> None:
    interruption = Interruption()
    interruption.handle(signal.SIGINT, None)
    interruption.listen(lambda: calls.append(1))
    assert calls == [1]


def test_the_first_signal_asks_and_sets_a_time(interruption: Interruption, calls: list[int]) -> None:
    interruption.armed = True
    interruption.handle(signal.SIGTERM, None)
    assert (interruption.signal_number, interruption.hard, calls) == (15, False, [1])
    (timer,) = Timer.made
    assert (timer.seconds, timer.function, timer.arguments) == (DRAIN_S, os.kill, (os.getpid(), 15))
    assert (timer.daemon, timer.started, timer.cancelled) == (True, True, False)
    interruption.done()
    assert timer.cancelled


def test_the_second_signal_leaves_what_runs_and_later_ones_change_nothing(
    interruption: Interruption, calls: list[int]
) -> None:
    interruption.armed = True
    interruption.handle(signal.SIGTERM, None)
    with pytest.raises(KeyboardInterrupt):
        interruption.handle(signal.SIGINT, None)
    interruption.handle(signal.SIGINT, None)
    assert (interruption.signal_number, interruption.hard, interruption.armed, calls) == (15, True, False, [1, 1])
    assert len(Timer.made) == 1


def test_while_cleaning_up_no_signal_leaves_anything(interruption: Interruption, calls: list[int]) -> None:
    for _ in range(3):
        interruption.handle(signal.SIGINT, None)
    assert (interruption.hard, calls) == (True, [1, 1])


@pytest.mark.parametrize(
    ("hard", "text"),
    [
        (False, "SIGINT ended the run in order: its sources were stopped, all else finished"),
        (True, "SIGINT ended the run at once; items under way are lost"),
    ],
)
def test_the_error_says_how_the_run_ended(interruption: Interruption, hard: bool, text: str) -> None:
    interruption.handle(signal.SIGINT, None)
    interruption.hard = hard
    error = interruption.error()
    assert (type(error), str(error), error.exit_code) == (Interrupted, text, 130)


@pytest.fixture
def handlers() -> Iterator[dict[int, Any]]:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield before
    for number, handler in before.items():
        signal.signal(number, handler)


def test_handlers_are_in_place_for_the_time_of_the_block(handlers: dict[int, Any]) -> None:
    def leave() -> None:
        with interruptible() as interruption:
            assert {signal.getsignal(number) for number in SIGNALS} == {interruption.handle}
            interruption.handle(signal.SIGINT, None)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        leave()
    assert {number: signal.getsignal(number) for number in SIGNALS} == handlers
    assert Timer.made[0].cancelled


def test_a_handler_that_is_not_python_s_is_left_as_it_is(
    handlers: dict[int, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.signal, "getsignal", lambda number: None)
    with interruptible():
        pass


def test_outside_the_main_thread_signals_are_left_alone(
    handlers: dict[int, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.threading, "main_thread", lambda: None)
    assert threading.current_thread() is not None
    with interruptible() as interruption:
        assert {number: signal.getsignal(number) for number in SIGNALS} == handlers
    assert interruption.signal_number == 0
