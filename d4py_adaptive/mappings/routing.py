"""Which readers an output port has, and which of them gets an item."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from d4py_adaptive.dataflow.grouping import AllToOne, GroupBy, OneToAll
from d4py_adaptive.dataflow.workflow import Stream
from d4py_adaptive.mappings.channel import Outlet

if TYPE_CHECKING:
    from d4py_adaptive.mappings.instance import Instance


@dataclass(slots=True)
class FusedReader:
    """A reader in the same stage replica: writing to it is calling it; nothing is encoded.

    Attributes:
        keys: the keys that an item must have, so that it would find its instance if there were several.
        stream: id of the stream.
        items: items handed over.
        copy_ns: time spent on copies for readers in the same process.
    """

    target: Instance
    port: str
    row_slot: int
    keys: GroupBy | None = None
    stream: str = ""
    items: int = 0
    copy_ns: int = 0


def shares(number: int, outlets: Sequence[Outlet]) -> list[int]:
    """How many of so many items each outlet gets, so that as many are under way in all, as far as there is room."""
    under_way = sorted(outlet.unread for outlet in outlets)
    alike = len(outlets)
    while alike > 1 and number + sum(under_way[:alike]) < alike * under_way[alike - 1]:
        alike -= 1
    level = -(-(number + sum(under_way[:alike])) // alike)
    given: list[int] = []
    for outlet in outlets:
        share = max(0, min(level - outlet.unread, outlet.limit - outlet.sent, number))
        given.append(share)
        number -= share
    for i, outlet in enumerate(outlets):  # where the level cannot be reached, others take more
        more = max(0, min(outlet.limit - outlet.sent - given[i], number))
        given[i] += more
        number -= more
    given[0] += number
    return given


class QueuedReader:
    """The instances of a reader in another stage, and the rule by which one of them, or all, are chosen.

    Args:
        stream: the stream.
        port: number of the target's input port.
        outlets: the sender's outlets to the target's instances, in order.
        start: where dealing out begins, so that many senders of few items do not all begin at the first.
        counted: whether it shows in the results who gets an item; then items are dealt out strictly in turn.
        row_slot: where the sender's row counts this stream.

    Attributes:
        turn: number of the outlet that is next when items are dealt out.
        items: items sent to the target's instances, a broadcast once for each.
        payload_bytes: their bytes, of those that were encoded by themselves.
        stream: id of the stream.
        copy_ns: time spent on copies for readers in the same process.
    """

    def __init__(
        self, stream: Stream, port: int, outlets: Sequence[Outlet], start: int, counted: bool, row_slot: int
    ) -> None:
        self.port = port
        self.outlets = outlets
        self.row_slot = row_slot
        self.items = 0
        self.payload_bytes = 0
        self.stream = stream.id
        self.copy_ns = 0
        self._grouping = stream.grouping
        self.turn = start % len(outlets)
        self._counted = counted

    @property
    def is_single(self) -> bool:
        """Whether every item goes to one and the same instance, whatever it is."""
        return len(self.outlets) == 1 and not isinstance(self._grouping, GroupBy)

    @property
    def keys(self) -> GroupBy | None:
        """The keys that say which instance gets an item; None where none do."""
        return self._grouping if isinstance(self._grouping, GroupBy) else None

    @property
    def is_keyed(self) -> bool:
        """Whether an item's keys say which instance gets it."""
        return isinstance(self._grouping, GroupBy)

    def addressed(self, item: Any) -> tuple[int, Any]:
        """A keyed item with the number of its outlet, as `deal` takes it.

        Raises:
            WorkflowError: the item has no such key, or one that cannot be hashed.
        """
        assert isinstance(self._grouping, GroupBy)
        return self._grouping.instance(item, len(self.outlets)), item

    @property
    def room(self) -> int:
        """How many items could be dealt out now without waiting."""
        rooms = [outlet.limit - outlet.sent for outlet in self._dealt_to]
        if self.is_keyed:
            return min(rooms)
        return min(rooms) * len(rooms) if self._counted else sum(rooms)

    @property
    def _dealt_to(self) -> Sequence[Outlet]:
        return self.outlets[:1] if isinstance(self._grouping, AllToOne) else self.outlets

    def deal(self, items: list[Any]) -> list[tuple[Outlet, list[Any]]]:
        """Deal out many items, `addressed` if they are keyed, as if one after the other."""
        outlets, turn, number = self._dealt_to, self.turn, len(items)
        if self.is_keyed:
            keyed: list[list[Any]] = [[] for _ in outlets]
            for place, item in items:
                keyed[place].append(item)
            return list(zip(outlets, keyed, strict=True))
        if len(outlets) == 1:
            return [(outlets[0], items)]
        self.turn = (turn + number) % len(outlets)
        if self._counted:
            return [(outlets[(turn + i) % len(outlets)], items[i :: len(outlets)]) for i in range(len(outlets))]
        in_turn = [*outlets[turn:], *outlets[:turn]]
        dealt, start = [], 0
        for outlet, share in zip(in_turn, shares(number, in_turn), strict=True):
            dealt.append((outlet, items[start : start + share]))
            start += share
        return dealt

    @property
    def is_broadcast(self) -> bool:
        """Whether every instance gets every item."""
        return isinstance(self._grouping, OneToAll)

    @property
    def flat_bytes(self) -> int:
        """Bytes of the small values that were sent together."""
        return sum(outlet.flat_bytes for outlet in self.outlets)

    def choose(self, item: Any) -> Iterator[Outlet]:
        """Yield the outlets that get the item; one may have no room yet.

        Raises:
            WorkflowError: the item has no such key, or one that cannot be hashed.
        """
        outlets = self.outlets
        if isinstance(self._grouping, OneToAll):
            yield from outlets
        elif isinstance(self._grouping, GroupBy):
            yield outlets[self._grouping.instance(item, len(outlets))]
        elif len(outlets) == 1 or isinstance(self._grouping, AllToOne):
            yield outlets[0]
        else:
            yield self._deal()

    def _deal(self) -> Outlet:
        """The next outlet in turn; where nobody can tell, the one with the least under way, ties in turn."""
        outlets, turn = self.outlets, self.turn
        self.turn = (turn + 1) % len(outlets)
        if self._counted:
            return outlets[turn]
        least = outlets[turn]
        for i in range(1, len(outlets)):
            other = outlets[(turn + i) % len(outlets)]
            if other.unread < least.unread:
                least = other
        return least
