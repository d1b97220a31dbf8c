"""Which PEs may be replicated, read from their code."""

# The PEs here are written as users write them.
# ruff: noqa: B006, B009, B010, B905, C416, C417, E501, E731, F401, PIE804, PTH118, PTH123, RET503, RUF005, T201, UP008, UP032

from __future__ import annotations

import bisect
import builtins
import collections
import contextlib
import copy
import csv
import dataclasses
import datetime
import enum
import functools
import heapq
import io
import itertools
import json
import logging
import math
import operator
import os
import random
import re
import sys
import textwrap
import types
from pathlib import Path

import numpy as np
import pytest
import scipy.fft
import scipy.signal
from scipy import signal

from d4py_adaptive.dataflow.patterns import ConsumerPE, IterativePE, ProducerPE, SimpleFunctionPE
from d4py_adaptive.dataflow.pe import GenericPE
from d4py_adaptive.dataflow.replication_rule.verdict import read_state

SEEN = []
TABLE = {"a": 1, "b": 2}
LISTS = {"a": [1], "b": [2]}
TOTAL = 0
PATTERN = re.compile(r"\w+")
LOGGER = logging.getLogger(__name__)
HANDMADE = types.ModuleType("handmade")
HANDMADE.value = 1


class Item:
    """What a stream might carry."""

    def __init__(self, value=0):
        self.value = value

    def bump_all(self):
        global TOTAL
        TOTAL += 1

    def grow(self):
        self.value += 1
        return self

    @property
    def counted(self):
        SEEN.append(self.value)
        return self.value


class Tally:
    shared = []

    def __init__(self, start=0):
        self.n = start

    def add(self, amount):
        self.n += amount
        return self

    def keep(self, thing):
        self.shared.append(thing)


class Model:
    def __init__(self):
        self.weights = [1.0, 2.0]
        self.calls = 0

    def predict(self, x):
        return sum(w * x for w in self.weights)

    def fit(self, x):
        self.calls += 1
        return x


class Colour(enum.Enum):
    RED = 1

    def shade(self, x):
        return x * self.value


@dataclasses.dataclass(frozen=True)
class Band:
    low: float
    high: float

    def width(self):
        return self.high - self.low


@dataclasses.dataclass
class Point:
    x: float
    tags: list = dataclasses.field(default_factory=list)


def note(x):
    SEEN.append(x)
    return x


def double(x):
    return 2 * x


def scaled(x, factor=1, offset=0):
    return x * factor + offset


def put(where, x):
    where.append(x)


def remembering(x, seen=[]):
    seen.append(x)
    return x


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def ping(n, where):
    return n if n == 0 else pong(n - 1, where)


def pong(n, where):
    where.append(n)
    return ping(n, where)


@functools.cache
def cached(n):
    return n * 2


@functools.cache
def cached_list(n):
    return [n]


@functools.cache
def cached_note(n):
    SEEN.append(n)
    return n


@contextlib.contextmanager
def noted(x):
    SEEN.append(x)
    yield x


@contextlib.contextmanager
def calm(x):
    yield x


def logged(function):
    @functools.wraps(function)
    def inner(*args, **kwargs):
        return function(*args, **kwargs)

    return inner


def counted(function):
    calls = 0

    @functools.wraps(function)
    def inner(*args, **kwargs):
        nonlocal calls
        calls += 1
        return function(*args, **kwargs)

    return inner


def opaque():
    namespace = {}
    exec("def f(x):\n    return x", namespace)
    return namespace["f"]


NO_SOURCE = opaque()


def closing_over(kept):
    class Closing(IterativePE):
        def _process(self, data):
            kept.append(data)
            return data

    return Closing()


def reading_over(table):
    class Closing(IterativePE):
        def _process(self, data):
            return table[data]

    return Closing()


def counting():
    n = 0

    class Counting(IterativePE):
        def _process(self, data):
            nonlocal n
            n += 1
            return n

    return Counting()


class Base(IterativePE):
    """Everything the cases below hold."""

    instances = 0
    history = []

    def __init__(self):
        super().__init__()
        self.n = 0
        self.low = 1.5
        self.freq = np.linspace(0, 1, 8)
        self.matrix = np.eye(3)
        self.items = []
        self.seen = set()
        self.table = {"a": 1.0, "b": 2.0}
        self.lists = {"a": [1], "b": [2]}
        self.pattern = re.compile("x+")
        self.pair = (1, 2)
        self.mixed = (1, [2])
        self.it = iter([1, 2, 3])
        self.rng = random.Random(1)
        self.groups = collections.defaultdict(list)
        self.counter = collections.Counter()
        self.queue = collections.deque(maxlen=3)
        self.model = Model()
        self.band = Band(1.0, 2.0)
        self.colour = Colour.RED
        self.path = Path("x")
        self.start = datetime.datetime(2020, 1, 1)
        self.logger = logging.getLogger("x")
        self.nothing = None
        self.window = None
        self.callback = double
        self.__secret = []

    def helper(self, x):
        return x * self.low

    def bad_helper(self, x):
        self.n += x

    @property
    def doubled(self):
        return 2 * self.low

    @property
    def counts(self):
        self.n += 1
        return self.n

    @functools.cached_property
    def plan(self):
        return np.ones(3)

    @staticmethod
    def stat(x):
        return x + 1

    @classmethod
    def registered(cls, x):
        cls.instances += 1
        return x

    @classmethod
    def made(cls, x):
        return x + cls.instances

    def secret(self, x):
        self.__secret.append(x)

    def __getitem__(self, key):
        self.n = key
        return key

    def __len__(self):
        return 3


STATEFUL = {}
STATELESS = {}


def stateful(function):
    STATEFUL[function.__name__] = function
    return function


def stateless(function):
    STATELESS[function.__name__] = function
    return function


def pe_of(function):
    cls = type(f"PE_{function.__name__}", (Base,), {"_process": function})
    return cls()


# ---------------------------------------------------------------------- stateful


@stateful
def assigns_attribute(self, data):
    self.n = data


@stateful
def augments_attribute(self, data):
    self.n += 1
    return self.n


@stateful
def deletes_attribute(self, data):
    del self.n


@stateful
def annotated_assign(self, data):
    self.n: int = data


@stateful
def appends(self, data):
    self.items.append(data)


@stateful
def alias(self, data):
    items = self.items
    more = items
    more.append(data)


@stateful
def alias_of_self(self, data):
    me = self
    me.n = data


@stateful
def conditional_alias(self, data):
    out = [] if data else self.items
    out.append(data)


@stateful
def or_alias(self, data):
    out = data or self.items
    out.append(data)


@stateful
def boolean_chain_alias(self, data):
    target = data and self.lists["a"]
    target.extend(data)


@stateful
def class_attribute(self, data):
    type(self).instances += 1


@stateful
def dunder_class(self, data):
    self.__class__.instances = 4


@stateful
def class_list(self, data):
    self.history.append(data)


@stateful
def named_class(self, data):
    Base.history.append(data)


@stateful
def class_method(self, data):
    return self.registered(data)


@stateful
def reads_class_counter_and_writes(self, data):
    cls = type(self)
    cls.instances = cls.instances + 1


@stateful
def global_assign(self, data):
    global TOTAL
    TOTAL += 1


@stateful
def global_append(self, data):
    SEEN.append(data)


@stateful
def global_dict(self, data):
    TABLE[data] = 1


@stateful
def global_delete(self, data):
    del TABLE[data]


@stateful
def global_import(self, data):
    global np
    import numpy as np


@stateful
def module_function_writes(self, data):
    return note(data)


@stateful
def passes_to_function(self, data):
    put(self.items, data)


@stateful
def passes_by_star(self, data):
    put(*[self.items, data])


@stateful
def passes_by_star_tuple(self, data):
    args = (self.items, data)
    put(*args)


@stateful
def passes_by_double_star(self, data):
    put(**{"where": self.items, "x": data})


@stateful
def passes_self(self, data):
    setattr(self, "n", data)


@stateful
def object_setattr(self, data):
    object.__setattr__(self, "n", data)


@stateful
def dunder_setattr(self, data):
    self.__setattr__("n", data)


@stateful
def delattr_self(self, data):
    delattr(self, "n")


@stateful
def dict_update(self, data):
    self.__dict__.update(n=data)


@stateful
def dict_item(self, data):
    self.__dict__["n"] = data


@stateful
def vars_item(self, data):
    vars(self)["n"] = data


@stateful
def getattr_alias(self, data):
    getattr(self, "items").append(data)


@stateful
def getattr_dynamic(self, data):
    getattr(self, data).append(1)


@stateful
def executes(self, data):
    exec("self.n = 1")


@stateful
def evaluates(self, data):
    return eval(data)


@stateful
def through_globals(self, data):
    globals()["TOTAL"] = data


@stateful
def mutable_default(self, data, seen=[]):
    seen.append(data)


@stateful
def keyword_default(self, data, *, seen={}):
    seen[data] = 1


@stateful
def function_default(self, data):
    return remembering(data)


@stateful
def function_attribute(self, data):
    double.calls = data


@stateful
def module_attribute(self, data):
    HANDMADE.value = data


@stateful
def library_attribute(self, data):
    math.tau = data


@stateful
def calls_property(self, data):
    return self.counts


@stateful
def calls_cached_property(self, data):
    return data * self.plan


@stateful
def calls_bad_helper(self, data):
    self.bad_helper(data)


@stateful
def private(self, data):
    self.secret(data)


@stateful
def item_method_writes_global(self, data):
    data.bump_all()


@stateful
def item_property_writes_global(self, data):
    return data.counted


@stateful
def made_item_writes_global(self, data):
    Item(data).bump_all()


@stateful
def made_item_appends_to_class(self, data):
    Tally().keep(data)


@stateful
def map_bound_method(self, data):
    list(map(self.seen.add, data))


@stateful
def map_own_method(self, data):
    return list(map(self.bad_helper, data))


@stateful
def bound_in_local(self, data):
    add = self.seen.add
    for x in data:
        add(x)


@stateful
def partial_append(self, data):
    functools.partial(self.items.append)(data)


@stateful
def partial_kept(self, data):
    f = functools.partial(put, self.items)
    f(data)


@stateful
def sort_key(self, data):
    return sorted(data, key=self.bad_helper)


@stateful
def list_sort_key(self, data):
    data.sort(key=self.bad_helper)


@stateful
def lambda_writes(self, data):
    add = lambda x: self.items.append(x)
    add(data)


@stateful
def lambda_as_key(self, data):
    return max(data, key=lambda x: self.seen.add(x))


@stateful
def lambda_default(self, data):
    f = lambda x, where=self.items: where.append(x)
    f(data)


@stateful
def lambda_given_lists(self, data):
    list(map(lambda x: x.append(data), self.lists.values()))


@stateful
def nested_function(self, data):
    def inner(x):
        self.n += x

    inner(data)


@stateful
def nested_given(self, data):
    def inner(where):
        where.append(data)

    inner(self.items)


@stateful
def comprehension_side_effect(self, data):
    return [self.items.append(x) for x in data]


@stateful
def generator_side_effect(self, data):
    return sum(1 for x in data if self.seen.add(x) is None)


@stateful
def comprehension_shadow(self, data):
    result = [SEEN for SEEN in data]
    SEEN.append(result)


@stateful
def walrus(self, data):
    if (items := self.items) is not None:
        items.append(data)


@stateful
def operator_setitem(self, data):
    operator.setitem(self.table, "a", data)


@stateful
def operator_iadd(self, data):
    operator.iadd(self.items, [data])


@stateful
def operator_methodcaller(self, data):
    operator.methodcaller("append", data)(self.items)


@stateful
def unbound_append(self, data):
    list.append(self.items, data)


@stateful
def unbound_user_method(self, data):
    Model.fit(self.model, data)


@stateful
def heap(self, data):
    heapq.heappush(self.items, data)


@stateful
def insort(self, data):
    bisect.insort(self.items, data)


@stateful
def numpy_out(self, data):
    np.add(data, 1, out=self.freq)


@stateful
def numpy_out_positional(self, data):
    np.multiply(data, 2, self.freq)


@stateful
def numpy_at(self, data):
    np.add.at(self.freq, data, 1)


@stateful
def numpy_copyto(self, data):
    np.copyto(self.freq, data)


@stateful
def numpy_fill(self, data):
    self.freq.fill(0)


@stateful
def numpy_item(self, data):
    self.freq[0] = data


@stateful
def numpy_view(self, data):
    row = self.matrix[0]
    row[1] = data


@stateful
def numpy_slice_view(self, data):
    part = self.freq[2:4]
    part += data


@stateful
def numpy_asarray(self, data):
    a = np.asarray(self.freq)
    a[0] = 1


@stateful
def numpy_transpose(self, data):
    self.matrix.T[0, 0] = data


@stateful
def numpy_ravel(self, data):
    flat = self.matrix.ravel()
    flat += 1


@stateful
def numpy_put(self, data):
    np.put(self.freq, [0], data)


@stateful
def numpy_nan(self, data):
    np.nan_to_num(self.freq, copy=False)


@stateful
def numpy_sort_in_place(self, data):
    self.freq.sort()


@stateful
def numpy_dot_out(self, data):
    np.dot(data, data, self.matrix)


@stateful
def numpy_rows(self, data):
    for row in self.matrix:
        row[0] = data


@stateful
def plus_equals_alias(self, data):
    items = self.items
    items += [data]


@stateful
def plus_equals_attribute_list(self, data):
    self.items += [data]


@stateful
def for_element(self, data):
    for part in self.lists.values():
        part.append(data)


@stateful
def for_items(self, data):
    for _name, part in self.lists.items():
        part.append(data)


@stateful
def for_enumerate(self, data):
    for _i, part in enumerate(self.lists.values()):
        part.append(data)


@stateful
def for_zip(self, data):
    for part, x in zip(self.lists.values(), data):
        part.append(x)


@stateful
def for_sorted(self, data):
    for part in sorted(self.lists.values()):
        part.append(data)


@stateful
def for_chain(self, data):
    for part in itertools.chain([self.items], data):
        part.append(1)


@stateful
def for_target_attribute(self, data):
    for self.n in data:
        pass


@stateful
def with_as_attribute(self, data):
    with open(data) as self.file:
        return self.file.read()


@stateful
def with_kept(self, data):
    with noted(data) as x:
        return x


@stateful
def tuple_target(self, data):
    self.a, b = data
    return b


@stateful
def starred_target(self, data):
    first, *self.rest = data
    return first


@stateful
def swapped(self, data):
    a, b = data, self.items
    b.append(a)


@stateful
def unpacked_member(self, data):
    _n, items = self.mixed
    items.append(data)


@stateful
def member_of_tuple(self, data):
    self.mixed[1].append(data)


@stateful
def through_dict(self, data):
    holder = {"x": self.items}
    holder["x"].append(data)


@stateful
def through_list(self, data):
    holder = []
    holder.append(self.items)
    holder[0].append(data)


@stateful
def through_attribute(self, data):
    data.items = self.items
    data.items.append(1)


@stateful
def through_object(self, data):
    point = Point(1.0, self.items)
    point.tags.append(data)


@stateful
def through_shallow_copy(self, data):
    mine = dict(self.lists)
    mine["a"].append(data)


@stateful
def through_copy_module(self, data):
    mine = copy.copy(self.lists)
    mine["a"].append(data)


@stateful
def through_list_sum(self, data):
    both = [self.items] + data
    both[0].append(1)


@stateful
def setdefault_kept(self, data):
    return self.table.setdefault(data, 1)


@stateful
def get_then_append(self, data):
    self.lists.get("a").append(data)


@stateful
def get_default(self, data):
    {}.get(data, self.items).append(1)


@stateful
def defaultdict_read(self, data):
    return self.groups[data]


@stateful
def counter_update(self, data):
    self.counter.update(data)


@stateful
def counter_item(self, data):
    self.counter[data] += 1


@stateful
def deque_append(self, data):
    self.queue.append(data)


@stateful
def next_of_kept(self, data):
    return next(self.it)


@stateful
def for_over_kept_iterator(self, data):
    for x in self.it:
        return x


@stateful
def list_of_kept_iterator(self, data):
    return list(self.it)


@stateful
def zip_of_kept_iterator(self, data):
    return list(zip(self.it, data))


@stateful
def kept_generator(self, data):
    return self.rng.random()


@stateful
def global_random(self, data):
    return random.random()


@stateful
def global_random_choice(self, data):
    return random.choice(data)


@stateful
def numpy_random(self, data):
    return np.random.rand()


@stateful
def numpy_random_seed(self, data):
    np.random.seed(1)


@stateful
def local_import_random(self, data):
    from random import gauss

    return gauss(0, 1)


@stateful
def model_fits(self, data):
    return self.model.fit(data)


@stateful
def model_attribute(self, data):
    self.model.calls = 3


@stateful
def model_weights(self, data):
    self.model.weights.append(data)


@stateful
def no_source(self, data):
    return NO_SOURCE(data)


@stateful
def mutual_recursion(self, data):
    return ping(data, self.items)


@stateful
def cached_function_result(self, data):
    cached_list(data).append(1)


@stateful
def cached_function_notes(self, data):
    return cached_note(data)


@stateful
def environment(self, data):
    os.environ["X"] = data


@stateful
def opaque_library(self, data):
    return types.SimpleNamespace().unknown(self.items)


@stateful
def dunder_item_of_self(self, data):
    return self[data]


@stateful
def matched(self, data):
    match self.lists:
        case {"a": items}:
            items.append(data)


@stateful
def match_kept(self, data):
    match data:
        case [first, *_]:
            self.n = first


@stateful
def except_branch(self, data):
    try:
        return data.x
    except AttributeError:
        self.n += 1


@stateful
def finally_branch(self, data):
    try:
        return data
    finally:
        self.items.clear()


@stateful
def unreached_in_preprocess(self, data):
    self.missing.append(data)


@stateful
def kept_lock(self, data):
    with self.model:
        return data


@stateful
def global_class_attribute(self, data):
    Tally.shared = data


@stateful
def inner_class(self, data):
    class Inner:
        n = self.items

    return Inner.n.append(data)


@stateful
def returned_alias(self, data):
    def which():
        return self.items

    which().append(data)


@stateful
def yielded_alias(self, data):
    def each():
        yield self.items

    for items in each():
        items.append(data)


@stateful
def ternary_method(self, data):
    (self.items.append if data else print)(data)


@stateful
def dict_of_methods(self, data):
    {"a": self.bad_helper, "b": double}[data](1)


@stateful
def local_variable_method(self, data):
    do = self.bad_helper
    do(1)


@stateful
def loop_carried_alias(self, data):
    current = []
    for x in data:
        current.append(x)
        current = self.items


@stateful
def sys_modules(self, data):
    sys.modules[__name__].TOTAL = data


@stateful
def reduce_kept(self, data):
    functools.reduce(lambda acc, x: acc.append(x) or acc, data, self.items)


@stateful
def accumulates(self, data):
    return list(itertools.starmap(self.table.__setitem__, data))


@stateful
def any_with_side_effect(self, data):
    return any(self.bad_helper(x) for x in data)


@stateful
def chained_assignment(self, data):
    x = self.n = data
    return x


@stateful
def slice_assignment(self, data):
    self.items[:] = data


@stateful
def format_side_effect(self, data):
    return f"{self.counts}"


@stateful
def write_with_side_effect(self, data):
    self.write("output", self.items.append(data))


@stateful
def enters_ports(self, data):
    self._add_output("more")


@stateful
def partial_method_of_item(self, data):
    data.apply(self.bad_helper)


@stateful
def item_gets_kept(self, data):
    data.fill_in(self.items)


# ---------------------------------------------------------------------- stateless


@stateless
def nothing_at_all(self, data):
    return data


@stateless
def numpy_maths(self, data):
    spectrum = np.fft.rfft(data) * np.exp(-self.freq[: len(data)] / self.low)
    spectrum[0] = 0
    return np.fft.irfft(spectrum * self.freq).real.max()


@stateless
def numpy_interp(self, data):
    return np.interp(data, self.freq, np.cumsum(self.freq) / self.freq.sum())


@stateless
def numpy_linalg(self, data):
    return np.linalg.norm(self.matrix @ data) + self.matrix.T.dot(data).mean()


@stateless
def numpy_where(self, data):
    return np.where(data > self.low, data, self.freq)


@stateless
def numpy_local_out(self, data):
    out = np.zeros_like(self.freq)
    np.divide(self.freq, data, out=out, where=self.freq > 0)
    out += self.freq
    return out


@stateless
def numpy_copy(self, data):
    mine = self.freq.copy()
    mine[0] = data
    mine *= 2
    return mine


@stateless
def item_filter(self, data):
    data.detrend("demean")
    data.filter("bandpass", freqmin=self.low, freqmax=2 * self.low)
    return data


@stateless
def item_changes(self, data):
    for trace in data:
        trace.stats.sampling_rate = self.low
        trace.data = trace.data - trace.data.mean()
        trace.data[0] *= 3
    data.sort(key=lambda trace: trace.id)
    data["low"] = self.low
    return data


@stateless
def regex(self, data):
    return [word for word in self.pattern.findall(data) if PATTERN.match(word)]


@stateless
def table_item(self, data):
    return self.table[data] + self.table.get(data, 0) + TABLE["a"]


@stateless
def table_goes_round(self, data):
    return {name: value * data for name, value in self.table.items() if name in self.table}


@stateless
def lists_are_read(self, data):
    return [x for part in self.lists.values() for x in part] + [len(part) for part in self.lists]


@stateless
def logs(self, data):
    self.log(f"got {data} with {self.table}")
    self.logger.info("got %s", data)
    LOGGER.warning("x")
    print(data, self.table)


@stateless
def writes_twice(self, data):
    for part in data.split():
        self.write("output", (part, 1))
        self._write("output", part)


@stateless
def local_containers(self, data):
    words, counts = [], {}
    for word in data:
        words.append(word)
        counts[word] = counts.get(word, 0) + 1
        counts.setdefault(word, 0)
    found = set()
    found.add(self.low)
    found |= set(words)
    heapq.heappush(words, 1)
    counter = collections.Counter(words)
    counter.update(words)
    groups = collections.defaultdict(list)
    groups[1].append(2)
    return sorted(counts.items(), key=lambda pair: pair[1]), counter.most_common(3), found


@stateless
def json_text(self, data):
    record = json.loads(data)
    record["low"] = self.low
    return json.dumps({**record, "table": self.table}, sort_keys=True)


@stateless
def helpers(self, data):
    return self.helper(data) + self.stat(data) + self.made(data) + self.doubled


@stateless
def functions(self, data):
    return scaled(double(data), factor=self.low, offset=fib(3)) + cached(2)


@stateless
def callback(self, data):
    return self.callback(data)


@stateless
def dispatch(self, data):
    return {"a": self.helper, "b": double}[data](2)


@stateless
def handles_errors(self, data):
    try:
        value = float(data)
    except (ValueError, TypeError) as error:
        raise RuntimeError(f"no number: {error}") from error
    else:
        return value
    finally:
        self.log("done")


@stateless
def imports_locally(self, data):
    import math as m
    import os.path
    from collections import OrderedDict

    return m.sqrt(data), os.path.join("a", data), OrderedDict(a=data)


@stateless
def made_objects(self, data):
    tally = Tally(self.low)
    tally.add(1).add(2)
    point = Point(data)
    point.tags.append(3)
    return tally, point, Item(2).grow()


@stateless
def frozen_settings(self, data):
    return self.band.width() * self.band.low + self.colour.shade(data) + (self.colour is Colour.RED)


@stateless
def model_predicts(self, data):
    return self.model.predict(data)


@stateless
def dates_and_paths(self, data):
    moment = self.start + datetime.timedelta(seconds=data)
    return str(self.path / f"{moment:%Y}.txt"), self.path.with_suffix(".x").name


@stateless
def reads_file(self, data):
    with open(data) as file:
        lines = [line.strip() for line in file]
    with calm(lines) as same:
        return same, self.path.read_text()


@stateless
def nested_pure(self, data):
    total = 0

    def add(x):
        nonlocal total
        total += x * self.low

    for x in data:
        add(x)
    return total


@stateless
def generators(self, data):
    def each():
        for x in data:
            yield x * self.low

    first, *rest = each()
    return first, rest, sum(each()), list(map(self.helper, data)), max(data, key=self.helper)


@stateless
def partials(self, data):
    half = functools.partial(scaled, factor=self.low)
    return [half(x) for x in data]


@stateless
def deep_copies(self, data):
    mine = copy.deepcopy(self.lists)
    mine["a"].append(data)
    settings = dict(self.table)
    settings["a"] = data
    settings.update(self.table)
    return mine, settings, list(self.lists)


@stateless
def pairs(self, data):
    low, high = self.pair
    total = low
    total += high
    return total + sum(self.pair), len(self.items), data in self.seen, self.seen | set(data)


@stateless
def while_loop(self, data):
    n = self.n
    while n < 10:
        n += 1
        data = data + n if n % 2 else data
    return data


@stateless
def matches(self, data):
    match data:
        case {"kind": "a", **rest}:
            return rest
        case [first, *others]:
            return first, others
        case _:
            return self.low


@stateless
def instance_check(self, data):
    if not isinstance(data, dict | Item) or hasattr(data, "x"):
        return None
    return getattr(data, "y", self.low)


@stateless
def text(self, data):
    return " ".join(sorted(data.lower().split())) + ", ".join(self.table) + "{:.1f}".format(self.low)


@stateless
def zips(self, data):
    return [(a, b) for a, (b, c) in zip(data, self.table.items())] + list(enumerate(self.items))


@stateless
def own_generator(self, data):
    rng = np.random.default_rng(3)
    other = random.Random(3)
    return rng.normal(size=3) + other.random()


@stateless
def unset_option(self, data):
    if self.nothing is not None:
        return data.get(self.nothing)
    return data.filter(self.nothing)


@stateless
def environment_is_read(self, data):
    return os.environ.get("HOME", "x") + os.sep


@stateless
def recursion(self, data):
    def depth(tree):
        return 1 + max((depth(child) for child in tree), default=0)

    return depth(data)


@stateless
def conditional_names(self, data):
    kind = "a" if data else "b"
    f = double if kind == "a" else scaled
    return f(data)


@stateless
def slices(self, data):
    head = self.items[:2]
    head.append(data)
    return head + self.items


@stateless
def asserts(self, data):
    assert data, "no data"
    del data["x"]
    with contextlib.suppress(KeyError):
        return data["y"]


@stateless
def subtracts_time(self, data):
    return math.floor(data / 3) - abs(min(data, self.low, 3)), round(self.low, 2), int(self.freq[0])


@stateless
def groups_locally(self, data):
    return {key: list(part) for key, part in itertools.groupby(sorted(data), key=lambda x: x[0])}


@pytest.mark.parametrize("name", STATEFUL)
def test_what_keeps_something_is_not_replicated(name):
    verdict = read_state(pe_of(STATEFUL[name]))
    assert not verdict.stateless, verdict
    assert not verdict.declared
    assert re.search(r"\(\w+\.py:\d+\)", verdict.reason)


@pytest.mark.parametrize("name", STATELESS)
def test_what_keeps_nothing_is_replicated(name):
    verdict = read_state(pe_of(STATELESS[name]))
    assert verdict.stateless, verdict.reason
    assert not verdict.declared
    assert not verdict.uses_random


# ---------------------------------------------------------------------- what is declared, and the other hooks


def test_the_empty_patterns_keep_nothing():
    for cls in (GenericPE, IterativePE, ProducerPE, ConsumerPE, SimpleFunctionPE):
        assert read_state(cls()).stateless


@pytest.mark.parametrize("declared", [True, False])
def test_what_is_declared_counts(declared):
    pe = pe_of(appends if declared else nothing_at_all)
    pe.stateless = declared
    verdict = read_state(pe)
    assert (verdict.stateless, verdict.declared) == (declared, True)


@pytest.mark.parametrize("name", ["global_random", "global_random_choice", "numpy_random", "numpy_random_seed"])
@pytest.mark.parametrize("declared", [True, False, None])
def test_global_generators_are_seen_even_where_state_is_declared(name, declared):
    pe = pe_of(STATEFUL[name])
    pe.stateless = declared
    assert read_state(pe).uses_random


def test_the_reason_names_the_expression_and_its_line():
    line = appends.__code__.co_firstlineno + 2
    reason = read_state(pe_of(appends)).reason
    assert "self.items.append(data)" in reason
    assert f"(test_verdict.py:{line})" in reason


def test_unsure_says_what_to_declare():
    reason = read_state(pe_of(no_source)).reason
    assert reason.startswith("unsure")
    assert "declare `stateless = True` if it keeps nothing between items" in reason


@pytest.mark.parametrize("name", ["postprocess", "_postprocess"])
def test_its_own_postprocess_is_state(name):
    cls = type("Late", (IterativePE,), {name: lambda self: None})
    verdict = read_state(cls())
    assert not verdict.stateless
    assert name in verdict.reason


def test_a_postprocess_set_on_the_instance_is_state():
    pe = IterativePE()
    pe.postprocess = lambda: None
    assert not read_state(pe).stateless


def test_a_process_set_on_the_instance_is_read():
    pe = IterativePE()
    seen = []
    pe.process = seen.append
    assert not read_state(pe).stateless


def test_closures_are_read():
    assert not read_state(closing_over([])).stateless
    assert not read_state(counting()).stateless
    assert read_state(reading_over({"a": 1})).stateless


class Processes(GenericPE):
    def __init__(self):
        super().__init__()
        self._add_input("a")
        self._add_output("b")
        self.total = 0

    def process(self, inputs):
        for port, item in inputs.items():
            self.write("b", (port, item))
        return {"b": inputs["a"]}


class Totals(Processes):
    def process(self, inputs):
        self.total += 1
        return super().process(inputs)


class Delegates(Processes):
    def process(self, inputs):
        return super().process({"a": inputs["a"]})


class DelegatesToState(Totals):
    def process(self, inputs):
        return super(DelegatesToState, self).process(inputs)


class DelegatesByName(Totals):
    def process(self, inputs):
        return Totals.process(self, inputs)


class CountsWrites(Processes):
    def write(self, name, data, **kwargs):
        self.total += 1
        super().write(name, data)


class NamesWrites(Processes):
    def write(self, name, data, **kwargs):
        super().write(name.lower(), data)


@pytest.mark.parametrize(
    ("cls", "expected"),
    [
        (Processes, True),
        (Totals, False),
        (Delegates, True),
        (DelegatesToState, False),
        (DelegatesByName, False),
        (CountsWrites, False),
        (NamesWrites, True),
    ],
)
def test_process_itself_may_be_overridden(cls, expected):
    verdict = read_state(cls())
    assert verdict.stateless is expected, verdict.reason


class Prepared(IterativePE):
    """Sets up in preprocess what process only reads, and the other way round."""

    def __init__(self):
        super().__init__()
        self.table = ()
        self.filled = {"a": 1}
        self.low = 1.0
        self.words = ["a"]

    def preprocess(self):
        self.table = load_table(self.low)
        self.fill()

    def fill(self):
        self.filled["b"] = []


def load_table(low):
    return {"a": [low]}


class ReadsPrepared(Prepared):
    def _process(self, data):
        return data * self.table[data] + self.low + len(self.words)


class ReadsUnfilled(Prepared):
    def _process(self, data):
        return data.filter(self.low, self.words[0])


class ChangesReplaced(Prepared):
    def _process(self, data):
        self.table.append(data)


class ChangesFilled(Prepared):
    def _process(self, data):
        self.filled[data].append(1)


class PassesReplaced(Prepared):
    def _process(self, data):
        data.filter(self.table)


class SetsByName(Prepared):
    def preprocess(self):
        for name in ("low", "high"):
            setattr(self, name, [])

    def _process(self, data):
        return data.filter(self.low)


class GivesItselfAway(Prepared):
    def preprocess(self):
        prepare(self)

    def _process(self, data):
        return data.filter(self.low)


def prepare(pe):
    pe.low = []


@pytest.mark.parametrize(
    ("cls", "expected"),
    [
        (ReadsPrepared, True),
        (ReadsUnfilled, True),
        (ChangesReplaced, False),
        (ChangesFilled, False),
        (PassesReplaced, False),
        (SetsByName, False),
        (GivesItselfAway, False),
    ],
)
def test_what_preprocess_sets_is_not_known_yet(cls, expected):
    verdict = read_state(cls())
    assert verdict.stateless is expected, verdict.reason


# ---------------------------------------------------------------------- functions as PEs


class Calls:
    def __init__(self):
        self.n = 0

    def __call__(self, x):
        self.n += 1
        return x


class Scales:
    def __init__(self, factor):
        self.factor = factor

    def __call__(self, x):
        return x * self.factor


def with_words(data, words):
    return [word for word in data if word in words]


def keeps_words(data, words):
    words.append(data)


def attribute_counter(data):
    attribute_counter.calls += 1
    return data


def from_handmade(data):
    return HANDMADE.function(data)


@pytest.mark.parametrize(
    ("function", "params", "expected"),
    [
        (scaled, {"factor": 3}, True),
        (scaled, {}, True),
        (with_words, {"words": ["a", "b"]}, True),
        (keeps_words, {"words": []}, False),
        (attribute_counter, {}, False),
        (note, {}, False),
        (remembering, {}, False),
        (fib, {}, True),
        (cached, {}, True),
        (cached_note, {}, False),
        (logged(double), {}, True),
        (logged(note), {}, False),
        (counted(double), {}, False),
        (math.sqrt, {}, True),
        (json.dumps, {"sort_keys": True}, True),
        (len, {}, True),
        (str.lower, {}, True),
        (np.sum, {"axis": 0}, True),
        (NO_SOURCE, {}, False),
        (lambda x: x + 1, {}, True),
        (lambda x: SEEN.append(x), {}, False),
        (random.choice, {}, False),
        (print, {}, True),
    ],
)
def test_functions_are_read_with_their_parameters(function, params, expected):
    verdict = read_state(SimpleFunctionPE(function, params))
    assert verdict.stateless is expected, verdict.reason


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (Calls(), False),
        (Scales(3), True),
        (functools.partial(scaled, factor=3), True),
        (functools.partial(put, []), False),
        (Model().predict, True),
        (Model().fit, False),
        ([].append, False),
        (re.compile("x").match, True),
        (operator.itemgetter(1), True),
        (np.add, True),
        (np.vectorize(double), True),
        (np.vectorize(note), False),
        (np.frompyfunc(note, 1, 1), False),
    ],
)
def test_other_things_that_can_be_called(function, expected):
    pe = SimpleFunctionPE()
    pe.compute_fn = function
    verdict = read_state(pe)
    assert verdict.stateless is expected, verdict.reason


def test_two_lambdas_in_one_line_are_told_apart():
    first, second = lambda x: x + 1, lambda x: SEEN.append(x)
    assert read_state(SimpleFunctionPE(first)).stateless
    assert not read_state(SimpleFunctionPE(second)).stateless


def test_a_module_is_read_as_it_is_now(monkeypatch):
    HANDMADE.function = double
    assert read_state(SimpleFunctionPE(from_handmade)).stateless
    monkeypatch.setattr(HANDMADE, "function", note)
    assert not read_state(SimpleFunctionPE(from_handmade)).stateless


def test_a_patched_library_function_is_read_as_it_is_now(monkeypatch):
    monkeypatch.setattr(math, "sqrt", note)
    assert not read_state(SimpleFunctionPE(lambda x: math.sqrt(x))).stateless


def test_reading_runs_none_of_the_code():
    class Loud(IterativePE):
        @property
        def value(self):
            raise AssertionError("was run")

        def _process(self, data):
            return data + self.value

    assert read_state(Loud()).stateless


def test_asynchronous_code_is_not_read():
    class Later(IterativePE):
        async def _process(self, data):
            return data

    assert not read_state(Later()).stateless


def test_too_many_functions_are_not_read(monkeypatch):
    monkeypatch.setattr("d4py_adaptive.dataflow.replication_rule.reading.MOST_FUNCTIONS", 2)
    assert "functions" in read_state(pe_of(functions)).reason


# ---------------------------------------------------------------------- written as text: stranger ways


def strange_classes():
    # Not among the globals: any item might be of a class that is.
    class Grumpy:
        """Every special method changes it."""

        def __init__(self):
            self.n = 0

        def __add__(self, other):
            self.n += 1
            return other

        def __iadd__(self, other):
            self.n += 1
            return self

        def __getitem__(self, key):
            self.n += 1
            return key

        def __contains__(self, key):
            self.n += 1
            return True

        def __enter__(self):
            self.n += 1
            return self

        def __exit__(self, *failure):
            pass

        def __iter__(self):
            self.n += 1
            return iter([1])

        def __bool__(self):
            self.n += 1
            return True

        def __str__(self):
            self.n += 1
            return "x"

    class NotesCalls:
        def __call__(self, x):
            self.NOTES.append(x)

        NOTES = []

    class NotesMaking:
        def __init__(self, x):
            SEEN.append(x)

    class NotesMissing:
        def __getattr__(self, name):
            SEEN.append(name)
            return 1

    class Intercepts:
        def __getattribute__(self, name):
            return object.__getattribute__(self, name)

    class Crowded(IterativePE):
        klass = []

        def __init__(self):
            super().__init__()
            self.n = 0
            self.items = []
            self.lists = {"a": [1]}
            self.lst = [3, 1]
            self.tt = ([],)
            self.cache = {}
            self.freq = np.ones(4)
            self.m = np.eye(3)
            self.rec = np.zeros(3, dtype=[("a", float)])
            self.obj = np.array([[1], {}], dtype=object)
            self.sos = signal.butter(4, 0.1, output="sos")
            self.kw = {"out": self.freq}
            self.it = iter([1])
            self.count = itertools.count()
            self.file = io.StringIO()
            self.adder = Grumpy()
            self.clients = [Grumpy(), Grumpy()]
            self.gc = NotesCalls()
            self.attr = NotesMissing()
            self.lazy = Intercepts()
            self.fs = [self.bad]
            self.append = self.items.append

        def bad(self, x):
            self.n += x

        def hook(self):
            return self.bad

        def __lt__(self, other):
            self.n += 1
            return True

        @property
        def p(self):
            self.n += 1
            return 1

    return {cls.__name__: cls for cls in (Grumpy, NotesCalls, NotesMaking, NotesMissing, Intercepts, Crowded)}


def crowded(tmp_path, body):
    file = tmp_path / "written.py"
    file.write_text("def _process(self, d):\n" + textwrap.indent(body, "    ") + "\n")
    names = {**globals(), **strange_classes()}
    exec(compile(file.read_text(), str(file), "exec"), names)
    return type("Written", (names["Crowded"],), {"_process": names["_process"]})()


# fmt: off
KEEPS = [
    "builtins.getattr(self,'items').append(d)",
    "operator.attrgetter('items')(self).append(d)",
    "list(map(NotesMaking,d))",
    "NotesCalls()(d)",
    "self.adder+d",
    "self.adder+=d",
    "x=self.adder; x+=d",
    "return d in self.adder",
    "with self.adder: pass",
    "for x in self.adder: pass",
    "if self.adder: pass",
    "return f'{self.adder}'",
    "return str(self.adder)",
    "return d in self.it",
    "return ' '.join(self.it)",
    "d.extend(self.it)",
    "self.file.write(d)",
    "print(d,file=self.file)",
    "return next(self.count)",
    "s=slice(0,2); v=self.freq[s]; v[0]=1",
    "v=self.freq[d]; v[0]=1",
    "v=self.rec['a']; v[0]=1",
    "self.obj[0].append(1)",
    "np.add(d,1,**self.kw)",
    "np.add(d,1,**{'out':self.freq})",
    "np.add(*[d,1,self.freq])",
    "np.copyto(dst=self.freq,src=d)",
    "hasattr(self,'p')",
    "return self.attr.foo",
    "return self.lazy.foo",
    "[(lambda x: x.append(1))(self.items) for x in d]",
    "self.fs[0](1)",
    "for f in self.fs: f(1)",
    "self.hook()(1)",
    "self.append(d)",
    "iter(self.bad, None)",
    "sorted([self,self])",
    "memoryview(self.freq)[0]=1",
    "csv.writer(self.file)",
    "random.shuffle(self.lst)",
    "sum(self.lists.values(),[]) ; self.lst.sort()",
    "scipy.signal.detrend(self.freq, overwrite_data=True)",
    "scipy.fft.fft(self.freq, None, -1, None, True)",
    "np.einsum('ii->i', self.m)[0]=1",
    "self.cache[d]=1",
    """if d not in self.cache: self.cache.update({d:1})
return self.cache[d]""",
    "self.clients[d].n=1",
    """c=self.clients
c[0].__dict__['n']=1""",
    "self.tt[0].append(1)",
    "(lambda: self.items)().append(1)",
    """def f(*a,**k): k['w'].append(1)
f(w=self.items)""",
    """def f(*a): a[1].append(1)
f(1,self.items)""",
    "(x:=self).n=1",
    """a=b=self.items
b.append(1)""",
    """d=[self.items]*3
d[0].append(1)""",
    "d={**self.lists}; d['a'].append(1)",
    "d=[*self.lists.values()]; d[0].append(1)",
    "d=collections.ChainMap(self.lists); d['z']=1",
    "d=types.SimpleNamespace(x=self.items); d.x.append(1)",
    "type('X',(),{})",
    """try: pass
finally:
    while True:
        self.n=1
        break""",
    "self.klass.append(1)",
    "setattr(type(self),'x',1)",
    "self.__class__.klass.append(1)",
    "super(Crowded,self).__setattr__('n',1)",
    "object.__setattr__(self,'n',1)",
    "self.freq+=1",
    "self.freq[0]+=1",
    "x=max(self.lists.values()); x.append(1)",
    "x=next(iter(self.lists.values())); x.append(1)",
    "x=dict(self.lists).get('a'); x.append(1)",
    "x=list(self.lists.items())[0][1]; x.append(1)",
    "for i,(k,v) in enumerate(self.lists.items()): v.append(1)",
    """first,*rest=self.clients
rest[0].n=1""",
    """d.cb=self.bad
d.cb(1)""",
    "functools.partial(setattr,self,'n')(1)",
    "list(map(setattr,[self],['n'],[1]))",
    "d.x.setdefault('k',[]).append(self.items); d.y[0].append(1)",
    "sys.modules['x']=d",
    "import json; json.foo=1",
    "globals_=globals; globals_()['x']=1",
    "self.adder.n=1",
    "copy.copy(self).items.append(1)",
    "copy.replace(self) if hasattr(copy,'replace') else self.items.append(1)",
    "return functools.reduce(self.bad, d)",
    "functools.lru_cache(self.bad)(1)",
    """@functools.wraps(self.bad)
def f(x): return self.bad(x)
f(1)""",
    "np.vectorize(self.bad)(d)",
    "np.apply_along_axis(self.bad,0,d)",
    "filter(self.bad,d)",
    "d.sort(key=lambda x:self.bad(x))",
    "return [y for x in d if (self.bad(x),1) for y in x]",
    "return {self.items.pop():1}",
    "return lambda: self.items.append(1)",
    "yield self.items.append(1)",
    "d[self.items.pop()]",
    "assert self.items.append(1) is None",
    "raise ValueError(self.items.append(1))",
    "for x in d: SEEN.append(x)",
    "[SEEN.append(1) for SEEN in [SEEN]]",
    "print(self.p)",
    "self.items.__iadd__([1])",
    "self.items.__class__.append(self.items,1)",
    "vars(self).update(n=2)",
    "self.lists['a']+=[1]",
    "x=self.lists['a']; x*=2",
    "x, = self.tt; x.append(1)",
    "with contextlib.ExitStack() as s: s.callback(self.bad,1)",
    "np.nan_to_num(self.freq, False)",
    "np.clip(d,0,1,self.freq)",
    "np.concatenate([d,d],0,self.freq)",
    "self.freq.sum(0,None,self.freq)",
    "self.freq.clip(0,1,out=self.freq)",
    "self.freq.T[0]=1",
    "self.freq.flat[0]=1",
    "self.freq.shape=(2,2)",
    "np.ravel(self.m)[0]=1",
    "np.split(self.m,3)[0][0]=1",
    "np.array(self.m,copy=False)[0]=1",
    "a,b=np.broadcast_arrays(self.m,d); a[0]=1",
    "np.lib.stride_tricks.as_strided(self.m)[0]=1",
    "self.m.view().fill(0)",
    "for r in self.m.T: r[:]=1",
    "r=self.m[1,:]; r/=2",
    "x = self.m.real; x[0]=1",
    "x = self.m.astype(float,copy=False); x[0]=1",
    "x = self.m.astype(float,'K','unsafe',True,False); x[0]=1",
]

KEEPS_NOTHING = [
    "return scipy.signal.sosfilt(self.sos,d)",
    "return signal.decimate(d, 2)*self.freq[0]",
    """import scipy.signal as s
b,a=s.butter(3,[.1,.2],'band'); return s.filtfilt(b,a,d)""",
    "i=np.argmax(np.abs(d)); return d.cut(self.freq[i])",
    "return [d.f(self.freq[i]) for i in range(len(self.freq))]",
    "with np.errstate(divide='ignore'): return np.nan_to_num(d/self.freq, copy=False)",
    "out=np.empty(self.freq.shape); out[:]=self.freq; out[0]=3; return np.r_[out,self.freq,0]",
    "st=d.copy(); st.merge(method=1); st.trim(d.start, d.end); st[0].data=st[0].data.astype(np.float32); return st",
    "buf=io.BytesIO(); np.save(buf,d); return buf.getvalue()",
    "print(d, file=sys.stderr); sys.stdout.write('x')",
    """q=[d]; seen=set()
while q:
    n=q.pop()
    if n in seen: continue
    seen.add(n); q.extend(n.children)
return seen""",
    "return sorted(d, key=operator.itemgetter(1))[:3], min(self.lst), max(self.lst), sum(self.lst)",
    """rows=[]
for line in d.splitlines():
    try: k,v=line.split('=')
    except ValueError: continue
    rows.append({'k':k,'v':float(v)})
return rows""",
    """a=A=0
def inner(y):
    return y+a
return inner(d)""",
    "return {**d,'x':len(self.items)}",
    "d=dict(d); d.update(low=self.n); d.pop('x',None); del d['y']; return d",
    "self.write('output',d); return None",
    "return np.sqrt(np.mean(d**2)), np.percentile(d,[5,95]), np.polyfit(self.freq,d,1), np.convolve(d,self.freq,'same'), np.interp(d,self.freq,self.freq)",
    "return self.m@d+np.dot(self.m,d)+np.linalg.solve(self.m,d)+np.einsum('ij,j',self.m,d)",
    "w=np.hanning(len(d)); w*=self.freq; d-=d.mean(); d*=w; return d",
]
# fmt: on


@pytest.mark.parametrize("body", KEEPS)
def test_stranger_ways_of_keeping_something(body, tmp_path):
    assert not read_state(crowded(tmp_path, body)).stateless


@pytest.mark.parametrize("body", KEEPS_NOTHING)
def test_stranger_ways_of_keeping_nothing(body, tmp_path):
    verdict = read_state(crowded(tmp_path, body))
    assert verdict.stateless, verdict.reason


class Fragile:
    @property
    def __class__(self):
        raise RuntimeError("do not look")


def test_what_cannot_even_be_looked_at_is_unsure():
    pe = pe_of(callback)
    pe.callback = Fragile()
    verdict = read_state(pe)
    assert not verdict.stateless
    assert "RuntimeError: do not look" in verdict.reason


def test_what_is_nested_too_deeply_is_unsure(tmp_path):
    assert "unsure" in read_state(crowded(tmp_path, "return " + "+".join(["d"] * 900))).reason
