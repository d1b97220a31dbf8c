"""Rules for one PE that limits the run: its busiest instance is the busiest of all, and most of that is its own code.

Why it does, in the order in which it is asked: it is a source; a key sends most items to one of its instances; state
keeps it at one; it waits for something outside; or it is simply slow.
"""

from __future__ import annotations

from collections.abc import Callable

from d4py_adaptive.dashboard.report.figures import share
from d4py_adaptive.dashboard.text import duration
from d4py_adaptive.runtime.diagnosis.figures import Figures, Work, raw_busy_s
from d4py_adaptive.runtime.diagnosis.found import Case, Found
from d4py_adaptive.runtime.diagnosis.what_if import SKEWED, Setup, best_workers, heaviest_key
from d4py_adaptive.telemetry.diagnosis import Advice, Cause, Finding
from d4py_adaptive.telemetry.profile import PEProfile

LEAST_BUSY, LEAST_BUSY_SEQUENTIAL = 0.5, 0.6
"""A PE none of whose instances is busy for this share of the run does not limit it alone."""

MOSTLY_WAITING = 0.5


def limiting(figures: Figures) -> Work | None:
    """The PE that limits the run alone, if one does."""
    busiest = max(figures.work.values(), key=lambda work: work.busy_s * work.busiest, default=None)
    least = LEAST_BUSY if figures.is_parallel else LEAST_BUSY_SEQUENTIAL
    if busiest is None or busiest.busy_s * busiest.busiest < least * figures.bound_s:
        return None
    return busiest if busiest.compute_s >= busiest.hand_over_s else None


def why(figures: Figures, work: Work) -> Cause:
    """Why that PE limits the run."""
    pe = figures.pes[work.pe]
    tells_streams = figures.profile.level != "foreign"
    if pe.scaling.is_source or (tells_streams and not figures.inbound[work.pe]):
        return "serial_source"
    if _is_keyed(figures, pe) and pe.instances > 1 and work.busiest * pe.instances >= SKEWED:
        return "skewed_keys"
    if pe.scaling.fixed is not None and keeps_state(figures, pe):
        return "state"
    return "blocking_io" if work.waiting >= MOSTLY_WAITING else "slow_pe"


def keeps_state(figures: Figures, pe: PEProfile) -> bool:
    """Whether it is state that fixes the number of a PE's instances, not how its items are dealt out."""
    dealt_out = all(stream.grouping in ("shuffle", "group_by") for stream in figures.inbound[pe.pe])
    return dealt_out and not pe.state.stateless_by_code and not pe.state.declared


def serial_source(case: Case) -> Found | None:
    """A source of one instance that everything else waits for; also one that itself waits for the outside world."""
    return _of_cause(case, "serial_source", _serial_source)


def skewed_keys(case: Case) -> Found | None:
    """One instance of a keyed PE gets most of the items."""
    return _of_cause(case, "skewed_keys", _skewed_keys)


def state(case: Case) -> Found | None:
    """What a PE keeps between items holds it at one instance, or at a few."""
    return _of_cause(case, "state", _state)


def blocking_io(case: Case) -> Found | None:
    """A PE waits for something outside in its calls: more instances than cores pay off."""
    return _of_cause(case, "blocking_io", _blocking_io)


def slow_pe(case: Case) -> Found | None:
    """A PE takes most of the time, and more instances or a quicker one are what helps."""
    return _of_cause(case, "slow_pe", _slow_pe)


def _of_cause(case: Case, cause: Cause, tell: Callable[[Case, Work], Found | None]) -> Found | None:
    work = limiting(case.figures)
    return tell(case, work) if work is not None and why(case.figures, work) == cause else None


def _found(case: Case, cause: Cause, work: Work, then_s: float, sentence: str, advice: list[Advice]) -> Found | None:
    if not case.is_worth(then_s):
        return None
    figures = case.figures
    evidence = {
        "busy_share": round(_busy_share(figures, work), 4),
        "compute_s": round(work.compute_s, 6),
        "mean_call_s": figures.pes[work.pe].service.mean_s,
        "waiting_share": round(work.waiting, 4),
        "busiest_instance_share": round(work.busiest, 4),
        "without_it_s": round(then_s, 6),
    }
    finding = Finding(cause=cause, pe=work.pe, sentence=sentence, evidence=evidence, cost=case.cost(then_s))
    return Found(finding, tuple(advice))


def _serial_source(case: Case, work: Work) -> Found | None:
    figures, pe = case.figures, work.pe
    workers = _workers_to_split(case, work)
    then_s = case.than(Setup(workers, freed=frozenset({pe})))
    waits = f", {share(work.waiting)} of that waiting for something outside" if work.waiting >= 0.1 else ""
    calls = "in its one call" if figures.calls[pe] == 1 else f"in {_each(figures, pe)}"
    sentence = (
        f"{pe} limits the run: this source has one instance, busy {_busy(figures, work)}{waits}, {calls}; "
        f"everything behind it waits for its items."
    )
    split = (
        f"if its calls do not depend on each other, let {pe} be split over {workers} instances"
        if figures.calls[pe] > 1
        else f"let each call of {pe} make one part of the input, and let it be split over {workers} instances"
    )
    move = f"{pe} should only name the items (paths, ranges); let the PE behind it, which may be replicated, make them"
    return _found(case, "serial_source", work, then_s, sentence, [
        case.advice("serial_source", split, f"splittable = True  # in the class of {pe}", then_s),
        case.advice("serial_source", move, ""),
    ])  # fmt: skip


def _skewed_keys(case: Case, work: Work) -> Found | None:
    figures, pe = case.figures, work.pe
    instances = figures.instances_of(pe)
    top = max(instances, key=figures.busy_s)
    then_s = case.than(Setup(len(figures.worker_numbers), balanced=frozenset({pe})))
    items = sum(one.items_in for one in instances)
    heavy = max(
        (key for stream in figures.inbound[pe] for key in stream.heavy_keys), key=lambda key: key.share, default=None
    )
    which = f", {share(heavy.share)} of them with the key {heavy.key}" if heavy is not None else ""
    gets = f"{share(top.items_in / items if items else work.busiest)} of the items"
    sentence = (
        f"{pe} limits the run: {top.label}, one of {len(instances)} instances, gets {gets}{which}, and is busy "
        f"{_busy(figures, work)} while the others starve."
    )
    stream = next((stream for stream in figures.inbound[pe] if stream.grouping == "group_by"), None)
    finer = f'self._add_input("{stream.input if stream else "input"}", grouping=[KEY, PART])  # in {pe}: finer keys'
    advice = [
        case.advice("skewed_keys", f"group {pe} by a finer key, and merge the parts in a PE behind it", finer, then_s),
        case.advice("skewed_keys", f"combine items of one key before they reach {pe}",
                    f"combines = True  # in the class of a PE before {pe} that merges what it gets"),
    ]  # fmt: skip
    found = _found(case, "skewed_keys", work, then_s, sentence, advice)
    if found is None or stream is None:
        return found
    return Found(_with_stream(found.finding, stream.id, heaviest_key(figures, pe)), found.advice)


def _with_stream(finding: Finding, stream: str, key_share: float) -> Finding:
    evidence = finding.evidence | ({"heaviest_key_share": round(key_share, 4)} if key_share else {})
    return Finding(
        cause=finding.cause, pe=finding.pe, stream=stream, sentence=finding.sentence, evidence=evidence,
        cost=finding.cost,
    )  # fmt: skip


def _state(case: Case, work: Work) -> Found | None:
    figures, pe = case.figures, _profile(case, work)
    workers = _workers_to_split(case, work)
    then_s = case.than(Setup(workers, freed=frozenset({work.pe})))
    kept = _clause(pe.scaling.reason or pe.state.reason or "it keeps state")
    if pe.state.changed:
        kept += f"; calls were seen to change {', '.join(pe.state.changed)}"
    few = "one instance" if pe.scaling.fixed == 1 else f"{pe.scaling.fixed} instances"
    sentence = f"{work.pe} limits the run: state holds it at {few}, busy {_busy(figures, work)} ({kept})."
    return _found(case, "state", work, then_s, sentence, _freeing(case, pe, workers, then_s))


def _freeing(case: Case, pe: PEProfile, workers: int, then_s: float) -> list[Advice]:
    """What makes a PE with state free to scale, by what was seen of that state."""
    if pe.state.looks and not pe.state.changed and not pe.state.unseen:
        text = (
            f"nothing {pe.pe} keeps changed in {pe.state.looks} calls: if that is always so, say that it is stateless"
        )
        first = case.advice("state", text, f"stateless = True  # in the class of {pe.pe}", then_s)
    else:
        what = f" ({', '.join(pe.state.changed)})" if pe.state.changed else ""
        text = f"if {pe.pe} keeps its state{what} per key, group its input by that key: it may have {workers} instances"
        first = case.advice("state", text, f'self._add_input("input", grouping=[KEY])  # in {pe.pe}', then_s)
    text = f"if what {pe.pe} keeps are sums that a PE behind it can merge, say so, and write them in postprocess"
    advice = [first, case.advice("state", text, f"combines = True  # in the class of {pe.pe}", then_s)]
    return advice if case.figures.profile.mapping != "simple" else [*advice, _then_run(case, "state", workers)]


def _then_run(case: Case, cause: Cause, workers: int) -> Advice:
    return case.advice(cause, f"then run it on {workers} workers", case.command(workers))


def _blocking_io(case: Case, work: Work) -> Found | None:
    figures, pe = case.figures, _profile(case, work)
    workers = _workers_to_split(case, work)
    then_s = case.than(Setup(workers, freed=frozenset({work.pe})))
    sentence = (
        f"{work.pe} limits the run: {share(work.waiting)} of its {_each(figures, pe.pe)} it waits for something "
        f"outside, and its {_instances(pe.instances)} busy {_busy(figures, work)}; more instances than cores pay off."
    )
    text = f"let {workers} instances of {work.pe} wait at the same time"
    advice = [case.advice("blocking_io", text, case.command(workers), then_s)]
    at_most = pe.scaling.fixed or pe.scaling.at_most
    if at_most is not None and at_most < workers:
        line = f"{work.pe}.numprocesses = {workers}"
        advice.insert(0, case.advice("blocking_io", f"allow {work.pe} {workers} instances", line, then_s))
    return _found(case, "blocking_io", work, then_s, sentence, advice)


def _slow_pe(case: Case, work: Work) -> Found | None:
    figures, pe = case.figures, _profile(case, work)
    workers = max(figures.cores, len(figures.worker_numbers))
    few = pe.scaling.fixed or pe.scaling.at_most or workers
    freed = frozenset({work.pe}) if few < workers else frozenset[str]()
    then_s = case.than(Setup(workers, freed=freed))
    sentence = (
        f"{work.pe} limits the run: its {_instances(pe.instances)} busy {_busy(figures, work)}, in "
        f"{_each(figures, work.pe)}, and only {_used(figures)} of {figures.cores} cores are used."
    )
    advice = [case.advice("slow_pe", f"run it on {workers} workers", case.command(workers), then_s)]
    if pe.scaling.fixed is not None and freed:
        text = f"do part of its work in a PE before it that may have several instances: {_clause(pe.scaling.reason)}"
        advice[0] = case.advice("slow_pe", text, "", then_s)
    elif freed:
        text = f"allow {work.pe} {workers} instances, and run it on {workers} workers; now it may have {few}"
        advice[0] = case.advice("slow_pe", text, f"{work.pe}.numprocesses = {workers}", then_s)
    return _found(case, "slow_pe", work, then_s, sentence, advice)


def _profile(case: Case, work: Work) -> PEProfile:
    """The profile of the PE that a rule is about."""
    return case.figures.pes[work.pe]


def _workers_to_split(case: Case, work: Work) -> int:
    """On how many workers a PE would best have its instances: more than cores only where it waits."""
    figures = case.figures
    if work.waiting < MOSTLY_WAITING:
        return max(figures.cores, len(figures.worker_numbers))
    return best_workers(figures, Setup(2, freed=frozenset({work.pe})))


def _is_keyed(figures: Figures, pe: PEProfile) -> bool:
    return pe.scaling.keyed or any(stream.grouping == "group_by" for stream in figures.inbound[pe.pe])


def _busy_share(figures: Figures, work: Work) -> float:
    most = max((raw_busy_s(one.split) for one in figures.instances_of(work.pe)), default=0.0)
    return min(1.0, most / figures.wall_s) if figures.wall_s else 0.0


def _busy(figures: Figures, work: Work) -> str:
    return f"{share(_busy_share(figures, work))} of the time"


def _each(figures: Figures, pe: str) -> str:
    profile = figures.pes[pe]
    if profile.setup_s > profile.split.compute_s / 2:
        return f"{duration(profile.setup_s)} of it in preprocess and postprocess"
    service, calls = figures.pes[pe].service, figures.calls[pe]
    return f"{calls:,} calls of {duration(service.mean_s)}" if calls != 1 else f"one call of {duration(service.mean_s)}"


def _instances(number: int) -> str:
    return "one instance is" if number == 1 else f"{number} instances are"


def _used(figures: Figures) -> str:
    return f"{min(figures.cores, figures.cpu_s / figures.wall_s if figures.wall_s else 0.0):.1f}"


def _clause(reason: str) -> str:
    return reason.strip().rstrip(".")
