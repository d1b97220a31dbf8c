"""What is wrong with a command is said in one line that names it, before anything runs if it can be known before."""

from __future__ import annotations

import subprocess
import sys

import pytest
from real_processes import D4py, Ended

HEAD = "from d4py_adaptive import *\n"
ONE = HEAD + "graph = WorkflowGraph()\n"
FILES = {
    "flow.py": '''"""A source and a PE that doubles; a builder with parameters."""
from d4py_adaptive import IterativePE, ProducerPE, WorkflowGraph

class Source(ProducerPE):
    def _process(self, inputs):
        return inputs.get("start", 1)

class Double(IterativePE):
    def _process(self, data):
        return 2 * data

graph = WorkflowGraph()
graph.connect(Source(), "output", Double(), "input")
number = 5

def build(size: int, gain: float = 1.0, loud: bool = False):
    built = WorkflowGraph()
    built.connect(Source(), "output", Double(), "input")
    return built

def build_none():
    return None
''',
    "empty.py": "",
    "no_graph.py": "number = 5\n",
    "several.py": HEAD + "one, two = WorkflowGraph(), WorkflowGraph()\n",
    "no_pes.py": ONE,
    "syntax.py": "\ndef build_graph(:\n",
    "raising.py": "\n\nraise KeyError('no such station')\n",
    "leaving.py": "import sys\nsys.exit(0)\n",
    "importing.py": "import json\nimport obspyy\n",
    "loop.py": ONE
    + "a, b = IterativePE(), IterativePE()\n"
    + "graph.connect(a, 'output', b, 'input')\ngraph.connect(b, 'output', a, 'input')\n",
    "port.py": ONE + "graph.connect(ProducerPE(), 'outptu', ConsumerPE(), 'input')\n",
    "class.py": ONE + "graph.connect(ProducerPE, 'output', ConsumerPE(), 'input')\n",
    "grouping.py": ONE
    + "sink = ConsumerPE()\nsink._add_input('input', grouping='al')\n"
    + "graph.connect(ProducerPE(), 'output', sink, 'input')\n",
    "failing.py": ONE
    + "def fail(data):\n    raise ValueError('first line\\nsecond line')\n"
    + "class Source(ProducerPE):\n    def _process(self, inputs):\n        return 1\n"
    + "graph.connect(Source(), 'output', SimpleFunctionPE(fail), 'input')\n",
    "locked.py": ONE
    + "import threading\n"
    + "class Source(ProducerPE):\n    def _process(self, inputs):\n        return threading.Lock()\n"
    + "class Sink(ConsumerPE):\n    def _process(self, data):\n        pass\n"
    + "graph.connect(Source(), 'output', Sink(), 'input')\n",
    "writing.py": ONE
    + "class Source(ProducerPE):\n    def _process(self, inputs):\n        self.write('outptu', 1)\n"
    + "graph.add(Source())\n",
    "ending.py": ONE
    + "import os\n"
    + "class Source(ProducerPE):\n    def _process(self, inputs):\n        os._exit(9)\n"
    + "graph.add(Source())\n",
    "no_results.py": ONE + "graph.connect(ProducerPE(), 'output', ConsumerPE(), 'input')\n",
    "notes.txt": "no Python",
    "input.json": '{"Source": 3}',
    "broken.json": '{"Source": 3',
    "list.json": '[{"Source": 3}]',
    "results.jsonl": '{"pe": "Double1", "port": "output", "item": 2}\n',
    "table.csv": "a,b\n1,2\n",
    "folder/inside.py": "",
}


@pytest.fixture
def here(d4py: D4py) -> D4py:
    """The command in a folder with workflows that are wrong in every way."""
    for name, text in FILES.items():
        path = d4py.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    (d4py.folder / "latin.json").write_bytes('{"Source": [{"start": "é"}]}'.encode("latin-1"))
    return d4py


def run_flow(*words: object) -> tuple[object, ...]:
    return ("run", "flow.py", *words)


def diagnose(*words: object) -> tuple[object, ...]:
    return ("diagnose", *words)


def build(*words: object) -> tuple[object, ...]:
    return ("run", "flow.py", "-a", "build", *words)


OF_THE_COMMAND = {
    "mistyped verb": (("rnu", "flow.py"), "unknown verb 'rnu'; did you mean 'run'?; verbs: run, diagnose, runs"),
    "mistyped mapping as verb": (("mutli", "flow.py"), "did you mean 'multi'?"),
    "mapping there is not": (("mpi9", "flow.py"), "mappings: multi, simple, toy"),
    "no verb": (("flow.py", "-i", 3), "a verb comes first; type: d4py run flow.py -i 3"),
    "no verb before a module": (("pkg.flow", "-q"), "type: d4py run pkg.flow -q"),
    "option before the verb": (("-m", "multi", "run", "flow.py"), "type: d4py run -m multi flow.py"),
    "words to be quoted": (("-d", '{"a b": 1}', "flow.py"), """type: d4py run -d '{"a b": 1}' flow.py"""),
    "mistyped option of the command": (("--verison",), "unknown option '--verison'; did you mean '--version'?"),
    "mistyped option": (run_flow("--iteratons", 3), "unknown option '--iteratons'; did you mean '--iterations'?"),
    "mistyped option before the file": (("run", "--wokers", 3, "flow.py"), "did you mean '--workers'?"),
    "mistyped option and no file": (("run", "--hlep"), "unknown option '--hlep'; did you mean '--help'?"),
    "mistyped option with its value": (run_flow("--sed=3"), "unknown option '--sed'; did you mean '--seed'?"),
    "one dash": (run_flow("-workers", 3), "unknown option '-workers'; did you mean '--workers'?"),
    "option cut short": (run_flow("--iter", 3), "did you mean '--iterations'?"),
    "letter in the other case": (run_flow("-N", 3), "unknown option '-N'; did you mean '-n'?"),
    "letter there is not": (run_flow("-z"), "unknown option '-z'; see d4py run --help"),
    "option of another verb": (("runs", "-q"), "unknown option '-q'; see d4py runs --help"),
    "option without its value": (run_flow("-n"), "-n/--workers needs a value"),
    "value for an option that takes none": (run_flow("--quiet=yes"), "-q/--quiet takes no value; got 'yes'"),
    "no file": (("run", "-q"), "WORKFLOW is missing"),
    "no file for a mapping": (("multi",), "WORKFLOW is missing"),
    "second file": (run_flow("another.py"), "unexpected argument 'another.py'"),
    "option behind --": (run_flow("--", "-i", 3), "unexpected argument '-i'"),
    "unknown run": (("runs", "yesterday"), "no run 'yesterday'"),
    "second run": (("runs", "last", "first"), "unexpected argument 'first'"),
    "unknown shell": (("completion", "bsh"), "unknown shell 'bsh'; did you mean 'bash'?"),
    "no shell": (("completion",), "SHELL is missing"),
}  # fmt: skip

OF_THE_VALUES = {
    "unknown mapping": (run_flow("-m", "mutli"), "unknown mapping 'mutli'; did you mean 'multi'?"),
    "empty mapping": (run_flow("-m", ""), "unknown mapping ''; known: multi, simple, toy"),
    "no workers": (run_flow("-m", "multi", "-n", 0), "-n/--workers takes a whole number from 1; got 0"),
    "negative workers": (run_flow("-m", "multi", "-n", -1), "a whole number from 1; got -1"),
    "workers in words": (run_flow("-m", "multi", "-n", "x"), "a whole number from 1; got x"),
    "half a worker": (run_flow("-m", "multi", "-n", "2.5"), "a whole number from 1; got 2.5"),
    "negative iterations": (run_flow("-i", -1), "-i/--iterations takes a whole number from 0; got -1"),
    "iterations in words": (run_flow("-i", "many"), "a whole number from 0; got many"),
    "seed in words": (run_flow("--seed", "lucky"), "--seed takes a whole number; got lucky"),
    "mistyped start method": (run_flow("--start-method", "frok"), "got 'frok'; did you mean 'fork'?"),
    "mistyped policy": (run_flow("--on-error", "skpi"), "retry:N,skip; got 'skpi'; did you mean 'skip'?"),
    "policy without a number": (run_flow("--on-error", "retry"), "got 'retry'; did you mean 'retry:N'?"),
    "policy of no tries": (run_flow("--on-error", "retry:0"), "got 'retry:0'"),
    "policy of an unknown pe": (run_flow("--on-error", "Dubble=skip"), "did you mean 'Double'?"),
    "iterations and data": (run_flow("-i", 3, "-d", "{}"), "-d/--data and -i/--iterations cannot be given together"),
    "data and file": (run_flow("-f", "input.json", "-d", "{}"), "cannot be given together"),
    "bad json": (run_flow("-d", "{Source: 5}"), "-d: this is not JSON: Expecting property name"),
    "endless json": (run_flow("-d", "[" * 100_000), "-d: this is not JSON"),
    "a list": (run_flow("-d", "[1, 2]"), '-d takes an object, {"PE": 5}'),
    "a name twice": (run_flow("-d", '{"Source": 2, "Source": 3}'), "'Source' stands twice"),
    "unknown pe": (run_flow("-d", '{"Sourse": 3}'), "'Sourse', which is no PE of this workflow"),
    "unknown port": (run_flow("-d", '{"Double": [{"inptu": 3}]}'), "not an input of it; did you mean 'input'?"),
    "half an iteration": (run_flow("-d", '{"Source": 1.5}'), "got 1.5"),
    "negative iterations of a pe": (run_flow("-d", '{"Source": -5}'), "got -5"),
    "text for a pe": (run_flow("-d", '{"Source": "five"}'), "got 'five'"),
    "nothing for a pe": (run_flow("-d", '{"Source": null}'), "got None"),
    "truth for a pe": (run_flow("-d", '{"Source": true}'), "got True"),
    "an object for a pe": (run_flow("-d", '{"Source": {"start": 1}}'), "got {'start': 1}"),
    "items that are none": (run_flow("-d", '{"Source": [1, 2]}'), "got an element 1"),
    "no data file": (run_flow("-f", "inptu.json"), "-f: there is no file inptu.json; did you mean 'input.json'?"),
    "data in a folder": (run_flow("-f", "folder"), "-f: folder cannot be read: Is a directory"),
    "data that is no text": (run_flow("-f", "latin.json"), "-f: latin.json is not text in UTF-8"),
    "broken data file": (run_flow("-f", "broken.json"), "-f broken.json: this is not JSON"),
    "a list in a data file": (run_flow("-f", "list.json"), "-f list.json takes an object"),
    "parameter without a value": (build("-p", "size"), "-p takes NAME=VALUE; got 'size'"),
    "parameter without a name": (build("-p", "=5"), "-p takes NAME=VALUE; got '=5'"),
    "mistyped parameter": (build("-p", "sise=5"), "no parameter 'sise'; did you mean 'size'?"),
    "parameter of another type": (build("-p", "size=x"), "got 'x'"),
    "truth in doubt": (build("-p", "size=1", "-p", "loud=maybe"), "got 'maybe'"),
    "parameter that is needed": (build(), "size"),
    "parameter of a ready graph": (run_flow("-p", "size=5"), "takes no parameters (-p)"),
    "results that are there": (run_flow("-o", "results.jsonl"), "is not empty; give another name, or --overwrite"),
    "results over something else": (run_flow("-o", "notes.txt", "--overwrite"), "notes.txt holds something else"),
    "results of another kind": (run_flow("-o", "results.csv"), "write results.jsonl"),
    "results where nothing can be": (run_flow("-o", "/proc/nowhere/"), "cannot be written to /proc/nowhere/"),
    "results below a file": (run_flow("-o", "flow.py/results"), "cannot be written to flow.py/results"),
    "results without a name": (run_flow("-o", ""), "-o takes the name of a file or folder"),
    "results of a workflow without": (("run", "no_results.py", "-o", "results/"), "-o has nothing to write"),
    "overwriting nothing": (run_flow("--overwrite"), "say with -o where they are"),
}  # fmt: skip

OF_THE_WORKFLOW = {
    "mistyped file": (("run", "folw.py"), "there is no file folw.py; did you mean 'flow.py'?"),
    "missing folder": (("run", "nowhere/flow.py"), "there is no file nowhere/flow.py"),
    "folder": (("run", "folder"), "inside.py"),
    "no python file": (("run", "notes.txt"), "notes.txt is no Python file"),
    "no name": (("run", ""), "empty"),
    "mistyped module": (("run", "folw"), "there is no module 'folw'"),
    "missing module": (("run", "no.such.module"), "there is no module 'no.such.module'"),
    "mistyped module of a package": (("run", "d4py_adaptive.workflows.seismolgy"), "seismolgy"),
    "empty file": (("run", "empty.py"), "empty.py holds no WorkflowGraph"),
    "no graph": (("run", "no_graph.py"), "no_graph.py holds no WorkflowGraph"),
    "several graphs": (("run", "several.py"), "one, two; choose one with -a NAME"),
    "mistyped graph": (run_flow("-a", "grahp"), "has no 'grahp'; did you mean 'graph'?"),
    "what is no graph": (run_flow("-a", "number"), "'number' in flow.py is neither a WorkflowGraph nor a function"),
    "what builds no graph": (run_flow("-a", "build_none"), "must return a WorkflowGraph; got NoneType"),
    "graph without pes": (("run", "no_pes.py"), "at least one PE"),
    "syntax": (("run", "syntax.py"), "SyntaxError: invalid syntax (syntax.py, line 2)"),
    "raising": (("run", "raising.py"), "raising.py could not be loaded (line 3): KeyError: 'no such station'"),
    "leaving": (("run", "leaving.py"), "leaving.py could not be loaded (line 2): SystemExit: 0"),
    "importing": (("run", "importing.py"), "(line 2): ModuleNotFoundError: No module named 'obspyy'"),
    "loop": (("run", "loop.py"), "IterativePE0 -> IterativePE1 -> IterativePE0"),
    "port": (("run", "port.py"), "no output 'outptu'; did you mean 'output'?"),
    "class for a pe": (("run", "class.py"), "did you forget to create it, ProducerPE()?"),
    "grouping": (("run", "grouping.py"), "'al'"),
}  # fmt: skip

OF_THE_DIAGNOSIS = {
    "mistyped diagnose": (("diagnsoe", "flow.py"), "unknown verb 'diagnsoe'; did you mean 'diagnose'?"),
    "nothing to diagnose": (diagnose("-q"), "WORKFLOW|RUN|TRACE.csv is missing"),
    "mistyped option of diagnose": (diagnose("flow.py", "--detials"), "did you mean '--details'?"),
    "sample cut short": (diagnose("flow.py", "--samp", 5), "did you mean '--sample'?"),
    "several workflows": (diagnose("flow.py", "empty.py"), "one workflow or run at a time; got 2: flow.py, empty.py"),
    "a trace and a workflow": (diagnose("flow.py", "t.csv"), "timings of another system are diagnosed alone"),
    "a trace that is not there": (diagnose("t.csv"), "t.csv"),
    "a trace that is none": (diagnose("table.csv"), "table.csv"),
    "no run to diagnose": (diagnose("last"), "no run 'last'"),
    "a run there is not": (diagnose("20200101"), "no run '20200101'"),
    "a mistyped workflow": (diagnose("folw.py"), "there is no file folw.py; did you mean 'flow.py'?"),
    "a sample of nothing": (diagnose("flow.py", "--sample", 0), "takes a time such as 30s or 2min, or a number"),
    "a sample of less": (diagnose("flow.py", "--sample=-5"), "got -5"),
    "half a sample": (diagnose("flow.py", "--sample", "2.5"), "or a number of items; got 2.5"),
    "a sample in unknown units": (diagnose("flow.py", "--sample", "3parsecs"), "got 3parsecs"),
    "an empty sample": (diagnose("flow.py", "--sample", ""), "got ''"),
    "no time": (diagnose("flow.py", "--sample", "0s"), "got 0s"),
    "json without a name": (diagnose("flow.py", "--json", ""), "--json takes the name of a file in a folder"),
    "html on standard output": (diagnose("flow.py", "--html", "-"), "--html takes the name of a file"),
    "html in a folder": (diagnose("flow.py", "--html", "folder"), "got 'folder'"),
    "trace in no folder": (diagnose("flow.py", "--trace", "nowhere/t.json"), "got 'nowhere/t.json'"),
    "speedscope below a file": (diagnose("flow.py", "--speedscope", "flow.py/s.json"), "got 'flow.py/s.json'"),
    "two reports in one file": (diagnose("flow.py", "--html", "r", "--json", "./r"), "written to one file"),
    "json without a value": (diagnose("flow.py", "--json"), "--json needs a value"),
    "unknown mapping of diagnose": (diagnose("flow.py", "-m", "mutli"), "did you mean 'multi'?"),
    "mistyped profile": (run_flow("--profile", "xyz"), "--profile takes one of 'counters', 'full', 'off'; got 'xyz'"),
    "empty profile": (run_flow("--profile", ""), "--profile takes one of 'counters', 'full', 'off'; got ''"),
    "profile without a value": (run_flow("--profile"), "--profile needs a value"),
    "sample of a run": (run_flow("--sample", "5s"), "unknown option '--sample'"),
}  # fmt: skip

WRONG = OF_THE_COMMAND | OF_THE_VALUES | OF_THE_WORKFLOW | OF_THE_DIAGNOSIS

ENDING_BADLY = {
    "pe that raises": (("run", "failing.py", "-q"), 1, "ValueError: first line / second line (in "),
    "unknown output": (("run", "writing.py", "-q"), 1, "no output 'outptu'; did you mean 'output'?"),
    "item that cannot travel": (
        ("run", "locked.py", "-q", "-m", "multi", "-n", 2, "--no-fuse"),
        1,
        "Source0[0].write, port 'output'",
    ),
    "worker that dies": (("run", "ending.py", "-q", "-m", "multi", "-n", 1), 4, "Source0"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_in_one_line(here: D4py, case: str) -> None:
    words, said = WRONG[case]
    assert said in here.run(*words).fails_with(2)
    assert here.records() == []
    assert here.marks() == []


@pytest.mark.parametrize("case", ENDING_BADLY)
def test_a_run_that_ends_badly_says_so_in_one_line(here: D4py, case: str) -> None:
    words, code, said = ENDING_BADLY[case]
    assert said in here.run(*words).fails_with(code)


def test_a_wrong_option_is_told_before_the_user_s_file_runs(here: D4py) -> None:
    (here.folder / "slow.py").write_text("from pathlib import Path\nPath('ran').touch()\n")
    for words in (("-m", "x"), ("--start-method", "x"), ("--on-error", "x"), ("-p", "x"), ("-d", "x"), ("-f", "x")):
        here.run("run", "slow.py", *words).fails_with(2)
    assert not (here.folder / "ran").exists()


def test_a_wrong_place_for_results_is_told_before_the_run(here: D4py) -> None:
    line = here.run("run", "failing.py", "-o", "results.jsonl").fails_with(2)
    assert "no such luck" not in line
    assert here.records() == []


def test_a_wrong_diagnosis_is_told_before_the_user_s_file_runs(here: D4py) -> None:
    (here.folder / "slow.py").write_text("from pathlib import Path\nPath('ran').touch()\n")
    for words in (("--sample", "x"), ("--html", "no/where"), ("-m", "x"), ("--json", "")):
        here.run("diagnose", "slow.py", *words).fails_with(2)
    assert not (here.folder / "ran").exists()


@pytest.mark.parametrize(
    "words", [("-n", 2), ("-i", 0), ("--sample", "5s"), ("-a", "graph"), ("--seed", 0), ("-m", "multi"), ("--no-fuse",)]
)
def test_a_run_that_has_ended_takes_no_options_of_runs(here: D4py, words: tuple[object, ...]) -> None:
    here.run("run", "flow.py", "-q").succeeds()
    line = here.run("diagnose", "last", *words).fails_with(2)
    assert f"{words[0]} is for a workflow that is to be run" in line
    (here.folder / "trace.csv").write_text("PE,rank,method,data,start,end\nRead1,0,process,x,1,2\n")
    assert f"{words[0]} is for a workflow" in here.run("diagnose", "trace.csv", *words).fails_with(2)


# What is meant is done.


@pytest.mark.parametrize(
    "words",
    [
        ("simple", "flow.py", "-i", 3, "-q"),
        ("multi", "flow.py", "-n", 2, "-i", 3, "-q"),
        ("multi", "-n2", "-q", "-i=3", "--", "flow.py"),
        ("run", "-m", "multi", "-n", 2, "flow.py", "-i", 3, "-q"),
        ("run", "flow.py", "-i", 3, "-m", "multi", "--workers=2", "-q"),
        ("run", "-qi3", "flow.py"),
    ],
)
def test_options_stand_where_they_like_and_a_mapping_is_a_verb(here: D4py, words: tuple[object, ...]) -> None:
    ended = here.run(*words)
    assert ended.succeeds() == "Double1.output: 2\n" * 3
    assert here.record()["mapping"] == ("multi" if "multi" in words else "simple")
    assert ended.err == ""


def test_a_file_whose_name_begins_with_a_dash(here: D4py) -> None:
    (here.folder / "-flow.py").write_text(FILES["flow.py"])
    assert here.run("run", "-q", "--", "-flow.py").succeeds() == "Double1.output: 2\n"


def test_data_with_a_byte_order_mark(here: D4py) -> None:
    (here.folder / "windows.json").write_bytes(b"\xef\xbb\xbf" + b'{"Source": 2}')
    assert here.run(*run_flow("-f", "windows.json", "-q")).succeeds() == "Double1.output: 2\n" * 2


# What is done although it may not be meant is said.


@pytest.mark.parametrize(("option", "value"), [("-n", 4), ("--start-method", "fork")])
def test_an_option_that_does_nothing(here: D4py, option: str, value: object) -> None:
    ended = here.run(*run_flow(option, value, "-q"))
    assert ended.succeeds() == "Double1.output: 2\n"
    assert ended.err == f"d4py: {option} does nothing under simple, which has one process; -m multi has several\n"


def test_a_name_that_fits_several_pes_feeds_them_all_and_says_so(here: D4py) -> None:
    text = FILES["flow.py"] + "graph.connect(Source(), 'output', Double(), 'input')\n"
    (here.folder / "two.py").write_text(text)
    ended = here.run("run", "two.py", "-d", '{"Source": 2}', "-q")
    assert sorted(ended.succeeds().splitlines()) == ["Double1.output: 2"] * 2 + ["Double3.output: 2"] * 2
    (line,) = ended.error_lines
    assert line.startswith("d4py: ")
    assert "Source0" in line
    assert "Source2" in line


# Results in files.


def test_results_go_to_a_file_instead_of_the_terminal(here: D4py) -> None:
    ended = here.run(*run_flow("-i", 3, "-o", "mine.jsonl"))
    assert ended.succeeds() == ""
    assert ended.error_lines[-1] == "written: 3 items in mine.jsonl"
    text = (here.folder / "mine.jsonl").read_text()
    assert text == '{"pe": "Double1", "port": "output", "item": 2}\n' * 3


def test_results_are_replaced_if_asked_for(here: D4py) -> None:
    for iterations in (3, 1):
        here.run(*run_flow("-i", iterations, "-o", "mine/", "--overwrite", "-q")).succeeds()
    assert (here.folder / "mine" / "Double1.output.jsonl").read_text() == "2\n"


def test_a_wrong_input_does_not_cost_earlier_results(here: D4py) -> None:
    here.run(*run_flow("-d", '{"Sourse": 3}', "-o", "results.jsonl", "--overwrite")).fails_with(2)
    assert (here.folder / "results.jsonl").read_text() == FILES["results.jsonl"]


def test_the_second_run_of_verify_writes_nothing(here: D4py) -> None:
    ended = here.run(*run_flow("-i", 4, "-m", "multi", "-n", 2, "-o", "mine/", "--verify"))
    ended.succeeds()
    assert "written: 1 output, 4 items in mine/" in ended.err
    assert (here.folder / "mine" / "Double1.output.jsonl").read_text() == "2\n" * 4


def test_a_run_that_fails_says_what_it_wrote(here: D4py) -> None:
    ended = here.run("run", "failing.py", "-o", "mine.jsonl")
    assert ended.code == 1
    assert "written: 0 items in mine.jsonl" in ended.err


# Tracebacks.


def test_the_traceback_of_a_file_begins_with_the_user_s_line(here: D4py) -> None:
    ended = here.run("run", "raising.py", "--traceback")
    assert ended.code == 2
    assert ended.error_lines[0] == "Traceback (most recent call last):"
    assert ended.error_lines[1].endswith('raising.py", line 3, in <module>')
    assert ended.error_lines[-2:] == [
        "KeyError: 'no such station'",
        "d4py: error: raising.py could not be loaded (line 3): KeyError: 'no such station'",
    ]


def test_the_traceback_of_a_file_with_a_wrong_port_shows_the_user_s_line(here: D4py) -> None:
    ended = here.run("run", "port.py", "--traceback")
    assert ended.error_lines[1].endswith('port.py", line 3, in <module>')


def test_the_traceback_of_a_syntax_error_points_at_it(here: D4py) -> None:
    ended = here.run("run", "syntax.py", "--traceback")
    assert any('syntax.py", line 2' in line for line in ended.error_lines)
    assert any(line.strip() == "^" for line in ended.error_lines)


def test_the_traceback_of_a_pe_is_the_user_s(here: D4py) -> None:
    ended = here.run("run", "failing.py", "--traceback", "-q")
    assert ended.error_lines[0] == "Traceback (most recent call last):"
    assert ended.error_lines[1].endswith('failing.py", line 4, in fail')
    assert "--traceback" not in ended.error_lines[-1]


# Standard streams that are closed or full.


def in_shell(here: D4py, words: str) -> Ended:
    command = f"{sys.executable} -m d4py_adaptive {words}"
    done = subprocess.run(
        ["bash", "-c", command], cwd=here.folder, env=here.environment(), capture_output=True, text=True, timeout=60
    )
    return Ended(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("mapping", ["simple", "multi -n 2"])
@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_a_closed_stream_is_no_error(here: D4py, mapping: str, closed: str) -> None:
    ended = in_shell(here, f"{mapping} flow.py {closed}")
    assert ended.code == 0
    assert ended.out == ("" if ">&-" in closed.split() else "Double1.output: 2\n")
    assert "Traceback" not in ended.err
    assert "ignored" not in ended.err


@pytest.mark.parametrize("words", ["run flow.py -q", "runs", "--help", "--version"])
def test_a_full_disk_below_standard_output(here: D4py, words: str) -> None:
    line = in_shell(here, f"{words} > /dev/full").fails_with(1)
    assert "No space left on device" in line
