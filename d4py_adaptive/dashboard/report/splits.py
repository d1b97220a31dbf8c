"""Where the time went, as bars: one per PE, of stretches in percent of its instances' time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from d4py_adaptive.dashboard.report import figures
from d4py_adaptive.telemetry.profile import PEProfile, Split

KINDS = {
    "compute": "in the PE's own code",
    "serialise": "encoding, decoding and copying items",
    "codec": "compressing and expanding",
    "blocked": "waiting until a reader has room",
    "starved": "waiting for an item",
    "others": "waiting while its worker ran other PEs",
    "overhead": "the runtime's own work",
}
"""The kinds of time in the order in which they are drawn, and what each means."""

_ROOM_FOR_SHARE, _ROOM_FOR_NAME = 0.13, 0.34
"""From which share of a bar on there is room for words, also on a phone."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a bar: its kind, where it starts and how wide it is in percent, and what is written on it."""

    kind: str
    start: float
    width: float
    words: str

    @property
    def middle(self) -> float:
        """Where words stand."""
        return self.start + self.width / 2


@dataclass(frozen=True, slots=True)
class Bar:
    """A PE's time: its stretches, the seconds of each kind and their shares, and all this in words."""

    pe: PEProfile
    stretches: tuple[Stretch, ...]
    seconds: dict[str, float]
    shares: dict[str, float]
    said: str


def seconds_of(split: Split) -> dict[str, float]:
    """The seconds of each kind."""
    return {kind: getattr(split, f"{kind}_s") for kind in KINDS}


def shares_of(split: Split) -> dict[str, float]:
    """The share of each kind; all 0 where no time was measured."""
    seconds = seconds_of(split)
    life = sum(seconds.values())
    return {kind: part / life if life else 0.0 for kind, part in seconds.items()}


def in_words(split: Split) -> str:
    """The shares in words, without those below half a percent."""
    said = (f"{kind} {figures.share(share)}" for kind, share in shares_of(split).items() if share >= 0.005)
    return ", ".join(said) or "no time was measured"


def bar_of(pe: PEProfile) -> Bar:
    """The bar of a PE."""
    shares = shares_of(pe.split)
    stretches, start = [], 0.0
    for kind, share in shares.items():
        if share:
            stretches.append(Stretch(kind, start * 100, share * 100, _words(kind, share)))
        start += share
    return Bar(pe, tuple(stretches), seconds_of(pe.split), shares, in_words(pe.split))


def used_kinds(bars: Iterable[Bar]) -> list[str]:
    """The kinds that occur in any of the bars."""
    found = {stretch.kind for bar in bars for stretch in bar.stretches}
    return [kind for kind in KINDS if kind in found]


def _words(kind: str, share: float) -> str:
    if share < _ROOM_FOR_SHARE:
        return ""
    return f"{kind} {figures.share(share)}" if share >= _ROOM_FOR_NAME else figures.share(share)
