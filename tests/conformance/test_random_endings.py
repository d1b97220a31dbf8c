"""Random workflows that end early, by a failing PE or by a request to stop: never a hang, never the wrong name."""

import random
import signal
from dataclasses import dataclass

import pytest

from d4py_adaptive.errors import PEError
from d4py_adaptive.mappings.base import MAPPINGS
from d4py_adaptive.mappings.interruption import Interruption
from d4py_adaptive.testing.comparing import Observed, Trial, reference_of
from d4py_adaptive.testing.random_graphs import random_graph

in_process = pytest.mark.parametrize("mapping", ["simple", "toy"])
METHODS = ["process", "preprocess", "postprocess"]


class BoomError(Exception):
    pass


def sabotaged(make, method, at):
    """A maker of the same PE, which raises in this method, or at this call of `process`."""

    def made():
        pe = make()
        base = type(pe)

        def broken_process(self, inputs):
            self.calls = getattr(self, "calls", 0) + 1
            if self.calls == at:
                raise BoomError
            return base.process(self, inputs)

        def broken(self):
            raise BoomError

        own = {method: broken_process if method == "process" else broken, "stateless": False}
        pe.__class__ = type(f"Broken{base.__name__}", (base,), own)
        pe.on_error = "stop"
        return pe

    return made


def run_sabotaged(mapping, seed):
    """The name of the PE that fails, and how the run ended: its failure, or None."""
    graph = random_graph(seed)
    names = [name for name in graph.nodes if not name.startswith(("Picky", "Flaky", "chain"))]
    name, method, at = random.Random(seed).choice(names), METHODS[seed % 3], 1 + seed % 7
    graph.nodes[name].make = sabotaged(graph.nodes[name].make, method, at)
    job = Trial(mapping, seed, "fork" if mapping == "multi" else "").job(graph)
    try:
        MAPPINGS.get(mapping)().run(job, Observed(), Interruption())
    except PEError as error:
        return name, method, job.workflow.by_id[error.failure.pe].name, error.failure
    return name, method, "", None


def check_failure(mapping, seed):
    name, method, failed, failure = run_sabotaged(mapping, seed)
    if failure is None:
        assert method == "process", "every PE is prepared and ended, whatever reaches it"
    else:
        assert (failed, failure.error_type, failure.method) == (name, "BoomError", method)


@in_process
@pytest.mark.parametrize("seed", range(40))
def test_a_failure_anywhere_is_named_and_ends_the_run(mapping, seed):
    check_failure(mapping, seed)


@pytest.mark.parametrize("seed", range(12))
def test_a_failure_anywhere_is_named_and_ends_a_run_of_processes(seed):
    check_failure("multi", seed)


@dataclass
class StopsAt(Observed):
    """Asks the run to stop when so many results have come."""

    interruption: Interruption | None = None
    left: int = 3

    def result(self, pe, port, item):
        super().result(pe, port, item)
        self.left -= 1
        if self.left == 0:
            self.interruption.handle(signal.SIGINT, None)


def check_stop(mapping, seed):
    graph = random_graph(seed)
    _, reference = reference_of(graph)
    job = Trial(mapping, seed, "fork" if mapping == "multi" else "").job(graph)
    interruption = Interruption()
    observed = StopsAt(interruption=interruption, left=1 + seed % 9)
    try:
        MAPPINGS.get(mapping)().run(job, observed, interruption)
    finally:
        interruption.done()
    if not interruption.signal_number:
        came = sum(counted.total() for counted in observed.results.counts.values())
        assert came == sum(counted.total() for counted in reference.results.counts.values())


@in_process
@pytest.mark.parametrize("seed", range(40))
def test_a_run_that_is_asked_to_stop_ends_in_order(mapping, seed):
    check_stop(mapping, seed)


@pytest.mark.parametrize("seed", range(12))
def test_a_run_of_processes_that_is_asked_to_stop_ends_in_order(seed):
    check_stop("multi", seed)
