"""Workflows that never end by themselves, one for each thing a worker can be busy with."""

import time
from itertools import pairwise

import numpy as np

from d4py_adaptive import ConsumerPE, IterativePE, ProducerPE, WorkflowGraph


class Flood(ProducerPE):
    """Writes small items without end, in one call."""

    def process(self, inputs):
        number = 0
        while True:
            self.write("output", number)
            number += 1


class Arrays(ProducerPE):
    """Writes arrays of 8 MB without end."""

    def process(self, inputs):
        while True:
            self.write("output", np.ones(1_000_000))


class Pass(IterativePE):
    stateless = True

    def _process(self, data):
        return data


class Slow(IterativePE):
    """Stays in every call for a while."""

    stateless = True

    def _process(self, data):
        time.sleep(0.3)
        return data


class Talk(IterativePE):
    stateless = True

    def _process(self, data):
        print(data)  # noqa: T201 - what a PE prints is part of what is tried
        return data


class Tally(ConsumerPE):
    """Keeps state."""

    def __init__(self):
        super().__init__()
        self.seen = 0

    def _process(self, data):
        self.seen += 1


class ByRemainder(IterativePE):
    """Several instances, items dealt out by key."""

    def __init__(self):
        super().__init__(numprocesses=4)
        self.inputconnections["input"]["grouping"] = [0]
        self.seen = {}

    def _process(self, data):
        self.seen[data[0]] = self.seen.get(data[0], 0) + 1


class Keyed(ProducerPE):
    def process(self, inputs):
        number = 0
        while True:
            self.write("output", (number % 13, number))
            number += 1


CHAINS = {
    "flood": (Flood, Pass, Tally),
    "arrays": (Arrays, Pass, Tally),
    "slow": (Flood, Slow, Slow, Tally),
    "many": (Keyed, Pass, Pass, Pass, ByRemainder),
    "results": (Flood, Pass),
    "lines": (Flood, Talk, Tally),
}


def build_graph(kind: str = "flood") -> WorkflowGraph:
    graph = WorkflowGraph()
    pes = [make() for make in CHAINS[kind]]
    for one, next_one in pairwise(pes):
        graph.connect(one, "output", next_one, "input")
    return graph
