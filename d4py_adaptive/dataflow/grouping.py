"""Who gets an item: the four groupings, as values.

dispel4py's notation on the left, what Storm and timely call it on the right:

    None           Shuffle()       shuffle grouping      any one instance
    [0] or ['id']  GroupBy((0,))   fields grouping       the instance that its keys hash to
    'all'          OneToAll()      all grouping          every instance
    'global'       AllToOne()      global grouping       the first instance
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from d4py_adaptive.dataflow.canonical import stable_hash
from d4py_adaptive.errors import WorkflowError


@dataclass(frozen=True, slots=True)
class Shuffle:
    """Any one instance."""


@dataclass(frozen=True, slots=True)
class OneToAll:
    """Every instance."""


@dataclass(frozen=True, slots=True)
class AllToOne:
    """The first instance."""


@dataclass(frozen=True, slots=True)
class GroupBy:
    """The instance that the item's keys hash to: equal keys meet in one instance."""

    keys: tuple[object, ...]

    def instance(self, item: Any, count: int) -> int:
        """Number of the instance, of `count`, that this item belongs to; a bad key is an error for one instance too.

        Raises:
            WorkflowError: the item has no such key, or the key cannot be hashed.
        """
        try:
            values = tuple([item[key] for key in self.keys])
        except (TypeError, LookupError) as error:
            raise WorkflowError(
                f"grouping by {list(self.keys)!r} needs an item with these keys or positions; "
                f"got {type(item).__name__} ({type(error).__name__}: {error})"
            ) from error
        return stable_hash(values) % count


Grouping = Shuffle | OneToAll | AllToOne | GroupBy


def parse_grouping(value: object, where: str) -> Grouping:
    """The grouping that dispel4py's notation means.

    Raises:
        WorkflowError: it means none; `where` names the input.
    """
    if value is None or value == "shuffle":
        return Shuffle()
    if value == "all":
        return OneToAll()
    if value == "global":
        return AllToOne()
    if isinstance(value, list | tuple) and value:
        return GroupBy(tuple(value))
    raise WorkflowError(
        f"{where}: a grouping is None, 'all', 'global' or a list of keys; got {value!r}"
        + ("; did you mean a list, [" + repr(value) + "]?" if isinstance(value, str | int) else "")
    )
