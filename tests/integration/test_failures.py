"""A failing PE never hangs a run and never vanishes: who, where, on what, and why."""

from __future__ import annotations

import base64
import json
import os
import pickle
import re
import signal

import pytest
from real_processes import FLOWS, PROMISE_S, D4py

MAPPINGS = {
    "simple": ("-m", "simple"),
    "fork": ("-m", "multi", "-n", "2", "--no-fuse", "--start-method", "fork"),
    "forkserver": ("-m", "multi", "-n", "2", "--no-fuse", "--start-method", "forkserver"),
    "spawn": ("-m", "multi", "-n", "2", "--no-fuse", "--start-method", "spawn"),
}
every_mapping = pytest.mark.parametrize("mapping", MAPPINGS)
simple_and_multi = pytest.mark.parametrize("mapping", ["simple", "fork"])
failing = FLOWS / "failing.py"
HOST = re.escape(os.uname().nodename)


def way(name: str) -> tuple[str, ...]:
    return ("-p", f"way={name}", "-q")


@every_mapping
@pytest.mark.parametrize("method", ["preprocess", "process", "postprocess"])
def test_the_line_names_all_there_is_to_name(d4py: D4py, mapping: str, method: str) -> None:
    line = d4py.run("run", failing, *way(method), *MAPPINGS[mapping]).fails_with(1)
    place = r", port 'input', item 4" if method == "process" else ""
    worker = "0" if mapping == "simple" else r"\d"
    assert re.fullmatch(
        rf"d4py: error: ValueError: no such luck \(in Trouble1\[0\]\.{method}{place}, on {HOST}, worker {worker}\)"
        r"; --traceback shows where",
        line,
    )
    record = d4py.record()
    assert record["state"] == "failed"
    assert record["failure"]["pe"] == "Trouble1"
    assert record["failure"]["method"] == method
    assert record["failure"]["error_type"] == "ValueError"
    assert "failing.py" in record["failure"]["traceback"]
    assert 'raise ValueError("no such luck")' in record["failure"]["traceback"]
    assert record["error"] in line
    assert d4py.marks() == []


@simple_and_multi
def test_traceback_shows_the_users_file_and_line_and_nothing_of_the_runtime(d4py: D4py, mapping: str) -> None:
    ended = d4py.run("run", failing, *way("process"), *MAPPINGS[mapping], "--traceback")
    assert ended.code == 1
    number = failing.read_text().splitlines().index("    def do_process(self, data):") + 2
    assert f'failing.py", line {number}, in do_process' in ended.err
    assert "mappings" not in ended.err
    assert ended.error_lines[-1].startswith("d4py: error: ValueError: no such luck")
    shown = d4py.run("runs", "last", "--traceback").succeeds()
    assert f'failing.py", line {number}, in do_process' in shown


def test_a_pe_that_fails_when_it_is_made_is_a_wrong_workflow(d4py: D4py) -> None:
    line = d4py.run("run", failing, *way("init")).fails_with(2)
    assert re.search(r"failing\.py could not be loaded \(line \d+\): ValueError: no such luck", line)
    ended = d4py.run("run", failing, *way("init"), "--traceback")
    assert 'raise ValueError("no such luck")' in ended.err


@simple_and_multi
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("own_error", "OwnError: own error 123"),
        ("sys_exit", "SystemExit: 0"),
        ("recursion", "RecursionError: maximum recursion depth exceeded"),
        ("memory", "MemoryError"),
        ("unknown_port", "Trouble1 has no output 'outptu'; did you mean 'output'?"),
        ("cancelled", "CancelledError: by asyncio"),  # not an Exception
    ],
)
def test_whatever_a_pe_raises(d4py: D4py, mapping: str, name: str, said: str) -> None:
    line = d4py.run("run", failing, *way(name), *MAPPINGS[mapping]).fails_with(1)
    assert said in line
    assert "Trouble1[0].process, port 'input', item 4" in line


@simple_and_multi
def test_a_message_of_several_lines_becomes_one_that_steers_no_terminal(d4py: D4py, mapping: str) -> None:
    line = d4py.run("run", failing, *way("two_lines"), *MAPPINGS[mapping]).fails_with(1)
    assert "first line" in line
    assert "\x1b" not in line


@pytest.mark.parametrize(
    ("mapping", "name"),
    [("fork", "generator"), ("forkserver", "generator"), ("spawn", "generator"), ("fork", "open_file")],
)
def test_an_item_that_cannot_travel(d4py: D4py, mapping: str, name: str) -> None:
    ended = d4py.run("run", failing, *way(name), *MAPPINGS[mapping], warnings="ignore::ResourceWarning")
    line = ended.fails_with(1)
    kind = {"generator": "generator", "open_file": "TextIOWrapper"}[name]
    assert f"must be picklable; got {kind}" in line
    assert "Trouble1[0].write, port 'output', item 4" in line


@every_mapping
def test_skipped_items_are_kept_and_can_be_had_again(d4py: D4py, mapping: str) -> None:
    ended = d4py.run("run", failing, "-p", "way=process", "--on-error", "skip", *MAPPINGS[mapping])
    assert ended.code == 3
    assert "Collect2[0]: seen [0, 1, 2, 4, 5, 6, 7, 8, 9]" in ended.out
    assert "d4py: skipped item 4 of Trouble1[0]: ValueError: no such luck" in ended.error_lines
    assert "1 item(s) skipped" in ended.err
    (letter,) = [json.loads(line) for line in (d4py.run_folder() / "dead-letters.jsonl").read_text().splitlines()]
    assert pickle.loads(base64.b64decode(letter["item"])) == {"input": 3}
    assert letter["failure"]["pe"] == "Trouble1"
    assert letter["failure"]["item"] == 4
    assert "no such luck" in letter["failure"]["traceback"]
    assert letter["attempts"] == 1
    record = d4py.record()
    assert (record["state"], record["dead_letters"]) == ("completed", 1)
    (counters,) = [instance for instance in record["instances"] if instance["pe"] == "Trouble1"]
    assert (counters["skipped"], counters["items_in"]) == (1, 10)


@simple_and_multi
def test_the_policy_of_one_pe_is_not_that_of_another(d4py: D4py, mapping: str) -> None:
    line = d4py.run("run", failing, *way("process"), "--on-error", "Collect=skip", *MAPPINGS[mapping]).error_lines[-1]
    assert "ValueError: no such luck" in line
    assert d4py.record()["state"] == "failed"


@simple_and_multi
def test_a_second_try_can_succeed(d4py: D4py, mapping: str) -> None:
    ended = d4py.run("run", failing, *way("first_try"), "--on-error", "Trouble=retry:2", *MAPPINGS[mapping])
    assert "Collect2[0]: seen [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]" in ended.succeeds()
    assert not (d4py.run_folder() / "dead-letters.jsonl").exists()
    (counters,) = [c for c in d4py.record()["instances"] if c["pe"] == "Trouble1"]
    assert (counters["retried"], counters["skipped"]) == (1, 0)


@simple_and_multi
def test_when_all_tries_are_used_up(d4py: D4py, mapping: str) -> None:
    stop = d4py.run("run", failing, *way("process"), "--on-error", "retry:2", *MAPPINGS[mapping])
    assert stop.code == 1
    assert "ValueError: no such luck" in stop.error_lines[-1]
    skip = d4py.run("run", failing, *way("process"), "--on-error", "retry:2,skip", *MAPPINGS[mapping])
    assert skip.code == 3
    (path,) = (d4py.home / "runs").glob("*/dead-letters.jsonl")
    assert json.loads(path.read_text())["attempts"] == 3


@simple_and_multi
def test_skip_warns_where_state_cannot_be_undone(d4py: D4py, mapping: str) -> None:
    ended = d4py.run("run", failing, "-p", "way=none", "--on-error", "skip", *MAPPINGS[mapping])
    assert ended.code == 0
    assert "d4py: Collect2 may keep state, which skip and retry cannot undo when a call fails half-way" in ended.err


@pytest.mark.parametrize(
    ("mapping", "name", "how"),
    [
        ("fork", "exit_code", "ended with exit code 7"),
        ("forkserver", "exit_code", "ended with exit code 7"),
        ("spawn", "exit_code", "ended with exit code 7"),
        ("fork", "segfault", "was killed by SIGSEGV"),
        ("forkserver", "segfault", "was killed by SIGSEGV"),
        ("spawn", "abort", "was killed by SIGABRT"),
    ],
)
def test_a_worker_that_is_torn_down_by_its_pe(d4py: D4py, mapping: str, name: str, how: str) -> None:
    ended = d4py.run("run", failing, *way(name), *MAPPINGS[mapping], within_s=PROMISE_S * 2)
    line = ended.fails_with(4)
    assert re.search(rf"worker \d \(pid \d+\) {how} while it ran Trouble1\[0\] at item 4; it hosted", line)
    assert d4py.record()["state"] == "failed"
    assert d4py.marks() == []


@pytest.mark.parametrize(("name", "code"), [("exit_code", 7), ("segfault", -signal.SIGSEGV)])
def test_a_command_that_is_torn_down_by_its_pe_is_told_of_later(d4py: D4py, name: str, code: int) -> None:
    assert d4py.run("run", failing, *way(name)).code == code
    told = d4py.run("runs")
    assert len(told.error_lines) == 1
    assert "Trouble1 4" in told.err


@pytest.mark.parametrize("mapping", ["forkserver", "spawn"])
def test_a_workflow_that_cannot_travel(d4py: D4py, mapping: str) -> None:
    line = d4py.run("run", FLOWS / "unpicklable.py", *MAPPINGS[mapping], "-q").fails_with(2)
    assert "cannot be sent to worker processes" in line
    assert "lock" in line
    assert "--start-method fork" in line
    assert [record["state"] for record in d4py.records()] in ([], ["failed"])
    assert d4py.marks() == []


def test_a_workflow_that_cannot_travel_runs_where_it_need_not(d4py: D4py) -> None:
    ended = d4py.run("run", FLOWS / "unpicklable.py", *MAPPINGS["fork"], "-q")
    assert "Locked1.output: 1" in ended.succeeds()


@every_mapping
def test_the_users_file_runs_once(d4py: D4py, mapping: str) -> None:
    d4py.run("run", FLOWS / "once.py", *MAPPINGS[mapping], "-q").succeeds()
    assert (d4py.folder / "loaded.txt").read_text() == "loaded\n"
    header, *rows = (d4py.folder / "table.csv").read_text().splitlines()
    assert (header, sorted(rows)) == ("number", ["0", "1", "2", "3", "4"])


@pytest.mark.timeout(60)
@pytest.mark.parametrize("kind", ["program", "pool", "fork"])
def test_processes_of_a_pe_do_not_keep_a_broken_run_alive(d4py: D4py, kind: str) -> None:
    run = d4py.start("run", FLOWS / "with_children.py", "-p", f"kind={kind}", "-m", "multi", "-n", 2, "--no-fuse", "-q")
    run.until_prints("runs")
    victim = next(worker for worker in run.workers() if worker.children())
    victim.kill()
    line = run.wait(PROMISE_S).fails_with(4)
    assert f"(pid {victim.pid}) was killed by SIGKILL" in line
