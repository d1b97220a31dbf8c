"""What reading code brings to light: changes of what is kept, what could not be seen, random draws."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from pathlib import Path

DECLARE = "declare `stateless = True` if it keeps nothing between items"
LONGEST = 60


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the code something is."""

    function: str
    file: str
    node: ast.AST | None

    def __str__(self) -> str:
        line = getattr(self.node, "lineno", None)
        return f"({Path(self.file).name}:{line})" if line else f"({Path(self.file).name})"


NOWHERE = Place("process", "", None)


@dataclass
class Findings:
    """Collects what was found; the first of a kind is the one that people read."""

    changes: list[str] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)
    random: list[str] = field(default_factory=list)
    place: Place = NOWHERE

    def changed(self, what: str) -> None:
        """The code at the present place changes something that outlives the item."""
        self._note(self.changes, f"{self.place.function} {what} {self.place}")

    def unsure(self, what: str) -> None:
        """What the code at the present place does could not be seen."""
        self._note(self.unseen, f"unsure: {self.place.function} {what} {self.place}; {DECLARE}")

    def drew(self, what: str) -> None:
        """The code at the present place uses a global random generator."""
        self._note(
            self.random, f"{self.place.function} uses the global random generator {what} {self.place}; {DECLARE}"
        )

    @staticmethod
    def _note(notes: list[str], note: str) -> None:
        if note not in notes:
            notes.append(note)


def text_of(node: ast.AST | None) -> str:
    """The code of an expression, short enough for a sentence."""
    if node is None:
        return "something"
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
