"""What is not needed is not imported: the command has to be quick, and to run where science packages are missing."""

from __future__ import annotations

import pytest
from real_processes import FLOWS, D4py

HEAVY_FOR_RUN = {"obspy", "sklearn", "mpi4py", "matplotlib", "scipy", "pandas"}
HEAVY_FOR_HELP = HEAVY_FOR_RUN | {"numpy", "rich", "psutil", "cloudpickle", "greenlet", "multiprocessing", "asyncio"}

PROBE = """
import sys
from d4py_adaptive.cli.main import main
try:
    code = main({arguments!r})
except SystemExit as left:
    code = left.code
print("IMPORTED", *sorted({{name.partition(".")[0] for name in sys.modules}}))
print("CODE", code)
"""


def imported(d4py: D4py, *arguments: object) -> set[str]:
    ended = d4py.python("-c", PROBE.format(arguments=[str(argument) for argument in arguments]))
    lines = ended.succeeds().splitlines()
    assert lines[-1] in ("CODE 0", "CODE None"), ended
    return set(lines[-2].split()[1:])


@pytest.mark.parametrize("arguments", [("--help",), ("run", "--help"), ("profiles", "--help"), ("--version",), ()])
def test_help_imports_next_to_nothing(d4py: D4py, arguments: tuple[str, ...]) -> None:
    assert imported(d4py, *arguments) & HEAVY_FOR_HELP == set()


@pytest.mark.parametrize("mapping", [("-m", "simple"), ("-m", "multi", "-n", "2", "--no-fuse")])
def test_a_trivial_run_imports_no_science(d4py: D4py, mapping: tuple[str, ...]) -> None:
    found = imported(d4py, "run", FLOWS / "doubling.py", "-q", *mapping)
    assert found & HEAVY_FOR_RUN == set()
    assert "rich" not in found


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_workers_import_no_science_either(d4py: D4py, method: str) -> None:
    flow = d4py.folder / "modules.py"
    flow.write_text(
        (FLOWS / "doubling.py")
        .read_text()
        .replace("return 2 * data", "import sys; return sorted({name.partition('.')[0] for name in sys.modules})")
    )
    (d4py.folder / "show.py").write_text(
        "from d4py_adaptive import run\nfrom modules import graph\n"
        f"result = run(graph, mapping='multi', workers=2, fuse=False, start_method={method!r})\n"
        "print(*result.outputs['Double1']['output'][0])\n"
    )
    found = set(d4py.python("show.py").succeeds().split())
    assert found & (HEAVY_FOR_RUN | {"rich"}) == set()


def test_importing_the_package_to_write_a_workflow_is_light(d4py: D4py) -> None:
    ended = d4py.python("-c", "import sys, d4py_adaptive; print(*{name.partition('.')[0] for name in sys.modules})")
    assert set(ended.succeeds().split()) & HEAVY_FOR_HELP == set()
