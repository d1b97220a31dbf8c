"""Each of four readers gets a copy of its own of every item, though none changes it."""

import random

from d4py_adaptive import ConsumerPE, ProducerPE, WorkflowGraph


class Catalogue(ProducerPE):
    def __init__(self, seed):
        super().__init__()
        dice = random.Random(int(seed))
        self.stars = {f"star{number}": [dice.random(), dice.random()] for number in range(5_000)}

    def process(self, inputs):
        for _ in range(40):
            self.write("output", self.stars)


class Look(ConsumerPE):
    def _process(self, stars):
        return stars["star7"]


def build(seed=1):
    graph = WorkflowGraph()
    catalogue = Catalogue(seed)
    for _ in range(4):
        graph.connect(catalogue, "output", Look(), "input")
    return graph
