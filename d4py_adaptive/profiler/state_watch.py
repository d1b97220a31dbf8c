"""Which of a PE's attributes its calls change, seen on a few calls and in a small share of the time."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any

from d4py_adaptive.clock import Clock, monotonic_ns
from d4py_adaptive.dataflow.digest import digest
from d4py_adaptive.dataflow.pe import SET_BY_RUNTIME, GenericPE
from d4py_adaptive.wire.sizes import payload_bytes

FREE_NS = 5_000_000
"""Time that looking may take however short the run is: a short one has no other time to look in."""

_MOST_ATTRIBUTES = 256
_FLAT_NS_PER_BYTE = 1.5
_NESTED_NS_PER_BYTE = 20.0
_OPAQUE = (
    GeneratorType, CoroutineType, AsyncGeneratorType,
    io.RawIOBase, io.BufferedReader, io.BufferedWriter, io.BufferedRandom, io.TextIOWrapper,
)  # fmt: skip


@dataclass(slots=True)
class StateChanges:
    """What was seen of a PE's state.

    Attributes:
        looks: calls before and after which attributes were compared.
        compared: how often each attribute was.
        changed: how often a call had changed it, made it or deleted it; only those that were.
        unseen: attributes that never could be compared, and why.
    """

    looks: int = 0
    compared: dict[str, int] = field(default_factory=dict)
    changed: dict[str, int] = field(default_factory=dict)
    unseen: dict[str, str] = field(default_factory=dict)

    def note(self, name: str, changed: bool) -> None:
        """Count a comparison; of attributes that get a new name each time, only the first are."""
        if name not in self.compared and len(self.compared) >= _MOST_ATTRIBUTES:
            return
        self.unseen.pop(name, None)
        self.compared[name] = self.compared.get(name, 0) + 1
        if changed:
            self.changed[name] = self.changed.get(name, 0) + 1

    def note_unseen(self, name: str, reason: str) -> None:
        """Remember why an attribute could not be compared, unless it has been before."""
        if name not in self.compared and len(self.unseen) < _MOST_ATTRIBUTES:
            self.unseen[name] = reason

    def to_dict(self) -> dict[str, Any]:
        """Everything, as plain values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> StateChanges:
        """What `to_dict` gave."""
        return cls(**values)

    @classmethod
    def merged(cls, parts: Iterable[StateChanges]) -> StateChanges:
        """What was seen of all instances of a PE."""
        parts = list(parts)
        made = cls(looks=sum(part.looks for part in parts))
        for part in parts:
            for total, counts in ((made.compared, part.compared), (made.changed, part.changed)):
                for name, count in counts.items():
                    total[name] = total.get(name, 0) + count
        for part in parts:
            for name, reason in part.unseen.items():
                made.note_unseen(name, reason)
        return made


class StateWatch:
    """Compares a PE's own attributes before and after its calls 1, 2, 4, 8, …, as far as the budget goes.

    An attribute whose comparison would take more time than is left is passed over this time; the quick ones come
    first. What one takes is known from the last time, and at first guessed from its size.

    Args:
        pe: the PE.
        clock: tells how long looking takes.
        budget: share of the time since the watch was made that looking may take, `FREE_NS` aside.

    Attributes:
        due: number of the call to look at next, from 1.
        spent_ns: how long looking has taken.
        seen: what was seen.
    """

    __slots__ = ("_before", "_budget", "_clock", "_cost_ns", "_names", "_pe", "_since_ns", "due", "seen", "spent_ns")

    def __init__(self, pe: GenericPE, clock: Clock = monotonic_ns, budget: float = 0.01) -> None:
        self.due = 1
        self.spent_ns = 0
        self.seen = StateChanges()
        self._pe = pe
        self._clock = clock
        self._budget = budget
        self._since_ns = clock()
        self._cost_ns: dict[str, int] = {}
        self._names: frozenset[str] = frozenset()
        self._before: dict[str, bytes] | None = None

    def before_call(self, number: int) -> None:
        """Look before a call, if it is time to; `number` counts the calls, from 1, or those that may be looked at."""
        if number < self.due:
            return
        self.due = 2 * number
        start_ns = self._clock()
        left_ns = FREE_NS + self._budget * (start_ns - self._since_ns) - self.spent_ns
        own = self._own()
        self._names, self._before = frozenset(own), {}
        expected = sorted((self._expected_ns(name, value), name) for name, value in own.items())
        for expected_ns, name in expected[:_MOST_ATTRIBUTES]:
            if 2 * expected_ns > left_ns:  # once before the call, and once after it
                self.seen.note_unseen(
                    name, f"no time was left to compare it, which takes {2 * expected_ns / 1e6:.1f} ms"
                )
            elif (found := self._digest(name, own[name])) is not None:
                self._before[name] = found
                left_ns -= 2 * self._cost_ns.get(name, expected_ns)
        self.spent_ns += self._clock() - start_ns

    def after_call(self) -> None:
        """Look again after a call, if it was looked at before it."""
        if self._before is None:
            return
        start_ns = self._clock()
        own, before, self._before = self._own(), self._before, None
        for name, digest_before in before.items():
            now = self._digest(name, own[name]) if name in own else b""
            if now is not None:
                self.seen.note(name, changed=now != digest_before)
        for name in own.keys() - self._names:
            self.seen.note(name, changed=True)
        self.seen.looks += bool(before)
        self.spent_ns += self._clock() - start_ns

    def _own(self) -> dict[str, Any]:
        return {name: value for name, value in list(vars(self._pe).items()) if name not in SET_BY_RUNTIME}

    def _expected_ns(self, name: str, value: object) -> int:
        """How long the digest of an attribute will take."""
        known = self._cost_ns.get(name)
        if known is not None:
            return known
        try:
            flat = isinstance(value, bytes | bytearray) or hasattr(value, "nbytes")
            return int(payload_bytes(value) * (_FLAT_NS_PER_BYTE if flat else _NESTED_NS_PER_BYTE))
        except Exception:  # noqa: BLE001 - a user's own properties; its digest will say what is wrong
            return 0

    def _digest(self, name: str, value: object) -> bytes | None:
        """The digest of an attribute, or None, with the reason noted."""
        if isinstance(value, _OPAQUE):
            self.seen.note_unseen(name, f"a {type(value).__name__} cannot be looked into")
            return None
        start_ns = self._clock()
        try:
            return digest(value)
        except Exception as error:  # noqa: BLE001 - a user's own __reduce__ and properties
            self.seen.note_unseen(name, f"it cannot be compared: {type(error).__name__}")
            return None
        finally:
            if name in self._cost_ns or len(self._cost_ns) < _MOST_ATTRIBUTES:
                self._cost_ns[name] = self._clock() - start_ns
