"""What a mapping is: a transport and a launch for the one worker loop."""

from __future__ import annotations

from abc import ABC, abstractmethod

from d4py_adaptive.mappings.interruption import Interruption
from d4py_adaptive.mappings.job import Job, Observer
from d4py_adaptive.registry import Registry


class Mapping(ABC):
    """Enacts a job.

    Attributes:
        name: what `-m` calls it.
        parallel: whether it uses more than one worker.
    """

    name: str
    parallel: bool

    def settle(self, job: Job) -> Job:
        """The job with whatever this mapping chooses where the user did not; the record shows it.

        Raises:
            InputError: the job asks for what this mapping cannot do.
        """
        return job

    @abstractmethod
    def run(self, job: Job, observer: Observer, interruption: Interruption) -> None:
        """Enact the job to its end; what leaves the workflow goes to the observer as it comes.

        Args:
            job: the run.
            observer: is told of results, lines and events.
            interruption: has `on_signal` set to what makes the sources stop.

        Raises:
            PEError: a PE failed.
            WorkerDied: a worker ended without being asked.
        """


MAPPINGS: Registry[type[Mapping]] = Registry(
    "mapping",
    {
        "simple": "d4py_adaptive.mappings.simple:SimpleMapping",
        "multi": "d4py_adaptive.mappings.multi:MultiMapping",
        "toy": "d4py_adaptive.mappings.toy:ToyMapping",
    },
    "d4py_adaptive.mappings",
)
