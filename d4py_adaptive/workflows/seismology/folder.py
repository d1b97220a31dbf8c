"""The output folder, and files in it that are either whole or not there."""

from __future__ import annotations

import os
from pathlib import Path

from d4py_adaptive.errors import InputError

FIX = "give another with -p output=..."


def make_folder(folder: str) -> Path:
    """The folder, made if need be.

    Raises:
        InputError: it cannot be made or written to.
    """
    path = Path(folder)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"the output folder {path} cannot be created ({error.strerror}); {FIX}") from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise InputError(f"the output folder {path} must be writable, but is not; {FIX}")
    return path


def require_creatable(folder: Path) -> None:
    """Refuse, without making anything, a folder that could not be made.

    Raises:
        InputError: it or the nearest thing above it that exists is not a folder that may be written to.
    """
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    if not nearest.is_dir():
        raise InputError(f"the output folder {folder} cannot be created: {nearest} is a file; {FIX}")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise InputError(f"the output folder {folder} cannot be created: {nearest} is not writable; {FIX}")


def write_whole(path: Path, content: bytes) -> None:
    """Put `content` into the file, which readers see either as it was or complete."""
    # A name of this process alone, since another replica may be writing into the same folder.
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_bytes(content)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
