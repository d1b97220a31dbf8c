"""A plan without a profile: fuses what may be fused, replicates what may be replicated, never forms a loop."""

import itertools
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from d4py_adaptive import GenericPE, WorkflowGraph
from d4py_adaptive.dataflow.counts import instance_counts
from d4py_adaptive.dataflow.plan import Plan, stage_loop
from d4py_adaptive.dataflow.workflow import Workflow
from d4py_adaptive.partitioner.unmeasured import fused_stages, may_fuse, plan_without_profile, require_sound


class Any2(GenericPE):
    """One input with any grouping, one output; keeps state or not."""

    def __init__(self, name: str, grouping: Any = None, stateless: bool = True, numprocesses: int = 1) -> None:
        super().__init__(numprocesses)
        self.name, self.stateless = name, stateless
        self._add_input("i", grouping=grouping)
        self._add_output("o")


def source(name: str = "S", splittable: bool = False) -> Any2:
    pe = Any2(name)
    pe.splittable = splittable
    return pe


def chain(*pes: Any2) -> Workflow:
    graph = WorkflowGraph()
    graph.add(pes[0])
    for before, after in itertools.pairwise(pes):
        graph.connect(before, "o", after, "i")
    return graph.freeze()


def stages(plan: Plan) -> list[tuple[str, tuple[int, ...]]]:
    return [("+".join(stage.pes), stage.workers) for stage in plan.stages]


def test_one_worker_gets_everything_in_one_stage() -> None:
    plan = plan_without_profile(chain(source(), Any2("A"), Any2("B", stateless=False)), 1, "simple")
    assert stages(plan) == [("S0+A1+B2", (0,))]
    assert (plan.workers, plan.mapping) == (1, "simple")


def test_stateless_pes_are_replicated_together() -> None:
    plan = plan_without_profile(chain(source(), Any2("A"), Any2("B"), Any2("C", stateless=False)), 3, "multi")
    assert stages(plan) == [("S0", (0,)), ("A1+B2", (1, 2, 0)), ("C3", (1,))]
    assert plan.workers == 3
    assert plan.notes == (
        "S0: 1 instance(s): a source has one instance unless declared splittable",
        "A1: 3 instance(s): declared stateless = True",
        "B2: 3 instance(s): declared stateless = True",
        "C3: 1 instance(s): declared stateless = False",
        (
            "C3: keeps state, and gets its items in an order that differs between runs, since B2 has 3 instances; "
            "`ordered = True` on it keeps the order, at the price of these"
        ),
    )


def test_without_fusion_every_pe_has_a_stage_of_its_own() -> None:
    plan = plan_without_profile(chain(source(), Any2("A"), Any2("B")), 2, "multi", fuse=False)
    assert stages(plan) == [("S0", (0,)), ("A1", (1, 0)), ("B2", (1, 0))]


def test_workers_that_there_is_nothing_for_are_not_used() -> None:
    plan = plan_without_profile(chain(source(), Any2("A", stateless=False)), 5, "multi")
    assert plan.workers == 1
    assert plan.notes[-1] == "5 workers allowed, 1 used: there is nothing to put on the rest"


def test_counts_that_are_known_already_are_used() -> None:
    flow = chain(source(), Any2("A"))
    counts = instance_counts(flow)
    assert plan_without_profile(flow, 2, "multi", counts) == plan_without_profile(flow, 2, "multi")


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (Any2("A"), True),
        (Any2("A", stateless=False, numprocesses=2), False),
        (Any2("A", [0]), False),
        (Any2("A", "all", numprocesses=2), False),
        (Any2("A", "global", numprocesses=2), False),
    ],
)
def test_replicas_are_fused_only_where_nobody_can_tell_who_got_an_item(target: Any2, expected: bool) -> None:
    flow = chain(source(splittable=True), target)
    counts = instance_counts(flow)
    chosen = dict.fromkeys(flow.by_id, 2)
    assert may_fuse(flow.streams[0], counts, chosen) is expected
    assert may_fuse(flow.streams[0], counts, dict.fromkeys(flow.by_id, 1)) is True
    assert may_fuse(flow.streams[0], counts, {"S0": 1, "A1": 2}) is False


def test_descendants_of_different_sources_stay_apart() -> None:
    graph, one, two, join = WorkflowGraph(), source("S"), source("T"), Any2("J", stateless=False)
    graph.connect(one, "o", join, "i")
    graph.connect(two, "o", join, "i")
    assert [stage.pes for stage in plan_without_profile(graph.freeze(), 1, "simple").stages] == [
        ("S0",), ("T2",), ("J1",),
    ]  # fmt: skip


def test_a_way_round_keeps_the_ends_apart() -> None:
    """S -> A -> D and S -> D: with A in between on its own, S and D must not be one stage."""
    graph, s, a, d = WorkflowGraph(), source(), Any2("A", [0]), Any2("D", stateless=False)
    graph.connect(s, "o", a, "i")
    graph.connect(a, "o", d, "i")
    graph.connect(s, "o", d, "i")
    plan = plan_without_profile(graph.freeze(), 2, "multi")
    assert [stage.pes for stage in plan.stages] == [("S0",), ("A1",), ("D2",)]


@st.composite
def workflows(draw: st.DrawFn) -> Workflow:
    number = draw(st.integers(1, 9))
    pes = [
        Any2(
            f"P{chr(97 + i)}",
            draw(st.sampled_from([None, None, None, [0], "all", "global"])),
            draw(st.booleans()),
            draw(st.sampled_from([1, 1, 2, 3])),
        )
        for i in range(number)
    ]
    graph = WorkflowGraph()
    for pe in draw(st.permutations(pes)):
        pe.splittable = draw(st.booleans())
        graph.add(pe)
    pairs = [(a, b) for i, a in enumerate(pes) for b in pes[i + 1 :]]
    for before, after in draw(st.lists(st.sampled_from(pairs), max_size=14)) if pairs else []:
        graph.connect(before, "o", after, "i")
    return graph.freeze()


bounded = settings(max_examples=50, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@bounded
@given(workflows(), st.integers(1, 6))
def test_fused_stages_cover_every_pe_once_and_never_form_a_loop(flow: Workflow, workers: int) -> None:
    counts = instance_counts(flow)
    chosen = {pe: counts[pe].choose(workers) for pe in flow.by_id}
    groups = fused_stages(flow, counts, chosen)
    assert sorted(pe for pes in groups for pe in pes) == sorted(flow.by_id)
    assert stage_loop(flow, groups) == []
    position = {pe: number for number, pe in enumerate(flow.order)}
    for pes in groups:
        assert [position[pe] for pe in pes] == sorted(position[pe] for pe in pes)
        assert len({chosen[pe] for pe in pes}) == 1
        assert len({flow.source_ancestors[pe] for pe in pes}) == 1


@bounded
@given(workflows(), st.integers(1, 6), st.booleans())
def test_a_plan_fits_its_workflow_and_keeps_to_the_counts(flow: Workflow, workers: int, fuse: bool) -> None:
    plan = plan_without_profile(flow, workers, "multi", fuse=fuse)
    counts = instance_counts(flow)
    assert plan.check(flow) is plan
    assert 1 <= plan.workers <= workers
    assert {worker for stage in plan.stages for worker in stage.workers} == set(range(plan.workers))
    for pe, refs in plan.instances_of.items():
        assert len(refs) == counts[pe].choose(workers)
    for stage in plan.stages:
        inner = [s for s in flow.streams if s.source in stage.pes and s.target in stage.pes]
        chosen = {pe: len(refs) for pe, refs in plan.instances_of.items()}
        assert all(may_fuse(stream, counts, chosen) for stream in inner)


def partitioned(partitions: list[list[str]], *pes: Any2) -> Workflow:
    return replace(chain(*pes), partitions=tuple(map(tuple, partitions)))


class TestPartitions:
    def test_share_their_workers_with_nobody_else(self) -> None:
        pes = source(), Any2("A"), Any2("B"), Any2("C", grouping=[0])
        flow = partitioned([["S0"], ["A1", "B2"], ["C3"]], *pes)
        assert stages(plan_without_profile(flow, 5, "multi")) == [
            ("S0", (0,)),
            ("A1+B2", (1, 2)),
            ("C3", (3, 4)),
        ]

    def test_share_workers_where_there_are_fewer(self) -> None:
        flow = partitioned([["S0"], ["A1"], ["B2"]], source(), Any2("A"), Any2("B"))
        assert stages(plan_without_profile(flow, 2, "multi")) == [("S0", (0,)), ("A1", (1,)), ("B2", (0,))]
        assert stages(plan_without_profile(flow, 1, "multi")) == [("S0", (0,)), ("A1", (0,)), ("B2", (0,))]

    def test_that_cannot_be_one_stage_are_several_on_the_same_workers_and_say_so(self) -> None:
        flow = partitioned([["S0"], ["A1", "B2"]], source(), Any2("A"), Any2("B", grouping=[0]))
        plan = plan_without_profile(flow, 3, "multi")
        assert stages(plan) == [("S0", (0,)), ("A1", (1, 2)), ("B2", (1, 2))]
        assert plan.notes[-1] == "partition A1, B2: 2 stages on the same workers"

    def test_that_leave_out_pes_leave_those_to_the_plan(self) -> None:
        flow = partitioned([["B2"]], source(), Any2("A"), Any2("B"), Any2("C"))
        assert stages(plan_without_profile(flow, 4, "multi")) == [
            ("S0", (2,)),
            ("A1", (3, 2)),
            ("B2", (0, 1)),
            ("C3", (3, 2)),
        ]

    def test_get_no_more_workers_than_they_can_use(self) -> None:
        flow = partitioned([["S0"], ["A1"]], source(), Any2("A", grouping=[0], numprocesses=2))
        plan = plan_without_profile(flow, 8, "multi")
        assert stages(plan) == [("S0", (0,)), ("A1", (1, 2))]
        assert plan.workers == 3

    def test_hold_all_instances_that_a_pe_must_have(self) -> None:
        flow = partitioned([["S0"], ["A1"]], source(), Any2("A", grouping="all", numprocesses=5))
        assert stages(plan_without_profile(flow, 3, "multi"))[1] == ("A1", (1, 2, 1, 2, 1))


@bounded
@given(workflows(), st.integers(1, 6), st.booleans(), st.data())
def test_whatever_the_partitions_a_plan_fits_and_keeps_to_them(
    flow: Workflow, workers: int, fuse: bool, data: st.DataObject
) -> None:
    number = data.draw(st.integers(1, 4))
    drawn = {pe: data.draw(st.integers(0, number)) for pe in flow.by_id}  # 0: in none
    partitions = [tuple(pe for pe in flow.by_id if drawn[pe] == i) for i in range(1, number + 1)]
    flow = replace(flow, partitions=tuple(pes for pes in partitions if pes))
    counts = instance_counts(flow)
    plan = plan_without_profile(flow, workers, "multi", counts, fuse)
    require_sound(flow, plan, counts)
    assert {worker for stage in plan.stages for worker in stage.workers} == set(range(plan.workers))
    groups = [*flow.partitions, tuple(pe for pe in flow.by_id if not drawn[pe])]
    hosts = [
        {worker for stage in plan.stages if stage.pes[0] in pes for worker in stage.workers} for pes in groups if pes
    ]
    for stage in plan.stages:
        assert len({drawn[pe] for pe in stage.pes}) == 1
    if flow.partitions and workers >= len(hosts):
        assert sum(map(len, hosts)) == plan.workers  # no worker serves two partitions
