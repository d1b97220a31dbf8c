"""Group-by keys: what is equal in Python meets in one instance, everywhere."""

import os
import subprocess
import sys
from collections import OrderedDict, defaultdict, namedtuple
from dataclasses import dataclass, field, make_dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, Flag, IntEnum, IntFlag, StrEnum
from fractions import Fraction
from pathlib import Path, PurePosixPath, PureWindowsPath
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from d4py_adaptive.dataflow.canonical import digest, stable_hash
from d4py_adaptive.errors import WorkflowError


class Colour(Enum):
    RED = 1
    CRIMSON = 1  # noqa: PIE796 - an alias is the same member
    BLUE = 2


class Level(IntEnum):
    ONE = 1


class Text(StrEnum):
    A = "a"


class OldText(str, Enum):  # noqa: UP042 - people have these
    A = "a"


class Bits(IntFlag):
    ONE = 1


class Access(Flag):
    READ = 1
    WRITE = 2


Pair = namedtuple("Pair", "x y")


@dataclass(frozen=True)
class Station:
    network: str
    number: float
    note: object = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Slotted:
    network: str


PARIS, LONDON = ZoneInfo("Europe/Paris"), ZoneInfo("Europe/London")

EQUAL = [
    [
        1, 1.0, True, 1 + 0j, Fraction(1), Decimal(1), Decimal("1.00"), Level.ONE, Bits.ONE,
        np.int8(1), np.uint64(1), np.int64(1), np.longlong(1), np.float16(1), np.float32(1), np.float64(1),
        np.longdouble(1), np.complex64(1), np.clongdouble(1), np.True_,
        np.array(1), np.array(1.0), np.array(1, dtype=object),
    ],
    [0, 0.0, -0.0, False, 0j, complex(-0.0, -0.0), Fraction(0), Decimal("-0"), np.float32(-0.0), np.False_],
    [0.1, np.float64(0.1), Fraction(0.1), Decimal.from_float(0.1), np.longdouble(0.1)],
    [2**64, 2.0**64, np.float64(2.0**64), Decimal(2**64)],
    [-(2**200), -(2.0**200), Fraction(-(2**200))],
    [10**400, Decimal(10) ** 400, Decimal("1E+400")],
    [Decimal("1E+999999"), Decimal("10E+999998")],
    [Fraction(1, 3), Fraction(2, 6)],
    [5e-324, Fraction(5e-324), Decimal.from_float(5e-324)],
    [float("nan"), -float("nan"), np.float32("nan"), np.longdouble("nan"), complex("nan"), Decimal("nan"),
     Decimal("sNaN")],
    [float("inf"), np.float16("inf"), Decimal("inf"), complex(float("inf"), 0), np.longdouble("inf")],
    [float("-inf"), np.float16("-inf"), Decimal("-inf")],
    [1 + 2j, np.complex128(1 + 2j), np.complex64(1 + 2j)],
    ["a", np.str_("a"), Text.A, OldText.A, np.array("a")],
    [b"a", bytearray(b"a"), np.bytes_(b"a"), memoryview(b"a")],
    [(1, "a"), (1.0, np.str_("a")), Pair(1, "a"), [True, "a"]],
    [(), []],
    [{1, 2, 3}, frozenset({3.0, 2.0, 1.0})],
    [{"a": 1, "b": 2}, OrderedDict(b=2.0, a=1), defaultdict(int, {"b": 2, "a": 1})],
    [
        datetime(2020, 6, 1, 12, tzinfo=UTC), datetime(2020, 6, 1, 14, tzinfo=PARIS),
        datetime(2020, 6, 1, 13, tzinfo=timezone(timedelta(hours=1))),
        datetime(2020, 6, 1, 13, tzinfo=LONDON),
    ],
    [datetime(2020, 10, 25, 2, 30, tzinfo=PARIS), datetime(2020, 10, 25, 2, 30, tzinfo=PARIS, fold=1)],
    [datetime(2020, 1, 1), np.datetime64("2020-01-01"), np.datetime64("2020"), np.datetime64("2020", "ns")],
    [datetime(1969, 12, 31, 23, 59, 59, 1), np.datetime64("1969-12-31T23:59:59.000001")],
    [np.datetime64("-10000-03"), np.datetime64("-10000-03-01", "h")],
    [timedelta(7), np.timedelta64(1, "W"), np.timedelta64(7, "D"), np.timedelta64(7 * 86400, "s")],
    [timedelta(microseconds=-1), np.timedelta64(-1, "us"), np.timedelta64(-1000, "ns")],
    [np.timedelta64(1, "Y"), np.timedelta64(12, "M")],
    [time(12, tzinfo=UTC), time(13, tzinfo=timezone(timedelta(hours=1)))],
    [time(0, 30, tzinfo=timezone(timedelta(hours=1))), time(0, 0, tzinfo=timezone(timedelta(minutes=30)))],
    [Path("a/b"), PurePosixPath("a//b")],
    [PureWindowsPath("C:/A"), PureWindowsPath("c:\\a")],
    [Colour.RED, Colour.CRIMSON],
    [Access.READ | Access.WRITE, Access.WRITE | Access.READ],
    [Station("GE", 1), Station("GE", 1.0, note=[])],
    [UUID(int=5), UUID("00000000-0000-0000-0000-000000000005")],
]  # fmt: skip

DIFFERENT = [
    None, 1, "1", b"1", (1,), ("1",), frozenset({1}), 1.5, 1 + 1j, "", b"", (), frozenset(), "None", (None,),
    ("ab", "c"), ("a", "bc"), ("abc",), (("a",), "b"), ("a", ("b",)), ((),), ((), ()), (1, 2), (2, 1),
    date(2020, 1, 1), datetime(2020, 1, 1), datetime(2020, 1, 1, tzinfo=UTC), time(0), time(0, tzinfo=UTC),
    timedelta(1), 86400, UUID(int=1), Path("1"), PureWindowsPath("1"), Colour.RED, Colour.BLUE,
    Access.READ, Access.WRITE, Station("GE", 1), Station("GE", 2), Slotted("GE"), {"a": 1}, {"a": "1"},
    np.float32(0.1), 0.1, np.datetime64("NaT", "s"), np.timedelta64("NaT", "s"), float("nan"), float("inf"),
    float("-inf"), "\ud800", -1, 2**126, 2**127, 2**128, 2.0**254, 1e300, "é", "e\u0301",
]  # fmt: skip


@pytest.mark.parametrize("keys", EQUAL, ids=lambda keys: repr(keys[0])[:40])
def test_equal_keys_share_one_number(keys):
    assert len({stable_hash(key) for key in keys}) == 1
    assert len({stable_hash((key, "x")) for key in keys}) == 1


def test_keys_of_different_kinds_are_not_confused():
    numbers = [stable_hash(key) for key in DIFFERENT]
    assert len(set(numbers)) == len(DIFFERENT)
    assert all(0 <= number < 2**64 for number in numbers)


GOLDEN = {
    "'STA01'": 9518818480638931851,
    "('GE', 3)": 14165811136728799459,
    "-1.5": 14240798806278616489,
    "None": 15140417470076621291,
    "frozenset({'a', 'b', 'c'})": 18429318610235726379,
    "{'x': 1, 'y': (2, b'z')}": 1064801356576589116,
    "2**70": 14100244787953073625,
    "datetime.datetime(2020, 1, 1)": 17196634116576295738,
}


def test_numbers_are_fixed_for_ever():
    names = {"datetime": sys.modules["datetime"]}
    assert {text: stable_hash(eval(text, names)) for text in GOLDEN} == GOLDEN


@pytest.mark.parametrize("seed", ["0", "1", "4242", "random"])
def test_numbers_do_not_depend_on_the_hash_seed(seed):
    program = (
        "import datetime, sys\n"
        "from d4py_adaptive.dataflow.canonical import stable_hash\n"
        f"for text in {list(GOLDEN)!r}:\n"
        "    sys.stdout.write(f'{stable_hash(eval(text))}\\n')\n"
        "assert 'numpy' not in sys.modules\n"
    )
    environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
    out = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert [int(line) for line in out.stdout.split()] == list(GOLDEN.values())


class Own:
    pass


class Loud(str):
    def __eq__(self, other):
        return str.lower(self) == str.lower(other)

    def __hash__(self):
        return hash(str.lower(self))


@dataclass(frozen=True)
class Careless:
    name: str

    def __eq__(self, other):
        return True

    def __hash__(self):
        return 0


@dataclass
class Mutable:
    name: str


@pytest.mark.parametrize(
    ("key", "says"),
    [
        (object(), "got a object"),
        (Own(), "got a Own; group by str"),
        (Loud("A"), "got a Loud"),
        (Careless("a"), "without an __eq__"),
        (Mutable("a"), r"@dataclass\(frozen=True\)"),
        (np.zeros(2), "tolist"),
        (np.ma.masked, "got a MaskedConstant"),
        (np.zeros(1, dtype="i4,f8")[0], "got a void"),
        (lambda: 1, "got a function"),
        (int, "got a type"),
        (iter(()), "iterator"),
        (range(3), "got a range"),
        (..., "ellipsis"),
        ((1, [2, {3: Own()}]), "got a Own"),
        (memoryview(np.zeros(2)), "memoryview"),
        (Station("GE", Own()), "got a Own"),
    ],
)
def test_other_keys_are_refused_with_a_fix(key, says):
    with pytest.raises(WorkflowError, match=says) as caught:
        stable_hash(key)
    assert "group-by key must be" in str(caught.value)


def test_keys_that_are_too_deep_or_circular_are_refused():
    deep: object = ()
    for _ in range(100_000):
        deep = (deep,)
    circular: list[object] = []
    circular.append(circular)
    for key in (deep, circular):
        with pytest.raises(WorkflowError, match="nested"):
            stable_hash(key)


def test_a_record_is_known_by_its_class_name_and_compared_fields():
    other = make_dataclass("Other", [("network", str), ("number", float)], frozen=True)
    assert stable_hash(Station("GE", 1)) != stable_hash(other("GE", 1))


def test_long_texts_are_hashed_but_not_remembered():
    before = stable_hash("x" * 1000)
    assert before == stable_hash("x" * 1000) != stable_hash("x" * 1001)


def test_a_fraction_whose_denominator_has_no_inverse_is_a_key():
    prime = 2**128 - 159
    assert stable_hash(Fraction(1, prime)) == stable_hash(Fraction(1, prime))


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.integers(),
    st.floats(),
    st.floats(width=16),
    st.integers(-3, 3).map(float),
    st.complex_numbers(max_magnitude=2),
    st.fractions(),
    st.decimals(),
    st.integers(-3, 3).map(Decimal),
    st.sampled_from(["a", "b", "A", ""]),
    st.text(max_size=3),
    st.sampled_from(["a", "b"]).map(np.str_),
    st.binary(max_size=2),
    st.integers(-3, 3).map(np.int64),
    st.integers(-3, 3).map(np.float32),
    st.floats(width=32).map(np.float32),
    st.floats(width=16).map(np.float16),
    st.floats().map(np.longdouble),
    st.booleans().map(np.bool_),
    st.dates(date(2020, 1, 1), date(2020, 1, 3)),
    st.datetimes(datetime(2020, 1, 1), datetime(2020, 1, 1, 0, 0, 1)),
    st.datetimes(
        datetime(2020, 3, 29), datetime(2020, 3, 29, 5), timezones=st.sampled_from([UTC, PARIS, LONDON])
    ),
    st.sampled_from([np.datetime64("2020-01-01", unit) for unit in ("D", "h", "s", "ns")]),
    st.timedeltas(timedelta(0), timedelta(0, 0, 5)),
    st.integers(0, 5000).map(lambda n: np.timedelta64(n, "ns")),
    st.integers(0, 5).map(lambda n: np.timedelta64(n, "us")),
    st.times(timezones=st.sampled_from([None, UTC])),
    st.uuids(),
    st.sampled_from([Path("a"), PurePosixPath("a"), PureWindowsPath("A"), PureWindowsPath("a")]),
    st.sampled_from([*Colour, *Level, *Text, *OldText, *Access, *Bits]),
    st.builds(Station, st.sampled_from(["a", "b"]), st.sampled_from([1, 1.0, True, 2])),
)  # fmt: skip


def _as_set(members):
    try:
        return frozenset(members)
    except TypeError:  # an integer of numpy's and a Decimal that are equal cannot be compared
        return None


def _is_set(members):
    return members is not None


KEYS = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(tuple),
        st.lists(inner.filter(lambda key: _same_key(key, key)), max_size=3).map(_as_set).filter(_is_set),
        st.builds(Pair, inner, inner),
    ),
    max_leaves=5,
)


@np.errstate(all="ignore")
def _same_key(a, b):
    kinds = (timedelta, np.timedelta64)
    if isinstance(a, kinds) != isinstance(b, kinds):
        return False  # numpy 1 has 5 s == 5 == 5 ms, though not 5 s == 5 ms
    try:
        return bool(a == b) and hash(a) == hash(b)
    except (TypeError, ValueError, ArithmeticError, DeprecationWarning):  # numpy refuses some of them
        return False


@given(KEYS, KEYS)
def test_what_python_takes_for_one_key_has_one_number(a, b):
    if _same_key(a, b):
        assert stable_hash(a) == stable_hash(b)


@given(st.lists(SCALARS, min_size=2, max_size=40))
def test_what_python_takes_for_one_key_has_one_number_in_a_crowd(keys):
    for i, a in enumerate(keys):
        for b in keys[:i]:
            if _same_key(a, b):
                assert stable_hash(a) == stable_hash(b), (a, b)


@given(st.one_of(st.integers(), st.floats(), st.fractions(), st.integers(-(2**70), 2**70).map(float)))
def test_numbers_of_one_value_have_one_number(number):
    others = [np.float64(number)] if isinstance(number, float) else []
    if number == number and abs(number) != float("inf"):
        others += [Fraction(number), complex(number)] if isinstance(number, float) else [Fraction(number)]
        if not isinstance(number, Fraction):
            others.append(Decimal(number))
    for other in others:
        assert stable_hash(number) == stable_hash(other)


@given(st.lists(st.text(max_size=4), max_size=4), st.lists(st.text(max_size=4), max_size=4))
def test_tuples_of_texts_do_not_run_together(a, b):
    assert (stable_hash(tuple(a)) == stable_hash(tuple(b))) == (a == b)


def test_digest_is_at_hand_here_too():
    assert digest(1) != digest(1.0)
