"""One run from start to end, in this process: the job, the record, what is kept when it fails."""

import base64
import json
import os
import pickle
from pathlib import Path
from typing import Any

import pytest

from d4py_adaptive import ConsumerPE, GenericPE, IterativePE, ProducerPE, WorkflowGraph
from d4py_adaptive.dataflow.plan import Plan, Stage
from d4py_adaptive.errors import InputError, Interrupted, PEError, PlanError, UnknownName, WorkflowError
from d4py_adaptive.runtime import session
from d4py_adaptive.runtime.session import RunOptions, enact, make_job
from d4py_adaptive.telemetry.run_directory import RunDirectory, find_run
from d4py_adaptive.telemetry.run_record import RunRecord


class Numbers(ProducerPE):
    def __init__(self) -> None:
        super().__init__()
        self.next = 0

    def _process(self, inputs: Any) -> int:
        self.next += 1
        return self.next


class Invert(IterativePE):
    stateless = True

    def _process(self, data: int) -> float:
        return 6 / (3 - data)


class Keep(ConsumerPE):
    stateless = False

    def _process(self, data: Any) -> None:
        self.log(f"kept {data}")


def graph(*pes: GenericPE) -> WorkflowGraph:
    made = WorkflowGraph()
    made.add(pes[0])
    for before, after in zip(pes, pes[1:], strict=False):  # noqa: RUF007
        made.connect(before, "output", after, "input")
    return made


def saved(home: Path) -> RunDirectory:
    return find_run(home, "last")


@pytest.fixture(autouse=True)
def _still_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(1_700_000_000, 1_800_000_000))
    monkeypatch.setattr(session, "wall_time_s", lambda: float(next(now)))


def test_a_run_keeps_its_record_its_plan_and_its_counters(home: Path, view: Any) -> None:
    options = RunOptions(seed=5, workflow="flow.py")
    finished = enact(graph(Numbers(), Invert()), 2, options, view)
    assert view.results == [("Invert1", "output", 3.0), ("Invert1", "output", 6.0)]
    run = saved(home)
    record = run.read_record()
    assert record == RunRecord.from_dict(json.loads(json.dumps(finished.record.to_dict())))
    assert (record.state, record.error, record.failure, record.dead_letters) == ("completed", "", None, 0)
    assert (record.workflow, record.mapping, record.workers, record.seed) == ("flow.py", "simple", 1, 5)
    assert (record.id, record.pid, record.host) == (run.id, os.getpid(), os.uname().nodename)
    assert record.started_at_s < (record.ended_at_s or 0)
    assert set(record.environment) == {"d4py_adaptive", "python", "platform"}
    assert [(i["label"], i["state"], i["items_in"], i["items_out"]) for i in record.instances] == [
        ("Numbers0[0]", "done", 0, 2),
        ("Invert1[0]", "done", 2, 2),
    ]
    assert run.read_plan() == finished.plan
    assert [c.items_out for c in finished.counters] == [2, 2]
    assert not any((home / "running").iterdir())


def test_the_view_can_read_the_counters_while_it_runs(view: Any) -> None:
    finished = enact(graph(Numbers()), 3, RunOptions(), view)
    directory, plan, read = view.started_with
    assert (directory.id, plan) == (finished.directory.id, finished.plan)
    assert [c.items_out for c in read()] == [3]


def test_a_failed_run_keeps_its_record(home: Path, view: Any) -> None:
    with pytest.raises(PEError) as caught:
        enact(graph(Numbers(), Invert()), 5, RunOptions(), view)
    record = saved(home).read_record()
    assert (record.state, record.error) == ("failed", str(caught.value))
    assert record.failure == caught.value.failure.to_dict()
    assert [i["items_in"] for i in record.instances] == [0, 3]


def test_an_error_that_is_nobody_s_is_kept_too(home: Path, view: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def result(pe: str, port: str, item: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(view, "result", result)
    with pytest.raises(KeyboardInterrupt):
        enact(graph(Numbers()), 1, RunOptions(), view)
    record = saved(home).read_record()
    assert (record.state, record.error) == ("interrupted", "KeyboardInterrupt: ")


def test_a_run_that_a_signal_ended_in_order_says_so(home: Path, view: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import signal

    def result(pe: str, port: str, item: Any) -> None:
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(view, "result", result)
    with pytest.raises(Interrupted) as caught:
        enact(graph(Numbers()), 10**9, RunOptions(), view)
    assert caught.value.exit_code == 143
    record = saved(home).read_record()
    assert record.state == "interrupted"
    assert record.error == "SIGTERM ended the run in order: its sources were stopped, all else finished"


def test_a_skipped_item_is_kept_with_its_failure(home: Path, view: Any) -> None:
    finished = enact(graph(Numbers(), Invert()), 4, RunOptions(on_error={"Invert": "skip"}), view)
    assert finished.record.dead_letters == 1
    assert view.notes == ["skipped item 3 of Invert1[0]: ZeroDivisionError: division by zero"]
    (line,) = (saved(home).path / "dead-letters.jsonl").read_text().splitlines()
    letter = json.loads(line)
    assert (letter["attempts"], letter["failure"]["item"]) == (1, 3)
    assert pickle.loads(base64.b64decode(letter["item"])) == {"input": 3}


def test_lines_of_pes_go_to_the_view(view: Any) -> None:
    enact(graph(Numbers(), Keep()), 2, RunOptions(), view)
    assert view.lines == [("Keep1[0]", "kept 1"), ("Keep1[0]", "kept 2")]


def test_digests_are_kept_if_asked_for(view: Any) -> None:
    finished = enact(graph(Numbers(), Keep()), 2, RunOptions(digests=True), view)
    assert {place: counted.total() for place, counted in finished.digests.items()} == {"input Keep1.input": 2}
    finished = enact(graph(Numbers(), Invert()), 2, RunOptions(digests=True), view)
    assert {place: counted.total() for place, counted in finished.digests.items()} == {
        "input Invert1.input": 2,
        "output Invert1.output": 2,
    }
    assert enact(graph(Numbers()), 2, RunOptions(), view).digests == {}


def test_keeping_state_and_trying_again_is_warned_of(view: Any) -> None:
    enact(graph(Numbers(), Invert(), Keep()), 1, RunOptions(on_error={"Keep": "retry:2", "Invert": "skip"}), view)
    assert view.notes == ["Keep2 may keep state, which skip and retry cannot undo when a call fails half-way"]


def test_a_source_that_keeps_nothing_is_not_warned_of(view: Any) -> None:
    class Constant(ProducerPE):
        def _process(self, inputs: Any) -> int:
            return 1

    enact(graph(Constant()), 1, RunOptions(on_error={"": "skip"}), view)
    assert view.notes == []


def test_workers_that_there_is_nothing_for_are_noted(view: Any) -> None:
    enact(graph(Numbers()), 1, RunOptions(mapping="toy", workers=3), view)
    assert view.notes == ["3 workers allowed, 1 used: there is nothing to put on the rest"]


@pytest.mark.parametrize(
    ("options", "inputs", "kind", "text"),
    [
        ({"workers": 0}, 1, InputError, "the number of workers is a whole number from 1 to "),
        ({"mapping": "mutli"}, 1, UnknownName, "unknown mapping 'mutli'; did you mean 'multi'?; known: "),
        ({}, {"Nmbers": 1}, InputError, "inputs name 'Nmbers', which is no PE of this workflow"),
        (
            {"on_error": {"Inver": "skip"}},
            1,
            InputError,
            "on_error names 'Inver', which is no PE of this workflow; did you mean 'Invert'?; its PEs: Numbers0, ",
        ),
        ({"on_error": {"Invert": "perhaps"}}, 1, WorkflowError, "Invert1: on_error is 'stop', 'skip', "),
        ({"plan": Plan((Stage(("X",), (0,)),), 1, "simple")}, 1, PlanError, "a plan must name every PE"),
        ({"mapping": "multi", "start_method": "thread"}, 1, InputError, "a start method is one of fork, forkserver"),
    ],
)
def test_what_does_not_fit_is_said_before_anything_is_kept(
    home: Path, view: Any, options: dict[str, Any], inputs: Any, kind: type, text: str
) -> None:
    with pytest.raises(kind) as caught:
        enact(graph(Numbers(), Invert()), inputs, RunOptions(**options), view)
    assert str(caught.value).startswith(text)
    assert not home.exists()


def job_of(*pes: GenericPE, **options: Any) -> Any:
    return make_job(graph(*pes).freeze(), 1, RunOptions(**options))


def test_a_seed_is_drawn_unless_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session.secrets, "randbits", lambda bits: 77 if bits == 32 else 0)
    assert (job_of(Numbers()).seed, job_of(Numbers()).explicit_seed) == (77, False)
    assert (job_of(Numbers(), seed=0).seed, job_of(Numbers(), seed=0).explicit_seed) == (0, True)


def test_a_job_says_which_instances_are_alike() -> None:
    class Keyed(Keep):
        def __init__(self) -> None:
            super().__init__()
            self.inputconnections["input"]["grouping"] = [0]

    assert job_of(Numbers(), Invert(), Keep()).interchangeable == {"Invert1"}
    assert job_of(Numbers(), Keyed()).interchangeable == set()
    assert job_of(Numbers(), Invert()).guarded == set()  # declared, not read from its code


def test_pes_that_were_read_as_stateless_are_guarded() -> None:
    class Plain(IterativePE):
        def _process(self, data: int) -> int:
            return data + 1

    assert job_of(Numbers(), Plain()).guarded == {"Plain1"}


@pytest.mark.parametrize(("mapping", "workers"), [("simple", 1), ("toy", 3)])
def test_a_mapping_without_workers_gets_one(monkeypatch: pytest.MonkeyPatch, mapping: str, workers: int) -> None:
    monkeypatch.setattr(session, "usable_cores", lambda: 3)
    assert job_of(Numbers(), Invert(), mapping=mapping).plan.workers == workers


def test_items_under_way_have_an_eighth_of_the_memory_unless_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "usable_memory_bytes", lambda: 160 * 2**20)
    plan = Plan((Stage(("Numbers0",), (0,)), Stage(("Invert1",), (1,))), 2, "multi")
    jobs = [job_of(Numbers(), Invert(), plan=plan, mapping="multi", buffer_bytes=size) for size in (None, 2**22, 1)]
    assert [(job.window.payload_bytes, job.slab.pool_bytes) for job in jobs] == [
        (8 * 2**20, 10 * 2**20),
        (2 * 2**20, 2 * 2**20),
        (1, 2**20),
    ]
    assert {job.slab.beyond_bytes for job in jobs} == {40 * 2**20}


@pytest.mark.parametrize("size", [0, -1, 160 * 2**20 + 1])
def test_more_memory_than_there_is_cannot_be_had(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(session, "usable_memory_bytes", lambda: 160 * 2**20)
    with pytest.raises(InputError) as caught:
        job_of(Numbers(), buffer_bytes=size)
    assert str(caught.value) == (
        f"the memory for items under way is at least 1 byte and at most this machine's 167,772,160; got {size:,}"
    )


def test_a_plan_that_is_given_is_followed(view: Any) -> None:
    plan = Plan((Stage(("Numbers0",), (0,)), Stage(("Invert1",), (0, 0))), 1, "simple")
    finished = enact(graph(Numbers(), Invert()), 2, RunOptions(plan=plan), view)
    assert finished.plan is plan
    assert [c.label for c in finished.counters] == ["Numbers0[0]", "Invert1[0]", "Invert1[1]"]


def test_a_home_may_be_given(tmp_path: Path, home: Path, view: Any) -> None:
    finished = enact(graph(Numbers()), 1, RunOptions(home=tmp_path / "other"), view)
    assert finished.directory.home == tmp_path / "other"
    assert not home.exists()


def test_a_frozen_workflow_runs_too(view: Any) -> None:
    enact(graph(Numbers()).freeze(), 1, RunOptions(), view)
    assert view.results == [("Numbers0", "output", 1)]


def test_the_api_returns_what_came_out(capfd: pytest.CaptureFixture[str]) -> None:
    import d4py_adaptive

    done = d4py_adaptive.run(graph(Numbers(), Invert()), 4, seed=3, on_error={"Invert": "skip"})
    assert done.outputs == {"Invert1": {"output": [3.0, 6.0, -6.0]}}
    assert (done.record.seed, done.plan.mapping, [t.items_in for t in done.totals]) == (3, "simple", [0, 4])
    assert capfd.readouterr().err == ("d4py: skipped item 3 of Invert1[0]: ZeroDivisionError: division by zero\n")


def test_an_option_that_there_is_not() -> None:
    import d4py_adaptive

    with pytest.raises(TypeError, match="worker"):
        d4py_adaptive.run(graph(Numbers()), 1, worker=3)
