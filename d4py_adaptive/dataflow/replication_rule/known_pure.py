"""What is known of library code: which functions and methods leave what they are given as it was."""

from __future__ import annotations

import random
import sys
import types
from typing import Any

from d4py_adaptive.dataflow.replication_rule.values import full_name


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_DICT = _words("copy fromkeys get items keys values")
_SET = _words(
    "copy difference intersection isdisjoint issubset issuperset symmetric_difference union __sub__ __or__ __and__"
)
READ_ONLY: dict[str, frozenset[str]] = {
    "builtins.list": _words("copy count index"),
    "builtins.dict": _DICT,
    "collections.OrderedDict": _DICT,
    "collections.defaultdict": _words("copy"),
    "collections.Counter": _words("copy elements most_common total"),
    "collections.deque": _words("copy count index"),
    "collections.ChainMap": _DICT,
    "builtins.mappingproxy": _DICT,
    "os._Environ": _DICT,
    "builtins.set": _SET,
    "builtins.bytearray": frozenset(dir(bytes)),
    "builtins.memoryview": _words("hex tobytes tolist cast toreadonly"),
    "array.array": _words("buffer_info count index tobytes tolist"),
    "numpy.ndarray": _words(
        "all any argmax argmin argpartition argsort astype choose clip compress conj conjugate copy cumprod cumsum "
        "diagonal dot dump dumps flatten item max mean min nonzero prod ptp ravel repeat reshape round searchsorted "
        "squeeze std sum swapaxes take tobytes tofile tolist trace transpose var view"
    ),
    "_io.TextIOWrapper": frozenset(),
}
"""Methods that leave their receiver as it was, by the class that defines them."""
CHANGED_BY_REST = frozenset(READ_ONLY) - {"_io.TextIOWrapper", "builtins.memoryview"}
"""Classes whose other methods are known to change them."""
CHANGING_DUNDERS = _words(
    "__setitem__ __delitem__ __setattr__ __delattr__ __iadd__ __isub__ __imul__ __imatmul__ __itruediv__ __ifloordiv__ "
    "__imod__ __ipow__ __ilshift__ __irshift__ __iand__ __ixor__ __ior__ __init__ __setstate__ __next__ __enter__ "
    "__exit__ __call__ __missing__"
)
ARRAY_VIEWS = _words(
    "diagonal ravel reshape squeeze swapaxes transpose view astype T real imag flat base conj conjugate"
)
ARRAY_FIGURES = _words("shape size ndim dtype nbytes itemsize strides")
MEMBER_METHODS = _words("get copy keys values elements __getitem__ pop popleft popitem setdefault") | _SET

STORING_METHODS = _words(
    "append appendleft extend extendleft insert add update setdefault put put_nowait fill push union difference "
    "intersection symmetric_difference symmetric_difference_update difference_update intersection_update send"
)
"""Methods that keep what they are given, or its members."""
STORING_WHOLE = _words("append appendleft insert add setdefault put put_nowait fill push send")
READING_METHODS = _words(
    "get index count pop remove discard isdisjoint issubset issuperset join format format_map startswith endswith "
    "replace translate split rsplit strip lstrip rstrip encode decode sub subn match search fullmatch findall finditer "
    "dot take searchsorted compress repeat reshape transpose clip mean sum std var min max round astype write "
    "writelines writerow writerows debug info warning error exception critical log fromkeys isin with_name joinpath "
    "write_text write_bytes"
)
"""Methods that leave what they are given as it was."""

PURE_BUILTINS = _words(
    "abs all any ascii bin bool bytearray bytes callable chr classmethod complex dict divmod enumerate filter float "
    "format frozenset getattr hasattr hash hex id int isinstance issubclass iter len list map max memoryview min next "
    "object oct ord pow print range repr reversed round set slice sorted staticmethod str sum tuple type vars zip"
)
PURE_MODULES = frozenset({
    "math", "cmath", "itertools", "statistics", "re", "posixpath", "genericpath", "string", "textwrap", "difflib",
    "fnmatch", "hashlib", "_hashlib", "base64", "binascii", "zlib", "unicodedata", "html", "urllib.parse", "pprint",
    "decimal", "fractions", "numbers", "colorsys", "calendar", "datetime", "time", "uuid", "struct", "_struct", "types",
    "collections", "numpy", "numpy.fft", "numpy.linalg", "scipy.special", "enum", "pathlib", "_blake2", "_sha2",
})  # fmt: skip
PURE_SCIPY = ("scipy.signal.", "scipy.fft.", "scipy.linalg.", "scipy.interpolate.", "scipy.ndimage.", "scipy.stats.")
PURE_FUNCTIONS = frozenset({
    "json.dumps", "json.loads", "copy.copy", "copy.deepcopy", "functools.reduce", "functools.partial",
    "_functools.reduce", "bisect.bisect", "bisect.bisect_left", "bisect.bisect_right", "_bisect.bisect_left",
    "_bisect.bisect_right",
    "heapq.nlargest", "heapq.nsmallest", "heapq.merge", "pickle.dumps", "_pickle.dumps", "dataclasses.asdict",
    "dataclasses.astuple", "dataclasses.fields", "dataclasses.replace", "functools.wraps", "functools.cmp_to_key",
})  # fmt: skip
PURE_OPERATORS = _words(
    "getitem add sub mul truediv floordiv mod pow matmul eq ne lt le gt ge not_ truth contains countOf indexOf and_ "
    "or_ xor neg pos abs inv invert lshift rshift concat is_ is_not index length_hint"
)
WRITES_FIRST = frozenset({
    "numpy.copyto", "numpy.put", "numpy.place", "numpy.putmask", "numpy.fill_diagonal", "numpy.put_along_axis",
    "builtins.setattr", "builtins.delattr", "_operator.setitem", "_operator.delitem", "_heapq.heappush",
    "_heapq.heappop", "_heapq.heapify", "_heapq.heapreplace", "_heapq.heappushpop", "_bisect.insort_left",
    "_bisect.insort_right", "random.Random.shuffle", "builtins.object.__setattr__", "_operator.iconcat",
    *(f"_operator.{name}" for name in _words("iadd iand ifloordiv ilshift imod imul imatmul ior ipow irshift isub")),
    "_operator.itruediv", "_operator.ixor",
})  # fmt: skip
"""Functions that change their first argument."""
NUMPY_SAVES = ("numpy.save", "numpy.random", "numpy.nditer", "numpy.memmap")
SEES_CODE = frozenset({
    "builtins.exec", "builtins.eval", "builtins.globals", "builtins.locals", "builtins.compile", "builtins.__import__",
    "importlib.import_module", "sys._getframe", "inspect.currentframe", "inspect.stack", "sys.settrace",
})  # fmt: skip
"""Functions that reach variables in ways that cannot be followed."""
NEVER_CALLS_BACK = _words("isinstance issubclass len print repr str type id hash getattr hasattr callable bool next")
LOOKS_NO_FURTHER = frozenset(
    f"builtins.{name}" for name in _words("isinstance issubclass type getattr hasattr id callable vars")
)
"""Functions that call no special methods of what they are given."""
CONTAINERS = _words(
    "list tuple set frozenset sorted reversed iter filter deque Counter OrderedDict chain from_iterable cycle islice "
    "takewhile dropwhile filterfalse repeat tee compress accumulate nlargest nsmallest merge bytearray"
)
MEMBERS = _words("min max next reduce getitem sum")
FIGURES = _words(
    "len abs all any ascii bin bool bytes callable chr complex divmod float format hash hex id int isinstance "
    "issubclass oct ord pow print range repr round str dumps hasattr"
)
NUMPY_VIEWS = _words(
    "asarray asanyarray ascontiguousarray asfortranarray require reshape ravel squeeze transpose swapaxes moveaxis "
    "rollaxis atleast_1d atleast_2d atleast_3d broadcast_to broadcast_arrays split array_split hsplit vsplit dsplit "
    "diagonal diag real imag real_if_close flip fliplr flipud rot90 expand_dims array nan_to_num ix_ meshgrid asmatrix "
    "matrix unstack permute_dims matrix_transpose astype trim_zeros asarray_chkfinite frombuffer array2string view "
    "as_strided sliding_window_view ndarray poly1d einsum"
)
NUMPY_RANDOM_FUNCTIONS = frozenset(
    f"numpy.random.{place}{name}"
    for place in ("", "mtrand.")
    for name in ("seed", "ranf", "sample", "set_bit_generator")
)
NO_OUTPUT = _words("array where select interp piecewise asarray lexsort searchsorted histogram")
"""Numerical functions that take no array to write into, whatever their position."""
OUTPUTS = _words("out output")
ARRAY_INDICES = _words("argmax argmin nanargmax nanargmin count_nonzero ndim size")
_PASS_ON = frozenset({"itertools", "types", "collections", "enum", "pathlib"})
FRESH_MODULES = (
    *(f"{name}." for name in sorted(PURE_MODULES - _PASS_ON)),
    *_words("json. pickle. _pickle. copy.deepcopy dataclasses.as bisect. _bisect."),
)
"""How the names of functions start whose results have nothing of their arguments in them."""
CHANGES_IN_PLACE = ("overwrite", "inplace", "in_place")


def is_random_source(obj: Any) -> bool:
    """Whether `obj` draws from the global generator of `random` or of `numpy.random`."""
    bound = isinstance(obj, types.MethodType | types.BuiltinMethodType) or "cython" in type(obj).__name__
    for generator in (obj, getattr(obj, "__self__", None) if bound else None):
        kind = full_name(type(generator))
        if kind == "random.Random" and generator is _global_random():
            return True
        if kind == "numpy.random.mtrand.RandomState" and generator is _global_numpy():
            return True
    return bound and full_name(obj) in NUMPY_RANDOM_FUNCTIONS


def _global_random() -> object:
    return getattr(random.random, "__self__", None)


def _global_numpy() -> object:
    module = sys.modules.get("numpy.random.mtrand")
    return getattr(module, "_rand", None)


def is_pure(name: str) -> bool:
    """Whether the library function called `name` leaves its arguments as they were, `out` and the like apart."""
    module, _, short = name.rpartition(".")
    if name in WRITES_FIRST or name in SEES_CODE or name.startswith(NUMPY_SAVES):
        return False
    if module == "builtins":
        return short in PURE_BUILTINS
    if module in ("_operator", "operator"):
        return short in PURE_OPERATORS
    return name in PURE_FUNCTIONS or _in_pure_module(module) or (name.startswith(PURE_SCIPY) and short != "rvs")


def _in_pure_module(module: str) -> bool:
    # A class method of a module is named module.Class.method.
    return module in PURE_MODULES or module.rpartition(".")[0] in PURE_MODULES - {"numpy"}
