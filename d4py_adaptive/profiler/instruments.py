"""The full profile's instrument: looks at single calls and items inside workers, and puts together what was found."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from d4py_adaptive.dataflow.pe import GenericPE
from d4py_adaptive.profiler.compressibility import Compressibility
from d4py_adaptive.profiler.cost_law import cost_law
from d4py_adaptive.profiler.heavy_hitters import HeavyHitters
from d4py_adaptive.profiler.longest_spans import LongestSpans
from d4py_adaptive.profiler.reservoir import Reservoir
from d4py_adaptive.profiler.state_watch import StateChanges, StateWatch
from d4py_adaptive.telemetry.profile import CostLaw, HeavyKey, Span
from d4py_adaptive.wire.sizes import payload_bytes

HEAVY_KEYS = 5
"""Keys that a profile names of each stream."""

PE_BUDGET = 0.005
"""Share of the time that comparing a PE's state may take, and that compressing a stream's items may take."""


@dataclass(frozen=True, slots=True)
class FullProfile:
    """Makes a probe for every instance of a run."""

    def probe(self, pe: str, index: int, origin_ns: int) -> InstanceProbe:  # noqa: ARG002 - the protocol
        """The probe of one instance (see `telemetry.instrument.Instrument`)."""
        return InstanceProbe(origin_ns, index)


@dataclass(slots=True)
class _Stream:
    """What one instance wrote to a stream, of what was looked at."""

    items: int = 0
    nbytes: int = 0
    keys: HeavyHitters | None = None
    compressibility: Compressibility = field(default_factory=lambda: Compressibility(budget=PE_BUDGET))

    def add(self, item: Any, keys: tuple[object, ...]) -> None:
        body, buffers = _encoded(item)
        self.items += 1
        self.nbytes += len(body) + sum(buffer.nbytes for buffer in buffers) if body else payload_bytes(item)
        for buffer in buffers:
            self.compressibility.add(buffer)
        if body:
            self.compressibility.add(body)
        if keys:
            self.keys = self.keys or HeavyHitters()
            try:
                self.keys.add(item[keys[0]] if len(keys) == 1 else tuple([item[key] for key in keys]))
            except Exception:  # noqa: BLE001 - a key of the user's may raise anything; routing says what is wrong
                return


def _encoded(item: Any) -> tuple[bytes, list[memoryview]]:
    """The item as a process boundary would see it; nothing if it cannot cross one."""
    buffers: list[pickle.PickleBuffer] = []
    try:
        body = pickle.dumps(item, 5, buffer_callback=buffers.append)
        return body, [buffer.raw() for buffer in buffers]
    except Exception:  # noqa: BLE001 - whatever a user's object does when it is pickled; only its size is lost
        return b"", []


class InstanceProbe:
    """Looks at the calls and items of one instance (see `telemetry.instrument.Probe`).

    Args:
        origin_ns: when the run began; spans count from it.
        seed: of the choice of calls that are kept.
    """

    def __init__(self, origin_ns: int, seed: int) -> None:
        self._origin_ns = origin_ns
        self._sizes = Reservoir(seed)
        self._streams: dict[str, _Stream] = {}
        self._spans = LongestSpans()
        self._state: StateWatch | None = None

    def before(self, pe: GenericPE, call: int) -> None:
        """Look at the PE before its call of this number."""
        if self._state is None:
            self._state = StateWatch(pe, budget=PE_BUDGET)
        self._state.before_call(call)

    def called(self, own_ns: int, item_bytes: int | None) -> None:
        """Look at it after the call."""
        if self._state is not None:
            self._state.after_call()
        if item_bytes is not None:
            self._sizes.add(item_bytes, own_ns)

    def wrote(self, stream: str, item: Any, keys: tuple[object, ...]) -> None:
        """Look at an item that was written."""
        self._streams.setdefault(stream, _Stream()).add(item, keys)

    def span(self, kind: str, start_ns: int, end_ns: int) -> None:
        """Take note of a call or a wait."""
        self._spans.add(start_ns - self._origin_ns, end_ns - self._origin_ns, kind)

    def report(self) -> Mapping[str, Any]:
        """Everything, as plain values."""
        return {
            "sizes": self._sizes.to_dict(),
            "spans": self._spans.spans(),
            "state": self._state.seen.to_dict() if self._state is not None else None,
            "streams": {
                stream: {
                    "items": seen.items,
                    "nbytes": seen.nbytes,
                    "keys": seen.keys.to_dict() if seen.keys is not None else None,
                    "compressibility": seen.compressibility.to_dict(),
                }
                for stream, seen in self._streams.items()
            },
        }


@dataclass(frozen=True, slots=True)
class StreamFindings:
    """What was found of a stream.

    Attributes:
        item_bytes: mean size of its items; None if none was looked at.
        compressibility: compressed over plain size.
        distinct_keys: how many keys there are, about.
        heavy_keys: the most frequent of them.
    """

    item_bytes: float | None
    compressibility: float | None
    distinct_keys: int | None
    heavy_keys: tuple[HeavyKey, ...]


@dataclass(frozen=True, slots=True)
class Findings:
    """What the probes of a PE's instances found together.

    Attributes:
        sizes: sizes of its items, with how long their calls took.
        state: which attributes its calls changed.
        streams: what it wrote to each stream.
    """

    sizes: Reservoir
    state: StateChanges
    streams: Mapping[str, StreamFindings]

    @classmethod
    def merged(cls, reports: Iterable[Mapping[str, Any] | None]) -> Findings | None:
        """What the probes' reports say together; None without any."""
        found = [report for report in reports if report is not None]
        if not found:
            return None
        return cls(
            Reservoir.merged(Reservoir.from_dict(report["sizes"]) for report in found),
            StateChanges.merged(StateChanges.from_dict(r["state"]) for r in found if r["state"] is not None),
            {
                stream: _stream_findings([report["streams"][stream] for report in found if stream in report["streams"]])
                for stream in sorted({stream for report in found for stream in report["streams"]})
            },
        )

    @property
    def item_bytes(self) -> float | None:
        """Mean size of an item that the PE received; None if none was looked at."""
        pairs = self.sizes.pairs
        return sum(size for size, _ in pairs) / len(pairs) if pairs else None

    def cost(self, mean_s: float) -> CostLaw | None:
        """How long calls take by the size of their items; None for a source."""
        return cost_law(self.sizes.pairs, mean_s) if self.sizes.pairs else None


def _stream_findings(parts: list[Mapping[str, Any]]) -> StreamFindings:
    items = sum(part["items"] for part in parts)
    keyed = [HeavyHitters.from_dict(part["keys"]) for part in parts if part["keys"] is not None]
    keys = HeavyHitters.merged(keyed) if keyed else None
    return StreamFindings(
        sum(part["nbytes"] for part in parts) / items if items else None,
        Compressibility.merged(Compressibility.from_dict(part["compressibility"]) for part in parts).ratio(),
        keys.distinct if keys is not None else None,
        tuple(HeavyKey(key=text, share=share) for text, share in keys.heaviest(HEAVY_KEYS)) if keys else (),
    )


def spans_of(report: Mapping[str, Any]) -> tuple[Span, ...]:
    """The spans in a probe's report."""
    return tuple(
        Span(start_s=max(0, start_ns) / 1e9, end_s=max(0, end_ns) / 1e9, kind=kind)
        for start_ns, end_ns, kind in report["spans"]
    )
