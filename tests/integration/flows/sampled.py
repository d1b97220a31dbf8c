"""Sources that write in different ways, most of them without end, and a sink that says what it was given."""

import time

from d4py_adaptive import ConsumerPE, IterativePE, ProducerPE, WorkflowGraph


class InOneCall(ProducerPE):
    """Writes without end, all in one call."""

    def process(self, inputs):
        number = 0
        while True:
            self.write("output", number)
            number += 1


class CallByCall(ProducerPE):
    def __init__(self):
        super().__init__()
        self.number = -1

    def _process(self, inputs):
        time.sleep(0.0005)
        self.number += 1
        return self.number


class Million(ProducerPE):
    """Writes all that there is in its one call."""

    def process(self, inputs):
        for number in range(100_000_000):
            self.write("output", number)


class Ten(ProducerPE):
    """Has less than anybody asks for."""

    def process(self, inputs):
        for number in range(10):
            self.write("output", number)


class Pass(IterativePE):
    def __init__(self, seconds):
        super().__init__()
        self.seconds = seconds

    def _process(self, data):
        if self.seconds:
            time.sleep(self.seconds)
        return data


class Tally(ConsumerPE):
    def __init__(self):
        super().__init__()
        self.number = self.total = 0

    def _process(self, data):
        self.number += 1
        self.total += data

    def postprocess(self):
        missing = sum(range(self.number)) - self.total
        self.log(f"received {self.number}, missing {missing}")


SOURCES = {"in_one_call": InOneCall, "call_by_call": CallByCall, "million": Million, "ten": Ten}


def build_graph(source: str = "in_one_call", seconds: float = 0.0) -> WorkflowGraph:
    graph = WorkflowGraph()
    middle = Pass(seconds)
    graph.connect(SOURCES[source](), "output", middle, "input")
    graph.connect(middle, "output", Tally(), "input")
    return graph
