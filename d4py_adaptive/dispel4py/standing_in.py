"""Makes `import dispel4py` lead to this package, whether or not dispel4py is installed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

from d4py_adaptive.dispel4py.names import NAMES
from d4py_adaptive.errors import WorkflowError, did_you_mean
from d4py_adaptive.mappings.launch import IMPORTED_FIRST

PACKAGES = ("dispel4py", "dispel4py.new")


def stand_in() -> None:
    """From here on, dispel4py's modules are made of this package's names, in worker processes too.

    What is not here (`dispel4py.examples`, say) comes from an installed dispel4py, if there is one.

    Raises:
        WorkflowError: dispel4py itself was imported before.
    """
    if any(isinstance(finder, _Finder) for finder in sys.meta_path):
        return
    if "dispel4py" in sys.modules:
        raise WorkflowError(
            "dispel4py itself is imported already; in a fresh Python, import "
            "d4py_adaptive.dispel4py.installed before it"
        )
    sys.meta_path.insert(0, _Finder())
    IMPORTED_FIRST.add("d4py_adaptive.dispel4py.installed")


class _Finder(MetaPathFinder):
    """Finds the modules of the table."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        del target
        if fullname.partition(".")[0] != "dispel4py":
            return None
        if fullname not in NAMES:
            if PathFinder.find_spec(fullname, path) is None:
                raise ModuleNotFoundError(_missing(fullname), name=fullname)
            return None
        spec = ModuleSpec(fullname, _Loader(), is_package=fullname in PACKAGES)
        if fullname in PACKAGES:
            installed = PathFinder.find_spec(fullname, path)
            spec.submodule_search_locations = list((installed and installed.submodule_search_locations) or ())
        return spec


class _Loader(Loader):
    """Gives a module this package's names, each when it is first asked for."""

    def exec_module(self, module: ModuleType) -> None:
        homes = {
            name.rpartition("=")[2]: (home, name.partition("=")[0])
            for home, names in NAMES[module.__name__].items()
            for name in names.split()
        }

        def __getattr__(name: str) -> object:  # noqa: N807 - what Python calls for a name that a module lacks
            if name not in homes:
                raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}{did_you_mean(name, homes)}")
            home, ours = homes[name]
            value: object = getattr(import_module(home), ours)
            setattr(module, name, value)
            return value

        module.__doc__ = "d4py_adaptive's, under dispel4py's name."
        module.__all__ = list(homes)  # type: ignore[attr-defined]
        module.__getattr__ = __getattr__  # type: ignore[method-assign]


def _missing(name: str) -> str:
    return (
        f"No module named {name!r}: d4py_adaptive stands in for dispel4py and does not have it; "
        "install dispel4py beside it: pip install stream-d4py"
    )
