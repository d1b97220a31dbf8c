"""Small integers through a chain of four PEs, a process each: items per second at the sink, and what starting takes.

python benchmarks/transport/small_items.py [--quick] [--items 2000000] [--rounds 5] [--without-others]

Source, two relays that add 1, sink; timed from the first to the last item at the sink. The same text runs under
stream-d4py. Fused on one worker, and under `simple`, the same chain shows what processes cost or gain.
"""

from __future__ import annotations

from comparing import Runs, in_turn, machine, options, others, ratios, spread, table
from sides import DASK, OURS, PLANNED, POOL, RAY, SIMPLE, THEIRS, THEIRS_TUNED, TOGETHER, Outcome


def rate(outcome: Outcome) -> float:
    """Items per second."""
    return (min(sink["items"] for sink in outcome.sinks) - 1) / outcome.streaming_s


def show(runs: Runs, items: int, rounds: int) -> None:
    rows = [["", "items/s", "µs per item", "ours is faster by", "start, s", "CPU µs per item, all processes"]]
    for side, outcomes in runs.items():
        faster = "" if side is OURS or OURS not in runs else spread(ratios(runs, OURS, side, rate))
        cells = [
            spread([rate(one) for one in outcomes]),
            spread([1e6 / rate(one) for one in outcomes]),
            faster,
            spread([one.starting_s for one in outcomes], "{:.2f}"),
            spread([one.run["cpu_s"] / items * 1e6 for one in outcomes]),
        ]
        rows.append([side.label, *cells])
    table(f"{items:,} integers, 4 PEs: median (quartiles) of {rounds} rounds in turn", rows)


def main() -> None:
    sizes = {"items": (2_000_000, 20_000, "integers"), "other_items": (10_000, 1_000, "integers for Ray and Dask")}
    chosen = options(__doc__, 5, 3, **sizes)
    print(machine())
    spec = {"flow": "numbers", "items": chosen.items}
    among = [OURS, THEIRS, THEIRS_TUNED, TOGETHER, SIMPLE, *(() if chosen.without_others else (PLANNED, POOL))]
    runs = in_turn(among, spec, chosen.rounds)
    show(runs, chosen.items, chosen.rounds)
    if TOGETHER in runs and SIMPLE in runs:
        against = spread(ratios(runs, TOGETHER, SIMPLE, lambda one: one.streaming_s))
        print(f"\nFused on one worker takes {against} times as long as simple.")
    print(others(runs))
    if not chosen.without_others:
        spec = {"flow": "numbers", "items": chosen.other_items}
        runs = in_turn([OURS, RAY, DASK], spec, min(3, chosen.rounds))
        if len(runs) > 1:
            show(runs, chosen.other_items, min(3, chosen.rounds))
            print(others(runs))


if __name__ == "__main__":
    main()
