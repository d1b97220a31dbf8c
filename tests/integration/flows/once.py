"""Opens a file for writing when it is loaded, as scripts do: loading it twice would truncate what is there."""

from pathlib import Path

from d4py_adaptive import IterativePE, ProducerPE, WorkflowGraph

with Path("loaded.txt").open("a") as file:
    file.write("loaded\n")
Path("table.csv").write_text("number\n")
LIMIT = 5


class Source(ProducerPE):
    def _process(self, inputs):
        for number in range(LIMIT):
            self.write("output", number)


class Append(IterativePE):
    def _process(self, data):
        with Path("table.csv").open("a") as file:
            file.write(f"{data}\n")


graph = WorkflowGraph()
graph.connect(Source(), "output", Append(), "input")
