"""What is queued, leased and run as one."""

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from manyfit.model.keys import SegmentId, UnitId


class Mode(enum.Enum):
    """What a unit does with its tasks."""

    FIT = "fit"
    """Fit and score."""
    KEEP = "keep"
    """Fit and score, and keep the fitted model as an artifact."""
    SCORE = "score"
    """Compute metrics from kept predictions; nothing is fitted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """
    One or more tasks that are leased together, in the order in which they run.

    Task `i` of the unit fits candidate `candidates[i]` on cell `cells[i]`; both are positions in the
    tables of the unit's segment. `cost_seconds` is the predicted work, `pipeline` the name
    that all its candidates have. A task that stands in units of
    several generations (a retry, a kept model) counts with its highest generation.

    A unit that was split has children `<id>.0`, `<id>.1`, ...: they run parts of the same index space,
    so index `i` always means task `i` of the unit that was planned (the root).
    """

    id: UnitId
    segment: SegmentId
    candidates: Sequence[int]
    cells: Sequence[int]
    cost_seconds: float
    pipeline: str = ""
    mode: Mode = Mode.FIT
    generation: int = 0

    def __len__(self) -> int:
        return len(self.candidates)


def root_of(unit: UnitId) -> UnitId:
    """Return the planned unit that *unit* is, or is a part of."""
    return UnitId(unit.partition(".")[0])
