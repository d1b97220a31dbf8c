"""Profiles of several runs put together."""

import math
import statistics
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from d4py_adaptive.profiler import merging
from d4py_adaptive.profiler.merging import merged
from d4py_adaptive.telemetry import sketch
from d4py_adaptive.telemetry.profile import (
    CostLaw,
    HeavyKey,
    InstanceProfile,
    PEProfile,
    Profile,
    ServiceTime,
    Split,
    StateSeen,
    StreamProfile,
    WorkerProfile,
)
from d4py_adaptive.telemetry.saved import read_saved

CAREFUL = {"fingerprint": "0" * 16, "host": "h", "workflow": "flow.py"}


def service(durations_s: Iterable[float], **more: Any) -> ServiceTime:
    """What a run would measure of calls that took so long."""
    durations_s = list(durations_s)
    buckets: dict[int, int] = {}
    for duration_s in durations_s:
        bucket = sketch.bucket_of(round(duration_s * 1e9))
        buckets[bucket] = buckets.get(bucket, 0) + 1
    deviation_s = statistics.stdev(durations_s) if len(durations_s) > 1 else 0.0
    return ServiceTime(
        calls=len(durations_s),
        timed=len(durations_s),
        mean_s=statistics.fmean(durations_s) if durations_s else 0.0,
        deviation_s=deviation_s,
        max_s=max(durations_s, default=0.0),
        buckets=buckets,
        **more,
    )


def of_pe(**fields: Any) -> Profile:
    return Profile(**CAREFUL, pes=(PEProfile(pe="a", **fields),))


def of_stream(**fields: Any) -> Profile:
    return Profile(**CAREFUL, streams=(StreamProfile(id="a.o->b.i", source="a", output="o", **fields),))


def pe(*profiles: Profile) -> PEProfile:
    (found,) = together(*profiles).pes
    return found


def stream(*profiles: Profile) -> StreamProfile:
    (found,) = together(*profiles).streams
    return found


def together(*profiles: Profile) -> Profile:
    kept: Profile | None = None
    for profile in profiles:
        kept = merged(kept, profile)
    assert kept is not None
    return kept


# ---------------------------------------------------------------------- figures


def test_the_first_profile_is_kept_as_it_is() -> None:
    profile = of_pe(items_in=3)
    assert merged(None, profile) is profile


def test_counts_add_up() -> None:
    one = of_pe(
        items_in=1, items_out=2, bytes_in=3, bytes_out=4, skipped=5, retried=6,
        split=Split(compute_s=1, starved_s=2), state=StateSeen(looks=7, changed={"x": 1}),
    )  # fmt: skip
    other = of_pe(
        items_in=10, items_out=20, bytes_in=30, bytes_out=40, skipped=50, retried=60,
        split=Split(compute_s=10, blocked_s=5), state=StateSeen(looks=70, changed={"x": 2, "y": 1}),
    )  # fmt: skip
    found = pe(one, other)
    assert (found.items_in, found.items_out, found.bytes_in, found.bytes_out) == (11, 22, 33, 44)
    assert (found.skipped, found.retried) == (55, 66)
    assert found.split == Split(compute_s=11, starved_s=2, blocked_s=5)
    assert (found.state.looks, found.state.changed) == (77, {"x": 3, "y": 1})


@given(
    st.lists(st.floats(1e-6, 10), min_size=1, max_size=30),
    st.lists(st.floats(1e-6, 10), min_size=1, max_size=30),
)
def test_service_times_are_those_of_all_calls_at_once(one: list[float], other: list[float]) -> None:
    whole, found = service(one + other), pe(of_pe(service=service(one)), of_pe(service=service(other))).service
    assert (found.calls, found.timed, found.max_s) == (whole.calls, whole.timed, whole.max_s)
    assert found.buckets == whole.buckets
    assert found.mean_s == pytest.approx(whole.mean_s)
    assert found.deviation_s == pytest.approx(whole.deviation_s, abs=1e-9)
    assert found.mean_error_s == pytest.approx(1.96 * whole.deviation_s / math.sqrt(whole.calls), abs=1e-9)
    assert found.p50_s <= found.p95_s <= found.p99_s <= found.max_s
    assert found.p95_s == min(sketch.quantile_s(whole.buckets, 0.95), whole.max_s)


def test_a_run_without_calls_changes_no_service_time() -> None:
    measured = service([1.0, 2.0, 4.0])
    for profiles in ((of_pe(service=measured), of_pe()), (of_pe(), of_pe(service=measured))):
        found = pe(*profiles).service
        assert (found.mean_s, found.deviation_s, found.calls) == (measured.mean_s, measured.deviation_s, 3)


def test_quantiles_of_traces_without_a_sketch_stay_the_measured_ones() -> None:
    known = ServiceTime(calls=5, timed=5, mean_s=1, p50_s=1, p95_s=2, p99_s=3, max_s=4)
    assert pe(of_pe(service=known), of_pe(service=ServiceTime(calls=2, mean_s=1))).service.p95_s == 2


def test_means_are_weighted() -> None:
    one = of_pe(items_in=1, selectivity={"o": 1.0, "p": 1.0}, item_in_bytes=100.0)
    other = of_pe(items_in=3, selectivity={"o": 2.0}, item_in_bytes=500.0)
    found = pe(one, other)
    assert found.selectivity == pytest.approx({"o": 1.75, "p": 0.25})
    assert found.item_in_bytes == pytest.approx(400)
    assert pe(one, of_pe(items_in=1000)).item_in_bytes == 100


def test_the_mean_of_equal_figures_is_that_figure() -> None:
    for before in range(1, 50):
        shared = [of_stream(items=n, heavy_keys=(HeavyKey(key="k", share=0.3),)) for n in (before, 50 - before)]
        assert stream(*shared).heavy_keys[0].share == 0.3


def test_the_selectivity_of_a_source_is_weighted_by_its_calls() -> None:
    one = of_pe(selectivity={"o": 1.0}, service=service([1.0]))
    other = of_pe(selectivity={"o": 5.0}, service=service([1.0] * 3))
    assert pe(one, other).selectivity == pytest.approx({"o": 4.0})


def test_the_processor_s_share_is_weighted_by_time() -> None:
    one, other = service([3.0], cpu_share=1.0), service([1.0], cpu_share=0.0)
    assert pe(of_pe(service=one), of_pe(service=other)).service.cpu_share == pytest.approx(0.75)
    assert pe(of_pe(service=one), of_pe(service=service([1.0]))).service.cpu_share == 1


def test_streams_add_up() -> None:
    one = of_stream(items=1, bytes=10, copy_s=1.0, item_bytes=10.0, compressibility=0.5, distinct_keys=3)
    other = of_stream(items=3, bytes=90, copy_s=0.5, item_bytes=30.0, compressibility=0.1, distinct_keys=7)
    found = stream(one, other)
    assert (found.items, found.bytes, found.copy_s, found.distinct_keys) == (4, 100, 1.5, 7)
    assert (found.item_bytes, found.compressibility) == (pytest.approx(25), pytest.approx(0.2))


def test_heavy_keys_are_weighted_and_ranked_anew() -> None:
    one = of_stream(items=10, heavy_keys=(HeavyKey(key="x", share=0.5), HeavyKey(key="y", share=0.2)))
    other = of_stream(items=30, heavy_keys=(HeavyKey(key="z", share=0.4), HeavyKey(key="y", share=0.3)))
    assert [(heavy.key, pytest.approx(heavy.share)) for heavy in stream(one, other).heavy_keys] == [
        ("z", 0.3),
        ("y", 0.275),
    ]
    nobody_heavy = of_stream(items=10, distinct_keys=1000)
    assert [(heavy.key, heavy.share) for heavy in stream(one, nobody_heavy).heavy_keys] == [("x", 0.25), ("y", 0.1)]


def test_what_only_a_full_profile_has_survives_one_of_counters() -> None:
    law = CostLaw(kind="linear", coefficients=(1.0, 2.0), error=0.1, samples=50)
    full = Profile(
        **CAREFUL,
        level="full",
        pes=(PEProfile(pe="a", cost=law, state=StateSeen(reason="why", looks=9, changed={"x": 2})),),
        streams=(
            StreamProfile(
                id="s", source="a", output="o", compressibility=0.3, heavy_keys=(HeavyKey(key="k", share=1),)
            ),
        ),
    )
    bare = Profile(
        **CAREFUL, pes=(PEProfile(pe="a"),), streams=(StreamProfile(id="s", source="a", output="o", items=9),)
    )
    for found in (together(full, bare), together(bare, full), together(bare, full, bare)):
        assert found.level == "full"
        assert found.of("a").cost == law
        assert found.of("a").state == full.of("a").state
        assert found.streams[0].compressibility == 0.3
        assert found.streams[0].heavy_keys == full.streams[0].heavy_keys


@pytest.mark.parametrize(
    ("before", "now", "newer"), [(100, 100, True), (100, 50, True), (100, 49, False), (5, 90, True)]
)
def test_the_newer_law_of_cost_counts_unless_it_rests_on_far_less(before: int, now: int, newer: bool) -> None:
    laws = [CostLaw(kind="constant", coefficients=(float(i),), error=0, samples=n) for i, n in enumerate((before, now))]
    assert pe(*(of_pe(cost=law) for law in laws)).cost == laws[newer]


def test_what_is_of_one_run_is_the_last_one_s() -> None:
    def run(number: int) -> Profile:
        return Profile(
            **CAREFUL,
            mapping=f"m{number}",
            wall_s=number,
            cores=number,
            recorded_at_s=number,
            pes=(PEProfile(pe="a", instances=number),),
            stages=((f"s{number}",),),
            instances=(InstanceProfile(pe="a", index=number, worker=0, stage=0),),
            workers=(WorkerProfile(number=number),),
        )

    found = together(run(1), run(2))
    assert replace(found, runs=1) == run(2)
    assert found.runs == 2


# ---------------------------------------------------------------------- what is not mixed


def test_a_pe_whose_code_changed_begins_anew_with_what_it_writes() -> None:
    def run(code: str, **more: Any) -> Profile:
        return Profile(
            **CAREFUL,
            **more,
            pes=(PEProfile(pe="a", code=code, items_out=5), PEProfile(pe="b", code="same", items_in=5)),
            streams=(
                StreamProfile(id="a.o->b.i", source="a", output="o", target="b", items=5),
                StreamProfile(id="b.o", source="b", output="o", items=5),
            ),
        )

    found = together(run("old"), run("old"), run("new", recorded_at_s=86400.0))
    assert [entry.items_out or entry.items_in for entry in found.pes] == [5, 15]
    assert [entry.items for entry in found.streams] == [5, 15]
    assert found.notes == ("the code of PE a changed: its figures begin on 1970-01-02",)
    assert found.runs == 3


def test_a_partial_run_adds_nothing_to_whole_ones() -> None:
    whole, part = of_pe(items_in=5), replace(of_pe(items_in=1000), partial=True, notes=("sampled",))
    found = together(whole, part, part)
    assert replace(found, notes=()) == whole
    assert found.notes == ("a partial run was left out: the figures are of better runs",)


def test_a_whole_run_replaces_partial_ones() -> None:
    whole, part = of_pe(items_in=5), replace(of_pe(items_in=1000), partial=True)
    assert together(part, whole) == whole
    assert together(part, part).of("a").items_in == 2000
    assert together(part, part).partial


def test_traces_of_other_systems_give_way_to_anything() -> None:
    trace = replace(of_pe(items_in=5), level="foreign")
    for better in (of_pe(items_in=1), replace(of_pe(items_in=2), partial=True)):
        assert together(trace, better) == better
        assert replace(together(better, trace), notes=()) == better


@pytest.mark.parametrize("other", [{"fingerprint": "1" * 16}, {"host": "other"}])
def test_other_workflows_and_machines_are_refused(other: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="different workflows or machines"):
        merged(of_pe(), replace(of_pe(), **other))


def test_what_a_run_did_not_see_is_kept() -> None:
    both = Profile(**CAREFUL, pes=(PEProfile(pe="a"), PEProfile(pe="b", items_in=3)))
    assert [entry.pe for entry in together(both, of_pe()).pes] == ["a", "b"]


def test_the_latest_notes_are_kept_each_once() -> None:
    def noted(*notes: str) -> Profile:
        return replace(of_pe(), notes=notes)

    assert together(noted("x", "y"), noted("x")).notes == ("y", "x")
    many = together(*(noted(f"note {i}") for i in range(30))).notes
    assert len(many) == 12
    assert many[-1] == "note 29"


# ---------------------------------------------------------------------- fading


def test_old_runs_fade() -> None:
    slow, quick = of_pe(service=service([1.0] * 10), items_in=10), of_pe(service=service([0.1] * 10), items_in=10)
    known = together(*[slow] * 20)
    assert known.of("a").service.calls == 200
    for _ in range(60):
        known = merged(known, quick)
    assert known.runs == 80
    assert known.of("a").service.mean_s < 0.2
    assert known.of("a").service.calls < 400
    assert known.of("a").service.p50_s == pytest.approx(0.1, rel=0.1)


def test_many_calls_fade_before_the_next_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "MOST_CALLS", 100)
    large = Profile(
        **CAREFUL,
        pes=(
            PEProfile(
                pe="a",
                items_in=101,
                service=ServiceTime(calls=101, timed=101, buckets={1: 100, 900: 1}),
                split=Split(compute_s=8.0),
                state=StateSeen(looks=9, changed={"x": 1}),
            ),
            PEProfile(pe="b", items_in=50),
        ),
        streams=(StreamProfile(id="s", source="a", output="o", items=50, bytes=500, copy_s=1.0),),
    )
    nothing = replace(of_pe(), runs=0)
    found = merged(large, nothing)
    a, b = (found.of(name) for name in "ab")
    assert (a.items_in, a.service.calls, a.service.timed, a.split.compute_s) == (51, 51, 51, 4.0)
    assert sum(a.service.buckets.values()) == 51
    assert (a.state.looks, a.state.changed) == (5, {"x": 1})
    assert b.items_in == 25  # all fades together, so that ratios stay
    assert (found.streams[0].items, found.streams[0].bytes, found.streams[0].copy_s) == (25, 250, 0.5)
    assert merged(found, nothing).of("a").service.calls == 51


@given(st.dictionaries(st.integers(0, 300), st.integers(1, 1000), min_size=1))
def test_half_a_sketch_is_half_as_much_of_the_same_form(buckets: dict[int, int]) -> None:
    half = merging._half_of_each(buckets)
    assert sum(half.values()) == (sum(buckets.values()) + 1) // 2
    assert all(abs(2 * half.get(bucket, 0) - count) <= 1 for bucket, count in buckets.items())


# ---------------------------------------------------------------------- for all profiles

counts = st.integers(0, 2**40)
seconds = st.floats(0, 1e6)
shares = st.floats(0, 1)
services = st.builds(
    ServiceTime,
    calls=counts, timed=counts, mean_s=seconds, max_s=seconds, deviation_s=seconds,
    buckets=st.dictionaries(st.integers(0, sketch.BUCKETS - 1), counts, max_size=4),
    cpu_share=st.none() | seconds,
)  # fmt: skip
pes = st.builds(
    PEProfile,
    pe=st.just("a"), code=st.sampled_from(["c", "d"]), items_in=counts, items_out=counts, bytes_in=counts,
    selectivity=st.dictionaries(st.sampled_from("op"), seconds), item_in_bytes=st.none() | seconds, service=services,
    cost=st.none() | st.builds(
        CostLaw, kind=st.just("constant"), coefficients=st.tuples(seconds), error=seconds, samples=counts
    ),
    split=st.builds(Split, compute_s=seconds, others_s=seconds),
    state=st.builds(StateSeen, looks=counts, changed=st.dictionaries(st.sampled_from("xy"), counts)),
)  # fmt: skip
streams = st.builds(
    StreamProfile,
    id=st.just("s"), source=st.just("a"), output=st.just("o"), items=counts, bytes=counts, copy_s=seconds,
    item_bytes=st.none() | seconds, compressibility=st.none() | seconds, distinct_keys=st.none() | counts,
    heavy_keys=st.lists(
        st.builds(HeavyKey, key=st.sampled_from("klm"), share=shares), max_size=3, unique_by=lambda heavy: heavy.key
    ).map(tuple),
)  # fmt: skip
profiles = st.builds(
    Profile,
    workflow=st.just("flow.py"), fingerprint=st.just("0" * 16), host=st.just("h"), runs=st.integers(0, 40),
    level=st.sampled_from(["counters", "full", "foreign"]), partial=st.booleans(),
    pes=st.tuples(pes), streams=st.tuples(streams), notes=st.lists(st.text(max_size=3), max_size=3).map(tuple),
)  # fmt: skip


@given(st.lists(profiles, min_size=1, max_size=6))
def test_whatever_is_merged_can_be_saved_and_read(found: list[Profile]) -> None:
    kept = together(*found)
    assert read_saved(Profile, kept.to_json(), "it") == kept


@given(st.lists(profiles, min_size=3, max_size=3))
def test_counts_do_not_depend_on_which_runs_were_merged_first(found: list[Profile]) -> None:
    # Only of whole runs of one program and so few that none fades.
    one, two, three = (
        replace(
            run,
            runs=1,
            partial=False,
            level="full",
            pes=tuple(
                replace(entry, code="c", service=replace(entry.service, calls=entry.service.calls % 1000))
                for entry in run.pes
            ),
        )
        for run in found
    )
    left, right = merged(merged(one, two), three), merged(one, merged(two, three))
    for a, b in zip(left.pes, right.pes, strict=True):
        names = ("items_in", "items_out", "bytes_in", "skipped", "retried")
        assert [getattr(a, name) for name in names] == [getattr(b, name) for name in names]
        assert (a.service.calls, a.service.timed, a.service.buckets) == (
            b.service.calls,
            b.service.timed,
            b.service.buckets,
        )
        assert (a.state.looks, a.state.changed) == (b.state.looks, b.state.changed)
        assert a.split.compute_s == pytest.approx(b.split.compute_s)
    assert [(s.items, s.bytes, s.distinct_keys) for s in left.streams] == [
        (s.items, s.bytes, s.distinct_keys) for s in right.streams
    ]
    assert left.runs == right.runs == 3
