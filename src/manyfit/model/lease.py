"""The right of one worker to one unit, and how it ends."""

import enum
from dataclasses import dataclass

from manyfit.model.keys import UnitId, WorkerId


@dataclass(frozen=True, slots=True, kw_only=True)
class Assigned:
    """
    One task of a lease: its index in the root unit, and what happened to it before.

    `attempts` were made; `forgiven` of them do not count against the limit, since the worker was told to
    leave or its host was to blame. `losses` are workers lost while on the task.
    """

    index: int
    attempts: int = 0
    losses: int = 0
    forgiven: int = 0

    @property
    def charged(self) -> int:
        """Attempts that count against the limit."""
        return self.attempts - self.forgiven


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """
    One worker's right to what is left of a unit; `epoch` grows with every claim and fences late writers.

    `position` is the last control entry the worker had read when it claimed: nothing that an entry up
    to there cancelled is among `tasks`. `deaths` are the epochs of this unit, since its last progress,
    whose holders were lost without a sign of which task it was: a task may be poisonous.
    """

    unit: UnitId
    epoch: int
    worker: WorkerId
    position: int
    tasks: tuple[Assigned, ...]
    deaths: int = 0


class EndKind(enum.Enum):
    """How an epoch ended. Only DONE and SPLIT are final for the unit."""

    DONE = "done"
    """Every task of the unit is settled."""
    YIELDED = "yielded"
    """The holder gave the rest back."""
    SEALED = "sealed"
    """Another worker ended the epoch at what was durable, because the holder seemed dead."""
    SPLIT = "split"
    """The holder divided the rest into child units."""


class TaskMark(enum.Enum):
    """State of one task at the end of an epoch, as one character of `End.marks`."""

    DONE = "d"
    FAILED = "f"
    CANCELLED = "c"
    LEFT = "."


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Bytes [start, end) of the log file `log`: everything accepted under one epoch lies in its spans."""

    log: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """
    The end of one epoch, complete enough that nobody needs the logs to go on from it.

    `indices` are the unit's tasks (indices of the root unit) in order and `marks` one `TaskMark`
    character for each, cumulative over all epochs so far. `attempts`, `losses` and `forgiven` are those of
    the tasks that are left, as (index, count) where the count is not zero; `deaths` is that of `Lease`.
    `parts` are the indices of each child of a SPLIT.
    """

    kind: EndKind
    indices: tuple[int, ...]
    marks: str
    spans: tuple[Span, ...] = ()
    attempts: tuple[tuple[int, int], ...] = ()
    losses: tuple[tuple[int, int], ...] = ()
    parts: tuple[tuple[int, ...], ...] = ()
    by: WorkerId | None = None
    forgiven: tuple[tuple[int, int], ...] = ()
    deaths: int = 0

    def left(self) -> tuple[Assigned, ...]:
        """Return the tasks that still have to run."""
        attempts, losses, forgiven = dict(self.attempts), dict(self.losses), dict(self.forgiven)
        return tuple(
            Assigned(
                index=index,
                attempts=attempts.get(index, 0),
                losses=losses.get(index, 0),
                forgiven=forgiven.get(index, 0),
            )
            for index, mark in zip(self.indices, self.marks, strict=True)
            if mark == TaskMark.LEFT.value
        )
