"""Rules for processes: too many, idle, out of memory, full of threads, sharing one stage, or not needed at all."""

from __future__ import annotations

from collections import Counter, defaultdict

from d4py_adaptive.dashboard.report.figures import share, size
from d4py_adaptive.dashboard.text import duration
from d4py_adaptive.runtime.diagnosis.figures import Figures, Work
from d4py_adaptive.runtime.diagnosis.found import Case, Found, Weight, named
from d4py_adaptive.runtime.diagnosis.limits import limiting
from d4py_adaptive.runtime.diagnosis.what_if import Setup, sequential_s
from d4py_adaptive.telemetry.diagnosis import Finding

CROWDED = 1.25
"""Workers that want so many times the cores there are get in each other's way."""

THREADED = 1.05
"""A worker that wants so many cores has several threads at work; a run that wants so many times its cores, too many."""

FEWEST_THREADS, TURNS = 3, 0.5
"""Threads of a process, and the share of a PE's processor time that is not in the one that calls it, from which on its
own threads do the work."""

FULL = 0.85
"""From this share of the memory on, a little more input may end the run."""

FAULT_S, MUCH_LOST = 0.001, 0.3
"""What fetching a page from disk takes, about, and the share of the run from which on that is what is wrong."""

MANY_FAULTS = 1_000
"""Fewer pages than that come from disk where a program is started that has not run for a while."""

ALONE = 0.7
"""A PE that takes so much of the run limits it alone, whatever it shares a process with."""

IDLE = 0.1
"""A worker that was busy for less of the run does nothing that another could not do beside its own work."""


def memory_pressure(case: Case) -> Found | None:
    """The workers need nearly all memory, or wait for pages to come back from disk."""
    figures, limit = case.figures, case.figures.profile.memory_bytes
    used = sum(worker.peak_memory_bytes for worker in figures.workers.values())
    faults = sum(worker.page_faults for worker in figures.workers.values())
    lost = min(1.0, faults * FAULT_S / (figures.wall_s * len(figures.worker_numbers))) if figures.wall_s else 0.0
    of_limit = used / limit if limit else 0.0
    if of_limit < FULL and (lost < MUCH_LOST or faults < MANY_FAULTS):
        return None
    biggest = max(figures.workers.values(), key=lambda worker: worker.peak_memory_bytes)
    pe = _largest_on(figures, biggest.number)
    number = len(figures.workers)
    parts = [f"its worker took {size(biggest.peak_memory_bytes)}"]
    parts += [f"all {number} together {size(used)} of {size(limit)}"] if limit else []
    parts += [f"{faults:,} pages came back from disk"] if lost >= 0.1 else []
    sentence = f"{pe} fills the memory: {', '.join(parts)}; a little more input may end the run."
    advice = [case.advice("memory_pressure", f"let {pe} keep less: write what is done, drop what is not needed", "")]
    if number > 1:
        fewer = max(1, int(number * 0.6 / max(of_limit, 0.6)))
        less = case.command(number, extra="--buffers 64MB")
        advice = [
            case.advice("memory_pressure", f"use {_workers(fewer)}", case.command(fewer)),
            case.advice("memory_pressure", "let fewer bytes wait between PEs", less),
            *advice,
        ]
    finding = Finding(
        cause="memory_pressure", pe=pe, sentence=sentence, cost=min(1.0, max(lost, of_limit)),
        evidence={"peak_memory_bytes": float(used), "memory_bytes": float(limit), "page_faults": float(faults)},
    )  # fmt: skip
    return Found(finding, tuple(advice), Weight.RISK)


def over_fused(case: Case) -> Found | None:
    """Several heavy PEs share one process although cores are idle."""
    figures = case.figures
    alone = limiting(figures)
    own = _busiest_together(figures)
    heavy = sorted((pe for pe, busy in own.items() if busy >= IDLE * figures.bound_s), key=lambda pe: -own[pe])
    if len(heavy) < 2 or (alone is not None and alone.busy_s * alone.busiest >= ALONE * figures.bound_s):
        return None
    workers = max(figures.cores, len(figures.worker_numbers))
    ways = {fuse: case.than(Setup(workers, fuse=fuse)) for fuse in (True, False)}
    fuse = ways[True] <= ways[False] * 1.05 and not figures.is_parallel
    then_s = ways[fuse]
    if not case.is_worth(then_s):
        return None
    parts = [f"{pe} {share(own[pe] / sum(own.values()))}" for pe in heavy]
    sentence = (
        f"{heavy[0]} shares one process with {named(heavy[1:])}, one after the other, while only "
        f"{min(figures.cores, figures.cpu_s / figures.wall_s):.1f} of {figures.cores} cores are used "
        f"({', '.join(parts[:4])} of its work)."
    )
    command = case.command(workers, extra="" if fuse else "--no-fuse")
    text = f"run it on {workers} workers" if fuse else "give each of them a stage of its own"
    finding = Finding(
        cause="over_fused", pe=heavy[0], sentence=sentence, cost=case.cost(then_s),
        evidence={f"busy_share {pe}": own[pe] / sum(own.values()) for pe in heavy} | {"without_it_s": then_s},
    )  # fmt: skip
    return Found(finding, (case.advice("over_fused", text, command, then_s),))


def run_sequentially(case: Case) -> Found | None:
    """One process would be as quick: the work is too small, or cannot be shared."""
    figures = case.figures
    if not figures.is_parallel:
        return None
    then_s = sequential_s(figures)
    if then_s > figures.total_s:
        return None
    work_s = sum(work.compute_s for work in figures.work.values())
    sentence = (
        f"One process would be {'quicker' if case.is_worth(then_s) else 'as quick'}: {duration(work_s)} of work took "
        f"{duration(figures.total_s)} on {len(figures.worker_numbers)} workers, {duration(figures.profile.start_s)} of "
        f"that to start them; in one it would take {duration(then_s)}."
    )
    finding = Finding(
        cause="run_sequentially", sentence=sentence, cost=case.cost(then_s),
        evidence={"work_s": work_s, "start_s": figures.profile.start_s, "sequential_s": then_s},
    )  # fmt: skip
    advice = case.advice("run_sequentially", "run it in one process", case.command(1), then_s)
    return Found(finding, (advice,), Weight.TIME if case.is_worth(then_s) else Weight.WASTE)


def thread_contention(case: Case) -> Found | None:
    """The threads within the workers are too many for the cores, though the workers alone are not."""
    figures = case.figures
    wanted = figures.wanted_cores
    threads = sum(worker.threads for worker in figures.workers.values())
    several = [number for number, cores in wanted.items() if cores > THREADED and figures.workers[number].threads > 1]
    if not several or threads <= figures.cores or sum(wanted.values()) < THREADED * figures.cores:
        return None
    if sum(min(1.0, cores) for cores in wanted.values()) >= CROWDED * figures.cores:
        return None
    pe = max(figures.work.values(), key=lambda work: work.cpu_s).pe
    sentence = (
        f"{pe} computes in several threads: {_workers(len(wanted))} with {threads} threads want "
        f"{sum(wanted.values()):.1f} cores at a time, and there are {figures.cores}; they wait for each other."
    )
    text = "let libraries use one thread per worker; d4py does so itself unless told otherwise"
    command = case.command(len(figures.worker_numbers), before="OMP_NUM_THREADS=1")
    own = f"where {pe} starts threads itself, let it start none: workers are what is parallel here"
    finding = Finding(
        cause="thread_contention", pe=pe, sentence=sentence, cost=_waiting_share(figures),
        evidence={"threads": float(threads), "wanted_cores": sum(wanted.values()), "cores": float(figures.cores)},
    )  # fmt: skip
    advice = (case.advice("thread_contention", text, command), case.advice("thread_contention", own, ""))
    return Found(finding, advice, Weight.WASTE)


def taking_turns(case: Case) -> Found | None:
    """The threads that a PE starts run Python code, of which the interpreter lets one run at a time."""
    figures = case.figures
    for work in sorted(figures.work.values(), key=lambda work: -work.cpu_s):
        service = figures.pes[work.pe].service
        hosts = {one.worker for one in figures.instances_of(work.pe)}
        threads = max((figures.workers[host].threads for host in hosts if host in figures.workers), default=1)
        if service.cpu_share is None or service.own_cpu_share is None or threads < FEWEST_THREADS:
            continue
        in_others = service.cpu_share - service.own_cpu_share
        if in_others > TURNS * service.cpu_share and figures.cpu_s and work.cpu_s > TURNS * figures.cpu_s:
            if service.cpu_share > THREADED:  # they do run at the same time
                continue
            return _turns(case, work, threads, in_others / service.cpu_share)
    return None


def _turns(case: Case, work: Work, threads: int, in_others: float) -> Found | None:
    figures = case.figures
    workers = max(figures.cores, len(figures.worker_numbers))
    then_s = case.than(Setup(workers, freed=frozenset({work.pe})))
    if not case.is_worth(then_s):
        return None
    used = figures.cpu_s / figures.wall_s if figures.wall_s else 0.0
    sentence = (
        f"{work.pe} has {threads} threads, which take turns on one core since they run Python code: {share(in_others)} "
        f"of its processor time is theirs, and only {used:.1f} of {figures.cores} cores are used."
    )
    text = f"let {work.pe} do the work without threads, and have an instance of it on every worker"
    finding = Finding(
        cause="thread_contention", pe=work.pe, sentence=sentence, cost=case.cost(then_s),
        evidence={"threads": float(threads), "in_other_threads_share": in_others, "cores": float(figures.cores)},
    )  # fmt: skip
    return Found(finding, (case.advice("thread_contention", text, case.command(workers), then_s),))


def too_many_processes(case: Case) -> Found | None:
    """More workers than cores have something to do at the same time, so that they wait for cores."""
    figures = case.figures
    wanted = sum(min(1.0, cores) for cores in figures.wanted_cores.values())
    number = len(figures.worker_numbers)
    if number <= figures.cores or wanted < CROWDED * figures.cores:
        return None
    pe = max(figures.work.values(), key=lambda work: work.cpu_s).pe
    then_s = case.than(Setup(figures.cores)) if figures.cores > 1 else sequential_s(figures)
    sentence = (
        f"{pe} runs on {number} workers for {figures.cores} cores: {wanted:.1f} of them want one at any time, and each "
        f"waits for it {share(_waiting_share(figures))} of its time."
    )
    text = f"use {_workers(figures.cores)}: no slower, for a part of the memory"
    finding = Finding(
        cause="too_many_processes", pe=pe, sentence=sentence, cost=case.cost(then_s),
        evidence={"workers": float(number), "wanted_cores": wanted, "cores": float(figures.cores)},
    )  # fmt: skip
    then_s = min(then_s, figures.total_s)
    return Found(finding, (case.advice("too_many_processes", text, case.command(figures.cores), then_s),), Weight.WASTE)


def idle_processes(case: Case) -> Found | None:
    """Workers do next to nothing while others carry the run."""
    figures = case.figures
    if not figures.is_parallel or not figures.wall_s:
        return None
    idle = [number for number, busy in figures.worker_busy_s.items() if busy < IDLE * figures.bound_s]
    number = len(figures.worker_numbers)
    if 4 * len(idle) < number:
        return None
    on_idle = Counter(one.pe for one in figures.instances if one.worker in idle)
    pe = on_idle.most_common(1)[0][0] if on_idle else ""
    busy = number - len(idle)
    of = f" of {pe}'s {len(figures.instances_of(pe))} instances" if pe else ""
    sentence = (
        f"{len(idle)} of {number} workers have next to nothing to do, with {on_idle[pe]}{of}: each is busy less than "
        f"{share(IDLE)} of the time, while {busy} carr{'ies' if busy == 1 else 'y'} the run."
    )
    finding = Finding(
        cause="idle_processes", pe=pe, sentence=sentence,
        evidence={"idle_workers": float(len(idle)), "workers": float(number)},
    )  # fmt: skip
    text = f"use {_workers(max(1, busy))}: as quick, for a part of the memory"
    return Found(finding, (case.advice("idle_processes", text, case.command(max(1, busy))),), Weight.WASTE)


def _busiest_together(figures: Figures) -> dict[str, float]:
    """How long each PE of the busiest stage replica was busy; of a sequential run, each PE."""
    busy: dict[tuple[int, int], dict[str, float]] = defaultdict(dict)
    for one in figures.instances:
        own = busy[one.worker, one.stage if figures.is_parallel else 0]
        own[one.pe] = own.get(one.pe, 0.0) + figures.busy_s(one)
    return max(busy.values(), key=lambda own: sum(own.values()), default={})


def _waiting_share(figures: Figures) -> float:
    """How much of the time that the workers could have run they waited for a core."""
    waited = sum(worker.runnable_s or 0.0 for worker in figures.workers.values())
    ran = sum(worker.cpu_s for worker in figures.workers.values())
    return waited / (waited + ran) if waited + ran else 0.0


def _largest_on(figures: Figures, worker: int) -> str:
    """The PE on a worker that probably holds its memory: that which received most bytes, or else works longest."""
    own = {one.pe for one in figures.instances if one.worker == worker} or set(figures.pes)
    return max(sorted(own), key=lambda pe: (figures.pes[pe].bytes_in, figures.work[pe].compute_s))


def _workers(number: int) -> str:
    return "one worker" if number == 1 else f"{number} workers"
