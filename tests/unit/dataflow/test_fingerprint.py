"""Names of graphs and of code: what changes them, and what does not."""

import functools
import importlib.util
import itertools
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from d4py_adaptive.dataflow.builder import WorkflowGraph, create_iterative_chain
from d4py_adaptive.dataflow.fingerprint import code_digest, workflow_fingerprint
from d4py_adaptive.dataflow.patterns import ConsumerPE, IterativePE, SimpleFunctionPE
from d4py_adaptive.dataflow.pe import GenericPE
from d4py_adaptive.dataflow.workflow import Workflow
from d4py_adaptive.workflows.seismology.preprocessing import Preprocess

Load = Callable[..., ModuleType]

FLOW = '''
"""A flow."""
from helper import scaled
from d4py_adaptive.dataflow.patterns import IterativePE, SimpleFunctionPE
import helper

SIZE = 512
MOMENT = __import__("time").time()

def window(data):
    return data[:SIZE]

class Shared(IterativePE):
    def cut(self, data):
        return window(data)

class Work(Shared):
    KEEP = 3

    def __init__(self, factor=2):
        super().__init__()
        self.factor = factor

    def _process(self, data: list):
        """Cut and scale."""
        # and again
        parts = [scaled(part, self.factor) for part in self.cut(data)]
        return helper.summed(parts), MOMENT
'''
HELPER = """
WEIGHTS = (1, 2)

def scaled(part, factor):
    return part * factor

def summed(parts):
    return (lambda total: total / WEIGHTS[0])(sum(parts))

def of_no_interest():
    return 1
"""


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Writes and loads a flow and its helper, each time in a new folder."""
    folders = itertools.count()

    def loaded(flow: str = FLOW, helper: str = HELPER, name: str = "flow") -> ModuleType:
        folder = tmp_path / f"folder{next(folders)}"
        folder.mkdir()
        for module, text in (("helper", helper), (name, flow)):
            (folder / f"{module}.py").write_text(text)
            spec = importlib.util.spec_from_file_location(module, folder / f"{module}.py")
            assert spec is not None
            assert spec.loader is not None
            made = importlib.util.module_from_spec(spec)
            monkeypatch.setitem(sys.modules, module, made)
            spec.loader.exec_module(made)
        return made

    return loaded


# ---------------------------------------------------------------------- code


@pytest.fixture
def before(load: Load) -> str:
    return code_digest(load().Work())


def test_sixteen_hex_digits(before: str) -> None:
    assert len(before) == 16
    assert int(before, 16)


def test_where_the_file_lies_and_what_the_pe_is_given_do_not_count(load: Load, before: str) -> None:
    assert code_digest(load().Work(factor=1000)) == before
    assert code_digest(load(name="renamed").Work()) == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# and again", "# and once more"),
        ('"""Cut and scale."""', ""),
        ('"""Cut and scale."""', '"""Scale."""'),
        ("SIZE = 512", "\n\n\nSIZE = 512"),
        ("data: list", "data: tuple[int]"),
        ("scaled(part, self.factor)", "scaled(part,\n            self.factor)"),
    ],
)
def test_what_does_not_run_does_not_count(load: Load, before: str, old: str, new: str) -> None:
    assert old in FLOW
    assert code_digest(load(FLOW.replace(old, new)).Work()) == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("SIZE = 512", "SIZE = 513"),  # a constant of the module
        ("KEEP = 3", "KEEP = 4"),  # of the class
        ("factor=2", "factor=3"),  # a default
        ("data[:SIZE]", "data[SIZE:]"),  # a function that a base class calls
        ("return window(data)", "return window(window(data))"),  # the base class
        ("MOMENT\n", "0\n"),
        ("for part in self.cut(data)]", "for part in self.cut(data) if part]"),
        ("class Work(Shared)", "class Other: pass\n\nclass Work(Shared, Other)"),
    ],
)
def test_an_edit_is_noticed(load: Load, before: str, old: str, new: str) -> None:
    assert old in FLOW
    assert code_digest(load(FLOW.replace(old, new)).Work()) != before


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("part * factor", "part + factor", False),
        ("(lambda total: total / ", "(lambda total: total * ", False),
        ("WEIGHTS = (1, 2)", "WEIGHTS = (1, 3)", False),
        ("return 1", "return 2", True),
    ],
)
def test_an_edit_of_a_module_beside_it_is_noticed(load: Load, before: str, old: str, new: str, same: bool) -> None:
    assert old in HELPER
    assert (code_digest(load(helper=HELPER.replace(old, new)).Work()) == before) is same


FUNCTIONS = """
import contextlib
import functools
from d4py_adaptive.dataflow.patterns import SimpleFunctionPE
from d4py_adaptive.dataflow.pe import GenericPE

def decorated(function):
    @functools.wraps(function)
    def around(item):
        return function(item) or 0
    return around

def made(number):
    def inner(item):
        return item + number
    return inner

class Model:
    def __call__(self, item):
        return item ^ 2
    @property
    def depth(self):
        return 10
    @staticmethod
    def spread(item):
        return item ** 9

@decorated
def f(item):
    return item + 1

@functools.lru_cache
def g(item):
    return item % 3

@contextlib.contextmanager
def opened(item):
    yield item * 5

TABLE = {"g": g}

def by_table(item):
    return TABLE["g"](item)

class Steps(GenericPE):
    STEPS = (by_table, (1, 2), ("a", "b"))

class Holder(GenericPE):
    def __init__(self, *held):
        super().__init__()
        self.held = list(held)
"""


@pytest.mark.parametrize(
    ("expression", "old", "new"),
    [
        ("SimpleFunctionPE(f)", "item + 1", "item + 2"),
        ("SimpleFunctionPE(f)", "or 0", "or 1"),
        ("SimpleFunctionPE(g)", "item % 3", "item % 4"),
        ("SimpleFunctionPE(opened)", "item * 5", "item * 6"),  # wrapped by a function of a library
        ("Steps()", "item % 3", "item % 4"),
        ("Steps()", '"a", "b"', '"a", "c"'),
        ("SimpleFunctionPE(made(1))", "item + number", "item - number"),
        ("Holder(functools.partial(f))", "item + 1", "item + 2"),
        ("Holder(Model())", "item ^ 2", "item ^ 3"),
        ("Holder(Model())", "return 10", "return 11"),
        ("Holder(Model.spread)", "item ** 9", "item ** 8"),
        ("Holder(Model().__call__)", "item ^ 2", "item ^ 3"),
        ("SimpleFunctionPE(by_table)", "item % 3", "item % 4"),
    ],
)
def test_the_functions_that_a_pe_holds_count(load: Load, expression: str, old: str, new: str) -> None:
    def digest_with(text: str, name: str = "flow") -> str:
        return code_digest(eval(expression, vars(load(text, name=name))))

    assert old in FUNCTIONS
    assert digest_with(FUNCTIONS) == digest_with(FUNCTIONS, name="renamed")
    assert digest_with(FUNCTIONS) != digest_with(FUNCTIONS.replace(old, new))


def test_what_a_function_closes_over_does_not_count_but_its_code_does(load: Load) -> None:
    module = load(FUNCTIONS)
    assert code_digest(SimpleFunctionPE(module.made(1))) == code_digest(SimpleFunctionPE(module.made(2)))
    assert code_digest(SimpleFunctionPE(lambda item: item + 1)) != code_digest(SimpleFunctionPE(lambda item: item + 2))


def test_functions_of_libraries_count_by_their_names() -> None:
    assert code_digest(SimpleFunctionPE(np.fft.fft)) == code_digest(SimpleFunctionPE(np.fft.fft))
    assert code_digest(SimpleFunctionPE(np.fft.fft)) != code_digest(SimpleFunctionPE(np.fft.ifft))
    assert code_digest(SimpleFunctionPE(len)) != code_digest(SimpleFunctionPE(abs))


def test_code_without_source_counts_by_its_bytecode() -> None:
    def made(text: str) -> str:
        names: dict[str, type[GenericPE]] = {"IterativePE": IterativePE}  # type: ignore[dict-item]
        exec(text, names)
        return code_digest(names["A"]())

    text = "class A(IterativePE):\n    def _process(self, data):\n        return data + 1\n"
    assert made(text) == made("\n\n" + text)
    assert made(text) != made(text.replace("+ 1", "+ 2"))


def test_the_workflows_of_this_package_are_a_user_s_and_its_runtime_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    pe = Preprocess.__new__(Preprocess)
    assert code_digest(ConsumerPE()) == code_digest(GenericPE())
    counted = code_digest(pe)
    monkeypatch.setattr(Preprocess, "KEEP", 3, raising=False)
    assert code_digest(pe) != counted != code_digest(ConsumerPE())


def test_functions_that_call_each_other_and_values_that_hold_themselves(load: Load) -> None:
    text = (
        "from d4py_adaptive.dataflow.patterns import SimpleFunctionPE\n"
        "def f(n):\n    return g(n)\ndef g(n):\n    return n and f(n - 1)\nLOOP = []\nLOOP.append(LOOP)\n"
    )
    pe = SimpleFunctionPE(load(text).f)
    pe.self = pe  # type: ignore[attr-defined]
    assert code_digest(pe) != code_digest(SimpleFunctionPE(load(text.replace("n - 1", "n - 2")).f))


def test_what_is_followed_is_bounded(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "def f0(n):\n    return n\n" + "".join(f"def f{i}(n):\n    return f{i - 1}(n)\n" for i in range(1, 50))
    whole = code_digest(SimpleFunctionPE(load(text).f49))
    monkeypatch.setattr("d4py_adaptive.dataflow.fingerprint.MOST_THINGS", 10)
    part = code_digest(SimpleFunctionPE(load(text).f49))
    assert part != whole
    assert part == code_digest(SimpleFunctionPE(load(text.replace("return n\n", "return -n\n")).f49))


# ---------------------------------------------------------------------- graphs


class Left(IterativePE):
    pass


class Right(GenericPE):
    def __init__(self, grouping: object = None) -> None:
        super().__init__()
        self._add_input("a", grouping=grouping)
        self._add_input("b")


def joined(grouping: object = None, ports: tuple[str, str] = ("a", "b")) -> Workflow:
    graph = WorkflowGraph()
    one, two, right = Left(), Left(), Right(grouping)
    for pe in (one, two, right):
        graph.add(pe)
    graph.connect(one, "output", right, ports[0])
    graph.connect(two, "output", right, ports[1])
    return graph.freeze()


def test_the_order_of_pes_and_streams_does_not_count() -> None:
    workflow = joined()
    turned = Workflow(workflow.nodes[::-1], workflow.streams[::-1])
    swapped = replace(
        workflow, nodes=tuple(replace(node, inputs=node.inputs[::-1], outputs=node.outputs) for node in workflow.nodes)
    )
    assert len(workflow_fingerprint(workflow)) == 16
    assert {workflow_fingerprint(other) for other in (turned, swapped, joined())} == {workflow_fingerprint(workflow)}


def test_every_other_graph_has_a_name_of_its_own() -> None:
    chain = WorkflowGraph()
    chain.add(create_iterative_chain([len, abs]))
    renamed = joined()
    renamed = replace(renamed, nodes=(replace(renamed.nodes[0], prototype=Right()), *renamed.nodes[1:]))
    others = [joined("all"), joined("global"), joined([0]), joined(["0"]), joined([0, 1]), joined(ports=("b", "a"))]
    graphs = [joined(), *others, joined(ports=("a", "a")), chain.freeze(), renamed]
    assert len({workflow_fingerprint(graph) for graph in graphs}) == len(graphs)


def test_the_counts_that_a_pe_asks_for_do_not_count() -> None:
    workflow = joined()
    several = replace(workflow, nodes=tuple(replace(node, numprocesses=4) for node in workflow.nodes))
    assert workflow_fingerprint(several) == workflow_fingerprint(workflow)


def test_wrappers_of_functools_are_looked_into() -> None:
    class A(IterativePE):
        @functools.cached_property
        def size(self) -> int:
            return 1

    first = code_digest(A())

    class A(IterativePE):  # type: ignore[no-redef]
        @functools.cached_property
        def size(self) -> int:
            return 2

    assert code_digest(A()) != first
