"""How long `d4py --help` and a trivial run take beside `python -c "import argparse, json"`: paired, in turn.

python benchmarks/startup.py [--pairs 31]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

WORKFLOW = """
from d4py_adaptive import ProducerPE, WorkflowGraph
class One(ProducerPE):
    def _process(self, inputs):
        return 1
graph = WorkflowGraph()
graph.add(One())
"""


def seconds(command: Sequence[str], environment: dict[str, str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=31)
    pairs = parser.parse_args().pairs
    with tempfile.TemporaryDirectory() as folder:
        flow = Path(folder) / "one.py"
        flow.write_text(WORKFLOW)
        environment = {**os.environ, "D4PY_HOME": folder}
        base = [sys.executable, "-c", "import argparse, json"]
        d4py = [sys.executable, "-m", "d4py_adaptive"]
        for name, command in {
            "d4py --help": [*d4py, "--help"],
            "d4py run, one PE, simple": [*d4py, "run", str(flow), "-q"],
            "d4py run, one PE, multi -n 2": [*d4py, "run", str(flow), "-q", "-m", "multi", "-n", "2"],
        }.items():
            seconds(command, environment), seconds(base, environment)
            times = [(seconds(command, environment), seconds(base, environment)) for _ in range(pairs)]
            ratios = sorted(mine / theirs for mine, theirs in times)
            quarter = len(ratios) // 4
            print(
                f"{name}: {statistics.median(mine for mine, _ in times) * 1000:.0f} ms, "
                f"{statistics.median(ratios):.2f} times the bare interpreter with argparse and json "
                f"(quartiles {ratios[quarter]:.2f} to {ratios[-quarter - 1]:.2f}, {pairs} pairs)"
            )


if __name__ == "__main__":
    main()
