"""Large lists cross to other processes, which look at their first number alone."""

import random

from d4py_adaptive import ConsumerPE, ProducerPE, WorkflowGraph


class Record(ProducerPE):
    def __init__(self, seed):
        super().__init__()
        dice = random.Random(int(seed))
        self.samples = [dice.random() for _ in range(150_000)]

    def process(self, inputs):
        for _ in range(120):
            self.write("output", self.samples)


class Look(ConsumerPE):
    def _process(self, samples):
        return samples[0]


def build(seed=1):
    graph = WorkflowGraph()
    graph.connect(Record(seed), "output", Look(), "input")
    return graph
