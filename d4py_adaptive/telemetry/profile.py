"""The profile: what a run measured of its PEs, streams, instances and workers, as a value that is saved and read."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from d4py_adaptive.telemetry.saved import Saved

Count = Annotated[int, Meta(ge=0)]
Seconds = Annotated[float, Meta(ge=0)]
Bytes = Annotated[int, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, le=1)]


class Split(Saved, frozen=True, kw_only=True):
    """Where the time of an instance went, from its start to its end; the parts sum to its life.

    Attributes:
        compute_s: in the PE's own code.
        serialise_s: encoding, decoding and copying its items.
        codec_s: compressing and expanding its frames.
        blocked_s: waiting in `write` until a reader had room.
        starved_s: waiting for an item.
        others_s: waiting while its worker ran other PEs, those fused with it too.
        overhead_s: the runtime's own work between its calls.
    """

    compute_s: Seconds = 0.0
    serialise_s: Seconds = 0.0
    codec_s: Seconds = 0.0
    blocked_s: Seconds = 0.0
    starved_s: Seconds = 0.0
    others_s: Seconds = 0.0
    overhead_s: Seconds = 0.0


class ServiceTime(Saved, frozen=True, kw_only=True):
    """How long a call of `process` takes, without what it waits for.

    Attributes:
        calls: calls that were made.
        timed: calls whose duration is in the buckets; the others are in the mean alone.
        mean_s: mean over all calls; what to multiply with a number of items.
        mean_error_s: half the width of the mean's 95 % interval.
        p50_s: half of the calls take no longer.
        p95_s: 95 % of them.
        p99_s: 99 % of them.
        max_s: the longest that was timed.
        deviation_s: the standard deviation.
        buckets: the sketch: number of calls by number of bucket (`telemetry/sketch.py`).
        cpu_share: processor time over wall time of calls; below 1 where they wait for something outside, above 1
            where libraries use several threads; None where it was not measured.
        own_cpu_share: the same of the thread that calls the PE alone; below `cpu_share` where it has others work.
    """

    calls: Count = 0
    timed: Count = 0
    mean_s: Seconds = 0.0
    mean_error_s: Seconds = 0.0
    p50_s: Seconds = 0.0
    p95_s: Seconds = 0.0
    p99_s: Seconds = 0.0
    max_s: Seconds = 0.0
    deviation_s: Seconds = 0.0
    buckets: dict[int, Count] = {}
    cpu_share: Seconds | None = None
    own_cpu_share: Seconds | None = None


class CostLaw(Saved, frozen=True, kw_only=True):
    """Service time as a function of the size of the item.

    `constant`: a; `linear`: a + b * size; `power`: a * size ** b. Seconds, and bytes.

    Attributes:
        kind: which law fits best.
        coefficients: a, or a and b.
        error: typical relative error of what it predicts for items it has not seen (median, cross-validated).
        samples: how many calls it rests on.
        smallest_bytes: smallest item among them.
        largest_bytes: largest item among them.
    """

    kind: Literal["constant", "linear", "power"]
    coefficients: tuple[float, ...]
    error: float
    samples: Count
    smallest_bytes: Bytes = 0
    largest_bytes: Bytes = 0


class StateSeen(Saved, frozen=True, kw_only=True):
    """What is known of a PE's state.

    Attributes:
        declared: what the PE itself says, if it says anything (`stateless = True`).
        stateless_by_code: what its code says.
        reason: why, a sentence that names the attribute.
        looks: how often its attributes were compared before and after a call.
        changed: how often each attribute had changed.
        unseen: attributes that could not be compared, and why.
    """

    declared: bool | None = None
    stateless_by_code: bool = False
    reason: str = ""
    looks: Count = 0
    changed: dict[str, Count] = {}
    unseen: dict[str, str] = {}


class Scaling(Saved, frozen=True, kw_only=True):
    """How many instances a PE may have.

    Attributes:
        fixed: the number, where it shows in the results; None where a plan may choose.
        at_most: upper bound where a plan may choose; None for no bound.
        keyed: whether every input is grouped by key.
        is_source: whether no stream feeds it.
        reason: one sentence for people.
    """

    fixed: Count | None = None
    at_most: Count | None = None
    keyed: bool = False
    is_source: bool = False
    reason: str = ""


class PEProfile(Saved, frozen=True, kw_only=True):
    """One PE, over all its instances.

    Attributes:
        pe: its id.
        code: digest of its class's code; where it differs, the figures are of another program.
        instances: how many there were.
        items_in: items received.
        items_out: items written, each once however many readers it has.
        bytes_in: bytes of the items received, as far as they were encoded or measured.
        bytes_out: bytes of the items written.
        selectivity: items written to each output, per item received; per call for a source.
        item_in_bytes: mean size of an item received; None where no size was seen.
        skipped: items given up.
        retried: calls repeated.
        setup_s: of the time in its code, in `preprocess` and `postprocess`.
        service: how long calls take.
        cost: how that depends on the item's size; None without a full profile.
        split: where its instances' time went, summed over them.
        state: what is known of its state.
        scaling: how many instances it may have.
    """

    pe: str
    code: str = ""
    instances: Count = 1
    items_in: Count = 0
    items_out: Count = 0
    bytes_in: Bytes = 0
    bytes_out: Bytes = 0
    selectivity: dict[str, Seconds] = {}
    item_in_bytes: float | None = None
    skipped: Count = 0
    retried: Count = 0
    setup_s: Seconds = 0.0
    service: ServiceTime = ServiceTime()
    cost: CostLaw | None = None
    split: Split = Split()
    state: StateSeen = StateSeen()
    scaling: Scaling = Scaling()


class HeavyKey(Saved, frozen=True, kw_only=True):
    """A key that many items of a grouped stream carry, and the share of the items that do."""

    key: str
    share: Share


class StreamProfile(Saved, frozen=True, kw_only=True):
    """One stream, over all pairs of instances.

    Attributes:
        id: `pe.port->pe.port`, or `pe.port` for results.
        source: the PE that writes.
        output: its port.
        target: the PE that reads; empty for results.
        input: its port.
        grouping: `shuffle`, `group_by`, `one_to_all`, `all_to_one`.
        keys: what it is grouped by.
        fused: whether both ends stand in one stage, so that an item is handed over by a call.
        items: items handed over; a broadcast item once per reader.
        bytes: their bytes; where they were not encoded, estimated from a sample, and 0 without one.
        item_bytes: mean size of an item; None where no size was seen.
        copy_s: time spent on private copies for readers in the same process.
        compressibility: compressed over plain size, of a sample; None without one.
        distinct_keys: how many keys were seen, about; None where it is not grouped by key or not looked at.
        heavy_keys: the keys that most items carry, the heaviest first.
    """

    id: str
    source: str
    output: str
    target: str = ""
    input: str = ""
    grouping: Literal["shuffle", "group_by", "one_to_all", "all_to_one"] = "shuffle"
    keys: tuple[str, ...] = ()
    fused: bool = False
    items: Count = 0
    bytes: Bytes = 0
    item_bytes: float | None = None
    copy_s: Seconds = 0.0
    compressibility: float | None = None
    distinct_keys: Count | None = None
    heavy_keys: tuple[HeavyKey, ...] = ()


class Timeline(Saved, frozen=True, kw_only=True):
    """What an instance did, in slots of equal length since the run began; all lists are of the same length.

    Attributes:
        slot_s: length of a slot.
        compute_s: time in the PE's code in each slot.
        serialise_s: encoding, decoding, copying.
        blocked_s: waiting for room.
        starved_s: waiting for items.
    """

    slot_s: Seconds
    compute_s: tuple[Seconds, ...] = ()
    serialise_s: tuple[Seconds, ...] = ()
    blocked_s: tuple[Seconds, ...] = ()
    starved_s: tuple[Seconds, ...] = ()


class Span(Saved, frozen=True, kw_only=True):
    """One stretch of an instance's life, in seconds since the run began."""

    start_s: Seconds
    end_s: Seconds
    kind: Literal["preprocess", "process", "postprocess", "blocked"]


class InstanceProfile(Saved, frozen=True, kw_only=True):
    """One instance.

    Attributes:
        pe: its PE.
        index: its number within the PE.
        worker: the worker that hosted it.
        stage: number of the stage it belongs to.
        items_in: items received.
        items_out: items written.
        calls: calls of `process`.
        wall_s: from its start to its end, by a clock of its own.
        split: where that went.
        timeline: what it did when.
        spans: its longest calls and waits, in order; full profiles only.
    """

    pe: str
    index: Count
    worker: Count
    stage: Count
    items_in: Count = 0
    items_out: Count = 0
    calls: Count = 0
    wall_s: Seconds = 0.0
    split: Split = Split()
    timeline: Timeline | None = None
    spans: tuple[Span, ...] = ()

    @property
    def label(self) -> str:
        """What people read: the PE's id, and the instance's number in brackets."""
        return f"{self.pe}[{self.index}]"


class WorkerProfile(Saved, frozen=True, kw_only=True):
    """One worker process.

    Attributes:
        number: which one.
        pid: its process.
        wall_s: from its start to its end.
        cpu_s: processor time of its process, all threads.
        runnable_s: how long it waited for a core although it could have run; None where the system does not say.
        peak_memory_bytes: most memory that it had, what it shares with others counted too.
        threads: most threads it had.
        page_faults: major page faults: memory that had to be fetched from disk.
    """

    number: Count
    pid: Count = 0
    wall_s: Seconds = 0.0
    cpu_s: Seconds = 0.0
    runnable_s: Seconds | None = None
    peak_memory_bytes: Bytes = 0
    threads: Count = 1
    page_faults: Count = 0


class Profile(Saved, frozen=True, kw_only=True):
    """What was measured of a workflow on one machine: in one run, or in several merged into one.

    Attributes:
        schema_version: of this format.
        workflow: as the user called it.
        fingerprint: of the graph: its PEs, ports, streams and groupings.
        host: fingerprint of the machine.
        level: `counters` (every run), `full` (`d4py diagnose`), `foreign` (from another system's trace).
        partial: whether it saw the first part of the input alone.
        runs: how many runs are merged in it.
        mapping: how the last one was enacted.
        cores: cores it might use.
        memory_bytes: memory it might use.
        wall_s: how long it took, as long as the worker that lived longest.
        start_s: how long it took beside, to start workers and to end them, without `preload_s`.
        preload_s: importing what PEs name in `preload` before workers are started; in one process it is part of the
            first calls instead.
        recorded_at_s: when, in seconds since the epoch.
        pes: its PEs, in topological order.
        streams: its streams, results last.
        stages: the PEs that shared a stage; the last run's, as all that follows.
        instances: its instances.
        workers: its workers.
        notes: what a reader should know of how it came about.
    """

    SCHEMA_VERSION: ClassVar[int] = 1

    schema_version: int = 1
    workflow: str
    fingerprint: str = ""
    host: str = ""
    level: Literal["counters", "full", "foreign"] = "counters"
    partial: bool = False
    runs: Count = 1
    mapping: str = ""
    cores: Count = 1
    memory_bytes: Bytes = 0
    wall_s: Seconds = 0.0
    start_s: Seconds = 0.0
    preload_s: Seconds = 0.0
    recorded_at_s: float = 0.0
    pes: tuple[PEProfile, ...] = ()
    streams: tuple[StreamProfile, ...] = ()
    stages: tuple[tuple[str, ...], ...] = ()
    instances: tuple[InstanceProfile, ...] = ()
    workers: tuple[WorkerProfile, ...] = ()
    notes: tuple[str, ...] = ()

    def of(self, pe: str) -> PEProfile:
        """The figures of one PE.

        Raises:
            KeyError: it has none of this id.
        """
        for profile in self.pes:
            if profile.pe == pe:
                return profile
        raise KeyError(pe)


class HostProfile(Saved, frozen=True, kw_only=True):
    """What a machine can do, measured once and kept until it changes.

    Attributes:
        schema_version: of this format.
        fingerprint: of the machine: changes with its processor, cores, memory, system, Python, or version of d4py.
        name: what it is called.
        processor: model of its processor.
        cores: cores that may be used.
        memory_bytes: memory that may be used.
        python: version of Python.
        probed_at_s: when, in seconds since the epoch.
        call_s: one call of a Python function.
        pickle_s: pickling and unpickling plain Python values, by their size in bytes; to be added to a hop. Arrays
            need none.
        hop_s: handing one block of bytes to another process and waking it, one way, encoding and decoding included, by
            its size in bytes; by way: `pipe`, `shared_memory`, `mpi`.
        batched_hop_s: the work of both sides on the same, per item where many travel together.
        codecs: by name of codec, of a typical array: compressed over plain size, and bytes per second each way.
        missing: what could not be probed, and why.
    """

    SCHEMA_VERSION: ClassVar[int] = 1

    schema_version: int = 1
    fingerprint: str
    name: str = ""
    processor: str = ""
    cores: Count = 1
    memory_bytes: Bytes = 0
    python: str = ""
    probed_at_s: float = 0.0
    call_s: Seconds = 0.0
    pickle_s: dict[int, Seconds] = {}
    hop_s: dict[str, dict[int, Seconds]] = {}
    batched_hop_s: dict[str, dict[int, Seconds]] = {}
    codecs: dict[str, dict[str, float]] = {}
    missing: dict[str, str] = {}
