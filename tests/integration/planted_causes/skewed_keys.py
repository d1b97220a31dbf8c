"""Nine of ten items carry one key."""

import random

from burning import around, burn

from d4py_adaptive import ConsumerPE, ProducerPE, WorkflowGraph


class Words(ProducerPE):
    def __init__(self, seed):
        super().__init__()
        self.seed = int(seed)

    def process(self, inputs):
        dice = random.Random(self.seed)
        for number, duration in enumerate(around(0.01, 100, self.seed)):
            self.write("output", ("the" if number % 10 else f"rare{dice.randrange(50)}", duration))


class Count(ConsumerPE):
    def __init__(self):
        super().__init__()
        self.inputconnections["input"]["grouping"] = [0]

    def _process(self, item):
        burn(item[1])


def build(seed=1):
    graph = WorkflowGraph()
    graph.connect(Words(seed), "output", Count(), "input")
    return graph
