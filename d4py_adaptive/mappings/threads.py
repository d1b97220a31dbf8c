"""BLAS and OpenMP threads: as many per worker as leave every worker its share of the cores."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

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
    share = _share(workers)
    if share is None:
        return
    cap_threads_to_come(workers)
    if "numpy" in sys.modules:
        from threadpoolctl import threadpool_limits

        threadpool_limits(limits=share)


def cap_threads_to_come(workers: int) -> None:
    """The same for libraries that are loaded from here on."""
    share = _share(workers)
    if share is not None:
        os.environ.update(dict.fromkeys(_VARIABLES, str(share)))


@contextlib.contextmanager
def capped_threads(workers: int) -> Iterator[None]:
    """The same for libraries that are loaded here, and for processes that are forked in the meantime.

    To find and tell these libraries takes longer than to fork, so that it is done once for all workers.
    """
    share = _share(workers)
    if share is None or "numpy" not in sys.modules:
        yield
        return
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=share):
        yield


def _share(workers: int) -> int | None:
    """Threads for each worker; None where the user has said how many."""
    if any(name in os.environ for name in _VARIABLES):
        return None
    return max(1, usable_cores() // workers)
