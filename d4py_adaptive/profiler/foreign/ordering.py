"""The order of PEs and instances in a profile, from what a trace tells of the graph."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

CORES_ASSUMED = "the number of cores is not in the trace; one for each rank is assumed"
"""A profile has a number of cores, and 1 would make every parallel run look as if it had too many processes."""


def in_topological_order(pes: Sequence[str], links: Iterable[tuple[str, str]]) -> list[str]:
    """The PEs, each after those that write to it; else, and where the graph has a loop, as they are given."""
    readers: dict[str, list[str]] = {pe: [] for pe in pes}
    waiting_for = dict.fromkeys(pes, 0)
    for source, target in dict.fromkeys(links):
        if source not in readers or target not in readers:
            continue
        readers[source].append(target)
        waiting_for[target] += 1
    ordered: list[str] = []
    while waiting_for:
        following = next((pe for pe, number in waiting_for.items() if number <= 0), next(iter(waiting_for)))
        del waiting_for[following]
        ordered.append(following)
        for reader in readers[following]:
            if reader in waiting_for:
                waiting_for[reader] -= 1
    return ordered


def in_rank_order(ranks: Iterable[str]) -> list[str]:
    """Ranks by number; what is no number comes last."""
    return sorted(ranks, key=lambda rank: (not rank.isdecimal(), int(rank) if rank.isdecimal() else 0, rank))
