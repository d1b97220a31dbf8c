"""The parts of the multi mapping that need no process."""

import os
import resource
import selectors
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from d4py_adaptive import IterativePE, ProducerPE
from d4py_adaptive.errors import Failure, InputError, PEError, RunError, WorkerDied
from d4py_adaptive.mappings import launch as starting
from d4py_adaptive.mappings import multi
from d4py_adaptive.mappings.assembly import RESULTS
from d4py_adaptive.mappings.interruption import Interruption
from d4py_adaptive.mappings.lending import Lending
from d4py_adaptive.mappings.links import LAUNCHER
from d4py_adaptive.mappings.sockets import Connection, message, read_message
from d4py_adaptive.telemetry.board import Board, Field, State
from d4py_adaptive.wire.frame import Frame, Kind
from d4py_adaptive.wire.slab import Segment
from d4py_adaptive.wire.slots import MIB, SlabSize

Make = Callable[..., Any]
FAILURE = Failure("A0", 0, "process", "i", 1, "host", 0, "ValueError", "no", "Traceback")


class Numbers(ProducerPE):
    pass


class Scale(IterativePE):
    pass


@pytest.fixture
def job(make_job: Make) -> Any:
    stages = [("Numbers0", (0,)), ("Scale1", (1, 2)), ("Scale2", (1, 3))]
    return make_job([Numbers(), Scale(), Scale()], [(0, "output", 1, "input"), (0, "output", 2, "input")], stages)


def test_only_workers_that_exchange_frames_are_joined(job: Any) -> None:
    assert starting._links(job) == {0: {1, 2, 3}, 1: set(), 2: set(), 3: set()}


@pytest.mark.parametrize(
    ("links", "lenders"),
    [
        ({0: {1, 2}, 1: set(), 2: set()}, {0: {0}, 1: {0, 1}, 2: {0, 2}}),
        ({0: {1}, 1: {2}, 2: {3}, 3: set()}, {0: {0}, 1: {0, 1}, 2: {0, 1, 2}, 3: {0, 1, 2, 3}}),
        ({3: {2}, 2: {1}, 1: {0}, 0: set()}, {0: {0, 1, 2, 3}, 1: {1, 2, 3}, 2: {2, 3}, 3: {3}}),
        ({0: {1}, 1: {0}, 2: {0}, 3: set()}, {0: {0, 1, 2}, 1: {0, 1, 2}, 2: {2}, 3: {3}}),
    ],
)
def test_a_worker_can_read_whatever_may_be_passed_on_to_it(
    links: dict[int, set[int]], lenders: dict[int, set[int]]
) -> None:
    assert starting._lenders(links) == lenders


def test_each_worker_gets_its_own_ends_and_a_forked_one_closes_the_rest() -> None:
    controls = [socket.socketpair() for _ in range(3)]
    lifelines = [socket.socketpair() for _ in range(3)]
    joined = {pair: socket.socketpair() for pair in [(0, 1), (1, 2)]}
    size = SlabSize(MIB, MIB)
    segments = {number: Segment.create(number, MIB) for number in range(3)}
    everything: list[Any] = [end for pair in [*controls, *lifelines, *joined.values()] for end in pair]
    everything += segments.values()
    try:
        lent = {number: segments[number] for number in (0, 1)}
        ends = starting._ends_of(1, controls, joined, lifelines, lent, size)
        assert (ends.segments, ends.size, ends.foreign) == (lent, size, [])
        assert (ends.launcher, ends.lifeline) == (controls[1][1], lifelines[1][1])
        assert ends.peers == {0: joined[0, 1][1], 2: joined[1, 2][0]}
        own = {ends.launcher, ends.lifeline, *ends.peers.values(), segments[0], segments[1]}
        assert set(starting._not_of(ends, everything)) == set(everything) - own
        controls[0][0].close()
        segments[2].close()
        assert set(starting._not_of(ends, everything)) == set(everything) - own - {controls[0][0], segments[2]}
    finally:
        for end in everything:
            end.close()


@pytest.mark.parametrize(
    ("platform", "threads", "method"), [("linux", 1, "fork"), ("linux", 2, "forkserver"), ("darwin", 1, "spawn")]
)
def test_the_start_method_that_is_safe(
    monkeypatch: pytest.MonkeyPatch, job: Any, platform: str, threads: int, method: str
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(threading, "active_count", lambda: threads)
    assert starting.default_start_method() == method
    assert multi.MultiMapping().settle(job).start_method == method


def test_a_start_method_that_there_is_not(make_job: Make) -> None:
    with pytest.raises(InputError) as caught:
        multi.MultiMapping().settle(make_job([Numbers()], [], start_method="thread"))
    assert str(caught.value) == "a start method is one of fork, forkserver, spawn; got 'thread'"


def test_a_workflow_that_cannot_be_sent_says_what_to_do(make_job: Make) -> None:
    numbers: Any = Numbers()
    numbers.lock = threading.Lock()
    with pytest.raises(InputError) as caught:
        starting._by_value(make_job([numbers], []))
    assert str(caught.value) == (
        "this workflow cannot be sent to worker processes (TypeError: cannot pickle '_thread.lock' object); open "
        "files, connections and locks in preprocess, or use --start-method fork"
    )


def test_the_user_s_module_travels_with_the_job(make_job: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    import pickle

    module = ModuleType("a_users_file")
    monkeypatch.setitem(sys.modules, "a_users_file", module)
    source = "from d4py_adaptive import ProducerPE\nclass Own(ProducerPE):\n    answer = 42\n"
    exec(source, vars(module))
    sent = starting._by_value(make_job([vars(module)["Own"]()], [], by_value=("a_users_file", "not_loaded")))
    monkeypatch.delitem(sys.modules, "a_users_file")
    assert pickle.loads(sent).workflow.nodes[0].prototype.answer == 42


def test_main_is_hidden_while_a_process_starts() -> None:
    main = sys.modules["__main__"]
    with starting._without_main("fork"):
        assert sys.modules["__main__"] is main

    def start() -> None:
        with starting._without_main("spawn"):
            assert sys.modules["__main__"] is not main
            raise RuntimeError

    with pytest.raises(RuntimeError):
        start()
    assert sys.modules["__main__"] is main


def test_signals_are_held_back_while_a_process_starts() -> None:
    def blocked() -> set[int]:
        return signal.pthread_sigmask(signal.SIG_BLOCK, []) & {signal.SIGINT, signal.SIGTERM}

    with starting._signals_held():
        assert blocked() == {signal.SIGINT, signal.SIGTERM}
    assert blocked() == set()


@pytest.mark.parametrize(
    ("wanted", "limits", "asked"),
    [(100, (1024, 4096), None), (2000, (1024, 4096), (2000, 4096)), (2000, (1024, -1), (2000, -1))],
)
def test_open_files_are_asked_for_as_needed(
    monkeypatch: pytest.MonkeyPatch, wanted: int, limits: tuple[int, int], asked: Any
) -> None:
    got: list[Any] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits)
    monkeypatch.setattr(resource, "setrlimit", lambda _, asked: got.append(asked))
    starting._allow_open_files(wanted)
    assert got == ([asked] if asked else [])


def test_more_open_files_than_the_machine_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 4096))
    with pytest.raises(InputError) as caught:
        starting._allow_open_files(5000)
    assert str(caught.value) == (
        "so many workers need 5000 open files, and this machine allows 4096; use fewer workers"
    )


def test_what_pes_need_is_imported_once_before_the_fork(make_job: Make) -> None:
    numbers, scale = Numbers(), Scale()
    numbers.preload = ("d4py_no_such_module", "colorsys")
    scale.preload = ("colorsys", "sndhdr_not_there")
    job = make_job([numbers, scale], [(0, "output", 1, "input")])
    assert starting._preloads(job) == ["colorsys", "d4py_no_such_module", "sndhdr_not_there"]
    sys.modules.pop("colorsys", None)
    starting.import_what_pes_need(job)
    assert "colorsys" in sys.modules


class Launch:
    """A launcher whose workers are the other ends of sockets, in this process."""

    def __init__(self, job: Any) -> None:
        self.lines: list[Any] = []
        self.ended: list[int] = []
        self.results: list[Any] = []
        self.job = job
        pairs = [socket.socketpair() for _ in range(job.plan.workers)]
        self.theirs = [Connection(theirs) for _, theirs in pairs]
        self.sockets = [end for pair in pairs for end in pair]
        process: Any = SimpleNamespace(join=lambda: None, exitcode=0, pid=4711)
        self.children = [
            starting.Child(number, process, cast(Any, None), Connection(ours), -1)
            for number, (ours, _) in enumerate(pairs)
        ]
        self.interruption = Interruption()
        self.board = Board(job.workflow, job.plan, None)
        observer: Any = SimpleNamespace(line=lambda *line: self.lines.append(line), event=self.lines.append)
        observer.result = lambda *result: self.results.append(result)
        self.segments = {number: Segment.create(number, MIB) for number in range(job.plan.workers)}
        lending = Lending(self.segments, LAUNCHER, job.slab, keeps=False)
        self.launcher = multi._Launcher(job, observer, self.board, self.children, lending, self.interruption)
        self.selector = selectors.DefaultSelector()
        for child in self.children:
            self.selector.register(child.connection, selectors.EVENT_READ, child)

    def say(self, worker: int, *values: Any) -> None:
        self.theirs[worker].send(message(*values))
        self.launcher._take(self.children[worker], self.selector)

    def end(self, worker: int, code: int = 0) -> None:
        self.children[worker].process.exitcode = code  # type: ignore[misc]
        self.theirs[worker].close()
        self.launcher._note_end(self.children[worker], self.selector)

    def close(self) -> None:
        self.selector.close()
        for end in (*self.sockets, *self.segments.values()):
            end.close()


@pytest.fixture
def launch(job: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Launch]:
    launch = Launch(job)
    monkeypatch.setattr(multi, "end_group", lambda child: launch.ended.append(child.number))
    yield launch
    launch.close()


def test_a_launcher_hears_lines_events_and_ends(launch: Launch) -> None:
    launch.say(1, "line", "A[0]", "text")
    launch.say(1, "event", {"event": "x"})
    launch.say(1, "done")
    assert launch.lines == [("A[0]", "text"), {"event": "x"}]
    assert [child.done for child in launch.children] == [False, True, False, False]
    launch.end(1)
    assert not launch.launcher._over
    assert launch.ended == []


def test_programs_that_a_dead_worker_s_pes_started_are_ended(launch: Launch) -> None:
    launch.end(2, 1)
    assert launch.ended == [2]


def raised(launch: Launch) -> RunError:
    for child in launch.children:
        child.ended = True
    with pytest.raises(RunError) as caught:
        launch.launcher._end_early(launch.selector, launch.sockets[0])
    return caught.value


def test_the_first_failure_is_the_run_s(launch: Launch) -> None:
    launch.say(1, "failure", FAILURE)
    launch.say(2, "broken", "ImportError: no")
    assert launch.launcher._over
    error = raised(launch)
    assert isinstance(error, PEError)
    assert error.failure == FAILURE
    assert [read_message(frame) for frame in launch.theirs[3].receive()] == [("abort",)]


def test_a_worker_that_could_not_start(launch: Launch) -> None:
    launch.say(2, "broken", "ImportError: no")
    assert str(raised(launch)) == "worker 2 could not start: ImportError: no"


@pytest.mark.parametrize(
    ("code", "how", "hint"),
    [
        (3, "ended with exit code 3", ""),
        (0, "ended with exit code 0", ""),
        (-signal.SIGSEGV, "was killed by SIGSEGV", ""),
        (
            -signal.SIGKILL,
            "was killed by SIGKILL",
            "; the kernel does this when memory runs out: try fewer workers",
        ),
    ],
)
def test_a_worker_that_died_is_named_with_what_it_ran(launch: Launch, code: int, how: str, hint: str) -> None:
    row = launch.board.row(1)
    row[Field.STATE], row[Field.ITEM] = State.PROCESS, 9
    launch.end(1, code)
    error = raised(launch)
    assert isinstance(error, WorkerDied)
    assert str(error) == (
        f"worker 1 (pid 4711) {how} while it ran Scale1[0] at item 9; it hosted Scale1[0], Scale2[0]{hint}"
    )


def test_a_worker_that_died_between_items(launch: Launch) -> None:
    launch.end(0, 1)
    assert str(raised(launch)) == (
        "worker 0 (pid 4711) ended with exit code 1 while it ran no PE; it hosted Numbers0[0]"
    )


def test_last_words_are_heard_before_a_death_is_judged(launch: Launch) -> None:
    launch.theirs[1].send(message("line", "A[0]", "last"))
    launch.theirs[1].send(message("failure", FAILURE))
    launch.end(1, 1)
    assert launch.lines == [("A[0]", "last")]
    assert isinstance(raised(launch), PEError)


def test_last_words_are_heard_even_if_a_send_has_failed_meanwhile(launch: Launch) -> None:
    launch.theirs[1].send(message("failure", FAILURE))
    launch.theirs[1].close()
    launch.children[1].connection.send(message("stop"))
    launch.end(1, 1)
    assert isinstance(raised(launch), PEError)


def test_a_stop_is_passed_on_once(launch: Launch) -> None:
    launch.launcher._pass_on_stop()
    launch.interruption.signal_number = 2
    for _ in range(2):
        launch.launcher._pass_on_stop()
    assert [[read_message(f) for f in end.receive()] for end in launch.theirs] == [[("stop",)]] * 4


def test_a_large_result_is_copied_and_its_place_given_back_with_the_credit(launch: Launch) -> None:
    own = Segment(1, os.dup(launch.segments[1].fileno()), MIB)
    lending = Lending({1: own}, 1, SlabSize(MIB, MIB))
    encoded = launch.job.wire.encode(
        np.arange(10_000.0), lambda buffer: lending.keep(buffer, [LAUNCHER], is_alone=True)
    )
    assert lending._slab is not None
    assert lending._slab.lent == 1
    frame = Frame(Kind.DATA, 1, RESULTS, ports=[0], items=[encoded])
    launch.theirs[1].send(frame)
    launch.launcher._take(launch.children[1], launch.selector)
    ((pe, port, array),) = launch.results
    assert (pe, port) == ("Scale1", "output")
    (credit,) = launch.theirs[1].receive()
    assert (credit.kind, credit.receiver, credit.number) == (Kind.CREDIT, 1, 1)
    lending.take_back(LAUNCHER, credit)
    assert (lending._slab.lent, lending._slab.free) == (0, MIB)
    lending.keep(memoryview(np.zeros(10_000)).cast("B"), [LAUNCHER], is_alone=False)  # the place is used again
    np.testing.assert_array_equal(array, np.arange(10_000.0))
    array += 1
    own.close()
