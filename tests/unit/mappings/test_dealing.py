"""Many items dealt out at once go where they would have gone one after the other."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from d4py_adaptive.dataflow.grouping import AllToOne, GroupBy, Shuffle
from d4py_adaptive.dataflow.workflow import Stream
from d4py_adaptive.mappings.channel import Outlet
from d4py_adaptive.mappings.routing import QueuedReader, shares

bounded = settings(max_examples=200, derandomize=True, deadline=None)
PLENTY = 10**9


def outlet(unread: int, room: int = PLENTY) -> Outlet:
    return Outlet(1, 2, limit=100 + room, limit_bytes=PLENTY, sent=100, taken=100 - unread)


def reader(outlets: list[Outlet], counted: bool, grouping: Any = None, start: int = 0) -> QueuedReader:
    stream = Stream("a.out->b.in", "a", "out", "b", "in", grouping or Shuffle())
    return QueuedReader(stream, 0, outlets, start, counted, 11)


states = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 60)), min_size=1, max_size=6)


@bounded
@given(st.integers(0, 300), states)
def test_every_item_gets_a_share_and_room_is_kept_to_as_long_as_there_is_any(
    number: int, drawn: list[tuple[int, int]]
) -> None:
    outlets = [outlet(unread, room) for unread, room in drawn]
    given_out = shares(number, outlets)
    assert sum(given_out) == number
    assert min(given_out) >= 0
    over = [share - room for share, (_, room) in zip(given_out, drawn, strict=True)]
    assert all(excess <= 0 for excess in over[1:])
    assert over[0] <= max(0, number - sum(room for _, room in drawn))


@bounded
@given(st.integers(1, 300), st.lists(st.integers(0, 50), min_size=1, max_size=6))
def test_with_room_the_least_busy_get_the_most(number: int, unread: list[int]) -> None:
    given_out = shares(number, [outlet(waiting) for waiting in unread])
    after = [waiting + share for waiting, share in zip(unread, given_out, strict=True)]
    busy = [total for total, share in zip(after, given_out, strict=True) if share]
    assert max(busy) - min(after) <= len(unread)


@bounded
@given(st.integers(0, 40), st.integers(1, 5), st.integers(0, 7))
def test_where_it_shows_who_gets_an_item_they_are_dealt_strictly_in_turn(number: int, n: int, start: int) -> None:
    at_once = reader([outlet(i) for i in range(n)], counted=True, start=start)
    one_by_one = reader([outlet(i) for i in range(n)], counted=True, start=start)
    expected: dict[int, list[int]] = {i: [] for i in range(n)}
    for item in range(number):
        (chosen,) = one_by_one.choose(item)
        expected[one_by_one.outlets.index(chosen)].append(item)
    got: dict[int, list[int]] = {i: [] for i in range(n)}
    for chosen, items in at_once.deal(list(range(number))):
        got[next(i for i, one in enumerate(at_once.outlets) if one is chosen)] += items
    assert got == expected
    assert at_once.turn == one_by_one.turn


def test_the_items_of_an_outlet_keep_their_order() -> None:
    dealt = reader([outlet(0), outlet(3), outlet(9)], counted=False, start=1).deal(list(range(20)))
    assert sorted(item for _, items in dealt for item in items) == list(range(20))
    assert all(items == sorted(items) for _, items in dealt)


@pytest.mark.parametrize("counted", [False, True])
def test_there_is_room_for_what_can_be_dealt_without_waiting(counted: bool) -> None:
    outlets = [outlet(0, 4), outlet(0, 10), outlet(0, 6)]
    dealer = reader(outlets, counted)
    assert dealer.room == (12 if counted else 20)
    for chosen, items in dealer.deal(list(range(dealer.room))):
        assert len(items) <= chosen.limit - chosen.sent


def test_all_to_one_is_dealt_to_the_first() -> None:
    dealer = reader([outlet(5, 7), outlet(0)], counted=True, grouping=AllToOne())
    assert dealer.room == 7
    assert [(chosen is dealer.outlets[0], items) for chosen, items in dealer.deal([1, 2])] == [(True, [1, 2])]


@bounded
@given(st.lists(st.tuples(st.text(max_size=2), st.integers())), st.integers(1, 5))
def test_keyed_items_go_where_their_keys_say(items: list[tuple[str, int]], n: int) -> None:
    dealer = reader([outlet(0, 9 - i) for i in range(n)], counted=True, grouping=GroupBy((0,)))
    assert dealer.room == 10 - n
    expected: list[list[Any]] = [[] for _ in range(n)]
    for item in items:
        (chosen,) = dealer.choose(item)
        expected[next(i for i, one in enumerate(dealer.outlets) if one is chosen)].append(item)
    dealt = dealer.deal([dealer.addressed(item) for item in items])
    assert [chosen for chosen, _ in dealt] == list(dealer.outlets)
    assert [got for _, got in dealt] == expected
