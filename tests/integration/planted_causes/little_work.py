"""So little to do that starting workers takes longer: best run in one process, where it is healthy."""

from burning import Durations, burn

from d4py_adaptive import ConsumerPE, WorkflowGraph


class Fit(ConsumerPE):
    def _process(self, duration):
        burn(duration)


def build(seed=1):
    graph = WorkflowGraph()
    graph.connect(Durations(0.0003, 20, seed), "output", Fit(), "input")
    return graph
