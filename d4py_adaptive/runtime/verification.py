"""Compares a run with a sequential one: the same values, equally often, at every place they come out."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from d4py_adaptive.dataflow.builder import WorkflowGraph
from d4py_adaptive.errors import RunError
from d4py_adaptive.runtime.session import Digests, Finished, RunOptions, enact


class _Silent:
    """A view that shows nothing."""

    def started(self, *_: Any) -> None:
        pass

    result = line = note = started


def verify(graph: WorkflowGraph, inputs: object, options: RunOptions, finished: Finished) -> str:
    """Run the workflow once more, sequentially, and compare what came out; a sentence on what was compared.

    Raises:
        RunError: the two differ; the message says where and by how many items.
    """
    again = replace(
        options,
        mapping="simple",
        workers=None,
        plan=None,
        start_method="",
        seed=finished.record.seed,
        reseed=options.seed is not None,
        digests=True,
    )
    reference = enact(graph, inputs, again, _Silent())
    different = differences(finished.digests, reference.digests)
    if different:
        raise RunError(f"this run and a sequential one differ: {'; '.join(different)}")
    items = sum(counted.total() for counted in reference.digests.values())
    places = len(reference.digests)
    return f"{items:,} items at {places} place(s) are the same as in a sequential run"


def differences(got: Digests, expected: Digests) -> list[str]:
    """For each place where two runs differ, how many items only one of them has."""
    texts = []
    for place in sorted(got.keys() | expected.keys()):
        here, there = got.get(place, Counter()), expected.get(place, Counter())
        if here != there:
            extra, missing = (here - there).total(), (there - here).total()
            texts.append(f"{place} has {extra} item(s) that the sequential run has not, and lacks {missing}")
    return texts
