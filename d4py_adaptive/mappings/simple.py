"""The simple mapping: one worker, in the process that started the run."""

from __future__ import annotations

from collections.abc import Mapping as MappingType
from collections.abc import Sequence
from typing import Any

from d4py_adaptive.errors import PEError, PlanError, RunError
from d4py_adaptive.mappings.base import Mapping
from d4py_adaptive.mappings.interruption import Interruption
from d4py_adaptive.mappings.job import Job, Observer
from d4py_adaptive.mappings.output import lines_of
from d4py_adaptive.mappings.reporting import report
from d4py_adaptive.mappings.worker import Worker
from d4py_adaptive.telemetry.board import Board
from d4py_adaptive.wire.frame import Frame


class _Alone:
    """The links of a worker that has nobody to send to."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer

    def send(self, worker: int, frame: Frame) -> None:
        """There is nobody.

        Raises:
            RunError: always.
        """
        raise RunError(
            f"a run on one worker has a {frame.kind.name} frame for worker {worker}; the plan is not its own"
        )

    def keep(self, buffer: memoryview, workers: Sequence[int], is_alone: bool) -> bytes:  # noqa: ARG002 - the protocol
        """A copy."""
        return bytes(buffer)

    def line(self, instance: str, text: str) -> None:
        """Pass on a line."""
        self._observer.line(instance, text)

    def event(self, event: MappingType[str, Any]) -> None:
        """Pass on an event."""
        self._observer.event(event)


class SimpleMapping(Mapping):
    """Everything in this process, one call after the other."""

    name = "simple"
    parallel = False

    def settle(self, job: Job) -> Job:
        """The job, whose plan must be one for a single worker.

        Raises:
            PlanError: it is not.
        """
        if job.plan.workers > 1:
            raise PlanError(f"the simple mapping has one worker; this plan has {job.plan.workers}: use -m multi")
        return job

    def run(self, job: Job, observer: Observer, interruption: Interruption) -> None:
        """Enact the job here and now (see `Mapping.run`)."""
        board = Board(job.workflow, job.plan, job.board)
        worker = Worker(job, 0, board, _Alone(observer), collect=observer.result)
        interruption.listen(worker.stop)
        observer.started()
        with lines_of(worker):
            try:
                run_alone(worker)
            finally:
                worker.abort()
        report(worker)


def run_alone(worker: Worker) -> None:
    """Run a worker that needs nobody else to its end.

    Raises:
        PEError: a PE failed.
        RunError: nothing can go on although not everything has finished; a fault of this package.
    """
    while not worker.finished:
        went_on = worker.step() or worker.tell()
        if worker.broken is not None:
            raise worker.broken
        if worker.failure is not None:
            failure, error = worker.failure
            raise PEError(failure) from error
        if not went_on and not worker.finished:
            raise RunError("the run is stuck: no stage can go on and not all have finished; please report this")
