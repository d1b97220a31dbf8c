"""The reference: arrays handed from process to process through shared memory, one copy a hop, and nothing else.

python benchmarks/transport/handover.py [--processes 4] [--items 2000] [--mib 1] [--add] [--slots 8]

Each sender has a slab without a name (`memfd_create`), made of slots. To send is to copy an array into a free slot and
to say its number on a sequenced-packet socket; to receive is to read a number, and to give it back when the array in
that slot is done with. No graph, no accounts, no pickling, no failures: what a runtime that copies once can reach.
"""

from __future__ import annotations

import argparse
import mmap
import os
import socket
import tempfile
from collections import deque
from collections.abc import Iterator
from time import monotonic_ns

import numpy
from tally import Tally, report, reports


class Sender:
    """The sending end of a hop, with its slab."""

    def __init__(self, link: socket.socket, slots: int, elements: int) -> None:
        slab = os.memfd_create("handover")
        os.ftruncate(slab, slots * elements * 8)
        self.slots = numpy.frombuffer(mmap.mmap(slab, 0), numpy.float64).reshape(slots, elements)
        self.slots[:] = 0  # so that the first items do not pay for the pages
        self.link = link
        self.free = deque(range(slots))
        socket.send_fds(link, [b"slab"], [slab])

    def send(self, array: numpy.ndarray) -> None:
        slot = self.free.popleft() if self.free else self.link.recv(1)[0]
        self.slots[slot] = array
        self.link.send(bytes((slot,)))

    def finish(self) -> None:
        """Wait until every array was taken, and say that there are no more."""
        while len(self.free) < len(self.slots):
            self.free.append(self.link.recv(1)[0])
        self.link.close()


def received(link: socket.socket, elements: int) -> Iterator[numpy.ndarray]:
    """The arrays that arrive, each valid until the next is asked for."""
    _, (slab,), *_ = socket.recv_fds(link, 4, 1)
    slots = numpy.frombuffer(mmap.mmap(slab, 0), numpy.float64).reshape(-1, elements)
    while number := link.recv(1):
        yield slots[number[0]]
        link.send(number)


def be_source(out: Sender, spec: dict) -> None:
    first_ns = monotonic_ns()
    for number in range(1, spec["items"] + 1):
        out.send(numpy.full(spec["elements"], float(number)))
    out.finish()
    report(spec["folder"], role="source", first_ns=first_ns)


def be_relay(link: socket.socket, out: Sender, spec: dict) -> None:
    for array in received(link, spec["elements"]):
        if spec["add"]:
            array += 1
        out.send(array)
    out.finish()


def be_sink(link: socket.socket, spec: dict) -> None:
    tally = Tally()
    tally.begin(spec["folder"], "d")
    take = tally.take_whole_array if spec.get("whole") else tally.take_array
    for array in received(link, spec["elements"]):
        if spec["add"]:
            array += 1
        take(array)
    tally.end()


def run(spec: dict) -> None:
    """Run a chain of `spec["relays"]` + 2 processes to its end; it reports like a workflow."""
    hops = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(spec["relays"] + 1)]
    children = []
    for place in range(len(hops) + 1):
        child = os.fork()
        if child:
            children.append(child)
            continue
        link = hops[place - 1][1] if place else None
        out = hops[place][0] if place < len(hops) else None
        for end in (end for hop in hops for end in hop if end not in (link, out)):
            end.close()
        sender = Sender(out, spec.get("slots", 8), spec["elements"]) if out else None
        if link is None:
            be_source(sender, spec)
        elif sender is None:
            be_sink(link, spec)
        else:
            be_relay(link, sender, spec)
        os._exit(0)
    for end in (end for hop in hops for end in hop):
        end.close()
    for child in children:
        if os.waitpid(child, 0)[1]:
            raise SystemExit("a process of the hand-over failed; see above")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--items", type=int, default=2000)
    parser.add_argument("--mib", type=float, default=1)
    parser.add_argument("--add", action="store_true", help="each process adds 1 to the array")
    parser.add_argument("--slots", type=int, default=8, help="arrays under way on each hop at most")
    options = parser.parse_args()
    elements = int(options.mib * 2**17)
    spec = {"items": options.items, "relays": options.processes - 2, "add": int(options.add), "slots": options.slots}
    with tempfile.TemporaryDirectory() as folder:
        run({**spec, "elements": elements, "folder": folder})
        (sink,) = [found for found in reports(folder) if found["role"] == "sink"]
    rate = (options.items - 1) / (sink["last_ns"] - sink["first_ns"]) * 1e9
    print(f"{rate:,.0f} items/s, {1e6 / rate:.1f} µs per item, {rate * options.mib:,.0f} MiB/s through each hop")


if __name__ == "__main__":
    main()
