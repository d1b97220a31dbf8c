"""The conformance suite: what every mapping must do.

For a mapping of your own:

    from d4py_adaptive.testing.mapping_suite import MappingSuite

    class TestMyMapping(MappingSuite):
        mapping = "mine"
        options = {"workers": 3}

The mapping is found by the entry-point group `d4py_adaptive.mappings`. Run it with pytest; the parts can be used on
their own where the whole takes too long.
"""

from __future__ import annotations

from d4py_adaptive.testing.suite_failure import FailureSuite
from d4py_adaptive.testing.suite_items import ItemsSuite
from d4py_adaptive.testing.suite_lifecycle import LifecycleSuite
from d4py_adaptive.testing.suite_machine import MachineSuite
from d4py_adaptive.testing.suite_results import ResultsSuite

__all__ = ["FailureSuite", "ItemsSuite", "LifecycleSuite", "MachineSuite", "MappingSuite", "ResultsSuite"]


class MappingSuite(ResultsSuite, LifecycleSuite, ItemsSuite, FailureSuite, MachineSuite):
    """All of it."""
