"""Random state per instance: different between instances, the same with the same seed."""

import random
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from d4py_adaptive.dataflow.pe import GenericPE
from d4py_adaptive.dataflow.plan import InstanceRef
from d4py_adaptive.mappings.randomness import RandomScope, instance_seed, reseed_attributes


@pytest.fixture(autouse=True)
def _untouched() -> Iterator[None]:
    python, numpy_state = random.getstate(), np.random.get_state()
    yield
    random.setstate(python)
    np.random.set_state(numpy_state)


def ref(index: int, pe: str = "Noise1", number: int = 0, stage: int = 0) -> InstanceRef:
    return InstanceRef(number, pe, index, stage)


def test_a_seed_depends_on_the_run_s_seed_the_pe_and_the_index_alone() -> None:
    seeds = {
        instance_seed(seed, ref(index, pe), purpose)
        for seed in (1, 2)
        for pe in ("a1", "a")
        for index in (0, 1, 11)
        for purpose in ("", "rng")
    }
    assert len(seeds) == 24
    assert instance_seed(1, ref(0)) == instance_seed(1, ref(0, number=9, stage=4))
    assert all(0 <= seed < 2**64 for seed in seeds)


def test_a_seed_is_the_same_in_every_python() -> None:
    assert instance_seed(7, ref(3)) == 15_856_774_634_270_815_404


def holding() -> GenericPE:
    pe: Any = GenericPE()
    pe.python, pe.legacy, pe.modern = random.Random(5), np.random.RandomState(5), np.random.default_rng(5)
    pe.system, pe.other = random.SystemRandom(), "kept"
    return pe  # type: ignore[no-any-return]


def draws(pe: Any) -> list[float]:
    return [pe.python.random(), pe.legacy.random_sample(), pe.modern.random()]


def reseeded(index: int, seed: int, explicit: bool) -> list[float]:
    pe = holding()
    reseed_attributes(pe, ref(index), seed, explicit)
    assert pe.other == "kept"  # type: ignore[attr-defined]
    return draws(pe)


def test_the_first_instance_keeps_what_its_author_made() -> None:
    assert reseeded(0, 1, explicit=False) == draws(holding())


def test_other_instances_draw_other_numbers() -> None:
    drawn = [reseeded(index, 1, explicit=False) for index in range(4)]
    assert all(len({d[kind] for d in drawn}) == 4 for kind in range(3))


def test_a_seed_that_was_asked_for_is_for_the_first_instance_too() -> None:
    assert reseeded(0, 1, explicit=True) != draws(holding())
    assert reseeded(0, 1, explicit=True) == reseeded(0, 1, explicit=True)
    assert reseeded(0, 1, explicit=True) != reseeded(0, 2, explicit=True)


def test_two_generators_of_one_pe_differ() -> None:
    pe: Any = GenericPE()
    pe.a, pe.b = random.Random(5), random.Random(5)
    reseed_attributes(pe, ref(1), 1, explicit=False)
    assert pe.a.random() != pe.b.random()


@pytest.mark.parametrize("kind", [np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64])
def test_a_generator_keeps_its_kind(kind: Any) -> None:
    pe: Any = GenericPE()
    pe.generator = np.random.Generator(kind(3))
    reseed_attributes(pe, ref(1), 1, explicit=False)
    assert type(pe.generator.bit_generator) is kind


def numbers(count: int = 3) -> list[float]:
    return [value for _ in range(count) for value in (random.random(), np.random.random())]


def test_each_scope_goes_on_with_its_own_numbers() -> None:
    together: dict[int, list[float]] = {1: [], 2: []}
    scopes = {seed: RandomScope(seed) for seed in together}
    for _ in range(3):
        for seed, scope in scopes.items():
            scope.load()
            together[seed] += numbers(1)
            scope.save()
    for seed, drawn in together.items():
        scope = RandomScope(seed)
        scope.load()
        assert numbers() == drawn
    assert together[1] != together[2]


def test_a_library_that_is_imported_while_a_pe_runs_is_seeded_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def first_draw(before: int) -> float:
        np.random.seed(before)  # what it had from the operating system, as it were
        scope = RandomScope(1)
        with monkeypatch.context() as absent:
            absent.delitem(sys.modules, "numpy.random")
            scope.load()
        scope.save()
        scope.load()
        return float(np.random.random())

    assert first_draw(10) == first_draw(20)
