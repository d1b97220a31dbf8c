"""A workflow too big for a pipe's buffer, so that sending it to a worker takes until the worker reads it."""

from d4py_adaptive import IterativePE, ProducerPE, WorkflowGraph


class Source(ProducerPE):
    def __init__(self):
        super().__init__()
        self.ballast = bytes(50_000_000)

    def process(self, inputs):
        while True:
            self.write("output", 1)


class Pass(IterativePE):
    def _process(self, data):
        return data


graph = WorkflowGraph()
graph.connect(Source(), "output", Pass(), "input")
