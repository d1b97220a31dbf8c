"""Aggregates in real workers: really replicated, and the same to the last digit for any number and order."""

from __future__ import annotations

import json
from ast import literal_eval

from real_processes import D4py

SCRIPT = """
import json, math, random, statistics
from d4py_adaptive import ProducerPE, WorkflowGraph, run
from d4py_adaptive.dataflow.aggregates import (
    AggregatePE, SumPE, parallel_aggregate, parallel_avg, parallel_count, parallel_max, parallel_min,
    parallel_std_dev, parallel_sum,
)

VALUES = [random.Random(4).gauss(0, 1) * 10.0 ** (i % 40 - 20) for i in range(900)]

class Source(ProducerPE):
    def __init__(self, seed):
        super().__init__()
        self.items = [(-i, value) for i, value in enumerate(VALUES)]
        if seed:
            random.Random(seed).shuffle(self.items)

    def _process(self, inputs):
        for item in self.items:
            self.write("output", item)

class Length(AggregatePE):
    def _process(self, inputs):
        self.value[0] += 1

def make(seed):
    source, graph = Source(seed), WorkflowGraph()
    composites = {
        "count": parallel_count(), "sum": parallel_sum([1, 0]), "min": parallel_min([0, 1]), "max": parallel_max(),
        "avg": parallel_avg(1), "std_dev": parallel_std_dev(1), "own": parallel_aggregate(Length(), SumPE()),
    }
    for composite in composites.values():
        graph.connect(source, "output", composite, "input")
    return graph, composites

def results(seed, **options):
    graph, composites = make(seed)
    done = run(graph, **options)
    found, instances = {}, set()
    for name, composite in composites.items():
        mapper, reducer = composite.get_contained_objects()
        (found[name],) = done.outputs[reducer.id]["output"]
        instances.add((len(done.plan.instances_of[mapper.id]), len(done.plan.instances_of[reducer.id])))
    return repr(found), sorted(instances)
"""


def test_any_number_of_workers_gives_the_same(d4py: D4py) -> None:
    (d4py.folder / "script.py").write_text(
        SCRIPT
        + "runs = [results(0, mapping='simple')]\n"
        + "runs += [results(seed, mapping='multi', workers=workers) for seed, workers in ((1, 1), (2, 2), (0, 3))]\n"
        + "print(json.dumps(runs))\n"
        + "values = [value for _, value in Source(0).items]\n"
        + "print([statistics.stdev(values), math.fsum(values), statistics.mean(values), min(values)])\n"
    )
    told, expected = d4py.start_python("script.py").wait(90).succeeds().splitlines()
    runs = json.loads(told)
    assert [instances for _, instances in runs] == [[[mappers, 1]] for mappers in (1, 1, 2, 3)]
    assert len({found for found, _ in runs}) == 1
    found = literal_eval(runs[0][0])
    deviation, total, mean, least = literal_eval(expected)
    assert found["count"] == found["own"] == [900]
    assert found["sum"] == [total, -sum(range(900))]
    assert found["min"] == [-899, least]
    assert found["max"] == [0]
    assert found["avg"] == [mean, 900, total]
    assert found["std_dev"][:3] == (deviation, 900, total)


def test_no_items_at_all(d4py: D4py) -> None:
    (d4py.folder / "script.py").write_text(
        SCRIPT + "VALUES.clear()\nprint(results(0, mapping='multi', workers=3)[0])\n"
    )
    assert literal_eval(d4py.python("script.py").succeeds()) == {
        "count": [0], "sum": [0, 0], "min": [None, None], "max": [None], "avg": [None, 0, 0],
        "std_dev": (None, 0, 0, 0), "own": [0],
    }  # fmt: skip


def test_a_value_that_cannot_be_added_is_named(d4py: D4py) -> None:
    (d4py.folder / "flow.py").write_text(
        SCRIPT + "VALUES[5] = '0.5'\ngraph = WorkflowGraph()\n"
        "graph.connect(Source(0), 'output', parallel_sum([1]), 'input')\n"
    )
    line = d4py.run("run", "flow.py", "-m", "multi", "-n", 2, "-q").fails_with(1)
    assert "SumPE1 cannot take in '0.5', a str, at index 1 of its items" in line
