"""Rounds of runs in turn, their comparison, and the tables."""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import sides
from sides import FailedError, Outcome, Side

Runs = dict[Side, list[Outcome]]
"""Of each side that ran, its outcomes, one per round."""


def options(doc: str, rounds: int, quick_rounds: int, **numbers: tuple[int, int, str]) -> argparse.Namespace:
    """The options of a command: `--quick`, `--rounds`, and numbers with their usual and their quick value."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes and few rounds, to see that it works")
    numbers = {"rounds": (rounds, quick_rounds, "how often every side runs, in turn"), **numbers}
    for name, (usual, quick, text) in numbers.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, help=f"{text} ({usual:,}; quick {quick:,})")
    parser.add_argument(
        "--when-quiet",
        action="store_true",
        help="wait until nothing else runs, and repeat rounds in which something did",
    )
    parser.add_argument("--without-others", action="store_true", help="only this runtime and stream-d4py")
    chosen = parser.parse_args()
    for name, (usual, quick, _) in numbers.items():
        if getattr(chosen, name) is None:
            setattr(chosen, name, quick if chosen.quick else usual)
    Quiet.wanted = chosen.when_quiet
    return chosen


def in_turn(
    among: Sequence[Side],
    spec: Mapping[str, object],
    rounds: int,
    runner: Callable[[Side, Mapping[str, object]], Outcome] = sides.run,
    check: Callable[[Runs], None] | None = None,
) -> Runs:
    """Run every side once a round, each round beginning with another.

    A side that is not installed or fails is left out, and a line says so.

    Args:
        among: the sides.
        spec: what `flows.build` takes.
        rounds: how often.
        runner: runs one of them once.
        check: looks at what came out after each round; None is `require_same`.

    Raises:
        SystemExit: the items that came out differ; then no times are worth comparing.
    """
    runs: Runs = {side: [] for side in among if _is_there(side)}
    quiet = Quiet(rounds)
    for turn in range(rounds):
        while True:
            quiet.wait()
            one_round = _round(list(runs), turn, spec, runner)
            (check or require_same)(one_round)
            if quiet.was_kept(one_round):
                break
        runs = {side: [*runs[side], *outcomes] for side, outcomes in one_round.items()}
    return runs


def _round(
    order: Sequence[Side],
    turn: int,
    spec: Mapping[str, object],
    runner: Callable[[Side, Mapping[str, object]], Outcome],
) -> Runs:
    runs: Runs = {side: [] for side in order}
    for side in (*order[turn % len(order) :], *order[: turn % len(order)]):
        try:
            runs[side].append(runner(side, spec))
        except FailedError as error:
            print(f"{side.label}: left out: {error}")
            del runs[side]
    return runs


class Quiet:
    """Waits for a machine on which nothing else runs, if that is wanted; it does not insist for ever."""

    wanted = False
    MOST = 0.08
    LONGEST_S = 1200.0

    def __init__(self, rounds: int) -> None:
        self._again = 2 * rounds
        self._waited_s = 0.0

    def wait(self) -> None:
        """Wait until other processes use little of the machine for two seconds."""
        while self.wanted and self._waited_s < self.LONGEST_S:
            then = sides.busy_s()
            time.sleep(2)
            busy, passed = (now - before for now, before in zip(sides.busy_s(), then, strict=True))
            self._waited_s += passed
            if busy / passed / (os.cpu_count() or 1) < self.MOST:
                return

    def was_kept(self, runs: Runs) -> bool:
        """Whether nothing else ran in this round; True too when it has been tried often enough."""
        known = [one.others for side, outcomes in runs.items() if not side.optional for one in outcomes]
        self._again -= 1
        return not self.wanted or self._again < 0 or max(known, default=0.0) < 2 * self.MOST


def _is_there(side: Side) -> bool:
    if side.python is None:
        print(f"{side.label}: not installed (python benchmarks/transport/others.py installs it)")
    return side.python is not None


def require_same(runs: Runs) -> None:
    """Refuse to compare sides that did not give the same multiset of items.

    Raises:
        SystemExit: so it is.
    """
    last = {side: outcomes[-1].multiset for side, outcomes in runs.items() if outcomes}
    if len({str(multiset) for multiset in last.values()}) > 1:
        lines = [f"  {side.label}: {multiset}" for side, multiset in last.items()]
        raise SystemExit("the items that came out differ (count, sum, hash):\n" + "\n".join(lines))


# Numbers.


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Lower quartile, median, upper quartile; of fewer than four, the least and the greatest."""
    ordered = sorted(values)
    quarter = len(ordered) // 4
    return ordered[quarter], statistics.median(ordered), ordered[-quarter - 1]


def spread(values: Sequence[float], form: str = "{:.3g}") -> str:
    """The median, with the quartiles in brackets."""
    low, middle, high = (_plain(form, value) for value in quartiles(values))
    return f"{middle} ({low} to {high})"


def _plain(form: str, value: float) -> str:
    text = form.format(value)
    return f"{float(text):,.0f}" if "e+" in text else text  # three digits, without an exponent


def ratios(runs: Runs, side: Side, base: Side, of: Callable[[Outcome], float]) -> list[float]:
    """By how much `side` is more than `base`, pair by pair."""
    return [of(one) / of(other) for one, other in zip(runs[side], runs[base], strict=True)]


# Tables.


def table(title: str, rows: Sequence[Sequence[str]]) -> None:
    """Print a table that reads well as it is, and is Markdown too."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    print(f"\n{title}\n")
    for number, row in enumerate(rows):
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |")
        if not number:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")


def others(runs: Runs) -> str:
    """How much of the machine went to other processes meanwhile."""
    shares = [outcome.others for side, outcomes in runs.items() if not side.optional for outcome in outcomes]
    low, middle, high = quartiles(shares)
    return (
        f"Other processes used {middle:.0%} of the machine's CPU time in the median run "
        f"({low:.0%} to {high:.0%}, at most {max(shares):.0%})."
    )


def machine() -> str:
    """What this was measured on, and how busy it is."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    cpu = next((line.partition(":")[2].strip() for line in lines if "model name" in line), platform.machine())
    numpy = subprocess.run(
        [sys.executable, "-c", "import numpy; print(numpy.__version__)"], capture_output=True, text=True, check=True
    ).stdout.strip()
    load = " ".join(f"{one:.1f}" for one in os.getloadavg())
    return (
        f"{os.cpu_count()} cores, {cpu}, Linux {platform.release()}, Python {platform.python_version()}, "
        f"numpy {numpy}; load {load}"
    )
