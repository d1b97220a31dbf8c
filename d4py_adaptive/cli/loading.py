"""Finds the workflow that a command names, whichever generation of dispel4py its file was written for."""

from __future__ import annotations

from collections.abc import Mapping

from d4py_adaptive.dispel4py.standing_in import stand_in
from d4py_adaptive.runtime import loading
from d4py_adaptive.runtime.loading import Loaded


def load(target: str, attribute: str | None, parameters: Mapping[str, str]) -> Loaded:
    """What `d4py_adaptive.runtime.loading.load` finds, where `import dispel4py` leads to this package."""
    stand_in()
    return loading.load(target, attribute, parameters)
