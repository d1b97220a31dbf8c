"""Where the time of an item goes: µs per PE and item by kind of work, and the lines of code that take most of it.

python benchmarks/transport/where_time_goes.py [--items 400000] [--how "d4py apart"] [--lines 40] [--rate 500]

Small integers through a chain of four PEs. One run, less one of a single item, says how much CPU time each process
takes; another, under py-spy (in an environment of its own), says what that is spent on. The kernel's time is a line of
its own, from its own accounts: py-spy takes a process that was woken and waits for a core for one that runs.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import linecache
import re
import subprocess
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

import psutil
import sides
from comparing import machine, table
from enact import WAYS
from sides import HERE, PEER, Side, environment, make_environment

PROFILER = "py-spy==0.4.3"

KINDS = {
    "the sink's report": r"\b(end|_postprocess|report) ",
    "PE": r"flows\.py|tally\.py|patterns\.py|dataflow/pe\.py|dispel4py/(base|core)\.py",
    "decoding": r"\b(decode|obtain|Queue\.get) ",
    "encoding": r"\b(encode|dump) |encoding\.py|reduction\.py",
    "frames": r"wire/frame\.py|\b(_flush|_spread|_note) ",
    "sockets, waiting": r"sockets\.py|selectors\.py|mappings/process\.py|multiprocessing/|threading\.py",
    "routing": r"routing\.py|copying\.py|\b(post|_put|_is_here|deliver|_send|_emit|count|has_room|unread|_write) ",
    "receiving": r"\b(receive|accept|_arrive) ",
    "accounts, credit": r"instance\.py|channel\.py|board\.py|state_guard\.py"
    r"|\b(taken|_allow_more|after_write|check|before_write) ",
    "loop": r"replica\.py|mappings/worker\.py|processor\.py",
}
"""For each kind, what its functions look like in py-spy's words: `function (file:line)`; the first that fits counts."""

KERNEL = re.compile(r"\.(poll|sendmsg|send|recv_into|recv|acquire)\(|\b(read|write)\(")
"""Lines that call the kernel, or wait."""

Samples = dict[int, Counter[tuple[str, ...]]]
"""By process, how often each stack was seen, outermost call first."""


def cpu_of_each(side: Side, spec: dict) -> list[tuple[float, float]]:
    """CPU seconds, of its own and in the kernel, of each process below the one that calls the runtime."""
    seen: dict[int, tuple[float, float]] = {}

    def watch(process: psutil.Process) -> None:
        for one in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                times = one.cpu_times()
                seen[one.pid] = (times.user, times.system)
        time.sleep(0.02)

    sides.run(side, spec, watch)
    return [seen[pid] for pid in without_launcher(seen)]


def without_launcher(pids: Iterable[int]) -> list[int]:
    """The processes in the order of their start, without the first if it started others to do the work."""
    ordered = sorted(pids)
    return ordered[1:] or ordered


def sampled(side: Side, spec: dict, rate: int) -> Samples:
    """What py-spy sees of one run."""
    profiler = environment(PROFILER) / "bin" / "py-spy"
    if not profiler.exists():
        make_environment(PROFILER)
    samples: Samples = defaultdict(Counter)
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "samples.txt"
        command = [str(side.python), str(HERE / "enact.py"), side.how, json.dumps({**spec, "folder": folder})]
        record = ["record", "--subprocesses", "--full-filenames", "-r", str(rate), "-f", "raw", "-o", str(raw)]
        done = subprocess.run([profiler, *record, "--", *command], capture_output=True, text=True)
        if not raw.exists():
            raise SystemExit(f"py-spy failed: {done.stderr[-2000:]}")
        for line in raw.read_text().splitlines():
            stack, _, number = line.rpartition(" ")
            processes = re.findall(r"process (\d+):", stack)
            frames = [frame for frame in stack.split(";") if re.search(r":\d+\)$", frame)]
            if frames and processes:
                samples[int(processes[-1])][tuple(frames)] += int(number)
    return samples


def innermost(stack: tuple[str, ...]) -> str:
    """The innermost call that stands in a file; what a named tuple makes of itself is its caller's."""
    return next((frame for frame in reversed(stack) if "(<" not in frame), stack[-1])


def kind_of(frame: str) -> str:
    return next((kind for kind, pattern in KINDS.items() if re.search(pattern, frame)), "other")


def text_of(frame: str) -> str:
    """The line of code that a frame stands at."""
    file, line = re.search(r"\((.*):(\d+)\)$", frame).groups()
    return linecache.getline(file, int(line)).strip()


def streaming(stacks: Counter[tuple[str, ...]]) -> Counter[tuple[str, ...]]:
    """The stacks without those of starting, and without those in the kernel."""
    start = re.compile(r"importlib|<module> .*(?<!enact\.py):\d+\)$|_await_job|instance_counts|freeze|make_job")
    return Counter(
        {
            stack: number
            for stack, number in stacks.items()
            if not any(start.search(frame) for frame in stack) and not KERNEL.search(text_of(innermost(stack)))
        }
    )


def show_kinds(samples: list[Counter[tuple[str, ...]]], own_us: list[float], kernel_us: list[float]) -> None:
    rows = [["µs per item", *(f"process {i}" for i in range(len(samples))), "mean"]]
    kinds: dict[str, list[float]] = {kind: [0.0] * len(samples) for kind in [*KINDS, "other"]}
    for process, (stacks, us) in enumerate(zip(samples, own_us, strict=True)):
        for stack, number in stacks.items():
            kinds[kind_of(innermost(stack))][process] += us * number / sum(stacks.values())
    kinds["the kernel"] = kernel_us
    kinds["all"] = [own + kernel for own, kernel in zip(own_us, kernel_us, strict=True)]
    for kind, cells in kinds.items():
        rows.append([kind, *(f"{cell:.2f}" for cell in cells), f"{sum(cells) / len(cells):.2f}"])
    table("By kind of work (the innermost function counts)", rows)


def show_lines(samples: list[Counter[tuple[str, ...]]], own_us: list[float], most: int) -> None:
    lines: Counter[str] = Counter()
    for stacks, us in zip(samples, own_us, strict=True):
        for stack, number in stacks.items():
            lines[innermost(stack)] += us * number / sum(stacks.values()) / len(samples)
    rows = [["µs, mean over PEs", "kind", "where", "line"]]
    for frame, us in lines.most_common(most):
        function, file, line = re.fullmatch(r"(.*) \((.*):(\d+)\)", frame).groups()
        text = text_of(frame).replace("|", "\\|")
        rows.append([f"{us:.3f}", kind_of(frame), f"{Path(file).name}:{line} {function}", text])
    table("By line", rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=400_000)
    parser.add_argument(
        "--how", choices=[how for how in WAYS if how.startswith(("d4py", "stream"))], default="d4py apart"
    )
    parser.add_argument("--lines", type=int, default=40, help="how many lines of code to name")
    parser.add_argument("--rate", type=int, default=500, help="samples per second")
    chosen = parser.parse_args()
    side = Side(chosen.how, chosen.how, PEER if chosen.how.startswith("stream") else "")
    spec = {"flow": "numbers", "items": chosen.items}
    print(machine())
    # A run that lasts long enough to be watched.
    starting = cpu_of_each(side, {**spec, "items": 1, "settle_s": 0.5})
    running = cpu_of_each(side, spec)
    found = sampled(side, spec, chosen.rate)
    workers = [streaming(found[pid]) for pid in without_launcher(found)]
    print(f"{chosen.items:,} items; samples per process: {[sum(stacks.values()) for stacks in workers]}")
    own_us, kernel_us = (
        [(run[i] - start[i]) / chosen.items * 1e6 for run, start in zip(running, starting, strict=True)] for i in (0, 1)
    )
    show_kinds(workers, own_us, kernel_us)
    show_lines(workers, own_us, chosen.lines)


if __name__ == "__main__":
    main()
