"""The part of the conformance suite on items: fixed when written, private to each reader."""

# ruff: noqa: D102 - a test's name says what it shows

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from d4py_adaptive.dataflow.builder import WorkflowGraph
from d4py_adaptive.dataflow.digest import digest
from d4py_adaptive.errors import InputError
from d4py_adaptive.testing.suite_base import SuiteBase, chain
from d4py_adaptive.testing.suite_elements import Apply, Collect, Emit, Hold, Refill, Spoil, same


@dataclass
class Trace:
    """An item of a class, with something changeable inside."""

    name: str
    data: list[int] = field(default_factory=list)


class Locked:
    """An item that can neither be copied nor pickled."""

    def __init__(self) -> None:
        self.lock = threading.Lock()


class ItemsSuite(SuiteBase):
    """DESIGN, "How a run behaves", Items."""

    @pytest.mark.parametrize("kind", ["list", "bytearray", "array", "big array"])
    def test_a_producer_may_use_its_buffer_again(self, kind: str) -> None:
        buffer = {"list": [0, 0], "bytearray": bytearray(2), "array": np.zeros(3), "big array": np.zeros(5000)}[kind]
        source, reader = Refill(buffer), Collect()
        graph = chain(source, reader)
        for options in self.everywhere(graph):
            ((_, items),) = self.run(graph, **options).of(reader)
            assert [set(item) for item in items] == [{number} for number in range(5)]

    def test_results_are_fixed_when_they_are_written(self) -> None:
        source = Refill([0, 0])
        assert self.run(chain(source)).of(source) == [[number, number] for number in range(5)]

    @pytest.mark.parametrize("kind", ["list", "array", "big array", "object", "nested", "read-only array"])
    def test_readers_may_change_what_they_receive(self, kind: str) -> None:
        make, look, spoil = _CHANGEABLE[kind]
        readers = [Spoil(look, spoil), Spoil(look, spoil), Spoil(look, spoil, inputs=2)]
        source = Emit([make() for _ in range(20)])
        graph = WorkflowGraph()
        for reader in readers:
            for port in reader.inputconnections:
                graph.connect(source, "output", reader, port)
        for options in self.everywhere(graph):
            outcome = self.run(graph, **options)
            for reader in readers:
                assert set(outcome.of(reader)) == {look(make())}

    def test_every_instance_of_a_broadcast_has_its_own(self) -> None:
        reader = Broadcast(numprocesses=3)
        graph = chain(Emit([np.zeros(4000), np.zeros(3)]), reader)
        for workers in (1, 2, 5):
            assert set(self.run(graph, workers=workers, fuse=False).of(reader)) == {0.0}

    def test_what_is_changed_after_passing_it_on_has_been_passed_on_before(self) -> None:
        source, meddler, reader = Emit([[1], [2]]), Meddle(), Collect()
        graph = chain(source, meddler, reader)
        for options in self.everywhere(graph):
            ((_, items),) = self.run(graph, **options).of(reader)
            assert sorted(items, key=repr) == [[1, "changed"], [1], [2, "changed"], [2]]

    def test_one_object_inside_an_item_stays_one(self) -> None:
        row = [1, 2]
        source, reader = Emit([[row, row]]), Apply(_are_one)
        graph = chain(source, reader)
        for options in self.everywhere(graph):
            assert self.run(graph, **options).of(reader) == [True]

    def test_a_reader_that_changes_nothing_may_say_so(self) -> None:
        source, trusted, spoiler = Emit([[1], [2]]), Apply(sum, read_only=True), Spoil(sum, _append)
        graph = chain(source, trusted)
        graph.connect(source, "output", spoiler, "input0")
        for options in self.everywhere(graph):
            outcome = self.run(graph, **options)
            assert sorted(outcome.of(trusted)) == sorted(outcome.of(spoiler)) == [1, 2]

    def test_items_of_every_kind_arrive_as_they_were(self) -> None:
        items: list[Any] = [
            None, (), [], {}, "", "snow \N{SNOWMAN} \ud800", b"", bytes(100_000), 10**50, -0.0, float("inf"), 1j,
            Decimal("1.10"), Fraction(1, 3), date(2024, 2, 29), {1, 2}, frozenset("ab"), range(3), Trace("a", [1]),
            np.float32(1.5), np.arange(12).reshape(3, 4).T, np.zeros((0, 3)), np.array(5),
            np.array(["a", None], dtype=object),
            np.arange(300_000.0), np.arange(20_000.0)[::2], np.zeros(3, dtype=[("x", "<i4"), ("y", "<f8")]),
            np.array(["2024-02-29"], dtype="M8[D]"), ValueError("an item"), len, Trace, {"a": [{"b": (1, [2])}]},
        ]  # fmt: skip
        source, middle, reader = Emit(items), Apply(_boxed), Collect()
        graph = chain(source, middle, reader)
        for options in self.everywhere(graph):
            ((_, found),) = self.run(graph, **options).of(reader)
            assert sorted(digest(item) for (item,) in found) == sorted(map(digest, items))

    def test_what_cannot_be_imported_elsewhere_travels_too(self) -> None:
        @dataclass
        class Local:
            number: int

        source, reader = Emit([Local(1), lambda: 2]), Apply(_unwrap)
        graph = chain(source, reader)
        outcome = self.run(graph, plan=self.plan(graph, {}))
        assert sorted(outcome.of(reader)) == [1, 2]

    def test_arrays_that_arrive_are_writable(self) -> None:
        frozen = np.arange(5000)
        frozen.flags.writeable = False
        source, reader = Emit([np.zeros(3), np.zeros(9000), frozen, np.zeros((2, 2), order="F")]), Apply(_increase)
        other = Apply(_increase)
        graph = chain(source, reader)
        graph.connect(source, "output", other, "input")
        for options in self.everywhere(graph):
            outcome = self.run(graph, **options)
            assert sorted(outcome.of(reader)) == sorted(outcome.of(other)) == [1.0, 1.0, 1.0, 1.0]

    def test_none_that_is_returned_is_no_item_and_none_that_is_written_is(self) -> None:
        source, silent = Emit([None, None]), Apply(_nothing)
        outcome = self.run(chain(source, silent))
        assert outcome.of(silent) == []
        assert self.run(chain(source)).of(source) == [None, None]

    def test_what_the_user_gives_is_not_changed(self) -> None:
        spoiler = Spoil(sum, _append, inputs=2)
        given = [{"input0": [1]}, {"input1": [2]}, {"input0": [3], "input1": [4]}]
        graph = chain(Emit([]), spoiler)
        for _ in range(2):
            assert sorted(self.run(graph, {spoiler: given}).of(spoiler)) == [1, 2, 3, 4]
        assert given == [{"input0": [1]}, {"input1": [2]}, {"input0": [3], "input1": [4]}]

    def test_given_items_are_private_to_each_instance(self) -> None:
        reader = Broadcast(numprocesses=2)
        given = [{"input": np.zeros(3)}]
        assert self.run(chain(Emit([]), reader), {reader: given}, workers=1).of(reader) == [0.0, 0.0]

    # What cannot be copied.

    def test_a_pe_that_cannot_be_copied_runs_itself(self) -> None:
        source, holder = Emit([1, 2]), Hold(threading.Lock())
        if self.parallel and not self.inherits:
            with pytest.raises(InputError, match="preprocess"):
                self.run(chain(source, holder))
        else:
            assert sorted(self.run(chain(source, holder)).of(holder)) == [1, 2]

    def test_an_item_that_cannot_be_copied_is_an_error_that_names_pe_and_port(self) -> None:
        source = EmitLocked()
        graph = chain(source, Apply(same))
        graph.connect(source, "output", Apply(same), "input")
        for options in self.everywhere(graph):
            failure = self.failure(graph, **options)
            assert (failure.pe, failure.method, failure.port) == (source.id, "write", "output")
            assert "Locked" in failure.message

    def test_an_item_that_cannot_travel_is_an_error_that_names_pe_and_port(self) -> None:
        source, last = EmitLocked(), Apply(same)
        graph = chain(source, last)
        if not self.parallel:
            assert len(self.run(graph).of(last)) == 1  # its only reader gets the item itself
            return
        failure = self.failure(graph, plan=self.plan(graph, {}, workers=2))
        assert (failure.pe, failure.method, failure.port, failure.item) == (source.id, "write", "output", 1)
        assert "picklable" in failure.message

    def test_a_result_that_cannot_travel_is_an_error_that_names_pe_and_port(self) -> None:
        source = EmitLocked()
        if self.parallel:
            failure = self.failure(chain(source))
            assert (failure.pe, failure.port) == (source.id, "output")


class EmitLocked(Emit):
    """Writes what cannot be copied."""

    def __init__(self) -> None:
        super().__init__([])

    def process(self, inputs: dict[str, Any]) -> dict[str, Any]:  # type: ignore[override]  # noqa: ARG002
        """Return it."""
        return {"output": Locked()}


class Broadcast(Spoil):
    """Writes the sum of what it receives, then changes it."""

    def __init__(self, numprocesses: int) -> None:
        super().__init__(_total, _increase, inputs=0)
        self.numprocesses = numprocesses
        self._add_input("input", "all")


class Meddle(Apply):
    """Passes an item on, changes it, and passes it on again."""

    def __init__(self) -> None:
        super().__init__(same)

    def _process(self, data: Any) -> Any:
        self.write("output", data)
        data.append("changed")
        self.write("output", data)
        data.append("changed again")


def _append(item: list[int]) -> None:
    item.append(100)


def _are_one(item: Any) -> bool:
    item[0].append(3)
    return bool(item[1] == [1, 2, 3])


def _boxed(item: Any) -> Any:
    return [item]


def _unwrap(item: Any) -> int:
    return int(item()) if callable(item) else int(item.number)


def _total(item: Any) -> float:
    return float(item.sum())


def _increase(item: Any) -> float:
    before = float(item.flat[0])
    item += 1
    return float(item.flat[0]) - before


def _nothing(item: Any) -> None:
    del item


def _frozen() -> Any:
    array = np.zeros(3000)
    array.flags.writeable = False
    return array


def _spoil_trace(item: Trace) -> None:
    item.data.append(1)
    item.name = "spoilt"


def _spoil_nested(item: Any) -> None:
    item["a"][1][1].append(3)


_CHANGEABLE: dict[str, tuple[Callable[[], Any], Callable[[Any], Any], Callable[[Any], Any]]] = {
    "list": (lambda: [1, 2], sum, _append),
    "array": (lambda: np.zeros(3), _total, _increase),
    "big array": (lambda: np.zeros(4000), _total, _increase),
    "read-only array": (_frozen, _total, _increase),
    "object": (lambda: Trace("fine", [1]), repr, _spoil_trace),
    "nested": (lambda: {"a": [[1], (np.zeros(2), [2])]}, repr, _spoil_nested),
}
