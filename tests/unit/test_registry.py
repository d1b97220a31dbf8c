"""A registry finds what is built in and what other packages add, and loads it when it is first asked for."""

import sys
from importlib.metadata import EntryPoint

import pytest

from d4py_adaptive import registry
from d4py_adaptive.errors import UnknownName
from d4py_adaptive.registry import Registry


@pytest.fixture
def shapes(monkeypatch: pytest.MonkeyPatch) -> Registry[object]:
    def points(group: str) -> list[EntryPoint]:
        assert group == "test.shapes"
        return [
            EntryPoint("pair", "operator:add", group),
            EntryPoint("chain", "somewhere_else:never_loaded", group),
            EntryPoint("absent", "no_such_module:thing", group),
        ]

    monkeypatch.setattr(registry, "entry_points", points)
    return Registry("shape", {"chain": "itertools:chain", "tree": "d4py_no_such_module:tree"}, "test.shapes")


def test_names_come_sorted_from_both_sources(shapes: Registry[object]) -> None:
    assert list(shapes) == ["absent", "chain", "pair", "tree"]


def test_a_built_in_name_goes_before_one_of_another_package(shapes: Registry[object]) -> None:
    import itertools

    assert shapes.get("chain") is itertools.chain


def test_another_package_can_add_a_name(shapes: Registry[object]) -> None:
    import operator

    assert shapes.get("pair") is operator.add


def test_nothing_is_loaded_before_it_is_asked_for(shapes: Registry[object]) -> None:
    list(shapes)
    assert "d4py_no_such_module" not in sys.modules
    with pytest.raises(ModuleNotFoundError):
        shapes.get("tree")


def test_an_unknown_name_lists_what_is_known(shapes: Registry[object]) -> None:
    with pytest.raises(UnknownName) as caught:
        shapes.get("chian")
    assert str(caught.value) == ("unknown shape 'chian'; did you mean 'chain'?; known: absent, chain, pair, tree")
