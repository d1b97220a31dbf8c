"""Type propagation: what each PE is told of the items it will receive."""

from __future__ import annotations

from d4py_adaptive.dataflow.pe import GenericPE
from d4py_adaptive.dataflow.workflow import Workflow
from d4py_adaptive.errors import WorkflowError

Types = dict[tuple[str, str], list[str]]
"""The declared types of an output's items, by `(PE id, output)`."""


def propagate_types(workflow: Workflow) -> Types:
    """Tell PEs the types of their inputs, from the sources on; the types of every output that has any.

    A PE is told only what is certain: nothing, where the type of one of its connected inputs is declared nowhere, or
    where items of different types meet in one.

    Raises:
        WorkflowError: a PE refuses the types of its inputs.
    """
    known: Types = {}
    for pe in workflow.order:
        prototype = workflow.by_id[pe].prototype
        arriving = _arriving(workflow, pe, known)
        if arriving is None and type(prototype).get_output_types is not GenericPE.get_output_types:
            continue
        try:
            if arriving is not None:
                prototype.set_input_types(arriving)
            types = prototype.get_output_types()
        except Exception as error:
            raise WorkflowError(
                f"{pe} refuses the types of its inputs, {arriving}: {type(error).__name__}: {error}"
            ) from error
        known |= {(pe, output): declared for output, declared in types.items()}
    return known


def _arriving(workflow: Workflow, pe: str, known: Types) -> dict[str, list[str]] | None:
    arriving: dict[str, list[str]] = {}
    for stream in workflow.inbound[pe]:
        types = known.get((stream.source, stream.output))
        if types is None or arriving.setdefault(stream.input, types) != types:
            return None
    return arriving
