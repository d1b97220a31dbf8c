"""Each call waits for an answer from outside."""

import time

from burning import Durations

from d4py_adaptive import ConsumerPE, WorkflowGraph


class Fetch(ConsumerPE):
    def _process(self, duration):
        time.sleep(duration)


def build(seed=1):
    graph = WorkflowGraph()
    graph.connect(Durations(0.02, 100, seed), "output", Fetch(), "input")
    return graph
