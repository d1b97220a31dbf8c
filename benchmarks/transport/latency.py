"""From `write` in one process to `process` in the next, at 100 items per second: half of them, and all but 1 %.

python benchmarks/transport/latency.py [--quick] [--items 1000] [--per-second 100] [--rounds 3]
"""

from __future__ import annotations

from comparing import Runs, in_turn, machine, options, others, spread, table
from sides import OURS, THEIRS, THEIRS_TUNED, Outcome


def late_us(outcome: Outcome, share: float) -> float:
    """How late the item was than which this share of the items were earlier, in µs."""
    late = sorted(ns for sink in outcome.sinks for ns in sink["late_ns"])
    return late[min(len(late) - 1, int(share * len(late)))] / 1000


def require_all_arrived(runs: Runs) -> None:
    """Refuse runs in which what came out is not what went in; each run has moments of its own.

    Raises:
        SystemExit: so it is.
    """
    for side, outcomes in runs.items():
        went_in = [(one.source["count"], one.source["sum"], one.source["hash"]) for one in outcomes]
        if went_in != [multiset for one in outcomes for multiset in one.multiset]:
            raise SystemExit(f"{side.label}: what came out is not what went in")


def main() -> None:
    sizes = {"items": (1000, 200, "items"), "per_second": (100, 100, "items per second")}
    chosen = options(__doc__, 3, 2, **sizes)
    print(machine())
    spec = {"flow": "stamps", "items": chosen.items, "gap_ns": 10**9 // chosen.per_second}
    runs = in_turn([OURS, THEIRS, THEIRS_TUNED], spec, chosen.rounds, check=require_all_arrived)
    rows = [["", "median, µs", "99 %, µs", "worst, µs"]]
    for side, outcomes in runs.items():
        rows.append([side.label, *(spread([late_us(one, share) for one in outcomes]) for share in (0.5, 0.99, 1.0))])
    table(
        f"{chosen.items:,} items at {chosen.per_second} per second, from write to process in the next process: median "
        f"(quartiles) of {chosen.rounds} rounds in turn",
        rows,
    )
    print(others(runs))


if __name__ == "__main__":
    main()
