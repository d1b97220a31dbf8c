"""Sources that are called again and again rather than once: the run stops between two calls."""

from d4py_adaptive import IterativePE, ProducerPE, WorkflowGraph


class Source(ProducerPE):
    def _process(self, inputs):
        return 1


class Pass(IterativePE):
    def __init__(self):
        super().__init__()
        self.seen = 0

    def _process(self, data):
        self.seen += 1
        if self.seen == 1000:
            self.log("under way")


graph = WorkflowGraph()
graph.connect(Source(), "output", Pass(), "input")
