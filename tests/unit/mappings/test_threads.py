"""Each worker's numerical libraries get its share of the cores, unless the user said otherwise."""

import os
import sys

import pytest

from d4py_adaptive.mappings import threads
from d4py_adaptive.mappings.threads import cap_threads, cap_threads_to_come, capped_threads

VARIABLES = threads._VARIABLES


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.setenv(name, "to be restored")
        monkeypatch.delenv(name)
    monkeypatch.setattr(threads, "usable_cores", lambda: 8)
    monkeypatch.delitem(sys.modules, "numpy", raising=False)


@pytest.mark.parametrize(("workers", "share"), [(1, "8"), (3, "2"), (8, "1"), (50, "1")])
def test_the_cores_are_shared_out(workers: int, share: str) -> None:
    cap_threads(workers)
    assert {os.environ[name] for name in VARIABLES} == {share}


@pytest.mark.parametrize("name", VARIABLES)
def test_what_the_user_set_stands(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "5")
    cap_threads(4)
    assert {variable: os.environ.get(variable) for variable in VARIABLES if variable in os.environ} == {name: "5"}


def test_libraries_that_are_loaded_already_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    import threadpoolctl

    told: list[int] = []
    monkeypatch.setattr(threadpoolctl, "threadpool_limits", lambda limits: told.append(limits))
    monkeypatch.setitem(sys.modules, "numpy", os)
    cap_threads(2)
    assert told == [4]


def test_libraries_that_are_loaded_already_are_left_to_whoever_forked(monkeypatch: pytest.MonkeyPatch) -> None:
    import threadpoolctl

    monkeypatch.setattr(threadpoolctl, "threadpool_limits", lambda limits: pytest.fail(f"told {limits}"))
    monkeypatch.setitem(sys.modules, "numpy", os)
    cap_threads_to_come(4)
    assert {os.environ[name] for name in VARIABLES} == {"2"}


def test_the_cap_for_forked_processes_is_lifted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    import threadpoolctl

    told: list[object] = []

    class Limits:
        def __init__(self, limits: int) -> None:
            told.append(limits)

        def __enter__(self) -> None:
            told.append("in")

        def __exit__(self, *_: object) -> None:
            told.append("out")

    monkeypatch.setattr(threadpoolctl, "threadpool_limits", Limits)
    monkeypatch.setitem(sys.modules, "numpy", os)
    with capped_threads(4):
        told.append("fork")
    assert told == [2, "in", "fork", "out"]
    assert not set(VARIABLES) & set(os.environ)


@pytest.mark.parametrize("why", ["the user said how many", "nothing is loaded"])
def test_nothing_is_capped_here_where_there_is_no_need(monkeypatch: pytest.MonkeyPatch, why: str) -> None:
    import threadpoolctl

    monkeypatch.setattr(threadpoolctl, "threadpool_limits", lambda limits: pytest.fail(f"told {limits}"))
    if why == "the user said how many":
        monkeypatch.setitem(sys.modules, "numpy", os)
        monkeypatch.setenv("OMP_NUM_THREADS", "3")
    with capped_threads(4):
        pass
