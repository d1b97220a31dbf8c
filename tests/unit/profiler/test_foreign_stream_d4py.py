"""The timings of stream-d4py's timed mappings as a profile."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from d4py_adaptive.errors import InputError
from d4py_adaptive.profiler.foreign.reading import read_trace
from d4py_adaptive.telemetry.profile import Profile
from d4py_adaptive.telemetry.saved import read_saved
from d4py_adaptive.telemetry.sketch import merged

TIMINGS = Path(__file__).parent / "samples" / "timings"
CALLS = "pe_id,rank,instance_id,iteration_index,iteration_secs"
SUMS = "pe_id,rank,count,total_secs,avg_secs"
OVER_PES = "pe_id,rank_count,ranks,total_count,total_secs,avg_secs,min_secs,p50_secs,p95_secs,max_secs"

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file as `csv.writer` does."""

    def write(*lines: str, name: str = "monitor_x.csv", end: str = "\r\n") -> Path:
        path = tmp_path / name
        path.write_bytes(("\r\n".join(lines) + end).encode())
        return path

    return write


def named(*patterns: str) -> list[Path]:
    return sorted(path for pattern in patterns for path in TIMINGS.glob(pattern))


def test_whichever_files_of_a_run_are_given_tell_the_same() -> None:
    every = read_trace(named("*"))
    assert [(pe.pe, pe.instances, pe.items_in, pe.service.calls) for pe in every.pes] == [
        ("Numbers0", 1, 0, 3), ("Slow1", 1, 6, 6), ("Last2", 2, 6, 6)
    ]  # fmt: skip
    assert [(instance.label, instance.worker, instance.calls) for instance in every.instances] == [
        ("Numbers0[0]", 0, 3), ("Slow1[0]", 1, 6), ("Last2[0]", 2, 3), ("Last2[1]", 3, 3)
    ]  # fmt: skip
    given = ["*_iterations_*", "*_iteration_timings_run1.csv", "*_iteration_timings_summary_*", "*_instances_*",
             "*_summary_run1.csv", "monitor_[A-Z]*"]  # fmt: skip
    for pattern in given:
        profile = read_trace(named(pattern))
        assert profile.cores == every.cores == 4
        assert not any(pe.scaling.is_source for pe in profile.pes)
        for pe in every.pes:
            service = profile.of(pe.pe).service
            assert (service.calls, service.mean_s) == (pe.service.calls, pytest.approx(pe.service.mean_s)), pattern
            assert profile.of(pe.pe).instances == pe.instances
            assert profile.of(pe.pe).split.compute_s == pytest.approx(pe.split.compute_s)


def test_listed_calls_give_quantiles_and_a_sketch(write: Write) -> None:
    profile = read_trace([write(CALLS, *(f"A0,0,A0@0,{i},{i / 1000}" for i in range(1, 101)))])
    service = profile.of("A0").service
    assert (service.calls, service.timed, service.max_s) == (100, 100, 0.1)
    assert [service.mean_s, service.p50_s, service.p95_s, service.p99_s] == [
        pytest.approx(0.0505), pytest.approx(0.05, rel=0.07), pytest.approx(0.095, rel=0.07),
        pytest.approx(0.099, rel=0.07),
    ]  # fmt: skip
    assert service.deviation_s == pytest.approx(0.02901, rel=0.01)
    assert service.mean_error_s == pytest.approx(1.96 * service.deviation_s / 10)
    assert sum(service.buckets.values()) == 100
    assert service.buckets == merged([service.buckets])


def test_the_error_of_the_mean_is_known_where_all_calls_share_a_bucket(write: Write) -> None:
    service = read_trace([write(CALLS, "A0,0,A0@0,1,0.1000", "A0,0,A0@0,2,0.1002")]).of("A0").service
    assert len(service.buckets) == 1
    assert service.deviation_s == pytest.approx(0.0002 / 2**0.5)


def test_what_the_files_do_not_tell_stays_unknown() -> None:
    profile = read_trace(named("*_iterations_*"))
    assert (profile.level, profile.wall_s, profile.streams, profile.workers) == ("foreign", 0.0, (), ())
    assert all(instance.timeline is None and not instance.spans for instance in profile.instances)
    assert "streams are unknown; give the file …_shape_run….json too" in profile.notes
    assert read_saved(Profile, profile.to_json(), "it") == profile


def test_sums_have_the_quantiles_that_stand_in_them_and_say_so() -> None:
    profile = read_trace(named("*_instances_*"))
    assert profile.of("Slow1").service.p95_s == pytest.approx(0.0041433, rel=1e-4)
    last = profile.of("Last2").service
    assert (last.timed, last.p95_s, last.max_s) == (0, 0.0, pytest.approx(0.0022342, rel=1e-4))
    assert "only sums of calls are given for" in profile.notes[1]


@pytest.mark.parametrize("name", ["monitor_shape_run1.json", "monitor_concrete_shape_run1.json"])
def test_the_graph_gives_streams_and_the_order_of_pes(name: str) -> None:
    profile = read_trace([*named("*_iterations_*"), TIMINGS / name])
    assert [(pe.pe, pe.scaling.is_source) for pe in profile.pes] == [
        ("Numbers0", True), ("Slow1", False), ("Last2", False)
    ]  # fmt: skip
    assert [(stream.id, stream.items) for stream in profile.streams] == [
        ("Numbers0.output->Slow1.input", 6), ("Slow1.output->Last2.input", 6)
    ]  # fmt: skip
    assert profile.streams[1].grouping == ("group_by" if "concrete" in name else "shuffle")


@pytest.mark.parametrize(
    ("word", "grouping"),
    [("global", "all_to_one"), ("all", "one_to_all"), ("['word']", "group_by"), ("None", "shuffle")],
)
def test_groupings_have_the_names_they_have_here(write: Write, tmp_path: Path, word: str, grouping: str) -> None:
    shape = tmp_path / "monitor_concrete_shape_run1.json"
    shape.write_text(f'{{"nodes": [], "edges": [{{"from": "A0", "to": "B1", "communication": "{word}"}}]}}')
    (stream,) = read_trace([write(SUMS, "A0,0,1,1.0,1.0", "B1,1,1,1.0,1.0"), shape]).streams
    assert (stream.id, stream.grouping) == ("A0.output->B1.input", grouping)


def test_processor_time_is_used_where_all_calls_have_it(write: Write) -> None:
    header = f"{CALLS},run_id,cpu_secs"
    known = write(header, "A0,0,A0@0,1,0.2,r,0.1", "A0,0,A0@0,2,0.2,r,0.0")
    assert read_trace([known]).of("A0").service.cpu_share == pytest.approx(0.25)
    partly = write(header, "A0,0,A0@0,1,0.2,r,0.1", "A0,0,A0@0,2,0.2,r,")
    assert read_trace([partly]).of("A0").service.cpu_share is None


def test_an_idle_instance_leaves_a_file_without_rows(write: Write) -> None:
    files = [
        write(CALLS, name="monitor_iterations_A0_rank1_run1.csv"),
        write(SUMS, "A0,1,0,0.0,0.0", name="monitor_A0_rank1_run1.csv"),
        write(CALLS, "A0,0,A0@0,1,0.5", name="monitor_iterations_A0_rank0_run1.csv"),
    ]
    profile = read_trace(files)
    assert [instance.calls for instance in profile.instances] == [1, 0]
    with pytest.raises(InputError, match="a trace needs a row at least"):
        read_trace(files[:1])


def test_a_rank_that_is_no_number_is_an_instance_like_others(write: Write) -> None:
    profile = read_trace([write(SUMS, "A0,NA,1,1.0,1.0", "A0,10,1,1.0,1.0", "A0,9,1,1.0,1.0")])
    assert [(instance.index, instance.worker) for instance in profile.instances] == [(0, 9), (1, 10), (2, 2)]


def test_a_line_that_its_killed_writer_did_not_end_is_left_out_and_told(write: Write) -> None:
    calls = write(CALLS, "A0,0,A0@0,1,0.5", "A0,0,A0@0,2,9.5367431640625", end="", name="monitor_iterations_A0.csv")
    sums = write(SUMS, "A0,0,2,0.5000009,0.25", name="monitor_A0.csv")
    profile = read_trace([calls])
    assert (profile.of("A0").service.calls, profile.partial) == (1, True)
    assert "line 3 of monitor_iterations_A0.csv has no end and was left out: its writer was killed" in profile.notes
    assert read_trace([calls, sums]).of("A0").service.calls == 2  # the whole file is believed


def test_files_that_contradict_each_other_are_refused(write: Write) -> None:
    calls = write(CALLS, "A0,0,A0@0,1,0.5", "A0,0,A0@0,2,0.5", name="calls.csv")
    with pytest.raises(InputError, match=r"sums.csv, line 2: A0 of rank 0 must have what .*calls.csv says, 2 calls in"):
        read_trace([calls, write(SUMS, "A0,0,3,1.5,0.5", name="sums.csv")])
    summary = write(OVER_PES, "A0,2,0;1,5,2.5,0.5,0.5,0.5,0.5,0.5", name="summary.csv")
    with pytest.raises(InputError, match=r"summary.csv, line 2: A0 has 5 calls on 2 rank\(s\), but the other files"):
        read_trace([calls, summary])


def test_files_of_two_runs_are_refused(tmp_path: Path) -> None:
    (one, *_) = named("monitor_iterations_Slow1_*")
    other = tmp_path / one.name.replace("run1", "run2")
    shutil.copy(one, other)
    with pytest.raises(InputError, match=r"files of one run are needed; .* are of 2 runs: give those of one, \*_run1"):
        read_trace([one, other])


def test_two_runs_in_one_file_are_refused(write: Write) -> None:
    with pytest.raises(InputError, match=r"line 3: iteration_index of an instance must rise, from 1, not 1; if the"):
        read_trace([write(CALLS, "A0,0,A0@0,1,0.5", "A0,0,A0@0,1,0.5")])
    with pytest.raises(InputError, match=r"line 3: A0 must stand here once for each rank, not again after line 2"):
        read_trace([write(SUMS, "A0,0,1,0.5,0.5", "A0,0,1,0.5,0.5")])


@pytest.mark.parametrize(
    ("header", "row", "message"),
    [
        (
            CALLS,
            "A0,0,A0@0,1",
            "line 2: 5 fields are needed, pe_id,rank,instance_id,iteration_index,iteration_secs, not 4",
        ),
        (CALLS, "A0,0,A0@0,1,fast", "line 2: iteration_secs must be seconds, 0 or more, not 'fast'"),
        (CALLS, "A0,0,A0@0,1,-0.5", "line 2: iteration_secs must be seconds, 0 or more, not '-0.5'"),
        (CALLS, "A0,0,A0@0,one,0.5", "line 2: iteration_index must be a whole number, 0 or more, not 'one'"),
        (CALLS, ",0,A0@0,1,0.5", "line 2: pe_id and rank must be given, not ,0,A0@0,1,0.5"),
        (SUMS, "A0,,1,0.5,0.5", "line 2: pe_id and rank must be given, not A0,,1,0.5,0.5"),
        (SUMS, "A0,0,1.5,0.5,0.5", "line 2: count must be a whole number, 0 or more, not '1.5'"),
        (SUMS, "A0,0,1,inf,0.5", "line 2: total_secs must be seconds, 0 or more, not 'inf'"),
    ],
)
def test_a_wrong_line_is_named_with_what_it_must_be(write: Write, header: str, row: str, message: str) -> None:
    path = write(header, row)
    with pytest.raises(InputError, match=f"^{re.escape(str(path))}, {re.escape(message)}"):
        read_trace([path])
