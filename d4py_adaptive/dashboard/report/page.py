"""A page of text for a terminal: paragraphs and columns that fit a width, of words that cannot steer the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from d4py_adaptive.dashboard.report.shares import KINDS

if TYPE_CHECKING:
    from rich.text import Text

STYLES = {
    "busy": "cyan", "serialise": "magenta", "overhead": "blue", "blocked": "yellow", "starved": "bright_black",
    "others": "",
}  # fmt: skip


MARGIN = 3
"""Columns left of a table."""

_GLUE = "\ue000"
"""Stands for a space at which no line ends; `one_line` lets no such character in."""


@dataclass(frozen=True)
class Marks:
    """The characters that a page is drawn with, other than letters; one per kind of time, all told apart in one ink."""

    bars: Mapping[str, str]
    rule: str
    arrow: str
    gap: str
    culprit: str

    @property
    def all(self) -> str:
        """Every character of them, to ask whether a terminal can show them."""
        return "".join((*self.bars.values(), self.rule, self.arrow, self.gap, self.culprit))


BLOCKS = Marks(dict(zip(KINDS, "█▒░═· ", strict=True)), rule="▌", arrow="→", gap="…", culprit="▸")
"""For terminals that show Unicode."""

LETTERS = Marks(dict(zip(KINDS, "#%+=. ", strict=True)), rule="|", arrow="->", gap="..", culprit=">")
"""For those that show ASCII alone."""


def one_line(text: str) -> str:
    """The text in one line, without characters that steer a terminal, turn its direction of writing or show nothing."""
    return "".join(character for character in " ".join(text.split()) if character.isprintable())


def copyable(text: str) -> list[str]:
    """The lines of a command or of code, as they are, but for characters that are not shown."""
    lines = ("".join(c for c in line.expandtabs(4) if c.isprintable()).rstrip() for line in text.splitlines())
    return [line for line in lines if line]


def cells(text: str) -> int:
    """How many columns of a terminal a text takes."""
    from rich.cells import cell_len

    return cell_len(text)


def shortened(text: str, width: int, gap: str) -> str:
    """The text in one line of `width` columns at most; what is too much is taken from its middle."""
    text = one_line(text)
    if cells(text) <= width:
        return text
    room = max(0, width - cells(gap))
    return _fitting(text, room - room // 2) + gap + _fitting(text[::-1], room // 2)[::-1]


def _fitting(text: str, width: int) -> str:
    from rich.cells import set_cell_size

    return set_cell_size(text, min(width, cells(text)))


def bar(parts: Mapping[str, float], width: int, marks: Marks) -> Text:
    """A bar that shares of all kinds fill to their extent, each to within one character; empty if all are 0."""
    from rich.text import Text

    exact = {kind: parts[kind] * width for kind in KINDS}
    lengths = {kind: int(length) for kind, length in exact.items()}
    left = round(sum(exact.values())) - sum(lengths.values())
    for kind in sorted(KINDS, key=lambda kind: lengths[kind] - exact[kind])[:left]:
        lengths[kind] += 1
    drawn = Text()
    for kind, length in lengths.items():
        drawn.append(marks.bars[kind] * length, style=STYLES[kind])
    return drawn


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        title: what stands above it.
        left: whether what it holds begins at the same place, as names do; else it ends there, as figures do.
        least: to how many columns it is shortened at most where the page is narrow; 0 for not at all.
        optional: whether it may be left out where the page is narrower still; the last such column goes first.
    """

    title: str
    left: bool = False
    least: int = 0
    optional: bool = False


class Page:
    """Lines that fit a width."""

    def __init__(self, width: int, marks: Marks) -> None:
        self.width = max(40, width)
        self.marks = marks
        self.lines: list[Text] = []

    @property
    def height(self) -> int:
        """The lines that it takes in a terminal, which breaks those that are longer than the page is wide."""
        return sum(max(1, -(-line.cell_len // self.width)) for line in self.lines)

    def blank(self) -> None:
        """Leave a line free."""
        self.add("")

    def add(self, *parts: str | Text | tuple[str, str]) -> None:
        """Add a line as it is: of texts, and of texts with their style."""
        from rich.text import Text

        self.lines.append(Text.assemble(*parts))

    def heading(self, title: str, asides: Sequence[Text] = ()) -> None:
        """Begin a section; what is said beside it stands at the right, or on lines of its own if it must."""
        from rich.text import Text

        self.blank()
        beside = Text("  ").join(asides)
        space = self.width - cells(title) - beside.cell_len
        if not asides or space < 2:
            self.add((title, "bold"))
        else:
            self.add((title, "bold"), " " * space, beside)
            return
        line = Text()
        for aside in asides:
            if line and MARGIN + line.cell_len + 2 + aside.cell_len > self.width:
                self.add(" " * MARGIN, line)
                line = Text()
            line = Text("  ").join([line, aside] if line else [aside])
        if line:
            self.add(" " * MARGIN, line)

    def paragraph(
        self, text: str, *, first: str | Text = "", indent: int | str = 0, style: str = "", rule: str = ""
    ) -> None:
        """Add a text that is wrapped, never shortened.

        Args:
            text: any text; it becomes one line before it is wrapped.
            first: what stands before it on the first line.
            indent: what stands before the other lines: so many spaces, or this text.
            style: of the text.
            rule: style of `indent`, and of `first` if that is a plain text.
        """
        from rich.text import Text

        before = Text(first, style=rule) if isinstance(first, str) else first
        later = Text(" " * indent if isinstance(indent, int) else indent, style=rule)
        lines = self._wrapped(one_line(text), self.width - later.cell_len, before.cell_len - later.cell_len)
        for number, line in enumerate(lines):
            self.lines.append(Text.assemble(later if number else before, (line, style)))

    def _wrapped(self, text: str, width: int, taken: int) -> list[str]:
        """The text in lines of `width`, of the first of which so many columns are taken."""
        from rich.console import Console
        from rich.text import Text

        held = _GLUE * (taken - 1) + " " if taken > 0 else ""
        lines = Text(held + text.replace(" %", f"{_GLUE}%")).wrap(Console(width=width), width, overflow="fold")
        first, *rest = [line.plain.rstrip() for line in lines] or [""]
        return [line.replace(_GLUE, " ") for line in (first[len(held) :], *rest)]

    def table(
        self, columns: Sequence[Column], rows: Iterable[Sequence[str | Text]], margins: Sequence[str] = ()
    ) -> None:
        """Add a table with the columns that there is room for.

        Args:
            columns: its columns, of which one may be shortened.
            rows: their cells.
            margins: what stands left of each row, one character at most; nothing for those that are not named.
        """
        from rich.text import Text

        filled = [[cell if isinstance(cell, Text) else Text(one_line(cell)) for cell in row] for row in rows]
        widths = [max(cells(column.title), *(row[n].cell_len for row in filled), 0) for n, column in enumerate(columns)]
        kept = self._columns_with_room(columns, widths)
        titles = [Text(column.title, style="bright_black") for column in columns]
        for number, row in enumerate((titles, *filled)):
            line = Text(f" {margins[number - 1] if 0 < number <= len(margins) else ' '} ")
            for n in kept:
                cell = self._narrowed(row[n], widths[n])
                space = Text(" " * (widths[n] - cell.cell_len))
                line.append_text(Text("  " * (n != kept[0])))
                line.append_text(cell + space if columns[n].left else space + cell)
            line.rstrip()
            self.lines.append(line)

    def _narrowed(self, cell: Text, width: int) -> Text:
        """The cell in `width` columns; of a stream, both ends are shortened alike."""
        from rich.text import Text

        if cell.cell_len <= width:
            return cell
        arrow = f" {self.marks.arrow} "
        source, found, target = cell.plain.partition(arrow)
        if not found:
            return Text(shortened(source, width, self.marks.gap), style=cell.style)
        room = width - cells(arrow)
        first = max(room // 2, room - cells(target))
        source = shortened(source, first, self.marks.gap)
        return Text(source + arrow + shortened(target, room - cells(source), self.marks.gap), style=cell.style)

    def _columns_with_room(self, columns: Sequence[Column], widths: list[int]) -> list[int]:
        """Which columns stay; narrows the one that may be shortened in `widths`."""
        kept = list(range(len(columns)))
        flexible = next((n for n, column in enumerate(columns) if column.least), 0)
        least = min(widths[flexible], columns[flexible].least or widths[flexible])
        while True:
            room = self.width - MARGIN - sum(widths[n] + 2 for n in kept if n != flexible)
            optional = [n for n in kept if columns[n].optional]
            if room >= least or not optional:
                widths[flexible] = max(min(least, 8), min(widths[flexible], room))
                return kept
            kept.remove(optional[-1])
