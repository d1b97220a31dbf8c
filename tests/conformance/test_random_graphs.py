"""Random workflows on every mapping against the reference. `python -m d4py_adaptive.testing` tries thousands."""

import random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from d4py_adaptive.testing.comparing import Trial, differences, reference_of
from d4py_adaptive.testing.random_graphs import random_graph
from d4py_adaptive.testing.random_plans import random_plan
from d4py_adaptive.testing.strategies import workflows

SETTINGS = settings(
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)


@pytest.mark.parametrize("mapping", ["simple", "toy"])
@settings(SETTINGS, max_examples=60)
@given(graph=workflows(), number=st.integers(0, 1000))
def test_mappings_of_one_process_agree_with_the_reference(mapping, graph, number):
    assert differences(graph, reference_of(graph), Trial(mapping, number)) == []


@settings(SETTINGS, max_examples=25)
@given(graph=workflows(), number=st.integers(0, 1000))
def test_multi_agrees_with_the_reference(graph, number):
    assert differences(graph, reference_of(graph), Trial("multi", number, "fork")) == []


@pytest.mark.parametrize("seed", range(5))
def test_every_plan_and_schedule_of_one_workflow_agrees(seed):
    graph = random_graph(seed)
    expected = reference_of(graph)
    for number in range(6):
        assert differences(graph, expected, Trial("toy", number)) == []


def test_random_graphs_repeat():
    one, other = random_graph(7), random_graph(7)
    assert (one.links, one.inputs, list(one.nodes)) == (other.links, other.inputs, list(other.nodes))
    assert [s.id for s in one.build(3).freeze().streams] == [s.id for s in other.build(3).freeze().streams]


def test_random_graphs_have_every_shape():
    graphs = [random_graph(seed) for seed in range(150)]
    kinds = {name.split("_")[0] for graph in graphs for name in graph.nodes}
    assert len(kinds) >= 27
    workflows_ = [graph.build().freeze() for graph in graphs]
    assert max(len(w.sources) for w in workflows_) >= 4
    assert any(stream.id.endswith("#2") for w in workflows_ for stream in w.streams)
    groupings = {type(stream.grouping).__name__ for w in workflows_ for stream in w.streams}
    assert groupings == {"Shuffle", "GroupBy", "OneToAll", "AllToOne"}
    assert any(len(graph.composites) == 2 for graph in graphs)


def test_random_plans_are_valid_and_differ():
    workflow = random_graph(11).build().freeze()
    plans = {random_plan(workflow, random.Random(seed)) for seed in range(20)}
    assert len(plans) > 10
    assert {stage.replicas for plan in plans for stage in plan.stages} > {1}
