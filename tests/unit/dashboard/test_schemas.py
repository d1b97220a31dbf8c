"""The JSON schemas in docs/ are those of what is written."""

import inspect
import json
from pathlib import Path
from typing import Any

import pytest

from d4py_adaptive.telemetry.diagnosis import Diagnosis
from d4py_adaptive.telemetry.profile import Profile
from d4py_adaptive.telemetry.saved import Saved, json_schema

DOCS = Path(__file__).parents[3] / "docs"
KINDS: dict[str, type[Saved]] = {"diagnosis": Diagnosis, "profile": Profile}
AGAIN = "out of date; make it again: python tests/unit/dashboard/test_schemas.py"


def written(kind: type[Saved]) -> str:
    return json.dumps(dedented(json_schema(kind)), indent=1) + "\n"


def dedented(value: Any) -> Any:
    """The schema with descriptions as Python 3.13 keeps docstrings: without their indentation."""
    if isinstance(value, dict):
        return {
            name: inspect.cleandoc(entry) if name == "description" and isinstance(entry, str) else dedented(entry)
            for name, entry in value.items()
        }
    return [dedented(entry) for entry in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", KINDS)
def test_the_schema_is_up_to_date(name: str) -> None:
    path = DOCS / f"{name}.schema.json"
    assert path.read_text() == written(KINDS[name]), f"docs/{path.name} is {AGAIN}"


if __name__ == "__main__":
    for name, kind in KINDS.items():
        (DOCS / f"{name}.schema.json").write_text(written(kind))
