"""Every cause, in a profile made by hand, with what must and must not be said of its neighbours."""

from itertools import pairwise

import msgspec
import pytest
from diagnosis_profiles import FREE, GIB, KEYED, SOURCE, STATE, Sketch, profile, stream

from d4py_adaptive.runtime.diagnosis.diagnose import diagnose
from d4py_adaptive.telemetry.diagnosis import Diagnosis
from d4py_adaptive.telemetry.profile import HeavyKey, Profile, Scaling


def of(seen: Profile, command: str = "") -> Diagnosis:
    return diagnose(seen, None, target="flow.py", command=command)


def verdict(seen: Profile, command: str = "") -> tuple[str, str]:
    found = of(seen, command).verdict
    assert found.pe in found.sentence
    return found.cause, found.pe


def sequential(work: Sketch, source_s: float = 0.02, wall_s: float | None = None, **more: object) -> Profile:
    """A source and a PE in one process."""
    sketches = [Sketch("Read0", [source_s], [0], scaling=SOURCE), work]
    wall_s = wall_s or source_s + sum(work.compute_s)
    return profile(sketches, [stream("Read0", work.pe, fused=True)], wall_s=wall_s, stages=[0, 0], **more)


def parallel(work: Sketch, source_s: float = 0.02, wall_s: float = 1.0, **more: object) -> Profile:
    """A source on worker 0, and a PE wherever it says."""
    sketches = [Sketch("Read0", [source_s], [0], scaling=SOURCE), work]
    grouping = "group_by" if work.scaling.keyed else "shuffle"
    return profile(sketches, [stream("Read0", work.pe, grouping=grouping)], wall_s=wall_s, **more)


# One PE limits the run.


def test_a_slow_pe_that_may_be_replicated_is_told_to_use_the_cores() -> None:
    seen = of(sequential(Sketch("Fit1", [2.0], [0])), "d4py diagnose flow.py -p seed=2")
    assert (seen.verdict.cause, seen.verdict.pe) == ("slow_pe", "Fit1")
    assert seen.advice[0].command == "d4py run -m multi -n 2 -p seed=2 flow.py"
    assert 1.7 < seen.advice[0].gain <= 2.0
    assert seen.advice[0].gain_low < seen.advice[0].gain <= seen.advice[0].gain_high <= 2.1


def test_a_bound_on_the_number_of_instances_is_named() -> None:
    bounded = Scaling(at_most=2, reason="it keeps nothing")
    seen = of(parallel(Sketch("Fit1", [0.95, 0.95], [0, 1], scaling=bounded), cores=8))
    assert seen.verdict.cause == "slow_pe"
    assert any(one.command == "Fit1.numprocesses = 8" for one in seen.advice)


def test_a_pe_that_state_holds_at_one_instance_is_told_by_the_attribute() -> None:
    seen = of(parallel(Sketch("Sum1", [0.95], [1], scaling=STATE, looks=9, changed={"total": 9})))
    assert (seen.verdict.cause, seen.verdict.pe) == ("state", "Sum1")
    assert "self.total" in seen.verdict.sentence
    assert not any("stateless = True" in one.command for one in seen.advice)


def test_state_that_never_changed_may_be_declared_away() -> None:
    seen = of(parallel(Sketch("Sum1", [0.95], [1], scaling=STATE, looks=9)))
    assert seen.advice[0].command == "stateless = True  # in the class of Sum1"


def test_state_that_was_never_looked_at_is_not_declared_away() -> None:
    seen = of(parallel(Sketch("Sum1", [0.95], [1], scaling=STATE)))
    assert not any("stateless = True" in one.command for one in seen.advice)


def test_state_that_could_not_be_compared_is_not_declared_away() -> None:
    seen = parallel(Sketch("Sum1", [0.95], [1], scaling=STATE, looks=9))
    source, summing = seen.pes
    unseen = msgspec.structs.replace(summing.state, unseen={"socket": "it cannot be compared"})
    seen = profile_with(seen, pes=(source, msgspec.structs.replace(summing, state=unseen)))
    assert not any("stateless = True" in one.command for one in of(seen).advice)


def test_a_fixed_number_that_is_not_due_to_state_is_not_called_state() -> None:
    single = Scaling(fixed=1, reason="declared single")
    assert verdict(parallel(Sketch("Write1", [0.95], [1], scaling=single))) == ("slow_pe", "Write1")


def test_state_counts_in_a_sequential_run_too() -> None:
    assert verdict(sequential(Sketch("Sum1", [2.0], [0], scaling=STATE))) == ("state", "Sum1")


def test_one_instance_that_gets_most_items_is_skew_not_slowness() -> None:
    seen = parallel(Sketch("Count1", [0.95, 0.1], [0, 1], items=[900, 100], scaling=KEYED))
    heavy = stream("Read0", "Count1", grouping="group_by", heavy_keys=(HeavyKey(key="'the'", share=0.6),))
    seen = profile_with(seen, streams=(heavy,))
    found = of(seen).verdict
    assert (found.cause, found.pe, found.stream) == ("skewed_keys", "Count1", heavy.id)
    assert "Count1[0]" in found.sentence
    assert "'the'" in found.sentence
    assert "90 % of the items" in found.sentence


def test_even_keys_on_all_cores_are_healthy() -> None:
    assert verdict(parallel(Sketch("Count1", [0.95, 0.9], [0, 1], scaling=KEYED))) == ("healthy", "")


def test_a_source_that_all_else_waits_for() -> None:
    seen = of(parallel(Sketch("Fit1", [0.1, 0.1], [0, 1]), source_s=0.95))
    assert (seen.verdict.cause, seen.verdict.pe) == ("serial_source", "Read0")
    assert seen.advice[0].command == "splittable = True  # in the class of Read0"


@pytest.mark.parametrize("is_parallel", [False, True])
def test_a_source_that_waits_for_the_outside_world_is_the_culprit_still(is_parallel: bool) -> None:
    source = Sketch("Read0", [0.97], [0], scaling=SOURCE, cpu_share=0.01)
    work = Sketch("Fit1", [0.02], [int(is_parallel)])
    seen = of(profile([source, work], [stream("Read0", "Fit1", fused=not is_parallel)], wall_s=1.0))
    assert (seen.verdict.cause, seen.verdict.pe) == ("serial_source", "Read0")
    assert "waiting for something outside" in seen.verdict.sentence


@pytest.mark.parametrize("workers", [[0], [0, 1]])
def test_calls_that_wait_outside_want_more_instances_than_cores(workers: list[int]) -> None:
    work = Sketch("Fetch1", [0.95] * len(workers), workers, cpu_share=0.02)
    seen = of(sequential(work, wall_s=1.0) if len(workers) == 1 else parallel(work))
    assert (seen.verdict.cause, seen.verdict.pe) == ("blocking_io", "Fetch1")
    assert seen.advice[0].gain > 3
    assert int(seen.advice[0].command.split()[5]) > 2


def test_a_wait_for_a_core_is_no_wait_for_the_outside_world() -> None:
    work = Sketch("Fit1", [0.95] * 8, list(range(8)), cpu_share=0.25)
    waits = {n: {"cpu_s": 0.24, "runnable_s": 0.71} for n in range(8)}
    assert verdict(parallel(work, workers=waits)) == ("too_many_processes", "Fit1")


def test_state_comes_before_blocking() -> None:
    work = Sketch("Fetch1", [0.95], [1], cpu_share=0.02, scaling=STATE)
    assert verdict(parallel(work)) == ("state", "Fetch1")


# What lies between PEs.


def crossing(items: int, item_bytes: float, compute_s: float, hand_over_s: float, **more: object) -> Profile:
    source = Sketch("Read0", [0.05], [0], items=[1], hand_over_s=[hand_over_s], scaling=SOURCE)
    share = items // 2
    work = Sketch(
        "Fit1", [compute_s / 2] * 2, [0, 1], items=[share, share], hand_over_s=[hand_over_s / 2] * 2, scaling=FREE
    )
    link = stream("Read0", "Fit1", items=items, item_bytes=item_bytes, bytes=int(items * item_bytes))
    return profile([source, work], [link], wall_s=0.05 + 1.5 * hand_over_s + compute_s / 2, **more)


def test_tiny_items_that_drown_in_overhead() -> None:
    seen = of(crossing(100_000, 30, compute_s=0.04, hand_over_s=0.6))
    assert (seen.verdict.cause, seen.verdict.pe) == ("tiny_items", "Read0")
    assert seen.verdict.stream == "Read0.output->Fit1.input"
    assert any(one.command == "d4py run flow.py" for one in seen.advice)


def test_small_items_with_work_to_do_on_them_are_none() -> None:
    assert verdict(crossing(1_000, 30, compute_s=1.6, hand_over_s=0.01))[0] == "healthy"


def test_big_messages() -> None:
    found = of(crossing(40, 8e6, compute_s=0.04, hand_over_s=0.6)).verdict
    assert (found.cause, found.pe) == ("big_messages", "Read0")
    assert "8.0 MB" in found.sentence


def test_a_stage_of_its_own_where_a_call_would_do() -> None:
    source = Sketch("Read0", [0.05], [0], hand_over_s=[0.5], scaling=SOURCE)
    keep = Sketch("Keep1", [0.02], [1], items=[50_000], hand_over_s=[0.5], scaling=STATE)
    seen = profile([source, keep], [stream("Read0", "Keep1", items=50_000, item_bytes=20.0)], wall_s=0.6)
    found = of(seen, "d4py diagnose -m multi -n 2 --no-fuse flow.py")
    assert (found.verdict.cause, found.verdict.pe) == ("under_fused", "Keep1")
    assert not any("--no-fuse" in one.command for one in found.advice)


def test_copies_for_readers_that_might_change_their_item() -> None:
    source = Sketch("Read0", [0.1], [0], hand_over_s=[0.6], scaling=SOURCE)
    readers = [Sketch(f"Look{n}", [0.05], [0], scaling=STATE) for n in (1, 2, 3)]
    streams = [stream("Read0", reader.pe, fused=True, copy_s=0.2) for reader in readers]
    seen = of(profile([source, *readers], streams, wall_s=0.9, stages=[0] * 4))
    assert (seen.verdict.cause, seen.verdict.pe) == ("fan_out_copies", "Read0")
    assert seen.advice[0].command == "read_only = True  # in the class of Look1, Look2 and Look3"
    assert seen.advice[0].gain == pytest.approx(3.0, rel=0.1)


# Processes.


def test_more_workers_than_cores_that_all_want_one() -> None:
    seen = of(parallel(Sketch("Fit1", [0.9] * 8, list(range(8))), contended=True))
    assert (seen.verdict.cause, seen.verdict.pe) == ("too_many_processes", "Fit1")
    assert seen.advice[0].command == "d4py run -m multi -n 2 flow.py"


def test_as_many_workers_as_cores_beside_other_programs_are_not_too_many() -> None:
    busy = {n: {"cpu_s": 0.5, "runnable_s": 0.45} for n in (0, 1)}
    seen = of(parallel(Sketch("Fit1", [0.9, 0.9], [0, 1], cpu_share=0.55), workers=busy))
    assert seen.verdict.cause == "healthy"
    assert any("other programs" in warning for warning in seen.warnings)


def test_workers_with_nothing_to_do() -> None:
    work = Sketch("Count1", [0.95, 0.95, *[0.001] * 6], list(range(8)), scaling=KEYED)
    assert verdict(parallel(work)) == ("idle_processes", "Count1")


def test_idle_workers_are_no_cause_where_another_is() -> None:
    work = Sketch("Sum1", [0.95], [1], scaling=STATE)
    light = Sketch("Tidy2", [0.01] * 4, [0, 1, 2, 3])
    seen = of(profile(
        [Sketch("Read0", [0.02], [0], scaling=SOURCE), work, light],
        [stream("Read0", "Sum1"), stream("Sum1", "Tidy2")], wall_s=1.0, cores=4,
    ))  # fmt: skip
    assert seen.verdict.cause == "state"
    assert "idle_processes" not in {found.cause for found in seen.findings}


def test_memory_near_its_end_comes_first() -> None:
    work = Sketch("Keep1", [0.95, 0.2], [0, 1], items=[900, 100], scaling=KEYED, bytes_in=10**9)
    seen = of(parallel(work, workers={n: {"peak_memory_bytes": 7.5 * GIB} for n in (0, 1)}))
    assert (seen.verdict.cause, seen.verdict.pe) == ("memory_pressure", "Keep1")
    assert {found.cause for found in seen.findings} == {"memory_pressure", "skewed_keys"}


def test_pages_that_come_back_from_disk_are_memory_pressure() -> None:
    work = Sketch("Keep1", [0.9, 0.9], [0, 1])
    assert verdict(parallel(work, workers={0: {"page_faults": 1500}})) == ("memory_pressure", "Keep1")


def test_a_few_pages_that_come_from_disk_are_not() -> None:
    work = Sketch("Keep1", [0.9, 0.9], [0, 1])
    assert verdict(parallel(work, workers={0: {"page_faults": 30}}))[0] == "healthy"


def test_threads_within_workers_that_want_more_cores_than_there_are() -> None:
    work = Sketch("Solve1", [0.95, 0.95], [0, 1])
    crowded = {n: {"cpu_s": 0.95, "runnable_s": 0.9, "threads": 9} for n in (0, 1)}
    seen = of(parallel(work, workers=crowded))
    assert (seen.verdict.cause, seen.verdict.pe) == ("thread_contention", "Solve1")
    assert any(one.command.startswith("OMP_NUM_THREADS=1 d4py run -m multi -n 2") for one in seen.advice)


def test_threads_that_sleep_are_none() -> None:
    work = Sketch("Solve1", [0.95, 0.95], [0, 1])
    seen = parallel(work, workers={n: {"cpu_s": 0.95, "runnable_s": 0.02, "threads": 9} for n in (0, 1)})
    assert verdict(seen)[0] == "healthy"


def test_heavy_pes_that_share_one_process_of_a_parallel_run() -> None:
    source = Sketch("Make0", [0.48], [0], scaling=SOURCE)
    heavy = Sketch("Track1", [0.50], [0], scaling=STATE)
    light = Sketch("Note2", [0.01], [1], scaling=STATE)
    streams = [stream("Make0", "Track1", fused=True), stream("Track1", "Note2")]
    seen = of(profile([source, heavy, light], streams, wall_s=1.0, stages=[0, 0, 1]), "d4py run -m multi -n 2 flow.py")
    assert (seen.verdict.cause, seen.verdict.pe) == ("over_fused", "Track1")
    assert any(one.command == "d4py run -m multi -n 2 --no-fuse flow.py" for one in seen.advice)


def test_many_middling_pes_in_one_process() -> None:
    sketches = [Sketch("Read0", [0.02], [0], scaling=SOURCE), *(Sketch(f"Step{n}", [0.3], [0]) for n in (1, 2, 3, 4))]
    streams = [stream(one.pe, other.pe, fused=True) for one, other in pairwise(sketches)]
    seen = of(profile(sketches, streams, wall_s=1.22, stages=[0] * 5))
    assert seen.verdict.cause == "over_fused"
    assert seen.advice[0].command == "d4py run -m multi -n 2 flow.py"


def test_little_work_is_done_as_quickly_in_one_process() -> None:
    seen = of(parallel(Sketch("Fit1", [0.005, 0.005], [0, 1]), source_s=0.001, wall_s=0.05, start_s=0.04))
    assert seen.verdict.cause == "run_sequentially"
    assert seen.advice[0].command == "d4py run flow.py"


# Nothing is wrong.


def test_a_short_sequential_run_is_healthy() -> None:
    assert verdict(sequential(Sketch("Fit1", [0.03], [0]), 0.001)) == ("healthy", "")


def test_a_long_sequential_run_of_items_too_light_to_hand_over_is_healthy() -> None:
    source = Sketch("Read0", [0.3], [0], items=[1], scaling=SOURCE)
    work = Sketch("Add1", [0.3], [0], items=[300_000])
    seen = profile([source, work], [stream("Read0", "Add1", items=300_000, fused=True)], wall_s=0.6, stages=[0, 0])
    assert verdict(seen) == ("healthy", "")


def test_a_parallel_run_that_keeps_its_cores_busy_is_healthy() -> None:
    found = of(parallel(Sketch("Fit1", [0.9, 0.9], [0, 1]))).verdict
    assert found.cause == "healthy"
    assert "2 cores" in found.sentence


def test_a_slow_pe_on_one_core_is_healthy() -> None:
    assert verdict(sequential(Sketch("Fit1", [2.0], [0]), cores=1))[0] == "healthy"


def profile_with(seen: Profile, **changes: object) -> Profile:
    return msgspec.structs.replace(seen, **changes)


# Which of several findings is the verdict.


def both(copy_s: float) -> Diagnosis:
    """A skewed PE behind a source whose items are copied for two readers."""
    source = Sketch("Read0", [0.05], [0], hand_over_s=[copy_s], scaling=SOURCE)
    skewed = Sketch("Count1", [0.95, 0.1], [1, 0], items=[900, 100], scaling=KEYED)
    other = Sketch("Note2", [0.01], [0], scaling=STATE)
    copied = [stream("Read0", pe, copy_s=copy_s / 2, grouping=grouping) for pe, grouping in
              (("Count1", "group_by"), ("Note2", "shuffle"))]  # fmt: skip
    return of(profile([source, skewed, other], copied, wall_s=1.0))


def test_the_costlier_cause_is_the_verdict() -> None:
    found = both(copy_s=0.15)
    assert [finding.cause for finding in found.findings] == ["skewed_keys", "fan_out_copies"]


def test_of_causes_too_near_to_tell_what_is_easier_to_mend_is_the_verdict() -> None:
    found = both(copy_s=0.3)
    costs = {finding.cause: finding.cost for finding in found.findings}
    assert costs["fan_out_copies"] < costs["skewed_keys"]
    assert found.verdict.cause == "fan_out_copies"
