"""Random workflows whose results do not depend on how they run, and random plans for any workflow.

`random_graph(seed)` is for long runs; `strategies.workflows()` builds the same out of hypothesis's choices, which
shrink. A workflow here is a list of nodes and links first, so that it can be built in any order of `connect` calls.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, TypeVar

from d4py_adaptive.dataflow.builder import CompositePE, WorkflowGraph, create_iterative_chain
from d4py_adaptive.dataflow.pe import GenericPE
from d4py_adaptive.testing import elements as e
from d4py_adaptive.testing.items import (
    BY_NAME,
    BY_POSITION,
    EQUAL_KEYS,
    FORMS,
    TAILS,
    make_tail,
    record,
)

T = TypeVar("T")
MOST_ITEMS = 1200
"""How many items an input may get; beyond, only PEs that write less are put there."""


class Chooser:
    """Makes choices out of whole numbers; smaller numbers make simpler workflows.

    Args:
        integer: gives a number from its first argument to its second, both included.
    """

    def __init__(self, integer: Callable[[int, int], int]) -> None:
        self.integer = integer

    def pick(self, options: Sequence[T]) -> T:
        """One of the options."""
        return options[self.integer(0, len(options) - 1)]

    def chance(self, percent: int) -> bool:
        """True in so many of a hundred cases."""
        return self.integer(0, 99) >= 100 - percent


class Link(NamedTuple):
    """A connection between two nodes, by their names."""

    source: str
    output: str
    target: str
    input: str


@dataclass
class Node:
    """One PE of a random workflow, or a chain of them.

    Attributes:
        name: its name, of its own.
        make: creates the PE anew.
        inputs: its inputs and their groupings.
        outputs: its outputs.
        forms: the forms that its items may have.
        volume: most items that it may write to one output.
        steady: how many items each of its instances writes does not depend on the plan.
        signed: what it writes shows the plan, and is for one reader alone.
    """

    name: str
    make: Callable[[], Any]
    inputs: dict[str, object]
    outputs: tuple[str, ...]
    forms: frozenset[str]
    volume: int
    steady: bool = True
    ordered: bool = False
    signed: bool = False


@dataclass
class RandomGraph:
    """A random workflow before it is built.

    Attributes:
        nodes: its PEs.
        links: its connections.
        composites: for each composite PE, the names of the nodes in it; a later one lies within the earlier ones
            it shares nodes with.
        inputs: what a run is given.
        origin: how to make it again.
    """

    nodes: dict[str, Node] = field(default_factory=dict)
    links: list[Link] = field(default_factory=list)
    composites: list[set[str]] = field(default_factory=list)
    inputs: Any = None
    origin: str = ""

    def build(self, order: int = 0) -> WorkflowGraph:
        """The workflow, its PEs created anew and connected in the order that the number `order` says."""
        shuffled = random.Random(order)  # noqa: S311
        pes: dict[str, Any] = {name: node.make() for name, node in self.nodes.items()}
        for name, pe in pes.items():
            if isinstance(pe, GenericPE):
                pe.name = name
        composites: list[WorkflowGraph] = [CompositePE() for _ in self.composites]
        graph = WorkflowGraph()
        for name in _shuffled(list(pes), shuffled):
            if not any(name in (link.source, link.target) for link in self.links) or shuffled.random() < 0.3:
                self._add(graph, name, pes[name], composites)
        for link in _shuffled(self.links, shuffled):
            self._connect(graph, link, pes, composites)
        return graph

    def _homes(self, name: str) -> list[int]:
        """The composites that a node lies in, from outside to inside."""
        return [number for number, members in enumerate(self.composites) if name in members]

    def _add(self, graph: WorkflowGraph, name: str, pe: Any, composites: list[WorkflowGraph]) -> None:
        around = graph
        for number in self._homes(name):
            around.add(composites[number])
            around = composites[number]
        around.add(pe)

    def _connect(self, graph: WorkflowGraph, link: Link, pes: dict[str, Any], composites: list[WorkflowGraph]) -> None:
        """Connect two nodes through the walls of the composites between them."""
        self._add(graph, link.source, pes[link.source], composites)
        self._add(graph, link.target, pes[link.target], composites)
        source_homes, target_homes = self._homes(link.source), self._homes(link.target)
        shared = [number for number in source_homes if number in target_homes]
        around = composites[shared[-1]] if shared else graph
        source, output = pes[link.source], link.output
        for number in reversed(source_homes[len(shared) :]):
            composites[number].outputmappings[f"{link.source} {link.output}"] = (source, output)
            source, output = composites[number], f"{link.source} {link.output}"
        target, input_ = pes[link.target], link.input
        for number in reversed(target_homes[len(shared) :]):
            composites[number].inputmappings[f"{link.target} {link.input}"] = (target, input_)
            target, input_ = composites[number], f"{link.target} {link.input}"
        around.connect(source, output, target, input_)


def _shuffled(items: Sequence[T], order: random.Random) -> list[T]:
    return order.sample(items, len(items))


def random_graph(seed: int) -> RandomGraph:
    """The random workflow with this number."""
    return make_graph(Chooser(random.Random(seed).randint), f"random_graph({seed})")  # noqa: S311


def make_graph(choose: Chooser, origin: str = "") -> RandomGraph:
    """A random workflow out of these choices."""
    graph = RandomGraph(origin=origin)
    for number in range(1 + choose.integer(0, 3) * choose.integer(0, 1)):
        _add_source(graph, choose, number)
    wanted = choose.integer(2, 12)
    while len(graph.nodes) < max(wanted, 2):
        _add_reader(graph, choose)
    _wrap(graph, choose)
    graph.inputs = _inputs(graph, choose)
    return graph


# Sources.


def _add_source(graph: RandomGraph, choose: Chooser, number: int) -> None:
    kind = choose.pick((e.Source, e.OneByOne, e.BufferSource, e.SplitSource, e.Source))
    form, tail = choose.pick(FORMS), choose.pick(TAILS)
    amount = choose.pick((3, 1, 2, 7, 20, 60, 0, 300, 700))
    amount = min(amount, 20) if tail == "big" else amount
    keys = _keys(choose)
    make: Callable[[], Any]
    if kind is e.OneByOne:
        make, amount = partial(e.OneByOne, form, tail, keys), 1
    elif kind is e.SplitSource:
        make = partial(e.SplitSource, amount, form, tail, keys)
    else:
        make = partial(kind, amount, form, tail, keys, choose.chance(30))
        amount += 1
    if kind is e.BufferSource:
        form = "list"
    name = f"{kind.__name__}_{number}_"
    ordered = kind is not e.SplitSource
    graph.nodes[name] = Node(name, make, {}, (e.OUT,), frozenset({form}), 3 * amount, ordered=ordered)


def _keys(choose: Chooser) -> list[Any]:
    return [choose.pick(choose.pick(EQUAL_KEYS)) for _ in range(choose.integer(1, 9))]


# Everything else.

_EACH = (
    e.Shift, e.PlainShift, e.Spoil, e.Bury, e.Echo, e.Twice, e.Filter, e.Expand, e.Weigh, e.Pair, e.Reuser, e.Keeper,
    e.Picky, e.Flaky, e.Join, e.Number, e.Sink, e.PlainSink, e.Bump, "chain",
)  # fmt: skip
_SUMS = (e.Tally, e.Headcount, e.Total, e.Sorter, e.Fold)
_SINGLE_INPUT = (e.PlainSink, e.Bump, "chain")
_SAME_FORM = (e.PlainShift, e.Spoil, e.Echo, e.Twice, e.Filter, e.Keeper, e.Picky, e.Bump)
_UNSTEADY = (e.Filter, e.Picky)
_NO_WORD_ON_STATE = (e.PlainShift, e.Sink)
"""PEs without state that leave it to the runtime to find out."""


def _add_reader(graph: RandomGraph, choose: Chooser) -> None:
    number = len(graph.nodes)
    feeds = _feeds(graph, choose)
    volumes = [sum(graph.nodes[source].volume for source, _ in streams) for streams in feeds]
    crowded = sum(volumes) > MOST_ITEMS / 4
    kind: Any = choose.pick(_SUMS if crowded and choose.chance(70) else (*_EACH, *_SUMS))
    if kind in _SINGLE_INPUT:
        feeds, volumes = feeds[:1], volumes[:1]
    mode = choose.pick(("shuffle", "keyed", "all", "global", "keyed", "shuffle"))
    count = choose.pick((1, 1, 1, 2, 3))
    if kind is e.Number:
        _add_numbering(graph, choose, feeds, count)
        return
    groupings = [_grouping(graph, choose, streams, mode) for streams in feeds]
    if kind in _SINGLE_INPUT:
        groupings, count, mode = [None], 1, "shuffle"
    kind, count = _fitting(graph, kind, feeds, groupings, count)
    many = count if "all" in groupings else 1
    volume = sum(v * (many if g == "all" else 1) for v, g in zip(volumes, groupings, strict=True))
    if volume > MOST_ITEMS:
        kind, volume = e.Sink, 0
    name = f"{getattr(kind, '__name__', kind)}_{number}_"
    ports = {f"in{i}": grouping for i, grouping in enumerate(groupings)}
    node = _reader_node(graph, choose, kind, name, ports, feeds, count, volume)
    _attach(graph, node, feeds, choose)


def _feeds(graph: RandomGraph, choose: Chooser) -> list[list[tuple[str, str]]]:
    """For each input of a new PE, the outputs that it reads, the same one twice at times."""
    ports = [(node.name, port) for node in graph.nodes.values() for port in node.outputs if not node.signed]
    recent = ports[-4:]
    feeds: list[list[tuple[str, str]]] = []
    for _ in range(choose.pick((1, 1, 1, 2, 2, 3))):
        streams = [choose.pick(recent if choose.chance(60) else ports) for _ in range(choose.pick((1, 1, 2, 3)))]
        feeds.append(streams)
    return feeds


def _grouping(graph: RandomGraph, choose: Chooser, streams: list[tuple[str, str]], mode: str) -> object:
    if mode == "all" and choose.chance(40):
        mode = choose.pick(("shuffle", "keyed", "global"))
    if mode == "keyed":
        forms = frozenset().union(*(graph.nodes[source].forms for source, _ in streams))
        keys: list[list[object]] = []
        keys += [[0], [0, 1]] if forms <= BY_POSITION else []
        keys += [["key"], ["value", "key"]] if forms <= BY_NAME else []
        return choose.pick(keys) if keys else None
    return {"all": "all", "global": "global"}.get(mode)


def _fitting(
    graph: RandomGraph, kind: Any, feeds: list[list[tuple[str, str]]], groupings: list[object], count: int
) -> tuple[Any, int]:
    """A kind and a number of instances that give results which do not depend on the plan."""
    keyed = all(isinstance(g, list) for g in groupings)
    by_key = keyed and all(g in ([0], ["key"]) for g in groupings)
    whole = all(g in ("all", "global") for g in groupings)
    shows = getattr(kind, "shows", "item")
    if shows == "key" and not by_key and not whole:
        count, kind = 1, e.Keeper if keyed else kind
    elif shows == "number" and not whole:
        streams = [stream for some, g in zip(feeds, groupings, strict=True) if g is None for stream in some]
        known = all(graph.nodes[source].steady for source, _ in streams)
        count = count if known and not any(isinstance(g, list) for g in groupings) else 1
        kind = e.Reuser if keyed else kind
    elif shows == "whole" and not whole:
        count, kind = 1, e.Twice if keyed else kind
    elif shows == "order":
        alone = len(feeds) == 1 and len(feeds[0]) == 1 and graph.nodes[feeds[0][0][0]].ordered
        if not alone:
            return _fitting(graph, e.Total, feeds, groupings, count)
        count, kind = (count, kind) if whole else (1, e.Twice if keyed else kind)
    if kind is e.Join and "all" not in groupings:
        kind = e.Shift
    return kind, count


def _reader_node(
    graph: RandomGraph,
    choose: Chooser,
    kind: Any,
    name: str,
    ports: dict[str, object],
    feeds: list[list[tuple[str, str]]],
    count: int,
    volume: int,
) -> Node:
    form, number = choose.pick(FORMS), choose.integer(1, 3)
    came = frozenset().union(*(graph.nodes[source].forms for streams in feeds for source, _ in streams))
    forms = came if kind in _SAME_FORM else frozenset({"tuple"}) if kind is e.Bury else frozenset({form})
    steady = _is_steady(graph, kind, ports, feeds, count)
    senders = {source for streams in feeds for source, _ in streams}
    ordered = (
        sum(map(len, feeds)) == 1
        and graph.nodes[next(iter(senders))].ordered
        and (count == 1 and not any(isinstance(g, list) for g in ports.values()))
        and kind in (e.Spoil, e.Twice, e.Keeper, e.Reuser, e.Flaky, e.Bump)
    )
    if kind == "chain":
        steps = [(e.add_one, {}), e.spoil, (e.keep_even, {"divisor": number})][: choose.integer(1, 3)]
        make: Callable[[], Any] = partial(create_iterative_chain, steps, name_prefix=name)
        return Node(name, make, {"input": None}, ("output",), frozenset({"dict"}), volume)
    if kind in (e.PlainSink, e.Bump):
        outputs = () if kind is e.PlainSink else ("output",)
        return Node(name, kind, {"input": None}, outputs, forms, volume, ordered=ordered)
    times = number if kind is e.Expand else 2 if kind in (e.Twice, e.Keeper) else 1
    if kind in _SUMS:
        volume = min(volume, 40)
    make = partial(_make, kind, ports, form, number, count, choose.pick(("", "", "", "", "", "skip", "retry:2")))
    return Node(name, make, ports, getattr(kind, "outputs", (e.OUT,)), forms, volume * times + 3, steady, ordered)


def _make(kind: Any, ports: dict[str, object], form: str, number: int, count: int, on_error: str) -> GenericPE:
    pe: GenericPE = kind(ports, form, number, count)
    if on_error and kind.on_error == "stop":
        pe.on_error = on_error
    return pe


def _is_steady(
    graph: RandomGraph, kind: Any, ports: dict[str, object], feeds: list[list[tuple[str, str]]], count: int
) -> bool:
    """Whether each instance of a PE writes the same number of items under every plan."""
    if count == 1:
        return True
    if kind in _NO_WORD_ON_STATE:
        return False
    if all(isinstance(g, list) for g in ports.values()) or all(g in ("all", "global") for g in ports.values()):
        return True
    if getattr(kind, "stateless", False) and "all" not in ports.values() and "global" not in ports.values():
        return True
    known = all(graph.nodes[source].steady for streams in feeds for source, _ in streams)
    return known and kind not in _UNSTEADY and not any(isinstance(g, list) for g in ports.values())


def _attach(graph: RandomGraph, node: Node, feeds: list[list[tuple[str, str]]], choose: Chooser) -> None:
    graph.nodes[node.name] = node
    for port, streams in zip(node.inputs, feeds, strict=True):
        graph.links += [Link(source, output, node.name, port) for source, output in streams]


def _add_numbering(
    graph: RandomGraph, choose: Chooser, feeds: list[list[tuple[str, str]]], count: int
) -> None:
    """Some PEs that number their items, and one that watches whether they arrive in order."""
    senders: list[tuple[str, str]] = []
    volume = 0
    for _ in range(choose.integer(1, 2)):
        name = f"Number_{len(graph.nodes)}_"
        came = sum(graph.nodes[source].volume for streams in feeds[:1] for source, _ in streams)
        if came > MOST_ITEMS:
            return
        volume += came + count
        make = partial(_make, e.Number, {"in0": None}, "tuple", 1, count, "")
        node = Node(name, make, {"in0": None}, (e.OUT,), frozenset({"tuple"}), came, signed=True)
        _attach(graph, node, feeds[:1], choose)
        senders.append((name, e.OUT))
    grouping = choose.pick((None, "global", "all", [0], [0, 1]))
    watchers = choose.integer(1, 3)
    streams = senders * choose.integer(1, 2)
    name = f"InOrder_{len(graph.nodes)}_"
    make = partial(_make, e.InOrder, {"in0": grouping}, "list", 1, watchers, "")
    volume *= watchers * len(streams)
    node = Node(name, make, {"in0": grouping}, (e.OUT,), frozenset({"list"}), volume, steady=False)
    _attach(graph, node, [streams], choose)


# What is around them.


def _wrap(graph: RandomGraph, choose: Chooser) -> None:
    """Put some neighbours into a composite PE, and some of these into another."""
    names = list(graph.nodes)
    for _ in range(choose.pick((0, 0, 1, 2))):
        first = choose.integer(0, len(names) - 1)
        names = names[first : first + choose.integer(1, 5)]
        graph.composites.append(set(names))


def _inputs(graph: RandomGraph, choose: Chooser) -> Any:
    kind = choose.pick(("none", "number", "some", "some"))
    if kind != "some":
        return None if kind == "none" else choose.integer(0, 3)
    inputs: dict[str, Any] = {}
    for node in graph.nodes.values():
        if not node.inputs and choose.chance(50):
            starts = [{"start": choose.integer(0, 9)} for _ in range(choose.integer(0, 3))]
            inputs[node.name] = choose.pick((choose.integer(0, 3), starts))
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
