"""What a value is, in sixteen bytes: to compare the results of two runs, and to notice a change of state."""

from __future__ import annotations

import copyreg
import itertools
import pickle
import struct
import sys
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from enum import Enum, Flag
from fractions import Fraction
from hashlib import blake2b
from types import CodeType, FunctionType, ModuleType, NoneType
from typing import Any, cast

from d4py_adaptive.errors import WireError

_Visit = Generator[tuple[object, bool], bytes, bytes]
"""Yields each member that is no leaf, and whether it stands in no order; is sent its token; returns bytes."""

_LARGE = 1024
_REWALKS = 1_000_000
_UNREDUCIBLE = (
    ArithmeticError, AttributeError, ImportError, LookupError, OSError, pickle.PickleError, ReferenceError,
    RuntimeError, TypeError, ValueError,
)  # fmt: skip
_PLAIN_MAKERS = ("__newobj__", "__newobj_ex__", "_reconstructor")


def digest(value: object) -> bytes:
    """The 16 bytes that tell a value from another, to compare two runs or to notice a change of state.

    Types count (1, 1.0 and True differ, a list is no tuple), floats count by their bits; the order of a dict
    or a set does not, nor whether two equal members are one object. What cannot be looked into (an open file,
    a lock, a generator) counts by its class alone. Nesting may be of any depth, and may be circular.

    Raises:
        WireError: sets of objects that refer to each other in too many ways.
    """
    return _Walk().digest(value)


@dataclass(slots=True)
class _Open:
    """A value whose members are being visited.

    Attributes:
        node: the value.
        visit: what yields its members.
        alone: its neighbours have no order, so that it must not refer to them.
        floor: how many unfinished values there were before it.
        opened: how many values had been opened before it.
        low: least depth of the values on the way to it that it refers back to.
        nearest: least number of the unfinished values that it refers to.
    """

    node: object
    visit: _Visit
    alone: bool
    floor: int
    opened: int
    low: int
    nearest: int


class _Walk:
    """One digest: a walk without recursion, whose tokens of finished values are used again.

    A value in a cycle refers back to one on the way to it by their distance. Its token holds for this way
    only, so that it is unfinished until the whole cycle is; a second reference to it counts back among those.
    """

    def __init__(self) -> None:
        self._done: dict[int, bytes] = {}
        self._way: dict[int, int] = {}
        self._unfinished: dict[int, int] = {}
        self._kept: list[object] = []  # an id is good as long as its object lives
        self._opened = 0
        self._walked_again = 0

    def digest(self, value: object) -> bytes:
        token = _leaf(value)
        if token is not None:
            return blake2b(token, digest_size=16).digest()
        stack = [self._open(value, alone=True)]
        answer: bytes | None = None
        while stack:
            top = stack[-1]
            try:
                member, alone = next(top.visit) if answer is None else top.visit.send(answer)
            except StopIteration as end:
                answer = b"#" + blake2b(end.value, digest_size=16).digest()
                self._close(stack, answer)
            else:
                answer = self._known(member, top)
                if answer is None:
                    stack.append(self._open(member, alone))
        return cast(bytes, answer)[1:]

    def _open(self, value: object, alone: bool) -> _Open:
        self._way[id(value)] = len(self._way)
        self._kept.append(value)
        self._opened += 1
        return _Open(value, self._visit(value), alone, len(self._unfinished), self._opened, sys.maxsize, sys.maxsize)

    def _known(self, value: object, by: _Open) -> bytes | None:
        key = id(value)
        if key in self._done:
            return self._done[key]
        if key in self._way:
            by.low = min(by.low, self._way[key])
            return b"^" + (len(self._way) - self._way[key]).to_bytes(8, "big")
        if key in self._unfinished:
            by.nearest = min(by.nearest, self._unfinished[key])
            return b"<" + (len(self._unfinished) - self._unfinished[key]).to_bytes(8, "big")
        return None

    def _close(self, stack: list[_Open], token: bytes) -> None:
        top = stack.pop()
        depth = self._way.pop(id(top.node))
        whole = top.low >= depth and top.nearest >= top.floor
        if whole or top.alone:
            while len(self._unfinished) > top.floor:
                self._unfinished.popitem()
        if whole:
            self._done[id(top.node)] = token
            return
        stack[-1].low = min(stack[-1].low, top.low)
        stack[-1].nearest = min(stack[-1].nearest, top.nearest)
        if not top.alone:
            self._unfinished[id(top.node)] = len(self._unfinished)
            return
        self._walked_again += self._opened - top.opened
        if self._walked_again > _REWALKS:
            raise WireError(
                "a value must not hold sets of many objects that refer to each other in circles, since those "
                f"have no order; got a {type(top.node).__qualname__} in one; use a list or a dict instead"
            )

    def _visit(self, value: Any) -> _Visit:
        kind = type(value)
        if kind is list or kind is tuple:
            return _visit_sequence(value)
        if kind is dict:
            return _visit_mapping(b"m", value.items())
        if issubclass(kind, set | frozenset):
            return _visit_set(value)
        if kind is FunctionType:
            return _visit_function(value)
        numpy = sys.modules.get("numpy")
        if numpy is not None and issubclass(kind, numpy.ndarray | numpy.generic):
            return _visit_array(value, numpy)
        return self._visit_object(value)

    def _visit_object(self, value: Any) -> _Visit:
        kind = type(value)
        head = b"o" + _text(kind.__qualname__)
        try:
            reduced = _reduced(value, kind)
        except _UNREDUCIBLE:
            return b"?" + head
        if isinstance(reduced, str):
            return head + _text(reduced)
        self._kept.append(reduced)
        maker, arguments, state, items, pairs = (*reduced, None, None, None)[:5]
        state = {} if state is None else state  # exceptions have either, depending on who has looked at them
        if getattr(maker, "__name__", "") in _PLAIN_MAKERS:
            maker, arguments = None, arguments[1:]
        ordered = [maker, *arguments, items and list(items)]
        inner = yield from _visit_sequence(ordered)
        inner += yield from _visit_mapping(b"a", state.items()) if type(state) is dict else _visit_sequence([state])
        if kind is OrderedDict:
            return head + inner + (yield from _visit_sequence([part for pair in pairs for part in pair]))
        return head + inner + (yield from _visit_mapping(b"m", pairs or ()))


def _reduced(value: Any, kind: type) -> Any:
    if kind.__module__ == "itertools":  # pickling these warns, and is gone from Python 3.14
        if kind in (itertools.count, itertools.repeat):
            return repr(value)
        raise TypeError
    if kind is CodeType:
        return (kind, (value.co_code, value.co_consts, value.co_names))
    reducer = copyreg.dispatch_table.get(kind)
    return reducer(value) if reducer is not None else value.__reduce_ex__(4)


def _visit_sequence(value: list[object] | tuple[object, ...]) -> _Visit:
    tag = b"l" if type(value) is list else b"t"
    members = list(value)
    if len(members) > 8 and set(map(type, members)) == {float}:
        return tag + struct.pack(f"<cq{len(members)}d", b"f", len(members), *members)
    parts = [tag, len(members).to_bytes(8, "big")]
    for member in members:
        parts.append(_leaf(member) or (yield member, False))
    return b"".join(parts)


def _visit_mapping(tag: bytes, items: Iterable[tuple[object, object]]) -> _Visit:
    pairs = []
    for key, value in list(items):
        pairs.append((_leaf(key) or (yield key, True), value))
    pairs.sort(key=lambda pair: pair[0])
    parts = [tag, len(pairs).to_bytes(8, "big")]
    for name, value in pairs:
        parts.append(name)
        parts.append(_leaf(value) or (yield value, False))
    return b"".join(parts)


def _visit_set(value: Any) -> _Visit:
    parts = []
    for member in list(value):
        parts.append(_leaf(member) or (yield member, True))
    parts.sort()
    own = yield from _visit_mapping(b"a", getattr(value, "__dict__", {}).items())
    return b"".join([b"S", _text(type(value).__qualname__), len(parts).to_bytes(8, "big"), *parts, own])


def _visit_function(value: FunctionType) -> _Visit:
    """A function by its name, and by what a name does not tell: the code and the cells of an inner one."""
    extras: list[object] = [value.__defaults__, value.__kwdefaults__, value.__dict__ or None]
    if "<" in value.__qualname__:
        extras.append(value.__code__)
        for cell in value.__closure__ or ():
            try:
                extras.append(cell.cell_contents)
            except ValueError:  # an empty cell: a name not bound yet
                extras.append(...)
    head = b"f" + _text(f"{value.__module__}.{value.__qualname__}")
    return head + (yield from _visit_sequence(extras))


def _visit_array(value: Any, numpy: Any) -> _Visit:
    """An array by dtype, shape and bytes in C order, or by its members where the bytes are not the value."""
    array, kind = numpy.asarray(value), type(value)
    plain = kind in (numpy.ndarray, numpy.memmap)
    # several scalar classes share a dtype, and pickle brings back the first
    name = "ndarray" if plain else "generic" if issubclass(kind, numpy.generic) else kind.__qualname__
    head = b"A" + _text(name) + _text(f"{array.dtype.str} {array.dtype.name} {array.shape}")
    masked = sys.modules.get("numpy.ma")
    if masked is not None and issubclass(kind, masked.MaskedArray):
        return head + (yield numpy.asarray(value.data), False) + (yield masked.getmaskarray(value), False)
    if not plain:
        head += yield from _visit_mapping(b"a", getattr(value, "__dict__", {}).items())
    if array.dtype.names:
        for name in array.dtype.names:
            head += _text(name) + (yield array[name], False)
        return head
    if array.dtype.hasobject or array.dtype.kind == "T":
        return head + (yield array.ravel().tolist(), False)
    if array.dtype.char in "gG":
        return head + (yield _halves(array, numpy), False)
    return head + _array_bytes(array, numpy)


def _array_bytes(array: Any, numpy: Any) -> bytes:
    if array.nbytes == 0:
        return b""
    return blake2b(numpy.ascontiguousarray(array).reshape(-1).view(numpy.uint8), digest_size=16).digest()


def _halves(array: Any, numpy: Any) -> list[object]:
    """A long double as doubles that add up to it: its own bytes hold padding, which is anything."""
    narrow, parts = numpy.float64 if array.dtype.char == "g" else numpy.complex128, []
    with numpy.errstate(all="ignore"):
        for _ in range(3):
            parts.append(array.astype(narrow))
            array = array - parts[-1]
    return parts


def _text(value: str) -> bytes:
    return _bulk(b"s", str.encode(value, "utf-8", "surrogatepass"))


def _bulk(tag: bytes, payload: bytes) -> bytes:
    if len(payload) > _LARGE:
        return tag.upper() + len(payload).to_bytes(8, "big") + blake2b(payload, digest_size=16).digest()
    return tag + len(payload).to_bytes(8, "big") + payload


_LEAVES: dict[type, Callable[[Any], bytes]] = {
    NoneType: lambda _: b"N",
    bool: lambda value: b"1" if value else b"0",
    int: lambda value: b"i%x;" % value,
    float: lambda value: b"d" + struct.pack("<d", value),
    complex: lambda value: b"c" + struct.pack("<2d", value.real, value.imag),
    str: _text,
    bytes: lambda value: _bulk(b"b", value),
    bytearray: lambda value: _bulk(b"y", bytes(value)),
    memoryview: lambda value: b"v" + _text(f"{value.format} {value.shape}") + _bulk(b"b", value.tobytes()),
    range: lambda value: b"r%x,%x,%x;" % (value.start, value.stop, value.step),
    Fraction: lambda value: b"q%x,%x;" % (value.numerator, value.denominator),
    ModuleType: lambda value: b"M" + _text(value.__name__),
}


def _leaf(value: Any) -> bytes | None:
    """The bytes of a value that has no members to visit, or None."""
    kind = type(value)
    encoder = _LEAVES.get(kind)
    if encoder is not None:
        return encoder(value)
    if issubclass(kind, type):
        return b"C" + _text(f"{value.__module__}.{value.__qualname__}")
    if issubclass(kind, Enum):
        # the name of a combined flag differs between versions of Python
        name = value._value_ if issubclass(kind, Flag) else value._name_
        return b"E" + _text(f"{kind.__qualname__}.{name}")
    return None
