"""Reads the results that a run wrote to files."""

from __future__ import annotations

import base64
import json
import pathlib
import warnings
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any
from uuid import UUID

from d4py_adaptive.errors import InputError, MissingDependency
from d4py_adaptive.runtime.results.layout import read_index
from d4py_adaptive.runtime.results.pickled import class_of, unpickled
from d4py_adaptive.runtime.results.tagged_values import FACTORIES


def read_results(path: str | Path, allow_pickle: bool = False) -> dict[str, dict[str, list[Any]]]:
    """What `run(…).outputs` would have held: the items in `outputs[pe id][port]`; an output without items is not there.

    A piece of a line at the end of a file, which a killed run may leave, is left out with a warning.

    Args:
        path: the file or the folder that `-o` named.
        allow_pickle: whether to make objects of the user's classes again, which runs code that the files name: only
            for files you trust.

    Raises:
        InputError: there are no results, they cannot be read, or they hold such objects and `allow_pickle` is False.
    """
    place = Path(path)
    found: dict[str, dict[str, list[Any]]] = {}
    if place.is_dir():
        for row in read_index(place):
            items = list(_values(place / row["file"], allow_pickle))
            if items:
                found.setdefault(row["pe"], {})[row["port"]] = items
        return found
    for number, line in enumerate(_values(place, allow_pickle), 1):
        try:
            found.setdefault(line["pe"], {}).setdefault(line["port"], []).append(line["item"])
        except (KeyError, TypeError):
            raise InputError(
                f'{place}, line {number}: an object {{"pe": …, "port": …, "item": …}} is needed; got {str(line)[:60]}'
            ) from None
    return found


def _values(path: Path, allow_pickle: bool) -> Iterator[Any]:
    """The values in a file of lines."""
    number = 0
    try:
        with path.open("rb") as file:
            for line in file:
                number += 1
                if not line.endswith(b"\n"):
                    text = f"{path} ends in a piece of a line, which is left out: the run was killed as it wrote"
                    warnings.warn(text, stacklevel=3)
                    return
                yield _value(line.decode(), path.parent, allow_pickle)
    except OSError as error:
        raise InputError(f"results in {path} cannot be read: {error.strerror or error}") from error
    except InputError as error:
        raise InputError(f"{path}, line {number}: {error}") from error
    except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError, RecursionError) as error:
        raise InputError(f"{path}, line {number} is no result: {type(error).__name__}: {error}") from error


def _value(line: str, folder: Path, allow_pickle: bool) -> Any:
    if '"$' not in line:
        return json.loads(line)
    return json.loads(line, object_hook=_Untagger(folder, allow_pickle))


class _Untagger:
    """Makes values again from what `Tagger` wrote; `json` calls it for every object, from the inside out."""

    def __init__(self, folder: Path, allow_pickle: bool) -> None:
        self._folder = folder
        self._allow_pickle = allow_pickle

    def __call__(self, content: dict[str, Any]) -> Any:
        tag = next(iter(content), "")
        if not tag.startswith("$"):
            return content
        if tag in _DECODERS:
            return _DECODERS[tag](content[tag])
        method = _METHODS.get(tag)
        if method is None:
            raise InputError(f"values of the kind {tag} are not known; a newer version wrote them")
        return method(self, content)

    def _defaultdict(self, content: dict[str, Any]) -> Any:
        return defaultdict(FACTORIES[content["factory"]], content["$defaultdict"])

    def _utc(self, content: dict[str, Any]) -> Any:
        try:
            from obspy import UTCDateTime
        except ImportError as error:
            raise MissingDependency("obspy", "reading a UTCDateTime", "seismology") from error
        return UTCDateTime(ns=content["ns"], precision=content["precision"])

    def _npy(self, content: dict[str, Any]) -> Any:
        from d4py_adaptive.runtime.results.tagged_arrays import read_npy

        path = self._folder / content["$npy"]
        try:
            return read_npy(path)
        except (OSError, ValueError, EOFError) as error:
            raise InputError(f"the array in {path} cannot be read: {error}") from error

    def _array_like(self, content: dict[str, Any]) -> Any:
        from d4py_adaptive.runtime.results import tagged_arrays

        return tagged_arrays.untag(content)

    def _require_trust(self, kind: str) -> None:
        if not self._allow_pickle:
            raise InputError(
                f"this is an object of the class {kind}; to make it again runs code that the file names: "
                "if you trust the file, read_results(…, allow_pickle=True)"
            )

    def _pickle(self, content: dict[str, Any]) -> Any:
        self._require_trust(content["type"])
        return unpickled(base64.b64decode(content["$pickle"]), content["type"])

    def _pickle_file(self, content: dict[str, Any]) -> Any:
        self._require_trust(content["type"])
        path = self._folder / content["$pickle_file"]
        try:
            return unpickled(path.read_bytes(), content["type"])
        except OSError as error:
            raise InputError(f"the object in {path} cannot be read: {error.strerror}") from error

    def _enum(self, content: dict[str, Any]) -> Any:
        self._require_trust(content["$enum"])
        return class_of(content["$enum"]).__members__[content["name"]]  # type: ignore[attr-defined]

    def _object(self, content: dict[str, Any]) -> Any:
        name, fields = content["$object"], content["fields"]
        self._require_trust(name)
        kind: Any = class_of(name)
        if not issubclass(kind, tuple):
            made = object.__new__(kind)
            for field, value in fields.items():
                object.__setattr__(made, field, value)  # as pickle does: not through __init__, frozen or not
            return made
        if kind._fields != tuple(fields):
            raise InputError(f"{name} has the fields {kind._fields} now; here are {tuple(fields)}")
        return kind._make(fields.values())


_DECODERS: dict[str, Callable[[Any], Any]] = {
    "$int": lambda text: int(text, 16),
    "$float": float,
    "$complex": lambda parts: complex(*parts),
    "$tuple": tuple,
    "$set": set,
    "$frozenset": frozenset,
    "$dict": dict,
    "$OrderedDict": OrderedDict,
    "$Counter": Counter,
    "$fraction": lambda parts: Fraction(*parts),
    "$timedelta": lambda parts: timedelta(*parts),
    "$bytes": lambda text: base64.b64decode(text, validate=True),
    "$bytearray": lambda text: bytearray(base64.b64decode(text, validate=True)),
    "$decimal": Decimal,
    "$uuid": UUID,
    "$path": pathlib.PosixPath,
    "$date": date.fromisoformat,
    "$datetime": datetime.fromisoformat,
    "$time": time.fromisoformat,
}

_METHODS: dict[str, Callable[[_Untagger, dict[str, Any]], Any]] = {
    "$defaultdict": _Untagger._defaultdict,
    "$UTCDateTime": _Untagger._utc,
    "$npy": _Untagger._npy,
    "$masked": _Untagger._array_like,
    "$datetime64": _Untagger._array_like,
    "$timedelta64": _Untagger._array_like,
    "$pickle": _Untagger._pickle,
    "$pickle_file": _Untagger._pickle_file,
    "$enum": _Untagger._enum,
    "$object": _Untagger._object,
}
