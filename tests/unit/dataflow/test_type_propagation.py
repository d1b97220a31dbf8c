"""Types flow from the sources on; a PE is told only what is certain."""

from typing import Any

import pytest

from d4py_adaptive import GenericPE, WorkflowGraph
from d4py_adaptive.errors import WorkflowError


class Typed(GenericPE):
    """Any ports, with the types they are given."""

    def __init__(self, inputs: dict[str, Any] | None = None, outputs: dict[str, Any] | None = None) -> None:
        super().__init__()
        for name, types in (inputs or {}).items():
            self._add_input(name, tuple_type=types)
        for name, types in (outputs or {}).items():
            self._add_output(name, types)


class Filter(Typed):
    """Gives what it gets."""

    def __init__(self) -> None:
        super().__init__({"i": None}, {"o": None})
        self.told: list[dict[str, list[str]]] = []

    def set_input_types(self, types: dict[str, list[str]]) -> None:
        self.told.append(types)

    def get_output_types(self) -> dict[str, list[str]]:
        return {"o": self.told[-1]["i"]}


class Filter2015(Filter):
    """The same, with the hooks' names of 2015."""

    def setInputTypes(self, types: dict[str, list[str]]) -> None:
        self.told.append({name: ["2015", *kinds] for name, kinds in types.items()})

    def getOutputTypes(self) -> dict[str, list[str]]:
        return {"o": self.told[-1]["i"]}


def connected(*ends: tuple[GenericPE, str, GenericPE, str]) -> WorkflowGraph:
    graph = WorkflowGraph()
    for end in ends:
        graph.connect(*end)
    return graph


def test_a_filter_gives_on_what_it_is_told() -> None:
    source, first, second = Typed(outputs={"o": ["word", "count"]}), Filter(), Filter()
    graph = connected((first, "o", second, "i"), (source, "o", first, "i"))  # not in the order of flow
    assert graph.propagate_types() == {
        (source.id, "o"): ["word", "count"],
        (first.id, "o"): ["word", "count"],
        (second.id, "o"): ["word", "count"],
    }
    assert first.told == second.told == [{"i": ["word", "count"]}]


def test_the_names_of_2015_are_the_same_hooks() -> None:
    source, old = Typed(outputs={"o": ["word"]}), Filter2015()
    assert connected((source, "o", old, "i")).propagateTypes()[old.id, "o"] == ["2015", "word"]
    assert Filter().setInputTypes.__func__ is Filter.set_input_types  # type: ignore[attr-defined]


def test_a_pe_is_told_nothing_if_a_type_is_declared_nowhere() -> None:
    source, unknown, filter_ = Typed(outputs={"o": ["word"]}), Typed(outputs={"o": None}), Filter()
    graph = connected((source, "o", filter_, "i"), (unknown, "o", filter_, "i"))
    assert graph.propagate_types() == {(source.id, "o"): ["word"]}
    assert filter_.told == []


def test_a_pe_is_told_nothing_if_different_types_meet() -> None:
    one, other, filter_ = Typed(outputs={"o": ["word"]}), Typed(outputs={"o": ["number"]}), Filter()
    connected((one, "o", filter_, "i"), (other, "o", filter_, "i")).propagate_types()
    assert filter_.told == []


def test_a_pe_that_is_told_nothing_still_has_what_it_declares() -> None:
    unknown, declared = Typed(outputs={"o": None}), Typed({"i": None}, {"o": ["line"], "p": None})
    graph = connected((unknown, "o", declared, "i"))
    assert graph.propagate_types() == {(declared.id, "o"): ["line"]}


def test_every_input_of_several_streams_between_two_pes_is_told() -> None:
    source, pair = Typed(outputs={"a": ["x"], "b": ["y"]}), Filter()
    pair._add_input("j")
    connected((source, "a", pair, "i"), (source, "b", pair, "j")).propagate_types()
    assert pair.told == [{"i": ["x"], "j": ["y"]}]


def test_a_pe_may_refuse_types_before_the_run() -> None:
    class Words(Filter):
        def set_input_types(self, types: dict[str, list[str]]) -> None:
            if types["i"] != ["word"]:
                raise ValueError("only words")

    words = Words()
    graph = connected((Typed(outputs={"o": ["number"]}), "o", words, "i"))
    with pytest.raises(
        WorkflowError, match=r"Words1 refuses the types of its inputs, \{'i': \['number'\]\}: ValueError: only"
    ):
        graph.propagate_types()
