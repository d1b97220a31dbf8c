"""Where profiles are kept."""

import fcntl
import json
import stat
import threading
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from d4py_adaptive.errors import InputError
from d4py_adaptive.runtime import profiles
from d4py_adaptive.runtime.profiles import (
    all_kept,
    export,
    find_kept,
    import_profile,
    keep,
    kept,
    machine_of,
    remove,
    staleness,
)
from d4py_adaptive.telemetry.profile import HostProfile, InstanceProfile, PEProfile, Profile, ServiceTime

FLOW, OTHER = "0123456789abcdef", "01ff456789abcdef"
HERE, THERE = "aa00000000000000", "bb00000000000000"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def measured(fingerprint: str = FLOW, host: str = HERE, **more: Any) -> Profile:
    fields: dict[str, Any] = {"workflow": "flows/xcorr.py", "pes": (PEProfile(pe="a", items_in=1),)}
    return Profile(**(fields | {"fingerprint": fingerprint, "host": host} | more))


def file_of(home: Path, fingerprint: str = FLOW, host: str = HERE) -> Path:
    return home / "profiles" / fingerprint / f"{host}.json"


# ---------------------------------------------------------------------- keeping


def test_nothing_is_kept_at_first(home: Path) -> None:
    assert kept(home, FLOW, HERE) is None
    assert all_kept(home) == []
    assert not home.exists()


def test_each_run_is_added_to_those_of_its_workflow_and_machine(home: Path) -> None:
    for profile in (measured(), measured(), measured(OTHER), measured(host=THERE)):
        keep(home, profile)
    found = kept(home, FLOW, HERE)
    assert found is not None
    assert (found.runs, found.of("a").items_in) == (2, 2)
    assert kept(home, OTHER, HERE) == measured(OTHER)
    assert kept(home, FLOW, THERE) == measured(host=THERE)


def test_folders_are_for_their_owner_s_eyes_only_and_nothing_else_is_left(home: Path) -> None:
    keep(home, measured())
    folders = [home, home / "profiles", home / "profiles" / FLOW]
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in folders} == {0o700}
    files = sorted(path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file())
    assert files == [f"profiles/{FLOW}/{HERE}.json", "profiles/lock"]


def test_runs_that_end_at_once_all_count(home: Path) -> None:
    start = threading.Barrier(8)

    def end_a_run() -> None:
        start.wait()
        keep(home, measured())

    threads = [threading.Thread(target=end_a_run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = kept(home, FLOW, HERE)
    assert found is not None
    assert found.runs == 8


def test_a_lock_that_is_never_given_back_is_an_error(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(home, measured())
    monkeypatch.setattr(profiles, "_PATIENCE_S", 0.0)
    with (home / "profiles" / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(InputError, match=f"another d4py has kept {home}/profiles/lock locked for"):
            keep(home, measured())


@pytest.mark.parametrize(
    "fingerprint", ["", "../../etc", "0123456789ABCDEF", "0123456789abcdef/", FLOW + "\n", "x" * 16]
)
def test_a_workflow_s_fingerprint_names_one_folder(home: Path, fingerprint: str) -> None:
    with pytest.raises(InputError, match="needs its workflow's fingerprint, 16 hex digits"):
        keep(home, measured(fingerprint))
    assert not home.exists()


@pytest.mark.parametrize("host", ["", ".", "..", "../x", "a/b", ".hidden", "a.json", "a" * 65, "a\n"])
def test_a_machine_s_fingerprint_names_one_file(home: Path, host: str) -> None:
    with pytest.raises(InputError, match="needs its machine's fingerprint, letters and digits"):
        keep(home, measured(host=host))
    assert not home.exists()


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -1.0, 1e300])
def test_figures_that_make_no_sense_are_never_kept(home: Path, wrong: float) -> None:
    keep(home, measured())
    with pytest.raises(InputError, match="the profile to keep"):
        keep(home, measured(wall_s=wrong))
    assert kept(home, FLOW, HERE) == measured()


def test_a_home_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")
    with pytest.raises(InputError, match=r"which cannot be written \(.*\); set D4PY_HOME to a folder that can"):
        keep(tmp_path / "home", measured())


def test_a_folder_that_cannot_be_written_leaves_no_draft(home: Path) -> None:
    keep(home, measured())
    file_of(home).unlink()
    file_of(home).mkdir()  # so that the draft cannot take its place
    with pytest.raises(InputError, match="cannot be read"):
        keep(home, measured())
    with pytest.raises(InputError, match="cannot be written"):
        profiles._put(file_of(home), measured())
    assert list(file_of(home).parent.iterdir()) == [file_of(home)]


BROKEN = {
    "nothing": "",
    "half a file": measured().to_json()[:100],
    "no text": "\udcff",
    "another version": measured().to_json().replace('"schema_version": 1', '"schema_version": 2'),
    "an unknown field": measured().to_json().replace('"runs"', '"rnus"'),
    "another workflow": measured(OTHER).to_json(),
    "a bucket out of range": measured(
        pes=(PEProfile(pe="a", service=ServiceTime(buckets={10**9: 1})),),
    ).to_json(),
    "a number out of range": measured().to_json().replace('"cores": 1', '"cores": 1' + "0" * 400),
    "a real number out of range": measured().to_json().replace('"wall_s": 0.0', '"wall_s": 1e999'),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_cannot_be_read_is_said_with_the_way_out_and_stays(home: Path, what: str) -> None:
    keep(home, measured())
    file_of(home).write_bytes(BROKEN[what].encode(errors="surrogateescape"))
    before = file_of(home).read_bytes()
    for action in (
        lambda: kept(home, FLOW, HERE),
        lambda: keep(home, measured()),
        lambda: find_kept(home, FLOW).read(),
    ):
        with pytest.raises(InputError) as caught:
            action()
        assert str(file_of(home)) in str(caught.value)
        assert str(caught.value).endswith(f"; delete it: d4py profiles remove {FLOW}/{HERE}")
    assert file_of(home).read_bytes() == before
    assert [one.problem == str(caught.value) for one in all_kept(home)] == [True]
    assert remove(home, f"{FLOW}/{HERE}").profile is None
    assert all_kept(home) == []


# ---------------------------------------------------------------------- finding


def test_all_are_listed_the_newest_last_those_that_cannot_be_read_first(home: Path) -> None:
    for profile in (measured(recorded_at_s=2), measured(OTHER, recorded_at_s=1), measured(host=THERE)):
        keep(home, profile)
    file_of(home, host=THERE).write_text("")
    (home / "profiles" / "stranger").mkdir()
    (home / "profiles" / "stranger" / "x.json").write_text("")
    (file_of(home).parent / ".draft.json").write_text("")
    assert [one.key for one in all_kept(home)] == [f"{FLOW}/{THERE}", f"{OTHER}/{HERE}", f"{FLOW}/{HERE}"]


@pytest.mark.parametrize("name", ["flows/xcorr.py", "xcorr.py", "xcorr", "0123", FLOW, "0123/a", f"{FLOW}/{HERE}"])
def test_a_profile_is_found_by_its_workflow_and_by_its_fingerprints(home: Path, name: str) -> None:
    keep(home, measured())
    keep(home, measured(OTHER, workflow="science.stacking"))
    assert find_kept(home, name).profile == measured()
    assert find_kept(home, "stacking").profile == measured(OTHER, workflow="science.stacking")


@pytest.mark.parametrize("name", ["xcorr.py", "0123", "01"])
def test_a_name_that_fits_several(home: Path, name: str) -> None:
    keep(home, measured())
    keep(home, measured(host=THERE))
    with pytest.raises(InputError) as caught:
        find_kept(home, name)
    keys = f"{FLOW}/{HERE}, {FLOW}/{THERE}"
    assert str(caught.value) == f"{name!r} fits 2 profiles: {keys}; give the beginning of one"
    assert find_kept(home, "01/bb").key == f"{FLOW}/{THERE}"


@pytest.mark.parametrize(
    ("name", "hint"), [("xcor.py", "; did you mean 'xcorr.py'?"), ("zzzz", ""), ("", ""), ("/", ""), ("0/a/b", "")]
)
def test_a_name_that_fits_none(home: Path, name: str, hint: str) -> None:
    keep(home, measured(OTHER))
    with pytest.raises(InputError) as caught:
        find_kept(home, name)
    assert f" in {home}{hint}; see d4py profiles" in str(caught.value)


def test_what_is_removed_is_gone_and_the_rest_stays(home: Path) -> None:
    for profile in (measured(), measured(host=THERE)):
        keep(home, profile)
    assert remove(home, "01/aa").profile == measured()
    assert [one.key for one in all_kept(home)] == [f"{FLOW}/{THERE}"]
    remove(home, "01/bb")
    assert [path.name for path in (home / "profiles").iterdir()] == ["lock"]


# ---------------------------------------------------------------------- to and from elsewhere


def test_what_is_exported_can_be_imported(home: Path, tmp_path: Path) -> None:
    keep(home, measured())
    keep(home, measured())
    file = tmp_path / "profile.json"
    assert export(home, "xcorr.py", file).runs == 2
    other = tmp_path / "other"
    for _ in range(2):  # once more changes nothing
        assert import_profile(other, file) == kept(home, FLOW, HERE)
    assert kept(other, FLOW, HERE) == kept(home, FLOW, HERE)


def test_an_export_that_cannot_be_written(home: Path, tmp_path: Path) -> None:
    keep(home, measured())
    with pytest.raises(InputError, match="cannot be written: No such file or directory"):
        export(home, "xcorr", tmp_path / "no" / "file")


def test_an_import_never_takes_the_place_of_what_was_measured_here(home: Path, tmp_path: Path) -> None:
    keep(home, measured())
    (tmp_path / "file").write_text(replace(measured(), runs=7).to_json())
    with pytest.raises(InputError, match=f"kept already, {FLOW}/{HERE}, of 1 run.*d4py profiles remove {FLOW}/{HERE}"):
        import_profile(home, tmp_path / "file")
    assert kept(home, FLOW, HERE) == measured()


@pytest.mark.parametrize("what", set(BROKEN) - {"another workflow"})
def test_an_import_is_checked(home: Path, tmp_path: Path, what: str) -> None:
    file = tmp_path / "file.json"
    file.write_bytes(BROKEN[what].encode(errors="surrogateescape"))
    with pytest.raises(InputError, match=str(file)):
        import_profile(home, file)
    assert not home.exists()


@pytest.mark.parametrize("fields", [{"fingerprint": "../../../tmp/x"}, {"host": "../../evil"}, {"host": "/etc/passwd"}])
def test_an_import_writes_where_profiles_are_and_nowhere_else(
    home: Path, tmp_path: Path, fields: dict[str, str]
) -> None:
    (tmp_path / "file").write_text(json.dumps(json.loads(measured().to_json()) | fields))
    with pytest.raises(InputError, match="fingerprint"):
        import_profile(home, tmp_path / "file")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


def test_the_figures_of_single_instances_are_checked_too(home: Path, tmp_path: Path) -> None:
    wild = measured(instances=(InstanceProfile(pe="a", index=0, worker=0, stage=0, wall_s=1e300),))
    (tmp_path / "file").write_text(wild.to_json())
    with pytest.raises(InputError, match="a figure that no profile has"):
        import_profile(home, tmp_path / "file")


def test_an_import_of_what_is_no_file_or_has_no_end(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        import_profile(home, tmp_path)
    monkeypatch.setattr(profiles, "MOST_BYTES", 2**20)
    with pytest.raises(InputError, match="/dev/zero is larger than 1 MiB, which no profile is"):
        import_profile(home, Path("/dev/zero"))


# ---------------------------------------------------------------------- is it still true?


def test_a_profile_of_what_is_here_is_not_stale() -> None:
    profile = measured(pes=(PEProfile(pe="a", code="1"),))
    assert staleness(profile, {"a": "1"}, HERE, FLOW) == ()


def test_what_changed_is_said() -> None:
    profile = measured(pes=(PEProfile(pe="whiten", code="1"), PEProfile(pe="read", code="1")), cores=8)
    assert staleness(profile, {"whiten": "2", "read": "1", "new": "3"}, HERE, FLOW) == (
        "profile of xcorr.py: the code of PE whiten changed since it was measured",
    )
    assert staleness(profile, {"whiten": "2", "read": "2"}, THERE, OTHER) == (
        "profile of xcorr.py: the graph changed since it was measured",
        "profile of xcorr.py: the code of PEs whiten, read changed since it was measured",
        "profile of xcorr.py: it was measured on another machine, or before this one changed (8 cores)",
    )


def test_many_changed_pes_are_counted() -> None:
    profile = measured(pes=tuple(PEProfile(pe=f"p{i}", code="1") for i in range(7)))
    (said,) = staleness(profile, {f"p{i}": "2" for i in range(7)}, HERE, FLOW)
    assert "of PEs p0, p1, p2, p3, p4 and 2 more changed" in said


def test_the_machine_is_named_where_it_is_known(home: Path) -> None:
    profile = measured(host=THERE)
    assert machine_of(home, THERE) is None
    (home / "hosts").mkdir(parents=True)
    machine = HostProfile(fingerprint=THERE, name="node4", processor="AMD EPYC", python="3.11.7")
    (home / "hosts" / f"{THERE}.json").write_text(machine.to_json())
    assert machine_of(home, THERE) == machine
    (said,) = staleness(profile, {}, HERE, FLOW, machine_of(home, THERE))
    assert said.endswith("(node4, 1 core, AMD EPYC, Python 3.11.7)")
