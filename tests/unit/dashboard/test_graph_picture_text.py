"""Pictures as text: how wide letters are, SVG, dot."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from d4py_adaptive import CompositePE, ConsumerPE, GenericPE, IterativePE, ProducerPE, WorkflowGraph
from d4py_adaptive.dashboard.graph_picture import draw, picture
from d4py_adaptive.dashboard.graph_picture.lettering import lines, text_width

SVG = "{http://www.w3.org/2000/svg}"


class Read(ProducerPE):
    pass


class Count(GenericPE):
    def __init__(self) -> None:
        super().__init__(numprocesses=3)
        self._add_input("words", grouping=[0])
        self._add_input("weights", grouping="all")
        self._add_output("counts")
        self._add_output("rest")


class Write(ConsumerPE):
    pass


def counting() -> WorkflowGraph:
    read, count, composite = Read(), Count(), CompositePE()
    composite.name = "Statistics"
    composite.add(count)
    composite._map_input("words", count, "words")
    composite._map_output("counts", count, "counts")
    graph = WorkflowGraph()
    graph.connect(read, "output", composite, "words")
    graph.connect(composite, "counts", Write(), "input")
    return graph


# Letters.


@pytest.mark.parametrize("bold", [False, True])
def test_text_is_as_wide_as_in_the_font_that_it_is_drawn_with(bold: bool) -> None:
    pytest.importorskip("matplotlib")
    from matplotlib.font_manager import FontProperties, findfont
    from matplotlib.ft2font import FT2Font, LoadFlags

    font = FT2Font(findfont(FontProperties(family="DejaVu Sans", weight="bold" if bold else "normal")))
    font.set_size(100, 72)
    for character in map(chr, range(32, 127)):
        # Hundredths of the size, rounded; one is a tenth of a unit in a picture.
        wide = font.load_char(ord(character), LoadFlags.NO_HINTING).linearHoriAdvance / 65536
        assert text_width(character, 100, bold) == pytest.approx(wide, abs=0.51), character


def test_other_letters_have_a_width_too() -> None:
    assert text_width("é", 10) == text_width("e", 10) == text_width("e\N{COMBINING ACUTE ACCENT}", 10)
    assert text_width("地震", 10) == 20
    assert text_width("ж", 10) > text_width("i", 10)
    assert text_width("\N{COMBINING ACUTE ACCENT}", 10) == 0


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Short0", ("Short0",)),
        ("ReadWaveformsFromTheArchiveOfThe12", ("ReadWaveformsFromTheArchive", "OfThe12")),
        ("PE_some_function_with_a_long_name3", ("PE_some_function_with_a_", "long_name3")),
        ("several words that are too long for it", ("several words that are too", "long for it")),
        ("x" * 60, ("x" * 28, "x" * 28, "x" * 4)),
        ("", ("",)),
    ],
)
def test_long_names_are_broken_between_words(name: str, shown: tuple[str, ...]) -> None:
    assert lines(name) == shown


# SVG.


def texts(image: bytes) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(image).iter(f"{SVG}text")]


def test_an_svg_holds_its_text_as_text() -> None:
    found = texts(picture(counting(), "svg"))
    assert sorted(found) == sorted(
        ["Statistics", "Read0", "Count1", "×3", "words", "weights", "counts", "rest", "by 0", "Write2"]  # noqa: RUF001
    )


def test_results_end_in_circles() -> None:
    drawn = ElementTree.fromstring(picture(counting(), "svg"))
    assert len(list(drawn.iter(f"{SVG}circle"))) == 1


@pytest.mark.parametrize("name", ["a<b>&amp;\"'", "Zażółć", "地震波形", "😀", "$x$"])
def test_any_name_can_stand_in_an_svg(name: str) -> None:
    pe = IterativePE()
    pe.name = name
    graph = WorkflowGraph()
    graph.add(pe)
    assert texts(picture(graph, "svg", title=name)) == [f"{name}0"]


def test_the_same_graph_gives_the_same_bytes_wherever_it_is() -> None:
    image = picture(counting(), "svg")
    assert image == picture(counting(), "svg")
    assert b"id=" not in image
    assert re.search(rb"\d{4}-\d\d", image) is None


def test_a_graph_without_pes() -> None:
    assert texts(picture(WorkflowGraph(), "svg")) == ["a graph without PEs"]


@pytest.mark.parametrize("direction", ["right", "down"])
def test_the_direction(direction: str) -> None:
    graph = WorkflowGraph()
    graph.connect(Read(), "output", Write(), "input")
    drawn = ElementTree.fromstring(picture(graph, "svg", direction))  # type: ignore[arg-type]
    wide = float(drawn.attrib["width"]) > float(drawn.attrib["height"])
    assert wide == (direction == "right")


def test_a_long_chain_goes_down_by_itself() -> None:
    graph, previous = WorkflowGraph(), IterativePE()
    for _ in range(100):
        following = IterativePE()
        graph.connect(previous, "output", following, "input")
        previous = following
    drawn = ElementTree.fromstring(picture(graph, "svg"))
    assert float(drawn.attrib["width"]) < 200
    assert len(texts(picture(graph, "svg"))) == 101


# Dot.

DOT = """\
digraph "counting" {
  compound=true; rankdir=LR;
  graph [fontname="DejaVu Sans,Verdana,sans-serif", fontsize=10, style="rounded,filled"];
  node [fontname="DejaVu Sans,Verdana,sans-serif", fontsize=11, shape=box, style="rounded,filled"];
  edge [fontname="DejaVu Sans,Verdana,sans-serif", fontsize=9, arrowsize=0.8];
  pe0 [label="Read0", fillcolor="#e3f4e8", color="#2f7d4f"];
  subgraph cluster_composite1 {
    label="Statistics"; labeljust=l; fillcolor="#edf2f8"; color="#9fb3c8";
    pe1 [label="Count1 ×3", fillcolor="#ffffff", color="#334e68"];
    pe1_result1 [shape=circle, width=0.1, style=solid, label=""];
    pe1 -> pe1_result1 [arrowhead=none, taillabel="rest"];
  }
  pe2 [label="Write2", fillcolor="#fdebdd", color="#b35a1f"];
  pe0 -> pe1 [headlabel="words", label="by 0"];
  pe1 -> pe2 [taillabel="counts"];
}
"""  # noqa: RUF001


def test_dot_text() -> None:
    assert draw(counting(), "right", "counting") == DOT
    assert picture(counting(), "dot", "right", "counting").decode() == DOT
    assert "rankdir=TB;" in draw(counting())


def test_names_are_escaped_in_dot_text() -> None:
    pe = IterativePE()
    pe.name = 'a"b\\N&c'
    graph = WorkflowGraph()
    graph.add(pe)
    assert 'pe0 [label="a\\"b\\\\N&amp;c0",' in draw(graph)


def test_a_loose_end_is_the_clusters() -> None:
    graph = counting()
    (composite,) = (obj for obj in graph.get_contained_objects() if isinstance(obj, CompositePE))
    composite.inputmappings.clear()
    composite.outputmappings.clear()
    text = draw(graph)
    assert '    composite1 [shape=point, style=invis, label=""];' in text
    assert "  pe0 -> composite1 [lhead=cluster_composite1];" in text
    assert "  composite1 -> pe2 [ltail=cluster_composite1];" in text
