"""One run from start to end: everything with a side effect that is not a worker's."""

from __future__ import annotations

import base64
import os
import platform
import secrets
import sys
from collections import Counter
from collections.abc import Callable
from collections.abc import Mapping as MappingType
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, Protocol

from d4py_adaptive.clock import monotonic_ns, wall_time_s
from d4py_adaptive.dataflow.builder import WorkflowGraph
from d4py_adaptive.dataflow.counts import InstanceCount, instance_counts
from d4py_adaptive.dataflow.digest import digest
from d4py_adaptive.dataflow.fingerprint import code_digest
from d4py_adaptive.dataflow.inputs import doubts, resolve_inputs
from d4py_adaptive.dataflow.plan import Plan
from d4py_adaptive.dataflow.resources import usable_cores, usable_memory_bytes
from d4py_adaptive.dataflow.type_propagation import propagate_types
from d4py_adaptive.dataflow.workflow import Workflow
from d4py_adaptive.errors import D4pyError, InputError, Interrupted, PEError, did_you_mean
from d4py_adaptive.mappings.base import MAPPINGS, Mapping
from d4py_adaptive.mappings.channel import Window
from d4py_adaptive.mappings.error_policy import policy_of
from d4py_adaptive.mappings.interruption import Interruption, interruptible
from d4py_adaptive.mappings.job import Job
from d4py_adaptive.partitioner.unmeasured import plan_without_profile, require_sound
from d4py_adaptive.runtime.machine import this_machine
from d4py_adaptive.runtime.measured import Circumstances, Reports, measured
from d4py_adaptive.runtime.profiles import keep
from d4py_adaptive.telemetry.board import Board, Counters
from d4py_adaptive.telemetry.instrument import Instrument
from d4py_adaptive.telemetry.profile import Profile
from d4py_adaptive.telemetry.run_directory import RunDirectory, d4py_home, process_started_s
from d4py_adaptive.telemetry.run_record import RunRecord
from d4py_adaptive.wire.slots import SlabSize

MOST_WORKERS = 256
"""Workers that any machine may be asked for; more than eight per core are taken for a slip of the pen."""

Digests = dict[str, Counter[bytes]]
"""How often each value reached a place: a PE's unconnected output, or an input of a PE that ends a path."""


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How a workflow is to be run; every option of `d4py run` is one of these.

    Attributes:
        mapping: `simple`, `multi` or `toy`.
        workers: how many workers there may be; None is one per usable core.
        plan: the plan to follow; None lets one be made.
        fuse: whether PEs may share a stage.
        buffer_bytes: most bytes that items under way between workers take in all, beside single items that are larger
            than their share; None is an eighth of the machine's memory.
        seed: seed of random state; None draws one, which the record keeps.
        reseed: whether generators that PEs made themselves are seeded from it too; None is only if a seed is given.
        start_method: `fork`, `forkserver` or `spawn`; empty chooses.
        on_error: what a failing call does, per PE id or name, `''` for all.
        by_value: modules that travel with the job instead of being imported by workers.
        digests: whether to keep digests of what comes out, to compare runs.
        profile: `counters`, `full`, or `off`, which benchmarks compare with.
        sample_s: stop the sources after so many seconds.
        sample_items: stop the sources once each has written so many items.
        workflow: what to call the workflow in the record.
        home: where runs are kept; None is `$D4PY_HOME`.
    """

    mapping: str = "simple"
    workers: int | None = None
    plan: Plan | None = None
    fuse: bool = True
    buffer_bytes: int | None = None
    seed: int | None = None
    reseed: bool | None = None
    start_method: str = ""
    on_error: MappingType[str, str] = field(default_factory=dict)
    by_value: tuple[str, ...] = ()
    digests: bool = False
    profile: Literal["counters", "full", "off"] = "counters"
    sample_s: float | None = None
    sample_items: int | None = None
    workflow: str = "workflow"

    @property
    def sample(self) -> str:
        """What the run is a sample of, for people; empty for a whole run."""
        parts = [f"{self.sample_s:g} s" if self.sample_s is not None else ""]
        parts.append(f"{self.sample_items:,} items of each source" if self.sample_items is not None else "")
        return " or ".join(filter(None, parts))

    home: Path | None = None


class View(Protocol):
    """Who watches a run in the process that started it."""

    def started(self, directory: RunDirectory, plan: Plan, read: Callable[[], list[Counters]], /) -> None:
        """The workers are up; `read` gives the counters as they stand."""

    def result(self, pe: str, port: str, item: Any) -> None:
        """A result came out."""

    def line(self, instance: str, text: str) -> None:
        """A PE printed a line."""

    def note(self, text: str) -> None:
        """Something the user should know."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A run that came to its end.

    Attributes:
        record: the record, as saved.
        directory: where it is saved.
        plan: the plan it followed.
        counters: the counters of every instance.
        digests: what came out where, if asked for.
        profile: what it measured; None where nothing was.
    """

    record: RunRecord
    directory: RunDirectory
    plan: Plan
    counters: list[Counters]
    digests: Digests
    profile: Profile | None


class _Recorder:
    """The mapping's observer: passes on to the view, and keeps what belongs in the record."""

    def __init__(self, directory: RunDirectory, board: Board, job: Job, view: View) -> None:
        self._directory = directory
        self._board = board
        self._job = job
        self._plan = job.plan
        self._view = view
        self._wants_digests = job.digests
        self.digests: Digests = {}
        self.dead_letters = 0
        self.usage: list[MappingType[str, Any]] = []
        self.found: dict[tuple[str, int], MappingType[str, Any]] = {}
        self.preload_s = 0.0
        self.codes: dict[str, str] = {}

    def started(self) -> None:
        self._view.started(self._directory, self._plan, lambda: list(self._board.read()))
        if self._job.metered:  # as it is now: files may be edited while a run goes on
            self.codes = {node.id: code_digest(node.prototype) for node in self._job.workflow.nodes}

    def result(self, pe: str, port: str, item: Any) -> None:
        if self._wants_digests:
            self.digests.setdefault(f"output {pe}.{port}", Counter())[digest(item)] += 1
        self._view.result(pe, port, item)

    def line(self, instance: str, text: str) -> None:
        self._view.line(instance, text)

    def event(self, event: MappingType[str, Any]) -> None:
        if event["event"] == "digest":
            counted = self.digests.setdefault(f"input {event['pe']}.{event['port']}", Counter())
            counted[event["digest"]] += event["number"]
        elif event["event"] == "preloaded":
            self.preload_s = event["seconds"]
        elif event["event"] == "usage":
            self.usage.append(event["usage"])
        elif event["event"] == "probe":
            self.found[event["pe"], event["index"]] = event["found"]
        elif event["event"] == "dead_letter":
            self.dead_letters += 1
            item = base64.b64encode(event["item"]).decode()
            self._directory.append("dead-letters.jsonl", {**event, "item": item, "at_s": wall_time_s()})
            failure = event["failure"]
            self._view.note(
                f"skipped item {failure['item']} of {failure['pe']}[{failure['instance']}]: "
                f"{failure['error_type']}: {failure['message']}"
            )
        else:
            self._directory.append("events.jsonl", {**event, "at_s": wall_time_s()})


def enact(
    graph: WorkflowGraph | Workflow,
    inputs: object,
    options: RunOptions,
    view: View,
    ready: Callable[[Workflow], None] = lambda _: None,
) -> Finished:
    """Run a workflow to its end, watched by `view`; the record is kept whatever happens.

    Args:
        graph: the workflow.
        inputs: what `resolve_inputs` takes.
        options: how it is to be run.
        view: watches.
        ready: called when everything fits, and nothing has been kept yet.

    Raises:
        D4pyError: what stopped it, before it started or in the middle; the record says so too.
    """
    workflow = graph.freeze() if isinstance(graph, WorkflowGraph) else graph
    mapping = MAPPINGS.get(options.mapping)()
    propagate_types(workflow)
    counts = instance_counts(workflow)
    job = mapping.settle(make_job(workflow, inputs, options, counts))
    ready(workflow)
    for note in job.plan.notes:
        if options.workers is not None and "workers allowed" in note:
            view.note(note)
    for note in doubts(workflow, inputs, job.inputs):
        view.note(note)
    _warn_of_stateful(job, counts, view)
    with interruptible() as interruption:
        directory = RunDirectory.create(options.home or d4py_home())
        job = replace(job, board=directory.board(), origin_ns=monotonic_ns())
        board = Board(workflow, job.plan, job.board)
        board.create()
        record = _new_record(directory, job, options)
        directory.write_record(record)
        directory.write_json("plan.json", job.plan.to_dict())
        recorder = _Recorder(directory, board, job, view)
        error: BaseException | None = None
        profile: Profile | None = None
        try:
            _enact(mapping, job, recorder, interruption)
        except BaseException as caught:
            error = caught
            raise
        finally:
            counters = list(board.read())
            if job.metered and (error is None or isinstance(error, D4pyError)):
                profile = _profile(job, counts, board, recorder, options)
                directory.write_text("profile.json", profile.to_json())
            record = _ended(record, error, counters, recorder.dead_letters)
            directory.write_record(record)
        if profile is not None:
            try:
                keep(directory.home, profile)
            except InputError as doubt:  # the run was right, and its results are there
                view.note(str(doubt))
        return Finished(record, directory, job.plan, counters, recorder.digests, profile)


def _profile(
    job: Job,
    counts: dict[str, InstanceCount],
    board: Board,
    recorder: _Recorder,
    options: RunOptions,
) -> Profile:
    """What the run measured."""
    whole_s = (monotonic_ns() - job.origin_ns) / 1e9 - recorder.preload_s
    lived_s = max((usage["wall_s"] for usage in recorder.usage), default=0.0)
    where = Circumstances(
        workflow=options.workflow,
        mapping=options.mapping,
        host=this_machine().fingerprint,
        cores=usable_cores(),
        memory_bytes=usable_memory_bytes(),
        wall_s=lived_s or whole_s,
        start_s=max(0.0, whole_s - lived_s) if lived_s else 0.0,
        preload_s=recorder.preload_s,
        recorded_at_s=wall_time_s(),
        codes=recorder.codes,
        partial=bool(options.sample),
        notes=(f"a sample: {options.sample}",) if options.sample else (),
    )
    return measured(job, counts, board, Reports(recorder.usage, recorder.found), where)


def _enact(mapping: Mapping, job: Job, recorder: _Recorder, interruption: Interruption) -> None:
    """Let the mapping work; a signal that ended it becomes an error of its own."""
    interruption.armed = True
    try:
        mapping.run(job, recorder, interruption)
    except KeyboardInterrupt:
        if not interruption.hard:
            raise
    finally:
        interruption.armed = False
    if interruption.signal_number:
        raise interruption.error()


def make_job(
    workflow: Workflow, inputs: object, options: RunOptions, counts: dict[str, InstanceCount] | None = None
) -> Job:
    """The job that the options ask for; `counts` is what `instance_counts` says, where that is known already.

    Raises:
        InputError: inputs or options do not fit.
        PlanError: the plan does not fit.
    """
    workers = options.workers
    most = max(MOST_WORKERS, 8 * usable_cores())
    if workers is not None and not 1 <= workers <= most:
        raise InputError(f"the number of workers is a whole number from 1 to {most:,} on this machine; got {workers:,}")
    parallel = MAPPINGS.get(options.mapping).parallel
    counts = counts or instance_counts(workflow)
    allowed = (workers or usable_cores()) if parallel else 1
    plan = options.plan or plan_without_profile(workflow, allowed, options.mapping, counts, options.fuse)
    plan = plan.check(workflow)
    require_sound(workflow, plan, counts)
    memory_bytes = usable_memory_bytes()
    if options.buffer_bytes is not None and not 0 < options.buffer_bytes <= memory_bytes:
        raise InputError(
            f"the memory for items under way is at least 1 byte and at most this machine's {memory_bytes:,}; "
            f"got {options.buffer_bytes:,}"
        )
    buffer_bytes = options.buffer_bytes or memory_bytes // 8
    return Job(
        workflow=workflow,
        plan=plan,
        inputs=resolve_inputs(workflow, inputs),
        seed=secrets.randbits(32) if options.seed is None else options.seed,
        window=Window.within(buffer_bytes, plan.channels(workflow)),
        slab=SlabSize.within(buffer_bytes, memory_bytes, plan.workers),
        explicit_seed=options.seed is not None if options.reseed is None else options.reseed,
        guarded=frozenset(
            pe
            for pe, c in counts.items()
            if c.fixed is None and not c.keyed and not c.state.declared and c.state.stateless
        ),
        random=frozenset(pe for pe, c in counts.items() if c.state.uses_random),
        interchangeable=frozenset(pe for pe, c in counts.items() if c.fixed is None and not c.keyed),
        on_error=_known_policies(workflow, options.on_error),
        digests=options.digests,
        start_method=options.start_method,
        by_value=options.by_value,
        metered=options.profile != "off",
        instrument=_instrument() if options.profile == "full" else None,
        sample_s=options.sample_s,
        sample_items=options.sample_items,
    )


def _instrument() -> Instrument:
    from d4py_adaptive.profiler.instruments import FullProfile

    return FullProfile()


def _known_policies(workflow: Workflow, on_error: MappingType[str, str]) -> MappingType[str, str]:
    known = {"", *workflow.by_id, *(node.name for node in workflow.nodes)}
    for key in on_error:
        if key not in known:
            raise InputError(
                f"on_error names {key!r}, which is no PE of this workflow{did_you_mean(key, known)}; "
                f"its PEs: {', '.join(workflow.by_id)}"
            )
    for node in workflow.nodes:
        policy_of(node, on_error)
    return on_error


def _warn_of_stateful(job: Job, counts: dict[str, InstanceCount], view: View) -> None:
    """A failed call on a stateful PE is undone in what it wrote, not in what it changed of itself."""
    for node in job.workflow.nodes:
        if not counts[node.id].state.stateless and not policy_of(node, job.on_error).stops_at_once:
            view.note(f"{node.id} may keep state, which skip and retry cannot undo when a call fails half-way")


def _new_record(directory: RunDirectory, job: Job, options: RunOptions) -> RunRecord:
    return RunRecord(
        id=directory.id,
        workflow=options.workflow,
        state="running",
        mapping=options.mapping,
        workers=job.plan.workers,
        start_method=job.start_method,
        seed=job.seed,
        argv=list(sys.argv),
        host=os.uname().nodename,
        pid=os.getpid(),
        pid_started_s=process_started_s(),
        started_at_s=wall_time_s(),
        sample=options.sample,
        instances=[],
        environment=_environment(),
    )


def _ended(record: RunRecord, error: BaseException | None, counters: list[Counters], dead_letters: int) -> RunRecord:
    if error is None:
        state = "completed"
    elif isinstance(error, Interrupted | KeyboardInterrupt):
        state = "interrupted"
    else:
        state = "failed"
    text = "" if error is None else str(error) if isinstance(error, D4pyError) else f"{type(error).__name__}: {error}"
    return replace(
        record,
        state=state,
        ended_at_s=wall_time_s(),
        error=text,
        failure=error.failure.to_dict() if isinstance(error, PEError) else None,
        dead_letters=dead_letters,
        instances=[asdict(c) | {"state": c.state.name.lower()} for c in counters],
    )


def _environment() -> dict[str, str]:
    system = os.uname()
    try:
        package = version("d4py_adaptive")
    except PackageNotFoundError:
        package = "not installed"
    machine = f"{system.sysname}-{system.release}-{system.machine}"
    return {"d4py_adaptive": package, "python": platform.python_version(), "platform": machine}
