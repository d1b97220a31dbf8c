"""What a value is: equal digests for equal values, by type, and nothing raises."""

import collections
import copy
import datetime
import functools
import itertools
import os
import pickle
import random
import re
import struct
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum, IntFlag
from fractions import Fraction
from pathlib import PurePosixPath
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from d4py_adaptive.dataflow.digest import digest
from d4py_adaptive.errors import WireError


class Plain:
    def __init__(self, **attributes):
        self.__dict__.update(attributes)


class Sibling(Plain):
    pass


class Slots:
    __slots__ = ("a", "b")


class Selective:
    def __init__(self, kept, dropped):
        self.kept, self.dropped = kept, dropped

    def __getstate__(self):
        return {"kept": self.kept}


class Names(list):
    pass


class Tagged(set):
    pass


class Node:
    def __init__(self, name):
        self.name = name
        self.links = []


@dataclass
class Record:
    a: int
    b: list = field(default_factory=list)


class Colour(Enum):
    RED = 1


class Bits(IntFlag):
    A = 1
    B = 2


def slots(a, b=None):
    item = Slots()
    item.a = a
    if b is not None:
        item.b = b
    return item


def adder(n):
    def add(x):
        return x + n

    return add


QUIET, LOUD = np.array([0x7FF8000000000000, 0x7FF8000000000001], "u8").view("f8").tolist()

DIFFERENT = [
    None, True, False, 1, 0, 1.0, -1, 0.0, -0.0, 1j, "1", b"1", bytearray(b"1"), "", b"", float("inf"),
    QUIET, LOUD,
    [], (), {}, set(), frozenset(), [1], (1,), {1}, frozenset({1}), {1: 1}, {1: 2}, {1.0: 1}, [[]], [()],
    [[], []],
    [1, 2], [2, 1], [12], ["ab", "c"], ["a", "bc"], [["a"], "b"], ["a", ["b"]], 2**100, -(2**100), range(3),
    range(4),
    [0.5] * 8, [0.5] * 9, tuple([0.5] * 9), [0.5] * 8 + [1], "x" * 2000, b"x" * 2000, "x" * 2001, Ellipsis,
    np.zeros(3), np.zeros(3, "f4"), np.zeros((3, 1)), np.zeros((1, 3)), np.zeros(4), np.ones(3),
    -np.zeros(3), [0.0] * 3,
    np.zeros(3, ">f8"), np.float64(1), np.float32(1), np.int64(1), np.array(1.0), np.zeros(0),
    np.zeros((0, 2)),
    np.array([1, "a", None], dtype=object), np.array([1.0, "a", None], dtype=object), np.array(["a"]),
    np.array(["b"]),
    np.zeros(2, "i4,f8"), np.zeros(2, [("x", "i4"), ("y", "f8")]), np.zeros(2, "M8[s]"),
    np.zeros(2, "M8[ms]"),
    np.ma.masked_array([1.0, 2.0], [False, True]), np.ma.masked_array([1.0, 2.0], [True, False]),
    np.array([1.0, 2.0]),
    np.ma.masked_array([1.0, 3.0], [False, True]), np.longdouble(1) / 3, np.longdouble(1 / 3),
    np.zeros(3).view(np.recarray),
    Plain(), Plain(a=1), Plain(a=1.0), Plain(a=1, b=1), Sibling(a=1), {"a": 1}, slots(1), slots(1, 2),
    slots(2, 1),
    Selective(1, 2), Selective(2, 2), Names(), Names([1]), Tagged([1]), Record(1), Record(1, [1]),
    Colour.RED, Bits.A, Bits.A | Bits.B,
    datetime.date(2020, 1, 1), datetime.datetime(2020, 1, 1), datetime.timedelta(1), Decimal("1.0"),
    Decimal("1.00"),
    Fraction(1, 3), UUID(int=1), PurePosixPath("a"), collections.OrderedDict(a=1), collections.Counter("a"),
    collections.deque([1]), collections.deque([1], 5), collections.defaultdict(list),
    collections.defaultdict(int),
    len, print, np.sum, int, float, Plain, re, re.compile("a"), re.compile("a", re.I), [].append, [1].append,
    adder(1), adder(2), lambda x: x + 1, lambda x: x + 2, lambda x, y=1: x, lambda x, y=2: x,
    functools.partial(int, base=2),
    random.Random(1), random.Random(2), np.random.default_rng(1), np.random.default_rng(2), np.dtype("f8"),
    np.dtype("f4"),
    threading.Lock(), sys.stdout, (n for n in ()), itertools.count(1), itertools.count(2), memoryview(b"1"),
    ValueError("a"),
]  # fmt: skip


def test_values_that_differ_in_anything_differ():
    digests = collections.defaultdict(list)
    for value in DIFFERENT:
        found = digest(value)
        assert len(found) == 16
        digests[found].append(value)
    assert [group for group in digests.values() if len(group) > 1] == []


@pytest.mark.parametrize(
    "value",
    [value for value in DIFFERENT if not isinstance(value, memoryview)],
    ids=lambda value: type(value).__name__,
)
def test_a_value_that_travelled_is_the_same(value):
    assert digest(value) == digest(value)
    try:
        travelled = pickle.loads(pickle.dumps(value, 5))
    except (TypeError, AttributeError, pickle.PicklingError, DeprecationWarning):
        return
    assert digest(travelled) == digest(value)


def test_order_counts_where_there_is_one():
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1})
    assert digest({1, "a", (2,), b"b"}) == digest({b"b", (2,), "a", 1})
    assert digest(Plain(a=1, b=2)) == digest(Plain(b=2, a=1))
    ordered = collections.OrderedDict
    assert digest(ordered(a=1, b=2)) != digest(ordered(b=2, a=1))


def test_sharing_is_not_part_of_a_value():
    inner = [1, Plain(a=1)]
    assert digest([inner, inner]) == digest([inner, copy.deepcopy(inner)])
    deep: object = [1]
    for _ in range(200):
        deep = [deep, deep]
    assert digest(deep) == digest(copy.deepcopy(deep))


def test_arrays_count_by_their_values_not_their_layout():
    array = np.arange(12.0).reshape(3, 4)
    assert digest(array) == digest(np.asfortranarray(array)) == digest(np.arange(24.0).reshape(3, 8)[:, ::2] / 2)
    assert digest(array[::-1, ::-1]) == digest(array[::-1, ::-1].copy())
    readonly = array.copy()
    readonly.flags.writeable = False
    assert digest(readonly) == digest(array)
    aligned = np.zeros(2, np.dtype("i1,f8", align=True))
    garbage = np.full(32, 7, "u1").view(aligned.dtype)
    garbage["f0"] = garbage["f1"] = 0
    assert digest(aligned) == digest(garbage)


def test_the_padding_of_long_doubles_does_not_count():
    values = np.array([1, -0.0, np.nan, np.inf], np.longdouble) / 3
    other = np.frombuffer(bytearray(b"\xab" * values.nbytes), np.longdouble).copy()
    other[:] = values
    assert digest(values) == digest(other)
    assert digest(values.astype(np.clongdouble)) == digest(other.astype(np.clongdouble))
    assert digest(np.longdouble("0.0")) != digest(np.longdouble("-0.0"))


def test_a_file_mapped_array_is_an_array(tmp_path):
    mapped = np.memmap(tmp_path / "data", dtype="f8", mode="w+", shape=3)
    mapped[:] = [1, 2, 3]
    assert digest(mapped) == digest(np.array([1.0, 2, 3]))


def test_state_changes_are_seen():
    for state, change in [
        (Plain(a=[1]), lambda s: s.a.append(2)),
        (Plain(a={"b": np.zeros(3)}), lambda s: s.a["b"].__setitem__(0, 1)),
        (slots([1]), lambda s: s.a.append(2)),
        (random.Random(1), lambda s: s.random()),
        (np.random.default_rng(1), lambda s: s.random()),
        (itertools.count(), next),
        (collections.deque([1]), lambda s: s.append(2)),
        (adder([1]), lambda s: s.__closure__[0].cell_contents.append(1)),
        (bytearray(b"a"), lambda s: s.append(1)),
        (Plain(a=Plain(a=Plain())), lambda s: setattr(s.a.a, "x", 1)),
    ]:
        before = digest(state)
        assert digest(state) == before
        change(state)
        assert digest(state) != before


def ring(names):
    nodes = [Node(name) for name in names]
    for i, node in enumerate(nodes):
        node.links += [nodes[i - 1], nodes[(i + 1) % len(nodes)]]
    return nodes[0]


def crowd(count, kind):
    nodes = [Node(i) for i in range(count)]
    for node in nodes:
        node.links = kind(nodes)
    return nodes


def test_circles_have_digests():
    loop: list[object] = [1]
    loop.append(loop)
    again: list[object] = [1]
    again.append(again)
    assert digest(loop) == digest(again) != digest([1, [1]])
    assert digest(ring("abc")) == digest(ring("abc")) == digest(copy.deepcopy(ring("abc")))
    assert digest(ring("abc")) != digest(ring("acb"))
    assert digest(crowd(100, list)) == digest(copy.deepcopy(crowd(100, list)))
    changed = crowd(100, list)
    changed[57].name = -1
    assert digest(changed) != digest(crowd(100, list))


def test_sets_in_circles_do_not_depend_on_their_order():
    def around(names):
        owner = Node("owner")
        owner.links = {Node(name) for name in names}
        for node in owner.links:
            node.links = {"owner": owner}
        return owner

    names = [str(n) for n in range(50)]
    assert len({digest(around(random.sample(names, 50))) for _ in range(5)}) == 1


def test_sets_that_are_too_tangled_say_so():
    nodes = crowd(12, set)
    with pytest.raises(WireError, match="use a list or a dict"):
        digest(nodes)


def test_nesting_may_be_deep():
    def nested(depth, inner):
        for _ in range(depth):
            inner = [inner]
        return inner

    assert digest(nested(100_000, 1)) == digest(nested(100_000, 1)) != digest(nested(100_000, 2))
    chain = Plain()
    for _ in range(5000):
        chain = Plain(next=chain)
    assert digest(chain) == digest(chain)


class Stubborn:
    def __reduce_ex__(self, protocol):
        raise NotImplementedError


def test_what_cannot_be_looked_into_counts_by_its_class():
    with open(os.devnull) as one, open(os.__file__) as other:  # noqa: PTH123
        assert digest(one) == digest(other)
    assert digest(Stubborn()) == digest(Stubborn())
    assert digest(Plain(a=threading.Lock(), b=1)) != digest(Plain(a=threading.Lock(), b=2))
    assert digest(itertools.cycle([1])) == digest(itertools.cycle([2]))


def test_a_dead_proxy_is_no_error():
    import weakref

    target = Plain()
    proxy = weakref.proxy(target)
    del target
    assert len(digest(proxy)) == 16


def test_functions_count_by_code_only_where_the_name_says_too_little():
    assert digest(ring) == digest(pickle.loads(pickle.dumps(ring)))
    assert digest(adder(1)) == digest(adder(1))

    def unbound():
        return later

    before = digest(unbound)
    later = 1
    assert digest(unbound) != before


def test_the_waveform_containers_of_seismology():
    obspy = pytest.importorskip("obspy")
    stats = {"network": "GE", "starttime": obspy.UTCDateTime(5), "mseed": {"x": 1}}
    stream = obspy.Stream([obspy.Trace(np.arange(5.0), stats) for _ in range(3)])
    assert digest(stream) == digest(stream.copy()) == digest(pickle.loads(pickle.dumps(stream)))
    changed = stream.copy()
    changed[1].stats.mseed.x = 2
    assert digest(changed) != digest(stream)
    changed = stream.copy()
    changed[2].data[4] = 0
    assert digest(changed) != digest(stream)


ITEMS = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3), st.binary(max_size=3),
        st.decimals(), st.fractions(), st.datetimes(), st.uuids(), st.complex_numbers(),
        st.lists(st.floats(), max_size=20).map(np.array), st.integers(0, 9).map(np.int16),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.text(max_size=2), inner, max_size=4),
        st.sets(st.one_of(st.integers(), st.text(max_size=2)), max_size=4),
        st.builds(Plain, a=inner, b=inner),
        st.builds(slots, inner),
        st.builds(Record, st.integers(), st.lists(inner, max_size=2)),
    ),
    max_leaves=10,
)  # fmt: skip


@given(ITEMS)
def test_any_value_that_travelled_is_the_same(value):
    assert digest(pickle.loads(pickle.dumps(value, 5))) == digest(value)
    assert digest([value, value]) == digest(pickle.loads(pickle.dumps([value, copy.deepcopy(value)], 5)))


@given(st.lists(ITEMS, min_size=2, max_size=20))
def test_one_digest_is_one_value(values):
    accounts = [repr_of(value) for value in values]
    digests = [digest(value) for value in values]
    for i, a in enumerate(digests):
        for j, b in enumerate(digests[:i]):
            assert (a == b) == (accounts[i] == accounts[j])


def repr_of(value):
    """An independent, slower account of a value: types, and floats by their bits."""
    if isinstance(value, float):
        return struct.pack("<d", value)
    if isinstance(value, complex):
        return complex, repr_of(value.real), repr_of(value.imag)
    if isinstance(value, list | tuple):
        return type(value), [repr_of(member) for member in value]
    if isinstance(value, dict):
        return sorted(((key, repr_of(member)) for key, member in value.items()), key=lambda pair: pair[0])
    if isinstance(value, Plain | Record):
        return type(value), repr_of(vars(value))
    if isinstance(value, Slots):
        return Slots, [(name, repr_of(getattr(value, name, ...))) for name in ("a", "b")]
    if isinstance(value, set):
        return set, sorted(map(repr, value))
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    return type(value), repr(value)


@pytest.mark.parametrize("seed", ["0", "77"])
def test_digests_do_not_depend_on_the_hash_seed(seed):
    value = "{'a': {'x', 'y', 'z', (1, 'w')}, 'b': [1.5, None, b'q', frozenset('abc')]}"
    program = f"from d4py_adaptive.dataflow.digest import digest\nimport sys\nsys.stdout.write(digest({value}).hex())\n"
    environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
    out = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert out.stdout == digest(eval(value)).hex()


def test_that_somebody_looked_at_an_exception_does_not_count():
    seen, unseen = ValueError("an item"), ValueError("an item")
    assert seen.__dict__ == {}  # from now on it has a state when it is pickled
    assert digest(seen) == digest(unseen)
