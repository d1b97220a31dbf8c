"""Runs a workflow on a mapping, without a run directory, and says how what came out differs from the reference."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from collections.abc import Mapping as MappingType
from dataclasses import dataclass, field, replace
from typing import Any
from unittest import mock

from d4py_adaptive.dataflow import counts
from d4py_adaptive.dataflow.digest import digest
from d4py_adaptive.dataflow.plan import Plan
from d4py_adaptive.dataflow.workflow import Workflow
from d4py_adaptive.errors import D4pyError
from d4py_adaptive.mappings.base import MAPPINGS
from d4py_adaptive.mappings.channel import Window
from d4py_adaptive.mappings.interruption import Interruption
from d4py_adaptive.mappings.job import Job
from d4py_adaptive.runtime.session import RunOptions, make_job
from d4py_adaptive.testing.drafts import RandomGraph
from d4py_adaptive.testing.random_plans import random_plan
from d4py_adaptive.testing.reference import Multisets, ReferenceRun, run_reference
from d4py_adaptive.wire.encoding import OUT_OF_BAND_BYTES, PlainWire
from d4py_adaptive.wire.slots import MIB, SlabSize

_SHOWN = 3


@dataclass
class Observed:
    """An observer that keeps everything.

    Attributes:
        results: what the unconnected outputs wrote.
        arrivals: how often each digest reached the inputs of PEs that no stream leaves.
        lines: what PEs printed.
        events: what else there was.
    """

    results: Multisets = field(default_factory=Multisets)
    arrivals: Multisets = field(default_factory=Multisets)
    lines: list[tuple[str, str]] = field(default_factory=list)
    events: list[MappingType[str, Any]] = field(default_factory=list)

    def started(self) -> None:
        """The workers are up."""

    def result(self, pe: str, port: str, item: Any) -> None:
        """Count a result."""
        self.results.add((pe, port), item)

    def line(self, instance: str, text: str) -> None:
        """Keep a line."""
        self.lines.append((instance, text))

    def event(self, event: MappingType[str, Any]) -> None:
        """Count a digest, keep any other event."""
        if event["event"] == "digest":
            counts = self.arrivals.counts.setdefault((event["pe"], event["port"]), Counter())
            counts[event["digest"]] += event["number"]
        else:
            self.events.append(event)


_VERDICTS: dict[object, Any] = {}


def _read_once(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Read each class's code once: thousands of graphs are made of the same few classes, and reading takes long."""

    def remembered(pe: Any) -> Any:
        key = type(pe), pe.stateless, getattr(pe, "compute_fn", None)
        if key not in _VERDICTS:
            _VERDICTS[key] = read(pe)
        return _VERDICTS[key]

    return remembered


@dataclass(frozen=True)
class Trial:
    """One way to run a random workflow.

    Attributes:
        mapping: name of the mapping.
        number: decides all else: plan, order of connections, windows, seed.
        start_method: of worker processes.
    """

    mapping: str
    number: int
    start_method: str = ""

    def job(self, graph: RandomGraph) -> Job:
        """The job, made anew from the graph."""
        with mock.patch.object(counts, "read_state", _read_once(counts.read_state)):  # type: ignore[attr-defined]
            return self._job(graph)

    def _job(self, graph: RandomGraph) -> Job:
        rng = random.Random(f"{self.mapping}/{self.number}")
        workflow = graph.build(rng.randrange(2**32)).freeze()
        options = RunOptions(
            mapping=self.mapping,
            workers=rng.randint(1, 5),
            plan=self._plan(workflow, rng),
            fuse=rng.random() < 0.8,
            seed=rng.randrange(2**32),
            start_method=self.start_method,
            digests=True,
        )
        job = make_job(workflow, graph.inputs, options)
        items, payload = rng.choice([(1024, 2**24), (1024, 2**24), (8, 500), (2, 1)])
        return replace(
            job,
            window=Window(items, payload),
            wire=PlainWire(rng.choice([OUT_OF_BAND_BYTES, 64])),
            slab=SlabSize(rng.choice([64 * MIB, MIB, 5 * 4096]), 2**40),
            batch_items=rng.choice([64, 64, 1, 3]),
            flat_items=rng.choice([256, 256, 1, 3]),
        )

    def _plan(self, workflow: Workflow, rng: random.Random) -> Plan | None:
        if rng.random() < 0.4:
            return None
        most = 5 if MAPPINGS.get(self.mapping).parallel else 1
        return random_plan(workflow, rng, self.mapping, most)


def reference_of(graph: RandomGraph) -> tuple[Workflow, ReferenceRun]:
    """What the reference makes of a random workflow."""
    workflow = graph.build().freeze()
    return workflow, run_reference(workflow, graph.inputs)


def differences(graph: RandomGraph, expected: tuple[Workflow, ReferenceRun], trial: Trial) -> list[str]:
    """How a trial's results differ from the reference's, a line each; empty where they do not."""
    given = digest(graph.inputs)
    job = trial.job(graph)
    observed = Observed()
    try:
        MAPPINGS.get(trial.mapping)().run(job, observed, Interruption())
    except (D4pyError, TimeoutError) as error:
        return [f"{type(error).__name__}: {error}"]
    workflow, reference = expected
    found = compare(_named(workflow, reference.results), _named(job.workflow, observed.results), "result of")
    reached = [_named(workflow, reference.arrivals), _named(job.workflow, observed.arrivals)]
    for arrivals in reached:
        for place in [place for place in arrivals.counts if place[0] in graph.watchers]:
            del arrivals.counts[place]  # signatures show the plan
    found += compare(reached[0], reached[1], "what reached")
    if digest(graph.inputs) != given:
        found.append("the run changed the inputs it was given")
    return found


def _named(workflow: Workflow, found: Multisets) -> Multisets:
    """The same by the names of PEs, since ids depend on the order of `connect` calls."""
    counts = {(workflow.by_id[pe].name, port): counted for (pe, port), counted in found.counts.items()}
    return Multisets(counts, found.examples)


def compare(expected: Multisets, got: Multisets, what: str = "") -> list[str]:
    """What is missing and what is too much in each place, a line each."""
    lines: list[str] = []
    for place in sorted(expected.counts.keys() | got.counts.keys()):
        want, have = expected.counts.get(place, Counter()), got.counts.get(place, Counter())
        for missing, word in ((want - have, "missing"), (have - want, "too many")):
            if missing:
                shown = [got.examples.get(key, expected.examples.get(key)) for key in list(missing)[:_SHOWN]]
                text = f"{missing.total()} {word} of {want.total()}, such as {shown!r}"
                lines.append(f"{what} {'.'.join(place)}: {text[:600]}")
    return lines
