"""The source waits for an instrument that gives it an item now and then. Run it with `-i 50`."""

import random
import time

from burning import burn

from d4py_adaptive import ConsumerPE, ProducerPE, WorkflowGraph


class Listen(ProducerPE):
    def __init__(self, seed):
        super().__init__()
        self.dice = random.Random(int(seed))

    def _process(self, inputs):
        pause = self.dice.uniform(0.016, 0.024)
        time.sleep(pause)
        return pause


class Tidy(ConsumerPE):
    def _process(self, pause):
        burn(0.001)


def build(seed=1):
    graph = WorkflowGraph()
    graph.connect(Listen(seed), "output", Tidy(), "input")
    return graph
