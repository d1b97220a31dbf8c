"""Objects as pickles that another process can read, and the classes in them by name."""

from __future__ import annotations

import importlib
import io
import pickle
import sys
from functools import cache
from typing import Any

from d4py_adaptive.errors import InputError, WireError
from d4py_adaptive.wire.encoding import pickler_by_value


def pickled(value: object) -> bytes:
    """The value as a pickle: its class by name where that can be imported, else by value.

    Raises:
        WireError: it cannot be pickled; says what and why.
    """
    import cloudpickle

    module = sys.modules.get(type(value).__module__)
    # What `d4py` loaded from a file whose name is no module's could be found again by nobody.
    by_value = module is not None and not _is_found(module.__name__)
    by_value = by_value and module.__name__ not in cloudpickle.list_registry_pickle_by_value()  # type: ignore[union-attr]
    if by_value:
        cloudpickle.register_pickle_by_value(module)
    try:
        stream = io.BytesIO()
        pickler_by_value()(stream, 5).dump(value)
        return stream.getvalue()
    except Exception as error:
        raise WireError(f"{type(value).__name__}: {type(error).__name__}: {error}") from error
    finally:
        if by_value:
            cloudpickle.unregister_pickle_by_value(module)


def unpickled(data: bytes, kind: str) -> Any:
    """The value again; runs what the pickle says.

    Raises:
        InputError: it cannot be made again here; says which class it was of.
    """
    try:
        return pickle.loads(data)
    except Exception as error:  # a pickle may raise anything
        raise InputError(
            f"an object of the class {kind} cannot be made again ({type(error).__name__}: {error}); it needs the "
            "packages it was made with, and the folder of the workflow's file in PYTHONPATH"
        ) from error


def class_name(kind: type) -> str:
    """`module:Class`, as `class_of` finds it."""
    return f"{kind.__module__}:{kind.__qualname__}"


def class_of(name: str) -> type:
    """The class of this name; imports its module.

    Raises:
        InputError: there is none.
    """
    module, _, path = name.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for step in path.split("."):
            found = getattr(found, step)
    except Exception as error:  # the user's module may raise anything
        raise InputError(
            f"the class {name} cannot be imported ({type(error).__name__}: {error}); "
            f"put the folder that holds {module.partition('.')[0]} into PYTHONPATH"
        ) from error
    if not isinstance(found, type):
        raise InputError(f"{name} must be a class; it is a {type(found).__name__}: the workflow's file has changed")
    return found


def is_importable(kind: type) -> bool:
    """Whether another process finds this class by its name."""
    found: Any = sys.modules.get(kind.__module__) if _is_found(kind.__module__) else None
    for step in kind.__qualname__.split("."):
        found = getattr(found, step, None)
    return found is kind


@cache
def _is_found(module: str) -> bool:
    """Whether `import` finds the package of this module without its being loaded already."""
    top = module.partition(".")[0]
    if top == "__main__":
        return False
    finders = [finder.find_spec for finder in sys.meta_path if hasattr(finder, "find_spec")]
    return any(find(top, None) is not None for find in finders)
