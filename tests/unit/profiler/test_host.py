"""How the figures of a machine are made, with callables that take as long as they say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import cycle

import pytest

from d4py_adaptive.errors import RunError, WireError
from d4py_adaptive.profiler.host import CALLS, SIZES, Codec, Hops, Machine, Probes, hops, measure, probe_host
from d4py_adaptive.telemetry.profile import HostProfile
from d4py_adaptive.telemetry.saved import read_saved
from d4py_adaptive.testing.clocks import ManualClock

MACHINE = Machine("node4", "Model 9", 8, 2**34, "Linux 6.1", "CPython 3.11.7", "0.1.0")
MS = 1_000_000


def taking(clock: ManualClock, *durations_ns: int) -> Callable[[], None]:
    """What takes each of these times in turn."""
    turns = cycle(durations_ns)
    return lambda: clock.advance(next(turns))


def probes(clock: ManualClock, **changes: object) -> Probes:
    whole = Probes(
        call=lambda number: clock.advance(30 * number),
        pickling=lambda size: lambda: clock.advance(10 * size),
        links={},
        codecs={},
        sample=bytes(1000),
        missing={},
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def test_the_quickest_counts() -> None:
    clock = ManualClock()
    assert measure(taking(clock, 9, 50, 40, 70), clock, repeats=3) == 40e-9


def test_the_first_call_only_warms_up() -> None:
    clock = ManualClock()
    calls = taking(clock, 1, 500, 500, 500, 500, 500)
    assert measure(calls, clock, repeats=5) == 500e-9


@pytest.mark.parametrize(
    ("took_ns", "within_ns", "calls"),
    [(1 * MS, 10 * MS, 1 + 10), (4 * MS, 10 * MS, 1 + 3), (100 * MS, 10 * MS, 1 + 3), (1, 10 * MS, 1 + 50)],
)
def test_as_many_repeats_as_there_is_time_for(took_ns: int, within_ns: int, calls: int) -> None:
    clock = ManualClock()
    measure(taking(clock, took_ns), clock, repeats=50, within_ns=within_ns)
    assert clock.now_ns == calls * took_ns


def test_a_hop_is_half_of_the_way_there_and_back() -> None:
    clock = ManualClock()
    found = hops(lambda size, number: clock.advance(2 * (5000 + number * size)), lambda size: 10, clock)
    assert found.alone == pytest.approx({size: (5000 + size) / 1e9 for size in SIZES})
    assert found.together == pytest.approx({size: (500 + size) / 1e9 for size in SIZES})


def test_where_nothing_travels_together_both_are_the_same() -> None:
    clock = ManualClock()
    numbers: list[int] = []

    def there_and_back(size: int, number: int) -> None:
        numbers.append(number)
        clock.advance(size)

    found = hops(there_and_back, lambda size: 1, clock)
    assert found.together == found.alone
    assert set(numbers) == {1}


def test_one_bad_moment_does_not_show() -> None:
    clock = ManualClock()
    seen: list[int] = []

    def there_and_back(size: int, number: int) -> None:
        seen.append(size)
        busy = seen.count(size) <= 4  # the whole first round of every size
        clock.advance(2 * size * (1000 if busy else 1))

    found = hops(there_and_back, lambda size: 1, clock)
    assert found.alone == pytest.approx({size: size / 1e9 for size in SIZES})


def test_a_smaller_item_is_never_dearer_than_a_larger() -> None:
    clock = ManualClock()
    found = hops(lambda size, _: clock.advance(2 * (9000 if size == 1000 else 700)), lambda size: 1, clock)
    assert found.alone == dict.fromkeys(SIZES, 700e-9)


def test_a_profile_of_it_all() -> None:
    clock = ManualClock()
    codec = Codec(
        lambda raw: (clock.advance(2000), raw[:250])[1],
        lambda packed: (clock.advance(500), packed * 4)[1],
    )
    link = Hops({100: 1e-6}, {100: 1e-7})
    profile = probe_host(
        MACHINE,
        probes(clock, codecs={"half": codec}, links={"pipe": lambda _: link}, missing={"lz4": "not installed"}),
        clock,
        1234.5,
    )
    assert profile == HostProfile(
        fingerprint=MACHINE.fingerprint,
        name="node4",
        processor="Model 9",
        cores=8,
        memory_bytes=2**34,
        python="CPython 3.11.7",
        probed_at_s=1234.5,
        call_s=pytest.approx(30e-9),
        pickle_s={size: size * 10 / 1e9 for size in SIZES},
        hop_s={"pipe": {100: 1e-6}},
        batched_hop_s={"pipe": {100: 1e-7}},
        codecs={"half": {"ratio": 0.25, "encode_bytes_per_s": 0.5e9, "decode_bytes_per_s": 2e9}},
        missing={"lz4": "not installed"},
    )
    assert read_saved(HostProfile, profile.to_json(), "it") == profile


def test_calls_are_counted_in_thousands() -> None:
    clock = ManualClock()
    numbers: list[int] = []
    probe_host(MACHINE, probes(clock, call=lambda number: (numbers.append(number), clock.advance(1))), clock, 0.0)
    assert set(numbers) == {CALLS}


@pytest.mark.parametrize("error", [RunError("no answer"), WireError("no answer"), OSError("no answer")])
def test_a_way_that_fails_is_named_and_the_others_are_there(error: Exception) -> None:
    def fails(_: object) -> Hops:
        raise error

    clock = ManualClock()
    works = Hops({100: 1e-6}, {100: 1e-7})
    profile = probe_host(
        MACHINE, probes(clock, links={"mpi": fails, "pipe": lambda _: works}, missing={"lz4": "no"}), clock, 0.0
    )
    assert profile.missing == {"lz4": "no", "mpi": "no answer"}
    assert list(profile.hop_s) == list(profile.batched_hop_s) == ["pipe"]


def test_a_clock_that_stands_still_makes_no_figure_infinite() -> None:
    codec = Codec(lambda raw: raw, lambda raw: raw)
    profile = probe_host(MACHINE, probes(ManualClock(), codecs={"same": codec}), ManualClock(), 0.0)
    assert read_saved(HostProfile, profile.to_json(), "it") == profile


@pytest.mark.parametrize(
    "change",
    [
        {"processor": "Model 10"},
        {"cores": 4},
        {"memory_bytes": 2**35},
        {"system": "Linux 6.2"},
        {"python": "CPython 3.12.1"},
        {"package": "0.2.0"},
    ],
)
def test_another_machine_has_another_fingerprint(change: dict[str, object]) -> None:
    assert replace(MACHINE, **change).fingerprint != MACHINE.fingerprint  # type: ignore[arg-type]


@pytest.mark.parametrize("change", [{"name": "node5"}, {"memory_bytes": 2**34 - 3 * 2**20}])
def test_a_machine_like_it_has_the_same_fingerprint(change: dict[str, object]) -> None:
    assert replace(MACHINE, **change).fingerprint == MACHINE.fingerprint  # type: ignore[arg-type]


def test_a_fingerprint_names_a_file() -> None:
    assert replace(MACHINE, processor="../../x").fingerprint.isalnum()
