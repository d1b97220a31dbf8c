"""Result files: what is where, what is never overwritten, what stays when a run ends badly."""

import contextlib
import errno
import json
import os
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from d4py_adaptive.errors import InputError, RunError, WireError
from d4py_adaptive.runtime.results import disk as result_disk
from d4py_adaptive.runtime.results.writing import FLUSH_BYTES, ResultWriter, open_results, read_results


def fill(results: ResultWriter, *items: object, pe: str = "A", port: str = "out") -> None:
    for item in items:
        results.write(pe, port, item)


def write(path: str | Path, *items: object, overwrite: bool = False) -> str:
    with open_results(path, overwrite) as results:
        fill(results, *items)
    return results.summary


def tree(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


# Files and folders.


def test_one_file_says_which_output_each_item_came_from_in_order(tmp_path: Path) -> None:
    with open_results("results.jsonl") as results:
        results.write("Pick1", "best", {"time": 3.5})
        results.write("Pick1", "rest", None)
        results.write("Größe", "out", np.arange(2))
        results.write("Pick1", "best", (1, 2))
    lines = Path("results.jsonl").read_text(encoding="utf-8").splitlines()
    reference = '{"$npy": "results.jsonl.files/000001.npy", "shape": [2], "dtype": "<i8"}'
    assert lines == [
        '{"pe": "Pick1", "port": "best", "item": {"time": 3.5}}',
        '{"pe": "Pick1", "port": "rest", "item": null}',
        f'{{"pe": "Größe", "port": "out", "item": {reference}}}',
        '{"pe": "Pick1", "port": "best", "item": [1, 2]}',
    ]
    assert tree(tmp_path) == ["results.jsonl", "results.jsonl.files/000001.npy"]
    again = read_results("results.jsonl")
    assert again["Pick1"] == {"best": [{"time": 3.5}, [1, 2]], "rest": [None]}
    assert again["Größe"]["out"][0].tolist() == [0, 1]
    assert results.summary == "4 items in results.jsonl"


def test_a_folder_has_a_file_per_output_also_for_those_without_items(tmp_path: Path) -> None:
    with open_results("results/", outputs=[("Pick1", "best"), ("Pick1", "rest"), ("Pick1", "best")]) as results:
        assert tree(tmp_path) == ["results/Pick1.best.jsonl", "results/Pick1.rest.jsonl", "results/outputs.json"]
        fill(results, {"time": 3.5}, 7, pe="Pick1", port="best")
        fill(results, np.arange(2), np.arange(3), pe="Map", port="out")
    assert tree(tmp_path / "results") == [
        "Map.out.files/000001.npy",
        "Map.out.files/000002.npy",
        "Map.out.jsonl",
        "Pick1.best.jsonl",
        "Pick1.rest.jsonl",
        "outputs.json",
    ]
    assert Path("results/Pick1.best.jsonl").read_text() == '{"time": 3.5}\n7\n'
    assert Path("results/Pick1.rest.jsonl").read_text() == ""
    again = read_results("results")
    assert list(again) == ["Pick1", "Map"]
    assert again["Pick1"] == {"best": [{"time": 3.5}, 7]}
    assert [array.tolist() for array in again["Map"]["out"]] == [[0, 1], [0, 1, 2]]
    assert results.summary == "3 outputs, 4 items in results/"


@pytest.mark.parametrize(
    ("path", "summary"),
    [
        ("a.jsonl", "1 item in a.jsonl"),
        ("deep/er/a.txt", "1 item in deep/er/a.txt"),
        ("a", "1 output, 1 item in a/"),
        ("deep/er/a", "1 output, 1 item in deep/er/a/"),
        ("a.b/", "1 output, 1 item in a.b/"),
        ("is.there", "1 output, 1 item in is.there/"),
        ("empty", "1 item in empty"),
        (".", "1 output, 1 item in ./"),
    ],
)
def test_what_exists_decides_then_the_name(path: str, summary: str) -> None:
    if path != ".":
        Path("is.there").mkdir()
        Path("empty").touch()
    assert write(path, 5) == summary
    assert read_results(path) == {"A": {"out": [5]}}


def test_nothing_written() -> None:
    assert write("a.jsonl") == "0 items in a.jsonl"
    assert write("a/") == "0 outputs, 0 items in a/"
    assert read_results("a.jsonl") == read_results("a") == {}


def test_results_can_be_moved_with_their_arrays() -> None:
    write("a/results.jsonl", np.arange(3))
    write("a/b/", np.arange(3))
    Path("a").rename("moved")
    for path in ("moved/results.jsonl", "moved/b"):
        assert read_results(path)["A"]["out"][0].tolist() == [0, 1, 2]


def test_a_pe_that_changes_the_folder_changes_nothing(tmp_path: Path) -> None:
    with open_results("results.jsonl") as one, open_results("results/") as many:
        Path("elsewhere").mkdir()
        os.chdir("elsewhere")
        fill(one, 1, np.arange(2))
        fill(many, 1, np.arange(2))
    assert tree(tmp_path / "elsewhere") == []
    assert len(tree(tmp_path)) == 5


STRANGE = [
    ("a/b", "c"), ("..", "out"), ("../../up", "x"), ("", ""), (".hidden", "out"), ("x" * 300, "out"), ("a.b", "c"),
    ("a", "b.c"), ("Filter", "out"), ("filter", "out"), ("map", "out"), ("Map", "out"), ("Größe", "out"),
    ("new\nline", "\0"), ("\udc80", "out"), ("outputs", "json"), ("a_b", "c"), ("-o", "out"),
]  # fmt: skip


def test_any_name_of_a_pe_or_port_is_safe_and_told_from_all_others(tmp_path: Path) -> None:
    for declared in (STRANGE, ()):
        folder = tmp_path / f"{len(declared)}"
        with open_results(folder / "results", outputs=declared) as results:
            for number, (pe, port) in enumerate(STRANGE):
                results.write(pe, port, [number, np.array([number])])
        assert [path.name for path in folder.iterdir()] == ["results"]
        files = {path.name.lower() for path in (folder / "results").glob("*.jsonl")}
        assert len(files) == len(STRANGE)
        assert all(name.isascii() and len(name) < 120 and name[0] not in ".-" for name in files)
        again = read_results(folder / "results")
        for number, (pe, port) in enumerate(STRANGE):
            ((read, array),) = again[pe][port]
            assert (read, array.tolist()) == (number, [number])
    with open_results("one.jsonl") as results:
        for number, (pe, port) in enumerate(STRANGE):
            results.write(pe, port, number)
    assert [read_results("one.jsonl")[pe][port] for pe, port in STRANGE] == [[n] for n in range(len(STRANGE))]


def test_many_outputs_need_few_open_files() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    names = [(f"PE{number}", "out") for number in range(200)]
    with open_results("results/", outputs=names) as results:
        resource.setrlimit(resource.RLIMIT_NOFILE, (len(list(Path("/proc/self/fd").iterdir())) + 8, before[1]))
        try:
            for item in range(3):
                for pe, port in names:
                    results.write(pe, port, item)
                results.flush()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert read_results("results") == {pe: {port: [0, 1, 2]} for pe, port in names}


# What is there already.


def test_results_are_not_overwritten_unless_that_is_asked_for() -> None:
    for path in ("a.jsonl", "a/"):
        write(path, 1, np.arange(2))
        with pytest.raises(InputError, match=r"a(\.jsonl|/) (exists and )?is not empty.*--overwrite"):
            open_results(path)
        assert len(read_results(path)["A"]["out"]) == 2
        write(path, 3, overwrite=True)
        assert read_results(path) == {"A": {"out": [3]}}
    assert sorted(map(str, Path().rglob("*"))) == ["a", "a.jsonl", "a/A.out.jsonl", "a/outputs.json"]


def test_arrays_left_alone_are_not_overwritten_either() -> None:
    write("a.jsonl", np.arange(2))
    Path("a.jsonl").unlink()
    with pytest.raises(InputError, match=r"a\.jsonl\.files is left from other results.*--overwrite"):
        open_results("a.jsonl")
    write("a.jsonl", 1, overwrite=True)
    assert tree(Path()) == ["a.jsonl"]


def test_an_empty_file_or_folder_is_taken() -> None:
    Path("a.jsonl").touch()
    Path("a").mkdir()
    Path("a.jsonl.files").mkdir()
    for path in ("a.jsonl", "a/"):
        write(path, 1)
        assert read_results(path) == {"A": {"out": [1]}}


@pytest.mark.parametrize("text", ["import os\n", "\n", "{}\n", '{"time": 3}\n', "[1]"])
def test_a_file_that_holds_something_else_is_not_replaced(text: str) -> None:
    Path("notes.txt").write_text(text)
    with pytest.raises(InputError, match=r"--overwrite replaces results only; notes\.txt holds something else"):
        open_results("notes.txt", overwrite=True)
    assert Path("notes.txt").read_text() == text


def test_what_others_put_into_a_folder_stays() -> None:
    foreign = ["a/notes.txt", "a/A.out.files/mine.npy", "a/sub/000001.npy", "a/B.out.jsonl", "a.jsonl.files/mine.npy"]
    write("a/", np.arange(2))
    write("a.jsonl", np.arange(2))
    for path in foreign:
        Path(path).parent.mkdir(exist_ok=True)
        Path(path).write_text("mine")
    write("a/", 1, overwrite=True)
    write("a.jsonl", 1, overwrite=True)
    assert tree(Path()) == sorted([*foreign, "a.jsonl", "a/A.out.jsonl", "a/outputs.json"])
    assert {Path(path).read_text() for path in foreign} == {"mine"}


def test_a_folder_without_results_is_written_to_when_that_is_asked_for() -> None:
    Path("a").mkdir()
    Path("a/notes.txt").write_text("mine")
    with pytest.raises(InputError, match="the folder a is not empty"):
        open_results("a")
    write("a", 1, overwrite=True)
    assert tree(Path("a")) == ["A.out.jsonl", "notes.txt", "outputs.json"]


def test_a_foreign_file_in_the_way_of_an_output_is_never_replaced() -> None:
    Path("a").mkdir()
    Path("a/A.out.jsonl").write_text("mine")
    with pytest.raises(InputError, match=r"a/A\.out\.jsonl is in the way"):
        open_results("a", overwrite=True, outputs=[("A", "out")])
    with pytest.raises(InputError, match="is in the way"), open_results("a", overwrite=True) as results:  # noqa: PT012
        results.write("B", "out", 1)
        results.write("A", "out", 1)
    assert read_results("a") == {"B": {"out": [1]}}
    write("a/", overwrite=True)
    assert tree(Path("a")) == ["A.out.jsonl", "outputs.json"]
    assert Path("a/A.out.jsonl").read_text() == "mine"


@pytest.mark.parametrize(
    "index",
    [
        "{}", "[]", "no JSON", '{"format": "d4py results", "version": 2, "outputs": []}',
        *(
            json.dumps({"format": "d4py results", "version": 1, "outputs": [row]})
            for row in (5, {}, {"pe": "A", "port": 5, "file": "x.jsonl"}, *(
                {"pe": "A", "port": "out", "file": file} for file in ("../x.jsonl", "notes.txt", "", "..", None)
            ))
        ),
    ],
)  # fmt: skip
def test_a_folder_is_emptied_only_by_an_index_that_this_package_wrote(index: str) -> None:
    Path("a").mkdir()
    for path in ("x.jsonl", "a/notes.txt"):
        Path(path).write_text("mine")
    Path("a/outputs.json").write_text(index)
    for action in (lambda: open_results("a", overwrite=True), lambda: read_results("a")):
        with pytest.raises(InputError, match=r"a is no folder of results: its outputs\.json cannot be read"):
            action()
    assert tree(Path()) == ["a/notes.txt", "a/outputs.json", "x.jsonl"]


@pytest.mark.parametrize("name", ["results.csv", "flow.py", "a.NPY", "deep/a.zarr"])
def test_a_name_that_says_another_format_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=r"written as JSON lines; got the name .*: write \w+\.jsonl"):
        open_results(name)
    assert tree(Path()) == []


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("file/results.jsonl", "file: "),
        ("file/results/", "Not a directory"),
        ("file/", "File exists"),
        ("/proc/results.jsonl", "/proc/results.jsonl"),
        ("/dev/null", "neither"),
        (f"{'x' * 300}.jsonl", "File name too long"),
        (f"{'x' * 250}.jsonl", "File name too long"),
        ("loop/a.jsonl", "/loop: "),
        ("dangling.jsonl", "File exists"),
    ],
)
def test_where_nothing_can_be_written_is_told_before_the_run(path: str, words: str) -> None:
    Path("file").write_text("mine")
    Path("loop").symlink_to("loop")
    Path("dangling.jsonl").symlink_to("nowhere")
    with pytest.raises(InputError, match=words):
        open_results(path)
    assert Path("file").read_text() == "mine"


def test_no_permission(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, *_: Any, **__: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "touch", refuse)
    for path in ("results.jsonl", "results/"):
        with pytest.raises(InputError, match=r"cannot be written to results.*: Permission denied"):
            open_results(path, outputs=[("A", "out")])


def test_two_runs_that_begin_at_once_do_not_share_results() -> None:
    with open_results("a/") as first:
        with pytest.raises(InputError, match="not empty"):
            open_results("a/")
        fill(first, 1)
    with open_results("a.jsonl") as first:
        fill(first, 1)
        write("a.jsonl", 2)
        with pytest.raises(RunError, match=r"a\.jsonl should have 0 bytes by now; it has 38: another program"):
            first.flush()
        first._error = None
        Path("a.jsonl").rename("second.jsonl")
        Path("a.jsonl").touch()
    assert read_results("second.jsonl") == {"A": {"out": [2]}}


# While the run goes on.


class Hours:
    """A clock that is set by hand."""

    now_ns = 0

    def __call__(self) -> int:
        return self.now_ns


def test_lines_are_written_after_a_second_at_the_latest() -> None:
    clock = Hours()
    with open_results("a.jsonl", clock=clock) as results:
        file = Path("a.jsonl")
        fill(results, 1)
        assert file.read_text() == ""
        clock.now_ns = 999_999_999
        fill(results, 2)
        assert file.read_text() == ""
        clock.now_ns = 1_000_000_000
        fill(results, 3)
        assert file.read_text().count("\n") == 3
        clock.now_ns += 999_999_999
        fill(results, 4)
        assert file.read_text().count("\n") == 3
        clock.now_ns += 5_000_000_000
        fill(results, 5)
        assert file.read_text().count("\n") == 5


@pytest.mark.parametrize("path", ["a.jsonl", "a/"])
def test_memory_is_bounded(path: str) -> None:
    with open_results(path, clock=Hours()) as results:
        for number in range(200_000):
            results.write(f"PE{number % 3}", "out", number)
            if number % 1000 == 0:
                assert sum(map(len, results._places["PE0", "out"].lines.waiting)) <= FLUSH_BYTES
        assert sum(file.stat().st_size for file in Path().rglob("*.jsonl")) > 1_000_000
    again = read_results(path)
    assert sorted(item for pe in again.values() for item in pe["out"]) == list(range(200_000))


def test_an_item_is_written_as_it_is_at_that_moment() -> None:
    array, item = np.zeros(3), {"a": 1}
    with open_results("a.jsonl") as results:
        fill(results, array, item)
        array += 1
        item["a"] = 2
    read = read_results("a.jsonl")["A"]["out"]
    assert read[0].tolist() == [0, 0, 0]
    assert read[1] == {"a": 1}


def test_what_was_written_stays_when_the_run_fails() -> None:
    def run() -> None:
        with open_results("a.jsonl") as results:
            fill(results, 1, 2)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()
    assert read_results("a.jsonl") == {"A": {"out": [1, 2]}}


@pytest.mark.parametrize(("later", "error"), [(None, WireError), (ZeroDivisionError(), ZeroDivisionError)])
def test_an_error_that_a_pe_swallowed_is_raised_at_the_end(later: Any, error: type[Exception]) -> None:
    def run() -> None:
        with open_results("a.jsonl") as results:
            with contextlib.suppress(Exception):
                fill(results, (n for n in ()))
            fill(results, 1)
            if later:
                raise later

    with pytest.raises(error):
        run()
    assert read_results("a.jsonl") == {"A": {"out": [1]}}


# When the disk fails.


@contextlib.contextmanager
def files_of_at_most(nbytes: int) -> Iterator[None]:
    """As a full disk would: the system writes a part, then refuses."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (nbytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("path", ["a.jsonl", "a/"])
def test_a_full_disk_ends_the_run_and_leaves_whole_lines(path: str) -> None:
    with files_of_at_most(100_000), pytest.raises(RunError, match=r"written to .*/a.*\.jsonl: File too large.*-o"):
        write(path, *({"number": number} for number in range(30_000)))
    items = read_results(path)["A"]["out"]
    assert items == [{"number": number} for number in range(len(items))]
    assert len(items) > 1000


def test_a_full_disk_at_the_very_end() -> None:
    with files_of_at_most(30_000), pytest.raises(RunError, match="File too large"):
        write("a/", *range(10_000))
    items = read_results("a")["A"]["out"]
    assert items == list(range(len(items)))


def test_after_a_failure_nothing_more_is_written() -> None:
    with contextlib.suppress(RunError), files_of_at_most(500), open_results("a/") as results:
        fill(results, "x" * 1000)
        for action in (results.flush, lambda: fill(results, 1)):
            with pytest.raises(RunError, match="File too large"):
                action()
    assert results.summary == "1 output, 1 item in a/"
    assert read_results("a") == {}


def test_no_room_for_an_array_or_a_pickle() -> None:
    for item, file in ((np.zeros(10**5), "000001.npy"), ({1: object, "big": Big()}, "000001.pickle")):
        name = f"{file[-3:]}.jsonl"
        with files_of_at_most(50_000), pytest.raises(RunError, match=rf"{name}\.files/{file}: "):
            write(name, 1, item)
        assert read_results(name) == {"A": {"out": [1]}}


def test_the_first_failure_is_the_one_that_is_told() -> None:
    with files_of_at_most(500), pytest.raises(RunError, match=r"000001\.npy: "):
        write("a.jsonl", "x" * 1000, np.zeros(1000))


class Big:
    def __init__(self) -> None:
        self.text = "x" * 10**5


def test_an_interrupt_while_lines_are_written_loses_and_doubles_none(monkeypatch: pytest.MonkeyPatch) -> None:
    write_to = os.write
    pieces = iter([100, KeyboardInterrupt()])

    def interrupted(handle: int, text: Any) -> int:
        piece = next(pieces, 10**6)
        if isinstance(piece, KeyboardInterrupt):
            write_to(handle, text[:33])  # the signal came after the system had taken this
            raise piece
        return write_to(handle, text[:piece])

    with open_results("a/") as results:
        fill(results, *(f"é{number}" for number in range(1000)))
        monkeypatch.setattr(result_disk.os, "write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            results.flush()
        fill(results, "last")
    assert read_results("a")["A"]["out"] == [*(f"é{number}" for number in range(1000)), "last"]


def test_results_that_another_program_removes_or_changes_are_missed() -> None:
    def remove(path: str) -> None:
        Path(path).unlink()

    def change(path: str) -> None:
        Path(path).write_text("")

    def stand_in_the_way(path: str) -> None:
        Path(f"{path}.files").mkdir()
        Path(f"{path}.files/000001.npy").touch()

    for number, (action, words) in enumerate([
        (remove, r"0\.jsonl: No such file"),
        (change, r"1\.jsonl should have 38 bytes by now; it has 0"),
        (stand_in_the_way, r"000001\.npy: File exists"),
    ]):  # fmt: skip
        path = f"{number}.jsonl"

        def run(path: str, action: Any) -> None:
            with open_results(path) as results:
                fill(results, 1)
                results.flush()
                action(path)
                fill(results, np.arange(2))

        with pytest.raises(RunError, match=words):
            run(path, action)


# Reading.


def test_a_piece_of_a_line_is_left_out_with_a_warning() -> None:
    for path, file in (("a.jsonl", "a.jsonl"), ("a/", "a/A.out.jsonl")):
        write(path, 123, 456)
        text = Path(file).read_bytes()
        for cut in range(1, 4):
            Path(file).write_bytes(text[:-cut])
            with pytest.warns(UserWarning, match="a piece of a line, which is left out"):
                assert read_results(path) == {"A": {"out": [123]}}


@pytest.mark.parametrize(
    "line",
    [
        "no JSON", "5", "[]", "{}", '{"pe": "A", "port": "out"}', '{"pe": [], "port": "out", "item": 1}',
        '{"pe": "A", "port": "out", "item": {"$new": 1}}', '{"pe": "A", "port": "out", "item": {"$bytes": "?"}}',
        '{"pe": "A", "port": "out", "item": {"$float": "x"}}', '{"pe": "A", "port": "out", "item": {"$decimal": "x"}}',
        '{"pe": "A", "port": "out", "item": {"$set": [[]]}}', '{"pe": "A", "port": "out", "item": {"$masked": 1}}',
        '{"pe": "A", "port": "out", "item": {"$npy": "none.npy"}}', '{"pe": "A", "port": "out", "item": {"$npy": 5}}',
        '{"pe": "A", "port": "out", "item": {"$npy": "bad.npy"}}',
        '{"pe": "A", "port": "out", "item": {"$npy": "objects.npy"}}',
        '{"pe": "A", "port": "out", "item": {"$enum": "os:none", "name": "A"}}',
        '{"pe": "A", "port": "out", "item": {"$enum": "os:system", "name": "A"}}',
        '{"pe": "A", "port": "out", "item": {"$object": "os:stat_result", "fields": {"a": 1}}}',
        '{"pe": "A", "port": "out", "item": {"$object": "builtins:int", "fields": {"a": 1}}}',
        '{"pe": "A", "port": "out", "item": {"$object": "difflib:Match", "fields": {"a": 1, "size": 2, "b": 3}}}',
        '{"pe": "A", "port": "out", "item": {"$pickle": "AAAA", "type": "x:Y"}}',
        '{"pe": "A", "port": "out", "item": {"$pickle_file": "none", "type": "x:Y"}}',
    ],
)  # fmt: skip
def test_a_line_that_is_no_result_is_an_error_that_says_where(line: str) -> None:
    Path("bad.npy").write_text("no array")
    np.save("objects.npy", np.array([None]), allow_pickle=True)
    write("a.jsonl", 1)
    with Path("a.jsonl").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(InputError, match=r"^a\.jsonl, line 2\b"):
        read_results("a.jsonl", allow_pickle=True)


def test_a_line_that_is_no_text() -> None:
    Path("a.jsonl").write_bytes(b"\xff\xfe\n")
    with pytest.raises(InputError, match="line 1 is no result: UnicodeDecodeError"):
        read_results("a.jsonl")


def test_no_results() -> None:
    Path("folder").mkdir()
    for path, words in (("none.jsonl", "No such file"), ("folder", "no folder of results"), ("none/", "No such file")):
        with pytest.raises(InputError, match=words):
            read_results(path)
    write("a/", 1)
    Path("a/A.out.jsonl").unlink()
    with pytest.raises(InputError, match=r"a/A\.out\.jsonl cannot be read: No such file"):
        read_results("a")


def test_names_in_the_data_are_not_taken_for_the_frame() -> None:
    item = {"pe": "B", "port": "in", "item": {"$npy": "x"}}
    write("a.jsonl", item)
    assert read_results("a.jsonl") == {"A": {"out": [item]}}
