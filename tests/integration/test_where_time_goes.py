"""Where the time went, as the profile says, against the books that the PEs keep themselves."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass

import pytest
from real_processes import FLOWS, D4py

from d4py_adaptive.telemetry.profile import InstanceProfile, Profile, Split
from d4py_adaptive.telemetry.saved import read_saved_file

WAYS = {
    "simple": ("simple",),
    "one worker": ("multi", "-n", 1),
    "two workers": ("multi", "-n", 2),
    "unfused": ("multi", "-n", 3, "--no-fuse"),
    "more workers than cores": ("multi", "-n", 4),
    "spawn": ("multi", "-n", 2, "--start-method", "spawn"),
    "toy": ("toy", "-n", 3, "--seed", 1),  # moves replicas, again and again
}
WITHIN = 0.02
"""The parts sum to the whole within this share of it."""

SLACK_S = 0.3
"""A machine that is busy with something else may take so long between two lines of Python, and not more often."""

BOOKS = re.compile(r"^(\S+)\[(\d+)\]: books (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Seen:
    """What the profile says of an instance, and what it says itself."""

    profile: InstanceProfile
    lived_s: float
    worked_s: float
    wrote_s: float
    waited_s: float

    @property
    def split(self) -> Split:
        return self.profile.split


def profiled(d4py: D4py, *words: object) -> tuple[Profile, dict[str, list[Seen]]]:
    """Run it; the profile, and its instances by the name of their PE."""
    started_s = time.monotonic()
    ended = d4py.run("run", FLOWS / "booked.py", "--profile", "full", "-q", *words)
    took_s = time.monotonic() - started_s
    books = {(pe, int(index)): json.loads(text) for pe, index, text in BOOKS.findall(ended.succeeds())}
    profile = read_saved_file(Profile, d4py.run_folder() / "profile.json")
    assert books.keys() == {(instance.pe, instance.index) for instance in profile.instances}
    seen: dict[str, list[Seen]] = {}
    for instance in profile.instances:
        own = {f"{name}_s": seconds for name, seconds in books[instance.pe, instance.index].items()}
        seen.setdefault(instance.pe.rstrip("0123456789"), []).append(Seen(instance, **own))
        assert total(instance.split) == pytest.approx(instance.wall_s, rel=WITHIN)
        assert own["lived_s"] <= instance.wall_s <= own["lived_s"] + SLACK_S
        assert instance.wall_s <= took_s
    assert all(worker.wall_s <= took_s for worker in profile.workers)
    return profile, seen


def total(split: Split) -> float:
    return float(sum(getattr(split, name) for name in split.__struct_fields__))


@pytest.mark.timeout(60)
@pytest.mark.parametrize("how", ["spin", "sleep"])
@pytest.mark.parametrize("way", WAYS)
def test_each_instance_is_charged_what_it_worked(d4py: D4py, way: str, how: str) -> None:
    profile, seen = profiled(d4py, "-a", "chain", "-p", f"how={how}", "-m", *WAYS[way])
    assert {name: sum(one.profile.calls for one in of_it) for name, of_it in seen.items()} == {
        "Source": 1, "Middle": 60, "Sink": 60
    }  # fmt: skip
    for of_it in seen.values():
        for one in of_it:
            assert one.worked_s <= one.split.compute_s <= 1.25 * one.worked_s + SLACK_S
            parts = one.profile.timeline
            assert parts is not None
            assert sum(parts.compute_s) == pytest.approx(one.split.compute_s, rel=WITHIN, abs=parts.slot_s)
    for pe in profile.pes:
        of_pe = [one for one in profile.instances if one.pe == pe.pe]
        assert total(pe.split) == pytest.approx(sum(one.wall_s for one in of_pe), rel=WITHIN)


def test_what_shares_a_process_waits_for_what_runs_in_it(d4py: D4py) -> None:
    _, seen = profiled(d4py, "-a", "chain", "-p", "how=sleep", "-m", "simple")
    every = [one for of_it in seen.values() for one in of_it]
    for one in every:
        worked_by_others_s = sum(other.worked_s for other in every if other is not one)
        assert worked_by_others_s <= one.split.others_s <= worked_by_others_s + SLACK_S
        assert one.split.blocked_s == one.split.starved_s == 0


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_source_waits_for_room(d4py: D4py, method: str) -> None:
    words = ("-a", "slow_reader", "-m", "multi", "-n", 2, "--no-fuse", "--buffers", "1MB", "--start-method", method)
    _, seen = profiled(d4py, *words)
    (source,), (sink,) = seen["Source"], seen["Sink"]
    assert source.profile.worker != sink.profile.worker
    assert source.split.blocked_s <= source.wrote_s
    assert source.split.blocked_s >= 0.6 * sink.worked_s - SLACK_S > 0.2
    assert any(span.kind == "blocked" for span in source.profile.spans)
    assert sink.split.starved_s <= SLACK_S + 0.2 * sink.worked_s


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_reader_waits_for_items(d4py: D4py, method: str) -> None:
    words = ("-a", "slow_source", "-m", "multi", "-n", 2, "--no-fuse", "--start-method", method)
    _, seen = profiled(d4py, *words)
    (source,), (sink,) = seen["Source"], seen["Sink"]
    assert sink.split.starved_s >= 0.6 * sink.waited_s > 0.3
    assert sink.split.compute_s <= SLACK_S
    assert source.split.blocked_s <= SLACK_S


def test_encoding_is_charged_to_its_writer(d4py: D4py) -> None:
    _, seen = profiled(d4py, "-a", "heavy_items", "-m", "multi", "-n", 2, "--no-fuse")
    (source,) = seen["Source"] if "Source" in seen else seen["Encodes"]
    assert source.split.serialise_s >= 0.5 * source.worked_s > 0
    assert source.split.serialise_s <= source.wrote_s
