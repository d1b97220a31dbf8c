"""The tree of errors, and the one value that says how a processing element failed.

    D4pyError
    ├── WorkflowError         the graph cannot run: bad port, cycle, bad grouping
    ├── InputError            what the user gave (file, option, input data) does not fit
    ├── PlanError             a plan does not fit its workflow
    ├── MissingDependency     an optional package is needed; says how to install it
    ├── WireError             bytes that are not a frame, or an item that cannot be encoded
    ├── UnknownName           a name that a registry does not hold; lists those it does
    └── RunError              a run ended early
        ├── PEError           a PE raised, or its item could not travel; carries a Failure
        ├── WorkerDied        a worker process ended without being asked
        └── Interrupted       Ctrl-C or SIGTERM ended the run

Every message says what was required, what was got, and the likely fix.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any


class D4pyError(Exception):
    """Base of every error this package raises on purpose; `exit_code` is what the command returns."""

    exit_code = 1

    def __reduce__(self) -> tuple[Any, ...]:
        return _revive, (type(self), self.args, self.__dict__)


def _revive(kind: type[D4pyError], arguments: tuple[Any, ...], state: dict[str, Any]) -> D4pyError:
    """An error as it was in another process, whatever its constructor takes."""
    error = kind.__new__(kind)
    error.args = arguments
    error.__dict__.update(state)
    return error


class WorkflowError(D4pyError):
    """The workflow cannot run as it is connected."""

    exit_code = 2


class InputError(D4pyError):
    """What the user gave does not fit: a file, an option, input data."""

    exit_code = 2


class PlanError(D4pyError):
    """A plan does not fit its workflow."""

    exit_code = 2


class MissingDependency(D4pyError):  # noqa: N818 - reads as the sentence it is
    """An optional package is not installed.

    Args:
        package: what could not be imported.
        purpose: what needs it.
        extra: the extra of this package that brings it.
    """

    exit_code = 2

    def __init__(self, package: str, purpose: str, extra: str) -> None:
        super().__init__(
            f"{purpose} needs the package {package!r}, which is not installed; "
            f"install it with: pip install 'd4py_adaptive[{extra}]'"
        )


class WireError(D4pyError):
    """Bytes that are not a frame, or an item that cannot be encoded."""


class UnknownName(D4pyError):  # noqa: N818
    """A name that is not known; the message lists the names that are, and the nearest."""

    exit_code = 2

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        super().__init__(f"unknown {kind} {name!r}{did_you_mean(name, names)}; known: {', '.join(names) or 'none'}")


class RunError(D4pyError):
    """A run ended early."""


@dataclass(frozen=True, slots=True)
class Failure:
    """How a processing element failed: where, on what, and the user's own traceback.

    Attributes:
        pe: id of the PE.
        instance: number of the instance within its PE, from 0.
        method: the life-cycle method that failed (`process`, `preprocess`, `postprocess`) or `write`.
        port: the input port of the item, or the output port for `write`; empty where there is none.
        item: number of the item within its instance, from 1; 0 where there is none.
        host: name of the machine.
        worker: number of the worker (an MPI rank under MPI).
        error_type: class name of the exception.
        message: its text.
        traceback: the formatted traceback, the user's frames only where they can be told apart.
    """

    pe: str
    instance: int
    method: str
    port: str
    item: int
    host: str
    worker: int
    error_type: str
    message: str
    traceback: str

    def where(self) -> str:
        """One line that names the instance, the method, the port, the item, the host and the worker."""
        parts = [f"{self.pe}[{self.instance}].{self.method}"]
        if self.port:
            parts.append(f"port {self.port!r}")
        if self.item:
            parts.append(f"item {self.item}")
        parts.append(f"on {self.host}, worker {self.worker}")
        return ", ".join(parts)

    def to_dict(self) -> dict[str, object]:
        """The failure as plain values, for the run record."""
        return asdict(self)


class PEError(RunError):
    """A processing element failed; `failure` says how."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"{failure.error_type}: {failure.message} (in {failure.where()})")
        self.failure = failure


class WorkerDied(RunError):  # noqa: N818
    """A worker process ended without being asked."""

    exit_code = 4


class Interrupted(RunError):  # noqa: N818
    """Ctrl-C or SIGTERM ended the run; `exit_code` is 128 + the signal's number."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` for the nearest known name, or nothing."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""
