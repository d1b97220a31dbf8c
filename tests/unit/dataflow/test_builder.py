"""`WorkflowGraph`: adding, connecting, composites, chains; what `freeze` and `flatten` make of them."""

import itertools
from typing import Any

import pytest

from d4py_adaptive import (
    CompositePE,
    ConsumerPE,
    GenericPE,
    IterativePE,
    ProducerPE,
    SimpleFunctionPE,
    WorkflowGraph,
    create_iterative_chain,
)
from d4py_adaptive.dataflow.builder import Connection
from d4py_adaptive.dataflow.grouping import GroupBy, Shuffle
from d4py_adaptive.errors import WorkflowError


class Numbers(ProducerPE):
    pass


class Scale(IterativePE):
    pass


class Show(ConsumerPE):
    pass


class Join(GenericPE):
    def __init__(self) -> None:
        super().__init__()
        self._add_input("left", grouping=[0])
        self._add_input("right")
        self._add_output("output")


def named(name: str) -> IterativePE:
    pe = IterativePE()
    pe.name = name
    return pe


def ids(graph: WorkflowGraph) -> list[str]:
    return [node.id for node in graph.freeze().nodes]


def streams(graph: WorkflowGraph) -> list[str]:
    return [stream.id for stream in graph.freeze().streams]


def inside(pes: int = 2) -> CompositePE:
    """A composite of a chain of PEs, `in` to `out`."""
    composite = CompositePE()
    chain = [Scale() for _ in range(pes)]
    for before, after in itertools.pairwise(chain):
        composite.connect(before, "output", after, "input")
    composite._map_input("in", chain[0], "input")
    composite._map_output("out", chain[-1], "output")
    return composite


def test_an_added_pe_is_numbered_and_wrapped() -> None:
    graph, scale = WorkflowGraph(), Scale()
    node = graph.add(scale)
    assert scale.id == "Scale0"
    assert node.get_contained_object() is scale
    assert node.getContainedObject() is scale
    assert graph.add(scale) is node
    assert graph.get_contained_objects() == graph.getContainedObjects() == [scale]


def test_connecting_adds_what_is_new() -> None:
    graph, numbers, show = WorkflowGraph(), Numbers(), Show()
    graph.connect(numbers, "output", show, "input")
    assert graph.get_contained_objects() == [numbers, show]
    assert graph.connections == [Connection(numbers, "output", show, "input")]


@pytest.mark.parametrize(
    ("thing", "hint"),
    [(Scale, "; did you forget to create it, Scale()?"), (3, ""), (None, ""), (len, "")],
)
def test_only_pes_and_composites_can_be_added(thing: Any, hint: str) -> None:
    with pytest.raises(WorkflowError) as caught:
        WorkflowGraph().add(thing)
    assert str(caught.value) == f"a workflow is made of PEs and composite PEs; got {thing!r}{hint}"


def test_a_pe_whose_constructor_forgot_its_base_is_told_so() -> None:
    class Forgetful(IterativePE):
        def __init__(self) -> None:
            self.mine = 1

    with pytest.raises(WorkflowError) as caught:
        WorkflowGraph().add(Forgetful())
    assert str(caught.value) == "Forgetful.__init__ must call its base class's __init__ first"


@pytest.mark.parametrize(
    ("output", "input_", "text"),
    [
        ("ouput", "input", "Numbers0 has no output 'ouput'; did you mean 'output'?; its outputs: output"),
        ("output", "inputs", "Show1 has no input 'inputs'; did you mean 'input'?; its inputs: input"),
        ("zzz", "input", "Numbers0 has no output 'zzz'; its outputs: output"),
    ],
)
def test_a_port_that_is_not_there_is_named_with_those_that_are(output: str, input_: str, text: str) -> None:
    with pytest.raises(WorkflowError) as caught:
        WorkflowGraph().connect(Numbers(), output, Show(), input_)
    assert str(caught.value) == text


def test_a_source_has_no_inputs_to_connect_to() -> None:
    with pytest.raises(WorkflowError, match=r"^Numbers1 has no input 'input'; its inputs: none$"):
        WorkflowGraph().connect(Numbers(), "output", Numbers(), "input")


def test_a_composite_names_its_own_ports() -> None:
    with pytest.raises(WorkflowError, match=r"^CompositePE has no input 'input'; did you mean 'in'\?; its inputs: in$"):
        WorkflowGraph().connect(Numbers(), "output", inside(), "input")


def test_ids_follow_the_order_of_adding_not_of_connecting() -> None:
    graph, numbers, scale, show = WorkflowGraph(), Numbers(), Scale(), Show()
    for pe in (show, scale, numbers):
        graph.add(pe)
    graph.connect(numbers, "output", scale, "input")
    graph.connect(scale, "output", show, "input")
    assert ids(graph) == ["Show0", "Scale1", "Numbers2"]
    assert streams(graph) == ["Numbers2.output->Scale1.input", "Scale1.output->Show0.input"]


def test_ids_differ_even_if_names_end_in_digits() -> None:
    graph = WorkflowGraph()
    for name in ["A1", *["q"] * 9, "A"]:
        graph.add(named(name))
    assert len(set(ids(graph))) == 11


def test_connecting_twice_gives_two_streams_with_ids_of_their_own() -> None:
    graph, numbers, show = WorkflowGraph(), Numbers(), Show()
    for _ in range(3):
        graph.connect(numbers, "output", show, "input")
    name = "Numbers0.output->Show1.input"
    assert streams(graph) == [name, f"{name}#2", f"{name}#3"]


def test_a_stream_has_the_grouping_of_its_input() -> None:
    graph, numbers, join = WorkflowGraph(), Numbers(), Join()
    graph.connect(numbers, "output", join, "left")
    graph.connect(numbers, "output", join, "right")
    left, right = graph.freeze().streams
    assert (left.grouping, right.grouping) == (GroupBy((0,)), Shuffle())


def test_a_frozen_pe_has_its_declarations() -> None:
    graph = WorkflowGraph()
    join = Join()
    join.numprocesses = 4
    graph.add(join)
    (node,) = graph.freeze().nodes
    assert (node.id, node.name, node.inputs, node.outputs, node.numprocesses, node.prototype) == (
        "Join0", "Join", ("left", "right"), ("output",), 4, join,
    )  # fmt: skip


@pytest.mark.parametrize("count", [0, -1, 1.5, "2", True, None])
def test_a_number_of_processes_is_a_whole_number_from_one(count: Any) -> None:
    graph, scale = WorkflowGraph(), Scale()
    scale.numprocesses = count
    graph.add(scale)
    with pytest.raises(WorkflowError) as caught:
        graph.freeze()
    assert str(caught.value) == f"Scale0.numprocesses is a whole number from 1; got {count!r}"


def test_a_bad_grouping_names_the_input() -> None:
    graph, numbers, scale = WorkflowGraph(), Numbers(), Scale()
    scale.inputconnections["input"]["grouping"] = "id"
    graph.connect(numbers, "output", scale, "input")
    with pytest.raises(WorkflowError, match=r"^Scale1\.input: a grouping is None, 'all', 'global' or a list of keys"):
        graph.freeze()


def test_an_empty_graph_cannot_be_frozen() -> None:
    with pytest.raises(WorkflowError, match="this graph has none: add or connect PEs first"):
        WorkflowGraph().freeze()


def nested() -> tuple[WorkflowGraph, CompositePE]:
    outer = CompositePE()
    inner, last = inside(), Scale()
    outer.connect(inner, "out", last, "input")
    outer._map_input("way in", inner, "in")
    outer.map_output("way out", last, "output")
    graph = WorkflowGraph()
    graph.connect(Numbers(), "output", outer, "way in")
    graph.connect(outer, "way out", Show(), "input")
    return graph, outer


NESTED_STREAMS = {
    "Numbers0.output->Scale1.input",
    "Scale1.output->Scale2.input",
    "Scale2.output->Scale3.input",
    "Scale3.output->Show4.input",
}


def test_composites_in_composites_are_resolved_all_levels_down() -> None:
    graph, _ = nested()
    assert ids(graph) == ["Numbers0", "Scale1", "Scale2", "Scale3", "Show4"]
    assert set(streams(graph)) == NESTED_STREAMS


def test_flattening_replaces_composites_and_changes_nothing_else() -> None:
    graph, outer = nested()
    before = graph.freeze()
    graph.flatten()
    assert outer not in graph.get_contained_objects()
    assert [pe.id for pe in graph.get_contained_objects() if isinstance(pe, GenericPE)] == [
        "Numbers0", "Scale1", "Scale2", "Scale3", "Show4",
    ]  # fmt: skip
    assert graph.freeze() == before
    graph.flatten()
    assert graph.freeze() == before


def test_a_composite_that_maps_to_a_port_that_is_not_there_is_found_when_frozen() -> None:
    composite = CompositePE()
    scale = Scale()
    composite.add(scale)
    composite._map_input("in", scale, "data")
    graph = WorkflowGraph()
    graph.connect(Numbers(), "output", composite, "in")
    with pytest.raises(WorkflowError, match=r"has no input 'data'; its inputs: input$"):
        graph.freeze()


def test_one_pe_cannot_stand_in_two_composites() -> None:
    shared = Scale()
    graph = WorkflowGraph()
    for _ in range(2):
        composite = CompositePE()
        composite.add(shared)
        graph.add(composite)
    with pytest.raises(WorkflowError) as caught:
        graph.freeze()
    assert str(caught.value) == ("one PE stands in two composites of this workflow; create a PE of its own for each")


def test_a_composite_is_filled_by_the_function_it_is_given() -> None:
    def fill(graph: CompositePE, count: int) -> None:
        for _ in range(count):
            graph.add(Scale())

    assert len(CompositePE(fill, {"count": 3}).nodes) == 3
    assert CompositePE(lambda graph: graph.add(Scale())).name == "CompositePE"


def double(item: int) -> int:
    return 2 * item


def add(item: int, number: int) -> int:
    return item + number


def test_a_chain_has_a_pe_per_function_in_order() -> None:
    chain = create_iterative_chain([double, (add, {"number": 3}), [add, {"number": 4}]], name_suffix="_x")
    graph = WorkflowGraph()
    graph.connect(Numbers(), "output", chain, "input")
    workflow = graph.freeze()
    assert [node.id for node in workflow.nodes] == ["Numbers0", "PE_double_x1", "PE_add_x2", "PE_add_x3"]
    assert workflow.order == ("Numbers0", "PE_double_x1", "PE_add_x2", "PE_add_x3")
    assert workflow.results == (("PE_add_x3", "output"),)
    pes = [node.prototype for node in workflow.nodes[1:]]
    item = 1
    for pe in pes:
        item = pe._process(item)
    assert item == 9


def test_a_chain_of_one_is_both_ends() -> None:
    chain = create_iterative_chain([double], name_prefix="")
    (pe,) = chain.get_contained_objects()
    assert chain.inputmappings == {"input": (pe, "input")}
    assert chain.outputmappings == {"output": (pe, "output")}
    assert pe.name == "double"  # type: ignore[union-attr]


def test_a_chain_takes_a_class_of_its_own() -> None:
    class Loud(SimpleFunctionPE):
        pass

    (pe,) = create_iterative_chain([double], Loud).get_contained_objects()
    assert type(pe) is Loud


def test_a_chain_of_nothing_is_refused() -> None:
    with pytest.raises(WorkflowError, match=r"^a chain needs at least one function; got none$"):
        create_iterative_chain([])


def test_a_chain_takes_its_class_under_the_name_of_2015() -> None:
    class Logged(SimpleFunctionPE):
        pass

    chain = create_iterative_chain([abs], FunctionPE_class=Logged)
    assert [type(pe) for pe in chain.get_contained_objects()] == [Logged]


def test_the_nodes_are_reached_as_in_dispel4py() -> None:
    graph, numbers = WorkflowGraph(), Numbers()
    node = graph.add(numbers)
    assert graph.graph.nodes() == (node,)
    assert graph.objToNode[numbers].getContainedObject() is numbers


def test_a_composite_may_be_connected_before_its_ports_are_mapped() -> None:
    graph, composite, scale, numbers = WorkflowGraph(), WorkflowGraph(), Scale(), Numbers()
    graph.connect(numbers, "output", composite, "input")
    composite.add(scale)
    composite.inputmappings = {"input": (scale, "input")}
    assert [stream.id for stream in graph.freeze().streams] == ["Numbers0.output->Scale1.input"]
    with pytest.raises(WorkflowError, match="no input 'inpt'; did you mean 'input'"):
        graph.connect(numbers, "output", composite, "inpt")


def test_an_id_given_when_adding_is_the_one_of_the_run() -> None:
    graph = WorkflowGraph()
    graph.add(create_iterative_chain([abs, int, str]))
    numbers = Numbers()
    graph.add(numbers)
    given = numbers.id
    assert given == "Numbers3" == graph.freeze().nodes[3].id


class TestPartitions:
    def test_name_pes_and_composites(self) -> None:
        graph, numbers, show = WorkflowGraph(), Numbers(), Show()
        chain = create_iterative_chain([abs, int])
        graph.connect(numbers, "output", chain, "input")
        graph.connect(chain, "output", show, "input")
        graph.partitions = [[numbers], [chain, show]]
        expected = (("Numbers0",), ("PE_abs1", "PE_int2", "Show3"))
        assert graph.freeze().partitions == expected
        graph.flatten()
        assert graph.freeze().partitions == expected

    def test_need_not_name_all(self) -> None:
        graph, numbers, show = WorkflowGraph(), Numbers(), Show()
        graph.connect(numbers, "output", show, "input")
        graph.partitions = [[show], []]
        assert graph.freeze().partitions == (("Show1",),)

    def test_name_each_pe_once(self) -> None:
        graph, numbers = WorkflowGraph(), Numbers()
        graph.add(numbers)
        graph.partitions = [[numbers], [numbers]]
        with pytest.raises(WorkflowError, match="names Numbers0 in two partitions; once is enough"):
            graph.freeze()

    @pytest.mark.parametrize("stranger", [Numbers(), "Numbers0"])
    def test_name_members_only(self, stranger: Any) -> None:
        graph = WorkflowGraph()
        graph.add(Numbers())
        graph.partitions = [[stranger]]
        with pytest.raises(WorkflowError, match=r"Numbers.* is no PE of this workflow"):
            graph.freeze()

    def test_of_the_sources_and_the_rest(self) -> None:
        graph, numbers, show = WorkflowGraph(), Numbers(), Show()
        graph.connect(numbers, "output", create_iterative_chain([abs]), "input")
        graph.add(show)
        graph.partition_sources()
        assert graph.freeze().partitions == (("Numbers0", "Show2"), ("PE_abs1",))


def test_a_composite_that_contains_itself_is_refused() -> None:
    composite, graph = CompositePE(), WorkflowGraph()
    composite.add(composite)
    graph.add(composite)
    with pytest.raises(WorkflowError, match="composite PE CompositePE contains itself"):
        graph.freeze()


def test_a_port_that_is_mapped_to_itself_is_refused() -> None:
    composite, graph = CompositePE(), WorkflowGraph()
    composite.add(Show())
    composite.map_input("input", composite, "input")
    graph.connect(Numbers(), "output", composite, "input")
    with pytest.raises(WorkflowError, match="input 'input' of composite PE CompositePE is mapped to itself"):
        graph.freeze()


def test_a_port_that_is_mapped_to_a_pe_outside_is_refused() -> None:
    composite, graph = CompositePE(), WorkflowGraph()
    composite.add(Scale())
    composite.map_input("input", Show(), "input")
    graph.connect(Numbers(), "output", composite, "input")
    with pytest.raises(WorkflowError, match="a composite PE's port is mapped to Show, which is not in it; add it"):
        graph.freeze()
