"""Which system a trace is of, and how its parts are added up."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from d4py_adaptive.errors import InputError
from d4py_adaptive.profiler.foreign.calls import Calls, together
from d4py_adaptive.profiler.foreign.reading import read_trace
from d4py_adaptive.profiler.foreign.slots import CELLS, COMPUTE, SLOTS, STARVED, Slots

SAMPLES = Path(__file__).parent / "samples"
EVENTS = SAMPLES / "monitor.csv"
SUMS = SAMPLES / "timings" / "monitor_summary_run1.csv"
SHAPE = SAMPLES / "timings" / "monitor_shape_run1.json"


def test_the_first_line_says_which_system_it_was(tmp_path: Path) -> None:
    renamed = tmp_path / "whatever.txt"
    for trace, system in ((EVENTS, "dispel4py's monitoring"), (SUMS, "stream-d4py's timings")):
        renamed.write_bytes(b"\xef\xbb\xbf" + trace.read_bytes())  # as a spreadsheet saves it
        profile = read_trace([renamed])
        assert profile.notes[0].startswith(f"read from {system}")
        assert profile.workflow == "whatever"


def test_a_run_of_several_files_is_called_as_their_folder() -> None:
    assert read_trace([SUMS, SHAPE]).workflow == "timings"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"",
            "is empty; a trace must begin with its columns, PE,rank,method,data,start,end (dispel4py's monitoring), or",
        ),
        (b"a,b\n1,2\n", "begins with 'a,b'; a trace must begin with its columns"),
        (b"pe_id,rank,colour\nA,0,red\n", "begins with 'pe_id,rank,colour'; a trace must begin with its columns"),
        (b"PE;rank;method;data;start;end\n", "begins with 'PE;rank;method;data;start;end'; a trace must begin"),
        (b"\xff\xfe\x00\x01\n", "must be a CSV file; it holds bytes that are no UTF-8 text"),
        (
            b'{"schema_version": 1}\n',
            "must be the graph that a timed mapping of stream-d4py writes, JSON with nodes and",
        ),
        (b"{'nodes'\n", "must be the graph that a timed mapping of stream-d4py writes, JSON with nodes and"),
    ],
)
def test_a_file_that_is_no_trace_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "strange.csv"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_trace([path, SUMS] if content.startswith(b"{") else [path])
    assert str(caught.value).startswith(f"{path} {message}")


def test_traces_of_two_systems_are_refused() -> None:
    with pytest.raises(InputError, match=r"monitor.csv holds dispel4py's monitoring, .* read them one at a time"):
        read_trace([EVENTS, SUMS])
    with pytest.raises(InputError, match="holds what stream-d4py's timed mappings write"):
        read_trace([EVENTS, SHAPE])


def test_a_trace_needs_a_file_that_can_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no file is given"):
        read_trace([])
    with pytest.raises(InputError, match=r"monitor_shape_run1.json tells of the graph alone"):
        read_trace([SHAPE])
    with pytest.raises(InputError, match=r"missing.csv cannot be read: No such file or directory"):
        read_trace([tmp_path / "missing.csv"])
    with pytest.raises(InputError, match=r"cannot be read: Is a directory: give its files, .*\*\.csv"):
        read_trace([tmp_path])


@pytest.mark.parametrize("seed", range(5))
def test_slots_hold_what_was_added_wherever_the_run_began(seed: int) -> None:
    draw = random.Random(seed)
    start_s = draw.uniform(0, 1e9)
    slots, length_s, expected = Slots(start_s + draw.uniform(0, 5)), draw.uniform(0.5, 5_000), [0.0] * SLOTS
    for _ in range(300):
        begin_s = start_s + draw.uniform(0, 0.9) * length_s
        end_s = begin_s + draw.uniform(0, 0.1) ** 2 * length_s / 100
        slots.add(COMPUTE, begin_s, end_s)
        expected[min(SLOTS - 1, int((begin_s - start_s) / length_s * SLOTS))] += end_s - begin_s
    slots.add(STARVED, start_s, start_s + length_s)
    slots.add(STARVED, start_s, start_s + length_s / 2, -1)
    timeline = slots.timeline(start_s, start_s + length_s)
    assert timeline is not None
    assert sum(timeline.compute_s) == pytest.approx(sum(expected), rel=1e-3)
    middle = SLOTS // 2
    assert timeline.starved_s[: middle - 1] == pytest.approx([0] * (middle - 1), abs=timeline.slot_s * 1e-3)
    assert timeline.starved_s[middle + 1 :] == pytest.approx([timeline.slot_s] * (middle - 1), rel=1e-3)
    # A cell that lies across the edge of two slots is dealt out to both: a third of it, at most, is in the wrong one.
    for before in range(10, SLOTS, 10):
        assert sum(timeline.compute_s[:before]) == pytest.approx(sum(expected[:before]), abs=5 * length_s / CELLS)


def test_a_run_of_no_length_has_no_timeline() -> None:
    assert Slots(3.0).timeline(3.0, 3.0) is None


def test_calls_of_several_instances_are_calls_of_one_pe() -> None:
    parts, whole = [Calls(), Calls()], Calls()
    for number in range(1, 50):
        parts[number % 2].add(number / 1000)
        whole.add(number / 1000)
    one, other = together(parts).service(), whole.service()
    assert (one.calls, one.max_s, one.buckets, one.p95_s) == (other.calls, other.max_s, other.buckets, other.p95_s)
    assert (one.mean_s, one.deviation_s) == pytest.approx((other.mean_s, other.deviation_s))
    assert together([]).service().calls == 0
