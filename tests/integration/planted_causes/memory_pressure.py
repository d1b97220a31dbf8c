"""Every instance keeps what it gets, until the memory that this process may use is nearly full."""

import resource

from burning import Durations, burn

from d4py_adaptive import ConsumerPE, WorkflowGraph

LIMIT_BYTES = 1_200_000_000
KEPT_BYTES = 1_100_000_000
ITEMS = 100


class Keep(ConsumerPE):
    combines = True

    def __init__(self):
        super().__init__()
        self.kept = []

    def _process(self, duration):
        burn(duration)
        self.kept.append(b"x" * (KEPT_BYTES // ITEMS))


def build(seed=1):
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT_BYTES, LIMIT_BYTES))
    graph = WorkflowGraph()
    graph.connect(Durations(0.008, ITEMS, seed), "output", Keep(), "input")
    return graph
