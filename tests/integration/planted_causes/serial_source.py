"""The source computes; what is behind it has little to do. Called once per item: run it with `-i 80`."""

import random

from burning import burn

from d4py_adaptive import ConsumerPE, ProducerPE, WorkflowGraph


class Simulate(ProducerPE):
    def __init__(self, seed):
        super().__init__()
        self.dice = random.Random(int(seed))

    def _process(self, inputs):
        duration = self.dice.uniform(0.008, 0.012)
        burn(duration)
        return duration


class Tidy(ConsumerPE):
    def _process(self, duration):
        burn(0.001)


def build(seed=1):
    graph = WorkflowGraph()
    graph.connect(Simulate(seed), "output", Tidy(), "input")
    return graph
