"""`import dispel4py` leads to this package, and for what is not here to an installed dispel4py."""

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

import d4py_adaptive
from d4py_adaptive.dispel4py.names import NAMES
from d4py_adaptive.dispel4py.standing_in import stand_in
from d4py_adaptive.errors import WorkflowError


@pytest.mark.usefixtures("standing_in")
class TestStandingIn:
    @pytest.mark.parametrize("name", NAMES)
    def test_every_module_has_every_name_of_its_table(self, name: str) -> None:
        module = importlib.import_module(name)
        names = [entry.rpartition("=")[2] for names in NAMES[name].values() for entry in names.split()]
        assert sorted(module.__all__) == sorted(set(names)) == sorted(names)
        for member in names:
            assert getattr(module, member) is not None

    def test_the_classes_are_this_package_s(self) -> None:
        base = importlib.import_module("dispel4py.base")
        assert base.IterativePE is d4py_adaptive.IterativePE
        assert importlib.import_module("dispel4py.core").GenericPE is base.GenericPE is d4py_adaptive.GenericPE

    def test_a_star_brings_every_name(self) -> None:
        names: dict[str, object] = {}
        exec("from dispel4py.base import *", names)
        assert {"GenericPE", "WorkflowGraph", "SimpleFunctionPE", "create_iterative_chain", "NAME"} <= set(names)

    def test_a_name_that_is_not_there_is_said_with_the_nearest(self) -> None:
        base = importlib.import_module("dispel4py.base")
        with pytest.raises(
            AttributeError, match=r"'dispel4py.base' has no attribute 'IterativPE'; did you mean 'Itera"
        ):
            base.IterativPE  # noqa: B018

    def test_packages_lead_to_their_members(self) -> None:
        from_package: dict[str, ModuleType] = {}
        exec("from dispel4py.new import simple_process", from_package)
        assert from_package["simple_process"].__name__ == "dispel4py.new.simple_process"

    def test_what_is_nowhere_says_what_to_install(self) -> None:
        with pytest.raises(ModuleNotFoundError, match=r"'dispel4py.registry'.*pip install stream-d4py"):
            importlib.import_module("dispel4py.registry")

    def test_standing_in_twice_is_once(self) -> None:
        finders = list(sys.meta_path)
        stand_in()
        assert sys.meta_path == finders


def test_what_is_not_here_comes_from_an_installed_dispel4py(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, standing_in: None
) -> None:
    theirs = tmp_path / "dispel4py"
    (theirs / "new").mkdir(parents=True)
    (theirs / "__init__.py").write_text("raise AssertionError('not this one')")
    (theirs / "core.py").write_text("raise AssertionError('not this one')")
    (theirs / "new" / "__init__.py").write_text("")
    (theirs / "new" / "extra.py").write_text("from dispel4py.core import GenericPE")
    (theirs / "other.py").write_text("from dispel4py.new.extra import GenericPE")
    monkeypatch.syspath_prepend(tmp_path)
    assert importlib.import_module("dispel4py.other").GenericPE is d4py_adaptive.GenericPE


def test_too_late_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dispel4py", ModuleType("dispel4py"))
    monkeypatch.setattr(sys, "meta_path", [f for f in sys.meta_path if "standing_in" not in type(f).__module__])
    with pytest.raises(WorkflowError, match="dispel4py itself is imported already"):
        stand_in()
