"""The table of rules, and the verdict: what limits a run, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from d4py_adaptive.dashboard.report.figures import share
from d4py_adaptive.dashboard.text import duration
from d4py_adaptive.runtime.diagnosis.alternatives import alternatives
from d4py_adaptive.runtime.diagnosis.commands import command_line
from d4py_adaptive.runtime.diagnosis.figures import Figures
from d4py_adaptive.runtime.diagnosis.found import Case, Found, Rule, Weight
from d4py_adaptive.runtime.diagnosis.hand_over import big_messages, fan_out_copies, tiny_items, under_fused
from d4py_adaptive.runtime.diagnosis.limits import blocking_io, serial_source, skewed_keys, slow_pe, state
from d4py_adaptive.runtime.diagnosis.processes import (
    idle_processes,
    memory_pressure,
    over_fused,
    run_sequentially,
    taking_turns,
    thread_contention,
    too_many_processes,
)
from d4py_adaptive.telemetry.diagnosis import Advice, Diagnosis, Finding
from d4py_adaptive.telemetry.profile import HostProfile, Profile

RULES: tuple[Rule, ...] = (
    memory_pressure,
    under_fused,
    over_fused,
    fan_out_copies,
    tiny_items,
    big_messages,
    taking_turns,
    skewed_keys,
    serial_source,
    state,
    blocking_io,
    slow_pe,
    run_sequentially,
    thread_contention,
    too_many_processes,
    idle_processes,
)
"""In the order of preference among findings whose costs are too near each other to tell: what is mended by an option
of the command line comes before what takes a line of code, and that before what takes thought."""

TOO_NEAR = 0.1
"""Costs that differ by less than the model's error are the same."""

FEW_CALLS = 10

HARDLY_ANY_S = 0.1
"""In runs that took less, what is measured is mostly how processes start and end."""

BUSY_BESIDE = 1.15

SOME_WORKFLOW = "WORKFLOW.py"
"""What a trace is of, in commands: traces do not say."""


def diagnose(
    profile: Profile,
    host: HostProfile | None,
    *,
    target: str,
    run: str = "",
    command: str = "",
    plan_notes: Sequence[str] = (),
    is_whole: bool = True,
    environment: Mapping[str, str] | None = None,
    warnings: Sequence[str] = (),
) -> Diagnosis:
    """What limits a run, and what to do about it.

    Args:
        profile: what was measured of it.
        host: what its machine can do, if that was probed.
        target: the workflow, as `d4py run` takes it.
        run: id of the run.
        command: the command line it was started with.
        plan_notes: why its plan was as it was.
        is_whole: whether the run came to its end; if not, nothing is predicted.
        environment: versions of what it ran on.
        warnings: what is known already that makes the profile doubtful.
    """
    figures = Figures(profile, host)
    runs = SOME_WORKFLOW if profile.level == "foreign" else target
    found = _ranked(findings(Case(figures, command_line(command, runs), is_whole)))
    return Diagnosis(
        target=target,
        run=run,
        verdict=found[0].finding if found else _healthy(figures),
        findings=tuple(each.finding for each in found),
        advice=_advice(found),
        alternatives=alternatives(figures) if is_whole else (),
        warnings=(*warnings, *_doubts(figures)),
        profile=profile,
        host=host,
        plan_notes=tuple(plan_notes),
        environment=dict(environment or {}),
        command=command,
    )


def findings(case: Case) -> list[Found]:
    """What the rules find, in their order; in a run that took hardly any time, only whether processes were worth it."""
    if not case.figures.pes or not case.figures.wall_s:
        return []
    rules = RULES if case.figures.total_s >= HARDLY_ANY_S else (memory_pressure, run_sequentially)
    return [found for rule in rules if (found := rule(case)) is not None]


def _ranked(found: list[Found]) -> list[Found]:
    """The verdict first, then the others by cost; what only wastes processes where nothing costs time."""
    first = min((each.weight for each in found), default=Weight.WASTE)
    if any(each.weight is Weight.TIME for each in found):
        found = [each for each in found if each.weight is not Weight.WASTE]
    leading = [each for each in found if each.weight is first]
    most = max((each.finding.cost for each in leading), default=0.0)
    verdict = next((each for each in leading if each.finding.cost >= most - TOO_NEAR), None)
    return sorted(found, key=lambda each: (each is not verdict, each.weight, -each.finding.cost))


def _advice(found: list[Found]) -> tuple[Advice, ...]:
    """What to do, the largest gain first; the same command once, for the finding that gains most by it."""
    ranked = sorted((one for each in found for one in each.advice), key=lambda one: -one.gain)
    once = {one.command or one.text: one for one in reversed(ranked)}
    return tuple(one for one in ranked if once[one.command or one.text] is one)


def _healthy(figures: Figures) -> Finding:
    """What to say where nothing was found."""
    cores, wall = figures.cores, duration(figures.wall_s)
    used = min(1.0, figures.cpu_s / (cores * figures.wall_s)) if figures.wall_s else 0.0
    if figures.is_parallel:
        beside = ", and other programs used them too" if figures.outside_load > BUSY_BESIDE else ""
        sentence = (
            f"Nothing limits this run unduly: it kept its {cores} cores busy for {share(used)} of {wall}{beside}."
        )
    else:
        sentence = f"Nothing limits this run unduly: it took {wall} in one process, and several would not pay off."
    return Finding(cause="healthy", sentence=sentence, evidence={"wall_s": figures.wall_s, "cores_busy_share": used})


def _doubts(figures: Figures) -> list[str]:
    """What to know before trusting this."""
    doubts = []
    waited = sum(worker.runnable_s or 0.0 for worker in figures.workers.values())
    ran = sum(worker.cpu_s for worker in figures.workers.values())
    fits = sum(figures.wanted_cores.values()) <= figures.cores
    if fits and waited > 0.2 * (waited + ran) and ran < 0.9 * figures.cores * figures.wall_s:
        doubts.append(f"other programs used the cores too: the workers waited {duration(waited)} for one")
    calls = max(figures.calls.values(), default=0)
    if calls < FEW_CALLS:
        doubts.append(f"this rests on {calls} calls of a PE at most; more input would make it surer")
    return doubts
