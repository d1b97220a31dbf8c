"""What a PE declares, and what it may call."""

import copy
import pickle
from typing import Any

import pytest

from d4py_adaptive.dataflow.pe import GenericPE
from d4py_adaptive.errors import WorkflowError


class Recorder:
    """Stands in for a running instance."""

    def __init__(self) -> None:
        self.written: list[tuple[str, Any]] = []
        self.logged: list[object] = []

    def write(self, port: str, item: object) -> None:
        self.written.append((port, item))

    def log(self, message: object) -> None:
        self.logged.append(message)


@pytest.fixture
def pe() -> GenericPE:
    pe = GenericPE()
    pe._add_output("traces")
    pe.add_output("errors")
    return pe


def test_a_new_pe_has_the_defaults_of_dispel4py() -> None:
    class Scale(GenericPE):
        pass

    pe = Scale()
    assert (pe.name, pe.id, pe.numprocesses, pe.rank) == ("Scale", "Scale", 1, 0)
    assert (pe.inputconnections, pe.outputconnections) == ({}, {})
    assert (pe.stateless, pe.splittable, pe.read_only, pe.on_error) == (None, False, False, "stop")
    assert GenericPE(4).numprocesses == 4


def test_ports_are_declared_in_the_words_of_dispel4py() -> None:
    pe = GenericPE()
    pe._add_input("a")
    pe._add_input("b", grouping=[0], tuple_type=["float"])
    pe.add_input("c", "all")
    pe.add_output("d", ["int"])
    assert pe.inputconnections == {
        "a": {"name": "a"},
        "b": {"name": "b", "type": ["float"], "grouping": [0]},
        "c": {"name": "c", "grouping": "all"},
    }
    assert pe.outputconnections == {"d": {"name": "d", "type": ["int"]}}


def test_a_grouping_by_a_bare_zero_is_not_taken_for_none() -> None:
    pe = GenericPE()
    pe._add_input("by position 0", grouping=0)
    assert pe.inputconnections["by position 0"]["grouping"] == 0


def test_the_public_hooks_call_the_old_ones() -> None:
    called: list[Any] = []

    class Old(GenericPE):
        def _preprocess(self) -> None:
            called.append("preprocess")

        def _process(self, data: Any) -> Any:
            called.append(data)
            return {"output": 1}

        def _postprocess(self) -> None:
            called.append("postprocess")

    pe = Old()
    pe.preprocess()
    assert pe.process({"input": 5}) == {"output": 1}
    pe.postprocess()
    assert called == ["preprocess", {"input": 5}, "postprocess"]


def test_the_hooks_do_nothing_by_default() -> None:
    pe = GenericPE()
    pe.preprocess()
    pe.postprocess()
    assert pe.process({}) is None


def test_writing_goes_to_the_running_instance(pe: GenericPE) -> None:
    pe._runtime = runtime = Recorder()
    pe.write("traces", 1)
    pe._write("errors", 2, ignored="as dispel4py has it")
    pe.write("traces", 3, ignored=True)
    assert runtime.written == [("traces", 1), ("errors", 2), ("traces", 3)]


def test_a_pe_that_overrides_the_inner_write_is_asked(pe: GenericPE) -> None:
    class Doubling(GenericPE):
        def _write(self, name: str, data: Any, **kwargs: Any) -> None:
            super()._write(name, 2 * data)

    doubling = Doubling()
    doubling._add_output("o")
    doubling._runtime = runtime = Recorder()
    doubling.write("o", 4)
    assert runtime.written == [("o", 8)]


@pytest.mark.parametrize(
    ("port", "text"),
    [
        ("trace", "PE GenericPE has no output 'trace'; did you mean 'traces'?; its outputs: traces, errors"),
        ("x", "PE GenericPE has no output 'x'; its outputs: traces, errors"),
    ],
)
def test_an_output_that_is_not_there_is_named_with_those_that_are(pe: GenericPE, port: str, text: str) -> None:
    with pytest.raises(WorkflowError) as caught:
        pe.write(port, 1)
    assert str(caught.value) == text


def test_a_pe_without_outputs_says_none() -> None:
    with pytest.raises(WorkflowError, match=r"^PE GenericPE has no output 'x'; its outputs: none$"):
        GenericPE().write("x", 1)


def test_a_pe_that_does_not_run_cannot_write(pe: GenericPE) -> None:
    with pytest.raises(WorkflowError) as caught:
        pe.write("traces", 1)
    assert str(caught.value) == ("PE GenericPE is not running, so that it cannot write; run it with d4py_adaptive.run")


def test_logging_goes_to_the_running_instance_or_nowhere(pe: GenericPE) -> None:
    pe.log("lost")
    pe._runtime = runtime = Recorder()
    pe.log(17)
    assert runtime.logged == [17]


def test_a_copy_leaves_the_running_instance_behind(pe: GenericPE) -> None:
    pe._runtime = Recorder()
    for again in (copy.deepcopy(pe), copy.copy(pe), pickle.loads(pickle.dumps(pe))):
        assert again._runtime is None
        assert again.outputconnections == pe.outputconnections
