"""PEs that print while a progress line is shown."""

import time

from d4py_adaptive import ConsumerPE, ProducerPE, WorkflowGraph

LINES = 30


class Source(ProducerPE):
    def process(self, inputs):
        for number in range(LINES):
            time.sleep(0.02)  # long enough for the progress line to be drawn in between
            self.write("output", number)


class Talk(ConsumerPE):
    stateless = False  # one instance, so that the order of its lines is known

    def __init__(self, text):
        super().__init__()
        self.text = text

    def _process(self, data):
        print(f"line {data} {self.text} end")  # noqa: T201


def build_graph(width: int = 10, hostile: bool = False) -> WorkflowGraph:
    graph = WorkflowGraph()
    text = "\x1b[2J\x1b[31m\rover\x07" if hostile else "x" * width
    graph.connect(Source(), "output", Talk(text), "input")
    return graph
