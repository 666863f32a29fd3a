"""Values that readers of a store receive."""

from dataclasses import dataclass

from manyfit.model.keys import SegmentId, UnitId, WorkerId
from manyfit.model.lease import End


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedBlock:
    """Accepted result lines of one epoch of one unit: JSON lines, each one `TaskResult`."""

    segment: SegmentId
    unit: UnitId
    epoch: int
    worker: WorkerId
    lines: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitState:
    """
    A unit as the store knows it.

    `indices` are its tasks as indices of the root unit. `epoch` is the last epoch claimed (0: never),
    `holder` its worker while the epoch is open, `end` the end of the last epoch that ended.
    """

    segment: SegmentId
    unit: UnitId
    indices: tuple[int, ...]
    epoch: int
    holder: WorkerId | None
    end: End | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedEpoch:
    """An epoch that ended, whole: who held it, what was accepted under it, how it ended."""

    segment: SegmentId
    unit: UnitId
    epoch: int
    worker: WorkerId
    lines: bytes
    end: End
