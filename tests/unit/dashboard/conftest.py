"""Counters and a record to be shown, on a terminal of a known width."""

from collections.abc import Callable
from typing import Any

import pytest

from d4py_adaptive.telemetry.board import Counters, State
from d4py_adaptive.telemetry.run_record import RunRecord


@pytest.fixture(autouse=True)
def _plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("NO_COLOR", "1")


@pytest.fixture
def make_counters() -> Callable[..., Counters]:
    def make(pe: str, **changes: Any) -> Counters:
        values: dict[str, Any] = {
            "label": f"{pe}[0]", "pe": pe, "index": 0, "state": State.DONE, "item": 0, "items_in": 0, "items_out": 0,
            "bytes_in": 0, "bytes_out": 0, "busy_s": 0.0, "blocked_s": 0.0, "skipped": 0, "retried": 0, "pid": 1,
        }  # fmt: skip
        return Counters(**(values | changes))

    return make


@pytest.fixture
def make_record() -> Callable[..., RunRecord]:
    def make(**changes: Any) -> RunRecord:
        values: dict[str, Any] = {
            "id": "20240229-120000.000-abcdef", "workflow": "flow.py", "state": "completed", "mapping": "multi",
            "workers": 2, "start_method": "fork", "seed": 7, "argv": [], "host": "node4", "pid": 4711,
            "pid_started_s": 1.5, "started_at_s": 1000.0, "ended_at_s": 1002.5, "instances": [], "environment": {},
        }  # fmt: skip
        return RunRecord(**(values | changes))

    return make
