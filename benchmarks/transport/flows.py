"""The workflows that are measured, in dispel4py's names: the same text runs under both runtimes.

For this runtime, import `d4py_adaptive.dispel4py.installed` first.
"""

# ruff: noqa: ARG002 - a source's `_process` takes inputs that are always empty

import time
from itertools import pairwise

import numpy
from dispel4py.base import ConsumerPE, IterativePE, ProducerPE
from dispel4py.workflow_graph import WorkflowGraph
from tally import Tally, report


class Source(ProducerPE):
    """Gives what `make` of its number gives; says at the end when it was first called."""

    def __init__(self, spec):
        ProducerPE.__init__(self)
        self.folder = spec["folder"]
        self.elements = spec.get("elements", 0)
        self.gap_ns = spec.get("gap_ns", 0)
        self.settle_s = spec.get("settle_s", 0)
        self.number = 0
        self.first_ns = 0

    def _preprocess(self):
        time.sleep(self.settle_s)

    def _postprocess(self):
        report(self.folder, role="source", first_ns=self.first_ns)


class Numbers(Source):
    def _process(self, inputs):
        if not self.number:
            self.first_ns = time.monotonic_ns()
        self.number += 1
        return self.number


class Arrays(Source):
    def _process(self, inputs):
        if not self.number:
            self.first_ns = time.monotonic_ns()
        self.number += 1
        return numpy.full(self.elements, float(self.number))


class Clock(Source, Tally):
    """Gives the moment at which it gives it, at even intervals."""

    def __init__(self, spec):
        Source.__init__(self, spec)
        self.begin(spec["folder"], "q")

    def _process(self, inputs):
        now_ns = time.monotonic_ns()
        self.first_ns = self.first_ns or now_ns
        time.sleep(max(0, self.first_ns + len(self.seen) * self.gap_ns - now_ns) / 1e9)
        self.seen.append(time.monotonic_ns())
        return self.seen[-1]

    def _postprocess(self):
        self.end("source")


class AddOne(IterativePE):
    def _process(self, data):
        return data + 1


class AddOneInPlace(IterativePE):
    def _process(self, data):
        data += 1
        return data


class PassOn(IterativePE):
    def _process(self, data):
        return data


class NumberSink(ConsumerPE, Tally):
    def __init__(self, spec):
        ConsumerPE.__init__(self)
        self.begin(spec["folder"], "q")

    _process = Tally.take_number

    def _postprocess(self):
        self.end()


class ArraySink(ConsumerPE, Tally):
    def __init__(self, spec):
        ConsumerPE.__init__(self)
        self.begin(spec["folder"], "d")
        self.whole = spec.get("whole", False)
        self.add = spec.get("add", 0)
        self.pause_s = spec.get("pause_s", 0)

    def _process(self, data):
        if self.add:
            data += self.add
        if self.pause_s:
            time.sleep(self.pause_s)
        if self.whole:
            self.take_whole_array(data)
        else:
            self.take_array(data)

    def _postprocess(self):
        self.end()


class StampSink(ConsumerPE, Tally):
    def __init__(self, spec):
        ConsumerPE.__init__(self)
        self.begin(spec["folder"], "q")
        self.late_ns = []

    _process = Tally.take_stamp

    def _postprocess(self):
        self.end(late_ns=self.late_ns)


def chain(*pes):
    graph = WorkflowGraph()
    for one, next_one in pairwise(pes):
        graph.connect(one, "output", next_one, "input")
    return graph, pes[0]


def to_all(source, sink, instances):
    sink.inputconnections["input"]["grouping"] = "all"
    sink.numprocesses = instances
    return chain(source, sink)


FLOWS = {
    "numbers": lambda spec: chain(Numbers(spec), AddOne(), AddOne(), NumberSink(spec)),
    "arrays": lambda spec: chain(
        Arrays(spec), *((AddOneInPlace if spec["add"] else PassOn)() for _ in range(spec["relays"])), ArraySink(spec)
    ),
    "broadcast": lambda spec: to_all(Arrays(spec), ArraySink(spec), spec["instances"]),
    "stamps": lambda spec: chain(Clock(spec), StampSink(spec)),
}


def build(spec):
    """The workflow of a specification, and its source."""
    return FLOWS[spec["flow"]](spec)
