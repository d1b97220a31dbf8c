"""Items too light to be worth handing to other processes: healthy in one."""

import random

from d4py_adaptive import ConsumerPE, IterativePE, ProducerPE, WorkflowGraph


class Scatter(ProducerPE):
    def __init__(self, seed):
        super().__init__()
        self.seed = int(seed)

    def process(self, inputs):
        first = random.Random(self.seed).randrange(1000)
        for number in range(first, first + 60_000):
            self.write("output", {"number": number})


class Add(IterativePE):
    def _process(self, item):
        item["number"] += 1
        return item


class Look(ConsumerPE):
    read_only = True

    def _process(self, item):
        return item["number"]


def build(seed=1):
    graph = WorkflowGraph()
    add = Add()
    graph.connect(Scatter(seed), "output", add, "input")
    graph.connect(add, "output", Look(), "input")
    return graph
