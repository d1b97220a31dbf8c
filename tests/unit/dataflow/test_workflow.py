"""The workflow as a value: order, neighbours, sources, results, and what is refused."""

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from d4py_adaptive.dataflow.grouping import Shuffle
from d4py_adaptive.dataflow.pe import GenericPE
from d4py_adaptive.dataflow.workflow import PENode, Stream, Workflow
from d4py_adaptive.errors import WorkflowError


def node(name: str, outputs: tuple[str, ...] = ("o",)) -> PENode:
    return PENode(name, name, ("i",), outputs, 1, GenericPE())


def stream(source: str, target: str, number: int = 1) -> Stream:
    return Stream(f"{source}.o->{target}.i#{number}", source, "o", target, "i", Shuffle())


def workflow(names: str, *pairs: str) -> Workflow:
    return Workflow(tuple(node(name) for name in names), tuple(stream(a, b) for a, b in pairs))


def test_a_diamond() -> None:
    diamond = workflow("dcba", "ab", "ac", "bd", "cd")
    assert diamond.order == ("a", "c", "b", "d")
    assert [s.source for s in diamond.inbound["d"]] == ["b", "c"]
    assert [s.target for s in diamond.outbound["a"]] == ["b", "c"]
    assert diamond.inbound["a"] == diamond.outbound["d"] == ()
    assert diamond.sources == ("a",)
    assert diamond.results == (("d", "o"),)
    assert diamond.source_ancestors == {name: frozenset("a") for name in "abcd"}
    assert diamond.by_id["b"].id == "b"


def test_every_unconnected_output_is_a_result() -> None:
    pes = (node("a", ("o", "log")), node("b", ()), node("c", ("o", "p")))
    assert Workflow(pes, (stream("a", "b"),)).results == (("a", "log"), ("c", "o"), ("c", "p"))


def test_ancestors_are_all_sources_upstream() -> None:
    two = workflow("abcd", "ac", "bc", "cd")
    assert two.source_ancestors == {"a": {"a"}, "b": {"b"}, "c": {"a", "b"}, "d": {"a", "b"}}


def test_the_order_does_not_depend_on_the_order_of_the_streams() -> None:
    pairs = ["ab", "ac", "bd", "cd", "ae"]
    assert workflow("abcde", *pairs).order == workflow("abcde", *reversed(pairs)).order


def test_two_streams_between_the_same_ports_are_two() -> None:
    double = Workflow((node("a"), node("b")), (stream("a", "b"), stream("a", "b", 2)))
    assert len(double.inbound["b"]) == 2
    assert double.order == ("a", "b")


def test_no_pe_is_no_workflow() -> None:
    with pytest.raises(WorkflowError) as caught:
        Workflow((), ())
    assert str(caught.value) == "a workflow needs at least one PE; this graph has none: add or connect PEs first"


def test_a_loop_is_named_in_the_direction_of_its_streams() -> None:
    with pytest.raises(WorkflowError) as caught:
        workflow("sabct", "sa", "ab", "bc", "ca", "ct")
    text = str(caught.value)
    loop = text.removeprefix("the streams form a loop: ").partition(";")[0].split(" -> ")
    assert text.endswith("; a workflow must be free of loops, so remove one of these connections")
    assert loop[0] == loop[-1]
    assert {a + b for a, b in itertools.pairwise(loop)} == {"ab", "bc", "ca"}
    assert caught.value.__cause__ is None


def test_a_pe_that_feeds_itself_is_a_loop() -> None:
    with pytest.raises(WorkflowError, match="form a loop: a -> a;"):
        workflow("a", "aa")


def test_workflows_with_the_same_declarations_are_equal_whatever_their_prototypes() -> None:
    assert workflow("ab", "ab") == workflow("ab", "ab")
    assert "prototype" not in repr(workflow("a"))


@st.composite
def dags(draw: st.DrawFn) -> tuple[str, list[str]]:
    names = "abcdefgh"[: draw(st.integers(1, 8))]
    pairs = [a + b for i, a in enumerate(names) for b in names[i + 1 :]]
    chosen = draw(st.lists(st.sampled_from(pairs), max_size=12)) if pairs else []
    return "".join(draw(st.permutations(names))), chosen


@settings(max_examples=80, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(dags())
def test_the_order_is_topological_and_complete(drawn: tuple[str, list[str]]) -> None:
    names, pairs = drawn
    flow = workflow(names, *pairs)
    position = {name: number for number, name in enumerate(flow.order)}
    assert sorted(flow.order) == sorted(names)
    assert all(position[a] < position[b] for a, b in pairs)
    for pe in names:
        assert flow.source_ancestors[pe] == (
            frozenset().union(*(flow.source_ancestors[s.source] for s in flow.inbound[pe])) or {pe}
        )
