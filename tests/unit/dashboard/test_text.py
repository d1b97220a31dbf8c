"""Text that is safe and short enough to show."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from d4py_adaptive.dashboard.text import duration, plain, short

bounded = settings(max_examples=100, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("as it is, é µ 漢", "as it is, é µ 漢"),
        ("tab\tand\nline", "tab\tand\nline"),
        ("\x1b[31mred\x1b[0m", "[31mred[0m"),
        ("\x1b]0;title\x07", "]0;title"),
        ("over\rwritten\x08", "overwritten"),
        ("\x9b31m c1 \x85\x90", "31m c1 "),
        ("\x00\x7f", ""),
    ],
)
def test_control_characters_are_taken_out(text: str, shown: str) -> None:
    assert plain(text) == shown


@bounded
@given(st.text())
def test_what_is_plain_steers_no_terminal(text: str) -> None:
    assert not any((ord(c) < 32 and c not in "\t\n") or 127 <= ord(c) < 160 for c in plain(text))
    assert plain(plain(text)) == plain(text)


class Awkward:
    def __repr__(self) -> str:
        raise RuntimeError("not now")


class Loud:
    def __repr__(self) -> str:
        return "\x1b[2J loud\n  and \t long" + "!" * 500


@pytest.mark.parametrize(
    ("item", "text"),
    [
        ("a  text\nof two   lines", "a text of two lines"),
        (17, "17"),
        ([1, "two"], "[1, 'two']"),
        (None, "None"),
        (np.zeros((2, 3), "f4"), "array float32 2 x 3"),
        (np.array(1.5), "array(1.5)"),
        (np.zeros(0), "array float64 0"),
        ("x" * 200, "x" * 159 + "…"),
    ],
)
def test_an_item_in_one_line(item: Any, text: str) -> None:
    assert short(item) == text


def test_whatever_an_item_is_it_can_be_shown() -> None:
    assert "Awkward" in short(Awkward())
    assert "int" in short(10**5000)
    shown = short(Loud())
    assert "\x1b" not in shown
    assert "\n" not in shown
    assert len(shown) <= 160


def named(name: str) -> Any:
    return type(name, (), {})()


@pytest.mark.parametrize("name", ["array", "dict", "int", "set", "deque", "list", "str", "instance"])
def test_a_class_of_a_well_known_name_is_not_mistaken_for_it(name: str) -> None:
    assert 0 < len(short(named(name))) <= 160


@bounded
@given(
    st.recursive(
        st.text() | st.integers() | st.binary(), lambda i: st.lists(i) | st.dictionaries(st.text(), i), max_leaves=6
    )
)
def test_it_is_one_line_of_at_most_the_width(item: object) -> None:
    for width in (10, 100):
        text = short(item, width)
        assert len(text) <= width
        assert "\n" not in text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0"),
        (2e-6, "2.0 us"),
        (0.0005, "500.0 us"),
        (0.001, "1.0 ms"),
        (0.25, "250.0 ms"),
        (1, "1.0 s"),
        (59.94, "59.9 s"),
        (100, "0:01:40"),
        (3599.6, "1:00:00"),
        (90_061, "25:01:01"),
    ],
)
def test_a_time_span(seconds: float, text: str) -> None:
    assert duration(seconds) == text
