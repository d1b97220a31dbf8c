"""The details of the diagnosis screen: every figure of the diagnosis that is not in its tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from d4py_adaptive.dashboard.report.causes import title
from d4py_adaptive.dashboard.report.figures import count, share, size
from d4py_adaptive.dashboard.report.page import Column, Page, one_line
from d4py_adaptive.dashboard.report.screen_tables import bars_of, by_volume, legend, stream_names
from d4py_adaptive.dashboard.report.shares import shares
from d4py_adaptive.dashboard.text import duration
from d4py_adaptive.telemetry.diagnosis import Diagnosis
from d4py_adaptive.telemetry.profile import CostLaw, HostProfile, PEProfile, Profile, StateSeen, StreamProfile

if TYPE_CHECKING:
    from rich.text import Text


def add_details(page: Page, diagnosis: Diagnosis) -> None:
    """Add all that a diagnosis holds besides what the screen shows anyway."""
    profile = diagnosis.profile
    _add_findings(page, diagnosis)
    _add_alternatives(page, diagnosis)
    _add_services(page, profile)
    _add_pes(page, profile)
    _add_stream_facts(page, profile)
    _add_instances(page, profile)
    _add_workers(page, profile)
    if diagnosis.host is not None:
        _add_host(page, diagnosis.host)
    _add_list(page, "Notes", profile.notes)
    _add_origin(page, diagnosis)


def _add_findings(page: Page, diagnosis: Diagnosis) -> None:
    if not diagnosis.findings:
        return
    page.heading("Findings, the costliest first")
    for number, finding in enumerate(diagnosis.findings, 1):
        page.paragraph(f"{title(finding)}, {share(finding.cost)} of the time", first=f" {number}  ", indent=4)
        page.paragraph(finding.sentence, first="    ", indent=4)
        figures = "; ".join(_evidence(name, value) for name, value in finding.evidence.items())
        if figures:
            page.paragraph(figures, first="    ", indent=4, style="bright_black")


def _evidence(name: str, value: float) -> str:
    """A figure by the unit that its name ends with."""
    for unit, told in (("_share", share), ("_s", duration), ("_bytes", size)):
        if name.endswith(unit):
            return f"{name.removesuffix(unit).replace('_', ' ')} {told(value)}"
    return f"{name.replace('_', ' ')} {value:,.4g}"


def _add_alternatives(page: Page, diagnosis: Diagnosis) -> None:
    if diagnosis.alternatives:
        page.heading("Other ways to run it, as predicted")
        columns = (Column("way", left=True, least=14), Column("workers"), Column("time"), Column("gain"))
        rows = [
            (one.what, count(one.workers), duration(one.predicted_s), f"x{one.gain:.2f}")
            for one in diagnosis.alternatives
        ]
        page.table(columns, rows)
    _add_list(page, "Why the plan is as it is", diagnosis.plan_notes)


def _add_services(page: Page, profile: Profile) -> None:
    timed = [pe for pe in profile.pes if pe.service.calls]
    if not timed:
        return
    page.heading("How long a call takes")
    columns = (
        Column("PE", left=True, least=14), Column("mean"), *(Column(f"p{n}", optional=True) for n in (50, 95)),
        Column("p99"), Column("max", optional=True), Column("cpu"),
    )  # fmt: skip
    rows = []
    for pe in timed:
        one = pe.service
        quantiles = [duration(time) if one.timed else "-" for time in (one.p50_s, one.p95_s, one.p99_s, one.max_s)]
        cpu = "-" if one.cpu_share is None else share(one.cpu_share)
        rows.append((pe.pe, duration(one.mean_s), *quantiles, cpu))
    page.table(columns, rows)


def _add_pes(page: Page, profile: Profile) -> None:
    if not profile.pes:
        return
    page.heading("PEs")
    for pe in profile.pes:
        page.paragraph(pe.pe, first="   ", indent=5, style="bold")
        for fact in _facts(pe):
            page.paragraph(fact, first="     ", indent=7)


def _facts(pe: PEProfile) -> list[str]:
    items, volume = _many(pe.items_in, "item"), f"{size(pe.bytes_in)} in, {size(pe.bytes_out)} out"
    facts = [f"{items} in, {count(pe.items_out)} out; {volume}"]
    if pe.service.mean_s:
        error = share(pe.service.mean_error_s / pe.service.mean_s)
        facts.append(f"{_many(pe.service.calls, 'call')}, {count(pe.service.timed)} timed; mean to within {error}")
    if pe.selectivity:
        per = "item" if pe.items_in else "call"
        facts.append(f"written per {per}: " + ", ".join(f"{port} {n:.3g}" for port, n in pe.selectivity.items()))
    if pe.skipped or pe.retried:
        facts.append(f"{_many(pe.skipped, 'item')} given up, {_many(pe.retried, 'call')} repeated")
    if pe.cost is not None:
        facts.append(f"cost: {_law(pe.cost)}")
    facts.append(f"state: {_state(pe.state)}")
    facts.append(f"instances: {_scaling(pe)}")
    return facts


def _law(law: CostLaw) -> str:
    if law.kind == "constant" and law.smallest_bytes == law.largest_bytes:
        return f"cannot be told: all items had {size(law.largest_bytes)}"
    first, *rest = law.coefficients or (0.0,)
    factor = rest[0] if rest else 0.0
    rule = {
        "constant": duration(first),
        "linear": f"{duration(first)} + {duration(factor * 1e6)} per MB",
        "power": f"{first:.3g} s * bytes^{factor:.2f}",
    }[law.kind]
    seen = f"{_many(law.samples, 'call')} with {size(law.smallest_bytes)} to {size(law.largest_bytes)}"
    return f"{rule}, off by {share(law.error)} typically; from {seen}"


def _state(state: StateSeen) -> str:
    if state.declared is not None:
        said = "the PE declares that it keeps none" if state.declared else "the PE declares that it keeps some"
    else:
        said = "none by its code" if state.stateless_by_code else "it may keep some by its code"
    if state.reason:
        said += f" ({state.reason})"
    if state.changed:
        changed = ", ".join(f"{name} {_many(times, 'time')}" for name, times in state.changed.items())
        return f"{said}; in {_many(state.looks, 'look')} changed {changed}"
    return f"{said}; unchanged in {_many(state.looks, 'look')}" if state.looks else said


def _scaling(pe: PEProfile) -> str:
    scaling = pe.scaling
    if scaling.fixed is not None:
        free = f"always {count(scaling.fixed)}"
    else:
        free = "any number" if scaling.at_most is None else f"at most {count(scaling.at_most)}"
    return f"{count(pe.instances)}, {free}" + (f": {scaling.reason}" if scaling.reason else "")


def _add_stream_facts(page: Page, profile: Profile) -> None:
    names = stream_names(profile, page.marks)
    told = [(names[stream.id], _stream_facts(stream)) for stream in by_volume(profile)]
    if any(facts for _, facts in told):
        page.heading("Streams")
    for name, facts in told:
        if facts:
            page.paragraph(name, first="   ", indent=5, style="bold")
            page.paragraph("; ".join(facts), first="     ", indent=7)


def _stream_facts(stream: StreamProfile) -> list[str]:
    facts = []
    if stream.grouping != "shuffle":
        by = f" {', '.join(stream.keys)}" if stream.keys else ""
        facts.append(stream.grouping.replace("_", " ") + by)
    if stream.distinct_keys is not None:
        facts.append(f"about {_many(stream.distinct_keys, 'key')}")
    if stream.heavy_keys:
        heavy = ", ".join(f"{one_line(key.key)} {share(key.share)}" for key in stream.heavy_keys)
        facts.append(f"most frequent: {heavy}")
    if stream.compressibility is not None:
        facts.append(f"compresses to {share(stream.compressibility)}")
    if stream.copy_s:
        facts.append(f"{duration(stream.copy_s)} spent on private copies")
    return facts


def _add_instances(page: Page, profile: Profile) -> None:
    if not profile.instances:
        return
    bars = bars_of(page, [one.split for one in profile.instances])
    page.heading("Instances", legend(page.marks, bars))
    columns = (
        Column("instance", left=True, least=14), Column("worker"), Column("", left=True), Column("busy"),
        Column("calls"), Column("in"), Column("out", optional=True), Column("time", optional=True),
    )  # fmt: skip
    rows: list[Sequence[str | Text]] = []
    for one, drawn in zip(profile.instances, bars, strict=True):
        figures = [count(one.calls), count(one.items_in), count(one.items_out), duration(one.wall_s)]
        rows.append((one.label, count(one.worker), drawn, share(shares(one.split)["busy"]), *figures))
    page.table(columns, rows)


def _add_workers(page: Page, profile: Profile) -> None:
    if not profile.workers:
        return
    page.heading("Workers")
    titles = ("worker", "pid", "time", "cpu", "waits for a core", "memory", "threads", "major faults")
    rows = [
        (
            count(one.number),
            str(one.pid or "-"),
            duration(one.wall_s),
            share(one.cpu_s / one.wall_s) if one.wall_s else "-",
            "-" if one.runnable_s is None else duration(one.runnable_s),
            size(one.peak_memory_bytes) if one.peak_memory_bytes else "-",
            count(one.threads),
            count(one.page_faults),
        )
        for one in profile.workers
    ]
    page.table([Column(title, optional=n > 3) for n, title in enumerate(titles)], rows)


def _add_host(page: Page, host: HostProfile) -> None:
    page.heading("Machine")
    python = f"Python {host.python}" if host.python[:1].isdigit() else host.python
    facts = (host.name, host.processor, _many(host.cores, "core"), size(host.memory_bytes), python)
    page.paragraph(", ".join(fact for fact in facts if fact), first="   ", indent=5)
    page.paragraph(f"call of a function: {host.call_s * 1e9:.0f} ns", first="   ", indent=5)
    probes = {"pickle": host.pickle_s, **host.hop_s}
    probes |= {f"{way}, batched": speeds for way, speeds in host.batched_hop_s.items()}
    sizes = sorted({number for speeds in probes.values() for number in speeds})
    if sizes:
        columns = [
            Column("an item of", left=True, least=12),
            *(Column(size(number), optional=True) for number in sizes),
        ]
        rows = [
            (name.replace("_", " "), *(duration(speeds[number]) if number in speeds else "-" for number in sizes))
            for name, speeds in probes.items()
        ]
        page.table(columns, rows)
    for name, figures in host.codecs.items():
        told = ", ".join(_codec_figure(what, value) for what, value in figures.items())
        page.paragraph(f"codec {name}: {told}", first="   ", indent=5)
    for name, reason in host.missing.items():
        page.paragraph(f"{name} was not probed: {reason}", first="   ", indent=5)


def _codec_figure(name: str, value: float) -> str:
    what, per_second, _ = name.partition("_bytes_per_s")
    return f"{what.replace('_', ' ')} {f'{size(value)}/s' if per_second else f'{value:.3g}'}"


def _many(number: int, what: str) -> str:
    return f"{count(number)} {what}" + "s" * (number != 1)


def _add_list(page: Page, heading: str, texts: tuple[str, ...]) -> None:
    if texts:
        page.heading(heading)
    for text in texts:
        page.paragraph(text, first="   ", indent=5)


def _add_origin(page: Page, diagnosis: Diagnosis) -> None:
    profile = diagnosis.profile
    page.heading("Where this comes from")
    merged = f", {profile.runs} runs merged" if profile.runs > 1 else ""
    page.paragraph(f"profile: {profile.level}{merged}, start {duration(profile.start_s)}", first="   ", indent=5)
    for name, version in diagnosis.environment.items():
        page.paragraph(f"{name} {version}", first="   ", indent=5)
    if diagnosis.command:
        page.add("   ", one_line(diagnosis.command))
