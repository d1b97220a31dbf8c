"""Gathers what a diagnosis rests on: a run's folder, another system's trace, what is known of the machine."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path, PurePath

from d4py_adaptive.dataflow.fingerprint import code_digest, workflow_fingerprint
from d4py_adaptive.dataflow.workflow import Workflow
from d4py_adaptive.errors import InputError
from d4py_adaptive.runtime.diagnosis.diagnose import diagnose
from d4py_adaptive.runtime.host import known_host
from d4py_adaptive.runtime.machine import this_machine
from d4py_adaptive.runtime.profiles import all_kept, machine_of, staleness
from d4py_adaptive.telemetry.diagnosis import Diagnosis
from d4py_adaptive.telemetry.profile import Profile
from d4py_adaptive.telemetry.run_directory import RunDirectory
from d4py_adaptive.telemetry.saved import read_saved_file

Note = Callable[[str], None]


def examine_run(run: RunDirectory, warnings: Sequence[str] = (), note: Note | None = None) -> Diagnosis:
    """What limited a run that is kept.

    Args:
        run: its folder.
        warnings: what is known already that makes its profile doubtful.
        note: told what the user should know of this machine.

    Raises:
        InputError: it measured nothing, or what it did cannot be read.
    """
    record = run.read_record()
    path = run.path / "profile.json"
    if not path.exists():
        raise InputError(f"run {run.id} has no profile: {_why_none(record.state)}")
    profile = read_saved_file(Profile, path)
    here = this_machine()
    host = known_host(run.home, note=note) if profile.host == here.fingerprint else machine_of(run.home, profile.host)
    found = list(warnings)
    if profile.host != here.fingerprint:
        found.append("the run was on another machine, or this one has changed; its advice is for that one")
    if record.state != "completed":
        found.append(f"the run {_how_it_ended(record.state)}; the figures are of calls that had ended by then")
    if record.sample:
        found.append(f"a part of the input alone: {record.sample}")
    return diagnose(
        profile,
        host,
        target=record.workflow,
        run=run.id,
        command=shlex.join([PurePath(word).name if i == 0 else word for i, word in enumerate(record.argv)]),
        plan_notes=run.read_plan().notes,
        is_whole=record.state == "completed",
        environment=record.environment,
        warnings=found,
    )


def _how_it_ended(state: str) -> str:
    return {"interrupted": "was interrupted", "running": "has not ended"}.get(state, state)


def _why_none(state: str) -> str:
    if state == "running":
        return "it has not ended yet"
    if state == "died":
        return "its process was killed before it could write one"
    if state == "failed":
        return "it ended by an error of the system, or of d4py, before it could write one"
    return "it was made with --profile off, or by an earlier version of d4py; run it again"


def examine_trace(paths: Sequence[Path]) -> Diagnosis:
    """What limited a run of another system that left timings behind.

    Raises:
        InputError: the files are no trace that is known.
    """
    from d4py_adaptive.profiler.foreign.reading import read_trace

    profile = read_trace(paths)
    return diagnose(profile, None, target=", ".join(map(str, paths)), warnings=profile.notes)


def doubts_on_kept(home: Path, workflow: Workflow) -> tuple[str, ...]:
    """Why what is kept of a workflow may not be true of it as it is now; a sentence for each reason."""
    fingerprint, here = workflow_fingerprint(workflow), this_machine().fingerprint
    of_it = [
        one.profile for one in all_kept(home) if one.profile is not None and one.profile.fingerprint == fingerprint
    ]
    kept = next((one for one in of_it if one.host == here), of_it[-1] if of_it else None)
    if kept is None:
        return ()
    codes = {node.id: code_digest(node.prototype) for node in workflow.nodes}
    return staleness(kept, codes, here, fingerprint, machine_of(home, kept.host))
