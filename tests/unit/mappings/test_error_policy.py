"""What a failing call does: the words of it, and whose word counts."""

import pytest

from d4py_adaptive.dataflow.pe import GenericPE
from d4py_adaptive.dataflow.workflow import PENode
from d4py_adaptive.errors import WorkflowError
from d4py_adaptive.mappings.error_policy import ErrorPolicy, parse_policy, policy_of

STOP = ErrorPolicy()


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("stop", STOP),
        ("skip", ErrorPolicy(skip=True)),
        ("retry:1", ErrorPolicy(1)),
        ("retry:12", ErrorPolicy(12)),
        ("retry:2,skip", ErrorPolicy(2, skip=True)),
        ("skip,retry:2", ErrorPolicy(2, skip=True)),
        (" retry:2 , skip ", ErrorPolicy(2, skip=True)),
        ("retry:2,stop", ErrorPolicy(2)),
    ],
)
def test_the_words(text: str, policy: ErrorPolicy) -> None:
    assert parse_policy(text, "PE1") == policy


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ignore",
        "retry",
        "retry:",
        "retry:0",
        "retry:-1",
        "retry:x",
        "retry:²",
        "skip:1",
        "stop:1",
        "skip,",
        None,
        3,
    ],
)
def test_other_words_are_refused(text: object) -> None:
    with pytest.raises(WorkflowError) as caught:
        parse_policy(text, "PE1")
    assert str(caught.value) == f"PE1: on_error is 'stop', 'skip', 'retry:N' or 'retry:N,skip'; got {text!r}"


def test_only_a_stop_at_once_needs_nothing_kept() -> None:
    assert STOP.stops_at_once
    assert not ErrorPolicy(1).stops_at_once
    assert not ErrorPolicy(skip=True).stops_at_once


@pytest.mark.parametrize(
    ("overrides", "policy"),
    [
        ({}, ErrorPolicy(3)),
        ({"": "skip"}, ErrorPolicy(skip=True)),
        ({"": "skip", "Scale": "retry:1"}, ErrorPolicy(1)),
        ({"": "skip", "Scale": "retry:1", "Scale2": "stop"}, STOP),
        ({"Other": "skip"}, ErrorPolicy(3)),
    ],
)
def test_the_run_s_word_for_a_pe_goes_before_its_word_for_all_and_the_pe_s_own(
    overrides: dict[str, str], policy: ErrorPolicy
) -> None:
    pe = GenericPE()
    pe.on_error = "retry:3"
    assert policy_of(PENode("Scale2", "Scale", (), (), 1, pe), overrides) == policy


def test_a_pe_s_own_bad_word_is_blamed_on_it() -> None:
    pe = GenericPE()
    pe.on_error = "never"
    with pytest.raises(WorkflowError, match=r"^Scale2: on_error is"):
        policy_of(PENode("Scale2", "Scale", (), (), 1, pe), {})
