"""When a run that is only a sample has seen enough."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from d4py_adaptive.mappings.job import Job
from d4py_adaptive.mappings.meter import NEVER
from d4py_adaptive.mappings.replica import Replica


@dataclass(frozen=True, slots=True)
class Sample:
    """How much of the input one worker's sources are to give.

    Attributes:
        until_ns: for how long.
        items: so many items, at least, of each source; None for any number.
    """

    until_ns: int
    items: int | None

    @classmethod
    def of(cls, job: Job) -> Sample | None:
        """The sample that a job asks for, from now on; None if it asks for all."""
        if job.sample_s is None and job.sample_items is None:
            return None
        until_ns = NEVER if job.sample_s is None else job.clock() + int(job.sample_s * 1e9)
        return cls(until_ns, job.sample_items)

    def is_enough(self, replicas: Iterable[Replica], now_ns: int) -> bool:
        """Whether the sources here need not go on."""
        if now_ns >= self.until_ns:
            return True
        sources = [feed.instance for replica in replicas for feed in replica.feeds if feed.is_source]
        return self.items is not None and bool(sources) and all(i.items_out >= self.items for i in sources)
