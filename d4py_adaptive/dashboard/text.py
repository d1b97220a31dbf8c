"""Text that is safe and short enough to show in a terminal."""

from __future__ import annotations

import re
import reprlib
import sys
from typing import Any

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def plain(text: str) -> str:
    """The text without control characters: what PEs print must not steer the terminal."""
    return _CONTROL.sub("", text)


def short(item: Any, width: int = 160) -> str:
    """An item in one line of at most `width` characters."""
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(item, numpy.ndarray) and item.ndim:
        return f"array {item.dtype} {' x '.join(map(str, item.shape))}"
    shortener = reprlib.Repr()
    shortener.maxstring = shortener.maxother = width
    try:
        text = item if isinstance(item, str) else shortener.repr(item)
    except Exception:  # noqa: BLE001 - a __repr__ of the user's, or a number too long to print
        text = f"<{type(item).__name__}>"
    text = plain(" ".join(text.split()))
    return text if len(text) <= width else text[: width - 1] + "…"


def duration(seconds: float) -> str:
    """A time span as people read it."""
    if seconds < 0.001:
        return f"{seconds * 1e6:.1f} us" if seconds else "0"
    if seconds < 1:
        return f"{seconds * 1000:.1f} ms"
    if seconds < 100:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
