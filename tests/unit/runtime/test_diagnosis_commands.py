"""The command lines that advice gives can be typed as they stand."""

import pytest

from d4py_adaptive.runtime.diagnosis.commands import command_line


@pytest.mark.parametrize(
    ("command", "workers", "wanted"),
    [
        ("", 1, "d4py run flow.py"),
        ("", 4, "d4py run -m multi -n 4 flow.py"),
        ("d4py run flow.py", 2, "d4py run -m multi -n 2 flow.py"),
        ("d4py diagnose flow.py -m multi -n 8 -i 5 --json - --sample 30s", 2, "d4py run -m multi -n 2 -i 5 flow.py"),
        ("d4py diagnose --html=x.html --mapping=multi flow.py", 1, "d4py run flow.py"),
        ("d4py multi flow.py -i5 -n 8", 2, "d4py run -m multi -n 2 -i5 flow.py"),
        ("/usr/bin/python -m d4py_adaptive run flow.py -a build", 2, "d4py run -m multi -n 2 -a build flow.py"),
        ("d4py run flow.py -p 'name=two words'", 2, "d4py run -m multi -n 2 -p 'name=two words' flow.py"),
        ("d4py run --param=seed=3 flow.py", 2, "d4py run -m multi -n 2 --param=seed=3 flow.py"),
        ("d4py run -m multi --no-fuse --buffers 1GB flow.py", 1, "d4py run flow.py"),
        ("d4py run -m multi --no-fuse flow.py", 3, "d4py run -m multi -n 3 --no-fuse flow.py"),
        ("python script.py -i 3", 2, "d4py run -m multi -n 2 flow.py"),
        ("d4py run flow.py 'never closed", 2, "d4py run -m multi -n 2 flow.py"),
        ("d4py run flow.py -i", 2, "d4py run -m multi -n 2 flow.py"),
    ],
)  # fmt: skip
def test_the_command_that_runs_it_in_another_way(command: str, workers: int, wanted: str) -> None:
    assert command_line(command, "flow.py")(workers) == wanted


def test_options_are_added_replaced_and_left_out() -> None:
    line = command_line("d4py run -m multi --no-fuse --buffers 1GB flow.py", "flow.py")
    assert line(2, without=("--no-fuse",)) == "d4py run -m multi -n 2 --buffers 1GB flow.py"
    assert line(2, extra="--buffers 64MB") == "d4py run -m multi -n 2 --no-fuse --buffers 64MB flow.py"
    assert line(2, extra="--no-fuse") == "d4py run -m multi -n 2 --buffers 1GB --no-fuse flow.py"
    assert line(2, before="OMP_NUM_THREADS=1").startswith("OMP_NUM_THREADS=1 d4py run -m multi -n 2")


def test_a_target_with_a_space_is_quoted() -> None:
    assert command_line("", "my flow.py")(1) == "d4py run 'my flow.py'"
