"""Ctrl-C and SIGTERM, as terminals and batch systems send them."""

from __future__ import annotations

import os
import random
import re
import signal
from collections.abc import Iterator

import pytest
from real_processes import FLOWS, PROMISE_S, D4py, Terminal, eventually

MAPPINGS = {
    "simple": ("-m", "simple"),
    "fork": ("-m", "multi", "-n", "3", "--no-fuse", "--start-method", "fork"),
    "forkserver": ("-m", "multi", "-n", "3", "--no-fuse", "--start-method", "forkserver"),
    "spawn": ("-m", "multi", "-n", "3", "--no-fuse", "--start-method", "spawn"),
}
AT_ONCE_S = 3.0
DRAIN_S = 10.0
every_mapping = pytest.mark.parametrize("mapping", MAPPINGS)
draining = FLOWS / "draining.py"


def numbers(text: str) -> tuple[int, int]:
    """How many items the source says that it wrote, and the sink that it was given."""
    (written,) = re.findall(r"Source0\[0\]: written (\d+)", text)
    (received,) = re.findall(r"Sink2\[0\]: received (\d+)", text)
    return int(written), int(received)


def ended_in_order(text: str) -> None:
    written, received = numbers(text)
    assert written == received >= 1000
    assert "Traceback" not in text


@pytest.mark.timeout(60)
@every_mapping
def test_ctrl_c_stops_the_sources_and_finishes_the_rest(d4py: D4py, mapping: str) -> None:
    terminal = d4py.at_terminal("run", draining, *MAPPINGS[mapping])
    terminal.until_shows("under way")
    terminal.press_ctrl_c()
    assert terminal.wait(DRAIN_S) == 130
    ended_in_order(terminal.text)
    assert "SIGINT" in terminal.text
    d4py.is_gone()
    assert d4py.record()["state"] == "interrupted"
    assert d4py.marks() == []


@pytest.mark.timeout(60)
@pytest.mark.parametrize("mapping", ["simple", "fork"])
def test_ctrl_c_shows_the_results_so_far(d4py: D4py, mapping: str) -> None:
    terminal = d4py.at_terminal("run", draining, *MAPPINGS[mapping], out_to_file=True)
    terminal.until(lambda: "under way" in terminal.out, "be under way")
    terminal.press_ctrl_c()
    assert terminal.wait(DRAIN_S) == 130
    assert "Half1.odd: odd number 1" in terminal.out
    assert "Half1.odd: odd number 3" in terminal.out


@pytest.mark.timeout(60)
@every_mapping
def test_ctrl_c_between_two_calls_of_a_source(d4py: D4py, mapping: str) -> None:
    terminal = d4py.at_terminal("run", FLOWS / "sources_between.py", "-i", 10**9, *MAPPINGS[mapping])
    terminal.until_shows("under way")
    terminal.press_ctrl_c()
    assert terminal.wait(DRAIN_S) == 130
    assert "Traceback" not in terminal.text


@pytest.mark.timeout(60)
@every_mapping
def test_ctrl_c_twice_ends_at_once(d4py: D4py, mapping: str) -> None:
    terminal = d4py.at_terminal("run", draining, "-p", "sink=Sleeper", *MAPPINGS[mapping])
    terminal.until_shows("asleep")
    terminal.press_ctrl_c_twice()
    assert terminal.wait(AT_ONCE_S) == 130
    d4py.is_gone()
    assert "Traceback" not in terminal.text
    assert "at once" in terminal.text
    assert d4py.record()["state"] == "interrupted"
    assert d4py.marks() == []


@pytest.mark.timeout(60)
@every_mapping
def test_holding_ctrl_c_does_not_upset_the_ending(d4py: D4py, mapping: str) -> None:
    terminal = d4py.at_terminal("run", draining, "-p", "sink=Sleeper", *MAPPINGS[mapping])
    terminal.until_shows("asleep")
    terminal.hold_ctrl_c(AT_ONCE_S)
    assert terminal.wait() in (130, -signal.SIGINT)  # the last one can meet a Python that has left already
    d4py.is_gone()
    assert "Traceback" not in terminal.text
    assert d4py.record()["state"] == "interrupted"
    assert d4py.marks() == []


@pytest.mark.timeout(60)
@every_mapping
def test_ctrl_c_while_workers_start(d4py: D4py, mapping: str) -> None:
    terminal = d4py.at_terminal("run", draining, *MAPPINGS[mapping])
    terminal.until(d4py.records, "begin a run")
    terminal.press_ctrl_c()
    assert terminal.wait(DRAIN_S) == 130
    assert "Traceback" not in terminal.text
    d4py.is_gone()
    assert d4py.record()["state"] == "interrupted"
    assert d4py.marks() == []


@pytest.mark.chaos
@pytest.mark.timeout(60)
@pytest.mark.parametrize("number", range(40))
def test_ctrl_c_at_any_moment(d4py: D4py, number: int) -> None:
    chance = random.Random(number)
    terminal = d4py.at_terminal("run", draining, *MAPPINGS[list(MAPPINGS)[number % 4]])
    terminal.until(lambda: (d4py.home / "runs").is_dir(), "begin a run")
    terminal.read_for(chance.uniform(0, 0.6))
    terminal.press_ctrl_c()
    assert terminal.wait(DRAIN_S) == 130
    assert "Traceback" not in terminal.text
    d4py.is_gone()
    assert [record["state"] for record in d4py.records()] in ([], ["interrupted"])
    assert d4py.run("runs").err == ""
    assert d4py.marks() == []


@pytest.mark.timeout(60)
def test_ctrl_c_while_the_workflow_is_loaded(d4py: D4py) -> None:
    flow = d4py.folder / "slow_to_load.py"
    flow.write_text("import time\nprint('loading', flush=True)\ntime.sleep(300)\n")
    terminal = d4py.at_terminal("run", flow)
    terminal.until_shows("loading")
    terminal.press_ctrl_c()
    assert terminal.wait(AT_ONCE_S) == 130
    assert "Traceback" not in terminal.text


@pytest.mark.timeout(60)
@every_mapping
def test_sigterm_to_the_launcher(d4py: D4py, mapping: str) -> None:
    run = d4py.start("run", draining, *MAPPINGS[mapping], "-q")
    run.until_prints("under way")
    run.process.send_signal(signal.SIGTERM)
    ended = run.wait(DRAIN_S)
    assert "SIGTERM" in ended.fails_with(143)
    ended_in_order(ended.out)
    d4py.is_gone()
    assert d4py.record()["state"] == "interrupted"


@pytest.mark.timeout(60)
@every_mapping
def test_sigterm_to_the_whole_group(d4py: D4py, mapping: str) -> None:
    """As a batch system does it."""
    run = d4py.start("run", draining, *MAPPINGS[mapping], "-q")
    run.until_prints("under way")
    os.killpg(run.pid, signal.SIGTERM)
    ended = run.wait(DRAIN_S)
    assert "SIGTERM" in ended.fails_with(143)
    ended_in_order(ended.out)
    d4py.is_gone()
    assert d4py.record()["state"] == "interrupted"


@pytest.mark.timeout(60)
def test_what_does_not_finish_in_time_is_ended(d4py: D4py) -> None:
    """Batch systems kill some time after SIGTERM; a run that waits for a PE that does not return would be lost."""
    runs = [d4py.start("run", draining, "-p", "sink=Sleeper", *options, "-q") for options in MAPPINGS.values()]
    for run in runs:
        run.until_prints("asleep")
        run.process.send_signal(signal.SIGTERM)
    for run in runs:
        line = run.wait(DRAIN_S + PROMISE_S).fails_with(143)
        assert "at once" in line


@pytest.fixture
def _heeding_hang_ups() -> Iterator[None]:
    """What runs the tests may ignore hang-ups (nohup does), which the processes that it starts inherit."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.timeout(60)
@pytest.mark.usefixtures("_heeding_hang_ups")
@pytest.mark.parametrize("mapping", ["simple", "fork", "forkserver"])
def test_a_closed_terminal_leaves_nothing_running(d4py: D4py, mapping: str) -> None:
    terminal = d4py.at_terminal("run", draining, *MAPPINGS[mapping])
    terminal.until_shows("under way")
    terminal.hang_up()
    eventually(lambda: terminal.process.poll() is not None, PROMISE_S, "the end of the run")
    d4py.is_gone()


@pytest.mark.timeout(60)
@pytest.mark.parametrize("mapping", ["simple", "fork"])
def test_a_pe_can_handle_the_end_of_its_call(d4py: D4py, mapping: str) -> None:
    """A source's `finally` runs when it is stopped in the middle of `write`."""
    flow = d4py.folder / "tidy.py"
    flow.write_text(TIDY)
    run = d4py.start("run", flow, *MAPPINGS[mapping], "-q")
    run.until_prints("under way")
    run.process.send_signal(signal.SIGINT)
    ended = run.wait(DRAIN_S)
    assert ended.code == 130
    assert ended.out.count("tidied up") == 1
    assert ended.out.count("over") == 1


@pytest.mark.timeout(60)
def test_a_shell_that_ignores_ctrl_c_for_background_jobs_is_no_obstacle(d4py: D4py) -> None:
    """`d4py run … &` in a script starts with SIGINT ignored; SIGTERM must still end it."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        run = d4py.start("run", draining, *MAPPINGS["fork"], "-q")
    finally:
        signal.signal(signal.SIGINT, before)
    run.until_prints("under way")
    run.process.send_signal(signal.SIGTERM)
    assert run.wait(DRAIN_S).code == 143


def test_a_terminal_is_what_the_tests_say_it_is(d4py: D4py) -> None:
    terminal: Terminal = d4py.at_terminal("--help")
    assert terminal.wait() == 0
    assert "usage: d4py" in terminal.text


TIDY = """
from d4py_adaptive import IterativePE, ProducerPE, WorkflowGraph

class Source(ProducerPE):
    def process(self, inputs):
        number = 0
        try:
            while True:
                self.write("output", number)
                number += 1
        finally:
            self.log("tidied up")

class Pass(IterativePE):
    def _process(self, data):
        if data == 1000:
            self.log("under way")
    def postprocess(self):
        self.log("over")

graph = WorkflowGraph()
graph.connect(Source(), "output", Pass(), "input")
"""
