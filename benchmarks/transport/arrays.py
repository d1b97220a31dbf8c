"""Arrays of 1 MiB through a chain of processes: passed on, and 1 added in each; beside the plain hand-over.

python benchmarks/transport/arrays.py [--quick] [--items 2000] [--rounds 5] [--kib 1024] [--without-others]

Ray and Dask get fewer arrays, since they take their time.

Timed from the first to the last item at the sink. The source makes every array anew, on all sides. Before that, a few
arrays go through every side, and all their bytes are compared.
"""

from __future__ import annotations

from comparing import Runs, in_turn, machine, options, others, ratios, spread, table
from sides import DASK, HANDOVER, OURS, POOL, RAY, THEIRS, THEIRS_TUNED
from small_items import rate

WHOLE = 12
"""Arrays of which every byte is compared."""


def show(title: str, runs: Runs, kib: int) -> None:
    rows = [["", "µs per item", "MiB/s through each hop", "ours is faster by", "start, s"]]
    for side, outcomes in runs.items():
        faster = "" if side is OURS or OURS not in runs else spread(ratios(runs, OURS, side, rate))
        cells = [
            spread([1e6 / rate(one) for one in outcomes]),
            spread([rate(one) * kib / 1024 for one in outcomes]),
            faster,
            spread([one.starting_s for one in outcomes], "{:.2f}"),
        ]
        rows.append([side.label, *cells])
    table(title, rows)


def main() -> None:
    sizes = {
        "items": (2000, 200, "arrays"),
        "kib": (1024, 1024, "KiB of each"),
        "other_items": (200, 40, "arrays for Ray and Dask"),
    }
    chosen = options(__doc__, 5, 3, **sizes)
    among = [OURS, THEIRS, THEIRS_TUNED, HANDOVER, *(() if chosen.without_others else (POOL,))]
    print(machine())
    for processes, add in ((4, 0), (4, 1), (2, 0)):
        spec = {"flow": "arrays", "relays": processes - 2, "add": add, "elements": chosen.kib * 128}
        # A pool needs a process to go to; without relays there is none.
        these = among if processes > 2 else [side for side in among if side is not POOL]
        in_turn(these, {**spec, "items": WHOLE, "whole": True}, 1)
        runs = in_turn(these, {**spec, "items": chosen.items}, chosen.rounds)
        what = "each adding 1 to the array" if add else "passing the array on"
        show(
            f"{chosen.items:,} float64 arrays of {chosen.kib:,} KiB, {processes} PEs in {processes} processes, {what}: "
            f"median (quartiles) of {chosen.rounds} rounds in turn",
            runs,
            chosen.kib,
        )
        if HANDOVER in runs and OURS in runs:
            reached = spread(ratios(runs, OURS, HANDOVER, rate), "{:.0%}")
            print(f"\nOurs reaches {reached} of the plain hand-over.")
        print(others(runs))
        if processes > 2 and not chosen.without_others:
            runs = in_turn([OURS, RAY, DASK], {**spec, "items": chosen.other_items}, min(3, chosen.rounds))
            show(f"The same with {chosen.other_items:,} arrays", runs, chosen.kib)
            print(others(runs))


if __name__ == "__main__":
    main()
