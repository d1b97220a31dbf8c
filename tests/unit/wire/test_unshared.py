"""When the copy of an item can be spared: reference counts, through the calls that a write goes through."""

import collections
import copy
import functools
import mmap
import pickle
import sys
import threading
import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from d4py_adaptive.dataflow.pe import GenericPE
from d4py_adaptive.wire import copying
from d4py_adaptive.wire.copying import called_through, is_atomic, unshared


class Plain:
    def __init__(self, **attributes):
        self.__dict__.update(attributes)


class Slots:
    __slots__ = ("__weakref__", "a", "b")

    def __init__(self, a):
        self.a = a


class Both(Slots):
    pass


class Names(list):
    pass


class Runtime:
    """Notes for each item written whether it was the writer's last reference."""

    def __init__(self):
        self.told = []
        self.through = []

    def write(self, port, item):
        self.through.append(called_through(GenericPE._write.__code__, GenericPE.write.__code__))
        self.told.append(unshared(item, 3))

    def log(self, message):
        raise NotImplementedError


KEPT = np.zeros(3)


def make():
    return np.zeros(3)


class Writer(GenericPE):
    """Every method writes items that nobody else holds, or that somebody does."""

    def __init__(self):
        super().__init__()
        self._add_output("out")
        self.buf = np.zeros(3)
        self.kept = {"a": np.zeros(3), "list": [np.zeros(3)]}
        self.trace = Plain(data=np.zeros(3))
        self.last = None

    def free_temporary(self):
        self.write("out", np.zeros(3))

    def free_by_name(self):
        self.write(name="out", data=np.zeros(3))

    def free_call(self):
        self.write("out", make())

    def free_expression(self):
        self.write("out", self.buf + 1)

    def free_copy(self):
        self.write("out", self.buf.copy())

    def free_dict(self):
        self.write("out", {"a": np.zeros(3), "b": {"c": [np.zeros(2), 5, "x"]}, "d": (1, 2.5)})

    def free_tuple(self):
        self.write("out", (1, np.zeros(3)))

    def free_list_of_numbers(self):
        self.write("out", [1.0] * 1000)

    def free_comprehension(self):
        self.write("out", [[n] for n in range(5)])

    def free_bytearray(self):
        self.write("out", [bytearray(3), {1, 2}])

    def free_object(self):
        self.write("out", Plain(data=np.zeros(3), stats=Plain(name="a", more=[1, 2])))

    def free_slots(self):
        self.write("out", Slots(np.zeros(3)))

    def free_slots_and_dict(self):
        item = [Both([np.zeros(3)])]
        item[0].c = [1]
        self.write("out", item.pop())

    def free_in_loop(self):
        for n in range(3):
            self.write("out", np.full(3, n))

    def free_after_pop(self):
        queue = [np.zeros(3)]
        self.write("out", queue.pop())

    def free_atoms(self):
        number, text, pair = 5, "abc", (1, "x")
        self.write("out", number)
        self.write("out", text)
        self.write("out", pair)
        self.write("out", (self.name, 1000, b"x", np.float64(1)))

    def held_local(self):
        x = np.zeros(3)
        self.write("out", x)

    def held_local_list(self):
        x = [1]
        self.write("out", x)

    def held_loop_variable(self):
        for x in [np.zeros(3), np.zeros(3)]:
            self.write("out", x)

    def held_walrus(self):
        self.write("out", x := np.zeros(3))
        x[0] = 1

    def held_attribute(self):
        self.write("out", self.buf)

    def held_global(self):
        self.write("out", KEPT)

    def held_in_container(self):
        self.write("out", self.kept["a"])

    def held_dict(self):
        self.write("out", self.kept)

    def held_member_of_tuple(self):
        self.write("out", (1, self.buf))

    def held_member_of_dict(self):
        self.write("out", {"a": np.zeros(3), "b": self.buf})

    def held_deep_member(self):
        self.write("out", {"a": {"b": self.kept["list"]}})

    def held_array_of_member(self):
        self.write("out", {"a": {"b": list(self.kept["list"])}})

    def held_shallow_copy(self):
        self.write("out", dict(self.kept))

    def held_local_member(self):
        x = np.zeros(3)
        self.write("out", {"a": x})

    def held_view(self):
        self.write("out", self.buf[:])

    def held_view_in_list(self):
        self.write("out", [self.buf.reshape(1, 3)])

    def held_under_a_view(self):
        view = [np.zeros(3)[1:]]
        self.write("out", view[0].base)

    def held_by_memoryview(self):
        queue = [np.zeros(3)]
        window = memoryview(queue[0])
        self.write("out", queue.pop())
        del window

    def held_foreign_memory(self):
        self.write("out", np.frombuffer(bytearray(24)))

    def held_twice_inside(self):
        self.write("out", [[1], [2]] * 2)

    def held_object(self):
        self.write("out", self.trace)

    def held_object_in_tuple(self):
        self.write("out", (1, self.trace))

    def held_data_of_object(self):
        self.write("out", Plain(data=self.buf))

    def held_slot(self):
        self.write("out", Slots(self.buf))

    def held_attributes(self):
        item = [Plain(a=[1])]
        attributes = vars(item[0])
        self.write("out", item.pop())
        del attributes

    def held_weakly(self):
        queue = [Plain(a=1)]
        self.last = weakref.ref(queue[0])
        self.write("out", queue.pop())

    def held_array_weakly(self):
        queue = [[np.zeros(3)]]
        self.last = weakref.ref(queue[0][0])
        self.write("out", queue.pop())

    def held_by_finalizer(self):
        queue = [Slots(1)]
        self.last = weakref.finalize(queue[0], int)
        self.write("out", queue.pop())

    def held_by_closure(self):
        x = np.zeros(3)
        self.last = lambda: x
        self.write("out", x)

    def held_by_generator(self):
        def source():
            x = np.zeros(3)
            while True:
                yield x

        self.last = source()
        self.write("out", next(self.last))

    def held_by_default(self):
        def give(x=np.zeros(3)):  # noqa: B008
            return x

        self.write("out", give())

    def held_by_cache(self):
        @functools.lru_cache
        def give():
            return np.zeros(3)

        give()
        self.last = give
        self.write("out", give())

    def held_by_bound_method(self):
        queue = [[1]]
        self.last = queue[0].append
        self.write("out", queue.pop())

    def held_starred(self):
        arguments = ("out", np.zeros(3))
        self.write(*arguments)

    def held_by_exception(self):
        try:
            x = np.zeros(3)
            raise ValueError(x)
        except ValueError as error:
            self.last = error
            del x
            self.write("out", error.args[0])

    def unsure_subclass(self):
        self.write("out", Names([1]))

    def unsure_object_array(self):
        self.write("out", np.array([[1], None], dtype=object))

    def unsure_other_containers(self):
        self.write("out", collections.deque([1]))
        self.write("out", collections.OrderedDict(a=1))
        self.write("out", np.ma.masked_array([1.0]))
        self.write("out", np.zeros(1).view(np.recarray))
        self.write("out", threading.Lock())
        self.write("out", np.random.default_rng())

    def unsure_large(self):
        self.write("out", [[n] for n in range(100)])

    def unsure_large_inside(self):
        self.write("out", [[[m] for m in range(20)] for n in range(20)])

    def unsure_deep(self):
        self.write("out", [[[[[[1]]]]]])

    def unsure_iterator(self):
        self.write("out", iter([np.zeros(3)]))

    def unsure_loop(self):
        loop = []
        loop.append(loop)
        self.write("out", [loop.pop()])


CASES = [name for name in vars(Writer) if name.startswith(("free", "held", "unsure"))]


@pytest.mark.parametrize("case", CASES)
def test_a_write_knows_whether_the_writer_kept_the_item(case):
    writer = Writer()
    writer._runtime = Runtime()
    for _ in range(100):  # the interpreter changes how it calls once it has seen a call often enough
        getattr(writer, case)()
    assert set(writer._runtime.told) == {case.startswith("free")}
    assert all(writer._runtime.through)


def test_counts_can_be_trusted_on_this_interpreter():
    assert (sys.version_info < (3, 14)) == copying._COUNTS_TELL


def test_an_object_in_a_trace_function_is_judged_alike():
    writer = Writer()
    writer._runtime = Runtime()
    before = sys.gettrace()
    sys.settrace(lambda *_: None)
    try:
        writer.free_temporary()
        writer.held_local()
    finally:
        sys.settrace(before)
    assert writer._runtime.told[1] is False


def test_objects_without_a_dict_yet_or_with_one_are_judged_alike():
    queue = [Plain(), Plain(a=[1]), Plain(a=[1])]
    vars(queue[2])
    judged = []
    while queue:
        judged.append(unshared(queue.pop(), 0))
    assert judged == [True, True, True]


MEMORIES = {
    "in a frame": lambda raw: bytearray(raw),
    "in a pool": lambda raw: memoryview(np.frombuffer(mapped(raw), np.uint8, len(raw))),
    "by itself": lambda raw: memoryview(mapped(raw)),
    "copied": lambda raw: np.frombuffer(raw, np.uint8).copy().data,
}
"""What an array from another process may stand on."""


def mapped(raw):
    memory = mmap.mmap(-1, len(raw))
    memory[:] = raw
    return memory


class Passer(GenericPE):
    """Every method passes on what arrived, which nobody else holds, or something of which somebody does."""

    def __init__(self, memory):
        super().__init__()
        self._add_output("out")
        self.memory = memory
        self.last = None

    def arrived(self, item=None):
        """A list with an item as it is after its way from another process, so that it can be popped."""
        buffers = []
        body = pickle.dumps(np.arange(60.0) if item is None else item, 5, buffer_callback=buffers.append)
        return [pickle.loads(body, buffers=[self.memory(buffer.raw()) for buffer in buffers])]

    def free_array(self):
        self.write("out", self.arrived().pop())

    def free_changed_in_place(self):
        queue = self.arrived()
        queue[0] += 1
        queue[0][3:5] = queue[0][::-1][:2]
        queue[0].sort()
        self.write("out", queue.pop())

    def free_part(self):
        queue = self.arrived()
        queue.append(queue.pop()[3:])
        self.write("out", queue.pop())

    def free_shapes(self):
        queue = self.arrived()
        queue.append(queue.pop().reshape(6, 10).T)
        self.write("out", queue.pop())

    def free_fortran(self):
        self.write("out", self.arrived(np.asfortranarray(np.ones((5, 7)))).pop())

    def free_members(self):
        self.write("out", self.arrived({"a": np.zeros(9), "b": [np.ones(9), (1, np.ones(2))], "c": "x"}).pop())

    def free_object(self):
        self.write("out", self.arrived(Plain(data=np.zeros(9), stats=Plain(name="a"))).pop())

    def free_after_a_look(self):
        queue = self.arrived()
        weakref.ref(queue[0].base)
        float(memoryview(queue[0])[3])
        queue[0].base.base.obj.__class__.__name__  # noqa: B018 - looked at, not kept
        self.write("out", queue.pop())

    def held_array(self):
        self.last = self.arrived()
        self.write("out", self.last[0])

    def held_view(self):
        queue = self.arrived()
        self.last = queue[0][5:7]
        self.write("out", queue.pop())

    def held_another_type(self):
        queue = self.arrived()
        self.last = queue[0].view("u1")
        self.write("out", queue.pop())

    def held_while_a_part_is_written(self):
        self.last = self.arrived()
        self.write("out", self.last[0][5:])

    def held_other_part(self):
        queue = self.arrived()
        self.last = queue[0][:5]
        self.write("out", queue.pop()[5:])

    def held_memoryview(self):
        queue = self.arrived()
        self.last = memoryview(queue[0])
        self.write("out", queue.pop())

    def held_bytes_of_it(self):
        queue = self.arrived()
        self.last = memoryview(queue[0]).cast("B")[8:16]
        self.write("out", queue.pop())

    def held_pickle_buffer(self):
        queue = self.arrived()
        self.last = pickle.PickleBuffer(queue[0])
        self.write("out", queue.pop())

    def held_ctypes(self):
        queue = self.arrived()
        self.last = queue[0].ctypes
        self.write("out", queue.pop())

    def held_base(self):
        queue = self.arrived()
        self.last = queue[0].base
        self.write("out", queue.pop())

    def held_base_weakly(self):
        queue = self.arrived()
        self.last = weakref.ref(queue[0].base)
        self.write("out", queue.pop())

    def held_base_of_base(self):
        queue = self.arrived()
        self.last = queue[0].base.base
        self.write("out", queue.pop())

    def held_base_of_base_weakly(self):
        queue = self.arrived()
        self.last = weakref.ref(queue[0].base.base)
        self.write("out", queue.pop())

    def held_memory(self):
        queue = self.arrived()
        self.last = queue[0].base.base.obj
        self.write("out", queue.pop())

    def held_written_base(self):
        queue = self.arrived()
        self.last = queue.pop()
        queue.append(self.last.base)
        self.write("out", queue.pop())

    def held_local(self):
        item = self.arrived().pop()
        self.write("out", item)

    def held_member(self):
        queue = self.arrived({"a": np.zeros(9), "b": np.zeros(9)})
        self.last = queue[0]["b"]
        self.write("out", queue.pop())

    def held_view_of_a_member(self):
        queue = self.arrived({"a": np.zeros(9), "b": [np.zeros(9)]})
        self.last = queue[0]["b"][0][3:4]
        self.write("out", queue.pop())

    def held_twice_inside(self):
        array = np.zeros(9)
        self.write("out", self.arrived([array, array]).pop())

    def held_views_of_one_inside(self):
        queue = self.arrived()
        array = queue.pop()
        queue.append([array[:30], array[30:]])
        del array
        self.write("out", queue.pop())

    def held_read_only(self):
        array = np.zeros(9)
        array.flags.writeable = False
        self.write("out", self.arrived(array).pop())

    def unsure_objects_and_subclasses(self):
        self.write("out", self.arrived(np.array([[1], None], dtype=object)).pop())
        self.write("out", self.arrived(np.zeros(3).view(np.recarray)).pop())


PASSED = [name for name in vars(Passer) if name.startswith(("free", "held", "unsure"))]


@pytest.mark.parametrize("memory", MEMORIES)
@pytest.mark.parametrize("case", PASSED)
def test_a_write_knows_whether_the_writer_kept_anything_of_what_arrived(case, memory):
    passer = Passer(MEMORIES[memory])
    passer._runtime = Runtime()
    for _ in range(60):
        getattr(passer, case)()
    assert set(passer._runtime.told) == {case.startswith("free")}
    assert all(passer._runtime.through)


def test_an_array_on_memory_of_the_user_s_is_shared():
    kept = bytearray(80)
    array = [np.frombuffer(kept), np.frombuffer(kept)[:], np.frombuffer(memoryview(kept))[2:]]
    judged = [unshared(array.pop(), 0) for _ in range(3)]
    assert judged == [False, False, False]


class Overrides(Writer):
    """A PE with a `write` of its own, and one that calls `_write` itself, where one frame less holds the item."""

    def write(self, name, data):
        self._write(name, data)

    def around(self):
        x = np.zeros(3)
        self._write("out", x)


def test_another_way_to_write_is_noticed():
    writer = Overrides()
    writer._runtime = Runtime()
    writer.held_local()
    writer.around()
    assert writer._runtime.through == [False, False]
    assert writer._runtime.told == [False, True]  # which is why the way must be looked at too


class SuperWriter(Writer):
    def write(self, name, data, **kwargs):
        super().write(name, data, **kwargs)


def test_a_longer_way_only_costs_a_copy():
    writer = SuperWriter()
    writer._runtime = Runtime()
    writer.free_temporary()
    writer.held_local()
    assert writer._runtime.told == [False, False]


class Returning:
    def __init__(self):
        self.buf = np.zeros(3)

    def fresh(self):
        return {"output": np.zeros(3)}

    def fresh_local(self):
        result = np.zeros(3)
        return {"output": result}

    def kept_member(self):
        return {"output": self.buf}

    def kept_dict(self):
        self.last = {"output": np.zeros(3)}
        return self.last


@pytest.mark.parametrize(
    ("method", "free"), [("fresh", True), ("fresh_local", True), ("kept_member", False), ("kept_dict", False)]
)
def test_what_process_returns_is_judged_as_a_whole(method, free):
    owner = Returning()
    for _ in range(100):
        returned = getattr(owner, method)()
        assert unshared(returned, 1) == free


def test_what_process_returned_is_handed_out_after_it_was_judged():
    owner = Returning()
    returned = owner.fresh()
    judged = [unshared(returned, 1)]
    item = returned.pop("output")
    judged.append(unshared(item, 1))
    assert judged == [True, True]


def test_a_number_that_does_not_fit_means_shared():
    item = [1]
    judged = [unshared(item, 1), unshared(item, 0), unshared(item, 2)]
    assert judged == [True, False, False]


def test_waveforms_are_judged_by_all_they_hold():
    obspy = pytest.importorskip("obspy")

    def trace(data):
        return obspy.Trace(data, {"network": "GE", "starttime": obspy.UTCDateTime(5), "mseed": {"x": 1}})

    kept = np.zeros(5)
    queue = [
        trace(np.zeros(5)),
        obspy.Stream([trace(np.zeros(5)) for _ in range(3)]),
        (1, trace(np.zeros(5))),
        trace(kept),
        obspy.Stream([trace(np.zeros(5)), trace(kept)]),
        trace(kept[:3]),
    ]
    judged = []
    while queue:
        judged.append(unshared(queue.pop(0), 0))
    assert judged == [True, True, True, False, False, False]
    stream = obspy.Stream([trace(np.zeros(5))])
    queue = [stream[0]]
    judged = [unshared(queue.pop(), 0)]
    processed = trace(np.zeros(5)).detrend("demean").taper(0.1)
    judged.append(unshared(processed, 1))
    assert judged == [False, True]


def test_where_the_stack_does_not_count_nothing_is_spared(monkeypatch):
    monkeypatch.setattr(copying, "_COUNTS_TELL", False)
    queue = [np.zeros(3), 5]
    judged = [unshared(queue.pop(), 0), unshared(queue.pop(), 0)]
    assert judged == [True, False]


def test_the_probe_notices_counts_that_leave_out_the_stack(monkeypatch):
    real = sys.getrefcount
    monkeypatch.setattr(sys, "getrefcount", lambda item: min(real(item) - 1, copying._HERE))
    assert not copying._counts_tell()


def test_the_probe_notices_free_threads(monkeypatch):
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
    assert not copying._counts_tell()


SMALL = st.recursive(
    st.one_of(st.integers(), st.floats(), st.integers(0, 5).map(np.zeros)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.lists(inner, max_size=3).map(tuple), st.builds(Plain, a=inner),
        st.dictionaries(st.text(max_size=2), inner, max_size=3), st.builds(Slots, inner),
    ),
    max_leaves=4,
)  # fmt: skip


@given(SMALL)
def test_small_items_that_nobody_holds_are_unshared(item):
    queue = [copy.deepcopy(item)]
    judged = unshared(queue.pop(), 0)
    assert judged == (levels(item) <= 5)


def levels(item):
    """How many levels of what can be changed an item has."""
    if is_atomic(item):
        return 0
    if isinstance(item, np.ndarray):
        return 1
    members = item.values() if isinstance(item, dict) else item
    if isinstance(item, Plain | Slots):
        members = [item.a]
    return 1 + max(map(levels, members), default=0)


def parts(item):
    """All that can be changed inside an item."""
    if is_atomic(item):
        return []
    members = [item.a] if isinstance(item, Plain | Slots) else item.values() if isinstance(item, dict) else item
    below = [] if isinstance(item, np.ndarray) else [part for member in members for part in parts(member)]
    return below if isinstance(item, tuple) else [item, *below]


@given(SMALL, st.integers(0, 1000))
def test_holding_any_part_makes_it_shared(item, choice):
    queue = [copy.deepcopy(item)]
    held = parts(queue[0])
    if held:
        held = [held[choice % len(held)]]
        judged = unshared(queue.pop(), 0)
        assert judged is False
