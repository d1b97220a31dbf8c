"""Stands in for dispel4py during a test, and no longer."""

import sys
from collections.abc import Iterator

import pytest

from d4py_adaptive.dispel4py.standing_in import stand_in
from d4py_adaptive.mappings.launch import IMPORTED_FIRST


@pytest.fixture
def standing_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    before = set(IMPORTED_FIRST)
    stand_in()
    yield
    IMPORTED_FIRST.intersection_update(before)
    for name in [name for name in sys.modules if name.partition(".")[0] == "dispel4py"]:
        del sys.modules[name]
