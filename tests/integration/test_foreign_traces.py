"""Traces of runs by the real stream-d4py 2.9.1, read into profiles; dispel4py 1.2.1 needs an older Python than ours.

Neither wheel carries the code that writes the traces, so the workflow below does: what its own PEs and their wrappers
do is timed from outside, and written in the columns of dispel4py's monitoring and of stream-d4py's timed mappings.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from peer_examples import STREAM_D4PY, Peer

from d4py_adaptive.errors import InputError
from d4py_adaptive.profiler.foreign.reading import read_trace
from d4py_adaptive.telemetry.profile import InstanceProfile

ITEMS = 20
PROCESSES = 4  # one for the source, one for the slow PE's only instance, two for the last
FLOW = '''
import csv, os, time
from dispel4py.base import ConsumerPE, IterativePE, ProducerPE
from dispel4py.workflow_graph import WorkflowGraph

class Traced(object):
    """Times the PE's life and what its wrapper does for it, and writes both traces when the wrapper ends."""

    def preprocess(self):
        self.events, self.written = [], {}
        wrapper = self.wrapper
        read, write, terminate = wrapper._read, wrapper._write, wrapper._terminate

        def traced_read():
            start, data = time.time(), {"input": []}
            result = read()
            if result and result[0]:
                inputs = {}
                for port, (value, origin) in result[0].items():
                    inputs[port] = value
                    data["input"].append((port, origin))
                result = (inputs,) + tuple(result[1:])
            self.event("read", data, start)
            return result

        def traced_write(name, value):
            start = time.time()
            self.written[name] = self.written.get(name, 0) + 1
            origin = (self.id, self.rank, name, self.written[name])
            write(name, (value, origin))
            self.event("write", {"output": name, "size": 24, "id": origin}, start)

        def traced_terminate():
            start = time.time()
            terminate()
            self.event("terminate", {}, start)
            self.dump()

        wrapper._read, wrapper._write, wrapper._terminate = traced_read, traced_write, traced_terminate
        self.event("preprocess", {}, time.time())

    def process(self, inputs):
        start = time.time()
        result = super(Traced, self).process(inputs)
        self.event("process", {}, start)
        return result

    def event(self, method, data, start):
        self.events.append((self.id, self.rank, method, data, start, time.time()))

    def dump(self):
        self.table("events_%s.csv" % self.rank, "PE,rank,method,data,start,end", self.events)
        calls = [end - start for _, _, method, _, start, end in self.events if method == "process"]
        at = "%s_rank%s_run1.csv" % (self.id, self.rank)
        self.table("monitor_iterations_" + at, "pe_id,rank,instance_id,iteration_index,iteration_secs",
                   [(self.id, self.rank, "%s@%s" % (self.id, self.rank), i + 1, s) for i, s in enumerate(calls)])
        self.table("monitor_" + at, "pe_id,rank,count,total_secs,avg_secs",
                   [(self.id, self.rank, len(calls), sum(calls), sum(calls) / max(1, len(calls)))])

    def table(self, name, columns, rows):
        with open(os.path.join(os.environ["TRACES"], name), "w", newline="") as output:
            csv.writer(output).writerows([columns.split(",")] + rows)

class Numbers(Traced, ProducerPE):
    def _process(self, inputs=None):
        self.write("output", 1)
        self.write("output", 2)

class Slow(Traced, IterativePE):
    def _process(self, number):
        time.sleep(0.004)
        return number

class Last(Traced, ConsumerPE):
    def _process(self, number):
        time.sleep(0.001)

numbers, slow, last = Numbers(), Slow(), Last()
last.numprocesses = 2
graph = WorkflowGraph()
graph.connect(numbers, "output", slow, "input")
graph.connect(slow, "output", last, "input")
'''


@dataclass(frozen=True)
class Traces:
    """What a run of a peer left."""

    events: list[Path]
    calls: list[Path]
    sums: list[Path]


@pytest.fixture(scope="module", params=[STREAM_D4PY], ids=lambda peer: peer.requirement)
def traces(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Traces:
    """The traces of one run of the peer's multi."""
    peer: Peer = request.param
    python = peer.folder.parent / f"{peer.requirement.replace('==', '-')}-environment" / "bin" / "python"
    if not python.exists():
        pytest.skip(f"no environment for {peer.requirement}; make test makes it in {Path(sys.prefix)}/peers")
    folder = tmp_path_factory.mktemp("traces")
    (folder / "traced_flow.py").write_text(FLOW)
    command = ["-m", "dispel4py.new.processor", "multi", "traced_flow", "-i", str(ITEMS), "-n", str(PROCESSES)]
    variables = {"TRACES": str(folder), "PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [str(python), *command], cwd=folder, env=variables, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done
    found = Traces(
        sorted(folder.glob("events_*.csv")),
        sorted(folder.glob("monitor_iterations_*.csv")),
        sorted(folder.glob("monitor_[!i]*.csv")),
    )
    assert [len(files) for files in (found.events, found.calls, found.sums)] == [PROCESSES] * 3, done
    return found


def test_monitoring_tells_where_time_went_and_what_was_sent(traces: Traces) -> None:
    profile = read_trace(traces.events)
    assert [pe.pe for pe in profile.pes] == ["Numbers0", "Slow1", "Last2"]
    assert [(pe.items_in, pe.items_out, pe.instances) for pe in profile.pes] == [
        (0, 2 * ITEMS, 1), (2 * ITEMS, 2 * ITEMS, 1), (2 * ITEMS, 0, 2)
    ]  # fmt: skip
    assert [(stream.id, stream.items, stream.item_bytes) for stream in profile.streams] == [
        ("Numbers0.output->Slow1.input", 2 * ITEMS, 24), ("Slow1.output->Last2.input", 2 * ITEMS, 24)
    ]  # fmt: skip
    numbers, slow, last = profile.pes
    assert numbers.selectivity == {"output": 2.0}
    assert slow.service.p50_s > last.service.p50_s > numbers.service.p50_s
    assert not profile.partial
    for instance in profile.instances:
        assert known_s(instance) == pytest.approx(instance.wall_s)
        assert 0 < instance.wall_s <= profile.wall_s
    busiest = max(profile.instances, key=lambda instance: instance.split.compute_s / instance.wall_s)
    assert busiest.label == "Slow1[0]"
    assert max(profile.instances, key=lambda instance: instance.split.starved_s).pe == "Last2"


def test_the_timings_of_calls_and_their_sums_agree_with_the_monitoring(traces: Traces) -> None:
    listed, summed, monitored = (read_trace(files) for files in (traces.calls, traces.sums, traces.events))
    assert read_trace([*traces.sums, *traces.calls]).pes == listed.pes
    for profile in (listed, summed):
        for pe in profile.pes:
            service, other = pe.service, monitored.of(pe.pe).service
            assert service.calls == other.calls
            # With what the calls waited in write, which the monitoring tells apart.
            assert service.mean_s >= other.mean_s - 1e-6
    assert listed.of("Slow1").service.mean_s == pytest.approx(monitored.of("Slow1").service.mean_s, rel=0.1)


def test_the_timings_of_two_runs_are_not_read_as_one(traces: Traces, tmp_path: Path) -> None:
    other = tmp_path / traces.calls[0].name.replace("_run1", "_run2")
    other.write_bytes(traces.calls[0].read_bytes())
    with pytest.raises(InputError, match="of 2 runs"):
        read_trace([*traces.calls, other])


def known_s(instance: InstanceProfile) -> float:
    return sum(getattr(instance.split, part) for part in instance.split.__struct_fields__)
