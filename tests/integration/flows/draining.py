"""An endless source and a sink that says at its end how much it was given: an ending in order loses nothing."""

import time

from d4py_adaptive import ConsumerPE, IterativePE, ProducerPE, WorkflowGraph


class Source(ProducerPE):
    """Writes without end, all in one call."""

    def __init__(self):
        super().__init__()
        self.written = 0

    def process(self, inputs):
        while True:
            self.write("output", self.written)
            self.written += 1

    def postprocess(self):
        self.log(f"written {self.written}")


class Half(IterativePE):
    """Passes items on, now and then with a pause, and sends some to an output that nobody reads."""

    def __init__(self):
        super().__init__()
        self._add_output("odd")

    def _process(self, data):
        if data % 1000 == 0:
            time.sleep(0.001)
        if data in (1, 3):
            self.write("odd", f"odd number {data}")
        return data


class Sink(ConsumerPE):
    def __init__(self):
        super().__init__()
        self.received = 0

    def _process(self, data):
        self.received += 1
        if self.received == 1000:
            self.log("under way")

    def postprocess(self):
        self.log(f"received {self.received}")


class Sleeper(ConsumerPE):
    """Does not come back for long."""

    def _process(self, data):
        self.log("asleep")
        time.sleep(300)


def build_graph(sink: str = "Sink") -> WorkflowGraph:
    graph = WorkflowGraph()
    half = Half()
    graph.connect(Source(), "output", half, "input")
    graph.connect(half, "output", {"Sink": Sink, "Sleeper": Sleeper}[sink](), "input")
    return graph
