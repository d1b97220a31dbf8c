"""Remembered pickles of arrays are the pickles that pickle would have made, and come back as they would have."""

import pickle
from typing import Any

import numpy as np
import pytest

from d4py_adaptive.wire import plain_arrays
from d4py_adaptive.wire.encoding import PlainWire
from d4py_adaptive.wire.plain_arrays import pickled, unpickled


@pytest.fixture(autouse=True)
def _nothing_remembered() -> None:
    plain_arrays._pickles.clear()
    plain_arrays._shapes.clear()


def by_pickle(item: Any) -> tuple[bytes, list[bytearray]]:
    buffers: list[pickle.PickleBuffer] = []
    body = pickle.dumps(item, 5, buffer_callback=buffers.append)
    return body, [bytearray(buffer.raw()) for buffer in buffers]


PLAIN = {
    "floats": np.arange(6.0),
    "matrix": np.arange(6.0).reshape(2, 3),
    "Fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "transposed": np.arange(6).reshape(2, 3).T,
    "big-endian": np.arange(4, dtype=">i4"),
    "booleans": np.array([True, False]),
    "complex": np.arange(3) * 1j,
    "half": np.arange(3, dtype="f2"),
    "scalar": np.array(3.5),
    "empty": np.zeros((0, 3)),
    "part": np.arange(10.0)[2:7],
}
OTHERS = {
    "list": [1.0],
    "text": "text",
    "strided": np.arange(10.0)[::2],
    "reversed": np.arange(10.0)[::-1],
    "structured": np.zeros(3, dtype=[("a", "i4"), ("b", "f8")]),
    "objects": np.array([1, "two"], dtype=object),
    "dates": np.array(["2026-01-01"], dtype="M8[D]"),
    "strings": np.array(["a", "bc"]),
    "masked": np.ma.masked_array(np.arange(3.0), [0, 1, 0]),
    "subclass": np.arange(3.0).view(np.recarray),
}


@pytest.mark.parametrize("kind", PLAIN)
def test_a_plain_array_is_pickled_as_pickle_does(kind: str) -> None:
    array = PLAIN[kind]
    for _ in range(2):  # made, and remembered
        got = pickled(array)
        assert got is not None
        body, buffers = by_pickle(array)
        assert (got[0], bytes(got[1])) == (body, bytes(buffers[0]))


@pytest.mark.parametrize("kind", OTHERS)
def test_anything_else_is_left_to_pickle(kind: str) -> None:
    assert pickled(OTHERS[kind]) is None


@pytest.mark.parametrize("kind", PLAIN)
def test_it_comes_back_the_same_each_time(kind: str) -> None:
    array = PLAIN[kind]
    body, _ = by_pickle(array)
    for _ in range(3):
        buffers = by_pickle(np.asarray(array + 1 if array.dtype != bool else ~array))[1]
        expected = pickle.loads(body, buffers=[bytearray(buffers[0])])
        got = unpickled(body, buffers)
        assert (got.dtype, got.shape, got.flags.writeable) == (expected.dtype, expected.shape, True)
        assert (got.flags.c_contiguous, got.flags.f_contiguous) == (
            expected.flags.c_contiguous, expected.flags.f_contiguous
        )  # fmt: skip
        np.testing.assert_array_equal(got, expected)
        if got.size:
            got[...] = 0
            assert bytes(buffers[0]) == bytes(len(buffers[0]))
    assert body in plain_arrays._shapes


class Doubles:
    """Arrives as an array, but not as the one whose buffer it sends."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def __reduce__(self) -> Any:
        return _twice, (pickle.PickleBuffer(self.array),)


def _twice(buffer: Any) -> np.ndarray:
    return np.frombuffer(buffer, "f8") * 2


def test_what_only_looks_like_one_is_made_anew_each_time() -> None:
    for value in (1.0, 2.0):
        body, buffers = by_pickle(Doubles(np.full(4, value)))
        assert unpickled(body, buffers).tolist() == [2 * value] * 4
    assert not plain_arrays._shapes


@pytest.mark.parametrize("size", [10, 5000])
@pytest.mark.parametrize("wrapped", [False, True])
def test_an_array_that_cannot_be_written_to_arrives_as_one_that_can(size: int, wrapped: bool) -> None:
    array = np.arange(float(size))
    array.flags.writeable = False
    wire = PlainWire()
    for _ in range(2):
        encoded = wire.encode({"a": [array]} if wrapped else array, bytearray)
        got = wire.decode(encoded.body, encoded.buffers)
        got = got["a"][0] if wrapped else got
        assert got.flags.writeable
        np.testing.assert_array_equal(got, array)
    assert not array.flags.writeable


def test_only_so_many_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain_arrays, "_MOST", 3)
    for size in range(10):
        array = np.zeros(size)
        got = pickled(array)
        assert got is not None
        assert unpickled(got[0], [bytearray(got[1])]).shape == (size,)
    assert len(plain_arrays._pickles) <= 3
    assert len(plain_arrays._shapes) <= 3
