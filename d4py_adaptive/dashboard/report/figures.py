"""Figures as people read them: counts, rates, bytes, shares and gains, in a few characters each."""

from __future__ import annotations

from d4py_adaptive.telemetry.diagnosis import Advice

_THOUSANDS = ("", " k", " M", " G", " T", " P", " E")
_BYTES = ("B", "kB", "MB", "GB", "TB", "PB", "EB")


def count(number: int) -> str:
    """A number of things: in full below a million."""
    return f"{number:,}" if number < 1e6 else _scaled(number, _THOUSANDS, "")


def rate(per_second: float) -> str:
    """A number of things per second, in three digits or so."""
    if per_second == 0:
        return "0"
    if per_second < 1:
        return f"{per_second:.2g}"
    return f"{per_second:.1f}" if per_second < 100 else count(round(per_second))


def size(number: float) -> str:
    """A number of bytes, in decimal units."""
    return f"{number:.0f} B" if number < 999.5 else _scaled(number, _BYTES, " ")


def share(part: float) -> str:
    """A share in per cent."""
    return f"{part * 100:.0f} %"


def gain(advice: Advice) -> str:
    """The gain predicted for a piece of advice, with its interval if it has a width; empty without a prediction."""
    if advice.gain == advice.gain_low == advice.gain_high == 1:
        return ""
    if advice.gain_low == advice.gain_high:
        return f"x{advice.gain:.2f}"
    return f"x{advice.gain:.2f} [{advice.gain_low:.2f}-{advice.gain_high:.2f}]"


def _scaled(number: float, units: tuple[str, ...], space: str) -> str:
    power = 0
    while number >= 999.5 and power < len(units) - 1:
        number, power = number / 1000, power + 1
    digits = 0 if number >= 99.95 else 1
    return f"{number:,.{digits}f}{space}{units[power]}"
