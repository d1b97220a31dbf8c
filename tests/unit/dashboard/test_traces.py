"""Profiles as trace events and as speedscope files: what the viewers' published rules demand, and what is in them."""

import json
from functools import cache
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from sample_diagnosis import healthy_diagnosis, large_diagnosis, sample_diagnosis

from d4py_adaptive.dashboard.report.traces import SPEEDSCOPE_SCHEMA, chrome_trace, longest, slots, speedscope
from d4py_adaptive.telemetry.profile import (
    InstanceProfile,
    PEProfile,
    Profile,
    Span,
    Split,
    Timeline,
    WorkerProfile,
)

HOSTILE = 'x\x1b[31m\n\u202e</script>"'


def one_instance(**changes: Any) -> InstanceProfile:
    return InstanceProfile(**{"pe": "A", "index": 0, "worker": 0, "stage": 0} | changes)


@cache
def profiles() -> dict[str, Profile]:
    sample = sample_diagnosis().profile
    without = tuple(msgspec.structs.replace(one, timeline=None) for one in sample.instances)
    return {
        "sample": sample,
        "no timelines": msgspec.structs.replace(sample, instances=without),
        "counters alone": healthy_diagnosis().profile,
        "large": large_diagnosis(pes=10, instances=3).profile,
        "empty": Profile(workflow="w"),
        "hostile": Profile(
            workflow=HOSTILE, wall_s=1.0, pes=(PEProfile(pe=HOSTILE, split=Split(compute_s=1.0)),),
            instances=(one_instance(pe=HOSTILE, timeline=Timeline(slot_s=1.0, compute_s=(1.0,))),),
        ),
    }  # fmt: skip


NAMES = ("sample", "no timelines", "counters alone", "large", "empty", "hostile")


def of_phase(trace: dict[str, Any], phase: str) -> list[dict[str, Any]]:
    return [event for event in trace["traceEvents"] if event["ph"] == phase]


def named(trace: dict[str, Any], what: str) -> list[dict[str, Any]]:
    return [event for event in of_phase(trace, "M") if event["name"] == f"{what}_name"]


def tracks(trace: dict[str, Any]) -> dict[tuple[int, int], list[dict[str, Any]]]:
    found: dict[tuple[int, int], list[dict[str, Any]]] = {}
    for event in of_phase(trace, "X"):
        found.setdefault((event["pid"], event["tid"]), []).append(event)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_trace_events_are_well_formed_and_in_order(name: str) -> None:
    trace = json.loads(json.dumps(chrome_trace(profiles()[name]), allow_nan=False))
    assert {event["ph"] for event in trace["traceEvents"]} <= {"M", "X", "C"}
    for event in trace["traceEvents"]:
        assert type(event["pid"]) is int
        assert type(event["tid"]) is int
        assert event["ts"] >= 0
        assert event["name"]
    for event in of_phase(trace, "X"):
        assert event["dur"] >= 0
    for event in of_phase(trace, "C"):
        assert all(type(value) in (int, float) for value in event["args"].values())
    times = [event["ts"] for event in trace["traceEvents"]]
    assert times == sorted(times)


@pytest.mark.parametrize("name", NAMES)
def test_no_slices_of_a_track_cross(name: str) -> None:
    for events in tracks(chrome_trace(profiles()[name])).values():
        around: list[float] = []
        for event in events:
            while around and around[-1] <= event["ts"] + 0.002:
                around.pop()
            end = event["ts"] + event["dur"]
            assert not around or end <= around[-1] + 0.002, event
            around.append(end)


@pytest.mark.parametrize("name", NAMES)
def test_every_track_has_a_name_and_no_two_instances_share_one(name: str) -> None:
    trace = chrome_trace(profiles()[name])
    threads = {
        (event["pid"], event["tid"]): event["args"] for event in of_phase(trace, "M") if event["name"] == "thread_name"
    }
    processes = {event["pid"] for event in of_phase(trace, "M") if event["name"] == "process_name"}
    assert set(threads) == set(tracks(trace))
    assert {event["pid"] for event in trace["traceEvents"]} == processes
    assert len({args["name"] for args in threads.values()}) == len(threads) == len({tid for _, tid in threads})


def test_a_process_per_worker_and_a_track_per_instance() -> None:
    profile = profiles()["sample"]
    trace = chrome_trace(profile)
    assert named(trace, "process")[0]["args"]["name"] == "worker 0, process 24100"
    threads = {event["args"]["name"]: event["pid"] - 1 for event in named(trace, "thread")}
    assert {one.label: one.worker for one in profile.instances}.items() <= threads.items()
    assert threads["CrossCorrelate[0], longest"] == 2


def test_slots_alike_are_joined_and_say_their_shares() -> None:
    timeline = Timeline(
        slot_s=1.0, compute_s=(0.8, 0.6, 0.1, 0.0, 0.2), serialise_s=(0.2, 0.0, 0.0, 0.0, 0.0),
        blocked_s=(0.0, 0.0, 0.9, 0.0, 0.0), starved_s=(0.0, 0.4, 0.0, 0.0, 0.0),
    )  # fmt: skip
    found = slots(one_instance(timeline=timeline), wall_s=4.5)
    assert [(part.start_s, part.end_s, part.name) for part in found] == [
        (0.0, 2.0, "compute"), (2.0, 3.0, "blocked"), (4.0, 4.5, "elsewhere"),
    ]  # fmt: skip
    assert found[0].shares == {"compute": 0.7, "serialise": 0.1, "blocked": 0.0, "starved": 0.2, "elsewhere": 0.0}
    assert found[2].shares["elsewhere"] == pytest.approx(0.6)


def test_a_wait_inside_a_call_stays_inside_and_what_crosses_is_cut() -> None:
    spans = (
        Span(start_s=0.0, end_s=4.0, kind="process"),
        Span(start_s=1.0, end_s=2.0, kind="blocked"),
        Span(start_s=3.0, end_s=5.0, kind="blocked"),
        Span(start_s=6.0, end_s=6.0, kind="process"),
    )
    found = longest(one_instance(spans=spans))
    assert [(part.start_s, part.end_s, part.name) for part in found] == [
        (0.0, 4.0, "process"), (1.0, 2.0, "blocked"), (3.0, 4.0, "blocked"),
    ]  # fmt: skip


def test_counters_say_how_many_instances_did_what() -> None:
    timelines = (Timeline(slot_s=2.0, compute_s=(2.0, 1.0)), Timeline(slot_s=2.0, compute_s=(1.0,), starved_s=(1.0,)))
    instances = tuple(one_instance(index=n, worker=n, timeline=one) for n, one in enumerate(timelines))
    pe = PEProfile(pe="A", items_in=7, items_out=9)
    trace = chrome_trace(Profile(workflow="w", wall_s=3.5, pes=(pe,), instances=instances))
    counted = [event for event in of_phase(trace, "C") if event["name"] == "A"]
    assert [(event["ts"], event["args"]["compute"], event["args"]["starved"]) for event in counted] == [
        (0.0, 1.5, 0.5), (2e6, 0.5, 0.0), (3.5e6, 0.0, 0.0),
    ]  # fmt: skip
    items = [event for event in of_phase(trace, "C") if event["name"] == "A items"]
    assert [(event["ts"], event["args"]) for event in items] == [
        (0.0, {"in": 0, "out": 0}), (3.5e6, {"in": 7, "out": 9}),
    ]  # fmt: skip
    assert {event["pid"] for event in counted + items} == {3}


def test_workers_without_instances_have_their_process() -> None:
    trace = chrome_trace(Profile(workflow="w", workers=(WorkerProfile(number=4),)))
    names = [event["args"]["name"] for event in named(trace, "process")]
    assert names == ["worker 4", "all workers, by PE"]


@pytest.mark.parametrize("name", NAMES)
def test_speedscope_files_keep_its_rules(name: str) -> None:
    written = json.loads(json.dumps(speedscope(profiles()[name]), allow_nan=False))
    frames = written["shared"]["frames"]
    assert written["$schema"] == SPEEDSCOPE_SCHEMA
    assert len({frame["name"] for frame in frames}) == len(frames)
    assert written["profiles"][written["activeProfileIndex"]]["type"] == "sampled"
    for profile in written["profiles"]:
        assert profile["unit"] == "seconds"
        assert profile["endValue"] >= profile["startValue"]
        require = {"sampled": require_sampled, "evented": require_evented}[profile["type"]]
        require(profile, len(frames))


def require_sampled(profile: dict[str, Any], frames: int) -> None:
    assert len(profile["samples"]) == len(profile["weights"])
    assert all(0 <= frame < frames for stack in profile["samples"] for frame in stack)
    assert all(weight > 0 for weight in profile["weights"])
    assert sum(profile["weights"]) == pytest.approx(profile["endValue"])


def require_evented(profile: dict[str, Any], frames: int) -> None:
    opened: list[int] = []
    for event in profile["events"]:
        assert 0 <= event["frame"] < frames
        if event["type"] == "O":
            opened.append(event["frame"])
        else:
            assert event["type"] == "C"
            assert opened.pop() == event["frame"]
    assert opened == []
    times = [profile["startValue"], *(event["at"] for event in profile["events"]), profile["endValue"]]
    assert all(earlier <= later for earlier, later in pairwise(times))


def test_speedscope_adds_up_what_all_pes_spent() -> None:
    profile = profiles()["sample"]
    written = speedscope(profile)
    whole = written["profiles"][0]
    spent = sum(getattr(pe.split, name) for pe in profile.pes for name in Split.__struct_fields__)
    assert whole["endValue"] == pytest.approx(spent)
    names = [frame["name"] for frame in written["shared"]["frames"]]
    stacks = [[names[frame] for frame in stack] for stack in whole["samples"]]
    assert ["CrossCorrelate", "busy"] in stacks
    assert [one["name"] for one in written["profiles"][1:]] == [one.label for one in profile.instances]


def test_an_instance_without_a_timeline_is_shown_in_total() -> None:
    shown = speedscope(profiles()["counters alone"])["profiles"][1]
    assert (shown["type"], shown["name"]) == ("sampled", "Numbers[0], in total")


def test_names_are_one_line_without_what_steers_a_terminal() -> None:
    profile = profiles()["hostile"]
    for text in (
        json.dumps(chrome_trace(profile), ensure_ascii=False),
        json.dumps(speedscope(profile), ensure_ascii=False),
    ):
        assert "\\u001b" not in text
        assert "\\n" not in text
        assert text.isprintable()
