"""PEs that stay in one call for long, each in another way, and tell when they are in it."""

import re
import time

import numpy as np

from d4py_adaptive import ConsumerPE, ProducerPE, WorkflowGraph

LONG_S = 300


def in_python():
    end = time.monotonic() + LONG_S
    while time.monotonic() < end:
        pass


def in_sleep():
    time.sleep(LONG_S)


def in_numpy():
    matrix = np.random.default_rng(1).normal(size=(6000, 6000))
    np.linalg.svd(matrix)


def in_c_with_the_lock():
    """One call into C that lets no other Python thread run."""
    re.match(r"(?:a|a)*b", "a" * 60)


WAYS = {
    "python": in_python,
    "sleep": in_sleep,
    "numpy": in_numpy,
    "c": in_c_with_the_lock,
}


class Source(ProducerPE):
    def process(self, inputs):
        number = 0
        while True:
            self.write("output", number)
            number += 1


class Busy(ConsumerPE):
    def __init__(self, way):
        super().__init__()
        self.way = way

    def _process(self, data):
        if data == 2:
            self.log("in it")
            WAYS[self.way]()


def build_graph(way: str = "sleep") -> WorkflowGraph:
    graph = WorkflowGraph()
    graph.connect(Source(), "output", Busy(way), "input")
    return graph
