"""dispel4py's monitoring trace as a profile."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from d4py_adaptive.errors import InputError
from d4py_adaptive.profiler.foreign import monitored
from d4py_adaptive.profiler.foreign.reading import read_trace
from d4py_adaptive.telemetry.profile import Profile, Split
from d4py_adaptive.telemetry.saved import read_saved

SAMPLES = Path(__file__).parent / "samples"
HEADER = "PE,rank,method,data,start,end"
T = 1_566_489_791.0
"""When the traces begin, in seconds since the epoch; a double resolves a quarter of a microsecond there."""

RESOLUTION_S = 1e-6

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a trace: its lines, or its rows with times in seconds since it began."""

    def write(*rows: str | Sequence[object], name: str = "trace.csv", end: str = "\n") -> Path:
        lines = [row if isinstance(row, str) else line(*row) for row in rows]
        path = tmp_path / name
        path.write_text("\n".join([HEADER, *lines]) + end)
        return path

    return write


def line(pe: object, rank: object, method: object, data: object, start_s: object, end_s: object) -> str:
    times = [f"{T + time}" if isinstance(time, int | float) else str(time) for time in (start_s, end_s)]
    return f'{pe},{rank},{method},"{data}",{times[0]},{times[1]}'


def read_from(source: str) -> str:
    return f"{{'input': [('input', ('{source}', 0, 'output', 1))]}}"


WRITTEN = "{'output': 'output', 'size': 100, 'id': ('A0', 0, 'output', 1)}"
ONE_LIFE = (
    ("A0", 0, "preprocess", "{}", 0, 1),
    ("A0", 0, "read", "{'input': []}", 1, 1),
    ("A0", 0, "write", WRITTEN, 3, 4),  # inside process
    ("A0", 0, "process", "{}", 1, 6),
    ("A0", 0, "terminate", "{}", 7, 7.5),
    ("B1", 1, "preprocess", "{}", 0, 0.5),
    ("B1", 1, "read", read_from("A0"), 0.5, 4),
    ("B1", 1, "write", WRITTEN, 6, 7),  # behind process, but its row comes first
    ("B1", 1, "process", "{}", 4, 6),
    ("B1", 1, "read", "{'input': []}", 7, 9),
    ("B1", 1, "postprocess", "{}", 9, 10),
    ("B1", 1, "terminate", "{}", 10, 10),
)


def test_the_parts_of_an_instances_life_are_told_apart(write: Write) -> None:
    profile = read_trace([write(*ONE_LIFE)])
    a, b = profile.instances
    assert parts(a.split) == pytest.approx(
        {"compute_s": 1 + 4, "serialise_s": 1, "overhead_s": 1.5, "starved_s": 0, "blocked_s": 0, "others_s": 0,
         "codec_s": 0}, abs=RESOLUTION_S
    )  # fmt: skip
    assert parts(b.split) == pytest.approx(
        {"compute_s": 0.5 + 2 + 1, "serialise_s": 1, "overhead_s": 0, "starved_s": 5.5, "blocked_s": 0, "others_s": 0,
         "codec_s": 0}, abs=RESOLUTION_S
    )  # fmt: skip
    assert (a.wall_s, b.wall_s, profile.wall_s) == pytest.approx((7.5, 10, 10), abs=RESOLUTION_S)
    assert [pe.service.mean_s for pe in profile.pes] == pytest.approx([4, 2], abs=RESOLUTION_S)
    assert [pe.setup_s for pe in profile.pes] == pytest.approx([1, 1.5], abs=RESOLUTION_S)
    assert (profile.level, profile.partial, profile.recorded_at_s) == ("foreign", False, T)


def parts(split: Split) -> dict[str, float]:
    return {part: getattr(split, part) for part in split.__struct_fields__}


def test_a_write_inside_a_call_is_found_wherever_its_row_stands(write: Write) -> None:
    first = write(*ONE_LIFE, name="as_written.csv")
    sorted_by_start = write(*sorted(ONE_LIFE, key=lambda row: row[4]), name="sorted.csv")
    one, other = (read_trace([path]) for path in (first, sorted_by_start))
    assert one.pes == other.pes
    for here, there in zip(one.instances, other.instances, strict=True):
        assert here.timeline is not None
        assert there.timeline is not None
        assert here.timeline.compute_s == pytest.approx(there.timeline.compute_s, abs=RESOLUTION_S)


def test_time_that_a_rank_gave_another_pe_is_told_apart_from_the_runtimes_own(write: Write) -> None:
    rows = [
        ("A0", 0, "process", "{}", 0, 3),
        ("B1", 0, "process", "{}", 3, 4),
        ("A0", 0, "process", "{}", 5, 6),
        ("B1", 0, "terminate", "{}", 9, 9),
        ("A0", 0, "terminate", "{}", 9, 9),
    ]
    a, b = (instance.split for instance in read_trace([write(*rows)]).instances)
    assert (a.compute_s, a.others_s, a.overhead_s) == pytest.approx((4, 1, 4), abs=RESOLUTION_S)
    assert (b.compute_s, b.others_s, b.overhead_s) == pytest.approx((1, 4, 1), abs=RESOLUTION_S)


def test_the_timeline_says_when(write: Write) -> None:
    timeline = read_trace([write(*ONE_LIFE)]).instances[1].timeline
    assert timeline is not None
    assert timeline.slot_s == pytest.approx(10 / 200)
    slots = {name: getattr(timeline, name) for name in ("compute_s", "serialise_s", "starved_s", "blocked_s")}
    assert {len(values) for values in slots.values()} == {200}

    def busy(name: str) -> list[float]:
        """How much of each second."""
        return [sum(slots[name][second * 20 : second * 20 + 20]) for second in range(10)]

    near = pytest.approx
    assert busy("compute_s") == near([0.5, 0, 0, 0, 1, 1, 0, 0, 0, 1], abs=0.02)
    assert busy("serialise_s") == near([0, 0, 0, 0, 0, 0, 1, 0, 0, 0], abs=0.02)
    assert busy("starved_s") == near([0.5, 1, 1, 1, 0, 0, 0, 1, 1, 0], abs=0.02)
    assert not any(slots["blocked_s"])


def test_the_longest_spans_are_kept_in_order(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitored, "MOST_SPANS", 3)
    rows = [("A0", 0, "process", "{}", start, start + long) for start, long in ((0, 1), (2, 4), (7, 2), (10, 3))]
    (instance,) = read_trace([write(*rows)]).instances
    assert [(round(span.start_s, 3), round(span.end_s, 3), span.kind) for span in instance.spans] == [
        (2, 6, "process"), (7, 9, "process"), (10, 13, "process")
    ]  # fmt: skip
    assert instance.calls == 4


def test_streams_carry_what_was_read_and_results_what_nobody_read(write: Write) -> None:
    profile = read_trace([write(*ONE_LIFE)])
    stream, result = profile.streams
    assert (stream.id, stream.items, stream.bytes, stream.item_bytes) == ("A0.output->B1.input", 1, 100, 100)
    assert (result.id, result.items, result.target) == ("B1.output", 1, "")
    b = profile.of("B1")
    assert (b.selectivity, b.bytes_in, b.item_in_bytes) == ({"output": 1}, 100, 100)


@pytest.mark.parametrize("name", ["monitor.csv", "monitor_unquoted.csv"])
def test_a_real_trace_with_header_or_without(name: str) -> None:
    profile = read_trace([SAMPLES / name])
    assert [(pe.pe, pe.instances, pe.items_in, pe.items_out) for pe in profile.pes] == [
        ("Numbers0", 1, 0, 6), ("Slow1", 1, 6, 6), ("Last2", 2, 6, 0)
    ]  # fmt: skip
    assert [instance.label for instance in profile.instances] == ["Numbers0[0]", "Slow1[0]", "Last2[0]", "Last2[1]"]
    for instance in profile.instances:
        assert sum(parts(instance.split).values()) == pytest.approx(instance.wall_s)
        assert instance.timeline is not None
        for part in ("compute_s", "serialise_s", "starved_s"):
            in_all_slots_s = sum(getattr(instance.timeline, part))
            assert in_all_slots_s == pytest.approx(getattr(instance.split, part), abs=20 * RESOLUTION_S)
    assert [pe.scaling.is_source for pe in profile.pes] == [True, False, False]
    assert (profile.partial, profile.cores) == (False, 4)
    assert profile.notes[0] == f"read from dispel4py's monitoring trace {name}, 54 rows"
    assert read_saved(Profile, profile.to_json(), "it") == profile


def test_older_traces_name_inputs_without_where_items_come_from(write: Write) -> None:
    rows = [("A0", 0, "read", "{'input': ['left', u'right']}", 0, 1), ("A0", 0, "terminate", "{}", 1, 1)]
    profile = read_trace([write(*rows)])
    assert (profile.of("A0").items_in, profile.streams) == (2, ())
    assert "the trace does not say where items come from, so streams are unknown" in profile.notes


def test_failed_calls_are_told(write: Write) -> None:
    rows = [("A0", 0, "process", "{'error': 'no'}", 0, 1), ("A0", 0, "terminate", "{}", 1, 1)]
    assert "1 call(s) of A0 failed" in read_trace([write(*rows)]).notes


def test_pes_of_a_loop_are_all_there(write: Write) -> None:
    rows = [("A0", 0, "read", read_from("B1"), 0, 1), ("B1", 1, "read", read_from("A0"), 0, 1)]
    assert [pe.pe for pe in read_trace([write(*rows)]).pes] == ["A0", "B1"]


def test_a_line_that_its_killed_writer_did_not_end_is_left_out_and_told(write: Write) -> None:
    cut = line("B1", 1, "process", "{}", 4, 6)[:-2]  # would still read as a number
    profile = read_trace([write(*ONE_LIFE[:8], cut, end="")])
    assert profile.of("B1").service.calls == 0
    assert profile.partial
    assert "line 10 of trace.csv has no end and was left out: its writer was killed" in profile.notes
    assert "the run did not end, or its trace is cut: no last row of B1 of rank 1" in profile.notes


def test_files_of_one_run_are_read_as_one(write: Write) -> None:
    whole = read_trace([write(*ONE_LIFE)])
    split = [write(*ONE_LIFE[:5], name="rank0.csv"), write(*ONE_LIFE[5:], name="rank1.csv")]
    assert read_trace(split).pes == whole.pes
    assert read_trace([*split, split[0]]).streams == whole.streams  # the same file twice is one file


def later(row: Sequence[object], by_s: float) -> tuple[object, ...]:
    return (*row[:4], row[4] + by_s, row[5] + by_s)  # type: ignore[operator]


def test_two_runs_are_not_read_as_one(write: Write) -> None:
    again = [later(row, 100) for row in ONE_LIFE]
    one_file = write(*ONE_LIFE, *again, name="both.csv")
    with pytest.raises(InputError, match=r"both.csv, line 14: A0 of rank 0 must begin once, not a second time"):
        read_trace([one_file])
    other = write(*(("C" + str(row[0]), *row[1:]) for row in again), name="second.csv")
    with pytest.raises(InputError, match=r"second.csv: CA0 of rank 0 must be of the same run .* has ended in .*first"):
        read_trace([write(*ONE_LIFE, name="first.csv"), other])
    with pytest.raises(InputError, match=r"A0 of rank 0 must do one thing at a time, not 4.000 s of work in 2.000 s"):
        read_trace([write(("A0", 0, "process", "{}", 0, 2), ("A0", 0, "process", "{}", 0, 2))])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("A0,0,process,1.0", "line 3: 6 fields are needed, PE,rank,method,data,start,end, not 4"),
        (("A0", "zero", "process", "{}", 0, 1), "line 3: rank must be a whole number, 0 or more, not 'zero'"),
        (("", 0, "process", "{}", 0, 1), "line 3: PE must be a name, not empty"),
        (("A0", 0, "dance", "{}", 0, 1), "line 3: method must be one of preprocess, read, process, write, postprocess"),
        (("A0", 0, "process", "{}", "soon", 1), "line 3: start must be seconds, 0 or more, not 'soon'"),
        (("A0", 0, "process", "{}", 0, "nan"), "line 3: end must be seconds, 0 or more, not 'nan'"),
        (("A0", 0, "process", "{}", 2, 1), "line 3: end must not lie before start, not 1.000000 s earlier"),
        (("A0", 0, "write", "{}", 0, 1), "line 3: the data of a write must name its 'output', not {}"),
        ('A0,0,process,"{}"x,1,2', "line 3: a line of comma-separated values is needed"),
    ],
)
def test_a_wrong_line_is_named_with_what_it_must_be(write: Write, row: str | Sequence[object], message: str) -> None:
    path = write(("A1", 1, "preprocess", "{}", 0, 1), row, ("A1", 1, "terminate", "{}", 1, 1))
    with pytest.raises(InputError, match=f"^{re.escape(str(path))}, {re.escape(message)}"):
        read_trace([path])


def test_a_trace_without_rows_is_refused(write: Write) -> None:
    with pytest.raises(InputError, match=r"needs a row at least; .*trace.csv holds none: was the run killed"):
        read_trace([write()])
    with pytest.raises(InputError, match="holds none but its line 2, which has no end"):
        read_trace([write("A0,0,proc", end="")])
