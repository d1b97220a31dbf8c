"""`d4py draw` as a user types it."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest
from real_processes import FLOWS, D4py

from d4py_adaptive.dashboard.graph_picture import draw
from d4py_adaptive.testing.random_graphs import random_graph

doubling = FLOWS / "doubling.py"

BEGINNINGS = {".png": b"\x89PNG\r\n", ".svg": b"<svg ", ".pdf": b"%PDF-", ".dot": b"digraph "}

STATISTICS = """
print("adding PEs")
from d4py_adaptive import CompositePE, ConsumerPE, GenericPE, ProducerPE, WorkflowGraph

class Count(GenericPE):
    def __init__(self):
        super().__init__(numprocesses=2)
        self._add_input("words", grouping=[0])
        self._add_output("counts")
        self._add_output("the \\"rest\\" \\\\ <b>&amp;")

def build_graph(name: str = "Statistics"):
    composite, empty, count = CompositePE(), CompositePE(), Count()
    composite.name = name
    composite._map_input("words", count, "words")
    composite._map_input("lost", count, "gone")
    composite.add(count)
    composite.add(empty)
    graph, source = WorkflowGraph(), ProducerPE()
    graph.connect(source, "output", composite, "words")
    graph.connect(source, "output", composite, "lost")
    graph.connect(count, "counts", count, "words")
    return graph
"""


def graphviz(text: str) -> str:
    """What Graphviz makes of dot text; fails if it complains."""
    if shutil.which("dot") is None:
        pytest.skip("needs Graphviz: apt-get install graphviz")
    done = subprocess.run(["dot", "-Tsvg"], input=text, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


# What is right.


def test_the_usual_picture(d4py: D4py) -> None:
    ended = d4py.run("draw", doubling)
    assert ended.succeeds() == "wrote doubling.png\n"
    assert ended.err == ""
    assert (d4py.folder / "doubling.png").read_bytes().startswith(BEGINNINGS[".png"])


def test_a_module(d4py: D4py) -> None:
    module = "d4py_adaptive.workflows.seismology.cross_correlation"
    assert d4py.run("draw", module, "-o", "folder.svg").succeeds() == "wrote folder.svg\n"
    image = (d4py.folder / "folder.svg").read_text()
    assert "<title>cross_correlation</title>" in image
    for name in ("ReadWaveforms0", "ReportCorrelations5", "summary"):
        assert f">{name}</text>" in image


@pytest.mark.parametrize("ending", [*BEGINNINGS, ".SVG"])
def test_kinds_of_pictures(d4py: D4py, ending: str) -> None:
    path = d4py.folder / f"a{ending}"
    assert d4py.run("draw", doubling, "-o", path).succeeds() == f"wrote {path}\n"
    assert path.read_bytes().startswith(BEGINNINGS[ending.lower()])


def test_attribute_and_parameters(d4py: D4py) -> None:
    (d4py.folder / "statistics.py").write_text(STATISTICS)
    ended = d4py.run("draw", "statistics.py", "-a", "build_graph", "-p", "name=Zażółć", "-o", "a.svg")
    assert ended.succeeds() == "wrote a.svg\n"
    assert ">Zażółć</text>" in (d4py.folder / "a.svg").read_text()


@pytest.mark.parametrize("option", [("--dot",), ("-o", "-"), ("-o-",)])
def test_dot_text_alone_is_printed(d4py: D4py, option: tuple[str, ...]) -> None:
    (d4py.folder / "statistics.py").write_text(STATISTICS)
    ended = d4py.run("draw", "statistics.py", *option)
    assert ended.succeeds().startswith('digraph "statistics" {\n')
    assert ended.out.endswith("}\n")
    assert ended.err == "adding PEs\n"
    assert "Statistics" in graphviz(ended.out)


def test_the_direction(d4py: D4py) -> None:
    assert "rankdir=LR" in d4py.run("draw", doubling, "--dot", "--direction", "right").succeeds()
    assert "rankdir=TB" in d4py.run("draw", doubling, "--dot", "--direction", "down").succeeds()


def test_the_same_graph_gives_the_same_bytes_in_every_process(d4py: D4py) -> None:
    script = (
        "import sys\n"
        "from d4py_adaptive.dashboard.graph_picture import picture\n"
        "from d4py_adaptive.testing.random_graphs import random_graph\n"
        "for seed in range(20):\n"
        "    for kind in ('svg', 'dot'):\n"
        "        sys.stdout.buffer.write(picture(random_graph(seed).build(0), kind))\n"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", script],
            env=d4py.environment() | {"PYTHONHASHSEED": str(seed)}, capture_output=True, check=True, timeout=60,
        ).stdout
        for seed in (1, 2, 3)
    }  # fmt: skip
    assert len(seen) == 1
    assert next(iter(seen)).count(b"</svg>") == 20


def test_graphviz_reads_what_is_written() -> None:
    for seed in range(15):
        graph = random_graph(seed).build(seed)
        image = graphviz(draw(graph))
        for node in graph.freeze().nodes:
            assert node.id in image


def test_an_svg_needs_no_drawing_library(d4py: D4py) -> None:
    script = (
        "import sys\nfrom d4py_adaptive.cli.main import main\n"
        f"main(['draw', {str(doubling)!r}, '-o', 'a.svg'])\n"
        "print(sorted({'matplotlib', 'numpy'} & set(sys.modules)))\n"
    )
    assert d4py.python("-c", script).succeeds().splitlines()[-1] == "[]"


# What is not.


@pytest.mark.parametrize("output", ["a.gif", "a", "", "folder/"])
def test_an_unknown_ending(d4py: D4py, output: str) -> None:
    line = d4py.run("draw", doubling, "-o", output).fails_with(2)
    assert f"a file whose name ends in one of .png, .svg, .pdf, .dot, or - for dot text; got {output!r}" in line
    assert not list(d4py.folder.glob("a*"))


def test_a_folder_that_is_not_there(d4py: D4py) -> None:
    line = d4py.run("draw", doubling, "-o", "missing/a.svg").fails_with(2)
    assert line == "d4py: error: missing/a.svg cannot be written: No such file or directory"


def test_a_failure_leaves_the_picture_that_was_there(d4py: D4py) -> None:
    path = d4py.folder / "a.png"
    path.write_bytes(b"old")
    assert d4py.run("draw", doubling, "-a", "not_a_graph", "-o", path).fails_with(2)
    assert path.read_bytes() == b"old"


def test_both_kinds_of_output(d4py: D4py) -> None:
    d4py.run("draw", doubling, "--dot", "-o", "a.svg").fails_with(2)


def test_without_the_library_it_says_what_to_install(d4py: D4py) -> None:
    script = (
        "import sys\nsys.modules['matplotlib'] = None\n"
        f"from d4py_adaptive.cli.main import main\nsys.exit(main(['draw', {str(doubling)!r}]))\n"
    )
    line = d4py.python("-c", script).fails_with(2)
    assert line.endswith("install it with: pip install 'd4py_adaptive[draw]'")
    assert not (d4py.folder / "doubling.png").exists()


def test_a_character_without_a_font_is_told_of_in_a_line(d4py: D4py) -> None:
    (d4py.folder / "statistics.py").write_text(STATISTICS.replace("adding PEs", ""))
    ended = d4py.run("draw", "statistics.py", "-p", "name=\U0010fffd", "-o", "a.png")
    assert ended.succeeds() == "wrote a.png\n"
    assert ended.error_lines[-1].startswith("d4py: note: no font on this machine has the characters")
