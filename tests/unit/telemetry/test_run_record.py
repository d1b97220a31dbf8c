"""The run record as plain values and back, and counters summed per PE."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from d4py_adaptive.telemetry.board import Counters, State
from d4py_adaptive.telemetry.run_record import SCHEMA_VERSION, PETotals, RunRecord, totals

Make = Callable[..., RunRecord]


def test_a_record_comes_back_from_json(make_record: Make) -> None:
    record = make_record(error="no", failure={"pe": "A0"}, dead_letters=3, ended_at_s=2.0, instances=[{"pe": "A0"}])
    assert RunRecord.from_dict(json.loads(json.dumps(record.to_dict()))) == record


def test_a_record_says_its_version(make_record: Make) -> None:
    assert make_record().to_dict()["schema_version"] == SCHEMA_VERSION == 1


def test_what_a_later_program_added_is_passed_over(make_record: Make) -> None:
    assert RunRecord.from_dict(make_record().to_dict() | {"new": 1}) == make_record()


@pytest.mark.parametrize("version", [None, 0, 2, "1"])
def test_another_version_is_refused(make_record: Make, version: Any) -> None:
    with pytest.raises(ValueError, match=f"^schema version 1 is needed; got {version!r}$"):
        RunRecord.from_dict(make_record().to_dict() | {"schema_version": version})


@pytest.mark.parametrize("data", [[], None, "record", 3])
def test_what_is_no_object_is_no_record(data: Any) -> None:
    with pytest.raises(ValueError, match=f"^a record is an object; got {type(data).__name__}$"):
        RunRecord.from_dict(data)


def test_a_record_with_fields_missing_is_refused(make_record: Make) -> None:
    data = make_record().to_dict()
    del data["host"]
    with pytest.raises(TypeError, match="host"):
        RunRecord.from_dict(data)


def test_counters_are_summed_per_pe_in_the_order_of_the_plan() -> None:
    one = Counters("B1[0]", "B1", 0, State.DONE, 9, 4, 3, 2, 1, 0.5, 0.25, 1, 0, 0)
    two = replace(one, label="B1[1]", index=1, items_in=6, busy_s=1.0)
    last = replace(one, label="A0[0]", pe="A0")
    assert totals([one, last, two]) == [
        PETotals("B1", 2, 10, 6, 1.5, 0.5, 2),
        PETotals("A0", 1, 4, 3, 0.5, 0.25, 1),
    ]
    assert totals([]) == []
