"""What a worker knows of the lease that it holds: which tasks are left, tried, settled. No I/O."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from manyfit.contracts.executor import Work, WorkTask
from manyfit.model.keys import SegmentId, WorkerId, task_key
from manyfit.model.lease import End, EndKind, Lease, TaskMark
from manyfit.model.result import FailureClass
from manyfit.model.segment import Segment
from manyfit.model.unit import Unit
from manyfit.run.poison import Hunt
from manyfit.run.retries import Step, carried_memory, decide

MOST_LOSSES = 5
"""After so many workers lost while on a task, it fails without another try."""

MOST_DEATHS = 2
"""After so many holders lost without a sign of the task, a unit is divided instead of run."""

_LEFT = TaskMark.LEFT.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """One failed attempt: its number, and whether it settles the task."""

    attempt: int
    final: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """Tasks for one order; `alone` on the host, with a memory limit of their own (None: that of the sweep)."""

    indices: tuple[int, ...]
    alone: bool = False
    memory_bytes: int | None = None


class Holding:
    """
    The state of one lease, from claim to end.

    Tasks run in the order of the lease; then groups under suspicion, each by itself; then, each by
    itself, tasks that ran out of memory. Tasks that were put `away` are left for another lease.
    """

    def __init__(self, lease: Lease, unit: Unit, segment: Segment) -> None:
        self.lease = lease
        self.unit = unit
        self.segment = segment
        self._marks = {task.index: _LEFT for task in lease.tasks}
        self._attempts = {task.index: task.attempts for task in lease.tasks}
        self._forgiven = {task.index: task.forgiven for task in lease.tasks}
        self._losses = {task.index: task.losses for task in lease.tasks}
        self._open: dict[int, None] = {task.index: None for task in lease.tasks}
        self._alone = _carried(lease, segment)
        self._first = {index: None for index in self._open if index not in self._alone}
        self._hunt = Hunt()
        self._separately: set[int] = set()
        self.away: dict[int, int] = {}
        """Tasks given back, with the attempts charged to them."""
        self.in_progress: tuple[int, ...] = ()
        self.n_settled = 0
        self.n_failed = 0
        self._n_again = 0

    # -- what is left ------------------------------------------------------------------------------

    def task(self, index: int) -> WorkTask:
        """Return what the task with *index* is."""
        candidate = self.segment.candidates[self.unit.candidates[index]]
        cell = self.segment.cells[self.unit.cells[index]]
        return WorkTask(index=index, key=task_key(candidate.key, cell.key), candidate=candidate, cell=cell)

    def is_left(self, index: int) -> bool:
        """Whether the task still wants a result under this lease."""
        return index in self._open

    def left(self) -> tuple[int, ...]:
        """Return the tasks that want a result under this lease, in the order in which they will run."""
        hunted = (index for index in self._hunt.tasks() if index in self._open)
        return (*self._first, *hunted, *self._alone)

    def lost_too_often(self) -> tuple[int, ...]:
        """Return the tasks that took too many workers with them."""
        return tuple(index for index in self.left() if self._losses[index] >= MOST_LOSSES)

    def poisonous(self) -> bool:
        """Whether to divide the unit before anything of it runs: holder after holder was lost with it."""
        return self.lease.deaths >= MOST_DEATHS and len(self._open) >= 2

    def divisible(self) -> bool:
        """Whether the rest may be given to two: a hunt, and what runs one by one, is brought to its end first."""
        in_pieces = bool(self._hunt.next(self._open)) or not self._separately.isdisjoint(self._open)
        return len(self._open) >= 2 and not in_pieces

    @property
    def n_tried(self) -> int:
        """Attempts under this lease that came to an end."""
        return self.n_settled + self._n_again

    def n_losses(self, index: int) -> int:
        """Return how many workers were lost while on the task."""
        return self._losses[index]

    def attempt(self, index: int) -> int:
        """Return the number of the attempt that comes next or is in progress."""
        return self._attempts[index] + 1

    def settled(self) -> set[int]:
        """Return the tasks that got their final result under this lease."""
        given = (TaskMark.DONE.value, TaskMark.FAILED.value)
        return {index for index, mark in self._marks.items() if mark in given}

    def next_portion(self) -> Portion | None:
        """Return what to run next, None when nothing is left to run under this lease."""
        if self._first:
            return Portion(indices=tuple(self._first))
        if group := self._hunt.next(self._open):
            return Portion(indices=group)
        for index, memory_bytes in self._alone.items():
            return Portion(indices=(index,), alone=True, memory_bytes=memory_bytes)
        return None

    def work(
        self, portion: Portion, inputs: Mapping[int, Mapping[str, Any]], off: frozenset[str] = frozenset()
    ) -> Work:
        """Return *portion* as a runner is asked to do it, without the fusion rules that are *off*."""
        header = self.segment.header
        if portion.memory_bytes is not None:
            header = replace(header, limits=replace(header.limits, memory_bytes=portion.memory_bytes))
        return Work(
            header=header,
            mode=self.unit.mode,
            tasks=[self.task(index) for index in portion.indices],
            inputs={index: inputs[index] for index in portion.indices if index in inputs},
            fuse=not header.alone and self._separately.isdisjoint(portion.indices),
            without=off,
        )

    # -- what happens ------------------------------------------------------------------------------

    def start(self, indices: Sequence[int]) -> None:
        """Note that the tasks are in progress, and no others."""
        self.in_progress = tuple(indices)

    def succeed(self, index: int) -> None:
        """Settle the task as done."""
        self._settle(index, TaskMark.DONE)

    def fail(self, index: int, cls: FailureClass, evidence: Mapping[str, Any]) -> Charge:
        """Charge one attempt to the task; what follows depends on its class, its limits and the evidence."""
        n_charged = self.attempt(index) - self._forgiven[index]
        decision = decide(cls, n_charged, self.segment.header.limits, evidence)
        if decision.step is Step.FINAL:
            return self.fail_for_good(index)
        if not decision.charged:
            return self.excuse(index)
        attempt = self._use_up(index)
        if decision.step is Step.AWAY:
            self._put_away(index)
        else:
            self._alone[index] = decision.memory_bytes
        return Charge(attempt=attempt, final=False)

    def fail_for_good(self, index: int) -> Charge:
        """Charge one attempt to the task and settle it as failed."""
        attempt = self.attempt(index)
        self._settle(index, TaskMark.FAILED)
        self.n_failed += 1
        return Charge(attempt=attempt, final=True)

    def excuse(self, index: int) -> Charge:
        """Use up an attempt of the task without charging it, and give the task back."""
        attempt = self._use_up(index)
        self._forgiven[index] += 1
        self._put_away(index)
        return Charge(attempt=attempt, final=False)

    def forgive(self) -> None:
        """Charge nobody who is left with any attempt of this lease: the host is to blame."""
        for task in self.lease.tasks:
            made_here = self._attempts[task.index] - task.attempts
            self._forgiven[task.index] = task.forgiven + made_here

    def suspect(self, together: Sequence[int]) -> None:
        """Note that the runner died while these tasks, at least two, were in progress together."""
        for index in together:
            self._first.pop(index, None)
        self._n_again += 1
        self._hunt.died(together)

    def separate(self, together: Sequence[int]) -> bool:
        """
        Note that tasks in progress together went beyond a limit; True when they are to run one by one now.

        False for a single task, and for tasks that ran together although they were to run one by one.
        """
        if len(together) < 2 or not self._separately.isdisjoint(together):
            return False
        self._separately.update(together)
        self._n_again += 1
        return True

    def cancel(self, indices: Iterable[int]) -> None:
        """Settle tasks that a person cancelled."""
        for index in indices:
            self._settle(index, TaskMark.CANCELLED)
            self.n_settled -= 1

    def interrupt(self) -> None:
        """Note that nothing is in progress any more, without charging anything."""
        self.in_progress = ()

    def _use_up(self, index: int) -> int:
        attempt = self._attempts[index] = self.attempt(index)
        self._n_again += 1
        self._first.pop(index, None)
        self._alone.pop(index, None)
        self._leave(index)
        return attempt

    def _put_away(self, index: int) -> None:
        self._open.pop(index, None)
        self.away[index] = self._attempts[index] - self._forgiven[index]

    def _settle(self, index: int, mark: TaskMark) -> None:
        self._marks[index] = mark.value
        self._open.pop(index, None)
        self._first.pop(index, None)
        self._alone.pop(index, None)
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

    # -- the end -----------------------------------------------------------------------------------

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
            forgiven=_counted(self._forgiven, open_tasks),
        )


def _counted(counts: Mapping[int, int], indices: Collection[int]) -> tuple[tuple[int, int], ...]:
    return tuple((index, counts[index]) for index in indices if counts.get(index))


def segment_of(unit: str, segments: Iterable[SegmentId]) -> list[SegmentId]:
    """Return *segments* with those first whose id the unit's id starts with: where its unit is looked for."""
    prefix = unit.partition("-")[0]
    return sorted(segments, key=lambda segment: not segment.startswith(prefix))


def _carried(lease: Lease, segment: Segment) -> dict[int, int | None]:
    """Return the tasks that failed under earlier leases, with their memory now, in a sweep that limits memory."""
    limits = segment.header.limits
    if limits.memory_bytes is None:
        return {}
    return {task.index: carried_memory(limits, task.charged) for task in lease.tasks if task.charged > 0}
