"""PEs that fail in every way a PE can fail in, one way per run."""

import asyncio
import ctypes
import os
import sys

from d4py_adaptive import ConsumerPE, IterativePE, ProducerPE, WorkflowGraph


class Numbers(ProducerPE):
    def _process(self, inputs):
        for number in range(10):
            self.write("output", number)


class Trouble(IterativePE):
    """Does what it is told, at the item 3."""

    def __init__(self, way):
        super().__init__()
        self.way = way
        self.tried = set()
        if way == "init":
            raise ValueError("no such luck")

    def preprocess(self):
        if self.way == "preprocess":
            raise ValueError("no such luck")

    def postprocess(self):
        if self.way == "postprocess":
            raise ValueError("no such luck")

    def _process(self, data):
        if data == 3:
            return getattr(self, f"do_{self.way}", self.pass_on)(data)
        return data

    def pass_on(self, data):
        return data

    def do_process(self, data):
        raise ValueError("no such luck")

    def do_two_lines(self, data):
        raise ValueError("first line\nsecond line \x1b[31m")

    def do_own_error(self, data):
        raise OwnError(1, 2, 3)

    def do_first_try(self, data):
        if data not in self.tried:
            self.tried.add(data)
            raise ValueError("try again")
        return data

    def do_generator(self, data):
        return (number for number in range(3))

    def do_open_file(self, data):
        return open(os.devnull, "w")  # noqa: PTH123 - what cannot travel

    def do_unknown_port(self, data):
        self.write("outptu", data)

    def do_exit_code(self, data):
        os._exit(7)

    def do_sys_exit(self, data):
        sys.exit(0)

    def do_segfault(self, data):
        ctypes.string_at(0)

    def do_abort(self, data):
        os.abort()

    def do_recursion(self, data):
        return self.do_recursion(data)

    def do_memory(self, data):
        return bytes(1 << 62)

    def do_cancelled(self, data):
        raise asyncio.CancelledError("by asyncio")


class OwnError(Exception):
    """An exception that pickle cannot bring back."""

    def __init__(self, a, b, c):
        super().__init__(f"own error {a}{b}{c}")


class Collect(ConsumerPE):
    def __init__(self):
        super().__init__()
        self.seen = []

    def _process(self, data):
        self.seen.append(data)

    def postprocess(self):
        self.log(f"seen {sorted(self.seen)}")


def build_graph(way: str) -> WorkflowGraph:
    graph = WorkflowGraph()
    trouble = Trouble(way)
    graph.connect(Numbers(), "output", trouble, "input")
    graph.connect(trouble, "output", Collect(), "input")
    return graph
