"""How a PE's call ends otherwise than by returning: it failed, which becomes a value, or it was left."""

from __future__ import annotations

import socket
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from greenlet import GreenletExit

from d4py_adaptive.errors import Failure

if TYPE_CHECKING:
    from d4py_adaptive.mappings.instance import Instance

_PACKAGE = str(Path(__file__).parent.parent)


class Unwind(BaseException):
    """Ends a PE's call from inside `write`; not an Exception, so that a PE's own handlers let it pass."""


NOT_FAILURES = (Unwind, GreenletExit, KeyboardInterrupt)
"""What passes through a PE without being its failure; all else that it raises is, sys.exit() too."""


def failure_of(instance: Instance, method: str, port: str, error: BaseException) -> Failure:
    """How an instance failed in one of its PE's methods, with the user's own frames of the traceback."""
    frames = error.__traceback__
    while frames is not None and frames.tb_next is not None and _is_ours(frames.tb_frame.f_code.co_filename):
        frames = frames.tb_next
    text = "".join(traceback.format_exception(type(error), error, frames))
    calls = instance.calls
    item = calls if method == "process" or (calls and method == "write") else 0
    return Failure(
        instance.ref.pe, instance.ref.index, method, port, item, socket.gethostname(), instance.replica.worker.number,
        type(error).__name__, _message(error), text,
    )  # fmt: skip


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - a user's __str__ may raise anything, which is not what went wrong
        return "(its message cannot be shown)"


def _is_ours(filename: str) -> bool:
    return filename.startswith(_PACKAGE) and ("mappings" in filename or "dataflow" in filename)
