"""The common shapes of PEs, called by hand."""

import functools
from types import MethodType
from typing import Any

import pytest

from d4py_adaptive.dataflow.patterns import (
    BasePE,
    ConsumerPE,
    IterativePE,
    ProducerPE,
    SimpleFunctionPE,
    by_value,
)


def ports(pe: Any) -> tuple[list[str], list[str]]:
    return list(pe.inputconnections), list(pe.outputconnections)


@pytest.mark.parametrize(
    ("arguments", "inputs", "outputs"),
    [
        ({}, [], []),
        ({"inputs": ["a", "b"], "outputs": ["c"]}, ["a", "b"], ["c"]),
        ({"num_inputs": 2, "num_outputs": 1}, ["input0", "input1"], ["output0"]),
        ({"inputs": iter(["x"]), "num_inputs": 1}, ["input0", "x"], []),
    ],
)
def test_a_base_pe_has_the_ports_that_are_named_or_counted(
    arguments: dict[str, Any], inputs: list[str], outputs: list[str]
) -> None:
    assert ports(BasePE(**arguments)) == (inputs, outputs)


class Half(IterativePE):
    def _process(self, data: int) -> int | None:
        return None if data % 2 else data // 2


def test_an_iterative_pe_writes_what_it_returns_but_none() -> None:
    half = Half(numprocesses=3)
    assert (ports(half), half.numprocesses) == ((["input"], ["output"]), 3)
    assert half.process({"input": 8}) == {"output": 4}
    assert half.process({"input": 0}) == {"output": 0}
    assert half.process({"input": 3}) is None


def test_a_producer_gets_the_whole_input() -> None:
    class Echo(ProducerPE):
        def _process(self, inputs: Any) -> Any:
            return inputs

    assert ports(Echo()) == ([], ["output"])
    assert Echo().process({"start": 1}) == {"output": {"start": 1}}
    assert ProducerPE(2).numprocesses == 2
    assert ProducerPE().process({}) is None


def test_a_consumer_writes_nothing_whatever_it_returns() -> None:
    class Keep(ConsumerPE):
        seen: Any = None

        def _process(self, data: Any) -> Any:
            self.seen = data
            return data

    keep = Keep()
    assert (ports(keep), keep.process({"input": 5}), keep.seen) == ((["input"], []), None, 5)


def power(item: int, exponent: int = 2) -> int:
    return item**exponent


def test_a_function_pe_is_named_after_its_function() -> None:
    pe = SimpleFunctionPE(power, {"exponent": 3})
    assert pe.name == "PE_power"
    assert pe.process({"input": 2}) == {"output": 8}
    assert SimpleFunctionPE(power).process({"input": 3}) == {"output": 9}


def test_a_function_pe_without_a_function_gives_nothing() -> None:
    pe = SimpleFunctionPE()
    assert (pe.name, pe.params, pe.process({"input": 1})) == ("SimpleFunctionPE", {}, None)


def test_other_port_names_are_the_subclass_s_to_choose() -> None:
    class Renamed(IterativePE):
        INPUT_NAME, OUTPUT_NAME = "trace", "spectrum"

        def _process(self, data: Any) -> Any:
            return data

    assert ports(Renamed()) == (["trace"], ["spectrum"])
    assert Renamed().process({"trace": 1}) == {"spectrum": 1}


class Renamed(Half):
    INPUT_NAME, OUTPUT_NAME = "from", "to"


class Empty(ProducerPE):
    def _process(self, inputs: Any) -> Any:
        return inputs


@pytest.mark.parametrize(
    ("pe", "ports"),
    [
        (Half(), ("input", "output")),
        (Renamed(), ("from", "to")),
        (SimpleFunctionPE(abs), ("input", "output")),
        (ConsumerPE(), ("input", "")),
        (Empty(), ("", "output")),
    ],
)
def test_a_pattern_s_own_process_can_be_done_without(pe: Any, ports: tuple[str, str]) -> None:
    assert by_value(pe) == (pe._process, *ports)


def test_a_process_of_one_s_own_is_called() -> None:
    class Own(Half):
        def process(self, inputs: Any) -> Any:
            return super().process(inputs)

    class Wrapped(Half):
        @functools.wraps(Half.process)
        def process(self, inputs: Any) -> Any:
            return {"output": inputs}

    class WithoutInputs(ProducerPE):
        def _process(self) -> Any:  # type: ignore[override]
            return 1

    for pe in (Own(), Wrapped(), WithoutInputs(), BasePE()):
        assert by_value(pe) is None


@pytest.mark.parametrize("name", ["process", "_process", "INPUT_NAME", "OUTPUT_NAME"])
def test_a_pe_that_holds_itself_what_process_looks_up_may_change_it_in_any_call(name: str) -> None:
    half = Half()
    setattr(half, name, getattr(half, name))
    assert by_value(half) is None
    other = Half()
    other.process = MethodType(Half.process, half)  # type: ignore[method-assign]
    assert by_value(other) is None


def test_a_process_that_is_patched_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(IterativePE, "process", lambda self, inputs: {"output": (self.name, inputs)})
    assert by_value(Half()) is None
    monkeypatch.undo()
    monkeypatch.setattr(Half, "_process", lambda self, data: (self.name, data))
    how = by_value(Half())
    assert how is not None
    assert how.call(3) == ("Half", 3)
