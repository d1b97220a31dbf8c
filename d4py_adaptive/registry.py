"""One registry for every family of plug-ins: a name, where its factory lives, loaded when first asked for."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import entry_points
from typing import Generic, TypeVar, cast

from d4py_adaptive.errors import UnknownName

T = TypeVar("T")


class Registry(Generic[T]):
    """Names to objects of one kind, each loaded on first use.

    Built-in names stand in an explicit table (`name -> "module:attribute"`); other packages add theirs
    by the entry-point group.

    Args:
        kind: what the names name, for messages ("mapping").
        builtin: the explicit table.
        group: entry-point group that other packages may use.
    """

    def __init__(self, kind: str, builtin: dict[str, str], group: str) -> None:
        self.kind = kind
        self._builtin = builtin
        self._group = group

    def _table(self) -> dict[str, str]:
        return {point.name: point.value for point in entry_points(group=self._group)} | self._builtin

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._table()))

    def get(self, name: str) -> T:
        """The object registered under `name`.

        Raises:
            UnknownName: nothing is; the message lists what is.
        """
        target = self._builtin.get(name) or self._table().get(name)
        if target is None:
            raise UnknownName(self.kind, name, self)
        module, _, attribute = target.partition(":")
        return cast(T, getattr(import_module(module), attribute))
