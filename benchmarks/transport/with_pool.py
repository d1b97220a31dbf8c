"""The chain as `multiprocessing.Pool.imap` can express it: a pool of one process for each relay.

Source and sink stay in the launching process, since a pool's input and output pass through it, and every item goes
back there between two relays. Small items travel in chunks.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator

import numpy
from tally import Tally

CHUNK = 256


def add_one(data):
    return data + 1


def add_one_in_place(data):
    data += 1
    return data


def pass_on(data):
    return data


def arrays(spec: dict) -> Iterator[numpy.ndarray]:
    for number in range(1, spec["items"] + 1):
        yield numpy.full(spec["elements"], float(number))


def run(spec: dict) -> None:
    """Run the chain to its end; it reports like a workflow."""
    tally = Tally()
    if spec["flow"] == "numbers":
        tally.begin(spec["folder"], "q")
        source, relays, chunk, take = range(1, spec["items"] + 1), [add_one] * 2, CHUNK, tally.take_number
    else:
        tally.begin(spec["folder"], "d")
        relays = [add_one_in_place if spec["add"] else pass_on] * spec["relays"]
        source, chunk, take = arrays(spec), 1, tally.take_whole_array if spec.get("whole") else tally.take_array
    pools = [multiprocessing.Pool(1) for _ in relays]
    stream = source
    for pool, relay in zip(pools, relays, strict=True):
        stream = pool.imap(relay, stream, chunk)
    add = spec.get("add", 0)
    for item in stream:
        if add:
            item += add
        take(item)
    tally.end()
    for pool in pools:
        pool.close()
        pool.join()
