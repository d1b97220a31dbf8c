"""Compressibility: right for large and small items, and never more of the time than its share."""

import json
import pickle
import random
import zlib
from typing import Any

import numpy as np
import pytest

from d4py_adaptive.profiler import compressibility
from d4py_adaptive.profiler.compressibility import SAMPLE_BYTES, Compressibility
from d4py_adaptive.testing.clocks import ManualClock

NOISE = random.Random(1).randbytes(3 * SAMPLE_BYTES)


def test_the_ratio_of_large_items() -> None:
    zeros, noise = Compressibility(ManualClock()), Compressibility(ManualClock())
    zeros.add(bytes(3 * SAMPLE_BYTES))
    noise.add(NOISE)
    assert zeros.plain_bytes == noise.plain_bytes == SAMPLE_BYTES  # the first ones alone
    assert zeros.ratio() == len(zlib.compress(bytes(SAMPLE_BYTES), 1)) / SAMPLE_BYTES
    assert noise.ratio() == pytest.approx(1, abs=0.01)


def test_nothing_seen() -> None:
    found = Compressibility(ManualClock())
    found.add(b"")
    assert found.ratio() is None


def test_small_items_are_compressed_together() -> None:
    found = Compressibility(ManualClock())
    for number in range(10_000):
        found.add(b"station %06d depth 12.5;" % number)
    ratio = found.ratio()
    assert ratio is not None
    assert ratio < 0.3 < len(zlib.compress(b"station %06d depth 12.5;" % 1, 1)) / 24


def test_what_was_gathered_last_counts() -> None:
    found = Compressibility(ManualClock())
    found.add(bytes(1_000))
    assert found.plain_bytes == 0
    assert found.to_dict()["plain_bytes"] == 1_000
    found.add(bytes(500))
    found.ratio()
    assert found.plain_bytes == 1_500


def test_any_buffer_is_taken() -> None:
    found = Compressibility(ManualClock())
    array: Any = np.arange(12.0).reshape(3, 4)
    for sample in (b"abc", bytearray(b"abc"), memoryview(b"abc"), pickle.PickleBuffer(array), memoryview(array.T)):
        found.add(sample)
    assert found.to_dict()["plain_bytes"] == 9 + 2 * 96
    with pytest.raises(BufferError):
        found.add(memoryview(array[:, ::2]))


def test_the_time_it_takes_stays_within_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, taken_ns = ManualClock(), [0]

    def slow(data: bytes, level: int) -> bytes:
        taken_ns[0] += 900_000
        clock.advance(900_000)
        return zlib.compress(data, level)

    monkeypatch.setattr(compressibility, "zlib", type("slow", (), {"compress": staticmethod(slow)}))
    found = Compressibility(clock, budget=0.01)
    for number in range(1, 20_001):
        clock.advance(100_000)
        found.add(NOISE)
        assert taken_ns[0] <= 0.01 * clock.now_ns + 900_000, number
    assert taken_ns[0] > 0.009 * clock.now_ns


def test_it_travels_and_merges() -> None:
    parts = [Compressibility(ManualClock()) for _ in range(3)]
    parts[0].add(bytes(SAMPLE_BYTES))
    parts[1].add(NOISE[:5_000])
    copies = [Compressibility.from_dict(json.loads(json.dumps(part.to_dict()))) for part in parts]
    merged = Compressibility.merged(copies)
    assert merged.plain_bytes == SAMPLE_BYTES + 5_000
    assert merged.ratio() == sum(part.compressed_bytes for part in parts) / merged.plain_bytes
    copy = pickle.loads(pickle.dumps(Compressibility()))
    copy.add(bytes(SAMPLE_BYTES))
    assert copy.plain_bytes == SAMPLE_BYTES
    assert Compressibility.merged([]).ratio() is None
