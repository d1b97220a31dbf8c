"""BLAS and OpenMP threads: as many per worker as leave every worker its share of the cores."""

from __future__ import annotations

import os
import sys

from d4py_adaptive.dataflow.resources import usable_cores

_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "BLIS_NUM_THREADS",
)


def cap_threads(workers: int) -> None:
    """Let this worker's numerical libraries use its share of the cores; what the user set by a variable stands."""
    if any(name in os.environ for name in _VARIABLES):
        return
    share = max(1, usable_cores() // workers)
    for name in _VARIABLES:  # for libraries that are loaded from here on
        os.environ[name] = str(share)
    if "numpy" in sys.modules:
        from threadpoolctl import threadpool_limits

        threadpool_limits(limits=share)
