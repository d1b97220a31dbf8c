"""Faults of earlier systems of this kind, each as a test of its own that the faulty behaviour fails.

Those of the command line, of MPI, of provenance and of reports are tested where these are.
"""

import time
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from d4py_adaptive import ConsumerPE, GenericPE, IterativePE, ProducerPE, WorkflowGraph, run
from d4py_adaptive.dataflow.plan import Plan, Stage
from d4py_adaptive.errors import InputError, PEError, WorkflowError

MAPPINGS = ["simple", "toy", "multi"]
every_mapping = pytest.mark.parametrize("mapping", MAPPINGS)
in_processes = pytest.mark.parametrize("method", ["fork", "spawn"])


class Numbers(ProducerPE):
    """1, 2, 3, … call by call."""

    def __init__(self):
        super().__init__()
        self.last = 0

    def _process(self, inputs):
        self.last += 1
        return self.last


class Words(GenericPE):
    """All words of a text, in one call."""

    def __init__(self, text):
        super().__init__()
        self._add_output("output")
        self.text = text

    def process(self, inputs):
        for word in self.text.split():
            self.write("output", (word, 1))


class CountWords(IterativePE):
    """Counts by word, and tells in postprocess."""

    def __init__(self, numprocesses=1):
        super().__init__(numprocesses)
        self.inputconnections["input"]["grouping"] = [0]
        self.counts = Counter()

    def _process(self, data):
        self.counts[data[0]] += data[1]

    def postprocess(self):
        for entry in self.counts.items():
            self.write("output", entry)


class Through(IterativePE):
    """Passes items on."""

    def _process(self, data):
        return data


class Raises(IterativePE):
    """Cannot cope with 5."""

    stateless = False

    def _process(self, data):
        if data == 5:
            raise ValueError("five")
        return data


class Slow(IterativePE):
    """Takes longer over one item than any time-out for the end of a stream would be."""

    stateless = False

    def _process(self, data):
        time.sleep(1.2)
        return data


class Large(ProducerPE):
    """Results that fill any pipe."""

    def _process(self, inputs):
        return np.ones(1_000_000)


class Unpicklable(ProducerPE):
    """A generator as an item."""

    def _process(self, inputs):
        return (n for n in range(3))


class Shout(IterativePE):
    """Grouped by nothing, replicated because it is declared without state."""

    stateless = True

    def _process(self, data):
        return data


class PickleCounted:
    """Writes a byte to a file each time it is pickled."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        with self.file.open("ab") as file:
            file.write(b".")
        return PickleCounted, (self.file,)


class Announce(ProducerPE):
    """One counted item."""

    def __init__(self, file):
        super().__init__()
        self.file = file

    def _process(self, inputs):
        return PickleCounted(self.file)


class Hear(ConsumerPE):
    """Every instance hears everything."""

    def __init__(self, numprocesses):
        super().__init__(numprocesses)
        self.inputconnections["input"]["grouping"] = "all"


def pipeline(*pes):
    graph = WorkflowGraph()
    for one, other in pairwise(pes):
        graph.connect(one, "output", other, "input")
    return graph


def counted(result, pe):
    entries = result.outputs[pe.id]["output"]
    assert len(entries) == len({word for word, _ in entries}), "a word was counted in two instances"
    return dict(entries)


@every_mapping
def test_a_pe_that_raises_does_not_hang_the_run(mapping):
    failing = Raises()
    graph = pipeline(Numbers(), failing, Through())
    started = time.monotonic()
    with pytest.raises(PEError, match="five"):
        run(graph, 1000, mapping=mapping, workers=3, fuse=False)
    assert time.monotonic() - started < 10


@every_mapping
@pytest.mark.parametrize("workers", [1, 2])
def test_fewer_processes_than_pes_keep_groupings(mapping, workers):
    text = "a b a c a b d e f g h i j k a"
    counter = CountWords(numprocesses=4)
    graph = pipeline(Words(text), Through(), Through(), counter)
    assert counted(run(graph, mapping=mapping, workers=workers), counter) == Counter(text.split())


@every_mapping
def test_two_producers_into_one_input_of_a_replicated_pe_end(mapping):
    reader = Shout()
    graph = pipeline(Numbers(), reader)
    graph.connect(Numbers(), "output", reader, "input")
    result = run(graph, 20, mapping=mapping, workers=4)
    assert Counter(result.outputs[reader.id]["output"]) == Counter(dict.fromkeys(range(1, 21), 2))


@in_processes
def test_string_keys_of_one_group_meet_in_one_instance(method, monkeypatch):
    monkeypatch.setenv("PYTHONHASHSEED", "random")
    counter = CountWords(numprocesses=3)
    first, other = Words("alpha beta gamma delta epsilon"), Words("epsilon delta gamma beta alpha")
    graph = pipeline(first, counter)
    graph.connect(other, "output", counter, "input")
    plan = Plan((Stage(("Words0",), (0,)), Stage(("Words2",), (1,)), Stage(("CountWords1",), (0, 1, 2))), 3, "multi")
    result = run(graph, mapping="multi", plan=plan, start_method=method)
    assert counted(result, counter) == dict.fromkeys(["alpha", "beta", "gamma", "delta", "epsilon"], 2)


@every_mapping
@pytest.mark.parametrize("reverse", [False, True])
def test_fan_out_and_reversed_connects_drop_nothing(mapping, reverse):
    source, left, right, last = Numbers(), Through(), Through(), Through()
    calls = [(source, left), (source, right), (left, last), (right, last), (source, last)]
    graph = WorkflowGraph()
    for one, other in reversed(calls) if reverse else calls:
        graph.connect(one, "output", other, "input")
    result = run(graph, 10, mapping=mapping, workers=3)
    assert Counter(result.outputs[last.id]["output"]) == Counter(dict.fromkeys(range(1, 11), 3))


@every_mapping
def test_outputs_of_a_slow_pe_are_not_lost(mapping):
    slow, last = Slow(), Through()
    graph = pipeline(Numbers(), slow, last)
    assert run(graph, mapping=mapping, workers=3, fuse=False).outputs[last.id]["output"] == [1]


@every_mapping
@pytest.mark.parametrize("fuse", [True, False])
def test_postprocess_is_called(mapping, fuse):
    counter, last = CountWords(), Through()
    graph = pipeline(Words("a b a"), counter, last)
    result = run(graph, mapping=mapping, workers=2, fuse=fuse)
    assert sorted(result.outputs[last.id]["output"]) == [("a", 2), ("b", 1)]


@every_mapping
def test_a_loop_is_refused_and_not_made_two_streams_of_one_direction(mapping):
    one, other = Through(), Through()
    graph = pipeline(Numbers(), one, other)
    graph.connect(other, "output", one, "input")
    with pytest.raises(WorkflowError, match="loop"):
        run(graph, mapping=mapping)


@every_mapping
def test_results_larger_than_a_pipe_do_not_hang_the_end(mapping):
    source = Large()
    graph = WorkflowGraph()
    graph.add(source)
    result = run(graph, 6, mapping=mapping, workers=2)
    assert sum(float(item.sum()) for item in result.outputs[source.id]["output"]) == 6_000_000


@in_processes
def test_an_unpicklable_output_does_not_hang(method):
    source = Unpicklable()
    graph = pipeline(source, Through())
    started = time.monotonic()
    with pytest.raises(PEError, match="Unpicklable0") as caught:
        run(graph, mapping="multi", workers=2, fuse=False, start_method=method)
    assert time.monotonic() - started < 20
    assert caught.value.failure.port == "output"


def test_a_mistyped_option_is_not_ignored():
    graph = pipeline(Numbers(), Through())
    with pytest.raises(TypeError, match="wrokers"):
        run(graph, 3, mapping="multi", wrokers=2)


@pytest.mark.parametrize("workers", [0, -1])
def test_too_few_processes_are_an_error(workers):
    with pytest.raises(InputError, match="workers"):
        run(pipeline(Numbers(), Through()), 3, mapping="multi", workers=workers)


def test_what_is_kept_of_a_run_does_not_grow_with_its_items(d4py_home):
    graph = pipeline(Numbers(), Through())
    sizes = []
    for iterations in (10, 3000):
        record = run(graph, iterations, mapping="multi", workers=2).record
        folder = d4py_home / "runs" / record.id
        sizes.append(sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()))
    assert sizes[1] < sizes[0] + 2000


def test_no_process_is_left_without_work():
    shout = Shout()
    result = run(pipeline(Numbers(), shout), 50, mapping="multi", workers=6)
    hosts = {worker for stage in result.plan.stages for worker in stage.workers}
    assert hosts == set(range(6))
    assert sorted(result.outputs[shout.id]["output"]) == list(range(1, 51))


def test_a_broadcast_pickles_once_for_all_its_destinations(tmp_path):
    file = tmp_path / "pickled"
    hear = Hear(4)
    graph = pipeline(Announce(file), hear)
    plan = Plan((Stage(("Announce0",), (0,)), Stage(("Hear1",), (1, 2, 3, 1))), 4, "multi")
    run(graph, mapping="multi", plan=plan, start_method="fork")
    assert file.read_bytes() == b"."


@every_mapping
def test_a_source_cannot_fill_the_memory(mapping, tmp_path):
    progress = tmp_path / "progress"
    source, reader = Eager(progress), Late(progress)
    host = 0 if mapping == "simple" else 1
    plan = Plan((Stage(("Eager0",), (0,)), Stage(("Late1",), (host,))), host + 1, mapping)
    (ahead,) = run(pipeline(source, reader), mapping=mapping, plan=plan).outputs[reader.id]["output"]
    assert ahead < 2000


class Eager(GenericPE):
    """Writes as fast as it can, and notes how far it is."""

    def __init__(self, progress):
        super().__init__()
        self._add_output("output")
        self.progress = progress

    def process(self, inputs):
        with self.progress.open("wb", 0) as progress:
            for number in range(4000):
                progress.write(b".")
                self.write("output", number)


class Late(IterativePE):
    """Starts late, and tells how far the source was ahead."""

    def __init__(self, progress):
        super().__init__()
        self.progress, self.ahead = progress, 0

    def _process(self, data):
        if data == 0:
            time.sleep(0.5)
        self.ahead = max(self.ahead, self.progress.stat().st_size - data)

    def postprocess(self):
        self.write("output", self.ahead)
