"""What a rule returns, and how a predicted gain gets its interval."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from d4py_adaptive.runtime.diagnosis.commands import CommandLine
from d4py_adaptive.runtime.diagnosis.figures import Figures
from d4py_adaptive.runtime.diagnosis.what_if import Setup, predicted_s
from d4py_adaptive.telemetry.diagnosis import Advice, Cause, Finding

MODEL_ERROR = 0.10
"""Half the width of the 90 % interval of what the model predicts for figures that are exact."""

LEAST_COST = 0.13
"""What costs less than this share of the run is not worth a change: a gain of 1.15."""

LEAST_SAVING_S = 0.02


class Weight(IntEnum):
    """What kind of finding comes before what other kind, whatever they cost."""

    RISK = 0
    TIME = 1
    WASTE = 2


@dataclass(frozen=True, slots=True)
class Found:
    """A finding, and what to do about it.

    Attributes:
        finding: the finding.
        advice: what to do, the best first.
        weight: what it costs: the run, time, or processes that do no good.
    """

    finding: Finding
    advice: tuple[Advice, ...] = ()
    weight: Weight = Weight.TIME


@dataclass(frozen=True, slots=True)
class Case:
    """What a rule is asked about: a run, how it was called, and whether it came to its end."""

    figures: Figures
    command: CommandLine
    is_whole: bool = True

    def cost(self, then_s: float) -> float:
        """The share of the run that a way that takes `then_s` would save."""
        total_s = self.figures.total_s
        return min(1.0, max(0.0, 1 - then_s / total_s)) if total_s else 0.0

    def is_worth(self, then_s: float) -> bool:
        """Whether that is worth a change."""
        return self.cost(then_s) >= LEAST_COST and self.figures.total_s - then_s >= LEAST_SAVING_S

    def than(self, setup: Setup) -> float:
        """How long another setup would take."""
        return predicted_s(self.figures, setup)

    def advice(self, cause: Cause, text: str, command: str, then_s: float | None = None) -> Advice:
        """Advice whose gain is today's time over `then_s`; without it, nothing is promised.

        No gain is above what the cores allow for the work that there is.
        """
        if not (then_s and self.figures.total_s and self.is_whole):
            return Advice(cause=cause, text=text, command=command)
        most = max(1.0, self.most_gain)
        gain = min(self.figures.total_s / then_s, most)
        error = self.relative_error
        return Advice(
            cause=cause, text=text, command=command, gain=gain,
            gain_low=gain * (1 - error), gain_high=max(gain, min(gain * (1 + error), most)),
        )  # fmt: skip

    @property
    def most_gain(self) -> float:
        """Today's time over the processor time of the PEs' own code, dealt out to all cores."""
        least_s = sum(work.cpu_s for work in self.figures.work.values()) / self.figures.cores
        return self.figures.total_s / least_s if least_s > 0 else 1e6

    @property
    def relative_error(self) -> float:
        """Half the width of a prediction's 90 % interval over it: the model's own error, and that of the means."""
        totals = [(pe.service.calls * pe.service.mean_s, pe.service.calls * pe.service.mean_error_s)
                  for pe in self.figures.pes.values()]  # fmt: skip
        all_s = sum(total for total, _ in totals)
        sampled = math.sqrt(sum(error**2 for _, error in totals)) / all_s if all_s else 0.0
        return min(0.9, math.hypot(MODEL_ERROR, sampled))


Rule = Callable[[Case], Found | None]


def named(pes: Sequence[str], most: int = 3) -> str:
    """A few names in a sentence."""
    shown = [*pes[:most], *([f"{len(pes) - most} more"] if len(pes) > most else [])]
    return f"{', '.join(shown[:-1])} and {shown[-1]}" if len(shown) > 1 else "".join(shown)
