"""Moves a stage replica between workers, between two of its items: its state as bytes, and back.

Nothing in the package moves replicas yet; the toy mapping does, in the middle of every run, to hold this to its
promise: nothing is lost, repeated or overtaken.
"""

from __future__ import annotations

import pickle
from collections import deque
from dataclasses import replace
from typing import Any

from d4py_adaptive.errors import RunError
from d4py_adaptive.mappings.assembly import Assembly
from d4py_adaptive.mappings.channel import Inlet
from d4py_adaptive.mappings.replica import Arrived, Feed, Replica, Run
from d4py_adaptive.mappings.worker import Worker
from d4py_adaptive.telemetry.board import Board
from d4py_adaptive.wire.encoding import Encoded, Wire, dump


def release(worker: Worker, replica: Replica, destination: int) -> bytes:
    """Give up a replica that is between items; what `adopt` needs to go on with it elsewhere.

    Raises:
        RunError: one of its PEs is in the middle of a call.
    """
    if not replica.between_items:
        raise RunError(f"replica {replica.key} is in the middle of a call; move it between two items")
    worker.outbox.flush()
    replica.unwind()
    own = {instance.ref.number: instance for instance in replica.instances.values()}
    state = {
        "key": replica.key,
        "started": replica.started,
        "laps": replica.laps.portable(),
        "pes": {number: instance.pe for number, instance in own.items()},
        "randoms": {number: instance.random for number, instance in own.items()},
        "turns": {number: instance.turns() for number, instance in own.items()},
        "inlets": {channel: _portable(inlet, worker.wire) for channel, inlet in replica.inlets.items()},
        "outlets": [worker.outlets.pop(channel) for channel in list(worker.outlets) if channel[0] in own],
        "inbox": [
            (a.inlet.sender, a.inlet.receiver, a.port, _in_an_inbox(a.item, worker.wire), a.nbytes)
            for a in replica.inbox
        ],
        "feeds": [(feed.instance.ref.pe, feed.is_source, feed.iterations, feed.items) for feed in replica.feeds],
        "moves": worker.dismiss(replica, destination),
    }
    return dump(state)


def adopt(worker: Worker, board: Board, released: bytes) -> None:
    """Go on with a replica that another worker released."""
    state: dict[str, Any] = pickle.loads(released)
    for outlet in state["outlets"]:
        outlet.flat_bytes = 0  # the instance's row has them already
        worker.outlets[outlet.sender, outlet.receiver] = outlet
    replica = Assembly(worker, board).around(state["key"], state["pes"])
    replica.inlets, replica.started = state["inlets"], state["started"]
    replica.laps.resume(state["laps"])
    for pe, is_source, iterations, items in state["feeds"]:
        replica.feeds.append(Feed(replica.instances[pe], is_source, iterations, deque(items)))
    for instance in replica.instances.values():
        instance.random = state["randoms"][instance.ref.number]
        instance.resume(state["turns"][instance.ref.number])
    worker.moves.update(state["moves"])
    worker.host(replica)
    for sender, receiver, port, item, nbytes in state["inbox"]:
        target = replica.instances[worker.job.plan.instances[receiver].pe]
        replica.inbox.append(Arrived(replica.inlets[sender, receiver], target, port, item, nbytes))


def _portable(inlet: Inlet, wire: Wire) -> Inlet:
    early = {
        first: (ports, [_encoded(item, wire) for item in items], together)
        for first, (ports, items, together) in inlet.early.items()
    }
    return replace(inlet, early=early)


def _in_an_inbox(item: Any, wire: Wire) -> Any:
    return item if type(item) is Run else _encoded(item, wire)


def _encoded(item: Any, wire: Wire) -> Encoded:
    encoded = item if isinstance(item, Encoded) else wire.encode(item)
    return encoded.for_one_reader()
