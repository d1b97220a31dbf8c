"""What a scientist builds a workflow with: `WorkflowGraph`, composite PEs, chains of functions.

The graph is only a builder: `freeze` flattens the composites and gives the immutable `Workflow` that everything
else works on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from d4py_adaptive.dataflow.grouping import parse_grouping
from d4py_adaptive.dataflow.patterns import IterativePE, SimpleFunctionPE
from d4py_adaptive.dataflow.pe import GROUPING, GenericPE
from d4py_adaptive.dataflow.type_propagation import Types, propagate_types
from d4py_adaptive.dataflow.workflow import PENode, Stream, Workflow
from d4py_adaptive.errors import WorkflowError, did_you_mean


class WorkflowNode:
    """A PE or composite PE as a member of a graph."""

    def __init__(self, obj: GenericPE | WorkflowGraph) -> None:
        self.obj = obj

    def get_contained_object(self) -> GenericPE | WorkflowGraph:
        """The PE or composite PE itself."""
        return self.obj

    getContainedObject = get_contained_object  # noqa: N815 - the name of dispel4py 2015


class Members(NamedTuple):
    """The nodes of a graph, as dispel4py's users reach them: `graph.graph.nodes()`."""

    members: tuple[WorkflowNode, ...]

    def nodes(self) -> tuple[WorkflowNode, ...]:
        """The nodes, in the order they were added."""
        return self.members


class Connection(NamedTuple):
    """One call of `connect`, before composites are resolved."""

    source: GenericPE | WorkflowGraph
    output: str
    target: GenericPE | WorkflowGraph
    input: str


class WorkflowGraph:
    """Builds a workflow by connecting PEs and composite PEs.

    Attributes:
        inputmappings: for a graph used as a composite PE, its input names to `(inner PE, inner input)`.
        outputmappings: the same for outputs.
        partitions: lists of PEs and composite PEs; the PEs of one list share their processes. None leaves it to the
            plan.
    """

    partitions: Iterable[Iterable[GenericPE | WorkflowGraph]] | None = None

    def __init__(self) -> None:
        self.nodes: dict[int, WorkflowNode] = {}
        self.connections: list[Connection] = []
        self.inputmappings: dict[str, tuple[GenericPE | WorkflowGraph, str]] = {}
        self.outputmappings: dict[str, tuple[GenericPE | WorkflowGraph, str]] = {}

    def add(self, pe: GenericPE | WorkflowGraph) -> WorkflowNode:
        """Add a PE or composite PE; its id is its name and a counter.

        Raises:
            WorkflowError: it is neither.
        """
        if id(pe) in self.nodes:
            return self.nodes[id(pe)]
        if isinstance(pe, type) or not isinstance(pe, GenericPE | WorkflowGraph):
            hint = f"; did you forget to create it, {pe.__name__}()?" if isinstance(pe, type) else ""
            raise WorkflowError(f"a workflow is made of PEs and composite PEs; got {pe!r}{hint}")
        if isinstance(pe, GenericPE):
            if not hasattr(pe, "inputconnections"):
                raise WorkflowError(f"{type(pe).__name__}.__init__ must call its base class's __init__ first")
            before = list(_leaves(self))
            pe.id = new_id(pe, len(before), {other.id for other in before})
        node = WorkflowNode(pe)
        self.nodes[id(pe)] = node
        return node

    def connect(
        self,
        from_node: GenericPE | WorkflowGraph,
        from_connection: str,
        to_node: GenericPE | WorkflowGraph,
        to_connection: str,
    ) -> None:
        """Connect an output to an input, adding the PEs where they are new.

        Raises:
            WorkflowError: a PE has no such port; the message lists those it has.
        """
        self.add(from_node)
        self.add(to_node)
        for pe, kind, port in ((from_node, "output", from_connection), (to_node, "input", to_connection)):
            if not isinstance(pe, WorkflowGraph) or _ports(pe, kind):  # a composite's ports may be mapped later
                _require_port(pe, kind, port)
        self.connections.append(Connection(from_node, from_connection, to_node, to_connection))

    @property
    def graph(self) -> Members:
        """The nodes, under the name that dispel4py gives their holder."""
        return Members(tuple(self.nodes.values()))

    @property
    def objToNode(self) -> dict[GenericPE | WorkflowGraph, WorkflowNode]:  # noqa: N802 - dispel4py's name
        """The node of each PE and composite PE."""
        return {node.obj: node for node in self.nodes.values()}

    def get_contained_objects(self) -> list[GenericPE | WorkflowGraph]:
        """The PEs and composite PEs, in the order they were added."""
        return [node.obj for node in self.nodes.values()]

    getContainedObjects = get_contained_objects  # noqa: N815

    def flatten(self) -> None:
        """Replace composite PEs by the PEs inside them, all levels down."""
        pes = list(_leaves(self))
        self.connections = [Connection(*ends) for ends in _flat_connections(self)]
        self.nodes = {id(pe): WorkflowNode(pe) for pe in pes}
        _number(pes)

    def freeze(self) -> Workflow:
        """The workflow as a value; numbers the PEs in the order they were added.

        Raises:
            WorkflowError: no PE, a loop, or a grouping or number of processes that means nothing.
        """
        pes = list(_leaves(self))
        ids = _number(pes)
        streams: list[Stream] = []
        seen: Counter[str] = Counter()
        for source, output, target, input_ in _flat_connections(self):
            for pe in (source, target):
                if id(pe) not in ids:
                    raise WorkflowError(f"a composite PE's port is mapped to {pe.name}, which is not in it; add it")
            name = f"{ids[id(source)]}.{output}->{ids[id(target)]}.{input_}"
            seen[name] += 1
            stream_id = name if seen[name] == 1 else f"{name}#{seen[name]}"
            grouping = parse_grouping(target.inputconnections[input_].get(GROUPING), f"{ids[id(target)]}.{input_}")
            streams.append(Stream(stream_id, ids[id(source)], output, ids[id(target)], input_, grouping))
        return Workflow(tuple(_node(pe) for pe in pes), tuple(streams), _partitions(self, ids))

    def partition_sources(self) -> None:
        """Make two partitions: the sources, and everything else (dispel4py's option `-s`)."""
        pes = list(_leaves(self))
        fed = {id(target) for _, _, target, _ in _flat_connections(self)}
        self.partitions = [[pe for pe in pes if id(pe) not in fed], [pe for pe in pes if id(pe) in fed]]

    def propagate_types(self) -> Types:
        """What `dataflow.type_propagation.propagate_types` does; a run does it too."""
        return propagate_types(self.freeze())

    propagateTypes = propagate_types  # noqa: N815


class CompositePE(WorkflowGraph):
    """A PE made of a graph of PEs; `create_graph(self, **params)` fills it."""

    def __init__(self, create_graph: Callable[..., object] | None = None, params: dict[str, Any] | None = None) -> None:
        super().__init__()
        self.name = type(self).__name__
        if create_graph is not None:
            create_graph(self, **(params or {}))

    def _map_input(self, input_name: str, internal_pe: GenericPE | WorkflowGraph, internal_input: str) -> None:
        """Make `internal_input` of a PE inside an input of the composite."""
        self.inputmappings[input_name] = (internal_pe, internal_input)

    def _map_output(self, output_name: str, internal_pe: GenericPE | WorkflowGraph, internal_output: str) -> None:
        """Make `internal_output` of a PE inside an output of the composite."""
        self.outputmappings[output_name] = (internal_pe, internal_output)

    map_input = _map_input
    map_output = _map_output


def create_iterative_chain(
    functions: Iterable[Any],
    function_pe_class: type[SimpleFunctionPE] = SimpleFunctionPE,
    name_prefix: str = "PE_",
    name_suffix: str = "",
    FunctionPE_class: type[SimpleFunctionPE] | None = None,  # noqa: N803 - the name of dispel4py 2015
) -> CompositePE:
    """A composite PE, `input` to `output`, that passes each item through the functions in turn.

    Args:
        functions: functions of one item, or pairs `(function, parameters)`.
        function_pe_class: class of the PEs, made without arguments, that call them.
        name_prefix: put before each function's name to name its PE.
        name_suffix: put after it.
        FunctionPE_class: dispel4py 2015's name of `function_pe_class`.

    Raises:
        WorkflowError: there is no function.
    """
    chain = CompositePE()
    chain.name = "chain"
    previous: SimpleFunctionPE | None = None
    for entry in functions:
        function, params = entry if isinstance(entry, tuple | list) else (entry, {})
        pe = (FunctionPE_class or function_pe_class)()
        pe.compute_fn, pe.params = function, params
        pe.name = f"{name_prefix}{function.__name__}{name_suffix}"
        chain.add(pe)
        if previous is None:
            chain._map_input("input", pe, IterativePE.INPUT_NAME)
        else:
            chain.connect(previous, IterativePE.OUTPUT_NAME, pe, IterativePE.INPUT_NAME)
        previous = pe
    if previous is None:
        raise WorkflowError("a chain needs at least one function; got none")
    chain._map_output("output", previous, IterativePE.OUTPUT_NAME)
    return chain


def _name(pe: GenericPE | WorkflowGraph) -> str:
    return str(getattr(pe, "id", None) or getattr(pe, "name", None) or type(pe).__name__)


def _ports(pe: GenericPE | WorkflowGraph, kind: str) -> Iterable[str]:
    if isinstance(pe, WorkflowGraph):
        return pe.inputmappings if kind == "input" else pe.outputmappings
    return pe.inputconnections if kind == "input" else pe.outputconnections


def _require_port(pe: GenericPE | WorkflowGraph, kind: str, port: str) -> None:
    known = list(_ports(pe, kind))
    if port not in known:
        raise WorkflowError(
            f"{_name(pe)} has no {kind} {port!r}{did_you_mean(str(port), known)}; "
            f"its {kind}s: {', '.join(known) or 'none'}"
        )


def _leaves(graph: WorkflowGraph, around: tuple[WorkflowGraph, ...] = ()) -> Iterator[GenericPE]:
    """The PEs of a graph and of its composites, in the order they were added."""
    if graph in around:
        raise WorkflowError(f"composite PE {_name(graph)} contains itself; it can only contain others")
    for node in graph.nodes.values():
        if isinstance(node.obj, WorkflowGraph):
            yield from _leaves(node.obj, (*around, graph))
        else:
            yield node.obj


def _inner(pe: GenericPE | WorkflowGraph, kind: str, port: str) -> tuple[GenericPE, str]:
    """The PE and port that a composite's port stands for, all levels down."""
    passed: list[tuple[GenericPE | WorkflowGraph, str]] = []
    while isinstance(pe, WorkflowGraph):
        if (pe, port) in passed:
            raise WorkflowError(
                f"{kind} {port!r} of composite PE {_name(pe)} is mapped to itself; map it to a PE inside"
            )
        passed.append((pe, port))
        _require_port(pe, kind, port)
        pe, port = (pe.inputmappings if kind == "input" else pe.outputmappings)[port]
    _require_port(pe, kind, port)
    return pe, port


def _flat_connections(graph: WorkflowGraph) -> Iterator[tuple[GenericPE, str, GenericPE, str]]:
    for node in graph.nodes.values():
        if isinstance(node.obj, WorkflowGraph):
            yield from _flat_connections(node.obj)
    for source, output, target, input_ in graph.connections:
        yield *_inner(source, "output", output), *_inner(target, "input", input_)


def _partitions(graph: WorkflowGraph, ids: dict[int, str]) -> tuple[tuple[str, ...], ...]:
    """What `graph.partitions` says, by PE id."""
    partitions: list[tuple[str, ...]] = []
    taken: set[str] = set()
    for members in graph.partitions or ():
        pes = [pe for member in members for pe in (_leaves(member) if isinstance(member, WorkflowGraph) else [member])]
        for pe in pes:
            if id(pe) not in ids:
                name = getattr(pe, "name", None) or repr(pe)
                raise WorkflowError(f"graph.partitions names {name}, which is no PE of this workflow; add it first")
        partition = tuple(dict.fromkeys(ids[id(pe)] for pe in pes))
        twice = taken.intersection(partition)
        if twice:
            raise WorkflowError(f"graph.partitions names {', '.join(sorted(twice))} in two partitions; once is enough")
        taken.update(partition)
        partitions.append(partition)
    return tuple(partition for partition in partitions if partition)


def _number(pes: list[GenericPE]) -> dict[int, str]:
    taken: set[str] = set()
    for number, pe in enumerate(pes):
        pe.id = new_id(pe, number, taken)
        taken.add(pe.id)
    if len({id(pe) for pe in pes}) != len(pes):
        raise WorkflowError("one PE stands in two composites of this workflow; create a PE of its own for each")
    return {id(pe): pe.id for pe in pes}


def new_id(pe: GenericPE, number: int, taken: set[str]) -> str:
    """The id of a PE that is added as number `number`: its name and that; a mark more where the id is taken."""
    new = f"{pe.name}{number}"
    while new in taken:
        new += "_"
    return new


def _node(pe: GenericPE) -> PENode:
    count = pe.numprocesses
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise WorkflowError(f"{pe.id}.numprocesses is a whole number from 1; got {count!r}")
    return PENode(pe.id, pe.name, tuple(pe.inputconnections), tuple(pe.outputconnections), count, pe)
