"""Large items through real worker processes: the same values as in one process, and nothing left behind."""

from __future__ import annotations

import gc
import multiprocessing
import os
import queue
import signal
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from real_processes import PATIENCE_S, PROMISE_S, eventually, shared_memory

import d4py_adaptive
from d4py_adaptive import ConsumerPE, GenericPE, IterativePE, ProducerPE, RunResult, WorkflowGraph
from d4py_adaptive.dataflow.plan import Plan, Stage
from d4py_adaptive.errors import PEError, WorkerDied

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # obspy's own
    import obspy

SMALL, LARGE = 40_000, 2 * 2**20 + 24
"""Sizes that several readers copy, and map."""

GIB = 2**30

pytestmark = [
    pytest.mark.timeout(60),
    pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning"),
]


def numbers(nbytes: int = SMALL, start: int = 0) -> np.ndarray:
    return np.arange(start, start + nbytes // 8, dtype="f8")


# PEs.


class Source(ProducerPE):
    """Writes what a function makes of each number."""

    def __init__(self, items: int, make: Callable[[int], Any]) -> None:
        super().__init__()
        self.items, self.make = items, make

    def _process(self, inputs: Any) -> None:
        for number in range(self.items):
            self.write("output", self.make(number))


class Passes(IterativePE):
    def _process(self, data: Any) -> Any:
        return data


class Adds(IterativePE):
    """Changes what it got, in place."""

    def _process(self, data: Any) -> Any:
        data += 1
        return data


class Windows(IterativePE):
    """Keeps the last three arrays and writes a view of the oldest, which it changes afterwards."""

    def __init__(self) -> None:
        super().__init__()
        self.last: list[np.ndarray] = []

    def _process(self, data: Any) -> None:
        self.last = [*self.last[-2:], data]
        self.write("output", self.last[0][: len(data) - 1])
        self.last[0] += 0.25
        self.write("output", self.last[-1][:])


class Twice(IterativePE):
    def _process(self, data: Any) -> None:
        self.write("output", data)
        data += 0.5
        self.write("output", data)


class Parts(IterativePE):
    def _process(self, data: Any) -> None:
        half = len(data) // 2
        self.write("output", data[:half])
        self.write("output", data[half:])
        self.write("output", data[::-1])


class KeepsAll(IterativePE):
    """Keeps every array, and tells at the end what it has."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[np.ndarray] = []

    def _process(self, data: Any) -> None:
        data[1] = -len(self.kept)
        self.kept.append(data)

    def _postprocess(self) -> None:
        self.write("output", [(float(array[0]), float(array[1]), float(array[2:].sum())) for array in self.kept])


class Sums(IterativePE):
    """Changes what it got, and tells what it found."""

    def __init__(self, value: float = 1) -> None:
        super().__init__()
        self.value = value

    def _process(self, data: Any) -> Any:
        found = float(data.sum())
        data[:] = self.value
        return found, float(data.sum())


class Ends(ConsumerPE):
    def _process(self, data: Any) -> None:
        data += 1


# Runs.


def graph_of(pes: Sequence[GenericPE], streams: Sequence[tuple[int, int]] | None = None) -> WorkflowGraph:
    """A chain, unless it is said who writes to whom."""
    graph = WorkflowGraph()
    for source, target in streams or [(number, number + 1) for number in range(len(pes) - 1)]:
        graph.connect(pes[source], "output", pes[target], "input")
    return graph


def run(graph: WorkflowGraph, method: str = "fork", places: Sequence[Any] = (), **options: Any) -> RunResult:
    """Run on worker processes, one for each PE unless it is said which has which."""
    order = graph.freeze().order
    hosts = [place if isinstance(place, tuple) else (place,) for place in places or range(len(order))]
    workers = 1 + max(worker for host in hosts for worker in host)
    plan = Plan(tuple(Stage((pe,), host) for pe, host in zip(order, hosts, strict=True)), workers, "multi")
    return d4py_adaptive.run(graph, 1, mapping="multi", plan=plan, start_method=method, **options)


def in_one_process(graph: WorkflowGraph) -> RunResult:
    return d4py_adaptive.run(graph, 1, mapping="simple")


def only(result: RunResult) -> list[Any]:
    """The items of the only output that leads nowhere."""
    ((items,),) = [ports.values() for ports in result.outputs.values()]
    return list(items)


def described(item: Any) -> Any:
    """All that two items must have in common, in values that compare."""
    if isinstance(item, np.ma.MaskedArray):
        return type(item), described(item.data), described(np.ma.getmaskarray(item)), item.fill_value
    if isinstance(item, np.ndarray):
        content = [described(m) for m in item.ravel().tolist()] if item.dtype.hasobject else item.tobytes()
        return type(item), item.dtype, item.shape, item.flags.writeable, content
    if isinstance(item, list | tuple):
        return type(item), [described(member) for member in item]
    if isinstance(item, dict):
        return {key: described(member) for key, member in item.items()}
    if isinstance(item, obspy.Stream):
        return [described(trace) for trace in item]
    if isinstance(item, obspy.Trace):
        return repr(item.stats), described(item.data)
    return type(item), item


def check_same(graph: WorkflowGraph, **options: Any) -> list[Any]:
    """What comes out of worker processes, which must be what comes out of one."""
    result = only(run(graph, **options))
    expected = only(in_one_process(graph))
    assert len(result) == len(expected)
    for got, wanted in zip(result, expected, strict=True):
        assert described(got) == described(wanted)
    return result


def open_files() -> int:
    return len(list(Path("/dev/fd").iterdir()))


def mapped() -> int:
    """How many pieces of shared memory of ours this process has in its address space."""
    maps = Path("/proc/self/maps")
    return maps.read_text().count("d4py slab") if maps.exists() else 0


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """Every test leaves no process, no file in shared memory, and no memory of its workers in this process."""
    before = shared_memory()
    children = set(psutil.Process().children(recursive=True))
    yield
    assert not shared_memory() - before
    gc.collect()
    assert mapped() == 0

    def left() -> list[Any]:
        now = set(psutil.Process().children(recursive=True)) - children
        return [p for p in now if "multiprocessing" not in " ".join(p.cmdline())]  # what it keeps for itself

    eventually(lambda: not left(), PROMISE_S, "end every process")


# What PEs do with arrays.

DOES: dict[str, list[Callable[[], GenericPE]]] = {
    "pass on": [Passes, Passes, Passes],
    "change in place": [Adds, Adds, Adds],
    "keep three and write views": [Windows, Adds, Windows],
    "write twice": [Twice, Adds, Twice],
    "write parts": [Parts, Passes, Parts],
    "all of it": [Adds, Windows, Twice],
}


def a_source(nbytes: int, items: int = 5) -> Source:
    return Source(items, partial(numbers, nbytes))


@pytest.mark.parametrize("does", DOES)
@pytest.mark.parametrize("nbytes", [SMALL, LARGE])
def test_what_comes_out_is_the_same(does: str, nbytes: int) -> None:
    pes = [a_source(nbytes), *(make() for make in DOES[does])]
    assert check_same(graph_of(pes))


@pytest.mark.parametrize("does", ["change in place", "all of it"])
def test_what_comes_out_is_the_same_however_workers_start(does: str) -> None:
    check_same(graph_of([a_source(SMALL), *(make() for make in DOES[does])]), method="spawn")


@pytest.mark.parametrize("places", [[0, 1, 0, 1], [0, 1, 2, 0], [1, 0, 0, 1]])
def test_what_comes_back_to_where_it_was_is_the_same(places: list[int]) -> None:
    check_same(graph_of([a_source(SMALL), Adds(), Adds(), Adds()]), places=places)


# Kinds of items.

RECORDS = [("station", "S5"), ("rate", "f8"), ("samples", "i4", 3)]


class Station:
    def __init__(self, number: int) -> None:
        self.name, self.trace, self.more = f"S{number}", numbers(start=number), {"gain": numbers(80)}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Station) and bool(self.name == other.name and (self.trace == other.trace).all())

    __hash__ = None  # type: ignore[assignment]


def on_a_file() -> np.ndarray:
    with tempfile.NamedTemporaryFile() as file:
        array = np.memmap(file.name, "f8", "w+", shape=(5000,))
        array[:] = numbers()
        return array


def stream() -> obspy.Stream:
    return obspy.Stream([obspy.Trace(numbers(start=i), {"station": f"S{i}", "sampling_rate": 20}) for i in range(3)])


def same_twice() -> list[Any]:
    array = numbers()
    return [array, {"again": array}]


def views_of_one() -> dict[str, Any]:
    base = np.arange(60_000.0).reshape(200, 300)
    return {"base": base, "rows": base[::2], "part": base[5:9, 100:], "deep": [base.T[:7], (base[0], 5)]}


KINDS: dict[str, Callable[[], Any]] = {
    "plain": numbers,
    "strided": lambda: np.arange(30_000.0)[::3],
    "negative": lambda: np.arange(30_000.0).reshape(100, 300)[::-1, ::-2],
    "fortran": lambda: np.asfortranarray(np.arange(30_000.0).reshape(100, 300)),
    "transposed": lambda: np.arange(30_000.0).reshape(10, 30, 100).transpose(2, 0, 1),
    "zero length": lambda: np.zeros((0, 7)),
    "no dimension": lambda: np.array(5.5),
    "structured": lambda: np.array([(b"abc", 0.5, [1, 2, 3])] * 2000, RECORDS),
    "objects": lambda: np.array([{"a": 1}, None, [2], numbers()[:5].tolist()] * 900, dtype=object),
    "masked": lambda: np.ma.masked_greater(np.arange(5_000.0), 17),
    "dates": lambda: np.arange("2020-01-01", "2040-01-01", dtype="M8[D]"),
    "big-endian": lambda: numbers().astype(">f8"),
    "float16": lambda: np.arange(2_000).astype("f2").repeat(20),
    "bool": lambda: np.arange(40_000) % 3 == 0,
    "text": lambda: np.array(["abc", "dé"] * 9_000),
    "memmap": on_a_file,
    "matrix": lambda: np.asmatrix(np.arange(30_000.0).reshape(100, 300)),
    "recarray": lambda: np.zeros(2000, RECORDS).view(np.recarray),
    "list": lambda: [numbers(), numbers(start=5), "x", [numbers(80)]],
    "dict": lambda: {"a": numbers(), "b": {"c": numbers(LARGE)}, 5: None},
    "tuple": lambda: (numbers(), (numbers(start=5), 1.5)),
    "same twice": same_twice,
    "views of one": views_of_one,
    "bytearray": lambda: bytearray(b"abc" * 20_000),
    "bytes": lambda: b"abcd" * 250_000,
    "waveforms": stream,
    "waveform": lambda: stream()[1],
    "an object": lambda: Station(5),
}


def made(number: int) -> Any:
    return list(KINDS.values())[number]()


def fresh(number: int) -> Any:
    """The same item, held by nobody; and one that the producer keeps."""
    return made(number // 2) if number % 2 else KEPT.setdefault(number, made(number // 2))


KEPT: dict[int, Any] = {}


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_every_kind_of_item_arrives_as_it_was_written(method: str) -> None:
    graph = graph_of([Source(2 * len(KINDS), fresh), Passes(), Passes()])
    result, expected = (only(results) for results in (run(graph, method), in_one_process(graph)))
    names = [name for name in KINDS for _ in range(2)]
    got, wanted = ([(n, described(i)) for n, i in zip(names, items, strict=True)] for items in (result, expected))
    for one, other in zip(got, wanted, strict=True):
        assert one == other


def changed(item: Any) -> Any:
    """The item, changed in place wherever that can be done."""
    if isinstance(item, np.ndarray):
        if item.dtype.hasobject:
            item[0] = item[-1]
        elif item.size:
            item[...] = item.flat[-1]
    elif isinstance(item, list | tuple):
        for member in item:
            changed(member)
        item.append("changed") if isinstance(item, list) else None
    elif isinstance(item, dict):
        for member in list(item.values()):
            changed(member)
        item["changed"] = True
    elif isinstance(item, bytearray):
        item[:3] = b"changed"
    elif isinstance(item, obspy.Stream):
        item.detrend("demean").taper(0.1)
        item.trim(item[0].stats.starttime + 10)
    elif isinstance(item, obspy.Trace):
        item.data *= 2
    elif isinstance(item, Station):
        item.trace *= 2
        item.more["gain"] += 1
    return item


class Changes(IterativePE):
    def _process(self, data: Any) -> Any:
        return changed(data)


def test_every_kind_of_item_can_be_changed_by_whoever_gets_it() -> None:
    check_same(graph_of([Source(2 * len(KINDS), fresh), Changes(), Changes()]))


def read_only(nbytes: int, start: int) -> np.ndarray:
    array = numbers(nbytes, start)
    array.flags.writeable = False
    return array


@pytest.mark.parametrize("nbytes", [800, SMALL])
def test_what_is_read_only_arrives_too(nbytes: int) -> None:
    result = only(run(graph_of([Source(3, partial(read_only, nbytes)), Passes(), Passes()])))
    for start, array in enumerate(result):
        np.testing.assert_array_equal(array, numbers(nbytes, start))


class Tells(IterativePE):
    """Whether the same array twice is still one array, and its change seen in both places."""

    def _process(self, data: Any) -> Any:
        data[0][0] = -1
        return data[0] is data[1]["again"], float(data[1]["again"][0])


def test_the_same_array_twice_in_an_item_is_one_array() -> None:
    graph = graph_of([Source(3, lambda _: same_twice()), Passes(), Tells()])
    assert check_same(graph) == [(True, -1)] * 3


# Who sees what.


@pytest.mark.parametrize("nbytes", [SMALL, LARGE])
def test_readers_of_the_same_item_do_not_see_what_the_others_do(nbytes: int) -> None:
    pes = [a_source(nbytes, 6), Sums(7), Sums(8), Sums(9)]
    result = run(graph_of(pes, [(0, 1), (0, 2), (0, 3)]), places=[0, 1, 2, 2])
    for value in (1, 2, 3):
        assert result.outputs[f"Sums{value}"]["output"] == [
            (numbers(nbytes, start).sum(), (value + 6) * (nbytes // 8)) for start in range(6)
        ]


@pytest.mark.parametrize("nbytes", [SMALL, LARGE])
def test_instances_that_all_get_an_item_do_not_see_what_the_others_do(nbytes: int) -> None:
    sums = Sums(7)
    sums.numprocesses = 3
    sums.inputconnections["input"]["grouping"] = "all"
    result = run(graph_of([a_source(nbytes, 6), sums]), places=[0, (1, 2, 3)])
    expected = [(numbers(nbytes, start).sum(), 7 * (nbytes // 8)) for start in range(6)]
    assert sorted(only(result)) == sorted(3 * expected)


class Reuses(ProducerPE):
    """Fills the same array again and again, also right after it wrote it."""

    def __init__(self, nbytes: int) -> None:
        super().__init__()
        self.buffer = np.zeros(nbytes // 8)

    def _process(self, inputs: Any) -> None:
        for number in range(20):
            self.buffer[:] = number
            self.write("output", self.buffer)
            self.buffer[:] = -1
            self.write("output", self.buffer[10:])


@pytest.mark.parametrize("nbytes", [SMALL, LARGE])
def test_a_producer_may_use_its_memory_again(nbytes: int) -> None:
    size = nbytes // 8
    result = only(run(graph_of([Reuses(nbytes), Sums(2)])))
    assert result == [pair for n in range(20) for pair in ((n * size, 2 * size), (10 - size, 2 * (size - 10)))]


def test_results_are_ordinary_arrays_that_survive_the_run() -> None:
    graph = graph_of([a_source(LARGE, 8), Adds()])
    result = only(run(graph))
    again = only(run(graph))
    gc.collect()
    for start, array in enumerate(result):
        np.testing.assert_array_equal(array, numbers(LARGE, start) + 1)
        array *= 2
        array.sort()
        np.testing.assert_array_equal(array, 2 * (numbers(LARGE, start) + 1))
        np.testing.assert_array_equal(again[start], numbers(LARGE, start) + 1)
    assert mapped() == 0


# Little room, and much to carry.


@pytest.mark.parametrize("buffer_bytes", [1, 100_000, 3 * 2**20])
def test_a_reader_may_keep_more_than_there_is_room_for(buffer_bytes: int) -> None:
    nbytes, items = 200_000, 30
    (kept,) = only(run(graph_of([a_source(nbytes, items), Passes(), KeepsAll()]), buffer_bytes=buffer_bytes))
    sums = [numbers(nbytes, start)[2:].sum() for start in range(items)]
    assert kept == [(start, -start, total) for start, total in enumerate(sums)]


@pytest.mark.parametrize("buffer_bytes", [1, 100_000])
def test_very_little_room_is_enough(buffer_bytes: int) -> None:
    check_same(graph_of([a_source(SMALL, 20), Adds(), Windows(), Adds()]), buffer_bytes=buffer_bytes)
    check_same(graph_of([a_source(LARGE, 3), Adds(), Twice()]), buffer_bytes=buffer_bytes)


def test_an_item_larger_than_any_pool() -> None:
    nbytes = 200 * 10**6
    (array, other) = only(run(graph_of([a_source(nbytes, 2), Adds(), Adds()])))
    assert (array.size, other.size) == (nbytes // 8, nbytes // 8)
    array -= numbers(nbytes)
    assert (array == 2).all()
    assert other[-1] == nbytes // 8 + 2
    other[:] = 0


HUGE = 2 * GIB + 4097


def huge(_: int) -> np.ndarray:
    array = np.zeros(HUGE, "u1")
    array[:: 2**20] = 1
    array[-1] = 7
    return array


class Marks(IterativePE):
    def _process(self, data: Any) -> Any:
        data[-2] = 5
        return data.nbytes, int(data[:: 2**20].sum()), data[-3:].tolist()


@pytest.mark.skipif(psutil.virtual_memory().available < 12 * GIB, reason="takes 12 GiB of free memory")
def test_an_item_larger_than_a_signed_number_of_32_bits() -> None:
    assert only(run(graph_of([Source(1, huge), Marks()]))) == [(HUGE, HUGE // 2**20 + 1, [0, 5, 7])]


# Nothing is left.


def test_many_runs_leave_no_open_files() -> None:
    graph = graph_of([a_source(SMALL, 3), Adds(), Ends()])
    run(graph)
    before = open_files()
    for _ in range(20):
        run(graph)
    assert open_files() == before


class Breaks(IterativePE):
    """Fails, or is killed, at its third item, when more are under way to it."""

    def __init__(self, is_killed: bool) -> None:
        super().__init__()
        self.is_killed = is_killed
        self.kept: list[Any] = []

    def _process(self, data: Any) -> Any:
        self.kept.append(data)
        if len(self.kept) == 3 and self.is_killed:
            os.kill(os.getpid(), signal.SIGKILL)
        if len(self.kept) == 3:
            raise ValueError("that is enough")
        return data


@pytest.mark.parametrize("nbytes", [SMALL, LARGE])
@pytest.mark.parametrize(("is_killed", "error"), [(False, PEError), (True, WorkerDied)])
def test_a_run_that_ends_badly_leaves_nothing(nbytes: int, is_killed: bool, error: type[Exception]) -> None:
    graph = graph_of([a_source(nbytes, 50), Passes(), Breaks(is_killed), Adds()])
    before = open_files()
    for _ in range(3):
        with pytest.raises(error):
            run(graph)
        gc.collect()
        assert open_files() == before


def test_a_failure_that_is_kept_keeps_no_shared_memory() -> None:
    """A notebook keeps the last error, and with it what its traceback holds."""
    with pytest.raises(PEError) as caught:
        run(graph_of([a_source(SMALL, 5), Breaks(is_killed=False)]))
    gc.collect()
    assert mapped() == 0
    assert caught.value.failure.message == "that is enough"


# PEs with processes and threads of their own.


class Forks(IterativePE):
    """Has a copy of its process change what it holds, and look at it again much later."""

    def __init__(self) -> None:
        super().__init__()
        self.forks: list[tuple[int, int]] = []

    def _process(self, data: Any) -> Any:
        reading, writing = os.pipe()
        expected = data.copy()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
        if pid == 0:
            signal.alarm(2 * int(PATIENCE_S))  # nobody may be left to ask
            data[:7] = expected[:7] = -17
            os.read(reading, 1)
            os._exit(0 if np.array_equal(data, expected) else 1)
        os.close(reading)
        self.forks.append((pid, writing))
        time.sleep(0.02)  # it would be seen by now what the other does
        assert np.array_equal(data, expected), "the copy of this process changed what is not its own"
        data += 1
        return data

    def _postprocess(self) -> None:
        for pid, writing in self.forks:
            os.write(writing, b"!")
            os.close(writing)
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            assert code == 0, "the copy of this process saw what was done later"


@pytest.mark.parametrize("nbytes", [SMALL, LARGE, 300 * 10**6 // 8])
def test_a_pe_that_forks_shares_nothing_with_its_copy(nbytes: int) -> None:
    items = 6 if nbytes <= LARGE else 2
    result = run(graph_of([a_source(nbytes, items), Forks(), Sums(3)]))
    size = nbytes // 8
    assert only(result) == [((numbers(nbytes, start) + 1).sum(), 3 * size) for start in range(items)]


@pytest.mark.parametrize("nbytes", [SMALL, LARGE])
def test_a_pe_that_forks_shares_nothing_with_other_readers(nbytes: int) -> None:
    pes = [a_source(nbytes, 6), Forks(), Forks(), Sums(3), Sums(4)]
    result = run(graph_of(pes, [(0, 1), (0, 2), (1, 3), (2, 4)]))
    for number in (3, 4):
        found = [found for found, _ in result.outputs[f"Sums{number}"]["output"]]
        assert found == [(numbers(nbytes, start) + 1).sum() for start in range(6)]


def wreck(array: np.ndarray, orders: Any) -> None:
    array += 5
    orders.send(float(array.sum()))


class Delegates(IterativePE):
    """Has work done in processes of its own."""

    def _process(self, data: Any) -> Any:
        context = multiprocessing.get_context("fork")
        ours, theirs = context.Pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            process = context.Process(target=wreck, args=(data, theirs))
            process.start()
        got = ours.recv()
        process.join()
        return got, float(data.sum())


@pytest.mark.parametrize("nbytes", [SMALL, LARGE])
def test_a_pe_may_have_work_done_in_processes_of_its_own(nbytes: int) -> None:
    result = only(run(graph_of([a_source(nbytes, 5), Passes(), Delegates()])))
    sums = [float(numbers(nbytes, start).sum()) for start in range(5)]
    assert result == [(total + 5 * (nbytes // 8), total) for total in sums]


class Threads(IterativePE):
    """Hands arrays to a thread that looks at them again much later, and passes on all but what the thread changes."""

    def __init__(self, passes_on: bool) -> None:
        super().__init__()
        self.passes_on = passes_on

    def _preprocess(self) -> None:
        self.given: queue.Queue[Any] = queue.Queue()
        self.found: list[float] = []
        self.thread = threading.Thread(target=self.work)
        self.thread.start()

    def work(self) -> None:
        while (array := self.given.get()) is not None:
            time.sleep(0.005)
            array[0] += 1000
            self.found.append(float(array.sum()))
            del array

    def _process(self, data: Any) -> Any:
        self.given.put(data)
        return data[1:] if self.passes_on else None

    def _postprocess(self) -> None:
        self.given.put(None)
        self.thread.join()
        self.write("output", np.array(self.found))


@pytest.mark.parametrize("passes_on", [False, True])
@pytest.mark.parametrize("nbytes", [SMALL, LARGE])
def test_a_thread_may_have_an_array_for_longer_than_the_call(nbytes: int, passes_on: bool) -> None:
    *passed, found = only(run(graph_of([a_source(nbytes, 20), Threads(passes_on), Adds()]), buffer_bytes=8 * 2**20))
    np.testing.assert_array_equal(found - 1, [numbers(nbytes, start).sum() + 1000 for start in range(20)])
    assert len(passed) == (20 if passes_on else 0)
    for start, array in enumerate(passed):
        np.testing.assert_array_equal(array, numbers(nbytes, start)[1:] + 1)
