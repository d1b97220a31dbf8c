"""Arrays and scalars of NumPy as JSON values; loaded only where NumPy is loaded already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from d4py_adaptive.runtime.results.tagged_values import Beside, Tagger


def tag(value: Any, beside: Beside, tagger: Tagger) -> Any:
    """An array or scalar as JSON values; None if it has to be pickled, since `.npy` files cannot say it whole."""
    kind = type(value)
    if kind is np.ma.MaskedArray:
        return _masked(value, beside, tagger)
    if isinstance(value, np.ndarray):
        if kind not in (np.ndarray, np.memmap) or not _is_kept_by_npy(value.dtype):
            return None
        return _array(value, beside) if value.ndim else _scalar(value[()], beside, tagger)
    return _scalar(value, beside, tagger) if _is_kept_by_npy(value.dtype) else None


def _scalar(value: Any, beside: Beside, tagger: Tagger) -> Any:
    if isinstance(value, np.datetime64):
        if text := _text_of(value):
            return {"$datetime64": text, "dtype": value.dtype.str}
    elif isinstance(value, np.timedelta64):
        return {"$timedelta64": int(value.view("i8")), "dtype": value.dtype.str}
    elif not isinstance(value, np.longdouble | np.clongdouble | np.void):
        return tagger.tag(value.item())
    return _array(np.asarray(value), beside)


def _text_of(moment: Any) -> str:
    """The text of a `datetime64`, if it says that moment; years of 18 digits may not fit NumPy's own arithmetic."""
    try:
        text = str(moment)
        return text if np.array(text, moment.dtype).view("i8") == moment.view("i8") else ""
    except (OverflowError, ValueError):
        return ""


def _array(value: Any, beside: Beside) -> dict[str, Any]:
    dtype = value.dtype
    name = str(dtype) if dtype.names else dtype.str
    return {"$npy": beside.array(value), "shape": list(value.shape), "dtype": name}


def _masked(value: Any, beside: Beside, tagger: Tagger) -> Any:
    """A masked array with what lies under its mask."""
    if type(value.data) is not np.ndarray or not _is_kept_by_npy(value.dtype):
        return None
    fill_value = value.fill_value
    by_default = bool(fill_value == np.ma.default_fill_value(value.dtype))
    return {
        "$masked": _array(value.data, beside),
        "mask": None if value.mask is np.ma.nomask else _array(value.mask, beside),
        "fill_value": None if by_default else _scalar(fill_value, beside, tagger),
        "hard": value.hardmask,
    }


def untag(content: dict[str, Any]) -> Any:
    """The masked array, `datetime64` or `timedelta64` that `tag` wrote."""
    if "$datetime64" in content:
        return np.array(content["$datetime64"], content["dtype"])[()]
    if "$timedelta64" in content:
        return np.array(content["$timedelta64"], "i8").view(content["dtype"])[()]
    mask = np.ma.nomask if content["mask"] is None else content["mask"]
    return np.ma.MaskedArray(content["$masked"], mask=mask, fill_value=content["fill_value"], hard_mask=content["hard"])


def write_npy(file: Any, array: Any) -> None:
    """Write an array in NumPy's own format."""
    # NumPy warns where it chooses the newer version of the format itself, as names of fields may need.
    version = (3, 0) if array.dtype.names else None
    np.lib.format.write_array(file, array, version=version, allow_pickle=False)


def read_npy(path: Any) -> Any:
    """The array in a file; a scalar where it has no dimensions.

    Raises:
        OSError: the file cannot be read.
        ValueError: it holds no array, or one of objects.
    """
    # The bound on headers guards against literals that take a parser long; names of many fields need more.
    array = np.load(path, allow_pickle=False, max_header_size=1 << 20)
    return array if array.ndim else array[()]


def _is_kept_by_npy(dtype: Any) -> bool:
    if dtype.kind in "biufcSUmM":
        return bool(np.dtype(dtype.str) == dtype and not dtype.metadata)
    if dtype.kind != "V" or dtype.hasobject or _has_metadata(dtype):
        return False
    try:
        return bool(np.lib.format.descr_to_dtype(np.lib.format.dtype_to_descr(dtype)) == dtype)
    except ValueError:  # fields that overlap
        return False


def _has_metadata(dtype: Any) -> bool:
    """Whether there are notes on a type, or on its parts, which a file would lose."""
    parts = [dtype.fields[name][0] for name in dtype.names] if dtype.names else []
    parts += [dtype.base] if dtype.base is not dtype else []
    return bool(dtype.metadata) or any(map(_has_metadata, parts))
