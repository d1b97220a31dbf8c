"""What a mapping is: a transport and a launch for the one worker loop."""

from __future__ import annotations

from abc import ABC, abstractmethod

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

    @abstractmethod
    def run(self, job: Job, observer: Observer) -> None:
        """Enact the job to its end; what leaves the workflow goes to the observer as it comes.

        Raises:
            PEError: a PE failed.
            WorkerDied: a worker ended without being asked.
            Interrupted: Ctrl-C or SIGTERM ended the run.
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
