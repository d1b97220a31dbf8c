"""dispel4py's functions that run a graph: `process_and_return(graph, inputs)`, `process(graph, inputs, args)`."""

from __future__ import annotations

import os
import queue
import sys
from typing import Any

from d4py_adaptive.dashboard.terminal import TerminalView
from d4py_adaptive.dataflow.builder import WorkflowGraph
from d4py_adaptive.errors import InputError
from d4py_adaptive.runtime.api import run
from d4py_adaptive.runtime.session import RunOptions, enact

STATUS_ACTIVE, STATUS_INACTIVE, STATUS_TERMINATED = 10, 11, 12

MODULES = {
    "simple": "dispel4py.new.simple_process",
    "multi": "dispel4py.new.multi_process",
    "mpi": "dispel4py.new.mpi_process",
}

_RANKS = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MPI_LOCALNRANKS")


def process_and_return(
    workflow: WorkflowGraph, inputs: object = None, resultmappings: object = None
) -> dict[str, dict[str, list[Any]]]:
    """Run the graph in this process; the items of its unconnected outputs, by PE id and output.

    Raises:
        InputError: `resultmappings` is given, which dispel4py uses for itself.
        D4pyError: whatever else `d4py_adaptive.run` raises.
    """
    if resultmappings is not None:
        raise InputError("resultmappings is dispel4py's own; connect nothing to an output to have its items returned")
    return run(workflow, inputs).outputs


def simple_process(workflow: WorkflowGraph, inputs: object = None, args: object = None, **_: object) -> None:
    """Run the graph in this process, and print what its unconnected outputs give."""
    _process(workflow, inputs, "simple", None)
    del args


def multi_process(workflow: WorkflowGraph, inputs: object = None, args: object = None) -> queue.Queue[Any] | None:
    """Run the graph on `args.num` processes, and print what its unconnected outputs give.

    Args:
        workflow: the graph.
        inputs: what `d4py_adaptive.run` takes.
        args: has `num` (or `num_processes`); `simple` True puts the sources into one partition and the rest into
            another; with `results` True the results are not printed, but returned.

    Returns:
        None, or with `args.results` a queue of `(PE id, output, item)` that ends with `STATUS_TERMINATED`.
    """
    workers = getattr(args, "num", None) or getattr(args, "num_processes", None)
    if getattr(args, "simple", False) and workflow.partitions is None:
        workflow.partition_sources()
    if not getattr(args, "results", False):
        _process(workflow, inputs, "multi", workers)
        return None
    results: queue.Queue[Any] = queue.Queue()
    outputs = run(workflow, inputs, mapping="multi", workers=workers).outputs
    for pe, ports in outputs.items():
        for port, items in ports.items():
            for item in items:
                results.put((pe, port, item))
    results.put(STATUS_TERMINATED)
    return results


def mpi_process(workflow: WorkflowGraph, inputs: object = None, args: object = None) -> queue.Queue[Any] | None:
    """What `multi_process` does, on this machine: there is no MPI mapping yet.

    Raises:
        InputError: this process is one of several MPI ranks, which would each run the whole graph.
    """
    ranks = next((os.environ[name] for name in _RANKS if os.environ.get(name, "1") != "1"), None)
    if ranks is not None:
        raise InputError(f"there is no MPI mapping yet, and this is one of {ranks} ranks; run it without mpiexec")
    return _elsewhere("MPI", workflow, inputs, args)


def dynamic_process(workflow: WorkflowGraph, inputs: object = None, args: object = None) -> queue.Queue[Any] | None:
    """What `multi_process` does: any idle instance that may take an item gets it, without a server."""
    return _elsewhere("the dynamic and Redis mappings", workflow, inputs, args)


def _elsewhere(asked: str, workflow: WorkflowGraph, inputs: object, args: object) -> queue.Queue[Any] | None:
    sys.stderr.write(f"d4py: {asked}: not here; the graph runs under multi, on this machine\n")
    return multi_process(workflow, inputs, args)


def _process(workflow: WorkflowGraph, inputs: object, mapping: str, workers: int | None) -> None:
    with TerminalView() as view:
        finished = enact(workflow, inputs, RunOptions(mapping=mapping, workers=workers), view)
        view.finished(finished.record, finished.counters, finished.directory)
