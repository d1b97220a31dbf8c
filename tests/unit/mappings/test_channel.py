"""The two ends of a channel: order, credit, and never more than the window under way."""

import random
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from d4py_adaptive.mappings.channel import Inlet, Outlet, Window
from d4py_adaptive.wire.encoding import Encoded

bounded = settings(max_examples=100, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def item(number: int, nbytes: int = 1) -> Encoded:
    return Encoded(str(number).encode(), (), nbytes)


def frames(sizes: list[int]) -> Iterator[tuple[int, list[int], list[Encoded]]]:
    """Frames of so many items each, `(first, ports, items)`."""
    first = 0
    for size in sizes:
        yield first, [n % 3 for n in range(first, first + size)], [item(n) for n in range(first, first + size)]
        first += size


@bounded
@given(st.lists(st.integers(1, 5), max_size=12), st.integers())
def test_any_order_of_frames_gives_the_items_in_order(sizes: list[int], seed: int) -> None:
    inlet = Inlet(0, 1, 0, 0)
    shuffled = list(frames(sizes))
    random.Random(seed).shuffle(shuffled)
    got = [arrived for frame in shuffled for arrived in inlet.accept(*frame)]
    assert [(port, int(encoded.body)) for port, encoded, _ in got] == [(n % 3, n) for n in range(sum(sizes))]
    assert (inlet.arrived, inlet.early) == (sum(sizes), {})


def test_what_comes_early_waits() -> None:
    inlet = Inlet(0, 1, 0, 0)
    assert list(inlet.accept(2, [0], [item(2)])) == []
    assert (inlet.arrived, list(inlet.early)) == (0, [2])
    assert [int(i.body) for _, i, _ in inlet.accept(0, [0, 0], [item(0), item(1)])] == [0, 1, 2]
    assert (inlet.arrived, inlet.early) == (3, {})


def test_an_inlet_is_closed_when_all_that_was_written_has_arrived() -> None:
    inlet = Inlet(0, 1, 0, 0)
    assert not inlet.closed
    inlet.end = 1
    assert not inlet.closed
    list(inlet.accept(0, [0], [item(0)]))
    assert inlet.closed


def test_an_inlet_that_nothing_is_written_to_is_closed_by_the_end() -> None:
    assert Inlet(0, 1, 0, 0, end=0).closed


@pytest.mark.parametrize(
    ("service_ns", "items"),
    [(0, 4096), (-1, 4096), (1, 4096), (12_000, 4096), (50_000, 1000), (1e6, 50), (2e7, 2), (1e12, 2)],
)
def test_a_slow_receiver_gets_a_window_of_fewer_items(service_ns: float, items: int) -> None:
    assert Window().items_for(service_ns) == items


@pytest.mark.parametrize(
    ("buffer_bytes", "channels", "payload_bytes"),
    [(2**30, 4, 8 * 2**20), (2**20, 4, 2**18), (2**20, 0, 2**20), (1, 7, 1), (100, 7, 14)],
)
def test_windows_share_what_may_be_under_way(buffer_bytes: int, channels: int, payload_bytes: int) -> None:
    assert Window.within(buffer_bytes, channels) == Window(payload_bytes=payload_bytes)


def test_the_smallest_window_has_two_items_so_that_one_can_be_under_way_while_one_is_processed() -> None:
    assert Window(items=100, target_ns=1).items_for(10) == 2


def test_an_outlet_has_room_within_both_limits() -> None:
    outlet = Outlet(0, 1, limit=2, limit_bytes=100)
    outlet.count(99)
    assert outlet.has_room
    outlet.count(1000)  # the last one may be larger than what is left
    assert not outlet.has_room
    outlet.grant(3, 100, 2)
    assert not outlet.has_room
    outlet.grant(3, 1100, 2)
    assert outlet.has_room
    assert (outlet.sent, outlet.sent_bytes, outlet.unread) == (2, 1099, 0)


@bounded
@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 500), st.integers(0, 50)), min_size=1, max_size=8))
def test_grants_may_come_late_twice_or_in_any_order(grants: list[tuple[int, int, int]]) -> None:
    def after(order: list[tuple[int, int, int]]) -> tuple[int, int, int]:
        outlet = Outlet(0, 1, 4, 40)
        for grant in order:
            outlet.grant(*grant)
        return outlet.limit, outlet.limit_bytes, outlet.taken

    assert after(grants) == after(sorted(grants)) == after(grants[::-1] + grants)


def takes(inlet: Inlet, window: Window, sizes: list[int]) -> list[bool]:
    """Take items of these sizes, granting whenever it runs low; for each whether it did."""
    ran_low = []
    for size in sizes:
        inlet.take(size)
        ran_low.append(inlet.runs_low)
        if inlet.runs_low:
            inlet.grant(window, 0)
    return ran_low


def test_it_runs_low_when_half_the_window_is_used() -> None:
    inlet = Inlet(0, 1, granted=4, granted_bytes=1000)
    ran_low = takes(inlet, Window(items=10, payload_bytes=1000), [10] * 12)
    assert ran_low == [True] + ([False] * 4 + [True]) * 2 + [False]
    assert (inlet.granted, inlet.granted_bytes) == (21, 1110)


def test_it_runs_low_when_half_the_bytes_are_used() -> None:
    inlet = Inlet(0, 1, granted=4, granted_bytes=1000)
    assert takes(inlet, Window(items=100, payload_bytes=1000), [0, 499, 1, 100]) == [True, False, True, False]
    assert (inlet.granted, inlet.granted_bytes) == (103, 1500)


def test_a_smaller_window_takes_nothing_back() -> None:
    inlet = Inlet(0, 1, granted=100, granted_bytes=5000)
    inlet.take(1)
    inlet.grant(Window(items=10, payload_bytes=1000), service_ns=1e9)
    assert (inlet.granted, inlet.granted_bytes) == (100, 5000)


steps = st.lists(st.tuples(st.booleans(), st.integers(0, 60), st.sampled_from([0.0, 1e3, 1e7, 1e10])), max_size=120)


@bounded
@given(steps, st.integers(2, 20), st.integers(1, 100))
def test_never_more_than_the_window_is_under_way_and_nobody_waits_for_ever(
    drawn: list[tuple[bool, int, float]], items: int, payload_bytes: int
) -> None:
    """A sender that sends whenever it may, a receiver that takes when it likes; grants go astray now and then."""
    window = Window(items=items, payload_bytes=payload_bytes)
    outlet = Outlet(0, 1, Window.FIRST, payload_bytes)
    inlet = Inlet(0, 1, Window.FIRST, payload_bytes)
    waiting: list[int] = []

    def take(service_ns: float, tell: bool) -> None:
        inlet.take(waiting.pop(0))
        due = inlet.runs_low
        if due:
            inlet.grant(window, service_ns)
        if tell and (due or not waiting):
            outlet.grant(inlet.granted, inlet.granted_bytes, inlet.taken)

    for sends, nbytes, service_ns in drawn:
        if sends and outlet.has_room:
            outlet.count(nbytes)
            waiting.append(nbytes)
        elif waiting:
            take(service_ns, tell=nbytes % 3 > 0)
        under_way = outlet.sent - inlet.taken
        assert under_way <= max(items, Window.FIRST)
        assert sum(waiting[:-1]) < payload_bytes or len(waiting) <= 1
    while waiting:
        take(1e7, tell=True)
    if inlet.taken:
        outlet.grant(inlet.granted, inlet.granted_bytes, inlet.taken)
    assert outlet.has_room
    assert outlet.unread == 0
