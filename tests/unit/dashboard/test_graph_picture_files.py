"""Pictures as files: their types, PNG and PDF, and that a file is written whole or not at all."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import pytest

from d4py_adaptive import ConsumerPE, IterativePE, ProducerPE, WorkflowGraph
from d4py_adaptive.dashboard.graph_picture import picture, write_image
from d4py_adaptive.dashboard.graph_picture.saving import save
from d4py_adaptive.errors import InputError, MissingDependency, UnknownName

BEGINNINGS = {"png": b"\x89PNG\r\n", "svg": b"<svg ", "pdf": b"%PDF-", "dot": b"digraph "}


def graph(name: str = "Read") -> WorkflowGraph:
    source = ProducerPE()
    source.name = name
    made = WorkflowGraph()
    made.connect(source, "output", ConsumerPE(), "input")
    return made


@pytest.mark.parametrize("kind", BEGINNINGS)
def test_types(kind: str, tmp_path: Path) -> None:
    image = picture(graph(), kind)
    assert image.startswith(BEGINNINGS[kind])
    assert image == picture(graph(), kind)
    for path, wanted in (
        (tmp_path / f"a.{kind}", None),
        (tmp_path / f"b.{kind.upper()}", None),
        (tmp_path / "c", kind),
    ):
        write_image(graph(), path, wanted)
        assert path.read_bytes() == image


def test_the_usual_type_is_png(tmp_path: Path) -> None:
    write_image(graph(), str(tmp_path / "graph.v2"))
    assert (tmp_path / "graph.v2").read_bytes() == picture(graph())
    assert picture(graph()).startswith(BEGINNINGS["png"])


def test_an_unknown_type() -> None:
    with pytest.raises(UnknownName) as caught:
        picture(graph(), "pgn")
    assert str(caught.value) == "unknown image type 'pgn'; did you mean 'png'?; known: dot, pdf, png, svg"


@pytest.mark.parametrize("kind", ["png", "pdf"])
def test_without_matplotlib_it_says_what_to_install(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingDependency) as caught:
        picture(graph(), kind)
    assert str(caught.value) == (
        f"a {kind.upper()} picture (an SVG picture or dot text needs nothing) needs the package 'matplotlib', "
        "which is not installed; install it with: pip install 'd4py_adaptive[draw]'"
    )


@pytest.mark.parametrize("kind", ["svg", "dot"])
def test_text_needs_no_matplotlib(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert picture(graph(), kind).startswith(BEGINNINGS[kind])


# What matplotlib draws.


@pytest.mark.parametrize("kind", ["png", "pdf"])
def test_a_users_style_does_not_change_the_picture(kind: str) -> None:
    matplotlib = pytest.importorskip("matplotlib")
    expected = picture(graph(), kind)
    style = {"savefig.bbox": "tight", "font.size": 30, "lines.linewidth": 9, "savefig.facecolor": "red"}
    with matplotlib.rc_context(style):
        before = dict(matplotlib.rcParams)
        assert picture(graph(), kind) == expected
        assert dict(matplotlib.rcParams) == before


def test_the_picture_is_as_large_as_it_says() -> None:
    image = pytest.importorskip("PIL.Image")
    from io import BytesIO

    drawn = image.open(BytesIO(picture(graph())))
    assert drawn.info["dpi"] == pytest.approx((288, 288), abs=0.1)
    assert drawn.getpixel((0, 0)) == (255, 255, 255, 255)
    assert len(drawn.getcolors(100_000)) > 20


def test_a_very_long_picture_has_fewer_dots() -> None:
    image = pytest.importorskip("PIL.Image")
    from io import BytesIO

    made, previous = WorkflowGraph(), IterativePE()
    for _ in range(400):
        following = IterativePE()
        made.connect(previous, "output", following, "input")
        previous = following
    drawn = image.open(BytesIO(picture(made)))
    assert max(drawn.size) <= 60_000
    assert drawn.width * drawn.height <= 32e6


def test_a_character_that_no_font_has_is_told_of() -> None:
    pytest.importorskip("matplotlib")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        picture(graph("\U0010fffd$x$^2"))
    (warning,) = told
    assert str(warning.message).startswith("no font on this machine has the characters '\\U0010fffd'")


# Files.


def test_what_cannot_be_written_leaves_what_was_there(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        save(b"new", tmp_path / "missing" / "a.png")
    assert str(caught.value) == f"{tmp_path}/missing/a.png cannot be written: No such file or directory"
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(InputError, match="cannot be written: Is a directory"):
        save(b"new", tmp_path / "folder.png")
    assert [path.name for path in tmp_path.iterdir()] == ["folder.png"]


def test_an_interruption_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"old")

    def interrupted(self: Path, content: bytes) -> int:
        with self.open("wb") as file:
            file.write(content[:1])
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_bytes", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save(b"new", path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "link.png").symlink_to(tmp_path / "target.png")
    save(b"new", tmp_path / "link.png")
    assert (tmp_path / "link.png").is_symlink()
    assert (tmp_path / "target.png").read_bytes() == b"new"
