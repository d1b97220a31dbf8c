"""How long a workflow would take, run in another way."""

import pytest
from diagnosis_profiles import FREE, KEYED, SOURCE, STATE, Sketch, profile, stream

from d4py_adaptive.runtime.diagnosis.alternatives import alternatives
from d4py_adaptive.runtime.diagnosis.diagnose import diagnose
from d4py_adaptive.runtime.diagnosis.figures import HOP_S, Figures
from d4py_adaptive.runtime.diagnosis.what_if import (
    Setup,
    best_workers,
    bound_s,
    fused_groups,
    hop_s,
    predicted_s,
    sequential_s,
)
from d4py_adaptive.telemetry.profile import HeavyKey, HostProfile, Profile, ServiceTime


def chain(work: Sketch, cores: int = 4, **link: object) -> Figures:
    """A light source and a PE, in one process of a machine of four cores."""
    source = Sketch("Read0", [0.0], [0], items=[1], scaling=SOURCE)
    return Figures(
        profile([source, work], [stream("Read0", work.pe, fused=True, **link)], wall_s=sum(work.compute_s), cores=cores)
    )


def started(workers: int) -> float:
    return 0.02 + 0.005 * workers


def test_work_that_may_be_shared_is_shared_by_the_cores() -> None:
    assert predicted_s(chain(Sketch("Fit1", [8.0], [0])), Setup(4)) == pytest.approx(2.0 + started(4), rel=0.01)


def test_more_workers_than_cores_are_no_quicker() -> None:
    figures = chain(Sketch("Fit1", [8.0], [0]))
    assert predicted_s(figures, Setup(16)) >= predicted_s(figures, Setup(4))
    assert best_workers(figures, Setup(2)) == 4


def test_waits_are_shared_by_more_workers_than_cores() -> None:
    figures = chain(Sketch("Fetch1", [8.0], [0], cpu_share=0.01))
    assert predicted_s(figures, Setup(16)) == pytest.approx(0.5 + started(16), rel=0.02)


def test_there_are_no_more_instances_than_calls() -> None:
    figures = chain(Sketch("Fit1", [8.0], [0], items=[2]))
    assert predicted_s(figures, Setup(4)) == pytest.approx(4.0 + started(4), rel=0.01)


def test_state_is_not_shared_unless_freed() -> None:
    figures = chain(Sketch("Sum1", [8.0], [0], scaling=STATE))
    assert predicted_s(figures, Setup(4)) == pytest.approx(8.0 + started(4), rel=0.01)
    assert predicted_s(figures, Setup(4, freed=frozenset({"Sum1"}))) == pytest.approx(2.0 + started(4), rel=0.01)


def test_a_heavy_key_stays_in_one_instance() -> None:
    keys = {"grouping": "group_by", "heavy_keys": (HeavyKey(key="'the'", share=0.75),)}
    figures = chain(Sketch("Count1", [8.0], [0], scaling=KEYED), **keys)
    assert predicted_s(figures, Setup(4)) == pytest.approx(6.0 + started(4), rel=0.01)


def test_few_keys_are_shared_by_few_instances() -> None:
    figures = chain(Sketch("Count1", [8.0], [0], scaling=KEYED), grouping="group_by", distinct_keys=2)
    assert predicted_s(figures, Setup(4)) == pytest.approx(4.0 + started(4), rel=0.01)


def test_items_that_would_cross_cost_what_the_machine_was_probed_for() -> None:
    figures = chain(Sketch("Fit1", [8.0], [0], items=[1000]), items=1000, item_bytes=1e6)
    slow = HostProfile(fingerprint="slow", pickle_s={100: 1e-6, 10**6: 0.02}, batched_hop_s={"pipe": {100: 1e-6}})
    assert predicted_s(figures, Setup(4)) < 0.5 * sequential_s(figures)
    assert predicted_s(Figures(figures.profile, slow), Setup(4)) > sequential_s(figures)


def test_light_items_are_not_worth_handing_over() -> None:
    figures = chain(Sketch("Fit1", [0.1], [0], items=[10**6]), items=10**6)
    assert predicted_s(figures, Setup(4)) > sequential_s(figures)


def test_between_probed_sizes_costs_lie_between() -> None:
    host = HostProfile(fingerprint="x", batched_hop_s={"pipe": {100: 1e-6, 1100: 3e-6}})
    figures = Figures(Profile(workflow="flow"), host)
    assert [hop_s(figures, size) - HOP_S for size in (10, 600, 2200)] == pytest.approx([1e-6, 2e-6, 6e-6])


def test_a_measured_run_is_predicted_to_take_what_it_took() -> None:
    source = Sketch("Read0", [0.1], [0], items=[1], hand_over_s=[0.05], scaling=SOURCE)
    work = Sketch("Fit1", [0.8, 0.8], [0, 1], hand_over_s=[0.02, 0.02], scaling=FREE)
    figures = Figures(profile([source, work], [stream("Read0", "Fit1")], wall_s=1.0))
    assert predicted_s(figures, Setup(2)) == pytest.approx(figures.total_s, rel=0.1)


def test_waits_for_a_core_are_no_work() -> None:
    work = Sketch("Fit1", [0.9] * 8, list(range(8)))
    figures = Figures(profile([Sketch("Read0", [0.0], [0], scaling=SOURCE), work], [stream("Read0", "Fit1")],
                              wall_s=1.0, contended=True))  # fmt: skip
    assert figures.work["Fit1"].compute_s == pytest.approx(2.0, rel=0.05)
    assert sequential_s(figures) == pytest.approx(2.0, rel=0.05)


def test_a_profile_without_instances_is_read_from_its_pes() -> None:
    bare = chain(Sketch("Fit1", [8.0], [0])).profile
    pes = tuple(type(pe)(pe=pe.pe, service=ServiceTime(calls=10, mean_s=0.8)) for pe in bare.pes)
    figures = Figures(Profile(workflow="flow", mapping="multi", cores=2, pes=pes))
    assert figures.work["Fit1"].compute_s == pytest.approx(8.0)
    assert figures.wall_s == pytest.approx(8.0)


def test_single_instances_and_what_may_be_shuffled_are_fused() -> None:
    sketches = [Sketch("Read0", [1.0], [0], scaling=SOURCE), *(Sketch(f"Step{n}", [1.0], [0]) for n in (1, 2)),
                Sketch("Sum3", [1.0], [0], scaling=STATE)]  # fmt: skip
    links = [stream("Read0", "Step1"), stream("Step1", "Step2"), stream("Step2", "Sum3")]
    figures = Figures(profile(sketches, links, wall_s=4.0))
    assert len(set(fused_groups(figures, dict.fromkeys(figures.pes, 1)).values())) == 1
    several = fused_groups(figures, {"Read0": 1, "Step1": 2, "Step2": 2, "Sum3": 1})
    assert several["Step1"] == several["Step2"]
    assert len(set(several.values())) == 3


def test_alternatives_are_quickest_first_and_none_is_below_the_bound() -> None:
    figures = chain(Sketch("Fit1", [8.0], [0]))
    found = alternatives(figures)
    assert [one.workers for one in found] == [4, 4, 3, 2, 1]
    assert found[0].what.startswith("perfect balance")
    assert found[0].predicted_s == pytest.approx(bound_s(figures))
    assert found[-1].predicted_s == pytest.approx(figures.total_s)


def test_waiting_pes_are_offered_more_workers_than_cores() -> None:
    found = alternatives(chain(Sketch("Fetch1", [8.0], [0], cpu_share=0.01)))
    assert max(one.workers for one in found) > 4


def test_unsure_means_make_wide_intervals() -> None:
    figures = chain(Sketch("Fit1", [8.0], [0]), cores=4)
    sure = diagnose(figures.profile, None, target="flow.py").advice[0]
    pes = [type(pe)(**{f: getattr(pe, f) for f in pe.__struct_fields__ if f != "service"},
                    service=ServiceTime(calls=100, mean_s=0.08, mean_error_s=0.04, cpu_share=1.0))
           for pe in figures.profile.pes]  # fmt: skip
    unsure = Profile(**{f: getattr(figures.profile, f) for f in figures.profile.__struct_fields__ if f != "pes"},
                     pes=tuple(pes))  # fmt: skip
    wide = diagnose(unsure, None, target="flow.py").advice[0]
    assert wide.gain_low < sure.gain_low < sure.gain
