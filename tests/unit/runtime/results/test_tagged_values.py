"""Items to JSON and back: nothing is lost, whatever an item is made of."""

import json
import tempfile
import threading
import uuid
from collections import Counter, OrderedDict, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from datetime import time as time_of_day
from decimal import Decimal
from enum import Enum, Flag, IntEnum
from pathlib import Path, PosixPath, PureWindowsPath
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from d4py_adaptive.dataflow.digest import digest
from d4py_adaptive.errors import InputError, WireError
from d4py_adaptive.runtime.results.writing import open_results, read_results


@dataclass(frozen=True, slots=True)
class Pick:
    time: float
    place: tuple[int, int]
    station: str = "ABC"


@dataclass
class Window:
    samples: np.ndarray
    notes: dict[str, Any] = field(default_factory=dict)


@dataclass
class Careful:
    """Leaves out, when pickled, what cannot be."""

    number: int
    lock: Any = field(default_factory=threading.Lock)

    def __getstate__(self) -> dict[str, Any]:
        return {"number": self.number}


class Slotted:
    __slots__ = ("extra",)


@dataclass(slots=True)
class More(Slotted):
    number: int


@dataclass
class Strict:
    number: int

    @property  # type: ignore[no-redef]
    def number(self) -> int:
        if "kept" in vars(self):
            raise RuntimeError("not now")
        return 0

    @number.setter
    def number(self, value: int) -> None:
        self.kept = value


class Pair(NamedTuple):
    left: int
    right: list[int]


class Phase(Enum):
    P = "p"
    PRIMARY = "p"  # noqa: PIE796 - a second name of the same
    S = "s"


class Level(IntEnum):
    HIGH = 3


class Side(Flag):
    NORTH = 1
    EAST = 2


class Model:
    def __init__(self, weights: Any) -> None:
        self.weights = weights

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Model) and digest(self.weights) == digest(other.weights)


class LoudList(list):  # type: ignore[type-arg]
    pass


def written(folder: Path, *items: object) -> list[Any]:
    """The lines of a file, as any reader of JSON sees them."""
    with open_results(folder / "r") as results:
        for item in items:
            results.write("A", "out", item)

    def refuse(text: str) -> None:
        raise AssertionError(f"{text} is no JSON")

    lines = (folder / "r" / "A.out.jsonl").read_text(errors="surrogateescape").splitlines()
    return [json.loads(line, parse_constant=refuse) for line in lines]


def there_and_back(item: object, allow_pickle: bool = True) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        found = []
        for place in (f"{folder}/r.jsonl", f"{folder}/r/"):
            with open_results(place) as results:
                results.write("A", "out", item)
            outputs = read_results(place, allow_pickle)
            assert list(outputs) == ["A"]
            (again,) = outputs["A"]["out"]
            found.append(again)
    assert digest(found[0]) == digest(found[1])
    return found[0]


def as_read(value: Any) -> Any:
    """What comes back: tuples as lists, but not in keys and sets; one NaN; plain numbers for NumPy's."""
    if isinstance(value, list | tuple):
        return [as_read(member) for member in value]
    if isinstance(value, defaultdict):
        return defaultdict(value.default_factory, {one_nan(k): as_read(v) for k, v in value.items()})
    if isinstance(value, dict):
        return type(value)({one_nan(k): as_read(v) for k, v in value.items()})
    return one_nan(value)


def one_nan(value: Any) -> Any:
    if isinstance(value, float):
        return float("nan") if value != value else value
    if isinstance(value, complex):
        return complex(one_nan(value.real), one_nan(value.imag))
    if isinstance(value, tuple | set | frozenset):
        return type(value)([one_nan(member) for member in value])
    return value


hashable_leaves = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-(2**200), 2**200), st.floats(), st.complex_numbers(),
    st.text(), st.sampled_from(["$set", "$", "\udc80 half", "\u2028", "é", "\n"]), st.binary(),
    st.decimals().filter(lambda number: not number.is_snan()),
    st.fractions(), st.uuids(), st.dates(), st.times(), st.timedeltas(),
    st.datetimes(timezones=st.sampled_from([None, UTC, timezone(timedelta(hours=-5, seconds=3))])),
    st.sampled_from([PosixPath("a/b"), PosixPath("/"), Phase.S, Side.EAST, Level.HIGH]),
)  # fmt: skip
hashables = st.recursive(
    hashable_leaves,
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.frozensets(inner, max_size=3),
    max_leaves=4,
)
arrays = hnp.arrays(
    dtype=hnp.scalar_dtypes() | hnp.byte_string_dtypes() | hnp.array_dtypes(hnp.integer_dtypes()),
    shape=hnp.array_shapes(max_side=3, min_side=0),
)
leaves = hashables | arrays | st.binary().map(bytearray) | st.sets(hashables, max_size=3)
values = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.text(max_size=3), inner, max_size=3),
        st.dictionaries(hashables, inner, max_size=3),
        st.dictionaries(hashables, inner, max_size=3).map(OrderedDict),
        st.dictionaries(hashables, inner, max_size=3).map(lambda content: defaultdict(list, content)),
    ),
    max_leaves=8,
)


@settings(
    max_examples=150,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(values)
def test_what_is_written_comes_back(item: Any) -> None:
    assert digest(there_and_back(item)) == digest(as_read(item))


# What JSON can say stands there as it is.


@pytest.mark.parametrize(
    "item",
    [None, True, 0, -1, 1.5, -0.0, 2**63, "", "é", [], {}, [1, [2, {"a": [None]}]], {"time": 3.5, "station": "ABC"}],
)
def test_plain_data_is_plain_json(tmp_path: Path, item: object) -> None:
    assert written(tmp_path, item) == [item]
    assert digest(there_and_back(item, allow_pickle=False)) == digest(item)


@pytest.mark.parametrize(
    ("item", "line"),
    [
        (("word", 3), ["word", 3]),
        (np.float32(0.5), 0.5),
        (np.int64(7), 7),
        (np.bool_(True), True),
        (np.str_("a"), "a"),
        (np.array(2.5), 2.5),
        (float("nan"), {"$float": "nan"}),
        (float("-inf"), {"$float": "-inf"}),
        (2**64, {"$int": "0x10000000000000000"}),
        ({1: "a"}, {"$dict": [[1, "a"]]}),
        ({"$set": [1]}, {"$dict": [["$set", [1]]]}),
        ({(1, 2): 3}, {"$dict": [[{"$tuple": [1, 2]}, 3]]}),
        (b"abc", {"$bytes": "YWJj"}),
        (Decimal("1.10"), {"$decimal": "1.10"}),
        (Counter("aab"), {"$Counter": {"a": 2, "b": 1}}),
        (defaultdict(int, a=1), {"$defaultdict": {"a": 1}, "factory": "int"}),
        (datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC), {"$datetime": "2024-05-06T07:08:09+00:00"}),
        (np.datetime64("2024-05-06T07:08:09.000000001"),
         {"$datetime64": "2024-05-06T07:08:09.000000001", "dtype": "<M8[ns]"}),
        (np.timedelta64(5, "ms"), {"$timedelta64": 5, "dtype": "<m8[ms]"}),
        (Phase.PRIMARY, {"$enum": f"{__name__}:Phase", "name": "P"}),
        (Pick(1.5, (1, 2)), {"$object": f"{__name__}:Pick",
                             "fields": {"time": 1.5, "place": {"$tuple": [1, 2]}, "station": "ABC"}}),
        (Pair(1, [2]), {"$object": f"{__name__}:Pair", "fields": {"left": 1, "right": [2]}}),
    ],
)  # fmt: skip
def test_what_stands_in_the_line(tmp_path: Path, item: object, line: object) -> None:
    assert written(tmp_path, item) == [line]


def test_a_number_too_long_for_python_to_print(tmp_path: Path) -> None:
    assert there_and_back(-(10**5000)) == -(10**5000)


def test_text_is_readable_in_the_file(tmp_path: Path) -> None:
    written(tmp_path, {"ort": "Zürich"})
    assert "Zürich" in (tmp_path / "r" / "A.out.jsonl").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "item",
    [
        datetime(2024, 10, 27, 2, 30, tzinfo=ZoneInfo("Europe/Rome"), fold=1),
        datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=1), "MEZ")),
        time_of_day(3, tzinfo=UTC),
        PureWindowsPath("c:\\a"),
        Side.NORTH | Side.EAST,
        defaultdict(lambda: 3, a=1),
        LoudList([1]),
        Model(np.arange(3.0)),
        {"a": Model(np.arange(10_000.0))},
        np.array([1, "a", None], dtype=object),
        np.arange(4.0).reshape(2, 2).view(np.matrix),
        np.ma.masked_array(np.arange(4.0).reshape(2, 2).view(np.matrix), mask=True),
        np.rec.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
        np.ma.masked,
        range(3),
        uuid.UUID,
    ],
    ids=lambda item: type(item).__name__,
)
def test_anything_else_is_pickled(item: Any) -> None:
    assert digest(there_and_back(item)) == digest(item)
    with pytest.raises(InputError, match=r"line 1: this is an object of the class .*allow_pickle=True"):
        there_and_back(item, allow_pickle=False)


def test_objects_come_back_only_where_that_is_trusted() -> None:
    for item in (Pick(1.5, (1, 2)), Pair(1, [2]), Phase.S, Level.HIGH):
        again = there_and_back({"it": item})["it"]
        assert (type(again), again) == (type(item), item)
        with pytest.raises(InputError, match="allow_pickle=True"):
            there_and_back(item, allow_pickle=False)


def test_arrays_in_a_dataclass_have_files_of_their_own(tmp_path: Path) -> None:
    (line,) = written(tmp_path, Window(np.arange(3.0), {"rate": 100}))
    reference = line["fields"]["samples"]
    assert reference == {"$npy": "A.out.files/000001.npy", "shape": [3], "dtype": "<f8"}
    again = read_results(tmp_path / "r", allow_pickle=True)["A"]["out"][0]
    assert digest(again) == digest(Window(np.arange(3.0), {"rate": 100}))


def test_a_class_may_say_itself_what_of_it_is_kept() -> None:
    again = there_and_back(Careful(5))
    assert vars(again) == {"number": 5}


def test_a_dataclass_that_holds_more_than_its_fields_is_pickled(tmp_path: Path) -> None:
    window = Window(np.arange(1.0))
    window.later = "added"  # type: ignore[attr-defined]
    assert list(written(tmp_path, window)[0]) == ["$pickle", "type"]
    assert there_and_back(window).later == "added"


def test_a_dataclass_whose_fields_do_not_tell_all_is_pickled(tmp_path: Path) -> None:
    more, whole, unset = More(1), More(2), Window(np.arange(1.0))
    more.extra = "added"
    del unset.notes
    lines = written(tmp_path, more, whole, unset, Strict(3))
    assert [next(iter(line)) for line in lines] == ["$pickle", "$object", "$pickle", "$pickle"]
    items = read_results(tmp_path / "r", allow_pickle=True)["A"]["out"]
    assert items[0].extra == "added"
    assert (items[1], vars(items[3])) == (More(2), {"kept": 3})
    assert list(vars(items[2])) == ["samples"]


def test_classes_of_one_place_are_kept_whole() -> None:
    @dataclass
    class Inner:
        number: int

    again = there_and_back([Inner(3), lambda number: number + 1])
    assert again[0].number == 3
    assert again[1](4) == 5


def test_what_contains_itself_is_pickled() -> None:
    item: dict[str, Any] = {"a": 1}
    item["self"] = item
    again = there_and_back(item)
    assert again["self"] is again


def test_a_large_pickle_has_a_file_of_its_own(tmp_path: Path) -> None:
    small, large = written(tmp_path, Model(1), Model(list(range(5000))))
    assert list(small) == ["$pickle", "type"]
    assert large == {"$pickle_file": "A.out.files/000001.pickle", "type": f"{__name__}:Model"}


# Arrays.


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6.0).reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(10)[::3],
        np.zeros((0, 3), dtype=">f4"),
        np.array(["a", "äöü"]),
        np.array([b"a", b"bc"]),
        np.array(["2024-01-01", "NaT"], dtype="M8[25s]"),
        np.array([1, 2], dtype=np.longdouble) / 3,
        np.array([(1, (2.0, 3.0), "x")], dtype=[("a", "i4"), ("größe", "2f8"), ("c", "U3")]),
        np.array([(1, 2)], dtype=np.dtype({"names": ["a", "b"], "formats": ["i4", "i4"], "offsets": [0, 8]})),
        np.zeros(2, dtype=[(f"field number {i}", "f8") for i in range(3000)]),
        np.array([float("nan"), -0.0]),
    ],
    ids=lambda array: f"{array.dtype.kind}{array.shape}",
)
def test_an_array_is_a_npy_file(tmp_path: Path, array: Any) -> None:
    (line,) = written(tmp_path, {"trace": array})
    assert line["trace"]["$npy"] == "A.out.files/000001.npy"
    assert line["trace"]["shape"] == list(array.shape)
    loaded = np.load(tmp_path / "r" / line["trace"]["$npy"], max_header_size=10**6)
    assert (loaded.dtype, loaded.tobytes()) == (array.dtype, array.tobytes())
    again = there_and_back(array, allow_pickle=False)
    assert digest(again) == digest(array)
    assert again.flags.writeable
    assert again.flags.f_contiguous == loaded.flags.f_contiguous


@pytest.mark.parametrize(
    "dtype",
    [
        np.dtype("f8", metadata={"unit": "m"}),
        np.dtype([("a", np.dtype("f8", metadata={"unit": "m"}))]),
        np.dtype({"names": ["a", "b"], "formats": ["i4", "i2"], "offsets": [0, 2]}),
        *([np.dtypes.StringDType()] if hasattr(np.dtypes, "StringDType") else []),  # from NumPy 2 on
    ],
    ids=repr,
)
def test_an_array_that_npy_cannot_keep_whole_is_pickled(tmp_path: Path, dtype: Any) -> None:
    array = np.zeros(2, dtype)
    (line,) = written(tmp_path, array)
    assert list(line) == ["$pickle", "type"]
    again = there_and_back(array)
    assert again.dtype == array.dtype
    assert again.tolist() == array.tolist()
    assert not array.dtype.metadata or again.dtype.metadata == array.dtype.metadata


@pytest.mark.parametrize(
    "scalar",
    [
        np.longdouble(1) / 3,
        np.clongdouble(1j) / 3,
        np.zeros(1, dtype=[("a", "i4"), ("b", "f8")])[0],
        np.datetime64("NaT", "D"),
        np.datetime64(2**62, "Y"),
        np.array(1720172530399113302).view("M8[7Y]")[()],  # whose text is another moment's
        np.datetime64("-0044-03-15"),
        np.timedelta64("NaT", "s"),
        np.timedelta64(3, "25s"),
    ],
    ids=lambda scalar: scalar.dtype.str,
)
def test_scalars_that_are_no_plain_numbers(scalar: Any) -> None:
    again = there_and_back(scalar, allow_pickle=False)
    assert type(again) is type(scalar)
    assert digest(again) == digest(scalar)


@pytest.mark.parametrize(
    "array",
    [
        np.ma.masked_array([1.5, 2.5, 3.5], [0, 1, 0], fill_value=-1),
        np.ma.masked_array([1, 2]),
        np.ma.masked_array([[1, 2], [3, 4]], mask=True, hard_mask=True),
        np.ma.masked_array(np.float32(2), mask=True),
        np.ma.masked_array(["a", "b"], [1, 0]),
        np.ma.masked_array(["a", "b"], [1, 0], fill_value="x"),
        np.ma.masked_array([(1, 2.0)], mask=[(1, 0)], dtype=[("a", "i4"), ("b", "f8")]),
        np.ma.masked_array([((1, 2),)], mask=[((1, 0),)], dtype=[("a", "2f8")]),
        np.ma.masked_array(np.array(["2024-01-01"], "M8[s]"), [1]),
        np.ma.masked_array(np.array([1, "a"], object), [1, 0]),
    ],
    ids=lambda array: f"{array.dtype.kind}{array.shape}",
)
def test_a_masked_array_keeps_what_is_under_its_mask(array: Any) -> None:
    again = there_and_back(array)
    assert type(again) is np.ma.MaskedArray
    assert again.dtype == array.dtype
    assert again.shape == array.shape
    assert digest(again.data) == digest(array.data)
    assert digest(np.ma.getmaskarray(again)) == digest(np.ma.getmaskarray(array))
    assert (again.mask is np.ma.nomask) == (array.mask is np.ma.nomask)
    assert str(again.fill_value) == str(array.fill_value)
    assert again.hardmask == array.hardmask


def test_a_mapped_array_is_an_array(tmp_path: Path) -> None:
    mapped = np.memmap(tmp_path / "raw", dtype="i4", mode="w+", shape=3)
    mapped[:] = 7
    again = there_and_back(mapped, allow_pickle=False)
    assert type(again) is np.ndarray
    assert again.tolist() == [7, 7, 7]
    del mapped


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_seismograms() -> None:
    obspy = pytest.importorskip("obspy")
    moment = obspy.UTCDateTime(ns=1_700_000_000_123_456_789, precision=9)
    again = there_and_back(moment, allow_pickle=False)
    assert (again.ns, again.precision) == (moment.ns, 9)
    far = obspy.UTCDateTime(ns=10**30)
    assert there_and_back(far).ns == far.ns
    trace = obspy.Trace(np.arange(5000.0), {"station": "ABC", "starttime": moment})
    for item in (trace, obspy.Stream([trace])):
        assert there_and_back(item) == item


# What cannot be written.


def test_what_cannot_be_kept_in_any_way_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "text").touch()
    with (tmp_path / "text").open() as text, (tmp_path / "raw").open("wb") as raw:
        for number, (item, kind, cause) in enumerate([
            (text, "TextIOWrapper", "an open file"),
            ({"a": [raw]}, "dict", "BufferedWriter"),
            ((number for number in ()), "generator", "generator"),
            (threading.Lock(), "lock", "cannot pickle"),
        ]):  # fmt: skip
            with open_results(tmp_path / f"{number}.jsonl") as results:
                results.write("A", "out", 1)
                with pytest.raises(WireError) as caught:
                    results.write("Pick1", "best", item)
                results._error = None
            message = str(caught.value)
            assert f"Pick1.best gave an item of type {kind} that cannot be: " in message
            assert cause in message
            assert read_results(tmp_path / f"{number}.jsonl") == {"A": {"out": [1]}}


def test_an_object_that_fails_in_its_own_way(tmp_path: Path) -> None:
    class Stubborn:
        def __reduce_ex__(self, protocol: Any) -> Any:
            raise ZeroDivisionError("no")

    with pytest.raises(WireError, match="Stubborn: ZeroDivisionError: no"), open_results(tmp_path / "r") as results:
        results.write("A", "out", Stubborn())
