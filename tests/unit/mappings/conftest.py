"""Workers driven by hand: links that keep what is sent, a clock that stands still."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from d4py_adaptive import GenericPE, WorkflowGraph
from d4py_adaptive.dataflow.inputs import resolve_inputs
from d4py_adaptive.dataflow.plan import Plan, Stage
from d4py_adaptive.mappings.job import Job
from d4py_adaptive.mappings.worker import Worker
from d4py_adaptive.telemetry.board import Board
from d4py_adaptive.testing.clocks import ManualClock
from d4py_adaptive.wire.frame import Frame, read_frames


@dataclass
class Kept:
    """Links, observer and collector in one: keeps everything it is given."""

    kept: list[tuple[list[int], bool]] = field(default_factory=list)
    frames: list[tuple[int, Frame]] = field(default_factory=list)
    lines: list[tuple[str, str]] = field(default_factory=list)
    events: list[Mapping[str, Any]] = field(default_factory=list)
    results: list[tuple[str, str, Any]] = field(default_factory=list)
    starts: int = 0

    def keep(self, buffer: memoryview, workers: Sequence[int], is_alone: bool) -> bytes:
        self.kept.append((list(workers), is_alone))
        return bytes(buffer)

    def send(self, worker: int, frame: Frame) -> None:
        self.frames.append((worker, frame))

    def line(self, instance: str, text: str) -> None:
        self.lines.append((instance, text))

    def event(self, event: Mapping[str, Any]) -> None:
        self.events.append(event)

    def result(self, pe: str, port: str, item: Any) -> None:
        self.results.append((pe, port, item))

    def started(self) -> None:
        self.starts += 1


@dataclass
class Bench:
    """A job on workers that are driven by hand; frames between them wait until they are delivered.

    Attributes:
        job: the job.
        links: of each worker.
        workers: the workers.
        launcher: what the collector was given.
    """

    job: Job
    links: list[Kept]
    workers: list[Worker]
    launcher: Kept
    board: Board

    def run(self, rounds: int = 10_000) -> None:
        """Give turns and deliver frames, oldest first, until nothing can go on."""
        for _ in range(rounds):
            went_on = [worker.step() for worker in self.workers if not worker.aborted]
            if not any([*went_on, self.deliver()]):
                return
        raise AssertionError("the run does not come to an end")

    def deliver(self) -> bool:
        """Deliver every frame that waits; whether there was one. Those for the launcher stay."""
        delivered = False
        for links in self.links:
            waiting, links.frames = links.frames, []
            for number, frame in waiting:
                if number < 0:
                    links.frames.append((number, frame))
                else:
                    for received in read_frames(frame.parts()):
                        self.workers[number].receive(received)
                    delivered = True
        return delivered

    @property
    def results(self) -> list[Any]:
        return [item for _, _, item in self.launcher.results]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def make_job(clock: ManualClock) -> Callable[..., Job]:
    """Make a job of PEs and `(source, output, target, input)` connections, one stage per PE on worker 0."""

    def make(
        pes: list[GenericPE],
        connections: list[tuple[int, str, int, str]],
        stages: list[tuple[str, tuple[int, ...]]] | None = None,
        inputs: object = None,
        **options: Any,
    ) -> Job:
        graph = WorkflowGraph()
        for pe in pes:
            graph.add(pe)
        for source, output, target, input_ in connections:
            graph.connect(pes[source], output, pes[target], input_)
        workflow = graph.freeze()
        stages = stages or [(pe, (0,)) for pe in workflow.order]
        workers = 1 + max(worker for _, on in stages for worker in on)
        plan = Plan(tuple(Stage(tuple(pes.split()), on) for pes, on in stages), workers, "test").check(workflow)
        return Job(workflow, plan, resolve_inputs(workflow, inputs), clock=clock, **options)

    return make


@pytest.fixture
def make_bench(make_job: Callable[..., Job]) -> Callable[..., Bench]:
    """Make workers for a job (see `make_job`); results are collected on the spot unless `collect=False`."""

    def make(*arguments: Any, collect: bool = True, restless: Any = None, **options: Any) -> Bench:
        job = make_job(*arguments, **options)
        board = Board(job.workflow, job.plan, None)
        launcher = Kept()
        links = [Kept() for _ in range(job.plan.workers)]
        workers = [
            Worker(job, number, board, links[number], launcher.result if collect else None, restless)
            for number in range(job.plan.workers)
        ]
        return Bench(job, links, workers, launcher, board)

    return make
