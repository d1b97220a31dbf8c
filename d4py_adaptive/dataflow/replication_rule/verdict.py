"""The rule for what may be replicated: only a PE that provably keeps nothing between items."""

from __future__ import annotations

import ast
import types
from dataclasses import dataclass

from d4py_adaptive.dataflow.pe import GenericPE
from d4py_adaptive.dataflow.replication_rule.findings import Findings
from d4py_adaptive.dataflow.replication_rule.objects import instance_attributes, lookup
from d4py_adaptive.dataflow.replication_rule.reading import Reader
from d4py_adaptive.dataflow.replication_rule.source import Sources
from d4py_adaptive.dataflow.replication_rule.touched import touched_by_preprocess
from d4py_adaptive.dataflow.replication_rule.values import LEAF_PACKAGES, Args, Instance, Live

BASES = "d4py_adaptive.dataflow."


@dataclass(frozen=True, slots=True)
class StateVerdict:
    """Whether a PE keeps anything between items.

    Attributes:
        stateless: it may be replicated.
        reason: one sentence for people.
        declared: the PE says so itself.
        uses_random: the code that `process` reaches draws from the global generator of `random` or
            `numpy.random`; False where the code could not be read.
    """

    stateless: bool
    reason: str
    declared: bool
    uses_random: bool


def read_state(pe: GenericPE) -> StateVerdict:
    """The verdict on `pe`: what it declares, else what its code says; unsure counts as stateful."""
    findings = _read(pe)
    uses_random = bool(findings.random)
    if pe.stateless is not None:
        return StateVerdict(pe.stateless, f"declared stateless = {pe.stateless}", True, uses_random)
    own = _own_postprocess(pe)
    if own is not None:
        return StateVerdict(False, f"{own} is its own, which is of use only to state", False, uses_random)
    for notes in (findings.changes, findings.random, findings.unseen):
        if notes:
            return StateVerdict(False, min(notes), False, uses_random)  # the same one in every run
    return StateVerdict(True, "nothing that process reaches outlives an item and is changed", False, uses_random)


def _read(pe: GenericPE) -> Findings:
    sources = Sources(_own_packages(pe))
    reader = Reader(sources)
    try:
        reader.replaced, reader.filled = touched_by_preprocess(pe, sources)
        process = reader.attribute(frozenset({Live(pe)}), "process", ast.Name("process", ast.Load()))
        return reader.read(process, Args((frozenset({Instance(dict)}),)))
    except RecursionError:
        reader.findings.unsure("is nested too deeply to be read")
    except Exception as error:  # noqa: BLE001 - looking at an object may run code of its class, which may fail
        reader.findings.unsure(f"could not be read ({type(error).__name__}: {error})")
    return reader.findings


def _own_packages(pe: GenericPE) -> frozenset[str]:
    """The packages whose code is the PE's, installed or not."""
    modules = {base.__module__ for base in type(pe).__mro__ if base is not object}
    function = instance_attributes(pe).get("compute_fn")
    if type(function) is types.FunctionType:
        modules.add(function.__module__ or "")
    return frozenset(module.partition(".")[0] for module in modules) - LEAF_PACKAGES - {"", "scipy"}


def _own_postprocess(pe: GenericPE) -> str | None:
    for name in ("postprocess", "_postprocess"):
        found = lookup(type(pe), name)
        if name in instance_attributes(pe) or found is None or not found[0].__module__.startswith(BASES):
            return f"{found[0].__name__ if found else type(pe).__name__}.{name}"
    return None
