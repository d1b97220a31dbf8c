"""A running total holds the PE that computes at one instance."""

from burning import Durations, burn

from d4py_adaptive import IterativePE, WorkflowGraph


class Accumulate(IterativePE):
    def __init__(self):
        super().__init__()
        self.total = 0.0

    def _process(self, duration):
        burn(duration)
        self.total += duration

    def _postprocess(self):
        self.write("output", self.total)


def build(seed=1):
    graph = WorkflowGraph()
    graph.connect(Durations(0.01, 90, seed), "output", Accumulate(), "input")
    return graph
