"""Two PEs of one instance each, both heavy, that the planner puts into one stage."""

from burning import Durations, burn

from d4py_adaptive import ConsumerPE, IterativePE, WorkflowGraph


class Track(IterativePE):
    def __init__(self):
        super().__init__()
        self.last = 0.0

    def _process(self, duration):
        burn(duration * 1.15)
        self.last = duration
        return duration


class Smooth(ConsumerPE):
    def __init__(self):
        super().__init__()
        self.mean = 0.0

    def _process(self, duration):
        burn(duration)
        self.mean = 0.9 * self.mean + 0.1 * duration


def build(seed=1):
    graph = WorkflowGraph()
    track = Track()
    graph.connect(Durations(0.006, 90, seed), "output", track, "input")
    graph.connect(track, "output", Smooth(), "input")
    return graph
