"""What a run starts from, and how instances share it."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from d4py_adaptive import CompositePE, ConsumerPE, GenericPE, IterativePE, ProducerPE, WorkflowGraph
from d4py_adaptive.dataflow.inputs import GivenInputs, doubts, resolve_inputs
from d4py_adaptive.dataflow.workflow import PENode, Workflow
from d4py_adaptive.errors import InputError


class Numbers(ProducerPE):
    pass


class Scale(IterativePE):
    pass


NUMBERS, OTHER, SCALE = Numbers(), Numbers(), Scale()


@pytest.fixture
def workflow() -> Workflow:
    graph = WorkflowGraph()
    graph.connect(NUMBERS, "output", SCALE, "input")
    graph.connect(OTHER, "output", SCALE, "input")
    return graph.freeze()


ONCE = GivenInputs(iterations=1)


def test_a_source_is_called_once_if_nothing_is_said(workflow: Workflow) -> None:
    assert resolve_inputs(workflow) == {"Numbers0": ONCE, "Numbers2": ONCE}


def test_a_number_is_for_every_source(workflow: Workflow) -> None:
    assert resolve_inputs(workflow, 5) == {"Numbers0": GivenInputs(5), "Numbers2": GivenInputs(5)}
    assert resolve_inputs(workflow, 0) == {"Numbers0": GivenInputs(0), "Numbers2": GivenInputs(0)}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"Numbers2": 7}, {"Numbers0": ONCE, "Numbers2": GivenInputs(7)}),
        ({OTHER: 7}, {"Numbers0": ONCE, "Numbers2": GivenInputs(7)}),
        ({"Numbers": 7}, {"Numbers0": GivenInputs(7), "Numbers2": GivenInputs(7)}),
        ({"Numbers": [{"any": 1}, {}]}, dict.fromkeys(["Numbers0", "Numbers2"], GivenInputs(0, ({"any": 1}, {})))),
        ({}, {"Numbers0": ONCE, "Numbers2": ONCE}),
        (
            {SCALE: iter([{"input": 3}])},
            {"Numbers0": ONCE, "Numbers2": ONCE, "Scale1": GivenInputs(0, ({"input": 3},))},
        ),
    ],
)
def test_pes_are_named_by_themselves_their_id_or_their_name(
    workflow: Workflow, given: dict[Any, Any], expected: dict[str, GivenInputs]
) -> None:
    assert resolve_inputs(workflow, given) == expected


def test_whole_numbers_of_other_types_are_numbers(workflow: Workflow) -> None:
    assert resolve_inputs(workflow, {"Numbers": np.int64(3)})["Numbers0"].iterations == 3
    assert resolve_inputs(workflow, np.int64(3))["Numbers0"].iterations == 3


def test_the_items_are_copies_of_the_user_s(workflow: Workflow) -> None:
    item = {"input": 1}
    given = resolve_inputs(workflow, {SCALE: [item]})["Scale1"]
    item["input"] = 2
    assert given.items == ({"input": 1},)


WHAT = "are a number of iterations from 0 or a list of {port: value}; got"


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (-1, f"inputs of Numbers0 {WHAT} -1"),
        (True, f"inputs of Numbers0 {WHAT} True"),
        ("5", "inputs are a number or a mapping from PEs to numbers or lists; got str"),
        ([1], "inputs are a number or a mapping from PEs to numbers or lists; got list"),
        ({"Numbers": "5"}, f"inputs of Numbers0 {WHAT} '5'"),
        ({"Numbers": {"input": 1}}, f"inputs of Numbers0 {WHAT} {{'input': 1}}"),
        ({"Numbers": None}, f"inputs of Numbers0 {WHAT} None"),
        ({"Numbers": 1.5}, f"inputs of Numbers0 {WHAT} 1.5"),
        ({"Numbers0": [{"a": 1}, 2]}, "inputs of Numbers0 are a list of {port: value}; got an element 2"),
        (
            {"Nmbers": 1},
            (
                "inputs name 'Nmbers', which is no PE of this workflow; did you mean 'Numbers'?; "
                "its PEs: Numbers0, Scale1, Numbers2"
            ),
        ),
        (
            {SCALE: [{"inptu": 1}]},
            "inputs of Scale1 name 'inptu', not an input of it; did you mean 'input'?; its inputs: input",
        ),
        ({CompositePE(): 1}, "inputs are given to PEs, not to a composite PE; name a PE inside it"),
    ],
)
def test_what_does_not_fit_is_named(workflow: Workflow, given: Any, text: str) -> None:
    with pytest.raises(InputError) as caught:
        resolve_inputs(workflow, given)
    assert str(caught.value) == text


def test_a_pe_of_another_workflow_is_not_known(workflow: Workflow) -> None:
    with pytest.raises(InputError, match=r"which is no PE of this workflow; its PEs: Numbers0, Scale1, Numbers2$"):
        resolve_inputs(workflow, {GenericPE(): 1})


def node(grouping: object = None) -> PENode:
    pe = GenericPE()
    pe._add_input("a", grouping=grouping)
    pe._add_input("b")
    return PENode("PE0", "PE", ("a", "b"), (), 1, pe)


items = st.lists(st.dictionaries(st.sampled_from("ab"), st.tuples(st.integers(), st.text(max_size=3)), max_size=2))
bounded = settings(max_examples=60, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@bounded
@given(st.integers(0, 200), items, st.sampled_from([None, "global", [0], [1, 0]]), st.integers(1, 9))
def test_the_shares_add_up_to_the_whole(
    iterations: int, items: list[dict[str, Any]], grouping: object, count: int
) -> None:
    whole = GivenInputs(iterations, tuple(items))
    shares = [whole.share(node(grouping), instance, count) for instance in range(count)]
    assert sum(share.iterations for share in shares) == iterations
    assert max(s.iterations for s in shares) - min(s.iterations for s in shares) <= 1
    assert Counter(repr(i) for s in shares for i in s.items) == Counter(map(repr, items))


@bounded
@given(items, st.integers(1, 5))
def test_every_instance_gets_what_goes_to_all(items: list[dict[str, Any]], count: int) -> None:
    items = [item for item in items if next(iter(item), "") == "a"]
    whole = GivenInputs(items=tuple(items))
    assert all(whole.share(node("all"), instance, count).items == whole.items for instance in range(count))


@bounded
@given(items, st.integers(2, 5))
def test_shares_keep_keys_together_and_items_in_order(items: list[dict[str, Any]], count: int) -> None:
    items = [{"a": item["a"]} for item in items if "a" in item]
    place: dict[int, int] = {}
    for instance in range(count):
        mine = list(GivenInputs(items=tuple(items)).share(node([0]), instance, count).items)
        assert all(place.setdefault(item["a"][0], instance) == instance for item in mine)
        positions = iter(items)
        assert all(any(item == other for other in positions) for item in mine)


def test_what_goes_to_one_goes_to_the_first() -> None:
    given = GivenInputs(items=({"a": (1,)}, {"a": (2,)}))
    assert [given.share(node("global"), i, 3).items for i in range(3)] == [given.items, (), ()]


def said(workflow: Workflow, given: Any) -> list[str]:
    return doubts(workflow, given, resolve_inputs(workflow, given))


def test_a_name_that_fits_several_pes_is_told() -> None:
    class Works(ProducerPE):
        def _process(self, inputs: Any) -> int:
            return 1

    graph = WorkflowGraph()
    for _ in range(2):
        graph.add(Works())
    workflow = graph.freeze()
    assert said(workflow, {"Works": 3, "Works0": 2}) == ["inputs for 'Works' go to each of Works0, Works1"]
    assert said(workflow, 5) == said(workflow, None) == []


def test_a_pe_that_is_called_with_nothing_though_it_has_an_input_is_told() -> None:
    class Works(IterativePE):
        def _process(self, data: Any) -> Any:
            return data

    graph = WorkflowGraph()
    graph.add(Works())
    workflow = graph.freeze()
    assert said(workflow, None) == [
        'Works0 has inputs and is called with nothing; give it items as {"Works0": [{"input": …}]}'
    ]
    assert said(workflow, {"Works": [{"input": 1}]}) == said(workflow, 0) == []


@pytest.mark.parametrize("base", [GenericPE, ProducerPE, IterativePE, ConsumerPE])
def test_a_pe_that_does_nothing_is_told(base: Any) -> None:
    class Mistyped(base):  # type: ignore[misc]
        def _proces(self, inputs: Any) -> None:
            pass

    graph = WorkflowGraph()
    graph.add(Mistyped())
    assert said(graph.freeze(), 0) == ["Mistyped0 has neither process nor _process of its own, so that it does nothing"]
