"""Numbers, doubled; small enough for every option of the command line to be tried on it."""

from d4py_adaptive import ConsumerPE, IterativePE, ProducerPE, WorkflowGraph


class Source(ProducerPE):
    def __init__(self):
        super().__init__()
        self.number = 0

    def _process(self, inputs):
        self.number += 1
        return inputs.get("start", self.number)


class Double(IterativePE):
    def _process(self, data):
        return 2 * data


class Hundred(ConsumerPE):
    """Prints in pieces, so that whoever mixes lines of several PEs is found out."""

    def _process(self, data):
        for number in range(100):
            print("a", end="")  # noqa: T201
            print(f"b{number:03}", end="")  # noqa: T201
            print("c\nd", number, "e")  # noqa: T201


graph = WorkflowGraph()
graph.connect(Source(), "output", Double(), "input")


def build_talkers(writers: int = 1) -> WorkflowGraph:
    talking = WorkflowGraph()
    source = Source()
    for _ in range(writers):
        talking.connect(source, "output", Hundred(), "input")
    return talking


def build_factors(factor: int = 2, scale: float = 1.0, loud: bool = False, name: str | None = None) -> WorkflowGraph:
    class Factor(IterativePE):
        def _process(self, data):
            return (factor, scale, loud, name)

    made = WorkflowGraph()
    made.connect(Source(), "output", Factor(), "input")
    return made


def build_nothing() -> int:
    return 3


not_a_graph = 5
