"""Items inside one process: which are shared, and private copies of the rest."""

import collections
import datetime
import math
import os
import subprocess
import sys
import threading
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from d4py_adaptive.dataflow.digest import digest
from d4py_adaptive.errors import WireError
from d4py_adaptive.wire.copying import is_atomic, private_copy, unshared


class Plain:
    def __init__(self, **attributes):
        self.__dict__.update(attributes)


class Slots:
    __slots__ = ("__weakref__", "a", "b")

    def __init__(self, a):
        self.a = a


class Names(list):
    pass


class Colour(Enum):
    RED = 1


class Point(NamedTuple):
    x: object
    y: object


class Grown(Point):
    pass


# is_atomic

ATOMIC = [
    None, True, 1, 1.5, 1j, "a", b"a", range(3), int, Plain, Colour, Colour.RED, len, math.sin, np.float64(1),
    np.str_("a"),
    np.datetime64(1, "s"), datetime.date(2020, 1, 1), datetime.datetime(2020, 1, 1), Decimal(1), Fraction(1),
    UUID(int=1), Path("a"), (), (1, "a"), (1, (2, (3, frozenset({4})))), frozenset({1, (2, 3)}),
    tuple(range(10_000)),
    Point(1, "a"), lambda: 1, ..., datetime.timedelta(1), (np.int64(1), 2),
]  # fmt: skip

CHANGEABLE = [
    [], {}, set(), bytearray(), np.zeros(1), np.zeros(1, "i4,f8")[0], ([],), (1, (2, [])), (np.zeros(1),),
    Point(1, []),
    Plain(), Names(), [].append, memoryview(bytearray(1)), ((((((1,),),),),),), Grown(1, 2), object(),
]  # fmt: skip


@pytest.mark.parametrize("item", ATOMIC, ids=lambda item: repr(item)[:30])
def test_what_cannot_change_is_shared(item):
    assert is_atomic(item)
    assert private_copy(item) is item
    assert unshared(item, 0)


@pytest.mark.parametrize("item", CHANGEABLE, ids=lambda item: repr(item)[:30])
def test_what_might_change_is_not_shared(item):
    assert not is_atomic(item)


# private_copy


def test_an_array_is_copied_in_its_own_order_and_can_be_written_to():
    array = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    array.flags.writeable = False
    for copied in (private_copy(array), private_copy([array])[0], private_copy(Plain(a=array)).a):
        assert copied.flags.f_contiguous
        assert copied.flags.writeable
        assert not np.shares_memory(copied, array)
        np.testing.assert_array_equal(copied, array)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros(0), np.zeros((0, 3)), np.array(1.5), np.arange(10)[::2], np.arange(10)[::-1],
        np.zeros(2, "i4,f8"),
        np.array(["a", "bc"]), np.zeros(2, "M8[s]"), np.broadcast_to(np.zeros(1), 5), np.zeros(3, ">i2"),
        np.ma.masked_array([1.0, 2.0], [True, False]), np.zeros(3).view(np.recarray),
        np.array([[1], None], dtype=object),
    ],
    ids=repr,
)  # fmt: skip
@pytest.mark.parametrize(
    "wrap", [lambda a: a, lambda a: {"x": (1, [a])}, lambda a: Plain(a=a)], ids=["it", "tree", "object"]
)
@pytest.mark.parametrize("writeable", [True, False])
def test_arrays_of_every_kind_are_copied(array, wrap, writeable):
    array = array.copy()
    array.flags.writeable = writeable
    copied = private_copy(wrap(array))
    assert digest(copied) == digest(wrap(array))
    inner = copied.a if isinstance(copied, Plain) else copied["x"][1][0] if isinstance(copied, dict) else copied
    assert type(inner) is type(array)
    assert inner.flags.writeable
    assert not np.shares_memory(inner, array)
    if array.dtype == object:
        assert inner[0] is not array[0]


def test_a_non_contiguous_array_in_an_object_is_copied():
    array = np.arange(10.0)[::2]
    array.flags.writeable = False
    copied = private_copy(Plain(a=array)).a
    np.testing.assert_array_equal(copied, array)
    assert copied.flags.writeable


def test_what_is_one_object_stays_one_object():
    array = np.zeros(2)
    inner = [array]
    for item in (
        [array, array],
        [inner, inner],
        {"a": array, "b": [array]},
        (inner, {"x": inner}),
        Plain(a=array, b=array),
    ):
        copied = private_copy(item)
        assert digest(copied) == digest(item)
    first, second = private_copy([inner, inner])
    assert first is second
    assert first[0] is not array
    loop: list[object] = [array]
    loop.append(loop)
    copied = private_copy(loop)
    assert copied[1] is copied
    assert copied is not loop


def test_two_windows_into_one_array_become_two_arrays():
    array = np.zeros(4)
    first, second = private_copy([array[:2], array[1:]])
    first[1] = 5
    assert second[0] == 0
    assert array[1] == 0


def test_what_does_not_pickle_is_copied_deeply():
    item = Plain(function=lambda x: x, data=[np.zeros(2)])
    copied = private_copy(item)
    copied.data[0][0] = 1
    assert item.data[0][0] == 0
    assert copied.function is item.function

    class Local:
        def __init__(self):
            self.data = []

    item = Local()
    assert private_copy(item).data is not item.data


@pytest.mark.parametrize("item", [threading.Lock(), [1, threading.Lock()], Plain(a=(n for n in ()))])
def test_what_cannot_be_copied_is_an_error_with_a_fix(item):
    with pytest.raises(WireError, match="read_only = True") as caught:
        private_copy(item)
    assert type(item).__qualname__ in str(caught.value)


def test_an_open_file_cannot_be_copied():
    with Path(os.devnull).open() as item, pytest.raises(WireError, match="TextIOWrapper"):
        private_copy(item)


def test_nesting_too_deep_to_copy_is_an_error_too():
    deep: object = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(WireError, match="RecursionError"):
        private_copy(deep)


def test_every_kind_of_container_is_copied():
    for item in (
        {1, 2}, collections.deque([[1]]), collections.OrderedDict(a=[1]),
        collections.defaultdict(list, a=[1]), Names([[1]]),
        bytearray(b"a"), Slots([1]), Point([1], 2), {(1, 2): [3]}, {Point(1, 2): [3]}, {frozenset({1}): [3]},
        {Colour.RED: [1]},
        [Colour.RED, np.float64(2), [3]], [[[[[[[1]]]]]]], [[n] for n in range(100)],
        {"a": {"b": {"c": np.zeros(2)}}},
    ):  # fmt: skip
        copied = private_copy(item)
        assert type(copied) is type(item)
        assert copied is not item
        assert digest(copied) == digest(item)


LEAVES = st.one_of(
    st.none(), st.integers(), st.floats(), st.text(max_size=3), st.datetimes(),
    st.integers(0, 9).map(np.int16),
    st.lists(st.floats(), max_size=5).map(np.array), st.binary(max_size=3).map(bytearray),
)  # fmt: skip
ITEMS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.text(max_size=2), inner, max_size=4),
        st.builds(Plain, a=inner, b=inner),
        st.builds(Slots, inner),
        inner.map(lambda member: [member, member]),
        st.lists(inner, max_size=70).map(collections.deque),
    ),
    max_leaves=12,
)


def changeable(item, found):
    """The ids of all that can be changed inside an item."""
    if is_atomic(item) or id(item) in found:
        return found
    if not isinstance(item, tuple):
        found[id(item)] = item
    if isinstance(item, list | tuple | collections.deque):
        members = list(item)
    elif isinstance(item, dict):
        members = list(item.values())
    elif isinstance(item, Plain):
        members = list(vars(item).values())
    elif isinstance(item, Slots):
        members = [item.a]
    else:
        members = []
    for member in members:
        changeable(member, found)
    return found


@given(ITEMS)
def test_a_copy_is_equal_and_shares_nothing_that_can_be_changed(item):
    copied = private_copy(item)
    assert digest(copied) == digest(item)
    mine, theirs = changeable(item, {}), changeable(copied, {})
    assert not mine.keys() & theirs.keys()
    assert len(mine) == len(theirs)
    arrays = [value for value in theirs.values() if isinstance(value, np.ndarray)]
    assert all(array.flags.writeable for array in arrays)
    assert not any(np.shares_memory(a, b) for a in arrays for b in mine.values() if isinstance(b, np.ndarray))


def test_waveforms_are_copied():
    obspy = pytest.importorskip("obspy")
    stats = {"network": "GE", "starttime": obspy.UTCDateTime(5), "mseed": {"x": 1}}
    stream = obspy.Stream([obspy.Trace(np.arange(5.0), stats) for _ in range(3)])
    copied = private_copy(stream)
    assert copied == stream
    assert digest(copied) == digest(stream)
    copied[0].data += 1
    copied[0].stats.mseed.x = 2
    assert stream[0].data[0] == 0
    assert stream[0].stats.mseed.x == 1


def test_importing_it_does_not_import_numpy():
    program = "import sys; import d4py_adaptive.wire.copying; assert 'numpy' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], env={"PYTHONPATH": ":".join(sys.path)}, check=True, timeout=60)
