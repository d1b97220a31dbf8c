"""`d4py doctor`: what this machine can do, and what it lacks."""

from __future__ import annotations

import argparse

TYPE_CHECKING = False  # see d4py_adaptive/__init__.py
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from d4py_adaptive.runtime.checkup import Checkup
    from d4py_adaptive.telemetry.profile import HostProfile

_WIDTH = 80
_TITLE = 26
_FUSE_BELOW = 4
"""How many times the cost of handing an item over a PE has to work on it before a process of its own pays."""

_SHOWN_BYTES = 1_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what `d4py doctor` understands."""
    parser.add_argument("--refresh", action="store_true", help="measure again what is known of this machine")
    parser.add_argument("--json", action="store_true", help="print what was found as JSON")
    parser.add_argument("--traceback", action="store_true", help="on an error, print where it happened too")


def call(options: argparse.Namespace) -> int:
    """Do it; the exit code, which is 1 where runs cannot be kept."""
    from d4py_adaptive.runtime.checkup import check
    from d4py_adaptive.telemetry.run_directory import d4py_home

    checkup = check(d4py_home(), options.refresh)
    print(checkup.to_json() if options.json else "\n".join(screen(checkup)), end="" if options.json else "\n")
    return 0 if checkup.home.writable else 1


def screen(checkup: Checkup) -> Iterator[str]:
    """Yield what people read, line by line."""
    from textwrap import wrap

    from d4py_adaptive.dashboard.text import plain
    from d4py_adaptive.runtime.checkup import complaints

    yield from map(plain, _machine(checkup))
    yield ""
    yield from _handing_over(checkup.host)
    yield ""
    yield from _codecs(checkup.host)
    yield ""
    yield from map(plain, _parts(checkup))
    yield ""
    found = complaints(checkup)
    yield "What to look at:" if found else "Nothing here that keeps runs from being quick."
    for complaint in found:
        yield from wrap(plain(complaint), _WIDTH, initial_indent="  - ", subsequent_indent="    ")


def _machine(checkup: Checkup) -> Iterator[str]:
    host, home = checkup.host, checkup.home
    yield f"d4py {checkup.package} on {host.name}: {host.processor}, {checkup.system}, {host.python}"
    yield ""
    load = "" if checkup.load is None else f"; {checkup.load:.1f} were wanted over the last minute"
    yield f"cores    {host.cores} of the {checkup.installed_cores} installed can be used{load}"
    for limit, cores in checkup.core_limits.items():
        yield f"           no more than {cores}: {limit}"
    yield f"memory   {_amount(host.memory_bytes)} can be used, {_amount(checkup.free_memory_bytes)} of it free now"
    disk = "a local disk" if home.local else "a network"
    room = "" if home.free_bytes is None else f", {_amount(home.free_bytes)} free"
    yield f"runs     {home.path}: {'can' if home.writable else 'CANNOT'} be written, on {disk}{room}"


def _handing_over(host: HostProfile) -> Iterator[str]:
    """Yield what it takes to hand items over, and what follows from it."""
    from textwrap import wrap
    from time import localtime, strftime

    from d4py_adaptive.dashboard.text import duration

    sizes = sorted(host.pickle_s)
    yield _row("Handing over an item of", {size: _amount(size) for size in sizes})
    yield f"  {'to a PE in the process':{_TITLE - 2}}{host.call_s * 1e9:6.0f} ns, whatever its size"
    for way, title in (("shared_memory", "to another process"), ("mpi", "to another MPI rank")):
        if way in host.hop_s:
            yield _row(f"  {title}", {size: duration(s) for size, s in host.hop_s[way].items()})
            yield _row("    among many, each", {size: duration(s) for size, s in host.batched_hop_s[way].items()})
    yield _row("  plus, if lists or dicts", {size: duration(s) for size, s in host.pickle_s.items()})
    when = strftime("%Y-%m-%d %H:%M", localtime(host.probed_at_s))
    yield f"Measured {when}; d4py doctor --refresh measures again."
    if "shared_memory" in host.hop_s:
        yield ""
        for sentence in _lessons(host.batched_hop_s["shared_memory"], host.pickle_s):
            yield from wrap(sentence, _WIDTH)


def _lessons(hop_s: Mapping[int, float], pickle_s: Mapping[int, float]) -> Iterator[str]:
    """Yield what the figures mean for a workflow."""
    enough_us = _FUSE_BELOW * 1e6 * (hop_s[_SHOWN_BYTES] + pickle_s[_SHOWN_BYTES])
    yield (
        f"A PE that works less than about {enough_us:.0f} us on an item of {_amount(_SHOWN_BYTES)} gains nothing from "
        "a process of its own."
    )
    largest = max(hop_s)
    times = (hop_s[largest] + pickle_s[largest]) / hop_s[largest]
    if times >= 2:
        yield (
            f"{_amount(largest)} of numbers in lists or dicts takes {times:.0f} times as long to hand over as in an "
            "array: send arrays."
        )


def _codecs(host: HostProfile) -> Iterator[str]:
    titles = ("leaves", "packs", "unpacks", "pays on links below")
    yield f"{'Compressing float64':{_TITLE}}{titles[0]:>6}{titles[1]:>12}{titles[2]:>12}   {titles[3]}"
    for name, figures in host.codecs.items():
        ratio, packs, unpacks = figures["ratio"], figures["encode_bytes_per_s"], figures["decode_bytes_per_s"]
        # What is saved on the way has to outweigh both ends' work.
        link = max(0.0, 1 - ratio) / (1 / packs + 1 / unpacks)
        below = _rate(link) if link else "no link"
        yield f"  {name:{_TITLE - 2}}{ratio:6.0%}{_rate(packs):>12}{_rate(unpacks):>12}   {below}"


def _parts(checkup: Checkup) -> Iterator[str]:
    yield f"{'Optional parts':{_TITLE}}for"
    for part in checkup.parts:
        is_path = "/" in part.version
        state = f"{part.name} {'' if is_path else part.version or 'is missing'}"
        yield f"  {state:{_TITLE - 2}}{part.purpose}"
        if is_path or not part.version:
            yield f"    {part.version or part.install}"


def _row(title: str, cells: Mapping[int, str]) -> str:
    return f"{title:{_TITLE}}" + "".join(f"{cell:>10}" for cell in cells.values())


def _amount(nbytes: float) -> str:
    """So many bytes, as people read them."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if nbytes >= size:
            return f"{nbytes / size:.{1 if nbytes < 100 * size and nbytes % size else 0}f} {unit}"
    return f"{nbytes:.0f} B"


def _rate(bytes_per_s: float) -> str:
    return f"{bytes_per_s / 1e6:,.0f} MB/s"
