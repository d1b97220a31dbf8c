"""Items and PEs that raise when somebody looks at them, that cannot be copied or pickled, and odd names."""

import io
import os
import random
import sys
import threading
import time

import numpy as np

from d4py_adaptive import IterativePE, ProducerPE, WorkflowGraph

ITEMS = 50


class Touchy:
    """Raises whatever is done to it."""

    def __getattr__(self, name):
        raise RuntimeError(f"no {name}")

    def __reduce_ex__(self, protocol):
        raise RuntimeError("no pickling")

    def __eq__(self, other):
        raise RuntimeError("no comparing")

    def __repr__(self):
        raise RuntimeError("no showing")

    def __len__(self):
        raise RuntimeError("no length")

    def __bool__(self):
        raise RuntimeError("no truth")

    __hash__ = None


def unlimited(_):
    value = []
    for _ in range(5_000):
        value = [value]
    return value


MAKERS = {
    "touchy": lambda _: Touchy(),
    "locks": lambda _: threading.Lock(),
    "generators": lambda number: (value for value in range(number)),
    "files": lambda _: open(os.devnull),  # noqa: PTH123, SIM115 - what cannot travel
    "frames": lambda _: sys._getframe(),
    "functions": lambda number: lambda: number,
    "deep": unlimited,
    "loops": lambda number: [number],
}


class Source(ProducerPE):
    def __init__(self, kind):
        super().__init__()
        self.kind = kind

    def process(self, inputs):
        for number in range(ITEMS):
            time.sleep(0.0001)
            item = MAKERS[self.kind](number)
            if self.kind == "loops":
                item.append(item)
            self.write("output", item)


class Kind(IterativePE):
    """Takes long enough for each call to be looked at."""

    def _process(self, data):
        time.sleep(0.0001)
        if isinstance(data, io.TextIOBase):
            data.close()
        return type(data).__name__


class Holder(Kind):
    """Keeps what cannot be compared, and itself."""

    def _process(self, data):
        self.kept, self.itself, self.local = data, self, threading.local()
        return super()._process(data)


class Uncopied(Kind):
    def __reduce_ex__(self, protocol):
        raise RuntimeError("no pickling")


class Forgetful(Kind):
    """Looks for attributes that it lacks elsewhere, as proxies do."""

    def __getattr__(self, name):
        raise AttributeError(f"no {name}, nor a text without quotes: '")


READERS = {"kind": Kind, "holder": Holder, "uncopied": Uncopied, "forgetful": Forgetful}


def build_graph(items: str = "touchy", reader: str = "kind") -> WorkflowGraph:
    graph = WorkflowGraph()
    graph.connect(Source(items), "output", READERS[reader](), "input")
    return graph


class Draw(IterativePE):
    """Random numbers from everywhere."""

    def __init__(self):
        super().__init__()
        self.mine, self.arrays = random.Random(), np.random.default_rng()

    def _process(self, data):
        return (data, random.random(), float(np.random.rand()), self.mine.random(), float(self.arrays.random()))


class Remember(IterativePE):
    def __init__(self):
        super().__init__()
        self.seen = {}

    def _process(self, data):
        self.seen[data] = len(self.seen)
        return (len(self.seen), data)


class Randoms(ProducerPE):
    def process(self, inputs):
        for _ in range(300):
            self.write("output", random.random())


def random_numbers() -> WorkflowGraph:
    graph = WorkflowGraph()
    draw = Draw()
    graph.connect(Randoms(), "output", draw, "input")
    graph.connect(draw, "output", Remember(), "input")
    return graph


NAMES = (
    "a" * 3_000, "<script>alert(1)</script>", "\x1b[2J\x1b[31mred\r\n", "名前" * 20, "a b/c\\d'\"", "[0]", "", "..",
    "{{x}}", "%s", "\u202ebackwards", "🎉",
)  # fmt: skip


def odd_names() -> WorkflowGraph:
    graph = WorkflowGraph()
    before = Source("functions")
    for name in NAMES:
        reader = Kind()
        reader.name = name
        graph.connect(before, "output", reader, "input")
        before = reader
    return graph


def long_chain(pes: int = 200) -> WorkflowGraph:
    class Next(IterativePE):
        stateless = True

        def _process(self, data):
            return data

    graph = WorkflowGraph()
    before = Source("functions")
    for _ in range(pes - 1):
        reader = Next()
        graph.connect(before, "output", reader, "input")
        before = reader
    return graph


def sources_only() -> WorkflowGraph:
    graph = WorkflowGraph()
    for _ in range(3):
        graph.add(Source("functions"))
    return graph


class Chatters(IterativePE):
    """Prints in every way there is."""

    def _process(self, data):
        print("printed")  # noqa: T201
        sys.stdout.write("without an end")
        self.log("logged")
        os.system("echo from another program")
        os.write(1, b"straight to the file\n")
        return 1


def chatting() -> WorkflowGraph:
    print("printed while it was built")  # noqa: T201
    graph = WorkflowGraph()
    graph.connect(Source("functions"), "output", Chatters(), "input")
    return graph
