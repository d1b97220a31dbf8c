"""The main job, cross-correlation of seismic waveforms, gives the same files however it is run."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from real_processes import D4py

pytest.importorskip("obspy")

WORKFLOW = "d4py_adaptive.workflows.seismology.cross_correlation"
OBSPY_WARNS = "default"


SIMPLE = ("-m", "simple")
WAYS: list[tuple[object, ...]] = [
    *(("-m", "multi", "-n", n, "--start-method", "fork") for n in (1, 2, 8)),
    ("-m", "multi", "-n", 3, "--start-method", "fork", "--verify"),
    *(("-m", "multi", "-n", 2, "--start-method", method) for method in ("forkserver", "spawn")),
]
AT_A_TIME = 2


@pytest.mark.timeout(240)
def test_the_files_do_not_depend_on_how_it_is_run(d4py: D4py) -> None:
    folders = {options: d4py.folder / f"results{number}" for number, options in enumerate([SIMPLE, *WAYS])}
    waiting = list(folders.items())
    while waiting:
        batch, waiting = waiting[:AT_A_TIME], waiting[AT_A_TIME:]
        runs = [
            d4py.start("run", WORKFLOW, "-p", f"output={folder}", *options, warnings=OBSPY_WARNS)
            for options, folder in batch
        ]
        for (options, _), run in zip(batch, runs, strict=True):
            ended = run.wait(60)
            ended.succeeds()
            assert ("are the same as in a sequential run" in ended.err) == ("--verify" in options)
    expected = digests(folders[SIMPLE])
    assert sorted(path for path in expected if path.endswith(".sac")) != []
    assert "correlations.csv" in expected
    for options in WAYS:
        assert digests(folders[options]) == expected, options


def digests(folder: Path) -> dict[str, str]:
    """The digest of every file that a run wrote."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
