"""Random inputs for random workflows: iterations of sources, and items given to PEs in the middle."""

from __future__ import annotations

from typing import Any

from d4py_adaptive.testing.drafts import Chooser, Node, RandomGraph
from d4py_adaptive.testing.items import BY_NAME, BY_POSITION, EQUAL_KEYS, TAILS, make_tail, record


def random_inputs(graph: RandomGraph, choose: Chooser) -> Any:
    """What a run of this workflow is given: nothing, a number, or numbers and items for some PEs."""
    kind = choose.pick(("none", "number", "some", "some"))
    if kind != "some":
        most = min(node.most_calls for node in graph.nodes.values() if not node.inputs)
        return None if kind == "none" else choose.integer(0, most)
    inputs: dict[str, Any] = {}
    for node in graph.nodes.values():
        if not node.inputs and choose.chance(50):
            starts = [{"start": choose.integer(0, 9)} for _ in range(choose.integer(0, node.most_calls))]
            inputs[node.name] = choose.pick((choose.integer(0, node.most_calls), starts))
        elif node.inputs and choose.chance(10) and node.name.split("_")[0] not in ("chain", "InOrder", "Fold"):
            inputs[node.name] = _given(graph, node, choose)
    return {name: given for name, given in inputs.items() if not _order_matters(graph, name)}


def _given(graph: RandomGraph, node: Node, choose: Chooser) -> list[dict[str, Any]]:
    ports = list(node.inputs)
    calls: list[dict[str, Any]] = []
    for number in range(choose.integer(1, 5)):
        port = choose.pick(ports)
        grouping = node.inputs[port]
        by_name = isinstance(grouping, list) and "key" in grouping
        form = choose.pick(sorted((BY_NAME if by_name else BY_POSITION) & _forms_into(graph, node, port)) or ["box"])
        key = choose.pick(choose.pick(EQUAL_KEYS))
        calls.append({port: record(form, key, number, make_tail(choose.pick(TAILS[:-1]), number))})
    return calls


def _forms_into(graph: RandomGraph, node: Node, port: str) -> frozenset[str]:
    sources = [link.source for link in graph.links if (link.target, link.input) == (node.name, port)]
    return frozenset().union(*(graph.nodes[source].forms for source in sources))


def _order_matters(graph: RandomGraph, name: str) -> bool:
    """Whether what is given to this PE could come between items whose order matters further on."""
    reached, todo = {name}, [name]
    while todo:
        source = todo.pop()
        new = {link.target for link in graph.links if link.source == source} - reached
        reached |= new
        todo += new
    return bool(graph.nodes[name].inputs) and any(other.startswith("Fold") for other in reached)
