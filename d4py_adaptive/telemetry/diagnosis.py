"""The diagnosis: what limits a run and what to do about it, as a value that reports are drawn from."""

from __future__ import annotations

from typing import ClassVar, Literal

from d4py_adaptive.telemetry.profile import HostProfile, Profile, Seconds, Share
from d4py_adaptive.telemetry.saved import Saved

Cause = Literal[
    "slow_pe",
    "skewed_keys",
    "serial_source",
    "tiny_items",
    "fan_out_copies",
    "big_messages",
    "too_many_processes",
    "idle_processes",
    "memory_pressure",
    "thread_contention",
    "blocking_io",
    "state",
    "over_fused",
    "under_fused",
    "run_sequentially",
    "healthy",
]


class Finding(Saved, frozen=True, kw_only=True):
    """One cause of lost time, and the figures that show it.

    Attributes:
        cause: which of the known ones.
        pe: the PE at fault; empty where none is.
        stream: the stream at fault; empty where none is.
        sentence: one sentence that names the culprit and the evidence.
        evidence: the figures, by name with unit.
        cost: share of the run's time that it costs, about; findings are ranked by it.
    """

    cause: Cause
    pe: str = ""
    stream: str = ""
    sentence: str
    evidence: dict[str, float] = {}
    cost: Share = 0.0


class Advice(Saved, frozen=True, kw_only=True):
    """One thing to do.

    Attributes:
        cause: the finding it answers.
        text: what to do, one sentence.
        command: the exact command, or line of code.
        gain: predicted time now over predicted time then.
        gain_low: lower end of the prediction's 90 % interval.
        gain_high: upper end of it.
    """

    cause: Cause
    text: str
    command: str = ""
    gain: float = 1.0
    gain_low: float = 1.0
    gain_high: float = 1.0


class Alternative(Saved, frozen=True, kw_only=True):
    """Another way to run the workflow, and how long that would take.

    Attributes:
        what: in a few words.
        predicted_s: how long the run would take.
        workers: on how many workers.
        gain: the time it took over that.
    """

    what: str
    predicted_s: Seconds
    workers: int
    gain: float


class Diagnosis(Saved, frozen=True, kw_only=True):
    """The answer of `d4py diagnose`.

    Attributes:
        schema_version: of this format.
        target: what was diagnosed: a workflow, a run, a trace.
        run: id of the run; empty for traces.
        verdict: what limits the run; its cause is `healthy` where nothing does unduly.
        findings: everything that was found, the costliest first; empty for a healthy run.
        advice: what to do, the largest gain first.
        alternatives: other ways to run it, the quickest first.
        warnings: what to know before trusting this: a partial run, a stale profile, a busy machine.
        profile: what it rests on.
        host: what the machine can do; None where it was not probed.
        plan_notes: why the plan is as it is.
        environment: versions of what it ran on.
        command: the command line of the run.
    """

    SCHEMA_VERSION: ClassVar[int] = 1

    schema_version: int = 1
    target: str
    run: str = ""
    verdict: Finding
    findings: tuple[Finding, ...] = ()
    advice: tuple[Advice, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    warnings: tuple[str, ...] = ()
    profile: Profile
    host: HostProfile | None = None
    plan_notes: tuple[str, ...] = ()
    environment: dict[str, str] = {}
    command: str = ""
