"""Items inside one process: which may be shared, private copies of the rest, and when to spare the copy.

An item's value is fixed when it is written, and its readers may change what they receive.
"""

from __future__ import annotations

import copy
import copyreg
import io
import pickle
import sys
import weakref
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from functools import lru_cache
from pathlib import PosixPath, PurePosixPath, PureWindowsPath, WindowsPath
from types import BuiltinFunctionType, CodeType, FunctionType, MemberDescriptorType, ModuleType, NoneType
from typing import Any
from uuid import UUID

from d4py_adaptive.errors import WireError

_NODES, _DEPTH = 64, 4
"""How far to look into an item before taking it for one that can neither be shared nor be spared its copy."""

_ATOMIC: frozenset[type] = frozenset({
    NoneType, bool, int, float, complex, str, bytes, range, type, type(...), FunctionType,
    date, datetime, time, timedelta, timezone, Decimal, Fraction, UUID,
    PosixPath, PurePosixPath, PureWindowsPath, WindowsPath,
})  # fmt: skip

_COPY_ERRORS = (
    ArithmeticError, AssertionError, AttributeError, BufferError, ImportError, LookupError, OSError,
    pickle.PickleError, ReferenceError, RuntimeError, TypeError, ValueError,
)  # fmt: skip


def is_atomic(item: object) -> bool:
    """Whether sharing the item is harmless, since neither it nor a member of it can be changed.

    True for numbers, text, bytes, dates, paths, enum members, functions, classes and numpy scalars, and for
    tuples and frozensets of these; False for whatever is not known to be so.
    """
    return type(item) in _ATOMIC or _is_frozen(item, _DEPTH)


def _is_frozen(item: Any, depth: int) -> bool:
    kind = type(item)
    if kind is tuple or kind is frozenset or (kind.__base__ is tuple and not hasattr(item, "__dict__")):
        if _ATOMIC.issuperset(map(type, item)):
            return True
        return depth > 0 and len(item) <= _NODES and all(_is_frozen(m, depth - 1) for m in item)
    if kind in _ATOMIC or issubclass(kind, type | Enum):
        return True
    if kind is BuiltinFunctionType:  # a list's `append` is one too, and holds the list
        return item.__self__ is None or type(item.__self__) is ModuleType
    numpy = sys.modules.get("numpy")
    # a void scalar is a window into its array
    return numpy is not None and issubclass(kind, numpy.generic) and not issubclass(kind, numpy.void)


def _all_atomic(members: Iterable[object]) -> bool:
    return _ATOMIC.issuperset(map(type, members)) or all(map(is_atomic, members))


def private_copy(item: object) -> Any:
    """A deep copy that shares nothing changeable with the item; its arrays are writable.

    What travels by pickle is copied as if it travelled, what does not as `copy.deepcopy` copies it.

    Raises:
        WireError: neither way can copy it.
    """
    if is_atomic(item):
        return item
    if _is_plain(item, set(), _DEPTH):
        return _copy_plain(item)
    try:
        return _through_pickle(item)
    except _COPY_ERRORS:
        pass
    try:
        return copy.deepcopy(item)
    except _COPY_ERRORS as error:
        raise WireError(
            f"an item with several readers must be one that can be copied; got a {type(item).__qualname__}, "
            f"and copying it failed with {type(error).__name__}: {error}; write plain data (numbers, text, "
            "arrays, lists, dicts), give its class a __deepcopy__, or set read_only = True on its readers"
        ) from error


def _is_plain(item: Any, seen: set[int], depth: int) -> bool:
    """Whether the item is a small tree of lists, tuples, dicts, arrays and atoms, nothing in it twice."""
    kind = type(item)
    if kind in _ATOMIC:
        return True
    numpy = sys.modules.get("numpy")
    if kind is list or kind is tuple or kind is dict:
        members = item.values() if kind is dict else item
    elif numpy is not None and kind is numpy.ndarray:
        members = ()
    else:
        return _is_frozen(item, depth)
    if id(item) in seen:  # it must be one object in the copy too, which pickle sees to
        return False
    seen.add(id(item))
    if kind is dict and not _all_atomic(item):
        return False
    if _ATOMIC.issuperset(map(type, members)):
        return kind in (list, tuple, dict) or not item.dtype.hasobject
    return depth > 0 and len(item) <= _NODES and all(_is_plain(m, seen, depth - 1) for m in members)


def _copy_plain(item: Any) -> Any:
    kind = type(item)
    if kind is list or kind is tuple:
        return kind(item if _ATOMIC.issuperset(map(type, item)) else map(_copy_plain, item))
    if kind is dict:
        return {key: _copy_plain(member) for key, member in item.items()}
    return item if is_atomic(item) else item.copy(order="K")


def _through_pickle(item: object) -> Any:
    buffers: list[pickle.PickleBuffer] = []
    pickled = pickle.dumps(item, 5, buffer_callback=buffers.append)
    if any(buffer.raw().readonly for buffer in buffers):
        buffers = []
        pickled = pickled_as_writable(item, buffers.append)
    return pickle.loads(pickled, buffers=[bytearray(buffer.raw()) for buffer in buffers])


def pickled_as_writable(item: object, buffer_callback: Any) -> bytes:
    """As `pickle.dumps`, but an array that cannot be written to arrives as one that can."""
    stream = io.BytesIO()
    pickler = pickle.Pickler(stream, 5, buffer_callback=buffer_callback)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        pickler.dispatch_table = copyreg.dispatch_table | {numpy.ndarray: _reduce_as_writable}
    pickler.dump(item)
    return stream.getvalue()


def _reduce_as_writable(array: Any) -> Any:
    return (array if array.flags.writeable else array.copy(order="K")).__reduce_ex__(5)


def unshared(item: object, own_references: int) -> bool:
    """Whether only the caller holds the item and all that can be changed inside it, so that it needs no copy.

    Reference counts decide, and the answer is False wherever they leave a doubt. `own_references` is what
    `sys.getrefcount(item) - 1` gives in the calling function for an item that nobody else holds: one for each
    parameter or local variable that holds it, in the calling function and in each of its callers on the
    runtime's side, and one for each container of the runtime that does. For a `write(port, item)` that is
    called by `GenericPE._write(name, data)`, called by `GenericPE.write(name, data)`, it is 3.

    A number that is too high takes a shared item for one's own: let `called_through` make sure that the calls
    were those that were counted. What stands in a container of the user's (the dict that `process` returned)
    is as shared as that container: ask about the container.
    """
    if is_atomic(item):
        return True
    if not _COUNTS_TELL or sys.getrefcount(item) != own_references + _HERE:
        return False
    return _is_alone(item, [_NODES], _DEPTH)


def called_through(*codes: CodeType) -> bool:
    """Whether the calling function was called by the functions with these codes, the nearest first."""
    frame = sys._getframe(1).f_back
    for code in codes:
        if frame is None or frame.f_code is not code:
            return False
        frame = frame.f_back
    return True


def _is_alone(item: Any, budget: list[int], depth: int) -> bool:
    """Whether only the item holds what is changeable in it; who holds the item was looked at before."""
    budget[0] -= 1
    if budget[0] < 0 or weakref.getweakrefcount(item):
        return False
    kind = type(item)
    if kind in (list, tuple, set, frozenset):
        return _are_alone(item, budget, depth)
    if kind is dict:
        return _all_atomic(item) and _are_alone(item.values(), budget, depth)
    if kind is bytearray:
        return True
    numpy = sys.modules.get("numpy")
    if numpy is not None and kind is numpy.ndarray:
        return item.dtype.kind in "biufcmMSU" and bool(item.flags.writeable) and _is_memory_alone(item)
    return _is_object_alone(item, budget, depth)


def _is_memory_alone(array: Any) -> bool:
    """Whether an array that only the caller holds is all that can be seen of its memory.

    It is if the array owns it. It is too if the array came from another process and nobody has another view of it:
    pickle makes an array on a memoryview of what arrived, and the one that the PE gets is a view of that array. (Who
    takes a view of that memoryview, `array.base.base`, is not seen.)
    """
    made = array.base
    if made is None:
        return bool(array.flags.owndata)
    if type(made) is not type(array) or sys.getrefcount(made) != _IN_SLOT or weakref.getweakrefcount(made):
        return False
    view = made.base
    if type(view) is not memoryview or sys.getrefcount(view) != _IN_SLOT or weakref.getweakrefcount(view):
        return False
    memory = view.obj
    return sys.getrefcount(memory) == _IN_SLOT and not view.readonly


def _are_alone(members: Any, budget: list[int], depth: int) -> bool:
    if _ATOMIC.issuperset(map(type, members)):
        return True
    if len(members) > _NODES:
        return False
    for member in members:
        if is_atomic(member):
            continue
        if depth == 0 or sys.getrefcount(member) != _IN_LOOP or not _is_alone(member, budget, depth - 1):
            return False
    return True


def _is_object_alone(item: object, budget: list[int], depth: int) -> bool:
    """The same for an object whose whole state is in its `__dict__` and its slots."""
    kind: Any = type(item)
    slots = _slots(kind)
    if slots is None:
        return False
    if kind.__dictoffset__:
        own = object.__getattribute__(item, "__dict__")
        if type(own) is not dict or sys.getrefcount(own) != _OWN_DICT or not _all_atomic(own):
            return False
        if not _are_alone(own.values(), budget, depth):
            return False
    return all(_is_slot_alone(slot, item, budget, depth) for slot in slots)


def _is_slot_alone(slot: MemberDescriptorType, item: object, budget: list[int], depth: int) -> bool:
    try:
        member = slot.__get__(item)
    except AttributeError:  # not set
        return True
    if is_atomic(member):
        return True
    return depth > 0 and sys.getrefcount(member) == _IN_SLOT and _is_alone(member, budget, depth - 1)


@lru_cache(maxsize=512)
def _slots(kind: type) -> tuple[MemberDescriptorType, ...] | None:
    """The slots of a class written in Python; None if its objects may hold more than slots and a dict."""
    classes = kind.__mro__[:-1]
    slots = tuple([value for c in classes for value in vars(c).values() if type(value) is MemberDescriptorType])
    pointers = len(slots) + (kind.__weakrefoffset__ > 0) + (kind.__dictoffset__ > 0)
    if kind.__itemsize__ or kind.__basicsize__ != object.__basicsize__ + pointers * tuple.__itemsize__:
        return None
    return slots if all(c.__flags__ & _HEAP_TYPE for c in classes) else None


_HEAP_TYPE = 1 << 9

# Counts differ between versions of Python, and from 3.14 on what only the stack holds may go uncounted: each
# count is taken here once, in the very shape in which it is used above.


class _Chain:
    """A call through as many methods as a write goes through."""

    def outer(self, item: object, **_: object) -> int:
        return self.middle(item)

    def middle(self, item: object) -> int:
        return self.inner(item)

    def inner(self, item: object) -> int:
        return _count_here(item)


class _Slotted:
    __slots__ = ("__dict__", "member")

    def __init__(self, member: object = None) -> None:
        self.member = member


_MEMBER: Any = vars(_Slotted)["member"]


def _count_here(item: object) -> int:
    return sys.getrefcount(item)


def _count_in_loop(members: Iterable[object]) -> int:
    for member in members:
        return sys.getrefcount(member)
    return 0


def _count_in_slot(slot: MemberDescriptorType, item: object) -> int:
    member = slot.__get__(item)
    return sys.getrefcount(member)


def _count_own_dict(item: object) -> int:
    own = object.__getattribute__(item, "__dict__")
    return sys.getrefcount(own)


_HERE = _count_here([])
_IN_LOOP = _count_in_loop([[]])
_IN_SLOT = _count_in_slot(_MEMBER, _Slotted([]))
_OWN_DICT = _count_own_dict(_Slotted())


def _counts_tell() -> bool:
    """Whether what somebody else holds too counts exactly one more, in each of the shapes."""
    if not getattr(sys, "_is_gil_enabled", lambda: True)():  # the counts of free threads are estimates
        return False
    chain, held, holder = _Chain(), [0], _Slotted()
    own = holder.__dict__
    for _ in range(50):  # until the interpreter has specialised the calls
        told = (
            chain.outer([0]) == _HERE + 3 and chain.outer(held) == _HERE + 4
            and _count_in_loop([[0]]) == _IN_LOOP == _count_in_loop({0: [0]}.values())
            and _count_in_loop([held]) == _IN_LOOP + 1 == _count_in_loop({0: held}.values())
            and _count_in_slot(_MEMBER, _Slotted([0])) == _IN_SLOT
            and _count_in_slot(_MEMBER, _Slotted(held)) == _IN_SLOT + 1
            and _count_own_dict(holder) == _OWN_DICT + 1
        )  # fmt: skip
        if not told or own is None:
            return False
    return True


_COUNTS_TELL = _counts_tell()


def _references_of_an_argument() -> int:
    def count(argument: dict[str, object]) -> int:
        return sys.getrefcount(argument)

    alone: dict[str, object] = {}
    return count(alone)


SHARED_WITH_CALLER = _references_of_an_argument()
"""What `sys.getrefcount` says, in a function that it was passed to, of a thing that only the caller's local holds."""
