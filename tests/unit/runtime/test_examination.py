"""What a diagnosis rests on: the folder of a run, another system's trace, what is kept of a workflow."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace as changed

from d4py_adaptive import IterativePE, ProducerPE, WorkflowGraph
from d4py_adaptive.dataflow.fingerprint import code_digest, workflow_fingerprint
from d4py_adaptive.dataflow.plan import Plan, Stage
from d4py_adaptive.dataflow.workflow import Workflow
from d4py_adaptive.errors import InputError
from d4py_adaptive.profiler.host import Machine
from d4py_adaptive.runtime import examination
from d4py_adaptive.runtime.examination import doubts_on_kept, examine_run, examine_trace
from d4py_adaptive.runtime.profiles import keep
from d4py_adaptive.telemetry.profile import HostProfile, InstanceProfile, PEProfile, Profile, ServiceTime
from d4py_adaptive.telemetry.run_directory import RunDirectory
from d4py_adaptive.telemetry.run_record import RunRecord

HERE = Machine(
    name="here", processor="fast", cores=4, memory_bytes=10**10, system="Linux 6", python="CPython 3", package="1"
)
FLOW = "0123456789abcdef"
PROFILE = Profile(
    workflow="flow.py", fingerprint=FLOW, host=HERE.fingerprint, wall_s=10.0, cores=4,
    pes=(PEProfile(pe="Source0", service=ServiceTime(calls=10, timed=10, mean_s=1.0, p50_s=1.0)),),
    instances=(InstanceProfile(pe="Source0", index=0, worker=0, stage=0, calls=10, wall_s=10.0),),
    stages=(("Source0",),),
)  # fmt: skip
Probed = list[Any]


@pytest.fixture(autouse=True)
def probed(monkeypatch: pytest.MonkeyPatch) -> Probed:
    """How this machine was asked for, which is not probed here."""
    asked: Probed = []

    def known_host(home: Path, note: Any = None) -> HostProfile:
        asked.append((home, note))
        return HostProfile(fingerprint=HERE.fingerprint, name="here")

    monkeypatch.setattr(examination, "known_host", known_host)
    monkeypatch.setattr(examination, "this_machine", lambda: HERE)
    return asked


Made = Callable[..., RunDirectory]


@pytest.fixture
def make_run(home: Path) -> Made:
    """Make a run's folder; without a profile if None is given."""

    def make(profile: Profile | str | None = PROFILE, **fields: Any) -> RunDirectory:
        run = RunDirectory.create(home)
        record = RunRecord(
            id=run.id, workflow="flow.py", state="completed", mapping="simple", workers=1, start_method="", seed=1,
            argv=["/usr/bin/d4py", "run", "my flow.py", "-i", "10"], host="here", pid=1, pid_started_s=0.0,
            started_at_s=0.0, instances=[], environment={"python": "3.11"},
        )  # fmt: skip
        run.write_record(replace(record, **fields))
        run.write_json("plan.json", Plan((Stage(("Source0",), (0,)),), 1, "test", ("it is so",)).to_dict())
        if profile is not None:
            run.write_text("profile.json", profile if isinstance(profile, str) else profile.to_json())
        return run

    return make


def refusal(run: RunDirectory) -> str:
    with pytest.raises(InputError) as caught:
        examine_run(run)
    return str(caught.value)


# ---------------------------------------------------------------------- runs


def test_a_run_is_examined(make_run: Made, probed: Probed, home: Path) -> None:
    run = make_run()
    diagnosis = examine_run(run, note=print)
    assert diagnosis.profile == PROFILE
    assert (diagnosis.target, diagnosis.run, diagnosis.command) == ("flow.py", run.id, "d4py run 'my flow.py' -i 10")
    assert (diagnosis.plan_notes, diagnosis.environment, diagnosis.warnings) == (("it is so",), {"python": "3.11"}, ())
    assert diagnosis.host is not None
    assert diagnosis.host.name == "here"
    assert probed == [(home, print)]


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("running", "it has not ended yet"),
        ("died", "its process was killed before it could write one"),
        ("completed", "it was made with --profile off, or by an earlier version of d4py; run it again"),
        ("failed", "it ended by an error of the system, or of d4py, before it could write one"),
    ],
)
def test_a_run_without_a_profile_says_why(make_run: Made, probed: Probed, state: str, reason: str) -> None:
    run = make_run(None, state=state)
    assert refusal(run) == f"run {run.id} has no profile: {reason}"
    assert probed == []


@pytest.mark.parametrize("text", ["", "{}", '{"schema_version": 1}', "[" * 10**6])
def test_a_profile_that_cannot_be_read_is_named(make_run: Made, text: str) -> None:
    run = make_run(text)
    assert refusal(run).startswith(f"{run.path / 'profile.json'} ")


def test_a_folder_without_record_or_plan_is_no_run(make_run: Made) -> None:
    run = make_run()
    (run.path / "plan.json").unlink()
    assert "holds no plan that can be read" in refusal(run)
    (run.path / "run.json").write_text("{}")
    assert "holds no run record that can be read" in refusal(run)


def test_a_run_on_another_machine_is_judged_by_what_is_known_of_that_one(
    make_run: Made, probed: Probed, home: Path
) -> None:
    run = make_run(changed(PROFILE, host="there"))
    warning = "the run was on another machine, or this one has changed; its advice is for that one"
    diagnosis = examine_run(run)
    assert (diagnosis.host, diagnosis.warnings) == (None, (warning,))
    (home / "hosts").mkdir()
    there = HostProfile(fingerprint="there", name="elsewhere")
    (home / "hosts" / "there.json").write_text(there.to_json())
    diagnosis = examine_run(run)
    assert (diagnosis.host, diagnosis.warnings) == (there, (warning,))
    assert probed == []


@pytest.mark.parametrize("state", ["failed", "interrupted", "died"])
def test_a_run_that_did_not_get_to_its_end_says_so(make_run: Made, state: str) -> None:
    (warning,) = examine_run(make_run(state=state)).warnings
    ended = "was interrupted" if state == "interrupted" else state
    assert warning == f"the run {ended}; the figures are of calls that had ended by then"


def test_a_sample_says_so(make_run: Made) -> None:
    run = make_run(changed(PROFILE, partial=True), sample="5 s or 100 items of each source")
    assert "a part of the input alone: 5 s or 100 items of each source" in examine_run(run).warnings


def test_what_is_known_to_be_doubtful_comes_first(make_run: Made) -> None:
    run = make_run(changed(PROFILE, host="there"), state="failed", sample="5 s")
    warnings = examine_run(run, ["the machine was busy"]).warnings
    assert warnings[0] == "the machine was busy"
    assert len(warnings) == 4


def test_a_run_from_python_has_no_command_of_d4py(make_run: Made) -> None:
    assert examine_run(make_run(argv=[""])).command in ("''", "")
    assert examine_run(make_run(argv=[])).command == ""


# ---------------------------------------------------------------------- traces


def test_a_trace_of_another_system_is_examined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, probed: Probed) -> None:
    from d4py_adaptive.profiler.foreign import reading

    paths = [tmp_path / "one.csv", tmp_path / "two.csv"]
    monkeypatch.setattr(reading, "read_trace", lambda given: changed(PROFILE, level="foreign", notes=(f"{given}",)))
    diagnosis = examine_trace(paths)
    assert diagnosis.target == f"{paths[0]}, {paths[1]}"
    assert (diagnosis.host, diagnosis.run, diagnosis.profile.notes) == (None, "", (f"{paths}",))
    assert probed == []


# ---------------------------------------------------------------------- what is kept


class Source(ProducerPE):
    """A source."""


class Work(IterativePE):
    """A PE."""


@pytest.fixture
def workflow() -> Workflow:
    graph = WorkflowGraph()
    graph.connect(Source(), "output", Work(), "input")
    return graph.freeze()


@pytest.fixture
def kept(workflow: Workflow) -> Profile:
    pes = tuple(PEProfile(pe=node.id, code=code_digest(node.prototype)) for node in workflow.nodes)
    return changed(PROFILE, fingerprint=workflow_fingerprint(workflow), pes=pes, instances=(), stages=())


def test_there_is_no_doubt_without_or_about_what_is_kept(home: Path, workflow: Workflow, kept: Profile) -> None:
    assert doubts_on_kept(home, workflow) == ()
    keep(home, kept)
    assert doubts_on_kept(home, workflow) == ()


def test_a_pe_whose_code_changed_is_named(home: Path, workflow: Workflow, kept: Profile) -> None:
    source, work = kept.pes
    keep(home, changed(kept, pes=(source, changed(work, code="before"))))
    assert doubts_on_kept(home, workflow) == ("profile of flow.py: the code of PE Work1 changed since it was measured",)


def test_what_was_measured_here_comes_before_what_was_measured_elsewhere(
    home: Path, workflow: Workflow, kept: Profile
) -> None:
    keep(home, changed(kept, host="there", recorded_at_s=1.0))
    (doubt,) = doubts_on_kept(home, workflow)
    assert "it was measured on another machine, or before this one changed (4 cores)" in doubt
    keep(home, changed(kept, host="newer", recorded_at_s=9.0))
    keep(home, changed(kept, recorded_at_s=5.0))
    assert doubts_on_kept(home, workflow) == ()


def test_profiles_of_other_workflows_and_ones_that_cannot_be_read_raise_no_doubt(
    home: Path, workflow: Workflow, kept: Profile
) -> None:
    keep(home, changed(kept, fingerprint=FLOW, host="there"))
    (home / "profiles" / FLOW / "else.json").write_text("{")
    assert doubts_on_kept(home, workflow) == ()
