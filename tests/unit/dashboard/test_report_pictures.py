"""What the report's pictures are drawn from: stretches of bars, lanes, histograms, axes, the graph's outline."""

from __future__ import annotations

import re

import msgspec
import pytest
from sample_diagnosis import healthy_diagnosis, large_diagnosis, sample_diagnosis

from d4py_adaptive.dashboard.graph_picture import style
from d4py_adaptive.dashboard.graph_picture.outline import Group
from d4py_adaptive.dashboard.report import wording
from d4py_adaptive.dashboard.report.axes import decade_marks, even_marks
from d4py_adaptive.dashboard.report.graph import HEAT, graph_outline, graph_page, utilisation
from d4py_adaptive.dashboard.report.histograms import WIDTH, histograms_of
from d4py_adaptive.dashboard.report.plan_table import stages_of
from d4py_adaptive.dashboard.report.splits import bar_of
from d4py_adaptive.dashboard.report.timeline import timeline_of
from d4py_adaptive.telemetry import sketch
from d4py_adaptive.telemetry.profile import (
    CostLaw,
    InstanceProfile,
    PEProfile,
    Profile,
    ServiceTime,
    Span,
    Split,
    StreamProfile,
    Timeline,
)


def heights(path: str, width: int) -> list[int]:
    """How high the area of a lane's path is at each unit of its width."""
    found, height = [], 0
    for command, number in re.findall(r"([hv])(-?\d+)", path):
        if command == "v":
            height -= int(number)
        else:
            found += [height] * int(number)
    assert len(found) == width
    return found


# Bars.


def test_the_stretches_fill_the_bar() -> None:
    for pe in sample_diagnosis().profile.pes:
        stretches = bar_of(pe).stretches
        ends = [0.0, *(one.start + one.width for one in stretches)]
        assert [one.start for one in stretches] == pytest.approx(ends[:-1])
        assert ends[-1] == pytest.approx(100)


def test_words_stand_where_there_is_room() -> None:
    split = Split(compute_s=50, serialise_s=20, blocked_s=20, starved_s=10)
    bar = bar_of(PEProfile(pe="a", split=split))
    assert [stretch.words for stretch in bar.stretches] == ["compute 50 %", "20 %", "20 %", ""]
    assert bar.said == "compute 50 %, serialise 20 %, blocked 20 %, starved 10 %"


def test_a_pe_whose_time_was_not_measured_has_no_bar() -> None:
    bar = bar_of(PEProfile(pe="a"))
    assert bar.stretches == ()
    assert bar.said == "no time was measured"


# The timeline.


def one_instance(timeline: Timeline | None, spans: tuple[Span, ...] = ()) -> Profile:
    return Profile(
        workflow="x", instances=(InstanceProfile(pe="a", index=0, worker=0, stage=0, timeline=timeline, spans=spans),)
    )


def test_a_lane_is_stacked_from_compute_upwards() -> None:
    drawn = timeline_of(
        one_instance(Timeline(slot_s=1.0, compute_s=(0.5, 0.0), blocked_s=(0.25, 0.0), starved_s=(0.25, 1.0)))
    )
    assert drawn is not None
    layers = dict(drawn.lanes[0].layers)
    assert list(layers) == ["starved", "blocked", "compute"]
    half = drawn.width // 2
    for kind, expected in (("starved", (20, 20)), ("blocked", (15, 0)), ("compute", (10, 0))):
        found = heights(layers[kind], drawn.width)
        assert found == [expected[0]] * half + [expected[1]] * half


def test_slots_are_put_together_where_there_are_too_many() -> None:
    slots = 100_000
    busy = tuple(1.0 if number < slots // 2 else 0.0 for number in range(slots))
    drawn = timeline_of(one_instance(Timeline(slot_s=0.01, compute_s=tuple(part * 0.01 for part in busy))))
    assert drawn is not None
    ((_, path),) = drawn.lanes[0].layers
    assert len(path) < 100
    found = heights(path, drawn.width)
    assert drawn.slot_s == pytest.approx(3.34)
    assert (found[0], found[-1], found.count(20)) == (20, 0, 498)  # one slot lies on the border


def test_lists_of_unequal_length_and_slots_that_are_too_full_stay_within_the_lane() -> None:
    drawn = timeline_of(one_instance(Timeline(slot_s=1.0, compute_s=(3.0, 1.0, 1.0), blocked_s=(1.0,))))
    assert drawn is not None
    assert all(max(heights(path, drawn.width)) == 20 for _, path in drawn.lanes[0].layers)


def test_the_longest_spans_are_kept() -> None:
    spans = [Span(start_s=float(n), end_s=n + 0.001, kind="process") for n in range(50_000)]
    spans.append(Span(start_s=100.0, end_s=20_000.0, kind="blocked"))
    drawn = timeline_of(one_instance(None, tuple(spans)))
    assert drawn is not None
    kept = dict(drawn.lanes[0].spans)
    assert kept["blocked"].startswith("M2 20h398")
    assert kept["process"].count("M") == 11_999
    assert drawn.lanes[0].layers == ()


@pytest.mark.parametrize("timeline", [None, Timeline(slot_s=1.0), Timeline(slot_s=0.0, compute_s=(0.0,))])
def test_without_anything_to_draw_there_is_no_timeline(timeline: Timeline | None) -> None:
    assert timeline_of(one_instance(timeline)) is None


def test_every_pe_has_lanes_where_not_all_instances_have() -> None:
    profile = large_diagnosis(pes=60, instances=10, slots=10, spans=0).profile
    drawn = timeline_of(profile)
    assert drawn is not None
    assert (len(drawn.lanes), drawn.left_out) == (400, 200)
    assert {lane.instance.pe for lane in drawn.lanes} == {pe.pe for pe in profile.pes}
    assert {lane.instance.index for lane in drawn.lanes} == set(range(7))


# Histograms.


def test_the_area_of_a_bar_stands_for_its_calls() -> None:
    fast, slow = sketch.bucket_of(10_000), sketch.bucket_of(1_000_000)
    drawn = histograms_of([PEProfile(pe="a", service=ServiceTime(buckets={fast: 100, slow: 200}))])
    assert drawn is not None
    bars = re.findall(r"M([\d.]+) 40v-([\d.]+)H([\d.]+)", drawn.rows[0].area)
    areas = [(float(right) - float(left)) * float(height) for left, height, right in bars]
    assert areas[1] / areas[0] == pytest.approx(2, rel=0.05)


def test_quantiles_stand_where_the_axis_says() -> None:
    buckets = {sketch.bucket_of(1_000): 1, sketch.bucket_of(9_000_000): 1}
    drawn = histograms_of([PEProfile(pe="a", service=ServiceTime(buckets=buckets, p50_s=1e-4, p95_s=1e-2, p99_s=0.0))])
    assert drawn is not None
    marks = {mark.words: mark.place * WIDTH / 100 for mark in drawn.marks}
    assert [name for name, *_ in drawn.rows[0].quantiles] == ["p50", "p95"]
    assert [place for *_, place in drawn.rows[0].quantiles] == pytest.approx([marks["100 µs"], marks["10 ms"]])


def test_calls_that_took_no_time_are_drawn_too() -> None:
    drawn = histograms_of([PEProfile(pe="a", service=ServiceTime(buckets={0: 5}))])
    assert drawn is not None
    assert histograms_of([PEProfile(pe="a", service=ServiceTime(calls=3))]) is None


# Axes.


@pytest.mark.parametrize(
    ("end_s", "words"),
    [
        (1.0, ["0 s", "0.2 s", "0.4 s", "0.6 s", "0.8 s", "1 s"]),
        (0.0042, ["0 s", "1 ms", "2 ms", "3 ms", "4 ms"]),
        (25.0, ["0 s", "5 s", "10 s", "15 s", "20 s", "25 s"]),
        (412.6, ["0 min", "2 min", "4 min", "6 min"]),
        (9000.0, ["0 min", "30 min", "1 h 00", "1 h 30", "2 h 00", "2 h 30"]),
        (0.0, []),
        (float("inf"), []),
    ],
)
def test_marks_stand_at_round_times(end_s: float, words: list[str]) -> None:
    marks = even_marks(end_s)
    assert [mark.words for mark in marks] == words
    assert all(0 <= mark.place <= 100.01 for mark in marks)


def test_marks_at_powers_of_ten() -> None:
    marks = decade_marks(1e-7, 10.0)
    assert [mark.words for mark in marks] == [
        "100 ns", "1 µs", "10 µs", "100 µs", "1 ms", "10 ms", "100 ms", "1 s", "10 s",
    ]  # fmt: skip
    assert [mark.place for mark in marks] == pytest.approx([12.5 * number for number in range(9)])


# The graph.


def test_boxes_are_painted_by_utilisation_and_streams_as_wide_as_their_bytes() -> None:
    profile = sample_diagnosis().profile
    drawn = graph_outline(profile)
    paint = {element.id: element.paint for element in drawn.elements}
    assert paint["CrossCorrelate"] == (HEAT[-1], style.BADGE)
    assert paint["WriteStacks"] == (HEAT[0], style.BADGE)
    thickness = [arrow.thickness for arrow in drawn.arrows]
    assert thickness == pytest.approx([8, 8, 8, style.STREAM_WIDTH, style.STREAM_WIDTH])
    assert [element.numprocesses for element in drawn.elements] == [pe.instances for pe in profile.pes]


def test_a_stage_of_several_pes_has_a_frame() -> None:
    drawn = graph_outline(sample_diagnosis().profile)
    (stage,) = [member for member in drawn.root.members if isinstance(member, Group)]
    assert [member.key for member in stage.members] == ["pe0", "pe1"]


def test_what_is_not_measured_is_not_painted() -> None:
    pes = (PEProfile(pe="a"), PEProfile(pe="b", split=Split(compute_s=1.0)))
    streams = (StreamProfile(id="a.o->c.i", source="a", output="o", target="c", input="i"),)
    drawn = graph_outline(Profile(workflow="x", pes=pes, streams=streams))
    assert {element.id: (element.note, element.paint) for element in drawn.elements} == {
        "a": ("", (style.PAPER, style.BADGE)),
        "b": ("100 % busy", (HEAT[-1], style.BADGE)),
        "c": ("", (style.PAPER, style.BADGE)),
    }
    assert utilisation(pes[0]) is None


@pytest.mark.parametrize(
    "stages",
    [(("Numbers", "Square", "Numbers"),), (("Numbers", "Square"), ("Square", "Numbers")), (("Numbers", "Gone"),)],
)
def test_stages_that_are_no_partition(stages: tuple[tuple[str, ...], ...]) -> None:
    profile = msgspec.structs.replace(healthy_diagnosis().profile, stages=stages)
    assert sorted(element.id for element in graph_outline(profile).elements) == ["Numbers", "Square"]
    assert graph_page(profile, "right") is not None


def test_a_graph_with_a_loop_is_drawn() -> None:
    ends = (("a", "b"), ("b", "a"), ("a", "b"), ("a", "a"))
    streams = tuple(
        StreamProfile(id=str(n), source=a, output="o", target=b, input="i", bytes=10**n)
        for n, (a, b) in enumerate(ends)
    )
    profile = Profile(workflow="x", pes=(PEProfile(pe="a"), PEProfile(pe="b")), streams=streams)
    page = graph_page(profile, "down")
    assert page is not None
    assert page.width < 1000


# Words and the plan.


@pytest.mark.parametrize(
    ("cost", "said"),
    [
        (
            CostLaw(kind="constant", coefficients=(0.01,), error=0.1, samples=5, smallest_bytes=1, largest_bytes=9),
            "10.0 ms, whatever the item's size",
        ),
        (
            CostLaw(kind="constant", coefficients=(0.01,), error=0.1, samples=5, smallest_bytes=9, largest_bytes=9),
            "cannot be told: all items had 9 B",
        ),
        (
            CostLaw(kind="linear", coefficients=(0.01, 1e-9), error=0.1, samples=5, largest_bytes=1000),
            "10.0 ms + 1.0 ms per MB",
        ),
        (
            CostLaw(kind="power", coefficients=(1e-6, 2.0), error=0.1, samples=5, largest_bytes=1000),
            "grows as size to the power of 2.00; 1.0 s at the largest",
        ),
    ],
)
def test_laws_of_cost(cost: CostLaw, said: str) -> None:
    assert wording.law(cost).split(" (")[0] == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, "\N{EN DASH}"),
        (float("nan"), "\N{EN DASH}"),
        (4.1e-8, "41 ns"),
        (2e-6, "2.0 µs"),
        (0.5, "500.0 ms"),
        (0.0, "0"),
    ],
)
def test_time_spans(seconds: float | None, said: str) -> None:
    assert wording.timespan(seconds) == said


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("busy_share", 0.5, ("busy", "50 %")),
        ("busy_share my_PE 2", 0.5, ("busy my_PE 2", "50 %")),
        ("mean_call_s", 0.25, ("mean call", "250.0 ms")),
        ("item_bytes", 2e6, ("item", "2.0 MB")),
        ("encode_bytes_per_s", 2e6, ("encode", "2.0 MB/s")),
        ("page_faults", 12.0, ("page faults", "12")),
        ("lost_share", float("nan"), ("lost share", wording.NONE)),
        ("", 1.0, ("", "1")),
    ],
)
def test_figures_are_told_in_the_unit_that_their_name_ends_with(name: str, value: float, said: tuple[str, str]) -> None:
    assert wording.evidence(name, value) == said


def test_stages_and_where_they_were() -> None:
    rows = stages_of(sample_diagnosis().profile)
    assert [(row.number, row.pes, row.replicas, row.workers) for row in rows[:2]] == [
        (0, ("ReadWaveforms", "Detrend"), 1, (0,)),
        (1, ("Whiten",), 2, (1, 3)),
    ]
