"""Which keys of a grouped stream are frequent, and about how many there are, in constant memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from heapq import heapify, heappush, heapreplace, nlargest
from typing import Any

from d4py_adaptive.dataflow.canonical import stable_hash

CAPACITY = 64
"""Keys that are counted at any time; a key that more than one item in 64 carries is always among them."""

MOST_TEXT = 60
"""Characters that a key's text may have."""

_KEPT_HASHES = 256
_HASHES = 2**64


class HeavyHitters:
    """Counts the keys that most items carry, and estimates how many keys there are.

    The counts are Space-Saving's (Metwally, Agrawal, El Abbadi 2005): a new key takes over the count of the rarest one,
    and that count is remembered as its error. The number of keys follows from the smallest hashes that were seen:
    exact below 256 keys, about 6 % off above.

    Attributes:
        total: keys that were added.
    """

    __slots__ = ("_counts", "_errors", "_queue", "_smallest", "_texts", "_threshold", "total")

    def __init__(self) -> None:
        self.total = 0
        self._counts: dict[int, int] = {}
        self._errors: dict[int, int] = {}
        self._texts: dict[int, str] = {}
        self._queue: list[tuple[int, int]] = []  # (a count at some time, hash) of every counted key: a heap
        self._smallest: set[int] = set()
        self._threshold = _HASHES

    def add(self, key: object) -> None:
        """Count a key, as grouping tells keys apart: 1, 1.0 and True are one.

        Raises:
            WorkflowError: the key has no stable hash; nor could its item be sent to an instance.
        """
        number = stable_hash(key)
        self.total += 1
        if number < self._threshold:
            self._note(number)
        count = self._counts.get(number)
        if count is None:
            self._enter(number, key)
        else:
            self._counts[number] = count + 1
            if number not in self._texts:
                self._texts[number] = _text(key)

    def _note(self, number: int) -> None:
        """Keep a hash that is among the smallest."""
        if number in self._smallest:
            return
        self._smallest.add(number)
        if len(self._smallest) > _KEPT_HASHES:
            self._smallest.remove(max(self._smallest))
        if len(self._smallest) == _KEPT_HASHES:
            self._threshold = max(self._smallest)

    def _enter(self, number: int, key: object) -> None:
        """Count a key that was not counted so far; in the place of the rarest one, if need be."""
        if len(self._counts) < CAPACITY:
            self._counts[number], self._errors[number] = 1, 0
            self._texts[number] = _text(key)
            heappush(self._queue, (1, number))
            return
        count, rarest = self._queue[0]
        while count != (now := self._counts[rarest]):  # it was counted since it was put into the queue
            heapreplace(self._queue, (now, rarest))
            count, rarest = self._queue[0]
        del self._counts[rarest], self._errors[rarest]
        self._texts.pop(rarest, None)
        # its text is made when it comes again: most keys that enter now never do
        self._counts[number], self._errors[number] = count + 1, count
        heapreplace(self._queue, (count + 1, number))

    @property
    def distinct(self) -> int:
        """How many keys there were, about."""
        if len(self._smallest) < _KEPT_HASHES:
            return len(self._smallest)
        return round((_KEPT_HASHES - 1) * _HASHES / self._threshold)

    def heaviest(self, number: int) -> list[tuple[str, float]]:
        """The text of the keys that most items carry, and the share of the items that at least do, heaviest first."""
        sure = {key: self._counts[key] - self._errors[key] for key in self._texts}
        found = nlargest(number, sure, key=lambda key: (sure[key], -key))
        return [(self._texts[key], sure[key] / self.total) for key in found]

    def to_dict(self) -> dict[str, Any]:
        """Everything, as plain values."""
        keys = [
            [number, count, self._errors[number], self._texts.get(number)] for number, count in self._counts.items()
        ]
        return {"total": self.total, "keys": keys, "smallest": sorted(self._smallest)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> HeavyHitters:
        """What `to_dict` gave."""
        made = cls()
        made.total = values["total"]
        for number, count, error, text in values["keys"]:
            made._counts[number], made._errors[number] = count, error
            if text is not None:
                made._texts[number] = text
        made._restore(values["smallest"])
        return made

    def _restore(self, smallest: Iterable[int]) -> None:
        self._queue = [(count, number) for number, count in self._counts.items()]
        heapify(self._queue)
        for number in smallest:
            self._note(number)

    @classmethod
    def merged(cls, parts: Iterable[HeavyHitters]) -> HeavyHitters:
        """What all parts counted together (Agarwal et al. 2012): errors add up, to a 64th of the total at most."""
        parts = list(parts)
        keys = {number for part in parts for number in part._counts}
        counts, errors = dict.fromkeys(keys, 0), dict.fromkeys(keys, 0)
        texts: dict[int, str] = {}
        for part in parts:
            # a key that a full part does not count may have come as often as its rarest one
            unseen = min(part._counts.values()) if len(part._counts) == CAPACITY else 0
            for number in keys:
                counts[number] += part._counts.get(number, unseen)
                errors[number] += part._errors.get(number, unseen)
            texts |= part._texts
        made = cls()
        made.total = sum(part.total for part in parts)
        kept = nlargest(CAPACITY, keys, key=lambda number: (counts[number], -number))
        made._counts = {number: counts[number] for number in kept}
        made._errors = {number: errors[number] for number in kept}
        made._texts = {number: texts[number] for number in kept if number in texts}
        made._restore(set().union(*(part._smallest for part in parts)))
        return made


def _text(key: object) -> str:
    """A key as people read it: one short line, whatever it is."""
    shown = key[0] if type(key) is tuple and len(key) == 1 else key
    try:
        text = repr(shown)
        if not text.isprintable():
            text = "".join([letter if letter.isprintable() else "?" for letter in text])
    except Exception:  # noqa: BLE001 - a user's own __repr__
        text = f"<{type(shown).__name__}>"
    return text if len(text) <= MOST_TEXT else text[: MOST_TEXT - 3] + "..."
