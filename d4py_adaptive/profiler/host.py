"""What a machine can do: times the callables that it is given, and puts the figures together as a `HostProfile`.

What disturbs a measurement only ever makes it longer, so that of several tries the quickest counts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from d4py_adaptive.clock import Clock
from d4py_adaptive.errors import D4pyError
from d4py_adaptive.telemetry.profile import HostProfile

SIZES = (100, 1_000, 10_000, 100_000, 1_000_000)
"""Sizes of items, in bytes, that are tried."""

CALLS = 20_000
_MEMORY_STEP_BYTES = 2**28  # the same machine has a little more or less of it after each start
_REPEATS = 200
_LEAST_REPEATS = 3
_ROUNDS = 3
_WITHIN_NS = 25_000_000


@dataclass(frozen=True)
class Machine:
    """What a machine is, as far as its speed depends on it.

    Attributes:
        name: what it is called; speed does not depend on that, and the nodes of a cluster share a profile.
        processor: model of its processor.
        cores: cores that may be used.
        memory_bytes: memory that may be used.
        system: operating system and its release.
        python: version of Python.
        package: version of this package.
    """

    name: str
    processor: str
    cores: int
    memory_bytes: int
    system: str
    python: str
    package: str

    @property
    def fingerprint(self) -> str:
        """The same for machines of which one may be taken for the other."""
        memory = round(self.memory_bytes / _MEMORY_STEP_BYTES)
        parts = (self.processor, self.cores, memory, self.system, self.python, self.package)
        return hashlib.blake2b(repr(parts).encode(), digest_size=8).hexdigest()


class Hops(NamedTuple):
    """What it takes to hand an item to another process, in seconds, by the item's size in bytes.

    Attributes:
        alone: where the item travels by itself and the other process has to be woken for it.
        together: per item, where as many travel together as pays.
    """

    alone: dict[int, float]
    together: dict[int, float]


class Codec(NamedTuple):
    """The two ways of a codec."""

    encode: Callable[[bytes], bytes]
    decode: Callable[[bytes], bytes]


@dataclass(frozen=True)
class Probes:
    """What is to be timed.

    Attributes:
        call: calls a function as often as it is told.
        pickling: for a size in bytes, what pickles and unpickles one item of plain Python values.
        links: by way, what measures the hops to another process; raises where it cannot.
        codecs: by name.
        sample: what the codecs are tried on.
        missing: what could not even be tried, and why.
    """

    call: Callable[[int], object]
    pickling: Callable[[int], Callable[[], object]]
    links: Mapping[str, Callable[[Clock], Hops]]
    codecs: Mapping[str, Codec]
    sample: bytes
    missing: Mapping[str, str]


def measure(
    function: Callable[[], object], clock: Clock, repeats: int = _REPEATS, within_ns: int = _WITHIN_NS
) -> float:
    """How many seconds the quickest of several calls takes.

    Args:
        function: what is called; the first time to warm up, which is not timed.
        clock: the time.
        repeats: how often at most.
        within_ns: how much time all of them may take together; three are made in any case.
    """
    function()
    took_ns: list[int] = []
    while len(took_ns) < repeats and (len(took_ns) < _LEAST_REPEATS or sum(took_ns) < within_ns):
        start = clock()
        function()
        took_ns.append(clock() - start)
    return min(took_ns) / 1e9


def hops(there_and_back: Callable[[int, int], object], together: Callable[[int], int], clock: Clock) -> Hops:
    """What it takes to hand items to another process, from one that hands them back in the same manner.

    Args:
        there_and_back: for a size and a number, sends so many items together and waits until they are back.
        together: for a size, how many items travel together where there are many.
        clock: the time.
    """
    within_ns = _WITHIN_NS // _ROUNDS
    alone: dict[int, float] = {}
    many: dict[int, float] = {}
    for _ in range(_ROUNDS):  # whoever disturbs one of them may be gone at the next
        for size in SIZES:
            number = together(size)
            alone_s = measure(partial(there_and_back, size, 1), clock, within_ns=within_ns) / 2
            alone[size] = min(alone_s, alone.get(size, alone_s))
            if number > 1:
                many_s = measure(partial(there_and_back, size, number), clock, within_ns=within_ns) / 2 / number
                many[size] = min(many_s, many.get(size, many_s))
    alone = _never_dearer_than_larger(alone)
    return Hops(alone, _never_dearer_than_larger({size: min(s, many.get(size, s)) for size, s in alone.items()}))


def _never_dearer_than_larger(seconds: dict[int, float]) -> dict[int, float]:
    """What each size takes by the best of its own figure and those of larger items: all that adds is disturbance."""
    found: dict[int, float] = {}
    least = float("inf")
    for size in sorted(seconds, reverse=True):
        found[size] = least = min(least, seconds[size])
    return dict(sorted(found.items()))


def probe_host(machine: Machine, probes: Probes, clock: Clock, now_s: float) -> HostProfile:
    """Time everything, one after the other; what fails is named with the reason.

    Args:
        machine: what it is that is measured.
        probes: what is timed.
        clock: the time.
        now_s: seconds since the epoch, for the record.
    """
    missing = dict(probes.missing)
    measured: dict[str, Hops] = {}
    for way, link in probes.links.items():
        try:
            measured[way] = link(clock)
        except (D4pyError, OSError) as error:
            missing[way] = str(error)
    return HostProfile(
        fingerprint=machine.fingerprint,
        name=machine.name,
        processor=machine.processor,
        cores=machine.cores,
        memory_bytes=machine.memory_bytes,
        python=machine.python,
        probed_at_s=now_s,
        call_s=measure(lambda: probes.call(CALLS), clock) / CALLS,
        pickle_s=_never_dearer_than_larger({size: measure(probes.pickling(size), clock) for size in SIZES}),
        hop_s={way: found.alone for way, found in measured.items()},
        batched_hop_s={way: found.together for way, found in measured.items()},
        codecs={name: _codec_figures(codec, probes.sample, clock) for name, codec in probes.codecs.items()},
        missing=missing,
    )


def _codec_figures(codec: Codec, sample: bytes, clock: Clock) -> dict[str, float]:
    encoded = codec.encode(sample)
    return {
        "ratio": len(encoded) / len(sample),
        "encode_bytes_per_s": _rate(len(sample), measure(lambda: codec.encode(sample), clock)),
        "decode_bytes_per_s": _rate(len(sample), measure(lambda: codec.decode(encoded), clock)),
    }


def _rate(nbytes: int, seconds: float) -> float:
    return nbytes / max(seconds, 1e-9)  # a clock that did not move says no more than that it was quick
