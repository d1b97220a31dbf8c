"""Two keys, however many workers there are."""

from burning import around, burn

from d4py_adaptive import ConsumerPE, ProducerPE, WorkflowGraph


class Channels(ProducerPE):
    def __init__(self, seed):
        super().__init__()
        self.seed = int(seed)

    def process(self, inputs):
        for number, duration in enumerate(around(0.01, 120, self.seed)):
            self.write("output", (("north", "east")[number % 2], duration))


class Stack(ConsumerPE):
    def __init__(self):
        super().__init__()
        self.inputconnections["input"]["grouping"] = [0]

    def _process(self, item):
        burn(item[1])


def build(seed=1):
    graph = WorkflowGraph()
    graph.connect(Channels(seed), "output", Stack(), "input")
    return graph
