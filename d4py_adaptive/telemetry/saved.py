"""How values are saved: as JSON that says which version it is of, and that is checked when it is read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from d4py_adaptive.errors import InputError

_MOST_BYTES = 64 * 2**20

T = TypeVar("T", bound="Saved")


class Saved(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A value that is written to disk and read back: immutable, every field checked."""

    def to_json(self) -> str:
        """The value as JSON, a line per entry."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1).decode() + "\n"


def read_saved(kind: type[T], text: str | bytes, where: str) -> T:
    """The value that JSON holds.

    Args:
        kind: what it is to be; its `schema_version` must be the one that the text names.
        text: the JSON.
        where: what to call it in messages.

    Raises:
        InputError: it is no JSON, of another version, or a field is missing, unknown or of the wrong type.
    """
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", kind.__name__).lower()
    wanted = getattr(kind, "SCHEMA_VERSION", None)
    if len(text) > _MOST_BYTES:
        raise InputError(f"{where} is larger than {_MOST_BYTES >> 20} MiB, which no {name} is")
    try:
        found = msgspec.json.decode(text, type=dict[str, Any]).get("schema_version")
        if found != wanted:
            raise InputError(
                f"{where} is of schema version {found!r}; version {wanted} is needed: make it again with this d4py"
            )
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        reason = " ".join(str(error).split())  # it may quote a name of several lines
        raise InputError(f"{where} holds no {name} that can be read: {reason}") from error


def read_saved_file(kind: type[T], path: Path) -> T:
    """The value that a file holds.

    Raises:
        InputError: there is no such file, or `read_saved` refuses what it holds.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    return read_saved(kind, text, str(path))


def json_schema(kind: type[Saved]) -> dict[str, Any]:
    """The JSON schema of what `kind` is saved as."""
    return msgspec.json.schema(kind)
