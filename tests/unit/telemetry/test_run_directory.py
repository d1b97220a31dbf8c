"""Where runs are kept: making, finding, reading, and telling which ended without a word."""

import json
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from d4py_adaptive.dataflow.plan import Plan
from d4py_adaptive.errors import InputError
from d4py_adaptive.telemetry import run_directory
from d4py_adaptive.telemetry.run_directory import (
    RunDirectory,
    all_runs,
    d4py_home,
    ended_without_a_word,
    find_run,
    process_started_s,
)
from d4py_adaptive.telemetry.run_record import RunRecord

Make = Callable[..., RunRecord]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def run(home: Path) -> RunDirectory:
    return RunDirectory.create(home)


def test_home_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("D4PY_HOME", str(tmp_path))
    assert d4py_home() == tmp_path
    monkeypatch.setenv("D4PY_HOME", "")
    assert d4py_home() == Path.home() / ".d4py"


def test_a_new_run_is_for_its_owner_s_eyes_only_and_marked_as_running(home: Path, run: RunDirectory) -> None:
    assert run.path == home / "runs" / run.id
    assert run.home == home
    assert {stat.S_IMODE(path.stat().st_mode) for path in (home, run.path)} == {0o700}
    assert (home / "running" / run.id).read_text() == str(os.getpid())
    assert all_runs(home) == [run] or [r.id for r in all_runs(home)] == [run.id]


def test_a_home_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")
    with pytest.raises(InputError) as caught:
        RunDirectory.create(tmp_path / "home")
    text = str(caught.value)
    assert text.startswith(f"runs are kept in {tmp_path / 'home'}, which cannot be written (")
    assert text.endswith("); set D4PY_HOME to a folder that can")


def test_runs_of_one_second_are_kept_in_order(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_700_000_000.0
    ids = []
    for step, token in enumerate(["ffffff", "888888", "000000"]):
        monkeypatch.setattr(run_directory, "wall_time_s", lambda step=step: now + step / 100)
        monkeypatch.setattr(run_directory.secrets, "token_hex", lambda _, token=token: token)
        ids.append(RunDirectory.create(home).id)
    assert [run.id for run in all_runs(home)] == ids
    assert find_run(home, "last").id == ids[-1]


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="no time zones to set")
def test_runs_are_kept_in_order_when_the_clocks_go_back(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    try:
        ids = []
        for moment_s in (1_729_988_000.0, 1_729_991_000.0):  # 2024-10-27, 02:13 summer time and 02:03 winter time
            monkeypatch.setattr(run_directory, "wall_time_s", lambda moment_s=moment_s: moment_s)
            ids.append(RunDirectory.create(home).id)
        assert [run.id for run in all_runs(home)] == ids
    finally:
        monkeypatch.undo()
        time.tzset()


def test_no_home_has_no_runs(home: Path) -> None:
    assert all_runs(home) == []
    assert list(ended_without_a_word(home)) == []


def test_a_record_is_put_in_place_whole(run: RunDirectory, make_record: Make) -> None:
    run.write_record(make_record(id=run.id))
    assert run.read_record() == make_record(id=run.id)
    assert [path.name for path in run.path.iterdir()] == ["run.json"]
    assert (run.home / "running" / run.id).exists()
    run.write_record(make_record(id=run.id, state="completed", ended_at_s=1001.0))
    assert not (run.home / "running" / run.id).exists()


@pytest.mark.parametrize("content", [None, "", "{", "[]", "null", "{}", '{"schema_version": 1}', "\udc80"])
def test_a_record_that_cannot_be_read_is_an_input_error(run: RunDirectory, content: str | None) -> None:
    if content is not None:
        (run.path / "run.json").write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(InputError) as caught:
        run.read_record()
    assert str(caught.value).startswith(f"{run.path} holds no run record that can be read: ")


@pytest.mark.parametrize("content", [None, "", "[]", "{}"])
def test_a_plan_that_cannot_be_read_is_an_input_error(run: RunDirectory, content: str | None) -> None:
    if content is not None:
        (run.path / "plan.json").write_text(content)
    with pytest.raises(InputError) as caught:
        run.read_plan()
    assert str(caught.value).startswith(f"{run.path} holds no plan that can be read: ")


def test_a_plan_there_and_back(run: RunDirectory, plan: Plan) -> None:
    run.write_json("plan.json", plan.to_dict())
    assert run.read_plan() == plan


def test_lines_are_added(run: RunDirectory) -> None:
    run.append("events.jsonl", {"n": 1, "path": Path("x")})
    run.append("events.jsonl", {"n": 2, "text": "two\nlines é"})
    lines = (run.path / "events.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [{"n": 1, "path": "x"}, {"n": 2, "text": "two\nlines é"}]


IDS = ("20240101-100000.000-aaaaaa", "20240101-110000.000-bbbbbb", "20240102-100000.000-ccaaaa")
MISTYPED = "20240101-100000.000-aaaaab"


@pytest.fixture
def three(home: Path) -> Path:
    for run_id in IDS:
        (home / "runs" / run_id).mkdir(parents=True)
    (home / "runs" / "a file").write_text("")
    return home


@pytest.mark.parametrize(
    ("name", "number"), [("last", 2), ("bbbbbb", 1), ("20240102", 2), (IDS[0], 0), ("ccaaaa", 2), ("000-aaaaaa", 0)]
)
def test_a_run_is_found_by_either_end_of_its_name(three: Path, name: str, number: int) -> None:
    assert find_run(three, name).id == IDS[number]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("20240101", f"'20240101' fits 2 runs: {IDS[0]}, {IDS[1]}; give more of the name"),
        ("zzz", "no run 'zzz' in {home}; see d4py runs"),
        (MISTYPED, f"no run '{MISTYPED}' in {{home}}; did you mean '{IDS[0]}'?; see d4py runs"),
    ],
)  # fmt: skip
def test_a_name_that_fits_none_or_several(three: Path, name: str, text: str) -> None:
    with pytest.raises(InputError) as caught:
        find_run(three, name)
    assert str(caught.value) == text.format(home=three)


def test_the_last_of_no_runs(home: Path) -> None:
    with pytest.raises(InputError, match=r"^no run 'last' in .*; see d4py runs$"):
        find_run(home, "last")


GONE = 2**22 + 5  # larger than any process number


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"pid": GONE}, True),
        ({"pid": os.getpid(), "pid_started_s": process_started_s()}, False),
        ({"pid": os.getpid(), "pid_started_s": process_started_s() - 100}, True),
        ({"pid": GONE, "host": "another machine"}, False),
    ],
)
def test_a_run_whose_process_is_gone_ended_without_a_word(
    run: RunDirectory, make_record: Make, changes: dict[str, Any], expected: bool
) -> None:
    run.write_record(make_record(id=run.id, **({"host": os.uname().nodename} | changes)))
    assert [r.id for r in ended_without_a_word(run.home)] == ([run.id] if expected else [])


def test_a_run_that_ended_is_not_called_dead_because_its_mark_was_left(run: RunDirectory, make_record: Make) -> None:
    host = os.uname().nodename
    run.write_record(make_record(id=run.id, pid=GONE, host=host, state="completed", ended_at_s=2.0))
    (run.home / "running" / run.id).write_text(str(GONE))  # killed between the record and the mark
    assert list(ended_without_a_word(run.home)) == []
    assert not (run.home / "running" / run.id).exists()


@pytest.mark.parametrize("mark", ["", "nonsense", str(GONE)])
def test_a_mark_without_a_record_is_cleared_away(run: RunDirectory, mark: str) -> None:
    (run.home / "running" / run.id).write_text(mark)
    assert list(ended_without_a_word(run.home)) == []
    assert not (run.home / "running" / run.id).exists()


def test_a_mark_of_a_run_that_is_about_to_start_stays(run: RunDirectory) -> None:
    assert list(ended_without_a_word(run.home)) == []
    assert (run.home / "running" / run.id).exists()


def mounted(monkeypatch: pytest.MonkeyPatch, **types: str) -> None:
    mounts = [SimpleNamespace(mountpoint="/", fstype="ext4")]
    mounts += [SimpleNamespace(mountpoint=f"/{name.replace('_', '/')}", fstype=kind) for name, kind in types.items()]
    monkeypatch.setattr(psutil, "disk_partitions", lambda **_: mounts)


@pytest.mark.parametrize(
    ("path", "local"),
    [
        ("/net/home/u", False),
        ("/net/home/scratch/u", True),
        ("/network", True),
        ("/cluster/u", False),
        ("/local/u", True),
    ],
)
def test_counters_are_never_mapped_on_a_network(monkeypatch: pytest.MonkeyPatch, path: str, local: bool) -> None:
    mounted(monkeypatch, net_home="nfs4", net_home_scratch="xfs", cluster="lustre")
    assert run_directory._is_local(Path(path)) is local
    board = RunDirectory(Path(path)).board()
    assert (board == Path(path) / "board") is local
    if not local:
        assert board.name == "d4py-board-u"
