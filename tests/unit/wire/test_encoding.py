"""Items to bytes and back: large buffers beside the pickle, values fixed, what cannot travel said."""

import pickle
import struct
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from d4py_adaptive.errors import WireError
from d4py_adaptive.wire.encoding import MAX_BUFFERS, OUT_OF_BAND_BYTES, Encoded, PlainWire, dump
from d4py_adaptive.wire.frame import Frame, Kind, read_frames
from d4py_adaptive.wire.slots import Access, Slot

WIRE = PlainWire()
SLOT = Slot(2, 3, 7, 4096, 6, Access.IN_PLACE)


def there_and_back(item: object) -> Any:
    encoded = WIRE.encode(item)
    return WIRE.decode(encoded.body, [bytearray(buffer) for buffer in encoded.buffers])


leaves = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.binary())
values = st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10)


@settings(max_examples=80, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(values)
def test_plain_data_comes_back(item: object) -> None:
    assert there_and_back(item) == item


def test_a_large_array_travels_beside_its_pickle_and_arrives_writable() -> None:
    array = np.arange(OUT_OF_BAND_BYTES // 8, dtype="f8")
    encoded = WIRE.encode({"trace": array, "rate": 100})
    assert [len(buffer) for buffer in encoded.buffers] == [array.nbytes]
    assert len(encoded.body) < 1000
    assert encoded.nbytes == len(encoded.body) + array.nbytes
    again = there_and_back({"trace": array, "rate": 100})
    np.testing.assert_array_equal(again["trace"], array)
    again["trace"][0] = 17
    assert array[0] == 0


def test_a_small_array_travels_inside() -> None:
    encoded = WIRE.encode(np.zeros(OUT_OF_BAND_BYTES // 8 - 1))
    assert encoded.buffers == ()
    assert encoded.nbytes == len(encoded.body) > OUT_OF_BAND_BYTES - 8


def test_the_value_is_fixed_when_it_is_encoded() -> None:
    array = np.zeros(OUT_OF_BAND_BYTES)
    item = [array, "kept"]
    encoded = WIRE.encode(item)
    array[:] = 1
    item[1] = "changed"
    again = WIRE.decode(encoded.body, list(encoded.buffers))
    assert (again[0].sum(), again[1]) == (0, "kept")


def test_bytes_are_never_out_of_band() -> None:
    assert WIRE.encode(b"x" * 10**5).buffers == ()


@dataclass
class Sample:
    value: int


def test_a_function_of_this_place_travels_by_value() -> None:
    offset = 3
    assert there_and_back(lambda number: number + offset)(4) == 7

    class Local:
        kept = 5

    assert there_and_back(Local()).kept == 5
    assert there_and_back(Sample(4)) == Sample(4)


def test_a_second_try_by_value_starts_with_no_buffers() -> None:
    array = np.zeros(OUT_OF_BAND_BYTES)
    encoded = WIRE.encode([array, lambda: 1])
    assert len(encoded.buffers) == 1
    again = there_and_back([array, lambda: 1])
    assert (again[0].shape, again[1]()) == (array.shape, 1)


def test_what_cannot_travel_says_why_and_what_to_do() -> None:
    with pytest.raises(WireError) as caught:
        WIRE.encode(threading.Lock())
    assert str(caught.value) == (
        "an item that goes to another process must be picklable; got lock: "
        "TypeError: cannot pickle '_thread.lock' object; send plain data, or keep this stream inside one process"
    )
    assert isinstance(caught.value.__cause__, TypeError)


def test_whatever_the_item_raises_while_it_is_pickled_is_an_error_of_the_wire() -> None:
    class Stubborn:
        def __reduce__(self) -> Any:
            raise RuntimeError("not me")

    with pytest.raises(WireError, match="got Stubborn: RuntimeError: not me; send plain data"):
        WIRE.encode(Stubborn())


def test_an_item_too_deep_to_pickle_is_an_error_of_the_wire() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    try:
        with pytest.raises(WireError, match="must be picklable; got list: "):
            WIRE.encode(deep)
    finally:
        while deep:
            deep = deep.pop()


def test_an_item_never_has_more_buffers_than_a_frame_can_say(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_BUFFERS == 2**16 - 1  # what ITEM, the struct of a frame's table, can hold
    monkeypatch.setattr("d4py_adaptive.wire.encoding.MAX_BUFFERS", 3)
    arrays = [np.full(OUT_OF_BAND_BYTES, n, dtype="u1") for n in range(5)]
    encoded = WIRE.encode(arrays)
    assert [len(buffer) for buffer in encoded.buffers] == [OUT_OF_BAND_BYTES] * 3
    assert [array[0] for array in there_and_back(arrays)] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("buffers", [MAX_BUFFERS, MAX_BUFFERS + 1])
def test_the_most_buffers_of_an_item_are_what_a_frame_can_say(buffers: int) -> None:
    frame = Frame(Kind.DATA, ports=[0], items=[Encoded(b"", (b"x",) * buffers, buffers)])
    if buffers > MAX_BUFFERS:
        with pytest.raises(struct.error):
            frame.parts()
        return
    (again,) = read_frames(frame.parts())
    assert len(again.items[0].buffers) == buffers


def test_an_item_too_large_for_a_frame_is_refused_when_it_is_encoded(monkeypatch: pytest.MonkeyPatch) -> None:
    class Claims(bytes):
        def __len__(self) -> int:
            return 2**32

    monkeypatch.setattr("d4py_adaptive.wire.encoding.dump", lambda *_: Claims())
    with pytest.raises(WireError, match=r"^one item's pickle has at most 4,294,967,295 bytes; got 4,294,967,296;"):
        WIRE.encode("anything")


def test_a_copy_for_one_reader_is_writable_and_shares_nothing() -> None:
    buffer = bytearray(b"buffer")
    copied = Encoded(memoryview(b"body"), (buffer,), 10).for_one_reader()
    buffer[:] = b"other!"
    assert copied == Encoded(b"body", (bytearray(b"buffer"),), 10)
    assert isinstance(copied.buffers[0], bytearray)


def test_what_stands_on_shared_memory_is_not_for_somebody_else() -> None:
    with pytest.raises(WireError, match=r"^slot 7 was lent to another worker; encode the item again for this one$"):
        Encoded(b"body", (b"x", SLOT), 10).for_one_reader()


def test_each_large_buffer_is_kept_once_and_in_order() -> None:
    kept: list[memoryview] = []

    def keep(buffer: memoryview) -> Slot:
        kept.append(buffer)
        return SLOT._replace(number=len(kept), nbytes=len(buffer))

    arrays = [np.full(OUT_OF_BAND_BYTES + n, n, dtype="u1") for n in range(3)]
    encoded = WIRE.encode([arrays[0], np.zeros(5), arrays[1], arrays[0], arrays[2]], keep)
    assert [bytes(buffer) for buffer in kept] == [array.tobytes() for array in arrays]
    assert [(slot.number, slot.nbytes) for slot in encoded.buffers] == [(n + 1, a.nbytes) for n, a in enumerate(arrays)]
    assert encoded.nbytes == len(encoded.body) + sum(array.nbytes for array in arrays)


def test_nothing_is_kept_of_an_item_that_cannot_travel() -> None:
    kept: list[memoryview] = []
    with pytest.raises(WireError):
        WIRE.encode([np.zeros(OUT_OF_BAND_BYTES), threading.Lock()], kept.append)  # type: ignore[arg-type]
    assert kept == []


def test_what_a_keeper_gives_takes_the_place_of_what_it_was_given() -> None:
    encoded = Encoded(b"body", (b"one", SLOT), 13)
    assert encoded.with_buffers(lambda buffer: b"!" if isinstance(buffer, Slot) else buffer) == Encoded(
        b"body", (b"one", b"!"), 13
    )


def test_from_which_size_on_a_buffer_is_large_can_be_said() -> None:
    encoded = PlainWire(64).encode([np.zeros(64, dtype="u1"), np.zeros(63, dtype="u1")])
    assert [len(buffer) for buffer in encoded.buffers] == [64]
    assert PlainWire() == PlainWire(OUT_OF_BAND_BYTES)


def test_a_wire_can_be_sent_to_a_worker() -> None:
    assert pickle.loads(pickle.dumps(PlainWire(99))) == PlainWire(99)


def test_dump_without_a_callback_keeps_everything_inside() -> None:
    array = np.zeros(OUT_OF_BAND_BYTES)
    assert pickle.loads(dump(array)).shape == array.shape


def test_an_encoded_item_survives_as_it_is() -> None:
    encoded = Encoded(b"body", (b"buffer",), 10)
    assert pickle.loads(pickle.dumps(encoded)) == encoded


def test_an_open_file_is_refused_beside_what_goes_by_value(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("its text")
    with (
        (tmp_path / "x").open() as file,
        pytest.raises(WireError, match=r"an open file \(.*x'\) cannot leave its proc"),
    ):
        dump({"file": file, "code": lambda: 1})
