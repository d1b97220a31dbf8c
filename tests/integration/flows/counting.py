"""As many items as one likes, of three sizes, grouped by key on their way."""

from d4py_adaptive import ConsumerPE, IterativePE, ProducerPE, WorkflowGraph


class Numbers(ProducerPE):
    def __init__(self, items):
        super().__init__()
        self.items = items

    def process(self, inputs):
        texts = ("", "x" * 10, "x" * 100)
        for number in range(self.items):
            self.write("output", (number % 5_003, texts[number % 3]))


class Pass(IterativePE):
    stateless = True

    def _process(self, data):
        return data


class ByKey(ConsumerPE):
    def __init__(self):
        super().__init__(numprocesses=2)
        self.inputconnections["input"]["grouping"] = [0]
        self.number = 0

    def _process(self, data):
        self.number += 1


def build_graph(items: int = 10_000) -> WorkflowGraph:
    graph = WorkflowGraph()
    middle = Pass()
    graph.connect(Numbers(items), "output", middle, "input")
    graph.connect(middle, "output", ByKey(), "input")
    return graph
