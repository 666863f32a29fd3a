"""What a worker knows of the lease that it holds: which tasks are left, tried, settled. No I/O."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from manyfit.contracts.executor import Work, WorkTask
from manyfit.model.keys import SegmentId, WorkerId, task_key
from manyfit.model.lease import End, EndKind, Lease, TaskMark
from manyfit.model.result import FailureClass
from manyfit.model.segment import Segment
from manyfit.model.unit import Unit

MOST_LOSSES = 5
"""After so many workers lost while on a task, it fails without another try."""

_LEFT = TaskMark.LEFT.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """One failed attempt: its number, and whether it settles the task."""

    attempt: int
    final: bool


class Holding:
    """
    The state of one lease, from claim to end.

    Tasks run in the order of the lease. A task that may be tried again waits until all others are
    settled, and then runs in an order of its own, so that it can harm no other.
    """

    def __init__(self, lease: Lease, unit: Unit, segment: Segment) -> None:
        self.lease = lease
        self.unit = unit
        self.segment = segment
        self._marks = {task.index: _LEFT for task in lease.tasks}
        self._attempts = {task.index: task.attempts for task in lease.tasks}
        self._losses = {task.index: task.losses for task in lease.tasks}
        self._first = {task.index: None for task in lease.tasks}
        self._again: dict[int, None] = {}
        self.in_progress: tuple[int, ...] = ()
        self.n_settled = 0
        self.n_failed = 0

    def task(self, index: int) -> WorkTask:
        """Return what the task with *index* is."""
        candidate = self.segment.candidates[self.unit.candidates[index]]
        cell = self.segment.cells[self.unit.cells[index]]
        return WorkTask(index=index, key=task_key(candidate.key, cell.key), candidate=candidate, cell=cell)

    def is_left(self, index: int) -> bool:
        """Whether the task still wants a result under this lease."""
        return index in self._first or index in self._again

    def left(self) -> tuple[int, ...]:
        """Return the tasks of this lease that are not settled, in the order in which they will run."""
        return (*self._first, *self._again)

    def lost_too_often(self) -> tuple[int, ...]:
        """Return the tasks that took too many workers with them."""
        return tuple(index for index in self.left() if self._losses[index] >= MOST_LOSSES)

    def n_losses(self, index: int) -> int:
        """Return how many workers were lost while on the task."""
        return self._losses[index]

    def attempt(self, index: int) -> int:
        """Return the number of the attempt that comes next or is in progress."""
        return self._attempts[index] + 1

    def next_work(self, inputs: Mapping[int, Mapping[str, Any]]) -> Work | None:
        """Return what to run next, None when all is settled."""
        indices = tuple(self._first) or tuple(self._again)[:1]
        if not indices:
            return None
        return Work(
            header=self.segment.header,
            mode=self.unit.mode,
            tasks=[self.task(index) for index in indices],
            inputs={index: inputs[index] for index in indices if index in inputs},
        )

    def start(self, indices: Sequence[int]) -> None:
        """Note that the tasks are in progress."""
        self.in_progress += tuple(indices)

    def succeed(self, index: int) -> None:
        """Settle the task as done."""
        self._settle(index, TaskMark.DONE)

    def fail(self, index: int, cls: FailureClass) -> Charge:
        """Charge one attempt to the task; it is tried again if its class and the limits of the segment allow."""
        attempt = self.attempt(index)
        if cls.retried and cls is not FailureClass.HOST_LOST and attempt < self.segment.header.limits.attempts:
            self._attempts[index] = attempt
            self._first.pop(index, None)
            self._again.pop(index, None)
            self._again[index] = None
            self._leave(index)
            return Charge(attempt=attempt, final=False)
        self._settle(index, TaskMark.FAILED)
        self.n_failed += 1
        return Charge(attempt=attempt, final=True)

    def cancel(self, indices: Iterable[int]) -> None:
        """Settle tasks that a person cancelled."""
        for index in indices:
            self._settle(index, TaskMark.CANCELLED)
            self.n_settled -= 1

    def interrupt(self) -> None:
        """Note that nothing is in progress any more, without charging anything."""
        self.in_progress = ()

    def _settle(self, index: int, mark: TaskMark) -> None:
        self._marks[index] = mark.value
        self._first.pop(index, None)
        self._again.pop(index, None)
        self._leave(index)
        self.n_settled += 1

    def _leave(self, index: int) -> None:
        if self.in_progress == (index,):
            self.in_progress = ()
        elif self.in_progress:
            self.in_progress = tuple(other for other in self.in_progress if other != index)

    def suspects(self) -> tuple[int, ...]:
        """Return whom to charge for the death of the runner: who was in progress, else who was next."""
        return self.in_progress or self.left()[:1]

    def predicted_seconds(self) -> float:
        """Return the predicted cost of the lease's share of the unit."""
        return self.unit.cost_seconds * len(self.lease.tasks) / max(1, len(self.unit))

    def end(self, kind: EndKind, by: WorkerId) -> End:
        """
        Return the end of this epoch as things are, for the tasks of the lease.

        A SPLIT divides what is left into two halves.
        """
        open_tasks = [index for index, mark in self._marks.items() if mark == _LEFT]
        middle = (len(open_tasks) + 1) // 2
        parts = (tuple(open_tasks[:middle]), tuple(open_tasks[middle:])) if kind is EndKind.SPLIT else ()
        return End(
            kind=kind,
            indices=tuple(self._marks),
            marks="".join(self._marks.values()),
            attempts=_counted(self._attempts, open_tasks),
            losses=_counted(self._losses, open_tasks),
            parts=parts,
            by=by,
        )


def _counted(counts: Mapping[int, int], indices: Collection[int]) -> tuple[tuple[int, int], ...]:
    return tuple((index, counts[index]) for index in indices if counts.get(index))


def segment_of(unit: str, segments: Iterable[SegmentId]) -> list[SegmentId]:
    """Return *segments* with those first whose id the unit's id starts with: where its unit is looked for."""
    prefix = unit.partition("-")[0]
    return sorted(segments, key=lambda segment: not segment.startswith(prefix))
