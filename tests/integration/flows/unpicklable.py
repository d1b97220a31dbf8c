"""A PE that holds what cannot be sent to another process."""

import threading

from d4py_adaptive import IterativePE, ProducerPE, WorkflowGraph


class Source(ProducerPE):
    def _process(self, inputs):
        return 1


class Locked(IterativePE):
    def __init__(self):
        super().__init__()
        self.lock = threading.Lock()

    def _process(self, data):
        with self.lock:
            return data


graph = WorkflowGraph()
graph.connect(Source(), "output", Locked(), "input")
