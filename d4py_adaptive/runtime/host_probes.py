"""What the host probe times: a call, pickling, the ways to another process, codecs; and which of them are not here."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from itertools import repeat

from d4py_adaptive.clock import Clock
from d4py_adaptive.profiler.host import Codec, Hops, Probes, hops
from d4py_adaptive.runtime.echo import End, echo, together
from d4py_adaptive.runtime.mpi_link import mpi_hops, mpiexec
from d4py_adaptive.wire.encoding import PlainWire

NOT_HERE = "not installed: "
"""How the reason begins where a part of the probe is only not installed; what follows is what to type."""

INSTALL_CODECS = "pip install 'd4py_adaptive[codecs]'"
INSTALL_MPI = "pip install 'd4py_adaptive[mpi]'"
INSTALL_MPIEXEC = "no mpiexec beside this Python nor on the path; load the cluster's MPI module, or pip install mpich"

_SAMPLES = 32_768
_SEED = 20_150_810


@contextmanager
def host_probes() -> Iterator[Probes]:
    """Everything that can be timed on this machine; the process that items are handed to lives as long as the block."""
    missing = parts_not_here()
    with ExitStack() as ends:
        partner = _Partner(ends)
        links: dict[str, Callable[[Clock], Hops]] = {
            "pipe": partial(partner.hops, False),
            "shared_memory": partial(partner.hops, True),
        }
        command = mpiexec()
        if "mpi" not in missing and command is not None:
            links["mpi"] = lambda _: mpi_hops(command)
        codecs = {name: make() for name, (_, make) in _CODECS.items() if name not in missing}
        yield Probes(call_often, pickling, links, codecs, typical_array(), missing)


def parts_not_here() -> dict[str, str]:
    """What a probe of this machine has to leave out because it is not installed, each with what to do about it."""
    missing = {
        name: NOT_HERE + INSTALL_CODECS for name, (package, _) in _CODECS.items() if package and not find_spec(package)
    }
    if not find_spec("mpi4py"):
        missing["mpi"] = NOT_HERE + INSTALL_MPI
    elif mpiexec() is None:
        missing["mpi"] = NOT_HERE + INSTALL_MPIEXEC
    return missing


class _Partner:
    """The process that hands items back, started when the first item goes there."""

    def __init__(self, ends: ExitStack) -> None:
        self._ends = ends
        self._end: End | None = None

    def hops(self, in_shared_memory: bool, clock: Clock) -> Hops:
        """The hops there, by sockets alone or with large items in shared memory."""
        end = self._end = self._end or self._ends.enter_context(echo())
        return hops(
            lambda size, number: end.there_and_back(size, number, in_shared_memory),
            lambda size: together(size, in_shared_memory),
            clock,
        )


def call_often(number: int) -> None:
    """Call a Python function with an item, so many times."""
    for item in repeat(None, number):
        _called(item)


def _called(item: object) -> object:
    return item


def pickling(size: int) -> Callable[[], object]:
    """What pickles and unpickles an item of about so many bytes, as it is sent: a list of numbers, texts and flags."""
    wire, item = PlainWire(), records(size)

    def there_and_back() -> object:
        encoded = wire.encode(item)
        return wire.decode(encoded.body, encoded.buffers)

    return there_and_back


def records(size: int) -> list[tuple[int, float, str, bool]]:
    """Plain Python values that take about so many bytes when pickled, always the same."""
    draw = random.Random(_SEED)
    found: list[tuple[int, float, str, bool]] = []
    encode = PlainWire().encode
    per_record = len(encode([_record(draw, 0)]).body) - len(encode([]).body)
    for number in range(max(1, round(size / per_record))):
        found.append(_record(draw, number))
    return found


def _record(draw: random.Random, number: int) -> tuple[int, float, str, bool]:
    return number, draw.random(), f"ST{draw.randrange(10_000):04d}", draw.random() < 0.5


def typical_array() -> bytes:
    """The bytes of a float64 array as it comes from an instrument: waves and noise, in as many digits as 24 bits hold.

    What has been filtered has noise in all digits, and hardly shrinks.
    """
    import numpy

    time = numpy.linspace(0.0, 40.0, _SAMPLES)
    waves = numpy.sin(time) + 0.3 * numpy.sin(7.3 * time + 1.0)
    noise = numpy.random.default_rng(_SEED).normal(scale=0.02, size=_SAMPLES)
    array: bytes = (waves + noise).astype(numpy.float32).astype(numpy.float64).tobytes()
    return array


def _zlib() -> Codec:
    return Codec(partial(zlib.compress, level=1), zlib.decompress)


def _lz4() -> Codec:
    lz4 = import_module("lz4.block")
    return Codec(lz4.compress, lz4.decompress)


def _zstd(level: int) -> Codec:
    zstandard = import_module("zstandard")
    return Codec(zstandard.ZstdCompressor(level=level).compress, zstandard.ZstdDecompressor().decompress)


_CODECS: dict[str, tuple[str, Callable[[], Codec]]] = {
    "zlib-1": ("", _zlib),
    "lz4": ("lz4", _lz4),
    "zstd-1": ("zstandard", partial(_zstd, 1)),
    "zstd-3": ("zstandard", partial(_zstd, 3)),
}
"""By name: the package it needs, and what makes it."""
