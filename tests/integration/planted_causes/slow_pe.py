"""All the time goes into one PE that may be replicated, in one process."""

from burning import Durations, burn

from d4py_adaptive import ConsumerPE, IterativePE, WorkflowGraph


class Fit(IterativePE):
    def _process(self, duration):
        burn(duration)
        return duration


class Tidy(ConsumerPE):
    def _process(self, duration):
        burn(0.001)


def build(seed=1):
    graph = WorkflowGraph()
    fit = Fit()
    graph.connect(Durations(0.015, 60, seed), "output", fit, "input")
    graph.connect(fit, "output", Tidy(), "input")
    return graph
