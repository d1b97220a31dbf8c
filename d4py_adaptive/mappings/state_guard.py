"""Notices a change of state in replicas whose code was read as stateless."""

from __future__ import annotations

from d4py_adaptive.dataflow.digest import digest
from d4py_adaptive.dataflow.pe import SET_BY_RUNTIME, GenericPE
from d4py_adaptive.errors import WorkflowError


class StateGuard:
    """Compares a PE's own attributes with what they were after `preprocess`.

    Looking costs a digest of the attributes; it is done after the items 1, 2, 4, 8, … and at the end.

    Attributes:
        due: number of the item after which to look next.
    """

    def __init__(self, pe: GenericPE) -> None:
        self._pe = pe
        self._before = self._digests()
        self.due = 1

    def _digests(self) -> dict[str, bytes]:
        return {name: digest(value) for name, value in vars(self._pe).items() if name not in SET_BY_RUNTIME}

    def after_item(self, number: int) -> None:
        """Look, if it is time to.

        Raises:
            WorkflowError: the state has changed.
        """
        if number >= self.due:
            self.due = 2 * number
            self.look()

    def look(self) -> None:
        """Look now.

        Raises:
            WorkflowError: the state has changed; the message names the attributes.
        """
        now = self._digests()
        changed = sorted(name for name in now.keys() | self._before.keys() if now.get(name) != self._before.get(name))
        if changed:
            raise WorkflowError(
                f"{self._pe.id} was replicated because its code keeps nothing between items, but its "
                f"{', '.join('self.' + name for name in changed)} changed; results of replicas cannot be trusted: "
                "set `stateless = False` on the PE, or `stateless = True` if this is only a cache"
            )
