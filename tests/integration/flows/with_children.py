"""A PE that has processes of its own: a program it called, or a pool."""

import multiprocessing
import os
import subprocess
import sys
import time

from d4py_adaptive import IterativePE, ProducerPE, WorkflowGraph


class Source(ProducerPE):
    def process(self, inputs):
        while True:
            self.write("output", 1)


class CallsProgram(IterativePE):
    def _process(self, data):
        self.log("program runs")
        subprocess.run([sys.executable, "-c", "import time; time.sleep(60)"])


class HasPool(IterativePE):
    def preprocess(self):
        self.pool = multiprocessing.get_context("fork").Pool(2)
        self.pool.map(abs, [1, 2])
        self.log("pool runs")

    def _process(self, data):
        time.sleep(60)


class Forks(IterativePE):
    def _process(self, data):
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)
        self.log("fork runs")
        time.sleep(60)


def build_graph(kind: str) -> WorkflowGraph:
    graph = WorkflowGraph()
    pe = {"program": CallsProgram, "pool": HasPool, "fork": Forks}[kind]()
    graph.connect(Source(), "output", pe, "input")
    return graph
