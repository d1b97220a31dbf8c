"""A clock for tests: it goes on only when it is told to, so that nothing has to wait."""

from __future__ import annotations


class ManualClock:
    """A clock that stands still, or goes on by the same step at every look.

    Args:
        now_ns: the time it shows first.
        step_ns: how far each look moves it, so that code between two looks seems to take this long.

    Attributes:
        now_ns: the time it shows next.
        step_ns: as given; may be changed.
        looks: how often it was looked at.
    """

    def __init__(self, now_ns: int = 0, step_ns: int = 0) -> None:
        self.now_ns = now_ns
        self.step_ns = step_ns
        self.looks = 0

    def __call__(self) -> int:
        """The time; each look moves it on by the step."""
        shown = self.now_ns
        self.now_ns += self.step_ns
        self.looks += 1
        return shown

    def advance(self, ns: int) -> None:
        """Let time pass.

        Raises:
            ValueError: it would go back.
        """
        if ns < 0:
            raise ValueError(f"time goes on, by nanoseconds from 0; got {ns}")
        self.now_ns += ns
