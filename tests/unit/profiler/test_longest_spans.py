"""The longest spans: exactly those, in order of time, however many there were."""

import json
import pickle
from random import Random

import pytest

from d4py_adaptive.profiler.longest_spans import CAPACITY, LongestSpans


def spans_of(lengths: list[int]) -> list[tuple[int, int, str]]:
    """One after the other."""
    found, now = [], 0
    for number, length in enumerate(lengths):
        found.append((now, now + length, "blocked" if number % 3 else "process"))
        now += length + 5
    return found


def told(spans: list[tuple[int, int, str]]) -> LongestSpans:
    made = LongestSpans()
    for span in spans:
        made.add(*span)
    return made


def test_few_are_all_kept_even_empty_ones() -> None:
    spans = spans_of([3, 0, 7] * (CAPACITY // 3))
    assert told(spans).spans() == spans


@pytest.mark.parametrize("seed", range(3))
def test_the_longest_are_kept_in_order_of_time(seed: int) -> None:
    spans = spans_of([Random(seed).randrange(10**9) + number for number in range(10_000)])
    kept = sorted(sorted(spans, key=lambda span: span[0] - span[1])[:CAPACITY])
    assert told(spans).spans() == kept
    assert told(spans[::-1]).spans() == kept


@pytest.mark.parametrize("lengths", [list(range(5_000)), list(range(5_000, 0, -1))])
def test_growing_and_shrinking_ones(lengths: list[int]) -> None:
    kept = [end - start for start, end, _ in told(spans_of(lengths)).spans()]
    assert kept == [length for length in lengths if length > max(lengths) - CAPACITY]


def test_of_equally_long_ones_the_first_are_kept() -> None:
    spans = spans_of([7] * 3_000)
    assert told(spans).spans() == spans[:CAPACITY]
    late = (10**6, 10**6 + 8, "process")
    assert told([*spans, late]).spans() == [*spans[: CAPACITY - 1], late]


def test_it_travels_and_merges() -> None:
    spans = spans_of([Random(1).randrange(10**9) for _ in range(1)] + list(range(4_000)))
    whole, parts = told(spans), [told(spans[:1_000]), told(spans[1_000:3_000]), LongestSpans(), told(spans[3_000:])]
    parts = [LongestSpans.from_dict(json.loads(json.dumps(part.to_dict()))) for part in parts]
    merged = LongestSpans.merged(parts)
    assert merged.spans() == pickle.loads(pickle.dumps(whole)).spans() == whole.spans()
    merged.add(10**12, 10**12 + 10**10, "process")
    assert merged.spans()[-1] == (10**12, 10**12 + 10**10, "process")
    assert len(merged.spans()) == CAPACITY
