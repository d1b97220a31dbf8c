"""What each reader in the same process gets of an item: the original where nobody else holds it, else a copy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from d4py_adaptive.errors import WireError
from d4py_adaptive.mappings.routing import FusedReader, QueuedReader
from d4py_adaptive.wire.copying import private_copy, unshared

if TYPE_CHECKING:
    from d4py_adaptive.mappings.instance import Instance

UNKNOWN = -1
"""It cannot be told how many hold an item."""


def share_out(
    sender: Instance,
    item: Any,
    here: int,
    fused: tuple[FusedReader, ...],
    readers: Sequence[FusedReader | QueuedReader],
    others: int,
) -> list[Any]:
    """An item for each reader here, to be popped: its own, or one that nobody changes while it is read.

    Readers that promise to change and keep nothing come first among the fused ones and share the original.

    Args:
        sender: who wrote it; the time that copies take is counted as its own.
        item: the item, which the caller holds.
        here: how many readers are not fused.
        fused: those that are.
        readers: the readers among which that time is divided.
        others: how many of the caller's own callers hold the item too; `UNKNOWN` if that cannot be told.
    """
    trusted = sum(reader.target.pe.read_only for reader in fused)
    copies = here + len(fused) - trusted
    original = not trusted and others != UNKNOWN and unshared(item, others + 2)
    if original and copies == 1:
        return [item]
    laps = sender.replica.laps
    laps.switch(laps.running)
    if original:
        shares = [item, *(private_copy(item) for _ in range(copies - 1))]
    elif copies == 1 and not trusted:
        shares = [_copy_or_hand_over(item)]
    else:
        own = [private_copy(item) for _ in range(copies)]
        shares = [*own[here:], *[item] * trusted, *own[:here]]
    took_ns = laps.serialised(sender)
    for reader in readers:
        reader.copy_ns += took_ns // len(readers)
    return shares


def _copy_or_hand_over(item: Any) -> Any:
    """A copy for the only reader; what cannot be copied (an open file, a generator) is handed over as it is."""
    try:
        return private_copy(item)
    except WireError:
        return item
