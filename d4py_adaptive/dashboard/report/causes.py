"""The causes of lost time, as they are called in front of people."""

from __future__ import annotations

from d4py_adaptive.telemetry.diagnosis import Cause, Finding

CAUSES: dict[Cause, str] = {
    "slow_pe": "Slow PE",
    "skewed_keys": "Skewed keys",
    "serial_source": "Serial source",
    "tiny_items": "Tiny items",
    "fan_out_copies": "Copies on a fan-out",
    "big_messages": "Big messages",
    "too_many_processes": "Too many processes",
    "idle_processes": "Idle processes",
    "memory_pressure": "Memory pressure",
    "thread_contention": "Thread contention",
    "blocking_io": "Blocking I/O",
    "state": "State that prevents scaling",
    "over_fused": "Over-fused",
    "under_fused": "Under-fused",
    "run_sequentially": "Nothing to gain from processes",
    "healthy": "Healthy",
}
"""What each cause is called."""


def title(finding: Finding) -> str:
    """A finding in a few words: its cause, and the PE or stream at fault."""
    culprit = finding.pe or finding.stream.replace("->", " -> ")
    return CAUSES[finding.cause] + (f": {culprit}" if culprit else "")
