"""Frequent keys: found for certain, in constant memory, the same after a journey and after merging."""

import json
import pickle
from collections import Counter
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
import pytest

from d4py_adaptive.dataflow.canonical import stable_hash
from d4py_adaptive.errors import WorkflowError
from d4py_adaptive.profiler.heavy_hitters import CAPACITY, MOST_TEXT, HeavyHitters


def counted(keys: Any) -> HeavyHitters:
    found = HeavyHitters()
    for key in keys:
        found.add(key)
    return found


def skewed(seed: int, number: int = 20_000) -> list[tuple[str]]:
    """A fifth of the items carry 'hot', a tenth 'warm', the others one of 5,000 keys."""
    random = Random(seed)
    others = [(f"k{random.randrange(5_000)}",) for _ in range(number)]
    return [("hot",) if draw < 0.2 else ("warm",) if draw < 0.3 else other
            for draw, other in zip((random.random() for _ in others), others, strict=True)]  # fmt: skip


def test_few_keys_are_counted_exactly() -> None:
    found = counted(["a"] * 6 + ["b"] * 3 + [7])
    assert found.heaviest(2) == [("'a'", 0.6), ("'b'", 0.3)]
    assert found.heaviest(9) == [("'a'", 0.6), ("'b'", 0.3), ("7", 0.1)]
    assert (found.total, found.distinct) == (10, 3)


def test_nothing_seen() -> None:
    found = HeavyHitters()
    assert (found.total, found.distinct, found.heaviest(3)) == (0, 0, [])


@pytest.mark.parametrize("seed", range(3))
def test_heavy_keys_stand_out_of_thousands(seed: int) -> None:
    keys = skewed(seed)
    found, true = counted(keys), Counter(keys)
    (hot, hot_share), (warm, warm_share), *others = found.heaviest(9)
    assert (hot, warm) == ("'hot'", "'warm'")
    for share, key in ((hot_share, ("hot",)), (warm_share, ("warm",))):
        exact = true[key] / len(keys)
        assert exact - 1 / CAPACITY <= share <= exact
    assert all(share < 0.01 for _, share in others)


def test_where_no_key_is_heavy_no_share_is() -> None:
    found = counted(range(20_000))
    assert all(share < 0.001 for _, share in found.heaviest(5))


@pytest.mark.parametrize("number", [100, 255, 256, 1_000, 30_000])
def test_number_of_keys(number: int) -> None:
    found = counted(key for _ in range(2) for key in range(number))
    assert found.distinct == number if number < 256 else abs(found.distinct / number - 1) < 0.2


def test_memory_does_not_grow_with_the_number_of_keys() -> None:
    sizes = [len(pickle.dumps(counted(f"key {key}" for key in range(number)))) for number in (1_000, 20_000)]
    assert sizes[1] < 1.1 * sizes[0]


def test_equal_keys_are_one() -> None:
    found = counted([1, 1.0, True, np.int64(1), [2], (2,), np.array(2.0)])
    assert found.heaviest(1) == [("1", 4 / 7)]
    assert found.distinct == 3  # 1, the tuple (2,), 2


@dataclass(frozen=True)
class Awkward:
    number: int

    def __repr__(self) -> str:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("key", "text"),
    [
        (("Perth",), "'Perth'"),
        (("Perth", 3), "('Perth', 3)"),
        (Awkward(1), "<Awkward>"),
        ((Awkward(1), 2), "<tuple>"),
        pytest.param(10**5000, "<int>", id="huge"),
        ("\x1b[31m\n\u202e", "'\\x1b[31m\\n\\u202e'"),
        ("x" * 500, "'" + "x" * (MOST_TEXT - 4) + "..."),
        (None, "None"),
    ],
)
def test_text_of_a_key(key: Any, text: str) -> None:
    assert counted([key]).heaviest(1) == [(text, 1.0)]


def test_text_of_a_key_is_one_line_whatever_its_class_writes() -> None:
    @dataclass(frozen=True)
    class Loud:
        number: int

        def __repr__(self) -> str:
            return "two\nlines\x1b[2J"

    assert counted([Loud(1)]).heaviest(1) == [("two?lines?[2J", 1.0)]


def test_a_key_without_a_stable_hash_is_an_error_and_leaves_no_trace() -> None:
    found = HeavyHitters()
    with pytest.raises(WorkflowError, match="a group-by key must be"):
        found.add(object())
    assert found.total == 0


def test_it_travels_as_plain_values_and_goes_on() -> None:
    keys = skewed(1)
    half = counted(keys[:10_000])
    for copy in (HeavyHitters.from_dict(json.loads(json.dumps(half.to_dict()))), pickle.loads(pickle.dumps(half))):
        assert copy.to_dict() == half.to_dict()
        for key in keys[10_000:]:
            copy.add(key)
        true = Counter(keys)[("hot",)] / len(keys)
        assert copy.total == len(keys)
        assert true - 1 / CAPACITY <= dict(copy.heaviest(2))["'hot'"] <= true
        assert abs(copy.distinct / len(set(keys)) - 1) < 0.2


def test_what_is_merged_is_as_if_counted_together() -> None:
    parts = [skewed(seed, number) for seed, number in enumerate((20_000, 300, 5_000, 0))]
    keys = [key for part in parts for key in part]
    merged = HeavyHitters.merged(map(counted, parts))
    true = Counter(keys)
    assert merged.total == len(keys)
    assert abs(merged.distinct / len(true) - 1) < 0.2
    (hot, hot_share), (warm, warm_share) = merged.heaviest(2)
    assert (hot, warm) == ("'hot'", "'warm'")
    for share, key in ((hot_share, ("hot",)), (warm_share, ("warm",))):
        exact = true[key] / len(keys)
        assert exact - 1 / CAPACITY <= share <= exact
    assert len(merged.to_dict()["keys"]) == CAPACITY


def test_merged_counts_go_on_holding_the_true_ones_between_their_bounds() -> None:
    pushed_out: list[object] = ["K"] * 5 + list(range(3_000))
    parts: list[list[Any]] = [skewed(1, 3_000), pushed_out, ["K"] * 200]
    merged = HeavyHitters.merged(map(counted, parts))
    keys = [key for part in parts for key in part] + skewed(9, 3_000)
    for key in keys[-3_000:]:
        merged.add(key)
    true = Counter(map(stable_hash, keys))
    assert dict(merged.heaviest(9))["'K'"] == 200 / len(keys)
    for number, count, error, _ in merged.to_dict()["keys"]:
        assert count - error <= true[number] <= count
        assert error <= 2 * len(keys) / CAPACITY


def test_merging_few_keys_is_exact() -> None:
    merged = HeavyHitters.merged([counted("aab"), counted("bbbc"), HeavyHitters()])
    assert merged.heaviest(3) == [("'b'", 4 / 7), ("'a'", 2 / 7), ("'c'", 1 / 7)]
    assert HeavyHitters.merged([]).total == 0
