"""The quick way shows nowhere: PEs of every kind, apart and fused, against what calling them one by one would give."""

import functools
from collections.abc import Callable
from types import MethodType
from typing import Any

import pytest

from d4py_adaptive import ConsumerPE, GenericPE, IterativePE, ProducerPE, SimpleFunctionPE
from d4py_adaptive.mappings.state_guard import StateGuard
from d4py_adaptive.telemetry.board import State
from d4py_adaptive.wire.frame import Kind

Make = Callable[..., Any]
CHAIN = [(0, "output", 1, "input"), (1, "output", 2, "input")]
VALUES: list[Any] = [1, 2.5, True, None, "three", (4, "four"), b"5", 6, "x" * 300, [7], 8, {"nine": 9}, 10]


class Items(ProducerPE):
    def __init__(self, items: list[Any]) -> None:
        super().__init__()
        self.items, self.calls = items, 0

    def _process(self, inputs: Any) -> Any:
        assert inputs == {}
        self.calls += 1
        return self.items[self.calls - 1]


class Keep(ConsumerPE):
    kept: list[Any] = []

    def __init__(self) -> None:
        super().__init__()
        Keep.kept = []

    def _process(self, data: Any) -> None:
        Keep.kept.append(data)


class Same(IterativePE):
    def _process(self, data: Any) -> Any:
        return data


@pytest.fixture(params=["apart", "fused", "first two fused", "last two fused"])
def make_chain(make_bench: Make, request: pytest.FixtureRequest) -> Make:
    """Make a bench for a source of items, a PE, and what keeps all."""

    def make(pe: GenericPE, items: list[Any], last: type[Keep] = Keep, **options: Any) -> Any:
        pes = [Items(items), pe, last()]
        one, two, three = (f"{pe.name}{i}" for i, pe in enumerate(pes))
        stages = {
            "apart": [(one, (0,)), (two, (1,)), (three, (2,))],
            "fused": [(f"{one} {two} {three}", (0,))],
            "first two fused": [(f"{one} {two}", (0,)), (three, (1,))],
            "last two fused": [(one, (0,)), (f"{two} {three}", (1,))],
        }[request.param]
        return hurry(make_bench(pes, CHAIN, stages, inputs=len(items), **options))

    return make


def hurry(bench: Any) -> Any:
    """Let every replica believe that a call takes a nanosecond, so that it makes many in a row."""
    for worker in bench.workers:
        for replica in worker.replicas:
            replica.service_ns = 1
    return bench


def failure_in(bench: Any) -> Any:
    (failure,) = [worker.failure[0] for worker in bench.workers if worker.failure]
    return failure


class AtOnce(IterativePE):
    """Writes before and after, and returns."""

    def _process(self, data: Any) -> Any:
        self.write("output", ("before", data))
        if data % 3 == 0:
            self.write("output", ["after", data])
        return data if data % 2 else None


class Dicts(GenericPE):
    """Says itself where its results go."""

    def __init__(self) -> None:
        super().__init__()
        self._add_input("input")
        self._add_output("output")
        self._add_output("other")

    def process(self, inputs: dict[str, Any]) -> Any:
        data = inputs["input"]
        return ({"output": data}, None, {"output": -data, "other": data}, {"other": data})[data % 4]


class OwnProcess(Same):
    def process(self, inputs: Any) -> Any:
        return {"output": ("own", inputs["input"])}


class Wrapped(Same):
    @functools.wraps(IterativePE.process)
    def process(self, inputs: Any) -> Any:
        return {"output": ("wrapped", inputs["input"])}


class OnInstance(Same):
    def __init__(self) -> None:
        super().__init__()
        self.process = MethodType(lambda pe, inputs: {"output": (pe.name, inputs["input"])}, self)  # type: ignore


class Prepared(Same):
    def preprocess(self) -> None:
        self._process = lambda data: ("prepared", data)  # type: ignore[method-assign]


class Phases(Same):
    """Goes from one `_process` to another, the first time and later."""

    def _process(self, data: Any) -> Any:
        self._process = self.second  # type: ignore[method-assign]
        return ("first", data)

    def second(self, data: Any) -> Any:
        self._process = self.third  # type: ignore[method-assign]
        return ("second", data)

    def third(self, data: Any) -> Any:
        return ("third", data)


class Later(Same):
    """Is given another `process` while it runs."""

    def _process(self, data: Any) -> Any:
        if data == 3:
            self.process = lambda inputs: {"output": ("late", inputs["input"])}  # type: ignore[method-assign]
        return data


class Diverts(Same):
    """Names another output from the third item on."""

    def __init__(self) -> None:
        super().__init__()
        self._add_output("other")

    def _process(self, data: Any) -> Any:
        if data == 3:
            self.OUTPUT_NAME = "other"
        return data


class OtherNames(IterativePE):
    INPUT_NAME, OUTPUT_NAME = "input", "output"

    def __init__(self) -> None:
        super().__init__()
        self.OUTPUT_NAME = "output"

    def _process(self, data: Any) -> Any:
        return data * 2


class Grows(Same):
    """Has one attribute more after each call."""

    def _process(self, data: Any) -> Any:
        setattr(self, f"seen{data}", data)
        return len(vars(self)), data


class Reuses(IterativePE):
    """Returns one list again and again, changed; between them small values."""

    def __init__(self) -> None:
        super().__init__()
        self.list: list[int] = []

    def _process(self, data: Any) -> Any:
        self.list.append(data)
        return self.list if data % 3 == 0 else data


N = list(range(12))
EXPECTED: list[tuple[Callable[[], GenericPE], list[Any]]] = [
    (Same, N),
    (AtOnce, [x for n in N for x in ([("before", n)] + [["after", n]] * (n % 3 == 0) + [n] * (n % 2))]),
    (Dicts, [n if n % 4 == 0 else -n for n in N if n % 4 in (0, 2)]),
    (OwnProcess, [("own", n) for n in N]),
    (Wrapped, [("wrapped", n) for n in N]),
    (OnInstance, [("OnInstance", n) for n in N]),
    (Prepared, [("prepared", n) for n in N]),
    (Phases, [(("first", "second", "third")[min(n, 2)], n) for n in N]),
    (Later, [n if n <= 3 else ("late", n) for n in N]),
    (Diverts, [0, 1, 2]),
    (OtherNames, [n * 2 for n in N]),
    (Reuses, [list(range(n + 1)) if n % 3 == 0 else n for n in N]),
    (lambda: SimpleFunctionPE(abs), N),
    (lambda: SimpleFunctionPE(pow, {"exp": 2}), [n * n for n in N]),
    (SimpleFunctionPE, []),
]


@pytest.mark.parametrize(("make", "expected"), EXPECTED, ids=lambda x: getattr(x, "__name__", ""))
def test_a_pe_of_any_kind_is_called_as_if_each_item_came_alone(
    make_chain: Make, make: Callable[[], GenericPE], expected: list[Any]
) -> None:
    bench = make_chain(make(), N)
    bench.run()
    assert all(worker.finished for worker in bench.workers)
    assert Keep.kept == expected
    source, pe, keep = bench.board.read()
    assert (source.item, source.items_out, pe.item, pe.items_in) == (12, 12, 12, 12)
    assert keep.items_in == keep.item == len(expected)
    assert pe.items_out == sum(number for number, _ in pe.streams.values()) == len(expected) + len(bench.results)
    others = {Dicts: [n for n in N if n % 4 >= 2], Diverts: [n for n in N if n >= 3]}
    assert bench.results == others.get(type(bench.job.workflow.nodes[1].prototype), [])


def test_a_pe_may_be_given_an_attribute_in_each_call(make_chain: Make) -> None:
    make_chain(Grows(), N).run()
    assert [n for _, n in Keep.kept] == N
    assert [size - Keep.kept[0][0] for size, _ in Keep.kept] == N


@pytest.mark.parametrize("flat_items", [1, 3, 1024])
def test_small_and_other_values_come_out_as_they_went_in(make_chain: Make, flat_items: int) -> None:
    items = [value for value in VALUES if value is not None] * 5
    make_chain(Same(), items, flat_items=flat_items).run()
    assert Keep.kept == items
    assert [type(item) for item in Keep.kept] == [type(item) for item in items]


def test_what_is_none_is_not_written(make_chain: Make) -> None:
    make_chain(Same(), VALUES).run()
    assert Keep.kept == [value for value in VALUES if value is not None]


@pytest.mark.parametrize("own", [False, True])
def test_a_failure_names_the_pe_and_its_item(make_chain: Make, own: bool) -> None:
    class Fails(IterativePE):
        def _process(self, data: int) -> int:
            return 10 // (data - 6)

    class FailsByInputs(Fails):
        def process(self, inputs: Any) -> Any:
            return super().process(inputs)

    bench = make_chain(FailsByInputs() if own else Fails(), N)
    bench.run()
    failure = failure_in(bench)
    assert (failure.pe[:5], failure.item, failure.port, failure.method) == ("Fails", 7, "input", "process")
    assert failure.error_type == "ZeroDivisionError"
    assert failure.traceback.split("\n")[1].endswith("in process" if own else "in _process")
    (counters,) = [c for c in bench.board.read() if c.pe.startswith("Fails")]
    assert (counters.item, counters.items_in, counters.items_out, counters.state) == (7, 7, 6, State.IDLE)


def test_an_exit_is_a_failure_too_and_names_the_pe_behind(make_chain: Make) -> None:
    class Exits(Keep):
        def _process(self, data: int) -> None:
            if data == 4:
                raise SystemExit(3)

    bench = make_chain(Same(), N, Exits)
    bench.run()
    failure = failure_in(bench)
    assert (failure.pe, failure.item, failure.error_type) == ("Exits2", 5, "SystemExit")


def test_a_source_is_stopped_between_two_calls(make_chain: Make) -> None:
    class Stops(Same):
        def _process(self, data: Any) -> Any:
            if data == 5:
                for worker in bench.workers:
                    worker.stop()
            return data

    bench = make_chain(Stops(), list(range(9000)))
    bench.run()
    assert all(worker.finished for worker in bench.workers)
    assert Keep.kept == list(range(len(Keep.kept)))
    assert 6 <= len(Keep.kept) < 9000


def test_after_an_abort_nothing_more_is_called(make_chain: Make) -> None:
    class Aborts(Same):
        called = 0

        def _process(self, data: Any) -> Any:
            Aborts.called += 1
            if data == 5:
                for worker in bench.workers:
                    worker.aborted = worker.ending = True
            return None

    bench = make_chain(Aborts(), N)
    bench.run()
    assert Aborts.called == 6
    assert Keep.kept == []


@pytest.mark.parametrize("policy", ["skip", "retry:1", "retry:1,skip"])
def test_a_pe_with_a_policy_is_called_with_care(make_chain: Make, policy: str) -> None:
    class Doubtful(IterativePE):
        on_error = policy
        failed = False

        def _process(self, data: int) -> int:
            self.write("output", -data)
            if data == 6 and (not self.failed or policy == "skip"):
                self.failed = True
                raise ValueError
            return data

    make_chain(Doubtful(), N).run()
    assert Keep.kept == [x for n in N for x in (-n, n) if n != 6 or policy != "skip"]


def test_a_run_ends_when_calls_become_slow(make_bench: Make, clock: Any) -> None:
    class Slow(Items):
        def _process(self, inputs: Any) -> Any:
            if self.calls >= 2:
                clock.advance(10**9)
            return super()._process(inputs)

    stages = [("Slow0", (0,)), ("Keep1", (1,))]
    bench = hurry(make_bench([Slow(N), Keep()], CHAIN[:1], stages, inputs=12))
    bench.workers[0].step()
    bench.deliver()
    bench.workers[1].step()
    assert Keep.kept == [0, 1, 2]  # the third took a second, so that no fourth was begun
    bench.run()
    assert Keep.kept == N


def test_no_more_calls_are_made_than_there_is_room_for_results(make_bench: Make) -> None:
    source = Items(list(range(100)))
    bench = hurry(make_bench([source, Keep()], CHAIN[:1], [("Items0", (0,)), ("Keep1", (1,))], inputs=100))
    bench.workers[0].step()
    (instance,) = bench.workers[0].replicas[0].instances.values()
    assert instance.pe.calls == 5  # four may be sent, one waits
    assert bench.workers[0].replicas[0].laps.running is instance
    bench.run()
    assert Keep.kept == list(range(100))


def test_fused_pes_are_called_in_turn_for_each_item_and_timed_apart(make_bench: Make, clock: Any) -> None:
    said: list[tuple[str, int]] = []

    class Says(IterativePE):
        def __init__(self, name: str, ns: int) -> None:
            super().__init__()
            self.name, self.ns = name, ns

        def _process(self, data: int) -> int:
            said.append((self.name, data))
            clock.advance(self.ns)
            return data

    pes = [Items(N), Says("A", 3), Says("B", 50), Keep()]
    chain = [*CHAIN, (2, "output", 3, "input")]
    bench = hurry(make_bench(pes, chain, [("Items0 A1 B2 Keep3", (0,))], inputs=12))
    bench.run()
    assert said == [(name, n) for n in N for name in "AB"]
    assert [round(c.busy_s * 1e9) for c in bench.board.read()] == [0, 36, 600, 0]
    assert [c.state for c in bench.board.read()] == [State.DONE] * 4


def test_what_is_written_before_a_fused_reader_is_prepared_waits(make_bench: Make) -> None:
    class Early(Items):
        def preprocess(self) -> None:
            self.write("output", -1)

    class Ready(Same):
        def preprocess(self) -> None:
            self.ready = True

        def _process(self, data: Any) -> Any:
            return data if self.ready else None

    bench = make_bench([Early(N), Ready(), Keep()], CHAIN, [("Early0 Ready1 Keep2", (0,))], inputs=12)
    hurry(bench).run()
    assert Keep.kept == [-1, *N]


def test_a_fused_pe_of_two_inputs_gets_each_item_at_its_own(make_bench: Make) -> None:
    class Two(Keep):
        def __init__(self) -> None:
            super().__init__()
            self._add_input("other")

        def process(self, inputs: Any) -> None:
            Keep.kept.extend(inputs.items())

    class Asks(Two):
        """The pattern's own `process`, which knows of one input alone."""

        process = ConsumerPE.process

    connections = [(0, "output", 1, "input"), (0, "output", 1, "other")]
    hurry(make_bench([Items([1, 2]), Two()], connections, [("Items0 Two1", (0,))], inputs=2)).run()
    assert Keep.kept == [("input", 1), ("other", 1), ("input", 2), ("other", 2)]
    bench = hurry(make_bench([Items([1, 2]), Asks()], connections[1:], [("Items0 Asks1", (0,))], inputs=2))
    bench.run()
    assert (failure_in(bench).error_type, failure_in(bench).port) == ("KeyError", "other")


class Boxes(IterativePE):
    """Makes something changeable of a small value, and keeps nothing of it."""

    made: list[int] = []

    def _process(self, data: Any) -> Any:
        box = [data] if data % 2 else data
        Boxes.made.append(id(box))
        return box


class BoxesByInputs(Boxes):
    def process(self, inputs: Any) -> Any:
        return {"output": self._process(inputs["input"])}


@pytest.mark.parametrize("kind", [Boxes, BoxesByInputs])
@pytest.mark.parametrize("fused", ["Items0 {} Keep2", "Items0 | {} Keep2"])
def test_a_fused_reader_gets_what_nobody_else_holds_without_a_copy(
    make_bench: Make, kind: type[Boxes], fused: str
) -> None:
    class Sees(Keep):
        def _process(self, data: Any) -> None:
            Keep.kept.append(data)  # stays, so that no other box gets its place
            assert id(data) == Boxes.made[-1]

    stages = [
        (pes, (i,)) for i, pes in enumerate(fused.replace("Keep", "Sees").format(f"{kind.__name__}1").split(" | "))
    ]
    bench = hurry(make_bench([Items(N), kind(), Sees()], CHAIN, stages, inputs=12))
    bench.run()
    assert not any(worker.failure for worker in bench.workers)
    assert Keep.kept == [[n] if n % 2 else n for n in N]


def test_what_slow_calls_return_does_not_wait_until_the_reader_has_said_what_it_read(
    make_bench: Make, clock: Any
) -> None:
    class Slow(Items):
        def _process(self, inputs: Any) -> Any:
            clock.advance(400_000)
            return super()._process(inputs)

    bench = hurry(make_bench([Slow(N), Keep()], CHAIN[:1], [("Slow0", (0,)), ("Keep1", (1,))], inputs=12))
    bench.workers[0].outlets[0, 1].grant(100, 10**6, 0)
    bench.workers[0].step()
    numbers = [frame.number for _, frame in bench.links[0].frames if frame.kind is Kind.DATA]
    assert numbers == [2] * 6


def test_the_state_of_a_pe_is_watched_on_the_quick_way_too(make_chain: Make) -> None:
    class Changes(Same):
        gain = 0

        def _process(self, data: Any) -> Any:
            if data == 6:
                self.gain = 1
            return data

    bench = make_chain(Changes(), N)
    for worker in bench.workers:
        for replica in worker.replicas:
            for instance in replica.instances.values():
                if isinstance(instance.pe, Changes):
                    instance.guard = StateGuard(instance.pe)
    bench.run()
    failure = failure_in(bench)
    assert failure.pe.startswith("Changes")
    assert "self.gain changed" in failure.message
    assert failure.item >= 7


class ByFirst(Keep):
    """Keeps pairs, equal first members together."""

    def __init__(self) -> None:
        super().__init__()
        self.inputconnections["input"]["grouping"] = [0]


class Wrapped(Same):
    """The same, called by its inputs."""

    def process(self, inputs: Any) -> Any:
        return super().process(inputs)


@pytest.mark.parametrize("pe", [Same, Wrapped])
def test_items_with_keys_come_out_as_they_went_in(make_chain: Make, pe: type[Same]) -> None:
    items = [(f"key {n % 5}", n) for n in range(40)]
    items[20] = ("long", "x" * 400)  # type: ignore[assignment]
    make_chain(pe(), items, ByFirst).run()
    assert Keep.kept == items


@pytest.mark.parametrize("pe", [Same, Wrapped])
@pytest.mark.parametrize("bad", [7, ()])
def test_an_item_without_its_key_is_the_writer_s_failure(make_chain: Make, pe: type[Same], bad: Any) -> None:
    items = [*((f"key {n}", n) for n in range(6)), bad, ("never", 1)]
    bench = make_chain(pe(), items, ByFirst)
    bench.run()
    failure = failure_in(bench)
    assert (failure.pe, failure.method, failure.port, failure.item) == (f"{pe.__name__}1", "write", "output", 7)
    assert failure.error_type == "WorkflowError"
