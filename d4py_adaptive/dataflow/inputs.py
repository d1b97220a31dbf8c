"""What a run starts from: iterations of its sources, and items given to PEs."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from d4py_adaptive.dataflow.builder import WorkflowGraph
from d4py_adaptive.dataflow.grouping import AllToOne, GroupBy, OneToAll, parse_grouping
from d4py_adaptive.dataflow.patterns import ConsumerPE, IterativePE, ProducerPE
from d4py_adaptive.dataflow.pe import GROUPING, GenericPE
from d4py_adaptive.dataflow.workflow import PENode, Workflow
from d4py_adaptive.errors import InputError, did_you_mean

Item = dict[str, Any]

_PROCESS_OF_BASES = (GenericPE.process, ProducerPE.process, IterativePE.process, ConsumerPE.process)


@dataclass(frozen=True, slots=True)
class GivenInputs:
    """What one PE is given: a number of calls with nothing, or items as `{port: value}`."""

    iterations: int = 0
    items: tuple[Item, ...] = ()

    def share(self, node: PENode, instance: int, count: int) -> GivenInputs:
        """The part that one of `count` instances of the PE gets; the parts add up to the whole."""
        iterations = self.iterations // count + (instance < self.iterations % count)
        if count == 1:
            return self
        mine = [item for number, item in enumerate(self.items) if _belongs(node, item, number, instance, count)]
        return GivenInputs(iterations, tuple(mine))


def resolve_inputs(workflow: Workflow, given: object = None) -> dict[str, GivenInputs]:
    """What each PE starts from, by id; a source that is not named is called once.

    Args:
        workflow: the workflow.
        given: None, a number of iterations for every source, or a mapping from a PE, its id or its name to a number
            of iterations or a list of items.

    Raises:
        InputError: a name fits no PE, or a value is neither.
    """
    if given is None or hasattr(given, "__index__"):
        return {source: _given(source, 1 if given is None else given) for source in workflow.sources}
    if not isinstance(given, Mapping):
        raise InputError(f"inputs are a number or a mapping from PEs to numbers or lists; got {type(given).__name__}")
    inputs = {source: GivenInputs(iterations=1) for source in workflow.sources}
    for key, value in given.items():
        for pe in _named(workflow, key):
            inputs[pe] = _given(pe, value)
            _check_ports(workflow.by_id[pe], inputs[pe])
    return inputs


def doubts(workflow: Workflow, given: object, inputs: Mapping[str, GivenInputs]) -> list[str]:
    """What may not be as the user means it, a sentence each.

    Args:
        workflow: the workflow.
        given: the inputs as the user gave them.
        inputs: what `resolve_inputs` makes of them.
    """
    said = []
    for key in given if isinstance(given, Mapping) else ():
        pes = _named(workflow, key)
        if len(pes) > 1:
            said.append(f"inputs for {key!r} go to each of {', '.join(pes)}")
    for node in workflow.nodes:
        if node.inputs and node.id in inputs and inputs[node.id].iterations:
            said.append(
                f"{node.id} has inputs and is called with nothing; give it items as "
                f'{{"{node.id}": [{{"{node.inputs[0]}": …}}]}}'
            )
        if type(node.prototype).process in _PROCESS_OF_BASES and type(node.prototype)._process is GenericPE._process:
            said.append(f"{node.id} has neither process nor _process of its own, so that it does nothing")
    return said


def _named(workflow: Workflow, key: object) -> list[str]:
    if isinstance(key, GenericPE):
        found = [node.id for node in workflow.nodes if node.prototype is key]
    elif isinstance(key, WorkflowGraph):
        raise InputError("inputs are given to PEs, not to a composite PE; name a PE inside it")
    else:
        found = [key] if key in workflow.by_id else [node.id for node in workflow.nodes if node.name == key]
    if not found:
        names = [*workflow.by_id, *(node.name for node in workflow.nodes)]
        raise InputError(
            f"inputs name {key!r}, which is no PE of this workflow{did_you_mean(str(key), names)}; "
            f"its PEs: {', '.join(workflow.by_id)}"
        )
    return [str(pe) for pe in found]


def _given(pe: str, value: object) -> GivenInputs:
    if hasattr(value, "__index__") and not isinstance(value, bool) and operator.index(value) >= 0:
        return GivenInputs(iterations=operator.index(value))
    if isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping):
        items = list(value)
        wrong = next((item for item in items if not isinstance(item, Mapping)), None)
        if wrong is None:
            return GivenInputs(items=tuple(dict(item) for item in items))
        raise InputError(f"inputs of {pe} are a list of {{port: value}}; got an element {wrong!r}")
    raise InputError(f"inputs of {pe} are a number of iterations from 0 or a list of {{port: value}}; got {value!r}")


def _check_ports(node: PENode, given: GivenInputs) -> None:
    """A PE with declared inputs must be given those; one without takes what it gets."""
    for item in given.items:
        for port in item if node.inputs else ():
            if port not in node.inputs:
                raise InputError(
                    f"inputs of {node.id} name {port!r}, not an input of it{did_you_mean(str(port), node.inputs)}; "
                    f"its inputs: {', '.join(node.inputs)}"
                )


def _belongs(node: PENode, item: Item, number: int, instance: int, count: int) -> bool:
    """Whether an instance gets a given item: as the grouping of its (first) port says, in turn without one."""
    for port, value in item.items():
        declared = node.prototype.inputconnections.get(port, {}).get(GROUPING)
        grouping = parse_grouping(declared, f"{node.id}.{port}")
        if isinstance(grouping, OneToAll):
            return True
        if isinstance(grouping, AllToOne):
            return instance == 0
        if isinstance(grouping, GroupBy):
            return grouping.instance(value, count) == instance
    return number % count == instance
