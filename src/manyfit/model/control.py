"""The control chain: what people and planners did to a sweep, in one order that everybody agrees on."""

from dataclasses import dataclass

from manyfit.model.keys import SegmentId, TaskKey


@dataclass(frozen=True, slots=True, kw_only=True)
class AddSegment:
    """
    A plan segment belongs to the sweep from here on.

    `more` says that the same submission goes on: workers wait for the rest. `n_tasks` counts tasks in
    its units, `n_new` those that no earlier segment has.
    """

    segment: SegmentId
    sha256: str
    n_units: int
    n_tasks: int
    n_new: int
    more: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Nobody claims until the next Resume; what runs is stopped at once and given back, uncharged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    """Ends a Pause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Workers that started before this entry give back what they hold and exit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """These tasks are not claimed any more; empty means every task of the segments so far."""

    tasks: tuple[TaskKey, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Compacted:
    """`base` holds the accepted results of all units that it lists as closed, for fast reading."""

    base: str
    sha256: str


Action = AddSegment | Pause | Resume | Stop | Cancel | Compacted


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One action at its position (1, 2, ...) of the chain, with who wrote it and when by their clock."""

    position: int
    action: Action
    by: str
    at: float
