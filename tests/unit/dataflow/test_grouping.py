"""The four groupings, and dispel4py's notation for them."""

from collections import Counter
from typing import Any

import numpy as np
import pytest

from d4py_adaptive.dataflow.grouping import AllToOne, GroupBy, OneToAll, Shuffle, parse_grouping
from d4py_adaptive.errors import WorkflowError


@pytest.mark.parametrize(
    ("notation", "grouping"),
    [
        (None, Shuffle()),
        ("shuffle", Shuffle()),
        ("all", OneToAll()),
        ("global", AllToOne()),
        ([0], GroupBy((0,))),
        ((0, 2), GroupBy((0, 2))),
        (["id"], GroupBy(("id",))),
    ],
)
def test_the_notation_of_dispel4py(notation: object, grouping: object) -> None:
    assert parse_grouping(notation, "PE1.input") == grouping


@pytest.mark.parametrize(
    ("notation", "hint"),
    [
        ("id", "; did you mean a list, ['id']?"),
        (0, "; did you mean a list, [0]?"),
        ([], ""),
        ({}, ""),
        (1.5, ""),
    ],
)
def test_another_notation_is_refused(notation: object, hint: str) -> None:
    with pytest.raises(WorkflowError) as caught:
        parse_grouping(notation, "PE1.input")
    assert str(caught.value) == (
        f"PE1.input: a grouping is None, 'all', 'global' or a list of keys; got {notation!r}{hint}"
    )


@pytest.mark.parametrize(
    "equal",
    [
        (1, 1.0, True, np.int64(1), np.float32(1)),
        (0.0, -0.0, 0, False),
        ("a", np.str_("a")),
    ],
)
def test_equal_keys_meet_in_one_instance(equal: tuple[Any, ...]) -> None:
    group = GroupBy((0,))
    for count in (2, 3, 7, 64):
        assert len({group.instance((key, "rest"), count) for key in equal}) == 1


def test_only_the_keys_decide() -> None:
    group = GroupBy(("station", "channel"))
    items = [{"station": "AQU", "channel": "HHZ", "sample": sample} for sample in range(50)]
    assert len({group.instance(item, 8) for item in items}) == 1


def test_keys_are_spread_over_the_instances() -> None:
    group = GroupBy((0,))
    for kind in (int, str, float):
        shares = Counter(group.instance((kind(key),), 4) for key in range(1000))
        assert sorted(shares) == [0, 1, 2, 3]
        assert min(shares.values()) > 150


def test_the_place_of_a_key_never_changes() -> None:
    group = GroupBy((0,))
    assert [group.instance((key,), 1000) for key in (0, "AQU", ("a", 1), None)] == [
        group.instance([key, "another form"], 1000) for key in (0, "AQU", ("a", 1), None)
    ]


def test_a_bad_key_is_an_error_for_one_instance_too() -> None:
    with pytest.raises(WorkflowError, match="needs an item with these keys"):
        GroupBy((5,)).instance(object(), 1)
    assert GroupBy((0,)).instance(("a",), 1) == 0


@pytest.mark.parametrize(
    ("keys", "item", "shown", "got"),
    [
        ((2,), (1, 2), "[2]", "tuple (IndexError: tuple index out of range)"),
        (("id",), {"Id": 1}, "['id']", "dict (KeyError: 'id')"),
        ((0,), 17, "[0]", "int (TypeError: 'int' object is not subscriptable)"),
    ],
)
def test_an_item_without_the_key_is_an_error(keys: tuple[object, ...], item: object, shown: str, got: str) -> None:
    with pytest.raises(WorkflowError) as caught:
        GroupBy(keys).instance(item, 2)
    assert str(caught.value) == f"grouping by {shown} needs an item with these keys or positions; got {got}"
    assert isinstance(caught.value.__cause__, TypeError | LookupError)


def test_a_key_that_cannot_be_encoded_is_an_error() -> None:
    with pytest.raises(WorkflowError):
        GroupBy((0,)).instance((object(),), 2)
