"""A PE that computes, free to have many instances: healthy on as many workers as cores, too many on more."""

from burning import Durations, burn

from d4py_adaptive import ConsumerPE, WorkflowGraph


class Fit(ConsumerPE):
    def _process(self, duration):
        burn(duration)


def build(seed=1):
    graph = WorkflowGraph()
    graph.connect(Durations(0.01, 140, seed), "output", Fit(), "input")
    return graph
