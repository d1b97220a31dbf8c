"""What the README shows is what happens."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import d4py_adaptive

README = (Path(__file__).parents[2] / "README.md").read_text()
EXPECTED = {("to", 4), ("be", 2), ("or", 2), ("not", 2), ("see", 2)}


@pytest.fixture
def words(tmp_path: Path) -> Path:
    flow = tmp_path / "words.py"
    flow.write_text(re.search(r"```python\n# words\.py\n(.*?)```", README, re.DOTALL).group(1))  # type: ignore[union-attr]
    return flow


@pytest.mark.parametrize("arguments", re.findall(r"^    d4py run words\.py(.*?)#", README, re.MULTILINE))
def test_the_workflow_runs_as_shown(words: Path, arguments: str) -> None:
    command = [sys.executable, "-m", "d4py_adaptive", "run", str(words), *arguments.split()]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, cwd=words.parent)
    if "-o" in arguments:
        results = d4py_adaptive.read_results(words.parent / arguments.split()[-1])
        assert {tuple(pair) for pair in results["Count2"]["output"]} == EXPECTED
        return
    assert {line.partition(": ")[2] for line in ended.stdout.splitlines()} == {str(pair) for pair in EXPECTED}
    assert ("verified" in ended.stderr) == ("--verify" in arguments)


def test_the_call_from_python_gives_what_is_shown(words: Path) -> None:
    call = re.search(r"```python\nimport d4py_adaptive\n(.*?)```", README, re.DOTALL)
    assert call is not None
    shown = "print(sorted(result.outputs['Count2']['output']))"
    script = f"from words import graph\nimport d4py_adaptive\n{call.group(1)}\n{shown}"
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True, cwd=words.parent
    )
    assert ended.stdout.strip() == str(sorted(EXPECTED))
