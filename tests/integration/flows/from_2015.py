"""A file as people wrote them for dispel4py in 2015, without dispel4py installed."""

from dispel4py.base import ConsumerPE, IterativePE, ProducerPE, SimpleFunctionPE, create_iterative_chain
from dispel4py.core import GROUPING, NAME, TYPE, GenericPE
from dispel4py.new.aggregate import parallelSum
from dispel4py.new.monitoring import ProcessTimingPE
from dispel4py.workflow_graph import WorkflowGraph


class Words(ProducerPE):
    def __init__(self):
        ProducerPE.__init__(self)
        self.counter = 0

    def _process(self, inputs):
        self.counter += 1
        return ["red", "green", "blue"][self.counter % 3], self.counter


class Count(GenericPE):
    def __init__(self):
        GenericPE.__init__(self)
        self.inputconnections["input"] = {NAME: "input", GROUPING: [0]}
        self.outputconnections["output"] = {NAME: "output", TYPE: ["word", "count"]}
        self.counts = {}

    def process(self, inputs):
        word = inputs["input"][0]
        self.counts[word] = self.counts.get(word, 0) + 1

    def postprocess(self):
        for item in self.counts.items():
            self.write("output", item, metadata={"kept": "by nobody"})


def upper(item):
    return item[0].upper(), item[1]


def same(item, times=1):
    return item[0] * times, item[1]


def only_number(item):
    return (item[1],)


words = Words()
words.name = "words"
chain = create_iterative_chain([upper, (same, {"times": 2})], FunctionPE_class=SimpleFunctionPE)
count = Count()
count.numprocesses = 2
total = parallelSum()

graph = WorkflowGraph()
graph.connect(words, "output", chain, "input")
graph.connect(chain, "output", count, "input")
numbers = ProcessTimingPE(SimpleFunctionPE(only_number))
graph.connect(chain, "output", numbers, "input")
graph.connect(numbers, "output", total, "input")
for node in graph.graph.nodes():
    assert isinstance(node.getContainedObject(), (GenericPE, WorkflowGraph))
graph.partitions = [[words], [chain, count]]
assert ConsumerPE
assert IterativePE
