"""A fast source of 1 MiB arrays and a consumer of 20 ms for each: how much memory all processes take at most.

python benchmarks/transport/memory.py [--quick] [--items 300] [--pause-ms 20] [--rounds 3]

Watched from outside, 20 times a second: the proportional share (PSS) of all processes, which counts a page that several
of them share once, and the shared memory without a name that none of them has mapped. The start is what they take
when all of them are up and no item has been made; what a run takes is the most over that.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import psutil
import sides
from comparing import in_turn, machine, options, others, ratios, spread, table
from sides import OURS, THEIRS, THEIRS_TUNED, Outcome, Side

PERIOD_S = 0.05
SETTLE_S = 0.5
"""How long the source waits before its first item, for what is there at the start to be seen."""


def memory_bytes(parent: psutil.Process) -> int:
    """What a process and all below it take, shared pages once."""
    total, mapped, held = 0, 0, {}
    for process in [parent, *parent.children(recursive=True)]:
        folder = Path("/proc") / str(process.pid)
        try:
            lines = [line.split() for line in (folder / "smaps_rollup").read_text().splitlines()[1:]]
            sizes = {name: int(kib) * 1024 for name, kib, *_ in lines}
            descriptors = list((folder / "fd").iterdir())
        except OSError:  # it has just ended
            continue
        total += sizes["Pss:"]
        mapped += sizes.get("Pss_Shmem:", 0)
        for descriptor in descriptors:
            held.update(nameless_memory(descriptor))
    return total + max(0, sum(held.values()) - mapped)


def nameless_memory(descriptor: Path) -> dict[int, int]:
    """The bytes behind a file descriptor, by its file's number, if it is memory without a name."""
    try:
        if not str(descriptor.readlink()).startswith("/memfd:"):
            return {}
        found = descriptor.stat()
    except OSError:
        return {}
    return {found.st_ino: found.st_blocks * 512}


def watched(side: Side, spec: Mapping[str, object]) -> Outcome:
    """Run a side once, and note in its outcome what memory it took over its start."""
    samples: list[tuple[int, int]] = []

    def watch(process: psutil.Process) -> None:
        samples.append((time.monotonic_ns(), memory_bytes(process)))
        time.sleep(PERIOD_S)

    outcome = sides.run(side, spec, watch)
    first_ns = outcome.source["first_ns"]
    # The last moments before the first item: all processes are up, and the source waits.
    start = max(nbytes for at_ns, nbytes in samples if first_ns - SETTLE_S * 5e8 < at_ns < first_ns)
    outcome.run["start_bytes"], outcome.run["taken_bytes"] = start, max(nbytes for _, nbytes in samples) - start
    return outcome


def taken_mib(outcome: Outcome) -> float:
    return outcome.run["taken_bytes"] / 2**20


def main() -> None:
    sizes = {
        "items": (300, 60, "arrays"),
        "kib": (1024, 1024, "KiB of each"),
        "pause_ms": (20, 20, "what the consumer takes for each, in ms"),
    }
    chosen = options(__doc__, 3, 2, **sizes)
    print(machine())
    spec = {"flow": "arrays", "relays": 0, "add": 0, "elements": chosen.kib * 128, "items": chosen.items}
    spec |= {"pause_s": chosen.pause_ms / 1000, "settle_s": SETTLE_S}
    runs = in_turn([OURS, THEIRS, THEIRS_TUNED], spec, chosen.rounds, watched)
    rows = [["", "most over its start, MiB", "times ours", "start, MiB", "from first to last item, s"]]
    for side, outcomes in runs.items():
        cells = [
            spread([taken_mib(one) for one in outcomes], "{:.0f}"),
            "" if side is OURS else spread(ratios(runs, side, OURS, taken_mib)),
            spread([one.run["start_bytes"] / 2**20 for one in outcomes], "{:.0f}"),
            spread([one.streaming_s for one in outcomes], "{:.2f}"),
        ]
        rows.append([side.label, *cells])
    table(
        f"{chosen.items:,} arrays of {chosen.kib:,} KiB into a consumer of {chosen.pause_ms} ms each: median "
        f"(quartiles) of {chosen.rounds} rounds in turn",
        rows,
    )
    print(others(runs))


if __name__ == "__main__":
    main()
