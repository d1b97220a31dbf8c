"""The plan as it was enacted: what was in each stage, and where."""

from __future__ import annotations

from dataclasses import dataclass

from d4py_adaptive.telemetry.profile import Profile


@dataclass(frozen=True, slots=True)
class StageRow:
    """A stage: its PEs, how many instances of each there were, and the workers that hosted them."""

    number: int
    pes: tuple[str, ...]
    replicas: int
    workers: tuple[int, ...]


def stages_of(profile: Profile) -> tuple[StageRow, ...]:
    """The stages of a profile's last run."""
    rows = []
    for number, pes in enumerate(profile.stages):
        mine = [one for one in profile.instances if one.pe in pes]
        replicas = len({one.index for one in mine})
        rows.append(StageRow(number, pes, replicas, tuple(sorted({one.worker for one in mine}))))
    return tuple(rows)
