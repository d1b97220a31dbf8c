"""Writes a file whole or not at all."""

from __future__ import annotations

import secrets
from pathlib import Path

from d4py_adaptive.errors import InputError


def save(content: bytes, path: Path) -> None:
    """Write the file beside its place, then put it there.

    Raises:
        InputError: it cannot be written.
    """
    target = path.resolve()  # what a symbolic link points to is replaced, not the link
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        try:
            draft.write_bytes(content)
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}") from error
