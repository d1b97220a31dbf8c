"""Runs one workflow once, under one runtime, in this interpreter; `sides.py` starts it.

python enact.py HOW SPECIFICATION

HOW is a name in `WAYS`; SPECIFICATION is JSON, as `flows.build` takes it. All that is found is left in its folder, by
the PEs, and here: when the runtime was called, when it came back, and what CPU time its processes took.
"""

from __future__ import annotations

import json
import resource
import sys
from argparse import Namespace
from collections.abc import Callable
from functools import partial
from importlib import import_module
from time import monotonic_ns

from tally import report

# The runtimes. Each gives a function that runs the workflow, with all that is not the run done before.


def ours(spec: dict, mapping: str, placed: str) -> Callable[[], object]:
    """This runtime, by the plan that `placed` names; empty is its own."""
    import d4py_adaptive.dispel4py.installed  # noqa: F401 - makes dispel4py's names lead here
    from d4py_adaptive import run

    graph, source = import_module("flows").build(spec)
    options = {"plan": PLANS[placed](graph.freeze(), mapping)} if placed else {}
    if mapping == "multi" and not placed:
        options["workers"] = 4
    return partial(run, graph, {source: spec["items"]}, mapping=mapping, **options)


def apart(workflow, mapping):
    """A worker for each instance."""
    from d4py_adaptive.dataflow.plan import Plan, Stage

    stages, workers = [], 0
    for pe in workflow.order:
        instances = workflow.by_id[pe].prototype.numprocesses
        stages.append(Stage((pe,), tuple(range(workers, workers + instances))))
        workers += instances
    return Plan(tuple(stages), workers, mapping)


def together(workflow, mapping):
    """All PEs in one stage."""
    from d4py_adaptive.dataflow.plan import Plan, Stage

    return Plan((Stage(tuple(workflow.order), (0,)),), 1, mapping)


PLANS = {"apart": apart, "together": together}


def theirs(spec: dict) -> Callable[[], object]:
    """stream-d4py's multi, with as many processes as the workflow has instances."""
    from dispel4py.new.multi_process import process

    graph, source = import_module("flows").build(spec)
    instances = sum(node.get_contained_object().numprocesses for node in graph.graph.nodes())
    return partial(process, graph, {source: spec["items"]}, Namespace(num=instances, simple=False))


def plain(spec: dict, module: str) -> Callable[[], object]:
    """A program of ours without a runtime, or on another system: the function `run` of a module here."""
    return partial(import_module(module).run, spec)


WAYS = {
    "d4py apart": partial(ours, mapping="multi", placed="apart"),
    "d4py together": partial(ours, mapping="multi", placed="together"),
    "d4py planned": partial(ours, mapping="multi", placed=""),
    "d4py simple": partial(ours, mapping="simple", placed=""),
    "stream-d4py": theirs,
    "handover": partial(plain, module="handover"),
    "pool": partial(plain, module="with_pool"),
    "ray": partial(plain, module="with_ray"),
    "dask": partial(plain, module="with_dask"),
}


def main() -> None:
    how, spec = sys.argv[1], json.loads(sys.argv[2])
    run = WAYS[how](spec)
    started_ns = monotonic_ns()
    run()
    ended_ns = monotonic_ns()
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu_s = sum(one.ru_utime + one.ru_stime for one in used)
    report(spec["folder"], role="run", started_ns=started_ns, ended_ns=ended_ns, cpu_s=cpu_s)


if __name__ == "__main__":
    main()
