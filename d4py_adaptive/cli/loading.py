"""Finds the workflow that a command names, whichever generation of dispel4py its file was written for."""

from __future__ import annotations

from collections.abc import Mapping

from d4py_adaptive.dispel4py.standing_in import stand_in
from d4py_adaptive.errors import InputError
from d4py_adaptive.runtime import loading
from d4py_adaptive.runtime.loading import Loaded


def load(target: str, attribute: str | None, parameters: Mapping[str, str]) -> Loaded:
    """What `d4py_adaptive.runtime.loading.load` finds, where `import dispel4py` leads to this package."""
    stand_in()
    return loading.load(target, attribute, parameters)


def pairs(words: list[str], option: str) -> dict[str, str]:
    """What an option that may be given several times says: `NAME=VALUE`, by name.

    Raises:
        InputError: a word is none of this kind.
    """
    found: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise InputError(f"{option} takes NAME=VALUE; got {word!r}")
        found[name] = value
    return found
