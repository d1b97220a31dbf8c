"""Whatever a profile holds, it gets a diagnosis that can be saved, and whose figures make sense."""

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from d4py_adaptive.runtime.diagnosis.diagnose import RULES, diagnose
from d4py_adaptive.telemetry.diagnosis import Diagnosis
from d4py_adaptive.telemetry.profile import (
    HeavyKey,
    HostProfile,
    InstanceProfile,
    PEProfile,
    Profile,
    Scaling,
    ServiceTime,
    Split,
    StateSeen,
    StreamProfile,
    WorkerProfile,
)
from d4py_adaptive.telemetry.saved import read_saved

SECONDS = st.sampled_from([0.0, 1e-9, 1e-4, 0.02, 0.5, 0.97, 3.0, 1e5])
COUNTS = st.sampled_from([0, 1, 2, 7, 100, 10**6])
SHARES = st.sampled_from([0.0, 0.01, 0.5, 0.95, 1.0])

SPLITS = st.builds(
    Split, compute_s=SECONDS, serialise_s=SECONDS, codec_s=SECONDS, blocked_s=SECONDS, starved_s=SECONDS,
    others_s=SECONDS, overhead_s=SECONDS,
)  # fmt: skip
SCALINGS = st.builds(
    Scaling, fixed=st.sampled_from([None, None, 1, 4]), at_most=st.sampled_from([None, 2]), keyed=st.booleans(),
    is_source=st.booleans(), reason=st.sampled_from(["", "process changes self.total"]),
)  # fmt: skip
SERVICES = st.builds(
    ServiceTime, calls=COUNTS, mean_s=SECONDS, mean_error_s=SECONDS,
    cpu_share=st.sampled_from([None, 0.0, 0.02, 1.0, 3.0]),
)  # fmt: skip
STATES = st.builds(
    StateSeen, declared=st.sampled_from([None, True, False]), stateless_by_code=st.booleans(), looks=COUNTS,
    changed=st.sampled_from([{}, {"total": 3}]),
)  # fmt: skip


@st.composite
def profiles(draw: st.DrawFn) -> Profile:
    ids = [f"PE{n}" for n in range(draw(st.integers(0, 4)))]
    pes = tuple(
        PEProfile(
            pe=pe, instances=draw(st.integers(0, 3)), items_in=draw(COUNTS), bytes_in=draw(COUNTS),
            service=draw(SERVICES), split=draw(SPLITS), state=draw(STATES), scaling=draw(SCALINGS),
        )
        for pe in ids
    )  # fmt: skip
    streams = tuple(
        StreamProfile(
            id=f"{ids[a]}.o->{ids[b]}.i", source=ids[a], output="o", target=draw(st.sampled_from([ids[b], ""])),
            input="i", grouping=draw(st.sampled_from(["shuffle", "group_by", "one_to_all", "all_to_one"])),
            fused=draw(st.booleans()), items=draw(COUNTS), bytes=draw(COUNTS),
            item_bytes=draw(st.sampled_from([None, 0.0, 30.0, 1e7])), copy_s=draw(SECONDS),
            distinct_keys=draw(st.sampled_from([None, 0, 1, 3])),
            heavy_keys=tuple(HeavyKey(key="k", share=share) for share in draw(st.lists(SHARES, max_size=2))),
        )
        for a in range(len(ids)) for b in range(a + 1, len(ids)) if draw(st.booleans())
    )  # fmt: skip
    instances = tuple(
        InstanceProfile(
            pe=pe.pe, index=index, worker=draw(st.integers(0, 3)), stage=draw(st.integers(0, 2)), items_in=draw(COUNTS),
            split=draw(SPLITS), wall_s=draw(SECONDS),
        )
        for pe in pes for index in range(pe.instances)
    )  # fmt: skip
    workers = tuple(
        WorkerProfile(
            number=number, cpu_s=draw(SECONDS), runnable_s=draw(st.one_of(st.none(), SECONDS)),
            peak_memory_bytes=draw(COUNTS), threads=draw(st.integers(0, 9)), page_faults=draw(COUNTS),
        )
        for number in range(draw(st.integers(0, 4)))
    )  # fmt: skip
    return Profile(
        workflow="flow", mapping=draw(st.sampled_from(["", "simple", "multi", "mpi"])), cores=draw(st.integers(0, 4)),
        memory_bytes=draw(COUNTS), wall_s=draw(SECONDS), start_s=draw(SECONDS), pes=pes, streams=streams,
        instances=instances if draw(st.booleans()) else (), workers=workers,
    )  # fmt: skip


HOSTS = st.sampled_from(
    [
        None,
        HostProfile(fingerprint="bare"),
        HostProfile(
            fingerprint="probed", pickle_s={100: 1e-6, 10**6: 1e-3},
            batched_hop_s={"pipe": {100: 1e-6, 10**6: 1e-3}, "shared_memory": {10**4: 1e-6}},
        ),
    ]
)  # fmt: skip


def figures_of(found: Diagnosis) -> list[float]:
    findings = [found.verdict, *found.findings]
    numbers = [number for one in findings for number in (one.cost, *one.evidence.values())]
    numbers += [number for one in found.advice for number in (one.gain, one.gain_low, one.gain_high)]
    return numbers + [number for one in found.alternatives for number in (one.predicted_s, one.gain)]


@settings(deadline=None, max_examples=150)
@given(profiles(), HOSTS)
def test_any_profile_gets_a_diagnosis(profile: Profile, host: HostProfile | None) -> None:
    found = diagnose(profile, host, target="flow.py", command="d4py diagnose -m multi -n 4 flow.py")
    assert read_saved(Diagnosis, found.to_json(), "it") == found
    assert all(math.isfinite(number) for number in figures_of(found))
    for finding in (found.verdict, *found.findings):
        assert 0 <= finding.cost <= 1
        assert finding.sentence.endswith(".")
        if finding.pe:
            profile.of(finding.pe)
            assert finding.pe in finding.sentence
        assert finding.stream in {"", *(stream.id for stream in profile.streams)}
    assert found.findings[:1] == (() if found.verdict.cause == "healthy" else (found.verdict,))
    causes = {finding.cause for finding in found.findings}
    for advice in found.advice:
        assert advice.cause in causes
        assert 0 < advice.gain_low <= advice.gain <= advice.gain_high
    assert [one.gain for one in found.advice] == sorted((one.gain for one in found.advice), reverse=True)
    quickest_first = [one.predicted_s for one in found.alternatives]
    assert quickest_first == sorted(quickest_first)


@settings(deadline=None, max_examples=80)
@given(profiles())
def test_no_gain_is_above_what_the_cores_allow(profile: Profile) -> None:
    from d4py_adaptive.runtime.diagnosis.figures import Figures

    figures = Figures(profile)
    least_s = sum(work.cpu_s for work in figures.work.values()) / figures.cores
    for advice in diagnose(profile, None, target="flow.py").advice:
        assert least_s == 0 or advice.gain_high <= max(1.0, figures.total_s / least_s) * (1 + 1e-9)


def test_every_rule_is_in_the_table_once_and_says_what_it_finds() -> None:
    assert len(set(RULES)) == len(RULES)
    assert all(rule.__doc__ for rule in RULES)
