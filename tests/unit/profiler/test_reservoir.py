"""A fair sample of calls: fair alone, fair when merged, and without a hand on others' random numbers."""

import json
import pickle
import random

import pytest

from d4py_adaptive.profiler.reservoir import CAPACITY, Reservoir


def filled(calls: range, seed: int = 0) -> Reservoir:
    made = Reservoir(seed)
    for call in calls:
        made.add(call, 2 * call)
    return made


def test_few_calls_are_all_kept() -> None:
    assert filled(range(CAPACITY)).pairs == [(call, 2 * call) for call in range(CAPACITY)]


def test_many_calls_are_sampled() -> None:
    made = filled(range(50_000))
    assert (made.seen, len(made.pairs), len(set(made.pairs))) == (50_000, CAPACITY, CAPACITY)
    assert all(service_ns == 2 * item_bytes for item_bytes, service_ns in made.pairs)


def tenths(reservoirs: list[Reservoir], calls: int) -> list[float]:
    """The share of the sampled calls that comes from each tenth of all calls."""
    places = [10 * call // calls for made in reservoirs for call, _ in made.pairs]
    return [places.count(tenth) / len(places) for tenth in range(10)]


def test_each_call_is_as_likely_as_any_other() -> None:
    shares = tenths([filled(range(5_000), seed) for seed in range(40)], 5_000)
    assert shares == pytest.approx([0.1] * 10, abs=0.01)


def test_merging_weighs_by_the_calls_that_were_seen() -> None:
    # nine tenths of the calls in the first part, which holds as many of them as the second of its own
    merged = [
        Reservoir.merged([filled(range(9_000), seed), filled(range(9_000, 10_000), seed + 1)], seed)
        for seed in range(40)
    ]
    assert all((made.seen, len(set(made.pairs))) == (10_000, CAPACITY) for made in merged)
    assert tenths(merged, 10_000) == pytest.approx([0.1] * 10, abs=0.01)


def test_a_short_part_counts_for_its_few_calls() -> None:
    merged = [Reservoir.merged([filled(range(10), seed), filled(range(10, 5_120), seed)], seed) for seed in range(40)]
    of_the_first = sum(call < 10 for made in merged for call, _ in made.pairs)
    assert of_the_first == pytest.approx(40, abs=25)  # each of its 10 calls is taken in a tenth of the merges


@pytest.mark.parametrize("parts", [[], [range(0)], [range(3), range(3, 5)], [range(500), range(0), range(500, 600)]])
def test_merging_keeps_all_there_is_room_for(parts: list[range]) -> None:
    merged = Reservoir.merged(map(filled, parts))
    calls = sum(map(len, parts))
    assert (merged.seen, len(merged.pairs)) == (calls, min(calls, CAPACITY))
    assert {call for call, _ in merged.pairs} <= set(range(calls))


def test_a_merged_one_goes_on() -> None:
    shares = []
    for seed in range(40):
        made = Reservoir.merged([filled(range(2_000), seed), filled(range(2_000, 3_000), seed)], seed)
        for call in range(3_000, 5_000):
            made.add(call, 2 * call)
        shares.append(made)
    assert tenths(shares, 5_000) == pytest.approx([0.1] * 10, abs=0.01)


def test_it_travels() -> None:
    made = filled(range(5_000))
    copy = Reservoir.from_dict(json.loads(json.dumps(made.to_dict())))
    again = pickle.loads(pickle.dumps(made))
    assert (copy.seen, copy.pairs) == (again.seen, again.pairs) == (made.seen, made.pairs)
    again.add(1, 1)


def test_the_same_seed_gives_the_same_sample_and_global_random_numbers_stay() -> None:
    before = random.getstate()
    assert filled(range(5_000), 3).pairs == filled(range(5_000), 3).pairs != filled(range(5_000), 4).pairs
    Reservoir.merged([filled(range(5_000))])
    assert random.getstate() == before
