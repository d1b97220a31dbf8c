"""A home of its own for every test, and a view that keeps what it is told."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest


@dataclass
class Kept:
    """A view that keeps what it is told."""

    results: list[tuple[str, str, Any]] = field(default_factory=list)
    lines: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    started_with: list[Any] = field(default_factory=list)

    def started(self, directory: Any, plan: Any, read: Any) -> None:
        self.started_with += [directory, plan, read]

    def result(self, pe: str, port: str, item: Any) -> None:
        self.results.append((pe, port, item))

    def line(self, instance: str, text: str) -> None:
        self.lines.append((instance, text))

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("D4PY_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def view() -> Kept:
    return Kept()
