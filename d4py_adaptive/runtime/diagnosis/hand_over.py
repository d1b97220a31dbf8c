"""Rules for what lies between PEs: items too small, too big, copied too often, or handed over where a call would do."""

from __future__ import annotations

from collections import defaultdict

from d4py_adaptive.dashboard.report.figures import count, share, size
from d4py_adaptive.dashboard.text import duration
from d4py_adaptive.runtime.diagnosis.figures import Figures
from d4py_adaptive.runtime.diagnosis.found import Case, Found, named
from d4py_adaptive.runtime.diagnosis.what_if import Setup, fused_groups, sequential_s, sides_s
from d4py_adaptive.telemetry.diagnosis import Advice, Cause, Finding
from d4py_adaptive.telemetry.profile import StreamProfile

BIG_BYTES = 16 * 1024
"""From this size on it is its bytes that an item costs, below it is that it is one more item."""


def tiny_items(case: Case) -> Found | None:
    """Handing items to another process costs more than what is done with them."""
    stream = _costliest(case.figures, "tiny_items")
    if stream is None:
        return None
    figures, then_s, source = case.figures, _without(case, {stream.id}), stream.source
    item_s, call_s = _item_s(figures, stream), _compute_s(figures, stream.target)
    if item_s < call_s:
        return None
    of = f" of {size(_item_bytes(stream))}" if _item_bytes(stream) else ""
    sentence = (
        f"{source} sends {count(stream.items)} tiny items{of} to {stream.target}: handing one over costs "
        f"{duration(item_s)}, and {stream.target} works {duration(call_s)} on it."
    )
    pack = f"let {source} pack many values in one item, say a list of 1,000, and {stream.target} go through it"
    line = f'self.write("{stream.output}", values)  # in {source}: values is a list'
    advice = [case.advice("tiny_items", pack, line, then_s), *_sequential(case, "tiny_items")]
    return _found(case, "tiny_items", stream, then_s, sentence, advice)


def big_messages(case: Case) -> Found | None:
    """Encoding, copying and decoding large items takes the time."""
    stream = _costliest(case.figures, "big_messages")
    if stream is None:
        return None
    figures, then_s = case.figures, _without(case, {stream.id})
    sentence = (
        f"{stream.source} sends {size(stream.bytes)} to {stream.target} in items of {size(_item_bytes(stream))}: "
        f"handing one over costs {duration(_item_s(figures, stream))}, "
        f"{share(min(1.0, sum(sides_s(figures, stream)) / figures.wall_s))} of the run in all."
    )
    less = (
        f"let {stream.source} send less: the part that {stream.target} needs, arrays instead of lists, a smaller type"
    )
    line = f'self.write("{stream.output}", numpy.asarray(values, "float32"))  # in {stream.source}'
    advice = [case.advice("big_messages", less, line, then_s), *_sequential(case, "big_messages")]
    return _found(case, "big_messages", stream, then_s, sentence, advice)


def under_fused(case: Case) -> Found | None:
    """PEs stand in stages of their own although a call could hand over their items."""
    stream = _costliest(case.figures, "under_fused")
    if stream is None:
        return None
    figures = case.figures
    fusible = {other.id for other in figures.crossing if _kind(figures, other) == "under_fused"}
    then_s = min(_without(case, fusible), sequential_s(figures))
    sentence = (
        f"{stream.target} stands in a stage of its own: its {count(stream.items)} items from {stream.source} cost "
        f"{duration(_item_s(figures, stream))} each to hand over, and {duration(_compute_s(figures, stream.target))} "
        "to work on; fused they would be calls."
    )
    workers, how = len(figures.worker_numbers), "let PEs share stages"
    if case.command.has("--no-fuse"):
        how = "leave out --no-fuse"
    elif figures.is_parallel and figures.profile.mapping != "toy":
        how = "leave out the workflow's partitions (graph.partitions)"
    command = case.command(workers, without=("--no-fuse",))
    advice = [case.advice("under_fused", how, command, then_s), *_sequential(case, "under_fused")]
    return _found(case, "under_fused", stream, then_s, sentence, advice)


def fan_out_copies(case: Case) -> Found | None:
    """Several readers of one output each get a private copy of every item."""
    figures = case.figures
    copies: dict[str, list[StreamProfile]] = defaultdict(list)
    for stream in figures.profile.streams:
        if stream.copy_s and stream.source in figures.pes:
            copies[stream.source].append(stream)
    if not copies:
        return None
    source = max(copies, key=lambda pe: sum(stream.copy_s for stream in copies[pe]))
    streams = copies[source]
    copy_s = sum(stream.copy_s for stream in streams)
    then_s = max(0.0, figures.total_s - copy_s / max(1, figures.pes[source].instances))
    readers = sorted({stream.target or stream.id for stream in streams})
    each = "each" if len(readers) > 1 else "it"
    sentence = (
        f"{source} has every item copied for {named(readers)}, so that {each} may change it: "
        f"{duration(copy_s)} of copies, {share(min(1.0, copy_s / figures.wall_s))} of the run."
    )
    text = f"if they do not change their items, say so in {named(readers)}"
    line = f"read_only = True  # in the class of {named(readers, most=8)}"
    finding = Finding(
        cause="fan_out_copies", pe=source, stream=max(streams, key=lambda stream: stream.copy_s).id, sentence=sentence,
        evidence={"copy_s": copy_s, "readers": len(readers), "without_it_s": then_s}, cost=case.cost(then_s),
    )  # fmt: skip
    advice = (case.advice("fan_out_copies", text, line, then_s),)
    return Found(finding, advice) if case.is_worth(then_s) else None


def _found(
    case: Case, cause: Cause, stream: StreamProfile, then_s: float, sentence: str, advice: list[Advice]
) -> Found | None:
    if not case.is_worth(then_s):
        return None
    figures = case.figures
    evidence = {
        "items": float(stream.items),
        "item_bytes": _item_bytes(stream),
        "hand_over_per_item_s": _item_s(figures, stream),
        "compute_per_item_s": _compute_s(figures, stream.target),
        "hand_over_s": sum(sides_s(figures, stream)),
        "without_it_s": then_s,
    }
    pe = stream.target if cause == "under_fused" else stream.source
    finding = Finding(
        cause=cause, pe=pe, stream=stream.id, sentence=sentence, evidence=evidence, cost=case.cost(then_s)
    )
    return Found(finding, tuple(advice))


def _costliest(figures: Figures, cause: Cause) -> StreamProfile | None:
    """The stream that costs most, of those that this cause may be found in."""
    if not figures.is_parallel or not figures.wall_s:
        return None
    own = [stream for stream in figures.crossing if stream.items and _kind(figures, stream) == cause]
    return max(own, key=lambda stream: sum(sides_s(figures, stream)), default=None)


def _kind(figures: Figures, stream: StreamProfile) -> Cause:
    """What is wrong with a crossing stream, if it costs too much."""
    groups = fused_groups(figures, {pe.pe: max(1, pe.instances) for pe in figures.profile.pes})
    if groups[stream.source] == groups[stream.target]:
        return "under_fused"
    return "big_messages" if _item_bytes(stream) >= BIG_BYTES else "tiny_items"


def _without(case: Case, streams: set[str]) -> float:
    """How long the run would take if handing over these streams' items cost nothing."""
    workers = len(case.figures.worker_numbers)
    now_s = case.than(Setup(workers, fuse=False))
    then_s = case.than(Setup(workers, free_streams=frozenset(streams), fuse=False))
    return case.figures.total_s * min(1.0, then_s / now_s) if now_s else case.figures.total_s


def _sequential(case: Case, cause: Cause) -> list[Advice]:
    then_s = sequential_s(case.figures)
    return [case.advice(cause, "run it in one process", case.command(1), then_s)] if case.is_worth(then_s) else []


def _item_bytes(stream: StreamProfile) -> float:
    return stream.item_bytes or (stream.bytes / stream.items if stream.items else 0.0)


def _item_s(figures: Figures, stream: StreamProfile) -> float:
    return sum(sides_s(figures, stream)) / stream.items


def _compute_s(figures: Figures, pe: str) -> float:
    items = figures.pes[pe].items_in or figures.calls[pe]
    return figures.work[pe].compute_s / items if items else 0.0
