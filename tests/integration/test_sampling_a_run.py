"""`d4py diagnose --sample`: it ends when it has seen enough, loses nothing of what it took, and says what it is."""

from __future__ import annotations

import re

import pytest
from msgspec.structs import replace
from real_processes import FLOWS, D4py

from d4py_adaptive.telemetry.diagnosis import Diagnosis
from d4py_adaptive.telemetry.profile import Profile
from d4py_adaptive.telemetry.saved import read_saved

pytestmark = pytest.mark.usefixtures("on_known_machine")

SAMPLED = FLOWS / "sampled.py"
MAPPINGS = {
    "simple": ("simple",),
    "fused": ("multi", "-n", 1),
    "unfused": ("multi", "-n", 3, "--no-fuse"),
    "spawn": ("multi", "-n", 2, "--start-method", "spawn"),
    "toy": ("toy", "-n", 2),
}
every_mapping = pytest.mark.parametrize("mapping", MAPPINGS)
NO_END = 10**9
"""Far more calls than anybody waits for: the run ends because it is a sample, or the test hangs."""


def sampled(d4py: D4py, sample: str, source: str, mapping: str, *words: object) -> tuple[int, Diagnosis]:
    """How many items arrived, all of them in order without a gap, and the diagnosis."""
    words = ("-p", f"source={source}", "-m", *MAPPINGS[mapping], "--sample", sample, "--json", "-", "-q", *words)
    ended = d4py.run("diagnose", SAMPLED, "-i", NO_END, *words)
    found = read_saved(Diagnosis, ended.succeeds(), "standard output")
    ((received, missing),) = re.findall(r"Tally2\[0\]: received (\d+), missing (\d+)", ended.err)
    assert missing == "0"
    assert [pe.items_in for pe in found.profile.pes][1:] == [int(received)] * 2
    assert found.profile.pes[0].items_out == int(received)
    return int(received), found


@every_mapping
@pytest.mark.parametrize("source", ["in_one_call", "call_by_call"])
def test_a_number_of_items(d4py: D4py, source: str, mapping: str) -> None:
    received, found = sampled(d4py, "500", source, mapping)
    assert received >= 500
    assert found.profile.partial
    assert found.profile.notes == ("a sample: 500 items of each source",)
    assert "a part of the input alone: 500 items of each source" in found.warnings
    record = d4py.record()
    assert (record["state"], record["sample"]) == ("completed", "500 items of each source")


@every_mapping
@pytest.mark.parametrize("source", ["in_one_call", "million"])
def test_a_time(d4py: D4py, source: str, mapping: str) -> None:
    received, found = sampled(d4py, "1s", source, mapping)
    assert received > 0
    assert found.profile.partial
    assert max(instance.wall_s for instance in found.profile.instances) >= 0.99
    assert d4py.record()["sample"] == "1 s"


def test_a_time_with_a_slow_reader(d4py: D4py) -> None:
    received, found = sampled(d4py, "500ms", "in_one_call", "unfused", "-p", "seconds=0.01", "--buffers", "100KB")
    assert received > 0
    assert found.profile.partial


def test_what_ends_before_the_sample_does(d4py: D4py) -> None:
    words = ("diagnose", SAMPLED, "-p", "source=ten", "-q", "--json", "-")
    for sample in ("1000", "1h"):
        ended = d4py.run(*words, "--sample", sample)
        assert read_saved(Diagnosis, ended.succeeds(), "standard output").profile.pes[0].items_out == 10
        assert "received 10, missing 0" in ended.err


def kept(d4py: D4py) -> Profile:
    """What is kept of the one workflow, without remarks on what was not."""
    text = d4py.run("profiles", "export", "sampled.py", "-").succeeds()
    return replace(read_saved(Profile, text, "standard output"), notes=())


def test_a_whole_run_s_profile_stays(d4py: D4py) -> None:
    words = ("-p", "source=ten", "-q")
    d4py.run("run", SAMPLED, *words).succeeds()
    before = kept(d4py)
    d4py.run("diagnose", SAMPLED, *words, "--sample", 5).succeeds()
    assert kept(d4py) == before
    assert (before.partial, before.runs) == (False, 1)


def test_a_whole_run_s_profile_takes_the_place_of_a_part_s(d4py: D4py) -> None:
    words = ("-p", "source=ten", "-q")
    d4py.run("diagnose", SAMPLED, *words, "--sample", 5).succeeds()
    assert kept(d4py).partial
    assert " part " in d4py.run("profiles").succeeds()
    d4py.run("run", SAMPLED, *words).succeeds()
    assert (kept(d4py).partial, kept(d4py).runs) == (False, 1)
    assert " part " not in d4py.run("profiles").succeeds()


def test_several_sources_each_give_enough(d4py: D4py) -> None:
    (d4py.folder / "two.py").write_text(
        f"import sys\nsys.path.insert(0, {str(FLOWS)!r})\n"
        "from sampled import CallByCall, InOneCall, Tally, WorkflowGraph\n"
        "graph = WorkflowGraph()\n"
        "for source in (InOneCall(), CallByCall()):\n    graph.connect(source, 'output', Tally(), 'input')\n"
    )
    for mapping in ("simple", "unfused"):
        words = ("-i", NO_END, "--sample", 300, "-q", "--json", "-", "-m", *MAPPINGS[mapping])
        ended = d4py.run("diagnose", "two.py", *words)
        profile = read_saved(Diagnosis, ended.succeeds(), "standard output").profile
        written = [pe.items_out for pe in profile.pes if pe.scaling.is_source]
        assert len(written) == 2
        assert min(written) >= 300
        assert ended.err.count("missing 0") == 2
