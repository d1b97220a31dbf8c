"""The plan: numbering, placement, what does not fit, and as plain values and back."""

import itertools
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from d4py_adaptive.dataflow.grouping import Shuffle
from d4py_adaptive.dataflow.pe import GenericPE
from d4py_adaptive.dataflow.plan import InstanceRef, Plan, Stage, stage_loop
from d4py_adaptive.dataflow.workflow import PENode, Stream, Workflow
from d4py_adaptive.errors import PlanError

PLAN = Plan((Stage(("A0", "B1"), (0, 1)), Stage(("C2",), (1,))), 2, "multi", ("a note",))


def workflow(*pairs: str, names: str = "ABC") -> Workflow:
    ids = {name: f"{name}{number}" for number, name in enumerate(names)}
    nodes = tuple(PENode(id_, id_[0], ("i",), ("o",), 1, GenericPE()) for id_ in ids.values())
    streams = (Stream(f"{a}.o->{b}.i", ids[a], "o", ids[b], "i", Shuffle()) for a, b in pairs)
    return Workflow(nodes, tuple(streams))


def test_instances_are_numbered_stage_by_stage_pe_by_pe_replica_by_replica() -> None:
    assert PLAN.instances == (
        InstanceRef(0, "A0", 0, 0),
        InstanceRef(1, "A0", 1, 0),
        InstanceRef(2, "B1", 0, 0),
        InstanceRef(3, "B1", 1, 0),
        InstanceRef(4, "C2", 0, 1),
    )
    assert [ref.label for ref in PLAN.instances] == ["A0[0]", "A0[1]", "B1[0]", "B1[1]", "C2[0]"]
    assert PLAN.instances_of["B1"] == PLAN.instances[2:4]
    assert PLAN.stage_of == {"A0": 0, "B1": 0, "C2": 1}
    assert [PLAN.worker_of(ref) for ref in PLAN.instances] == [0, 1, 0, 1, 1]
    assert [stage.replicas for stage in PLAN.stages] == [2, 1]


def test_a_plan_that_fits_is_returned() -> None:
    assert PLAN.check(workflow("AB", "BC")) is PLAN


def plan(*stages: tuple[str, tuple[int, ...]], workers: int = 2) -> Plan:
    return Plan(tuple(Stage(tuple(pes.split()), on) for pes, on in stages), workers, "multi")


@pytest.mark.parametrize(
    ("bad", "text"),
    [
        (plan(("A0 B1", (0,))), "a plan must name every PE of its workflow once; this one differs in C2"),
        (
            plan(("A0 B1 C2", (0,)), ("D3", (0,))),
            "a plan must name every PE of its workflow once; this one differs in D3",
        ),
        (
            plan(("A0 B1 C2", (0,)), ("B1", (0,))),
            "a plan must name every PE of its workflow once; this one differs in B1",
        ),
        (
            plan(("A0 B1", (0, 2)), ("C2", (0,))),
            "stage A0+B1 needs a worker from 0 to 1 for each replica; got [0, 2]",
        ),
        (plan(("A0 B1 C2", (-1,))), "stage A0+B1+C2 needs a worker from 0 to 1 for each replica; got [-1]"),
        (plan(("A0 B1 C2", ())), "stage A0+B1+C2 needs a worker from 0 to 1 for each replica; got []"),
    ],
)
def test_a_plan_that_does_not_fit_says_where(bad: Plan, text: str) -> None:
    with pytest.raises(PlanError) as caught:
        bad.check(workflow("AB", "BC"))
    assert str(caught.value) == text


def test_a_loop_of_two_stages() -> None:
    with pytest.raises(PlanError) as caught:
        plan(("A0 C2", (0,)), ("B1", (1,))).check(workflow("AB", "BC"))
    text = str(caught.value)
    assert text.startswith("these stages form a loop: ")
    assert text.endswith("; split one of them")
    assert "A0+C2 -> B1" in text or "B1 -> A0+C2" in text


def test_a_loop_of_stages_is_named_in_the_direction_of_its_streams() -> None:
    # A feeds B, C feeds D, E feeds F; fused they form a loop of three.
    flow = workflow("AB", "CD", "EF", names="ABCDEF")
    loop = stage_loop(flow, [("A0", "F5"), ("B1", "C2"), ("D3", "E4")])
    assert loop[0] == loop[-1]
    steps = set(itertools.pairwise(loop))
    assert steps == {
        (("A0", "F5"), ("B1", "C2")),
        (("B1", "C2"), ("D3", "E4")),
        (("D3", "E4"), ("A0", "F5")),
    }


def test_no_loop_is_an_empty_list() -> None:
    assert stage_loop(workflow("AB", "AC"), [("A0",), ("B1", "C2")]) == []


@pytest.mark.parametrize(
    ("placed", "channels"),
    [
        ([("A0 B1 C2", (0,))], 1),
        ([("A0", (0,)), ("B1", (1,)), ("C2", (2,))], 3),
        ([("A0", (0,)), ("B1", (0,)), ("C2", (0,))], 1),
        ([("A0", (0,)), ("B1", (1, 2)), ("C2", (0, 1, 2))], 2 + 4 + 3),
    ],
)
def test_channels_between_workers_are_counted_and_those_of_results(placed: list[Any], channels: int) -> None:
    flow = workflow("AB", "AB", "BC")  # two streams between the same instances are one channel
    assert flow.results == (("C2", "o"),)
    assert plan(*placed, workers=3).channels(flow) == channels


def test_a_plan_as_plain_values() -> None:
    assert PLAN.to_dict() == {
        "schema_version": 1,
        "mapping": "multi",
        "workers": 2,
        "stages": [{"pes": ["A0", "B1"], "workers": [0, 1]}, {"pes": ["C2"], "workers": [1]}],
        "notes": ["a note"],
    }


names = st.text(max_size=5)
stages = st.builds(
    Stage,
    st.lists(names, min_size=1, max_size=4).map(tuple),
    st.lists(st.integers(0, 9), min_size=1, max_size=4).map(tuple),
)
plans = st.builds(
    Plan, st.lists(stages, max_size=5).map(tuple), st.integers(1, 10), names, st.lists(names, max_size=3).map(tuple)
)


@settings(max_examples=80, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(plans)
def test_a_plan_comes_back_from_its_plain_values(drawn: Plan) -> None:
    assert Plan.from_dict(drawn.to_dict()) == drawn
    assert Plan.from_dict(json.loads(json.dumps(drawn.to_dict()))) == drawn


@settings(max_examples=40, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(plans)
def test_every_instance_has_a_number_and_a_worker(drawn: Plan) -> None:
    assert [ref.number for ref in drawn.instances] == list(range(len(drawn.instances)))
    assert len(drawn.instances) == sum(len(stage.pes) * stage.replicas for stage in drawn.stages)
    assert all(drawn.worker_of(ref) in drawn.stages[ref.stage].workers for ref in drawn.instances)


@pytest.mark.parametrize("version", [None, 0, 2, "1"])
def test_a_plan_of_another_version_is_refused(version: object) -> None:
    with pytest.raises(PlanError) as caught:
        Plan.from_dict(PLAN.to_dict() | {"schema_version": version})
    assert str(caught.value) == f"a plan of schema version 1 is needed; got {version!r}"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"stages": [{"pes": ["A0"]}]}, "this is not a plan: KeyError: 'workers'"),
        ({"stages": None}, "this is not a plan: TypeError: 'NoneType' object is not iterable"),
        ({"workers": "two"}, "this is not a plan: ValueError: invalid literal for int() with base 10: 'two'"),
        ({"stages": [3]}, "this is not a plan: TypeError: 'int' object is not subscriptable"),
    ],
)
def test_what_is_no_plan_is_refused(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(PlanError) as caught:
        Plan.from_dict(PLAN.to_dict() | changes)
    assert str(caught.value) == text


@pytest.mark.parametrize("data", [[], None, "plan", 3])
def test_what_is_no_mapping_is_no_plan(data: Any) -> None:
    with pytest.raises(PlanError):
        Plan.from_dict(data)


@pytest.mark.parametrize("stage", [{"pes": "AB", "workers": [0]}, {"pes": ["A"], "workers": ["0"]}])
def test_names_and_workers_of_the_wrong_kind_are_refused(stage: Any) -> None:
    with pytest.raises(PlanError):
        Plan.from_dict(PLAN.to_dict() | {"stages": [stage]})


def test_notes_may_be_missing() -> None:
    data = PLAN.to_dict()
    del data["notes"]
    assert Plan.from_dict(data).notes == ()
