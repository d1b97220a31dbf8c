"""How wide text is, and where a long name may be broken, without a font library.

The widths are those of DejaVu Sans, which matplotlib brings along; Verdana and Bitstream Vera are as wide.
"""

from __future__ import annotations

import re
import unicodedata

# Of the characters U+0020 to U+007E, in hundredths of the font size.
_PLAIN = (
    32, 40, 46, 84, 64, 95, 78, 27, 39, 39, 50, 84, 32, 36, 32, 34, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 34, 34, 84,
    84, 84, 53, 100, 68, 69, 70, 77, 63, 58, 77, 75, 29, 29, 66, 56, 86, 75, 79, 60, 79, 69, 63, 61, 73, 68, 99, 69,
    61, 69, 39, 34, 39, 84, 50, 50, 61, 63, 55, 63, 62, 35, 63, 63, 28, 28, 58, 28, 97, 63, 61, 63, 63, 41, 52, 39, 63,
    59, 82, 59, 59, 52, 64, 34, 64, 84,
)  # fmt: skip
_BOLD = (
    35, 46, 52, 84, 70, 100, 87, 31, 46, 46, 52, 84, 38, 42, 38, 37, 70, 70, 70, 70, 70, 70, 70, 70, 70, 70, 40, 40, 84,
    84, 84, 58, 100, 77, 76, 73, 83, 68, 68, 82, 84, 37, 37, 77, 64, 100, 84, 85, 73, 85, 77, 72, 68, 81, 77, 110, 77,
    72, 73, 46, 37, 46, 84, 50, 50, 67, 72, 59, 72, 68, 44, 72, 71, 34, 34, 67, 34, 104, 71, 69, 72, 72, 49, 60, 48, 71,
    65, 92, 65, 65, 58, 71, 37, 71, 84,
)  # fmt: skip
_OTHER = 80
_WIDE = 100

# A long name may be broken after these, and before a capital that follows a small letter.
_PIECE = re.compile(r".+?(?:[ _\-./]+|(?<=[a-z])(?=[A-Z])|$)")


def text_width(text: str, size: float, bold: bool = False) -> float:
    """How wide the text is in this font size."""
    widths = _BOLD if bold else _PLAIN
    return sum(_hundredths(character, widths) for character in text) * size / 100


def _hundredths(character: str, widths: tuple[int, ...]) -> int:
    base = unicodedata.normalize("NFD", character)[0]
    if " " <= base <= "~":
        return widths[ord(base) - 32]
    if unicodedata.combining(base):
        return 0
    return _WIDE if unicodedata.east_asian_width(base) in "WF" else _OTHER


def lines(name: str, most: int = 28) -> tuple[str, ...]:
    """The name in lines of at most so many characters, broken between its words where it can be."""
    found = [""]
    for piece in _PIECE.findall(name):
        if len(found[-1]) + len(piece.rstrip()) > most and found[-1]:
            found.append("")
        found[-1] += piece
        while len(found[-1].rstrip()) > most:
            found[-1:] = [found[-1][:most], found[-1][most:]]
    return tuple(line.strip() for line in found)
