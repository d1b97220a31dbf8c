"""Results that depend on the process a PE runs in, which is what `--verify` is there to find."""

import os

from d4py_adaptive import IterativePE, ProducerPE, WorkflowGraph


class Source(ProducerPE):
    def _process(self, inputs):
        for number in range(6):
            self.write("output", number)


class Where(IterativePE):
    stateless = True

    def _process(self, data):
        return (data, os.getpid())


graph = WorkflowGraph()
graph.connect(Source(), "output", Where(), "input")
