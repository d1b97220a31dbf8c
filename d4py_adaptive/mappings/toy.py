"""The toy mapping: many workers in one process, and a seeded scheduler that does its worst.

Frames are encoded, delayed and decoded as between processes; turns are given at random, PEs are suspended at random
writes, and stage replicas move between workers in the middle of the run. What can deadlock or overtake does so here,
in milliseconds, and the seed brings it back.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Sequence
from collections.abc import Mapping as MappingType
from functools import partial
from typing import Any

from d4py_adaptive.errors import PEError, RunError
from d4py_adaptive.mappings.base import Mapping
from d4py_adaptive.mappings.interruption import Interruption
from d4py_adaptive.mappings.job import Job, Observer
from d4py_adaptive.mappings.links import LAUNCHER
from d4py_adaptive.mappings.moving import adopt, release
from d4py_adaptive.mappings.output import lines_of
from d4py_adaptive.mappings.reporting import report
from d4py_adaptive.mappings.results import ResultSink
from d4py_adaptive.mappings.worker import Worker
from d4py_adaptive.telemetry.board import Board
from d4py_adaptive.wire.encoding import Encoded
from d4py_adaptive.wire.frame import Frame, Kind, read_frames

GIVE_WAY = 0.2
MOVE = 0.02


class _Link:
    """One worker's way out: every frame goes into the queue to its destination, as bytes."""

    def __init__(self, number: int, network: Network) -> None:
        self._number = number
        self._network = network

    def send(self, worker: int, frame: Frame) -> None:
        """Queue a frame."""
        self._network.queues.setdefault((self._number, worker), deque()).append(b"".join(frame.parts()))

    def keep(self, buffer: memoryview, workers: Sequence[int], is_alone: bool) -> bytes:  # noqa: ARG002 - the protocol
        """A copy."""
        return bytes(buffer)

    def line(self, instance: str, text: str) -> None:
        """Pass on a line."""
        self._network.observer.line(instance, text)

    def event(self, event: MappingType[str, Any]) -> None:
        """Pass on an event."""
        self._network.observer.event(event)


class Network:
    """The queues between the workers of a toy run, first in first out each, and the seeded scheduler over all."""

    def __init__(self, job: Job, observer: Observer) -> None:
        self.queues: dict[tuple[int, int], deque[bytes]] = {}
        self.observer = observer
        self._random = random.Random(job.seed)
        self._sink = ResultSink(job, observer)
        self._board = board = Board(job.workflow, job.plan, job.board)
        self.links = [_Link(number, self) for number in range(job.plan.workers)]
        self.workers = [
            Worker(job, number, board, self.links[number], restless=self._gives_way)
            for number in range(job.plan.workers)
        ]

    def _gives_way(self) -> bool:
        return self._random.random() < GIVE_WAY

    def stop(self) -> None:
        """Let every worker stop its sources."""
        for worker in self.workers:
            worker.stop()

    def run(self) -> None:
        """Let the scheduler choose until everything has finished.

        Raises:
            PEError: a PE failed.
            RunError: nothing is left to choose and not everything has finished.
        """
        while self.queues or not (self._sink.complete and all(worker.finished for worker in self.workers)):
            moves = self._possible_moves()
            if not moves:
                raise RunError("the toy run is stuck: no frame under way, nobody can go on, and not all have finished")
            self._random.choice(moves)()
            self._maybe_relocate()
            for worker in self.workers:
                if worker.failure is not None:
                    failure, error = worker.failure
                    raise PEError(failure) from error

    def _possible_moves(self) -> list[Callable[[], None]]:
        moves: list[Callable[[], None]] = [partial(self._deliver, channel) for channel in sorted(self.queues)]
        for worker in self.workers:
            moves += [partial(worker.run, replica) for replica in worker.ready()]
            moves += [] if worker.outbox.is_empty else [worker.outbox.flush]
            moves += [partial(_tell, worker)] if worker.has_word else []
        return moves

    def _deliver(self, channel: tuple[int, int]) -> None:
        queue = self.queues[channel]
        (frame,) = read_frames([queue.popleft()])
        if not queue:
            del self.queues[channel]
        if channel[1] == LAUNCHER:
            credit = self._sink.receive(frame)
            if credit is not None:
                # Credit enters at any worker; it finds the sender wherever that lives by now.
                at = self._random.randrange(len(self.workers))
                self.queues.setdefault((LAUNCHER, at), deque()).append(b"".join(credit.parts()))
        elif frame.kind is Kind.CONTROL:
            adopt(self.workers[channel[1]], self._board, bytes(frame.items[0].body))
        else:
            self.workers[channel[1]].receive(frame)

    def _maybe_relocate(self) -> None:
        """Now and then, move a replica that is between items to another worker; news of it travels like any frame."""
        if len(self.workers) < 2 or self._random.random() > MOVE:
            return
        origin, destination = self._random.sample(self.workers, 2)
        movable = [replica for replica in origin.replicas if replica.between_items]
        if not movable:
            return
        replica = self._random.choice(movable)
        numbers = [instance.ref.number for instance in replica.instances.values()]
        state = release(origin, replica, destination.number)
        link = self.links[origin.number]
        item = Encoded(state, (), len(state))
        link.send(destination.number, Frame(Kind.CONTROL, ports=[0], items=[item]))
        for other in self.workers:
            for number in numbers if other not in (origin, destination) else ():
                news = Frame(Kind.RELOCATE, 0, number, destination.number, generation=origin.moves[number])
                link.send(other.number, news)


def _tell(worker: Worker) -> None:
    worker.tell()


class ToyMapping(Mapping):
    """All workers in this process, scheduled at random from the run's seed; for tests, not for speed."""

    name = "toy"
    parallel = True

    def run(self, job: Job, observer: Observer, interruption: Interruption) -> None:
        """Enact the job under the adversarial scheduler (see `Mapping.run`)."""
        network = Network(job, observer)
        interruption.listen(network.stop)
        observer.started()
        with lines_of(*network.workers):
            try:
                network.run()
            finally:
                for worker in network.workers:
                    worker.abort()
        for worker in network.workers:
            report(worker)
