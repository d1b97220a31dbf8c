"""The sketch: every duration has its bucket, quantiles are near, and sketches add up."""

import math
from collections import Counter
from statistics import fmean, stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from d4py_adaptive.telemetry.sketch import (
    BUCKETS,
    PARTS,
    bounds_ns,
    bucket_of,
    counts_of,
    deviation_s,
    mean_s,
    merged,
    quantile_s,
)

LONGEST_NS = bounds_ns(BUCKETS - 1)[1] - 1
NEAR = 1 / (2 * PARTS)
"""How far off, of itself, what is told of a duration may be: 6.25 %."""

durations = (
    st.integers(0, 64).map(lambda bits: (1 << bits) - 1).flatmap(lambda top: st.integers(0, min(top, LONGEST_NS)))
)


def sketch_of(values: list[int]) -> dict[int, int]:
    return dict(sorted(Counter(map(bucket_of, values)).items()))


def test_the_buckets_follow_on_one_another_without_a_gap() -> None:
    bounds = [bounds_ns(bucket) for bucket in range(BUCKETS)]
    assert bounds[0][0] == 0
    assert [high for _, high in bounds[:-1]] == [low for low, _ in bounds[1:]]
    assert all((high - low) * PARTS <= low or high - low == 1 for low, high in bounds)
    assert LONGEST_NS / 1e9 / 60 > 73


@given(durations)
def test_a_duration_falls_in_the_bucket_whose_bounds_hold_it(duration_ns: int) -> None:
    low, high = bounds_ns(bucket_of(duration_ns))
    assert low <= duration_ns < high


@pytest.mark.parametrize(
    ("duration_ns", "bucket"), [(-5, 0), (0, 0), (7, 7), (8, 8), (15, 15), (16, 16), (17, 16), (18, 17), (32, 24)]
)
def test_short_durations_have_a_bucket_each(duration_ns: int, bucket: int) -> None:
    assert bucket_of(duration_ns) == bucket


def test_what_is_too_long_falls_in_the_last_bucket() -> None:
    assert {bucket_of(LONGEST_NS + more) for more in (0, 1, LONGEST_NS, 2**70)} == {BUCKETS - 1}
    assert bucket_of(bounds_ns(BUCKETS - 1)[0] - 1) == BUCKETS - 2


@given(st.lists(durations, min_size=1, max_size=200), st.floats(0, 1))
def test_a_quantile_is_near_the_true_one(values: list[int], share: float) -> None:
    true_ns = sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
    assert quantile_s(sketch_of(values), share) * 1e9 == pytest.approx(true_ns, rel=NEAR + 1e-9, abs=1e-6)


@given(st.lists(durations, max_size=50), st.lists(st.floats(0, 1), max_size=10))
def test_quantiles_do_not_fall(values: list[int], shares: list[float]) -> None:
    found = [quantile_s(sketch_of(values), share) for share in sorted(shares)]
    assert found == sorted(found)


@given(st.lists(durations, min_size=1, max_size=200))
def test_the_mean_is_near_the_true_one(values: list[int]) -> None:
    assert mean_s(sketch_of(values)) * 1e9 == pytest.approx(fmean(values), rel=NEAR + 1e-9, abs=1e-6)


@given(st.lists(durations, min_size=2, max_size=200))
def test_the_deviation_is_near_the_true_one(values: list[int]) -> None:
    # each value is shifted by half a bucket's width at most, and so is the deviation by the shifts' own
    shifts = math.sqrt(sum((NEAR * value) ** 2 for value in values) / (len(values) - 1))
    assert deviation_s(sketch_of(values)) * 1e9 == pytest.approx(stdev(values), abs=shifts * 1.001 + 1e-6)


def test_what_is_exact_is_told_exactly() -> None:
    sketch = sketch_of([2, 4, 4, 4, 5, 5, 7, 9])
    assert mean_s(sketch) == pytest.approx(5e-9)
    assert deviation_s(sketch) == pytest.approx(stdev([2, 4, 4, 4, 5, 5, 7, 9]) / 1e9)
    assert [quantile_s(sketch, share) * 1e9 for share in (0, 0.5, 0.51, 1)] == pytest.approx([2, 4, 5, 9])


def test_an_empty_sketch_tells_nothing() -> None:
    for empty in ({}, {3: 0}):
        assert (quantile_s(empty, 0.5), mean_s(empty), deviation_s(empty)) == (0, 0, 0)
    assert deviation_s({3: 1}) == 0


@given(st.lists(st.lists(durations, max_size=20), max_size=5))
def test_merging_is_adding(parts: list[list[int]]) -> None:
    together = merged(sketch_of(part) for part in parts)
    assert together == sketch_of([value for part in parts for value in part])
    assert list(together) == sorted(together)


@given(st.lists(durations, max_size=50))
def test_a_full_row_keeps_the_buckets_that_hold_something(values: list[int]) -> None:
    row = [0] * BUCKETS
    for value in values:
        row[bucket_of(value)] += 1
    assert counts_of(row) == sketch_of(values)
