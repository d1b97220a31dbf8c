"""Runs one example of dispel4py in its own interpreter, and writes down what its unconnected outputs give.

python record_theirs.py FILE MODULE MAPPING WORKERS INPUTS

INPUTS is JSON: a number of iterations, or by PE name a list of inputs. Runs under Python 3.8 and later, with dispel4py
1.2.1 or stream-d4py. Their `multi` returns nothing; hence the PEs with an output that nobody reads are watched, and
each item that they return or write becomes a line of JSON in FILE.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys


def contained(node):
    return node.get_contained_object() if hasattr(node, "get_contained_object") else node.getContainedObject()


def watch(pe, label, unconnected, descriptor):
    """Give the PE's class methods that write down what goes to the outputs nobody reads."""

    def note(output, item):
        if output in unconnected:
            os.write(descriptor, (json.dumps([label, output, item], default=str) + "\n").encode())

    class Watched(type(pe)):
        def process(self, inputs):
            self.__dict__["_inside"] = True
            try:
                result = super().process(inputs)
            finally:
                self.__dict__["_inside"] = False
            for output, item in (result or {}).items():
                note(output, item)
            return result

        def postprocess(self):
            self.__dict__["_inside"] = True
            super().postprocess()
            self.__dict__["_inside"] = False

        def write(self, name, data, **kwargs):
            if self.__dict__.get("_inside"):  # else it is the runtime that writes what `process` returned
                note(name, data)
            super().write(name, data, **kwargs)

    Watched.__name__ = type(pe).__name__
    pe.__class__ = Watched


def main():
    file, module, mapping, workers, text = sys.argv[1:6]
    sys.argv[1:] = [mapping, module, "-i", text]  # as their command line has it: one example reads it
    graph = importlib.import_module(module).graph
    graph.flatten()
    edges = [edge for _, _, edge in graph.graph.edges(data=True)]
    connected = {(id(edge["DIRECTION"][0]), output) for edge in edges for output, _ in edge["ALL_CONNECTIONS"]}
    readers = {id(edge["DIRECTION"][1]) for edge in edges}
    pes = [contained(node) for node in graph.graph.nodes()]
    given = json.loads(text)
    if isinstance(given, int):
        inputs = {pe: given for pe in pes if id(pe) not in readers}
    else:
        inputs = {pe: given[pe.name] for pe in pes if pe.name in given}
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for number, pe in enumerate(pes):
        unconnected = {name for name in pe.outputconnections if (id(pe), name) not in connected}
        if unconnected:
            watch(pe, pe.name + str(number), unconnected, descriptor)
    enact = importlib.import_module("dispel4py.new." + mapping + "_process").process
    error = enact(graph, inputs, argparse.Namespace(num=int(workers), simple=False))
    if error:
        print(error)


if __name__ == "__main__":
    main()
