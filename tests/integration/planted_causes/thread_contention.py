"""Every worker multiplies matrices in eight threads, whatever it was told."""

import random

import numpy
from threadpoolctl import threadpool_limits

from d4py_adaptive import ConsumerPE, ProducerPE, WorkflowGraph


class Sizes(ProducerPE):
    def __init__(self, seed):
        super().__init__()
        self.seed = int(seed)

    def process(self, inputs):
        dice = random.Random(self.seed)
        for _ in range(20):
            self.write("output", dice.randrange(700, 800))


class Solve(ConsumerPE):
    stateless = True

    def preprocess(self):
        threadpool_limits(8)

    def _process(self, size):
        matrix = numpy.ones((size, size))
        matrix @ matrix


def build(seed=1):
    graph = WorkflowGraph()
    graph.connect(Sizes(seed), "output", Solve(), "input")
    return graph
