"""A distribution of durations in constant memory: a histogram whose buckets grow with what they hold.

Each power of two nanoseconds is divided in eight, so that a quantile is off by 6 % of itself at most, from 8 ns to
more than an hour. Sketches are merged by adding them up.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

PARTS = 8
"""Buckets per power of two; a power of two itself."""

_PART_BITS = 3
_MOST_BITS = 42
BUCKETS = PARTS * (_MOST_BITS - _PART_BITS + 1)
"""How many buckets there are."""


def bucket_of(duration_ns: int) -> int:
    """The number of the bucket that a duration falls in; what is longer than 73 minutes falls in the last."""
    if duration_ns < PARTS:
        return max(0, duration_ns)
    shift = duration_ns.bit_length() - _PART_BITS - 1
    number = (shift << _PART_BITS) + (duration_ns >> shift)
    return number if number < BUCKETS else BUCKETS - 1


def bounds_ns(bucket: int) -> tuple[int, int]:
    """The shortest duration that falls in a bucket, and the shortest that is too long for it."""
    if bucket < PARTS:
        return bucket, bucket + 1
    shift, part = (bucket >> _PART_BITS) - 1, bucket & (PARTS - 1)
    return (PARTS + part) << shift, (PARTS + part + 1) << shift


def counts_of(row: Sequence[int]) -> dict[int, int]:
    """The buckets that hold something, and how much, of a full row of counts."""
    return {bucket: count for bucket, count in enumerate(row) if count}


def merged(sketches: Iterable[Mapping[int, int]]) -> dict[int, int]:
    """What all the sketches hold together."""
    total: dict[int, int] = {}
    for sketch in sketches:
        for bucket, count in sketch.items():
            total[bucket] = total.get(bucket, 0) + count
    return dict(sorted(total.items()))


def quantile_s(sketch: Mapping[int, int], share: float) -> float:
    """The duration, in seconds, that this share of what the sketch holds does not exceed; 0 where it holds nothing."""
    wanted = share * sum(sketch.values())
    seen = 0
    for bucket in sorted(sketch):
        seen += sketch[bucket]
        if seen >= wanted and sketch[bucket]:
            return _middle_s(bucket)  # no place in a bucket is nearer to all that it may hold
    return 0.0


def mean_s(sketch: Mapping[int, int]) -> float:
    """The mean, in seconds, to within the width of a bucket; 0 where the sketch holds nothing."""
    number = sum(sketch.values())
    return sum(count * _middle_s(bucket) for bucket, count in sketch.items()) / number if number else 0.0


def deviation_s(sketch: Mapping[int, int]) -> float:
    """The standard deviation, in seconds, to within the width of a bucket."""
    number = sum(sketch.values())
    if number < 2:
        return 0.0
    mean = mean_s(sketch)
    return math.sqrt(sum(count * (_middle_s(bucket) - mean) ** 2 for bucket, count in sketch.items()) / (number - 1))


def _middle_s(bucket: int) -> float:
    low, high = bounds_ns(bucket)
    return (low + high - 1) / 2e9
