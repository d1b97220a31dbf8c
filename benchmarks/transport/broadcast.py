"""Arrays of 4 MiB from one PE to all four instances of another: the time until all four have all of them.

python benchmarks/transport/broadcast.py [--quick] [--items 500] [--rounds 5] [--instances 4] [--kib 4096]
"""

from __future__ import annotations

from arrays import WHOLE, show
from comparing import in_turn, machine, options, others
from sides import OURS, THEIRS, THEIRS_TUNED


def main() -> None:
    sizes = {
        "items": (500, 60, "arrays"),
        "kib": (4096, 4096, "KiB of each"),
        "instances": (4, 4, "instances that get each array"),
    }
    chosen = options(__doc__, 5, 3, **sizes)
    print(machine())
    spec = {"flow": "broadcast", "elements": chosen.kib * 128, "instances": chosen.instances}
    among = [OURS, THEIRS, THEIRS_TUNED]
    in_turn(among, {**spec, "items": WHOLE, "whole": True}, 1)
    runs = in_turn(among, {**spec, "items": chosen.items}, chosen.rounds)
    show(
        f"{chosen.items:,} float64 arrays of {chosen.kib:,} KiB, one to all of {chosen.instances} instances, a process "
        f"each: median (quartiles) of {chosen.rounds} rounds in turn",
        runs,
        chosen.kib,
    )
    print(others(runs))


if __name__ == "__main__":
    main()
