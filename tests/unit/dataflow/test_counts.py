"""How many instances each PE may have: what shows in the results is fixed, the rest is the plan's choice."""

import itertools
from typing import Any

import pytest

from d4py_adaptive import ConsumerPE, GenericPE, IterativePE, ProducerPE, WorkflowGraph
from d4py_adaptive.dataflow.counts import InstanceCount, instance_counts


class Numbers(ProducerPE):
    def _process(self, inputs: Any) -> int:
        return 1


class Scale(IterativePE):
    """Keeps nothing, declared."""

    stateless = True


class Total(IterativePE):
    """Keeps a sum."""

    stateless = False


class Show(ConsumerPE):
    stateless = False


def chain(*pes: GenericPE) -> dict[str, InstanceCount]:
    """The counts of a chain of PEs, by the PE's name."""
    graph = WorkflowGraph()
    for before, after in itertools.pairwise(pes):
        graph.connect(before, "output", after, "input")
    return {pe.rstrip("0123456789"): count for pe, count in instance_counts(graph.freeze()).items()}


def made(kind: type[GenericPE], grouping: object = None, **attributes: Any) -> GenericPE:
    pe = kind()
    if grouping is not None:
        pe.inputconnections["input"]["grouping"] = grouping
    for name, value in attributes.items():
        setattr(pe, name, value)
    return pe


def test_a_source_has_one_instance_whatever_it_declares() -> None:
    count = chain(made(Numbers, numprocesses=5), Scale())["Numbers"]
    assert (count.fixed, count.reason) == (1, "a source has one instance unless declared splittable")
    assert count.choose(8) == 1


def test_a_source_declared_splittable_is_free_within_its_bound() -> None:
    free = chain(made(Numbers, splittable=True), Scale())["Numbers"]
    assert (free.fixed, free.at_most, free.reason) == (None, None, "a source declared splittable")
    bound = chain(made(Numbers, splittable=True, numprocesses=3), Scale())["Numbers"]
    assert (bound.at_most, bound.choose(8), bound.choose(2), bound.choose(0)) == (3, 3, 2, 1)


@pytest.mark.parametrize(
    ("pe", "fixed", "at_most", "reason"),
    [
        (made(Total), 1, None, "declared stateless = False"),
        (made(Total, numprocesses=4), 4, None, "declared stateless = False"),
        (made(Scale), None, None, "declared stateless = True"),
        (made(Scale, numprocesses=4), None, 4, "declared stateless = True"),
        (made(Total, [0]), None, None, "every input is grouped by key"),
        (made(Total, [0], numprocesses=4), None, 4, "every input is grouped by key"),
        (made(Total, "all", numprocesses=3), 3, None, "an 'all' input shows the number of instances in the results"),
        (made(Scale, "all"), 1, None, "an 'all' input shows the number of instances in the results"),
        (made(Total, "global", numprocesses=3), 3, None, "a 'global' input brings everything to one instance"),
        (made(Scale, numprocesses=4, single=True), 1, None, "declared single"),
        (made(Total, [0], single=True), 1, None, "declared single"),
    ],
)
def test_what_a_fed_pe_may_have(pe: GenericPE, fixed: int | None, at_most: int | None, reason: str) -> None:
    count = chain(Numbers(), pe)[type(pe).__name__]
    assert (count.fixed, count.at_most, count.reason) == (fixed, at_most, reason)
    assert count.keyed == (pe.inputconnections["input"].get("grouping") == [0])


class Join(GenericPE):
    stateless = False

    def __init__(self, left: object, right: object) -> None:
        super().__init__(3)
        self._add_input("left", grouping=left)
        self._add_input("right", grouping=right)


@pytest.mark.parametrize(
    ("left", "right", "fixed", "keyed"),
    [
        ([0], [1], None, True),
        ([0], None, 3, False),
        ([0], "all", 3, False),
        ([0], "global", 3, False),
        (None, None, 3, False),
    ],
)
def test_one_input_without_a_key_is_enough_to_fix_the_number(
    left: object, right: object, fixed: int | None, keyed: bool
) -> None:
    graph, join = WorkflowGraph(), Join(left, right)
    graph.connect(Numbers(), "output", join, "left")
    graph.connect(Numbers(), "output", join, "right")
    count = instance_counts(graph.freeze())["Join1"]
    assert (count.fixed, count.keyed) == (fixed, keyed)


def test_an_input_that_nothing_feeds_does_not_count() -> None:
    graph = WorkflowGraph()
    graph.connect(Numbers(), "output", Join([0], "all"), "left")
    assert instance_counts(graph.freeze())["Join1"].fixed is None


def test_who_deals_out_to_counted_instances_is_one() -> None:
    counts = chain(Numbers(), made(Scale, numprocesses=8), made(Total, numprocesses=3))
    assert (counts["Scale"].fixed, counts["Scale"].choose(8)) == (1, 1)
    assert counts["Scale"].reason == "deals items out to the counted instances of Total2"
    assert counts["Total"].fixed == 3


@pytest.mark.parametrize("target", [made(Total), made(Total, "all", numprocesses=3), made(Scale, numprocesses=3)])
def test_who_deals_nothing_out_stays_free(target: GenericPE) -> None:
    assert chain(Numbers(), made(Scale), target, Show())["Scale"].fixed is None


def test_choosing_stays_within_what_is_allowed() -> None:
    count = chain(Numbers(), Scale())["Scale"]
    assert [count.choose(wanted) for wanted in (-1, 0, 1, 7)] == [1, 1, 1, 7]
    assert [chain(Numbers(), made(Total, numprocesses=2))["Total"].choose(n) for n in (1, 7)] == [2, 2]


def test_a_pe_that_combines_is_free_though_it_keeps_state() -> None:
    count = chain(Numbers(), made(Total, combines=True), Show())["Total"]
    assert (count.fixed, count.reason) == (
        None,
        "declared combines: a later PE merges what its instances keep",
    )


def test_nothing_before_an_ordered_pe_is_replicated() -> None:
    counts = chain(Numbers(), made(Scale, name="First"), made(Total, name="Mean", ordered=True), Scale())
    assert (counts["First"].fixed, counts["First"].reason) == (1, "a PE behind it is declared ordered")
    assert counts["Scale"].fixed is None
    assert chain(Numbers(), made(Scale, name="First"), Scale(), made(Total, ordered=True))["First"].fixed == 1
