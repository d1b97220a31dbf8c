"""PEs that keep books of their own: when they lived, what they worked, how long their writes took them."""

import json
import pickle
import time

from d4py_adaptive import ConsumerPE, IterativePE, ProducerPE, WorkflowGraph


def spin(seconds):
    """Use the processor for so long, however many others want it."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


WAYS = {"spin": spin, "sleep": time.sleep}


class Booked:
    """Keeps the books, and logs them at the end."""

    def open_books(self, how, seconds):
        self.how, self.seconds = how, seconds
        self.worked = self.wrote = self.waited = 0.0
        self.left = None

    def preprocess(self):
        self.born = time.perf_counter()

    def work(self):
        start = time.perf_counter()
        if self.left is not None:
            self.waited += start - self.left
        if self.seconds:
            WAYS[self.how](self.seconds)
        self.left = time.perf_counter()
        self.worked += self.left - start

    def postprocess(self):
        lived = time.perf_counter() - self.born
        books = {"lived": lived, "worked": self.worked, "wrote": self.wrote, "waited": self.waited}
        self.log("books " + json.dumps(books))


class Source(Booked, ProducerPE):
    def __init__(self, items, how, seconds, make):
        super().__init__()
        self.items, self.make = items, make
        self.open_books(how, seconds)

    def process(self, inputs):
        for number in range(self.items):
            self.work()
            item = self.make(number)
            start = time.perf_counter()
            self.write("output", item)
            self.wrote += time.perf_counter() - start


class Middle(Booked, IterativePE):
    stateless = True

    def __init__(self, how, seconds):
        super().__init__()
        self.open_books(how, seconds)

    def _process(self, data):
        self.work()
        return data


class Sink(Booked, ConsumerPE):
    stateless = False  # one instance, alone in its worker

    def __init__(self, how, seconds):
        super().__init__()
        self.open_books(how, seconds)

    def _process(self, data):
        self.work()


def number_itself(number):
    return number


def large(number):
    return bytes(200_000)


def nested(number):
    return [[number, str(number), {"a": [value]}] for value in range(2_000)]


def chain(how: str = "spin", items: int = 60) -> WorkflowGraph:
    """Three PEs that work at different speeds."""
    graph = WorkflowGraph()
    middle = Middle(how, 0.008)
    graph.connect(Source(items, how, 0.004, number_itself), "output", middle, "input")
    graph.connect(middle, "output", Sink(how, 0.002), "input")
    return graph


def slow_reader() -> WorkflowGraph:
    """A source that has nothing to do but to wait for its reader."""
    graph = WorkflowGraph()
    graph.connect(Source(100, "sleep", 0.0, large), "output", Sink("sleep", 0.01), "input")
    return graph


def slow_source() -> WorkflowGraph:
    """A reader that has nothing to do but to wait for items."""
    graph = WorkflowGraph()
    graph.connect(Source(100, "sleep", 0.01, number_itself), "output", Sink("sleep", 0.0), "input")
    return graph


def heavy_items() -> WorkflowGraph:
    """Items that take long to encode; the source says how long at least."""

    class Encodes(Source):
        def postprocess(self):
            items = [self.make(number) for number in range(5)]
            times = []
            for item in items:
                start = time.perf_counter()
                pickle.dumps(item, 5)
                times.append(time.perf_counter() - start)
            self.worked = min(times) * self.items
            super().postprocess()

    graph = WorkflowGraph()
    graph.connect(Encodes(200, "sleep", 0.0, nested), "output", Sink("sleep", 0.0), "input")
    return graph
