"""The heavy packages of seismology, imported where a stage first needs them and not before."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

from d4py_adaptive.errors import MissingDependency

EXTRA = "seismology"


def load(module: str, purpose: str) -> Any:
    """The module `module` (obspy, scipy or matplotlib, or a part of one), which `purpose` needs.

    Raises:
        MissingDependency: its package is not installed.
    """
    try:
        with warnings.catch_warnings():
            # Until Python 3.12 obspy finds its plugins in a way that the standard library warns of; where
            # warnings are errors it could not be imported at all.
            warnings.filterwarnings("ignore", message="SelectableGroups dict interface", category=DeprecationWarning)
            return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        if error.name != package:
            raise
        raise MissingDependency(package, purpose, EXTRA) from error
