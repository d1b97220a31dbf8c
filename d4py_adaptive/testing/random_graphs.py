"""Random workflows whose results do not depend on how they run.

`random_graph(seed)` is for long runs; `strategies.workflows()` builds the same out of hypothesis's choices, which
shrink.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import Any

from d4py_adaptive.dataflow.builder import create_iterative_chain
from d4py_adaptive.dataflow.pe import GenericPE
from d4py_adaptive.testing import elements, sources
from d4py_adaptive.testing import stateful_elements as stateful
from d4py_adaptive.testing.drafts import Chooser, Link, Node, RandomGraph
from d4py_adaptive.testing.items import BY_NAME, BY_POSITION, EQUAL_KEYS, FORMS, TAILS
from d4py_adaptive.testing.random_inputs import random_inputs

Feeds = list[list[tuple[str, str]]]
"""For each input of a PE, the outputs that it reads: `(node, port)`."""

MOST_ITEMS = 600
"""How many items an input may get; beyond, only PEs that write less are put there."""


def random_graph(seed: int) -> RandomGraph:
    """The random workflow with this number."""
    return make_graph(Chooser(random.Random(seed).randint), f"random_graph({seed})")


def make_graph(choose: Chooser, origin: str = "") -> RandomGraph:
    """A random workflow out of these choices."""
    graph = RandomGraph(origin=origin)
    for number in range(1 + choose.integer(0, 3) * choose.integer(0, 1)):
        _add_source(graph, choose, number)
    wanted = choose.integer(2, 12)
    while len(graph.nodes) < max(wanted, 2):
        _add_reader(graph, choose)
    _wrap(graph, choose)
    graph.inputs = random_inputs(graph, choose)
    return graph


# Sources.


def _add_source(graph: RandomGraph, choose: Chooser, number: int) -> None:
    kind = choose.pick((sources.Source, sources.OneByOne, sources.BufferSource, sources.SplitSource, sources.Source))
    form, tail = choose.pick(FORMS), choose.pick(TAILS)
    amount = choose.pick((3, 1, 2, 5, 12, 30, 0, 6, 4, 100) if choose.chance(92) else (200, 400))
    amount = min(amount, 20) if tail == "big" else amount
    keys = _keys(choose)
    late = choose.chance(30)
    make: Callable[[], Any]
    if kind is sources.OneByOne:
        make, amount = partial(sources.OneByOne, form, tail, keys), 1
    elif kind is sources.SplitSource:
        make = partial(sources.SplitSource, amount, form, tail, keys)
    elif kind is sources.BufferSource:
        form, make = "list", partial(sources.BufferSource, amount, tail, keys, late)
    else:
        make = partial(sources.Source, amount, form, tail, keys, late)
    name = f"{kind.__name__}_{number}_"
    ordered = kind is not sources.SplitSource
    output = "output" if kind is sources.OneByOne else sources.OUT
    calls = 3 if amount < 100 else 1
    forms = frozenset({form})
    graph.nodes[name] = Node(name, make, {}, (output,), forms, calls * amount + 1, calls, ordered=ordered)


def _keys(choose: Chooser) -> list[Any]:
    return [choose.pick(choose.pick(EQUAL_KEYS)) for _ in range(choose.integer(1, 9))]


# Everything else.

_EACH = (
    elements.Shift, elements.PlainShift, elements.Spoil, elements.Bury, elements.Echo, elements.Twice,
    elements.Filter, elements.Expand, elements.Weigh, elements.Pair, elements.Picky, elements.Sink,
    elements.PlainSink, elements.Bump, "chain",
    stateful.Reuser, stateful.Keeper, stateful.Flaky, stateful.Join, stateful.Number,
)  # fmt: skip
_SUMS = (stateful.Tally, stateful.Headcount, stateful.Total, stateful.Sorter, stateful.Fold)
_SINGLE_INPUT = (elements.PlainSink, elements.Bump, "chain")
_SAME_FORM = (
    elements.PlainShift, elements.Spoil, elements.Echo, elements.Twice, elements.Filter, elements.Picky, elements.Bump,
    stateful.Keeper,
)  # fmt: skip
_UNSTEADY = (elements.Filter, elements.Picky)
_NO_WORD_ON_STATE = (elements.PlainShift, elements.Twice, elements.Sink)
"""PEs without state that leave it to the runtime to find out."""


def _add_reader(graph: RandomGraph, choose: Chooser) -> None:
    number = len(graph.nodes)
    feeds = _feeds(graph, choose)
    volumes = [sum(graph.nodes[source].volume for source, _ in streams) for streams in feeds]
    if sum(volumes) > MOST_ITEMS:
        feeds = [feeds[0][:1]]
        volumes = [graph.nodes[feeds[0][0][0]].volume]
    crowded = sum(volumes) > MOST_ITEMS / 4
    kind: Any = choose.pick(_SUMS if crowded and choose.chance(70) else (*_EACH, *_SUMS))
    mode = choose.pick(("shuffle", "keyed", "all", "global", "keyed", "shuffle"))
    count = choose.pick((1, 1, 1, 2, 3))
    if choose.chance(35):  # what shows most of where items went
        kind = {"keyed": stateful.Tally, "shuffle": stateful.Headcount}.get(mode, kind)
    if kind in _SINGLE_INPUT:
        feeds, volumes = feeds[:1], volumes[:1]
    if kind is stateful.Number:
        _add_numbering(graph, choose, feeds, count)
        return
    groupings = [_grouping(graph, choose, streams, mode) for streams in feeds]
    if kind in _SINGLE_INPUT:
        groupings, count, mode = [None], 1, "shuffle"
    kind, count = _fitting(graph, kind, feeds, groupings, count)
    many = count if "all" in groupings else 1
    volume = sum(v * (many if g == "all" else 1) for v, g in zip(volumes, groupings, strict=True))
    if volume > MOST_ITEMS:
        kind, count, volume = elements.Sink, 1, 0
    name = f"{getattr(kind, '__name__', kind)}_{number}_"
    ports = {f"in{i}": grouping for i, grouping in enumerate(groupings)}
    node = _reader_node(graph, choose, kind, name, ports, feeds, count, volume)
    _attach(graph, node, feeds)


def _feeds(graph: RandomGraph, choose: Chooser) -> Feeds:
    """For each input of a new PE, the outputs that it reads, the same one twice at times."""
    ports = [(node.name, port) for node in graph.nodes.values() for port in node.outputs if not node.signed]
    recent = ports[-4:]
    feeds: Feeds = []
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
        keys += [[0], [0], [0, 1]] if forms <= BY_POSITION else []
        keys += [["key"], ["key"], ["value", "key"]] if forms <= BY_NAME else []
        return choose.pick(keys) if keys else None
    return {"all": "all", "global": "global"}.get(mode)


def _fitting(graph: RandomGraph, kind: Any, feeds: Feeds, groupings: list[object], count: int) -> tuple[Any, int]:
    """A kind and a number of instances that give results which do not depend on the plan."""
    keyed = all(isinstance(g, list) for g in groupings)
    by_key = keyed and all(g in ([0], ["key"]) for g in groupings)
    whole = all(g in ("all", "global") for g in groupings)
    shows = getattr(kind, "shows", "item")
    if shows == "key" and not by_key and not whole:
        count, kind = 1, stateful.Keeper if keyed else kind
    elif shows == "number" and not whole:
        streams = [stream for some, g in zip(feeds, groupings, strict=True) if g is None for stream in some]
        known = all(graph.nodes[source].steady for source, _ in streams)
        count = count if known and not any(isinstance(g, list) for g in groupings) else 1
        kind = stateful.Reuser if keyed else kind
    elif shows == "whole" and not whole:
        count, kind = 1, elements.Twice if keyed else kind
    elif shows == "order":
        alone = len(feeds) == 1 and len(feeds[0]) == 1 and graph.nodes[feeds[0][0][0]].ordered
        if not alone:
            return _fitting(graph, stateful.Total, feeds, groupings, count)
        count, kind = (count, kind) if whole else (1, elements.Twice if keyed else kind)
    if kind is stateful.Join and "all" not in groupings:
        kind = elements.Shift
    return kind, count


def _reader_node(
    graph: RandomGraph,
    choose: Chooser,
    kind: Any,
    name: str,
    ports: dict[str, object],
    feeds: Feeds,
    count: int,
    volume: int,
) -> Node:
    form, number = choose.pick(FORMS), choose.integer(1, 3)
    came = frozenset().union(*(graph.nodes[source].forms for streams in feeds for source, _ in streams))
    forms = came if kind in _SAME_FORM else frozenset({"tuple"}) if kind is elements.Bury else frozenset({form})
    steady = _is_steady(graph, kind, ports, feeds, count)
    senders = {source for streams in feeds for source, _ in streams}
    ordered = (
        sum(map(len, feeds)) == 1
        and graph.nodes[next(iter(senders))].ordered
        and (count == 1 and not any(isinstance(g, list) for g in ports.values()))
        and kind in (stateful.Keeper, stateful.Reuser, stateful.Flaky)
    )
    if kind == "chain":
        chain = [(elements.add_one, {}), elements.spoil, (elements.keep_even, {"divisor": number})]
        steps = chain[: choose.integer(1, 3)]
        make: Callable[[], Any] = partial(create_iterative_chain, steps, name_prefix=name)
        return Node(name, make, {"input": None}, ("output",), frozenset({"dict"}), volume)
    if kind in (elements.PlainSink, elements.Bump):
        outputs = () if kind is elements.PlainSink else ("output",)
        return Node(name, kind, {"input": None}, outputs, forms, volume)
    times = number if kind is elements.Expand else 2 if kind in (elements.Twice, stateful.Keeper) else 1
    if kind in _SUMS:
        volume = min(volume, 40)
    make = partial(_make, kind, ports, form, number, count, choose.pick(("", "", "", "", "", "skip", "retry:2")))
    return Node(
        name, make, ports, getattr(kind, "outputs", (sources.OUT,)), forms, volume * times + 3, 0, steady, ordered
    )


def _make(kind: Any, ports: dict[str, object], form: str, number: int, count: int, on_error: str) -> GenericPE:
    pe: GenericPE = kind(ports, form, number, count)
    if on_error and kind.on_error == "stop":
        pe.on_error = on_error
    return pe


def _is_steady(graph: RandomGraph, kind: Any, ports: dict[str, object], feeds: Feeds, count: int) -> bool:
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


def _attach(graph: RandomGraph, node: Node, feeds: Feeds) -> None:
    graph.nodes[node.name] = node
    for port, streams in zip(node.inputs, feeds, strict=True):
        graph.links += [Link(source, output, node.name, port) for source, output in streams]


def _add_numbering(graph: RandomGraph, choose: Chooser, feeds: Feeds, count: int) -> None:
    """Some PEs that number their items, and one that watches whether they arrive in order."""
    senders: list[tuple[str, str]] = []
    volume = 0
    for _ in range(choose.integer(1, 2)):
        name = f"Number_{len(graph.nodes)}_"
        came = sum(graph.nodes[source].volume for streams in feeds[:1] for source, _ in streams)
        if came > MOST_ITEMS:
            return
        volume += came + count
        make = partial(_make, stateful.Number, {"in0": None}, "tuple", 1, count, "")
        node = Node(name, make, {"in0": None}, (sources.OUT,), frozenset({"tuple"}), came, signed=True)
        _attach(graph, node, feeds[:1])
        senders.append((name, sources.OUT))
    grouping = choose.pick((None, "global", "all", [0], [0, 1]))
    watchers = choose.integer(1, 3)
    streams = senders * choose.integer(1, 2)
    name = f"InOrder_{len(graph.nodes)}_"
    make = partial(_make, stateful.InOrder, {"in0": grouping}, "list", 1, watchers, "")
    volume *= watchers * len(streams)
    node = Node(name, make, {"in0": grouping}, (sources.OUT,), frozenset({"list"}), volume, steady=False)
    _attach(graph, node, [streams])


# What is around them.


def _wrap(graph: RandomGraph, choose: Chooser) -> None:
    """Put some neighbours into a composite PE, and some of these into another."""
    names = list(graph.nodes)
    for _ in range(choose.pick((0, 0, 1, 2))):
        first = choose.integer(0, len(names) - 1)
        names = names[first : first + choose.integer(1, 5)]
        graph.composites.append(set(names))
