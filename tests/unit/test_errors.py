"""Every error says what was required, what was got, and the likely fix; each has its exit code."""

import pickle

import pytest

from d4py_adaptive import errors
from d4py_adaptive.errors import (
    D4pyError,
    Failure,
    InputError,
    Interrupted,
    MissingDependency,
    PEError,
    PlanError,
    RunError,
    UnknownName,
    WireError,
    WorkerDied,
    WorkflowError,
    did_you_mean,
)


@pytest.fixture
def failure() -> Failure:
    return Failure("Scale1", 2, "process", "input", 7, "node4", 3, "ValueError", "no such unit", "Traceback …")


@pytest.mark.parametrize(
    ("kind", "parent", "code"),
    [
        (D4pyError, Exception, 1),
        (WorkflowError, D4pyError, 2),
        (InputError, D4pyError, 2),
        (PlanError, D4pyError, 2),
        (MissingDependency, D4pyError, 2),
        (WireError, D4pyError, 1),
        (UnknownName, D4pyError, 2),
        (RunError, D4pyError, 1),
        (PEError, RunError, 1),
        (WorkerDied, RunError, 4),
        (Interrupted, RunError, 1),
    ],
)
def test_each_error_has_its_place_and_exit_code(kind: type[D4pyError], parent: type, code: int) -> None:
    assert kind.__bases__ == (parent,)
    assert kind.exit_code == code


def test_the_tree_in_the_module_names_every_error() -> None:
    kinds = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, D4pyError)]
    assert [kind.__name__ for kind in kinds if kind.__name__ not in (errors.__doc__ or "")] == []


def test_a_missing_package_says_how_to_install_it() -> None:
    assert str(MissingDependency("obspy", "reading miniSEED", "seismology")) == (
        "reading miniSEED needs the package 'obspy', which is not installed; "
        "install it with: pip install 'd4py_adaptive[seismology]'"
    )


@pytest.mark.parametrize(
    ("name", "known", "text"),
    [
        (
            "mutli",
            ["toy", "multi", "simple"],
            "unknown mapping 'mutli'; did you mean 'multi'?; known: multi, simple, toy",
        ),
        ("zzz", ["multi"], "unknown mapping 'zzz'; known: multi"),
        ("zzz", iter(()), "unknown mapping 'zzz'; known: none"),
    ],
)
def test_an_unknown_name_lists_those_that_are_known_and_the_nearest(name: str, known: list[str], text: str) -> None:
    assert str(UnknownName("mapping", name, known)) == text


def test_a_nearest_name_is_found_in_an_iterator() -> None:
    assert did_you_mean("inptu", iter(["output", "input"])) == "; did you mean 'input'?"
    assert did_you_mean("x", []) == ""


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "Scale1[2].process, port 'input', item 7, on node4, worker 3"),
        ({"port": ""}, "Scale1[2].process, item 7, on node4, worker 3"),
        ({"item": 0}, "Scale1[2].process, port 'input', on node4, worker 3"),
        ({"method": "preprocess", "port": "", "item": 0}, "Scale1[2].preprocess, on node4, worker 3"),
    ],
)
def test_a_failure_names_what_there_is_to_name(failure: Failure, changes: dict[str, object], text: str) -> None:
    fields = failure.to_dict() | changes
    assert Failure(**fields).where() == text  # type: ignore[arg-type]


def test_a_failure_is_plain_values(failure: Failure) -> None:
    assert failure.to_dict() == {
        "pe": "Scale1",
        "instance": 2,
        "method": "process",
        "port": "input",
        "item": 7,
        "host": "node4",
        "worker": 3,
        "error_type": "ValueError",
        "message": "no such unit",
        "traceback": "Traceback …",
    }
    assert pickle.loads(pickle.dumps(failure)) == failure


def test_the_error_of_a_pe_carries_its_failure(failure: Failure) -> None:
    error = PEError(failure)
    assert error.failure is failure
    assert str(error) == ("ValueError: no such unit (in Scale1[2].process, port 'input', item 7, on node4, worker 3)")


def test_an_interruption_ends_with_the_number_of_its_signal() -> None:
    assert (str(Interrupted("enough", 15)), Interrupted("enough", 15).exit_code) == ("enough", 143)
    assert Interrupted("enough", 2).exit_code == 130


def test_every_error_survives_the_way_to_another_process(failure: Failure) -> None:
    raised = [
        MissingDependency("obspy", "reading miniSEED", "seismology"),
        UnknownName("mapping", "x", ["simple"]),
        PEError(failure),
        Interrupted("enough", 15),
        WorkerDied("worker 1 was killed"),
    ]
    for error in raised:
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again), again.exit_code) == (type(error), str(error), error.exit_code)
        assert vars(again) == vars(error)
