"""What a full profile looks through: the worker loop calls it, and knows no more of it than this."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from d4py_adaptive.dataflow.pe import GenericPE


class Probe(Protocol):
    """Looks at single calls and items of one instance. The worker loop decides which, so that the cost stays small."""

    def before(self, pe: GenericPE, call: int) -> None:
        """The call of this number, which is looked at, begins."""

    def called(self, own_ns: int, item_bytes: int | None) -> None:
        """It ended, after so long in the PE's own code, for an item of so many bytes if it had one."""

    def wrote(self, stream: str, item: Any, keys: tuple[object, ...]) -> None:
        """An item was written to a stream, which groups by these keys, if any."""

    def span(self, kind: str, start_ns: int, end_ns: int) -> None:
        """A call, or a wait in the middle of one, ended; told of each, not only of those that are looked at."""

    def report(self) -> Mapping[str, Any]:
        """What was found, as plain values; the event in which it travels."""


class Instrument(Protocol):
    """Makes the probes of a run; travels to the workers with the job."""

    def probe(self, pe: str, index: int, origin_ns: int) -> Probe:
        """The probe of one instance; spans count from `origin_ns`."""
