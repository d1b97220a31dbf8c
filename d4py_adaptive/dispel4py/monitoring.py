"""PEs that time another PE: wrap it, and connect the wrapper in its place."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from d4py_adaptive.clock import monotonic_ns
from d4py_adaptive.dataflow.pe import GenericPE
from d4py_adaptive.dataflow.replication_rule.verdict import read_state


class Timer:
    """A `with` block that measures itself: `secs` is how long it took, in seconds."""

    def __init__(self, verbose: bool = False) -> None:
        self.verbose = verbose
        self.secs = 0.0

    def __enter__(self) -> Timer:
        self.start = monotonic_ns() / 1e9
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.end = monotonic_ns() / 1e9
        self.secs = self.end - self.start


class _Watching(GenericPE):
    """The PE it is made from, of a class that extends that PE's, with an average to log at the end."""

    what = "time"

    def __new__(cls, pe: GenericPE | None = None) -> _Watching:
        extended = cls if pe is None else type(type(pe).__name__, (cls, type(pe)), {})
        return object.__new__(extended)

    def __init__(self, pe: GenericPE) -> None:
        vars(self).update(vars(pe))
        self.times_total = 0.0
        self.times_count = 0
        if read_state(pe).stateless:
            self.stateless = True  # what is added here are times, which no item depends on

    def postprocess(self) -> None:
        """Do what the PE does, and log the average."""
        super().postprocess()
        if self.times_count:
            self.log(f"Average {self.what}: {self.times_total / self.times_count}")


class ProcessTimingPE(_Watching):
    """`ProcessTimingPE(pe)` does what `pe` does, and logs how long its `process` took on average, in seconds."""

    what = "processing time"

    def process(self, inputs: dict[str, Any]) -> Any:
        """Do what the PE does, and time it."""
        with Timer() as timer:
            result = super().process(inputs)
        self.times_total += timer.secs
        self.times_count += 1
        return result


class ReadTimingWrapper(_Watching):
    """`ReadTimingWrapper(pe)` does what `pe` does, and logs how long it waited for an item on average, in seconds."""

    what = "read rate"

    def process(self, inputs: dict[str, Any]) -> Any:
        """Do what the PE does, and time it."""
        now_s = monotonic_ns() / 1e9
        left_s: float | None = getattr(self, "_left_s", None)
        if left_s is not None:
            self.times_total += now_s - left_s
            self.times_count += 1
        result = super().process(inputs)
        self._left_s = monotonic_ns() / 1e9
        return result
