"""Random workflows out of hypothesis's choices, so that what fails shrinks to a small workflow."""

from __future__ import annotations

from hypothesis import strategies as st

from d4py_adaptive.testing.drafts import Chooser, RandomGraph
from d4py_adaptive.testing.random_graphs import make_graph


@st.composite
def workflows(draw: st.DrawFn) -> RandomGraph:
    """A random workflow; smaller choices make fewer PEs, items and kinds."""
    return make_graph(Chooser(lambda low, high: draw(st.integers(low, high))), "workflows()")
