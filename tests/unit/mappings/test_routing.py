"""Who gets an item: every instance, the first, the one its key hashes to, or the next in turn."""

from collections import Counter
from typing import Any

import pytest

from d4py_adaptive.dataflow.grouping import AllToOne, GroupBy, Grouping, OneToAll, Shuffle
from d4py_adaptive.dataflow.workflow import Stream
from d4py_adaptive.errors import WorkflowError
from d4py_adaptive.mappings.channel import Outlet
from d4py_adaptive.mappings.routing import QueuedReader


def reader(grouping: Grouping, outlets: int, start: int = 0, counted: bool = True) -> QueuedReader:
    stream = Stream("a.o->b.i", "a", "o", "b", "i", grouping)
    return QueuedReader(stream, 0, [Outlet(0, 10 + n, 100, 10**6) for n in range(outlets)], start, counted, 11)


def chosen(reader: QueuedReader, items: list[Any]) -> list[list[int]]:
    return [[outlet.receiver - 10 for outlet in reader.choose(item)] for item in items]


def test_a_broadcast_goes_to_every_instance() -> None:
    assert chosen(reader(OneToAll(), 3), ["a", "b"]) == [[0, 1, 2], [0, 1, 2]]
    assert chosen(reader(OneToAll(), 1), ["a"]) == [[0]]


def test_global_goes_to_the_first() -> None:
    assert chosen(reader(AllToOne(), 3, start=1), ["a", "b"]) == [[0], [0]]


def test_a_group_goes_where_its_key_says_whatever_the_sender() -> None:
    items = [(key % 10, key) for key in range(100)]
    first = chosen(reader(GroupBy((0,)), 4), items)
    assert first == chosen(reader(GroupBy((0,)), 4, start=3), items)
    assert first == [[GroupBy((0,)).instance(item, 4)] for item in items]


def test_an_item_without_the_key_is_an_error() -> None:
    with pytest.raises(WorkflowError, match=r"^grouping by \[5\] needs an item with these keys or positions;"):
        chosen(reader(GroupBy((5,)), 2), [(1, 2)])


@pytest.mark.parametrize(("start", "expected"), [(0, [0, 1, 2, 0, 1]), (1, [1, 2, 0, 1, 2]), (5, [2, 0, 1, 2, 0])])
def test_items_are_dealt_out_in_turn(start: int, expected: list[int]) -> None:
    dealt = reader(Shuffle(), 3, start)
    assert chosen(dealt, list(range(5))) == [[n] for n in expected]
    assert dealt.turn == (expected[-1] + 1) % 3


def test_where_it_shows_who_got_an_item_the_turn_alone_decides() -> None:
    dealt = reader(Shuffle(), 2)
    for outlet in dealt.choose("item"):
        for _ in range(50):
            outlet.count(1)
    assert chosen(dealt, list(range(4))) == [[1], [0], [1], [0]]


def test_where_nobody_can_tell_the_one_with_the_least_under_way_gets_it() -> None:
    dealt = reader(Shuffle(), 3, counted=False)
    busy, idle, middle = dealt.outlets
    for outlet, unread in ((busy, 5), (idle, 1), (middle, 3)):
        for _ in range(unread):
            outlet.count(1)
    got: Counter[int] = Counter()
    for _ in range(6):
        (outlet,) = dealt.choose("item")
        outlet.count(1)
        got[outlet.receiver - 10] += 1
    assert got == {1: 4, 2: 2}
    assert sorted(outlet.unread for outlet in dealt.outlets) == [5, 5, 5]


def test_ties_are_broken_in_turn() -> None:
    dealt = reader(Shuffle(), 3, start=2, counted=False)
    got = []
    for _ in range(6):
        (outlet,) = dealt.choose("item")
        outlet.count(1)
        got.append(outlet.receiver - 10)
    assert got == [2, 0, 1, 2, 0, 1]


def test_one_instance_is_asked_for_nothing() -> None:
    assert chosen(reader(GroupBy((5,)), 1), ["no such key"]) == [[0]]
    assert chosen(reader(Shuffle(), 1, start=7), ["a"]) == [[0]]
