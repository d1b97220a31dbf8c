"""`d4py profiles`: what was measured of workflows, and is kept for their next runs."""

from __future__ import annotations

import argparse

TYPE_CHECKING = False  # see d4py_adaptive/__init__.py
if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from d4py_adaptive.runtime.profiles import Kept
    from d4py_adaptive.telemetry.profile import PEProfile, Profile, StreamProfile

_NAME = "the workflow's name, or the beginning of the name in the list"
_MOST_PES = 10
_MOST_STREAMS = 6
_DIGITS = 6


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what `d4py profiles` understands."""
    parser.set_defaults(action=None)
    parser.add_argument("--traceback", action="store_true", help="on an error, print where it happened too")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", title="actions; without one, a list is printed")
    for action, summary, names in (
        ("show", "show the figures of one", ("name",)),
        ("export", "write one to a file", ("name", "file")),
        ("import", "keep one that was exported elsewhere", ("file",)),
        ("remove", "forget one", ("name",)),
    ):
        description = f"{summary[0].upper()}{summary[1:]}."
        of_action = actions.add_parser(action, help=summary, description=description, allow_abbrev=False)
        if "name" in names:
            of_action.add_argument("name", metavar="NAME", help=_NAME)
        if "file" in names:
            of_action.add_argument("file", metavar="FILE", help="a file" + ("; - prints it" * (action == "export")))


def call(options: argparse.Namespace) -> int:
    """Do it; the exit code."""
    from pathlib import Path

    from d4py_adaptive.runtime.profiles import all_kept, export, find_kept, import_profile, remove
    from d4py_adaptive.telemetry.run_directory import d4py_home

    home = d4py_home()
    if options.action is None:
        _print_list(home, all_kept(home))
    elif options.action == "show":
        _print_one(home, find_kept(home, options.name))
    elif options.action == "export" and options.file == "-":
        print(find_kept(home, options.name).read().to_json(), end="")
    elif options.action == "export":
        export(home, options.name, Path(options.file))
        print(f"wrote {options.file}")
    elif options.action == "import":
        profile = import_profile(home, Path(options.file))
        print(f"kept the profile of {_workflow(profile)} as {profile.fingerprint}/{profile.host}")
    else:
        removed = remove(home, options.name)
        print(f"removed {removed.key}" + (f", of {_workflow(removed.profile)}" if removed.profile else ""))
    return 0


# ---------------------------------------------------------------------- all of them


def _print_list(home: Path, everything: list[Kept]) -> None:
    """Print a line per profile, the newest last."""
    if not everything:
        print("no profiles yet: d4py run WORKFLOW makes one")
        return
    rows = [
        (name, *(_summary(home, kept.profile) if kept.profile else ("cannot be read", *[""] * 5)))
        for name, kept in zip(_short_names(everything), everything, strict=True)
    ]
    _print_table(("name", "workflow", "machine", "runs", "level", "PEs", "measured"), rows, folded=(1, 2))
    for kept in everything:
        if kept.profile is None:
            print(f"! {_plain(kept.problem)}")


def _summary(home: Path, profile: Profile) -> tuple[str, ...]:
    level = "part" if profile.partial else profile.level
    machine, day = _machine(home, profile), _when(profile, "%Y-%m-%d")
    return _workflow(profile), machine, f"{profile.runs:,}", level, str(len(profile.pes)), day


def _short_names(everything: list[Kept]) -> list[str]:
    """What `find_kept` tells them apart by."""
    keys = [kept.key.split("/") for kept in everything]
    workflows = [workflow for workflow, _ in keys]
    return [
        workflow[:_DIGITS] + (f"/{host[:_DIGITS]}" if workflows.count(workflow) > 1 else "") for workflow, host in keys
    ]


# ---------------------------------------------------------------------- one of them


def _print_one(home: Path, kept: Kept) -> None:
    """Print the figures of one profile, on one screen."""
    from d4py_adaptive.dashboard.text import duration

    profile = kept.read()
    kind = {"counters": "counters", "full": "full profile", "foreign": "from another system's trace"}[profile.level]
    part = ", of the first part of the input alone" * profile.partial
    print(f"profile   {kept.key}")
    print(f"workflow  {_workflow(profile)}")
    print(f"measured  {profile.runs:,} run(s), {kind}{part}, on {_machine(home, profile)}")
    print(f"last run  {_when(profile, '%Y-%m-%d %H:%M:%S')}, {_plain(profile.mapping) or 'unknown mapping'}, ", end="")
    print(f"{len(profile.workers)} worker(s), {profile.cores} core(s), took {duration(profile.wall_s)}")
    for note in profile.notes:
        print(f"note      {_plain(note)}")
    pes = sorted(profile.pes, key=lambda pe: -pe.service.calls * pe.service.mean_s)
    shown = {pe.pe for pe in pes[:_MOST_PES]}
    titles = ("PE", "calls", "mean", "±", "p95", "max", "CPU", "out/in", "cost")
    _print_table(titles, (_pe_row(pe) for pe in profile.pes if pe.pe in shown), folded=(0,))
    streams = sorted(profile.streams, key=lambda stream: (-stream.bytes, -stream.items))
    if streams:
        _print_table(
            ("stream", "items", "bytes", "item", "packs to", "heaviest key"),
            map(_stream_row, streams[:_MOST_STREAMS]),
            folded=(0, 5),
        )
    left = max(len(pes) - _MOST_PES, 0), max(len(streams) - _MOST_STREAMS, 0)
    if any(left):
        print(f"left out  {left[0]} PE(s), {left[1]} stream(s); d4py profiles export NAME - prints them all")


def _pe_row(pe: PEProfile) -> tuple[str, ...]:
    from d4py_adaptive.dashboard.text import duration

    service = pe.service
    written = sum(pe.selectivity.values())
    return (
        pe.pe,
        f"{service.calls:,}",
        duration(service.mean_s),
        f"{service.mean_error_s / service.mean_s:.1%}" if service.mean_s else "",
        duration(service.p95_s) if service.timed else "",
        duration(service.max_s) if service.timed else "",
        f"{service.cpu_share:.0%}" if service.cpu_share is not None else "",
        f"{written:.3g}" if pe.selectivity else "",
        {"constant": "constant", "linear": "linear", "power": "power law"}[pe.cost.kind] if pe.cost else "",
    )


def _stream_row(stream: StreamProfile) -> tuple[str, ...]:
    from d4py_adaptive.dashboard.text import short

    heaviest = stream.heavy_keys[0] if stream.heavy_keys else None
    return (
        f"{_end(stream.source, stream.output, 'output')} -> {_end(stream.target, stream.input, 'input') or 'results'}",
        f"{stream.items:,}",
        _amount(stream.bytes) if stream.bytes else "",
        _amount(stream.item_bytes) if stream.item_bytes is not None else "",
        f"{stream.compressibility:.0%}" if stream.compressibility is not None else "",
        f"{short(heaviest.key, 20)}: {heaviest.share:.0%}" if heaviest else "",
    )


def _end(pe: str, port: str, usual: str) -> str:
    return pe if port in ("", usual) else f"{pe}.{port}"


# ---------------------------------------------------------------------- words


def _print_table(titles: tuple[str, ...], rows: Iterable[tuple[str, ...]], folded: tuple[int, ...]) -> None:
    """Print rows under their titles; only columns that are folded give way on a narrow terminal."""
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    rows = list(rows)
    table = Table(box=SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    used = [column for column in range(len(titles)) if any(row[column] for row in rows)]
    for column in used:
        is_number = column not in folded and column not in (0, len(titles) - 1)
        if column in folded:
            table.add_column(titles[column], overflow="fold")
        else:
            table.add_column(titles[column], no_wrap=True, justify="right" if is_number else "left")
    for row in rows:
        table.add_row(*(Text(_plain(row[column])) for column in used))
    Console().print(table)


def _workflow(profile: Profile) -> str:
    from pathlib import PurePath

    return _plain(PurePath(profile.workflow).name)


def _machine(home: Path, profile: Profile) -> str:
    """The machine's name, where it is known."""
    from d4py_adaptive.runtime.profiles import machine_of

    machine = machine_of(home, profile.host)
    return _plain(machine.name) if machine is not None and machine.name else profile.host[:_DIGITS]


def _when(profile: Profile, form: str) -> str:
    import time

    try:
        return time.strftime(form, time.localtime(profile.recorded_at_s))
    except (OverflowError, ValueError, OSError):  # an imported one may be of any year
        return "?"


def _amount(size_bytes: float) -> str:
    """So many bytes, as people read them."""
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size_bytes >= size:
            return f"{size_bytes / size:.3g} {unit}"
    return f"{size_bytes:.0f} B"


def _plain(text: str) -> str:
    from d4py_adaptive.dashboard.text import plain

    return plain(text)
