"""Finds the workflow that a command names, and says in one line why it cannot."""

import functools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Optional, Union

import pytest

from d4py_adaptive import CompositePE, WorkflowGraph
from d4py_adaptive.errors import InputError, WorkflowError
from d4py_adaptive.runtime.loading import _convert, load

HEAD = "from d4py_adaptive import *\n"
NO_MODULE = "there is no module '{}', nor a file of this name; give a path ending in .py, or a module"
ABSENT = "{file} could not be loaded (line 2): ModuleNotFoundError: No module named 'no_such_thing'"
DIVIDED = "{file} could not be loaded (line 3): ZeroDivisionError: division by zero"
GRAPH = "g = WorkflowGraph()\ng.add(ProducerPE())\n"


@pytest.fixture(autouse=True)
def _untouched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    sys.modules.pop("flow", None)  # another test's
    modules, path = set(sys.modules), list(sys.path)
    monkeypatch.chdir(tmp_path)
    yield
    for name in set(sys.modules) - modules:
        if name.startswith(("flow", "d4py_workflow", "own", "deep")):
            del sys.modules[name]
    sys.path[:] = path


Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(text: str, name: str = "flow.py", head: str = HEAD) -> str:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(head + text)
        return str(file)

    return write


def load_file(target: str, attribute: str | None = None, **parameters: str) -> WorkflowGraph:
    return load(target, attribute, parameters).graph


@pytest.mark.parametrize(
    "text",
    [
        GRAPH,
        GRAPH + "graph = WorkflowGraph()\ngraph.add(ProducerPE())\n",
        "c = CompositePE()\n" + GRAPH,
        GRAPH.replace("g ", "build_graph ").replace("g.", "build_graph."),
        "def build_graph():\n    g = WorkflowGraph()\n    g.add(ProducerPE())\n    return g\n",
        "def create_graph():\n    g = WorkflowGraph()\n    g.add(ProducerPE())\n    return g\n",
    ],
)
def test_the_only_graph_is_found(write: Write, text: str) -> None:
    assert len(load_file(write(text)).freeze().nodes) == 1


def test_a_graph_is_chosen_by_name(write: Write) -> None:
    target = write(GRAPH + "other = WorkflowGraph()\n")
    assert len(load_file(target, "g").nodes) == 1
    assert load_file(target, "other").nodes == {}


def test_a_composite_may_be_asked_for(write: Write) -> None:
    assert isinstance(load_file(write("c = CompositePE()\n" + GRAPH), "c"), CompositePE)


def test_the_user_s_file_is_loaded_once_under_its_name_and_finds_its_neighbours(write: Write, tmp_path: Path) -> None:
    write("number = 5\n", "own_numbers.py", head="")
    loaded = load(write("import own_numbers\n" + GRAPH), None, {})
    assert (loaded.name, loaded.by_value) == (str(tmp_path / "flow.py"), ("flow",))
    assert sys.modules["flow"].own_numbers.number == 5
    assert sys.path[0] == str(tmp_path)


def test_a_file_named_like_a_module_in_use_takes_another_name(write: Write) -> None:
    import json

    loaded = load(write(GRAPH, "json.py"), None, {})
    assert loaded.by_value == ("d4py_workflow_json",)
    assert sys.modules["json"] is json


def test_a_module_is_found_by_its_dotted_name(write: Write) -> None:
    write("", "deep_package/__init__.py", head="")
    write(GRAPH, "deep_package/flow.py")
    loaded = load("deep_package.flow", None, {})
    assert (loaded.name, loaded.by_value) == ("deep_package.flow", ())
    assert len(loaded.graph.nodes) == 1


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("flwo.py", "there is no file flwo.py; did you mean 'flow.py'?"),
        ("nowhere/flow.py", "there is no file nowhere/flow.py"),
        ("flow.txt", "flow.txt is no Python file: its name must end in .py"),
        ("own_nothing", NO_MODULE.format("own_nothing")),
        (
            "own.nothing",
            ("there is no module 'own.nothing', nor a file of this name (No module named 'own'); "
            "give a path ending in .py, or a module"),
        ),
        (
            "flwo",
            ("there is no module 'flwo', nor a file of this name; did you mean 'flow'?; "
            "give a path ending in .py, or a module"),
        ),
        (
            "d4py_adaptive.runtime.lodaing",
            ("there is no module 'd4py_adaptive.runtime.lodaing', nor a file of this name; "
            "did you mean 'd4py_adaptive.runtime.loading'?; give a path ending in .py, or a module"),
        ),
        ("", "the workflow's name is empty; give a path ending in .py, or a module"),
        (".", ". is a folder; give a Python file in it: flow.py"),
    ],
)  # fmt: skip
def test_what_is_not_there(write: Write, target: str, text: str) -> None:
    write(GRAPH)
    write(GRAPH, "flow.txt")
    with pytest.raises(InputError) as caught:
        load_file(target)
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("text", "attribute", "message"),
    [
        ("", None, "{file} holds no WorkflowGraph, nor a function build_graph() that returns one"),
        (GRAPH + "h = WorkflowGraph()\n", None, "{file} holds several graphs: g, h; choose one with -a NAME"),
        (GRAPH, "graph", "{file} has no 'graph'; it has: g"),
        (
            GRAPH + "flow_graph = g\n",
            "flow_grap",
            "{file} has no 'flow_grap'; did you mean 'flow_graph'?; it has: g, flow_graph",
        ),
        ("number = 5\n", "number", "'number' in {file} is neither a WorkflowGraph nor a function that builds one"),
        ("def build_graph(): pass\n", None, "build_graph() in {file} must return a WorkflowGraph; got NoneType"),
        (
            "def build_graph(n): pass\n",
            None,
            "build_graph() in {file} needs n; give it with -p n=…",
        ),
        ("\n1 / 0\n", None, DIVIDED),
        ("def f():\n    raise SystemExit(3)\nf()\n", None, "{file} could not be loaded (line 3): SystemExit: 3"),
        ("import no_such_thing\n", None, ABSENT),
        ("def build_graph():\n    return 1 / 0\n", None, DIVIDED),
    ],
)  # fmt: skip
def test_what_is_wrong_with_the_user_s_file(write: Write, text: str, attribute: str | None, message: str) -> None:
    file = write(text)
    with pytest.raises(InputError) as caught:
        load_file(file, attribute)
    assert str(caught.value) == message.format(file=file)


def test_a_file_that_is_no_python(write: Write) -> None:
    file = write("def (:\n")
    with pytest.raises(InputError) as caught:
        load_file(file)
    assert str(caught.value).startswith(f"{file} could not be loaded: SyntaxError: ")
    assert "line 2" in str(caught.value)


def test_an_error_of_this_package_is_its_own(write: Write) -> None:
    with pytest.raises(WorkflowError):
        load_file(write("WorkflowGraph().add(5)\n"))


def test_a_ready_graph_takes_no_parameters(write: Write) -> None:
    file = write(GRAPH)
    with pytest.raises(InputError) as caught:
        load_file(file, n="5")
    assert str(caught.value) == f"{file} has a ready graph 'g', which takes no parameters (-p)"


BUILDER = """
def build_graph(n: int, gain: float = 1.5, name="x", loud: bool = False):
    g = WorkflowGraph()
    g.add(ProducerPE())
    g.got = (n, gain, name, loud)
    return g
"""


def test_a_builder_gets_its_parameters(write: Write) -> None:
    graph: Any = load_file(write(BUILDER), n="3", gain="2", loud="yes")
    assert graph.got == (3, 2.0, "x", True)


def test_a_parameter_that_there_is_not(write: Write) -> None:
    file = write(BUILDER)
    with pytest.raises(InputError) as caught:
        load_file(file, n="3", gian="2")
    assert str(caught.value) == (f"{file} has no parameter 'gian'; did you mean 'gain'?; it has: n, gain, name, loud")


def takes(annotation: Any) -> Callable[..., Any]:
    def function(value=None) -> None:  # type: ignore[no-untyped-def]
        pass

    function.__annotations__["value"] = annotation
    return function


@pytest.mark.parametrize(
    ("annotation", "text", "value"),
    [
        (int, "-5", -5),
        (float, "1e3", 1000.0),
        (str, "5", "5"),
        (Path, "x/y", "x/y"),
        (bool, "True", True),
        (bool, "no", False),
        (bool, "1", True),
        (int | None, "5", 5),
        (int | None, "None", None),
        (None | float, "2", 2.0),
        (str | None, "none", None),
        (Optional[int], "5", 5),  # noqa: UP045
        (Optional[int], "none", None),  # noqa: UP045
        (Union[None, float], "2", 2.0),  # noqa: UP007
        ("int", "5", 5),
        ("int | None", "5", 5),
        ("NotImported", "5", "5"),
    ],
)
def test_a_parameter_becomes_what_its_annotation_says(annotation: Any, text: str, value: Any) -> None:
    got = _convert(takes(annotation), {"value": text}, "flow.py")["value"]
    assert (got, type(got)) == (value, type(value))


@pytest.mark.parametrize(
    ("annotation", "text", "wanted"),
    [(int, "5.0", "a whole number"), (float, "x", "a number"), (bool, "perhaps", "yes or no")],
)
def test_a_parameter_that_does_not_fit_its_annotation(annotation: Any, text: str, wanted: str) -> None:
    with pytest.raises(InputError) as caught:
        _convert(takes(annotation), {"value": text}, "flow.py")
    assert str(caught.value) == f"parameter value is {wanted}; got {text!r}"


class Builds(WorkflowGraph):
    def __init__(self, number: int) -> None:
        super().__init__()


class Callable_:
    def __call__(self, number: int) -> None:
        pass


def function(number: int, other: int = 0) -> None:
    pass


@pytest.mark.parametrize(
    "builder", [Builds, Callable_(), functools.partial(function, other=2), lambda number: None], ids=repr
)
def test_whatever_can_be_called_can_build(builder: Any) -> None:
    expected = "5" if getattr(builder, "__name__", "") == "<lambda>" else 5
    assert _convert(builder, {"number": "5"}, "flow.py") == {"number": expected}


def test_a_builder_that_takes_any_parameter_gets_it() -> None:
    def builder(number: int, **options: float) -> None:
        pass

    assert _convert(builder, {"number": "5", "gain": "2"}, "flow.py") == {"number": 5, "gain": 2.0}


def test_what_is_given_by_position_has_no_name() -> None:
    def builder(number: int, /, *args: int, other: int = 0) -> None:
        pass

    for name in ("number", "args"):
        with pytest.raises(InputError) as caught:
            _convert(builder, {name: "5"}, "flow.py")
        assert str(caught.value).endswith("; it has: other")


def test_a_file_may_raise_what_is_no_exception(write: Write) -> None:
    write("class Odd(BaseException): pass\nraise Odd('whatever')\n")
    with pytest.raises(InputError, match=r"flow.py could not be loaded \(line 3\): Odd: whatever"):
        load_file("flow.py")


def test_one_graph_under_two_names_is_one(write: Write) -> None:
    write(GRAPH + "workflow = g\n")
    assert len(load_file("flow.py").nodes) == 1


def test_a_graph_made_to_be_part_of_another_is_not_the_one_to_run(write: Write) -> None:
    write(
        "part, inner = WorkflowGraph(), IterativePE()\n"
        "part.add(inner)\n"
        "part.inputmappings = {'input': (inner, 'input')}\n" + GRAPH
    )
    assert [type(pe).__name__ for pe in load_file("flow.py").get_contained_objects()] == ["ProducerPE"]
