"""Every example of dispel4py 1.2.1 and of stream-d4py 2.9.1, unchanged, through the command and its mappings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import forked_commands
import pytest
from forked_commands import RESULTS
from peer_examples import DISPEL4PY, MAPPINGS, PEERS, TEXT, TEXT_FILE, Example, Outcome, Peer, Words, fault
from real_processes import PROMISE_S, D4py, Running, eventually, shared_memory

FORKED_COMMANDS = Path(forked_commands.__file__)
LONGEST_S = 100.0

Outcomes = dict[tuple[str, str], Outcome]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Peer, Outcomes]]:
    """What became of each example of each peer under each mapping; both peers' at once, each once."""
    before = shared_memory()
    commands = [D4py(tmp_path_factory.mktemp("examples")) for _ in PEERS]
    try:
        running = {peer: start_all(peer, d4py) for peer, d4py in zip(PEERS, commands, strict=True) if is_here(peer)}
        yield {peer: read_all(peer, started) for peer, started in running.items()}
        for d4py in commands:
            d4py.is_gone()
        eventually(lambda: not shared_memory() - before, PROMISE_S, "nothing of the runs left in shared memory")
    finally:
        for d4py in commands:
            d4py.clean_up()


def start_all(peer: Peer, d4py: D4py) -> Running:
    """Start every example under every mapping, one after the other."""
    (d4py.folder / TEXT_FILE).write_text("\n".join(TEXT) + "\n")
    commands = [example.command(mapping, RESULTS) for example in peer.examples for mapping in MAPPINGS]
    jobs = d4py.folder / "commands"
    jobs.write_text(json.dumps(commands))
    return d4py.start_python(FORKED_COMMANDS, peer.folder, stdin=jobs)


def read_all(peer: Peer, started: Running) -> Outcomes:
    keys = [(example.name, mapping) for example in peer.examples for mapping in MAPPINGS]
    found = json.loads(started.wait(LONGEST_S).succeeds())
    return {key: Outcome(**outcome) for key, outcome in zip(keys, found, strict=True)}


def is_here(peer: Peer) -> bool:
    return (peer.folder / "dispel4py").is_dir()


def require(peer: Peer) -> None:
    if not is_here(peer):
        pytest.skip(f"{peer.requirement} is not unpacked; run: {peer.how_to_get}")


def every_example() -> list[object]:
    return [
        pytest.param(peer, example, id=f"{peer.requirement}-{example.name}")
        for peer in PEERS
        for example in peer.examples
    ]


@pytest.mark.parametrize(("peer", "example"), every_example())
@pytest.mark.parametrize("mapping", MAPPINGS)
def test_example(outcomes: dict[Peer, Outcomes], peer: Peer, example: Example, mapping: str) -> None:
    require(peer)
    outcome = outcomes[peer][example.name, mapping]
    assert fault(example, outcome) == "", outcome


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.requirement)
def test_no_example_is_left_out(peer: Peer) -> None:
    require(peer)
    folder = peer.folder / "dispel4py" / "examples"
    carried = {path.relative_to(folder).with_suffix("").as_posix().replace("/", ".") for path in folder.rglob("*.py")}
    no_graphs = {name for name in carried if name.endswith(("__init__", "testing_PEs"))}
    assert carried - no_graphs == {example.name for example in peer.examples}


WORDS = Example("words", {"Count.output": Words(3, 3)})
RIGHT = [("Count", "output", item) for item in (["a", 1], ["a", 2], ["b", 1])]
LOGGING = Example("logging", log=("a: 1", "b: 2"))


@pytest.mark.parametrize(
    ("example", "outcome", "expected"),
    [
        (WORDS, Outcome(0, RIGHT, ""), ""),
        (WORDS, Outcome(None, RIGHT, ""), "hangs"),
        (WORDS, Outcome(1, RIGHT, "so\nand so\n"), "fails: and so"),
        (WORDS, Outcome(0, RIGHT[:2], ""), "Count.output: 2 words, not 3 to 3"),
        (WORDS, Outcome(0, [*RIGHT[:2], RIGHT[0]], ""), "Count.output: 1 of 1 words counted in several places"),
        (WORDS, Outcome(0, [*RIGHT, ("Other", "output", 1)], ""), "unexpected output Other.output"),
        (WORDS, Outcome(0, RIGHT, "Traceback\nValueError: no\n"), "error in a PE, exit code 0: ValueError: no"),
        (WORDS, Outcome(0, [], "Not enough processes\n"), "does not run, exit code 0"),
        (Example("items", {"Pass.output": [1, 2]}), Outcome(0, [("Pass", "output", 1)] * 2, ""),
         "Pass.output: 2 items instead of 2, 1 missing, 1 too many"),
        (LOGGING, Outcome(0, [], "Print4[1]: b: 2\nPrint4 (rank 0): a: 1\n"), ""),
        (LOGGING, Outcome(0, [], "Print4: a: 1\nPrint4: b: 1\nPrint4: b: 1\n"),
         "3 lines logged instead of 2, 2 of them wrong"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_seen(example: Example, outcome: Outcome, expected: str) -> None:
    assert fault(example, outcome) == expected


# In the ways in which people start them.


@pytest.fixture
def with_1_2_1(monkeypatch: pytest.MonkeyPatch, d4py: D4py) -> Peer:
    require(DISPEL4PY)
    monkeypatch.setenv("PYTHONPATH", str(DISPEL4PY.folder))
    (d4py.folder / TEXT_FILE).write_text("\n".join(TEXT) + "\n")
    return DISPEL4PY


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_an_example_as_a_file(d4py: D4py, with_1_2_1: Peer, method: str) -> None:
    """It defines functions of its own, which travel to the workers."""
    file = with_1_2_1.folder / "dispel4py/examples/graph_testing/pipeline_composite.py"
    out = d4py.run("run", "-m", "multi", "-n", 3, "--start-method", method, "-q", file, "-i", 3).succeeds()
    assert sorted(out.splitlines()) == [f"PE_subtract4.output: {n}" for n in (5.0, 7.0, 9.0)]


def test_an_example_that_reads_a_file(d4py: D4py, with_1_2_1: Peer) -> None:
    """Its classes are its own, and it is an example that needs more than a number of iterations."""
    file = with_1_2_1.folder / "dispel4py/examples/wordcount.py"
    given = json.dumps({"SplitTextFile": [{"input": TEXT_FILE}]})
    out = d4py.run("run", file, "-d", given, "-m", "multi", "-n", 4, "--start-method", "spawn", "-q").succeeds()
    assert sorted(line.partition("]: ")[2] for line in out.splitlines()) == sorted(
        ["to: 3", "be: 3", "or: 1", "not: 1", "that: 1", "is: 1", "the: 1", "question: 1"]
    )


def test_an_example_without_its_dispel4py(d4py: D4py, with_1_2_1: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    """It imports a module of the examples, which this package does not have."""
    file = with_1_2_1.folder / "dispel4py/examples/graph_testing/pipeline_test.py"
    monkeypatch.delenv("PYTHONPATH")
    assert "install dispel4py beside it: pip install stream-d4py" in d4py.run("run", file).fails_with(2)
