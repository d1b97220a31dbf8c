"""A PE that divides each item among four Python threads, which the interpreter lets run one at a time."""

import random
from concurrent.futures import ThreadPoolExecutor

from d4py_adaptive import ConsumerPE, ProducerPE, WorkflowGraph


def add_up(number):
    total = 0
    for n in range(number):
        total += n * n
    return total


class Sizes(ProducerPE):
    def __init__(self, seed):
        super().__init__()
        self.seed = int(seed)

    def process(self, inputs):
        dice = random.Random(self.seed)
        for _ in range(30):
            self.write("output", dice.randrange(90_000, 110_000))


class Divide(ConsumerPE):
    stateless = True

    def preprocess(self):
        self.pool = ThreadPoolExecutor(4)

    def _process(self, size):
        list(self.pool.map(add_up, [size] * 4))

    def postprocess(self):
        self.pool.shutdown()


def build(seed=1):
    graph = WorkflowGraph()
    graph.connect(Sizes(seed), "output", Divide(), "input")
    return graph
