"""The examples that dispel4py 1.2.1 and stream-d4py 2.9.1 carry, and what each of them must give.

The expectations come from reading the examples: which items are produced, and which instances see them. They say
nothing of the order of items, which a parallel run does not promise.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(sys.prefix) / "peers"
"""Where the peers' wheels are unpacked, each in a folder of its own."""

MAPPINGS = {
    "simple": ("simple",),
    "multi -n 1": ("multi", "-n", "1"),
    "multi -n 4": ("multi", "-n", "4"),
    "multi -n 10": ("multi", "-n", "10"),
}


@dataclass(frozen=True)
class Words:
    """Words, each with its count: of every word 1, 2, 3, …, as a counter gives that sees all of that word.

    Attributes:
        least: how many there are at least; a random filter stands before some counters.
        most: how many there are at most.
    """

    least: int
    most: int


@dataclass(frozen=True)
class Example:
    """An example, how to start it and what it must give.

    Attributes:
        name: its module in `dispel4py.examples`.
        results: the items of each unconnected output, in any order; `{"PE.output": items}`.
        iterations: how often its sources are called.
        data: its inputs, instead of iterations.
        log: what its PEs must log, in any order; None if that does not matter.
    """

    name: str
    results: Mapping[str, Sequence[Any] | Words] = field(default_factory=dict)
    iterations: int = 10
    data: Mapping[str, Any] | None = None
    log: tuple[str, ...] | None = None

    @property
    def module(self) -> str:
        return f"dispel4py.examples.{self.name}"

    def command(self, mapping: str, results: str) -> list[str]:
        """What to tell `d4py`, in the order of words that dispel4py wants; one example reads `sys.argv[4]`."""
        first, *rest = MAPPINGS[mapping]
        inputs = ("-i", str(self.iterations)) if self.data is None else ("-d", json.dumps(self.data))
        return [first, self.module, *inputs, *rest, "-q", *(("-o", results) if self.results else ())]


@dataclass(frozen=True)
class Outcome:
    """What became of one run.

    Attributes:
        code: its exit code; None if it had to be killed.
        results: `(PE, output, item)` of each item of an unconnected output.
        printed: standard output and standard error.
    """

    code: int | None
    results: list[tuple[str, str, Any]]
    printed: str


@dataclass(frozen=True, eq=False)
class Peer:
    """One generation of dispel4py.

    Attributes:
        requirement: what pip installs it by.
        examples: what it carries.
    """

    requirement: str
    examples: tuple[Example, ...]

    @property
    def folder(self) -> Path:
        """Where its wheel is unpacked."""
        return FOLDER / self.requirement.partition("==")[0]

    @property
    def how_to_get(self) -> str:
        """The command that unpacks its wheel there."""
        return f"{sys.executable} -m pip install --no-deps --target {self.folder} {self.requirement}"


TEXT = ("to be or not to be", "that is the question", "to be")
TEXT_FILE = "words.txt"
"""What the example that counts words reads: a file with these lines in the current folder."""

_COUNTED = list(range(1, 11))
_ALL_WORDS = Words(200, 200)
_HALF_OF_THEM = Words(60, 140)
_TWICE_HALF_OF_THEM = Words(140, 260)
_PRIMES = [n for n in range(2, 1000) if all(n % divisor for divisor in range(2, n))]


def _graph_testing(name: str, results: Mapping[str, Sequence[Any] | Words], iterations: int = 10) -> Example:
    return Example(f"graph_testing.{name}", results, iterations)


def _copies(*places: int) -> dict[str, list[int]]:
    """Each of these PEs, which pass on what they get, has got every number once."""
    return {f"TestOneInOneOut{place}.output": _COUNTED for place in places}


_BOTH = (
    _graph_testing("delayed_pipeline", {"TestDelayOneInOneOut2.output": [1, 2]}, iterations=2),  # a second per item
    _graph_testing("group_by", {"WordCounter4.output": _ALL_WORDS}, iterations=200),
    _graph_testing("grouping_alltoone", _copies(2)),
    # Two instances are declared, and each gets every item.
    _graph_testing("grouping_onetoall", {"TestOneInOneOut1.output": _COUNTED * 2}),
    _graph_testing("grouping_split_merge", {"WordCounter3.output": _TWICE_HALF_OF_THEM}, iterations=200),
    _graph_testing("parallel_pipeline", _copies(2, 3)),
    _graph_testing("partition_parallel_pipeline", _copies(2, 3)),
    _graph_testing("pipeline_composite", {"PE_subtract4.output": [(2 + n) * 4 / 2 - 1 for n in _COUNTED]}),
    _graph_testing("pipeline_test", _copies(5)),
    _graph_testing("producer_tee", _copies(2, 3)),
    # One string for every item of either input: they arrive one by one.
    _graph_testing("split_merge", {"TestTwoInOneOut3.output": [str(n) for n in _COUNTED * 2]}),
    _graph_testing("teecopy", _copies(1, 2)),
    _graph_testing("unconnected_pipeline", _copies(5, 11)),
    _graph_testing("word_count", {"WordCounter1.output": _ALL_WORDS}, iterations=200),
    _graph_testing("word_count_filter", {"WordCounter2.output": _HALF_OF_THEM}, iterations=200),
)


def _large_teecopy(items: list[Any]) -> Example:
    return _graph_testing("large_teecopy", {"TestOneInOneOut2.output": items, "TestOneInOneOut3.output": items})


DISPEL4PY = Peer(
    "dispel4py==1.2.1",
    (
        *_BOTH,
        _large_teecopy([[call * i + i] for call in range(10) for i in range(10)]),
        # What reaches the second PE: each number itself, and once more around the loop of three.
        _graph_testing("loopcopy", {"TestOneInOneOut2.output": _COUNTED * 2}),
        _graph_testing("multi_producer", {"TestOneInOneOut2.output": list(range(10)) * 10}),
        # However often it is called: a number whose divisor exists already goes no further.
        _graph_testing("sieveoferatosthenes", {"PrimeCollector2.output": _PRIMES}),
        Example(
            "wordcount",
            data={"SplitTextFile": [{"input": TEXT_FILE}]},
            log=("to: 3", "be: 3", "or: 1", "not: 1", "that: 1", "is: 1", "the: 1", "question: 1"),
        ),
    ),
)

STREAM_D4PY = Peer(
    "stream-d4py==2.9.1",
    (
        *_BOTH,
        _large_teecopy([f"{call}:{i}" for call in _COUNTED for i in range(10)]),
        _graph_testing("group_by_stateful", {"WordCounter4.output": _ALL_WORDS}, iterations=200),
        _graph_testing("grouping_alltoone_stateful", _copies(2)),
        _graph_testing("grouping_onetoall_stateful", {"TestOneInOneOut1.output": _COUNTED * 2}),
    ),
)

PEERS = (DISPEL4PY, STREAM_D4PY)


def fault(example: Example, outcome: Outcome) -> str:
    """What is wrong with an outcome, in a few words; empty if nothing is."""
    if outcome.code is None:
        return "hangs"
    if outcome.code:
        return "fails: " + _last_line(outcome.printed)
    wrong = "; ".join(filter(None, (_wrong_results(example, outcome.results), _wrong_log(example, outcome.printed))))
    if wrong and "Not enough processes" in outcome.printed:
        return "does not run, exit code 0"
    if not wrong and "Traceback" in outcome.printed:
        return "error in a PE, exit code 0: " + _last_error(outcome.printed)
    return wrong


def _last_line(printed: str) -> str:
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    return lines[-1] if lines else "says nothing"


def _last_error(printed: str) -> str:
    errors = re.findall(r"^[\w.]*(?:Error|Exception)\b.*$", printed, re.MULTILINE)
    return errors[-1] if errors else ""


def _wrong_results(example: Example, results: Sequence[tuple[str, str, Any]]) -> str:
    places: dict[str, list[Any]] = defaultdict(list)
    for pe, output, item in results:
        places[f"{pe}.{output}"].append(item)
    unexpected = sorted(places.keys() - example.results.keys())
    wrong = [f"unexpected output {place}" for place in unexpected]
    for place, expected in example.results.items():
        judge = _wrong_words if isinstance(expected, Words) else _wrong_items
        if found := judge(expected, places[place]):  # type: ignore[operator]
            wrong.append(f"{place}: {found}")
    return "; ".join(wrong)


def _wrong_items(expected: Sequence[Any], items: Sequence[Any]) -> str:
    wanted, got = (Counter(map(json.dumps, several)) for several in (expected, items))
    if wanted == got:
        return ""
    lost, extra = (wanted - got).total(), (got - wanted).total()
    return f"{len(items)} items instead of {len(expected)}, {lost} missing, {extra} too many"


def _wrong_words(expected: Words, items: Sequence[tuple[str, int]]) -> str:
    if not expected.least <= len(items) <= expected.most:
        return f"{len(items)} words, not {expected.least} to {expected.most}"
    counts: dict[str, list[int]] = defaultdict(list)
    for word, count in items:
        counts[word].append(count)
    split = sum(sorted(found) != list(range(1, len(found) + 1)) for found in counts.values())
    return f"{split} of {len(counts)} words counted in several places" if split else ""


def _wrong_log(example: Example, printed: str) -> str:
    if example.log is None:
        return ""
    # A PE's name, what tells its instances apart, its line.
    logged = re.findall(r"Print\d+(?:\[\d+\]| \(rank \d+\))?: (\w+: \d+)", printed)
    wrong = Counter(logged) - Counter(example.log)
    if len(logged) == len(example.log) and not wrong:
        return ""
    return f"{len(logged)} lines logged instead of {len(example.log)}, {wrong.total()} of them wrong"
