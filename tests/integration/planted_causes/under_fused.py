"""A PE that does next to nothing stands in a stage of its own (`--no-fuse`), behind one that writes many items."""

import random

from d4py_adaptive import ConsumerPE, IterativePE, ProducerPE, WorkflowGraph


class Files(ProducerPE):
    def __init__(self, seed):
        super().__init__()
        self.seed = int(seed)

    def process(self, inputs):
        dice = random.Random(self.seed)
        for _ in range(100):
            self.write("output", dice.randrange(900, 1100))


class Lines(IterativePE):
    def process(self, inputs):
        for number in range(inputs["input"]):
            self.write("output", {"number": number})


class Check(ConsumerPE):
    def _process(self, line):
        return line["number"]


def build(seed=1):
    graph = WorkflowGraph()
    lines = Lines()
    graph.connect(Files(seed), "output", lines, "input")
    graph.connect(lines, "output", Check(), "input")
    return graph
