"""About how many bytes an item holds."""

from array import array
from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from d4py_adaptive.wire.sizes import flat_bytes, payload_bytes

FLAT = 32


@dataclass
class Trace:
    data: Any
    name: str = "AQU"


class Slotted:
    __slots__ = ("data",)


class Odd:
    """Its size is no number of bytes."""

    nbytes = "many"


@pytest.mark.parametrize(
    ("item", "nbytes"),
    [
        (np.zeros(1000), 8000),
        (np.float32(1), 4),
        (memoryview(b"abcd"), 4),
        (b"x" * 100, 100),
        (bytearray(100), 100),
        ("x" * 100, 100),
        ("", 0),
        (17, FLAT),
        (1.5, FLAT),
        (None, FLAT),
        (object(), FLAT),
        (Slotted(), FLAT),
        ([], FLAT),
        ({}, FLAT),
        (set(), FLAT),
        ([b"x" * 100, np.zeros(10)], FLAT + 180),
        ({"a": b"x" * 100}, FLAT + 100),
        ((b"abc",), FLAT + 3),
        (frozenset([b"abc"]), FLAT + 3),
        (Trace(np.zeros(10)), FLAT + 80 + 3),
    ],
    ids=repr,
)
def test_arrays_and_text_exactly_containers_by_their_members(item: object, nbytes: int) -> None:
    assert payload_bytes(item) == nbytes


@pytest.mark.parametrize("item", [array("d", bytes(80_000)), deque([bytes(80_000)])], ids=["array", "deque"])
def test_other_containers_of_the_standard_library_count_too(item: object) -> None:
    assert payload_bytes(item) >= 80_000


def test_an_attribute_that_is_no_size_is_passed_over() -> None:
    assert payload_bytes(Odd()) == FLAT


class Touchy:
    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"no {name}")


class Negative:
    nbytes = -5


def test_what_raises_when_it_is_asked_is_passed_over() -> None:
    assert payload_bytes(Touchy()) == FLAT
    assert payload_bytes([Touchy(), b"x" * 100]) == 2 * FLAT + 100
    assert payload_bytes(Negative()) == 0


def test_long_lists_are_judged_by_their_beginning() -> None:
    class Counted(list[bytes]):
        seen = 0

        def __iter__(self) -> Any:
            for item in super().__iter__():
                Counted.seen += 1
                yield item

    long = Counted([b"12345678"] * 100_000)
    assert payload_bytes(long) == FLAT + 800_000
    assert Counted.seen <= 65


def test_depth_is_bounded() -> None:
    nest: list[Any] = [b"x" * 1000]
    for _ in range(10):
        nest = [nest]
    assert payload_bytes(nest) == 4 * FLAT
    loop: list[Any] = []
    loop.append(loop)
    assert payload_bytes(loop) == 4 * FLAT


class Text(str):
    pass


@pytest.mark.parametrize("value", [0, 1.5, True, None, 2j, "text", b"bytes", (), (1, "word", None), "x" * 247])
def test_small_values_that_cannot_change_may_stand_together(value: object) -> None:
    assert 0 < flat_bytes(value) < 256


@pytest.mark.parametrize(
    "value", ["x" * 248, b"x" * 300, ("x" * 300,), ([],), ((1, 2),), [], {}, Text("text"), object(), (1,) * 40, len]
)
def test_what_may_change_is_large_or_of_a_class_of_its_own_stands_alone(value: object) -> None:
    assert flat_bytes(value) == 0
