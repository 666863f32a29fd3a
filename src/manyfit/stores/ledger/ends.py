"""How the end of an epoch follows from what a holder says, or from what a lost holder left behind."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from manyfit.model.errors import Refused
from manyfit.model.keys import WorkerId
from manyfit.model.lease import Assigned, End, EndKind, Lease, TaskMark
from manyfit.model.result import Outcome

SYNC_BYTES = 256 * 1024
"""`Store.record` makes everything durable when this much is waiting ..."""
SYNC_SECONDS = 0.05
"""... or when the oldest waiting byte is this old."""

LEFT = TaskMark.LEFT.value
CANCELLED = TaskMark.CANCELLED.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What a result line says about the state of its task."""

    index: int
    attempt: int
    outcome: Outcome
    final: bool

    @classmethod
    def of_line(cls, line: bytes) -> "Attempt":
        """Return what a result line says."""
        value = json.loads(line)
        return cls(
            index=value["index"],
            attempt=value["attempt"],
            outcome=Outcome(value["outcome"]),
            final=value["final"],
        )


@dataclass(slots=True)
class _Past:
    """What is carried from end to end for each task that is left."""

    attempts: dict[int, int]
    losses: dict[int, int]
    forgiven: dict[int, int]

    @classmethod
    def of(cls, end: End | None) -> "_Past":
        if end is None:
            return cls({}, {}, {})
        return cls(dict(end.attempts), dict(end.losses), dict(end.forgiven))


def left_of(own: Sequence[int], previous: End | None) -> tuple[Assigned, ...]:
    """Return the tasks that are left of a unit whose tasks are *own* after its end *previous*."""
    if previous is None:
        return tuple(Assigned(index=index) for index in own)
    return previous.left()


def inherited(own: Sequence[int], parent: End) -> End:
    """Return what a child of the split *parent*, with the tasks *own*, goes on from: a split forgives nothing."""
    mine = set(own)
    return End(
        kind=EndKind.YIELDED,
        indices=tuple(own),
        marks=LEFT * len(own),
        attempts=tuple((index, count) for index, count in parent.attempts if index in mine),
        losses=tuple((index, count) for index, count in parent.losses if index in mine),
        forgiven=tuple((index, count) for index, count in parent.forgiven if index in mine),
    )


def concluded(end: End, lease: Lease, own: Sequence[int], previous: End | None, withdrawn: Collection[int]) -> End:
    """
    Return the end of the epoch of *lease* that is published when its holder says *end*.

    A holder speaks for the tasks of its lease only: all other marks are those of *previous*. What is
    *withdrawn* (cancelled, removed, superseded) and not settled is marked as cancelled, and nothing
    else is. The kind follows from what is left, so that DONE always means that everything is settled.
    """
    given = dict(zip(end.indices, end.marks, strict=True))
    if strangers := given.keys() - set(own):
        raise Refused(f"end of unit {lease.unit} names tasks {sorted(strangers)}, which are not tasks of it")
    marks, past = _marks(own, previous), _Past.of(previous)
    for task in lease.tasks:
        said = given.get(task.index, LEFT)
        marks[task.index] = LEFT if said == CANCELLED else said
    for index in withdrawn:
        if marks.get(index) == LEFT:
            marks[index] = CANCELLED
    past.attempts |= {task.index: task.attempts for task in lease.tasks} | dict(end.attempts)
    past.losses |= {task.index: task.losses for task in lease.tasks} | dict(end.losses)
    past.forgiven |= {task.index: task.forgiven for task in lease.tasks} | dict(end.forgiven)
    # a holder that comes to the end of its epoch has survived it
    return _end(end.kind, own, marks, past, parts=end.parts, by=lease.worker)


def sealed(
    own: Sequence[int], previous: End | None, durable: Iterable[Attempt], lost: int | None, by: WorkerId
) -> End:
    """
    Return the end that seals an epoch whose holder left the *durable* records behind.

    *lost* is the task that the holder was on, if that is known: it is charged with a loss unless it is
    settled. A task that is left alone is that task in any case. When nobody knows which task it was,
    the death is the unit's.
    """
    marks, past = _marks(own, previous), _Past.of(previous)
    progress = False
    for attempt in durable:
        if attempt.index in marks:
            progress = True
            _take(attempt, marks, past)
    left = [index for index in own if marks[index] == LEFT]
    if len(left) == 1:
        lost = left[0]
    known = lost is not None and marks.get(lost) == LEFT
    if lost is not None and known:
        past.losses[lost] = past.losses.get(lost, 0) + 1
    deaths = (previous.deaths if previous and not progress else 0) + (0 if known else 1)
    return _end(EndKind.SEALED, own, marks, past, by=by, deaths=deaths if left else 0)


def _take(attempt: Attempt, marks: dict[int, str], past: _Past) -> None:
    """Take in one durable record, unless it was taken in before."""
    index = attempt.index
    if attempt.attempt > past.attempts.get(index, 0):
        past.attempts[index] = attempt.attempt
        past.forgiven[index] = past.forgiven.get(index, 0) + (not attempt.outcome.charged)
    if attempt.final and marks[index] == LEFT:
        succeeded = attempt.outcome is Outcome.SUCCEEDED
        marks[index] = (TaskMark.DONE if succeeded else TaskMark.FAILED).value


def _marks(own: Sequence[int], previous: End | None) -> dict[int, str]:
    return dict(zip(own, previous.marks if previous else LEFT * len(own), strict=True))


def _end(
    kind: EndKind,
    own: Sequence[int],
    marks: Mapping[int, str],
    past: _Past,
    *,
    by: WorkerId,
    parts: Sequence[Sequence[int]] = (),
    deaths: int = 0,
) -> End:
    left = [index for index in own if marks[index] == LEFT]
    children = _parts(parts, left) if kind is EndKind.SPLIT else ()
    if not left:
        kind = EndKind.DONE
    elif kind is EndKind.DONE:
        kind = EndKind.YIELDED
    return End(
        kind=kind,
        indices=tuple(own),
        marks="".join(marks[index] for index in own),
        attempts=_nonzero(left, past.attempts),
        losses=_nonzero(left, past.losses),
        parts=children,
        by=by,
        forgiven=_nonzero(left, past.forgiven),
        deaths=deaths,
    )


def _parts(parts: Sequence[Sequence[int]], left: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """Divide exactly what is left: nothing settled gets into a child, nothing left is in none or two."""
    open_indices = dict.fromkeys(left)
    children = []
    for part in parts:
        child = tuple(index for index in part if open_indices.pop(index, 0) is None)
        children.append(child)
    children.append(tuple(open_indices))
    return tuple(child for child in children if child)


def _nonzero(left: Sequence[int], counts: Mapping[int, int]) -> tuple[tuple[int, int], ...]:
    return tuple((index, counts[index]) for index in left if counts.get(index))
