"""Many small items cross to other processes, and next to nothing is done with each."""

import random

from d4py_adaptive import ConsumerPE, ProducerPE, WorkflowGraph


class Scatter(ProducerPE):
    def __init__(self, seed):
        super().__init__()
        self.seed = int(seed)

    def process(self, inputs):
        first = random.Random(self.seed).randrange(1000)
        for number in range(first, first + 100_000):
            self.write("output", {"number": number})


class Look(ConsumerPE):
    def _process(self, item):
        return item["number"]


def build(seed=1):
    graph = WorkflowGraph()
    graph.connect(Scatter(seed), "output", Look(), "input")
    return graph
