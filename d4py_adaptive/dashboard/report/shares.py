"""What the time of an instance is divided into, for reports: six kinds."""

from __future__ import annotations

from d4py_adaptive.telemetry.profile import PEProfile, Profile, Split

KINDS = ("busy", "serialise", "overhead", "blocked", "starved", "others")
"""In the PE's own code; encoding, decoding, compressing; the runtime's own work; waiting for room; waiting for items;
waiting while its worker ran other PEs."""


def seconds(split: Split) -> dict[str, float]:
    """The seconds of each kind."""
    return {
        "busy": split.compute_s,
        "serialise": split.serialise_s + split.codec_s,
        "overhead": split.overhead_s,
        "blocked": split.blocked_s,
        "starved": split.starved_s,
        "others": split.others_s,
    }


def shares(split: Split) -> dict[str, float]:
    """The share of each kind; all 0 where no time was measured."""
    parts = seconds(split)
    total = sum(parts.values())
    return {kind: part / total if total else 0.0 for kind, part in parts.items()}


def busiest(profile: Profile, most: int, always: str = "") -> list[PEProfile]:
    """The PEs that worked longest, `most` at most and `always` among them, in the profile's order."""

    def rank(pe: PEProfile) -> tuple[bool, float]:
        parts = seconds(pe.split)
        return pe.pe != always, -parts["busy"] - parts["serialise"] - parts["overhead"]

    kept = {id(pe) for pe in sorted(profile.pes, key=rank)[:most]}
    return [pe for pe in profile.pes if id(pe) in kept]
