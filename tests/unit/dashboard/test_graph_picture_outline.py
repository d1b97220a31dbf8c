"""What a picture shows of a graph: every PE under the id that a run gives it, composites, streams; loose ends too."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings

from d4py_adaptive import CompositePE, GenericPE, IterativePE, ProducerPE, WorkflowGraph
from d4py_adaptive.dashboard.graph_picture.outline import Arrow, Group, Outline, Port, outline, written_names
from d4py_adaptive.dataflow.builder import WorkflowNode
from d4py_adaptive.testing.drafts import RandomGraph
from d4py_adaptive.testing.strategies import workflows


def named(name: str, inputs: tuple[str, ...] = ("input",), outputs: tuple[str, ...] = ("output",)) -> GenericPE:
    pe = GenericPE()
    pe.name = name
    for port in inputs:
        pe._add_input(port)
    for port in outputs:
        pe._add_output(port)
    return pe


def chain(*pes: Any) -> WorkflowGraph:
    graph = WorkflowGraph()
    for source, target in pairwise(pes):
        graph.connect(source, "output", target, "input")
    return graph


def ids(drawn: Outline) -> list[str]:
    return [element.id for element in drawn.elements]


def streams(drawn: Outline) -> list[str]:
    """The arrows with the ids of PEs, and the names of composites where they end there."""
    names = {element.key: element.id for element in drawn.elements}

    def add(group: Group) -> None:
        names[group.key] = group.name
        for member in group.members:
            if isinstance(member, Group):
                add(member)

    add(drawn.root)
    return [f"{names[a.source]}.{a.output}->{names[a.target]}.{a.input}" for a in drawn.arrows]


@given(draft=workflows())
@settings(max_examples=60, deadline=None)
def test_it_is_what_runs_and_the_graph_stays_as_it_is(draft: RandomGraph) -> None:
    graph = draft.build(1)
    before = (
        list(graph.nodes),
        list(graph.connections),
        [(id(n.obj), n.obj.__dict__.copy()) for n in graph.nodes.values()],
    )
    drawn = outline(graph)
    assert before == (
        list(graph.nodes), list(graph.connections), [(id(n.obj), n.obj.__dict__) for n in graph.nodes.values()],
    )  # fmt: skip
    workflow = graph.freeze()
    assert ids(drawn) == [node.id for node in workflow.nodes]
    assert streams(drawn) == [stream.id.partition("#")[0] for stream in workflow.streams]
    assert [e.numprocesses for e in drawn.elements] == [node.numprocesses for node in workflow.nodes]
    results = [(e.id, port.name) for e in drawn.elements for port in e.outputs if not port.streams]
    assert results == list(workflow.results)
    assert [e.id for e in drawn.elements if e.is_source] == list(workflow.sources)


def test_composites_hold_their_members() -> None:
    inner, outer = CompositePE(), CompositePE()
    inner.name, outer.name = "Inner", "Outer"
    first, second, last = named("First"), named("Second"), named("Last")
    inner.add(first)
    inner._map_input("in", first, "input")
    inner._map_output("out", first, "output")
    outer.connect(inner, "out", second, "input")
    outer._map_input("in", inner, "in")
    outer._map_output("out", second, "output")
    graph = WorkflowGraph()
    graph.connect(named("Start"), "output", outer, "in")
    graph.connect(outer, "out", last, "input")
    drawn = outline(graph)
    names = {element.id: element.key for element in drawn.elements}
    assert list(names) == ["Start0", "First1", "Second2", "Last3"]
    assert drawn.around[names["First1"]] == ("graph", "composite1", "composite2")
    assert drawn.around[names["Second2"]] == ("graph", "composite1")
    assert drawn.around[names["Last3"]] == ("graph",)
    assert streams(drawn) == graph_streams(graph)


def graph_streams(graph: WorkflowGraph) -> list[str]:
    return [stream.id for stream in graph.freeze().streams]


# Who gets an item.


@pytest.mark.parametrize(
    ("grouping", "shown"),
    [
        (None, ""),
        ("shuffle", ""),
        ("all", "all"),
        ("global", "global"),
        ([0], "by 0"),
        (["key"], "by key"),
        ([0, "station"], "by 0, station"),
        (("a\nb",), "by a b"),
        ("key", "'key'?"),
        (7, "7?"),
    ],
)
def test_groupings(grouping: object, shown: str) -> None:
    reader = GenericPE()
    reader._add_input("input", grouping=grouping)
    assert outline(chain(ProducerPE(), reader)).elements[1].inputs == (Port("input", 1, shown),)


@pytest.mark.parametrize(
    ("ports", "written"),
    [
        ((), ()),
        (("input",), ("",)),
        (("output",), ("",)),
        (("traces",), ("traces",)),
        (("input", "output"), ("input", "output")),
    ],
)
def test_names_of_ports_are_written_where_they_say_something(ports: tuple[str, ...], written: tuple[str, ...]) -> None:
    assert written_names(tuple(Port(name, 1) for name in ports)) == written


@pytest.mark.parametrize(("declared", "shown"), [(3, 3), (1, 1), ("many", 1), (None, 1)])
def test_the_number_of_instances(declared: Any, shown: int) -> None:
    pe = IterativePE()
    pe.numprocesses = declared
    assert outline(chain(ProducerPE(), pe)).elements[1].numprocesses == shown


def test_sources_and_sinks() -> None:
    drawn = outline(chain(named("A"), named("B"), named("C")))
    assert [(e.is_source, e.is_sink) for e in drawn.elements] == [(True, False), (False, False), (False, True)]


def test_a_pe_alone_is_a_source() -> None:
    graph = WorkflowGraph()
    graph.add(named("A"))
    (alone,) = outline(graph).elements
    assert (alone.is_source, alone.is_sink) == (True, False)


def test_several_streams_between_two_ports() -> None:
    a, b = named("A"), named("B")
    graph = chain(a, b)
    graph.connect(a, "output", b, "input")
    assert outline(graph).arrows == (Arrow("pe0", "output", "pe1", "input"),) * 2


def test_names_are_one_line_without_what_steers_terminals() -> None:
    drawn = outline(chain(named("A\n\x1b[31mB\x00"), named("C")))
    assert ids(drawn) == ["A [31mB0", "C1"]


# What could not run.


def test_a_loop() -> None:
    a, b = named("A"), named("B")
    graph = chain(a, b, a)
    graph.connect(b, "output", b, "input")
    drawn = outline(graph)
    assert streams(drawn) == ["A0.output->B1.input", "B1.output->A0.input", "B1.output->B1.input"]


@pytest.mark.parametrize("missing", ["mapping", "port", "member", "circle"])
def test_a_port_that_stands_for_nothing_is_the_composites_own(missing: str) -> None:
    composite, inside = CompositePE(), named("Inside")
    composite.add(inside)
    composite._map_input("in", inside, "input")
    graph = WorkflowGraph()
    graph.connect(named("Start"), "output", composite, "in")
    if missing == "mapping":
        del composite.inputmappings["in"]
    elif missing == "port":
        composite.inputmappings["in"] = (inside, "gone")
    elif missing == "member":
        composite.inputmappings["in"] = (named("Elsewhere"), "input")
    else:
        composite.inputmappings["in"] = (composite, "in")
    assert streams(outline(graph)) == ["Start0.output->CompositePE.in"]


def test_a_pe_in_two_places_stands_in_the_first() -> None:
    shared, first, second = named("Shared"), CompositePE(), CompositePE()
    first.add(shared)
    second.add(shared)
    graph = WorkflowGraph()
    graph.add(first)
    graph.add(second)
    drawn = outline(graph)
    assert ids(drawn) == ["Shared0"]
    assert drawn.around[drawn.elements[0].key] == ("graph", "composite1")


def test_a_composite_within_itself() -> None:
    composite = CompositePE()
    composite.add(named("A"))
    composite._map_output("out", composite, "out")
    graph = WorkflowGraph()
    graph.connect(composite, "out", named("B"), "input")
    composite.nodes[id(composite)] = WorkflowNode(composite)
    assert streams(outline(graph)) == ["CompositePE.out->B1.input"]


def test_a_graph_within_itself_does_not_end_in_an_endless_walk() -> None:
    graph = chain(named("A"), named("B"))
    graph.nodes[id(graph)] = WorkflowNode(graph)
    assert streams(outline(graph)) == ["A0.output->B1.input"]


def test_no_pe() -> None:
    assert outline(WorkflowGraph()) == Outline(Group("graph", "WorkflowGraph", ()), ())
