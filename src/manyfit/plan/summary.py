"""What a plan amounts to, as values that a table, JSON or a notebook can show."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from manyfit.model.candidate import Candidate, Cell
from manyfit.model.keys import task_key
from manyfit.model.profile import DataProfile
from manyfit.plan.costs import Accuracy, Experience
from manyfit.plan.dividing import makespan
from manyfit.plan.fused import FusionSummary, fusion_of
from manyfit.plan.table import TaskTable
from manyfit.plan.tasks import Plan
from manyfit.plan.units import Draft

RESULT_BYTES = 900
"""Typical bytes that a result leaves on disk, log and compaction together."""

RUNNER_BYTES = 190 << 20
"""Resident memory of a warm runner with scikit-learn imported, before any data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineSummary:
    """
    One pipeline of the plan: numbers of candidates, tasks and units, and predicted seconds in all.

    `accuracy` is that of the prediction for one task on earlier fits that it had not seen (None: it comes from
    formulas alone). `peak_bytes` is the predicted memory of a runner on the largest task, 0 when unknown.
    """

    pipeline: str
    n_candidates: int
    n_tasks: int
    n_units: int
    seconds: float
    accuracy: Accuracy | None = None
    peak_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitSummary:
    """
    One split of the plan: tasks in all, folds, and rows of the largest fit.

    `whole` tells whether there are fits on all training rows, scored on the evaluation sets.
    """

    split: str
    n_tasks: int
    n_folds: int
    whole: bool
    n_train: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstTask:
    """One of the tasks that start first."""

    key: str
    pipeline: str
    params: str
    split: str
    fold: int | None
    seed: int
    held_out: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSummary:
    """
    The plan in numbers.

    `wall_seconds` is the prediction for `n_workers` workers; `n_measured` counts the finished tasks that
    it learned from (0: formulas alone, good to a factor of about 3), `accuracy` how far it was off for them.
    `alone_seconds` is what every task alone would cost, `fusion` what is shared and what is not; where that is
    empty, `not_fused` may say why.
    """

    sweep: str
    n_tasks: int
    n_candidates: int
    n_splits: int
    n_folds: int
    n_seeds: int
    n_merged: int
    pipelines: Sequence[PipelineSummary]
    splits: Sequence[SplitSummary]
    cost_seconds: float
    wall_seconds: float
    n_workers: int
    n_measured: int
    disk_bytes: int
    worker_bytes: int
    warnings: Sequence[str]
    first: Sequence[FirstTask]
    accuracy: Accuracy | None = None
    alone_seconds: float = 0.0
    fusion: Sequence[FusionSummary] = ()
    not_fused: str = ""

    @property
    def sureness(self) -> str:
        """Say how good the prediction of time is."""
        if not self.n_measured:
            return "estimate from formulas, no earlier fits: rough, a factor of 3 either way"
        if self.accuracy is None:
            return f"estimate from {self.n_measured:,} earlier fits"
        return (
            f"estimate from {self.n_measured:,} earlier fits, half of them within a factor"
            f" {self.accuracy.median:.1f}, nine tenths within {self.accuracy.p90:.1f}"
        )


def summarise(
    plan: Plan, draft: Draft, profiles: Mapping[str, DataProfile], experience: Experience, n_first: int = 5
) -> PlanSummary:
    """Return the summary of *plan* as it would be published by *draft*."""
    units: dict[str, int] = {}
    costs: list[float] = []
    first: list[FirstTask] = []
    for segment in draft.segments(plan):
        for unit in segment.units:
            units[unit.pipeline] = units.get(unit.pipeline, 0) + 1
            costs.append(unit.cost_seconds)
            if len(first) < n_first:
                candidate, cell = segment.candidates[unit.candidates[0]], segment.cells[unit.cells[0]]
                first.append(_first(candidate, cell))
    rows = [
        PipelineSummary(
            pipeline=name,
            n_candidates=len(set(table.candidates)),
            n_tasks=len(table),
            n_units=units.get(name, 0),
            seconds=plan.totals.by_pipeline[name],
            accuracy=_accuracy(plan, table, experience),
            peak_bytes=draft.header.memory_bytes.get(name, 0),
        )
        for name, table in plan.tasks.items()
    ]
    n_of_cell = Counter(cell for table in plan.tasks.values() for cell in table.cells)
    cells = [plan.cells[i] for i in n_of_cell]
    return PlanSummary(
        sweep=draft.header.sweep,
        n_tasks=plan.n_tasks,
        n_candidates=sum(row.n_candidates for row in rows),
        n_splits=len({cell.split for cell in cells}),
        n_folds=len({cell.fold for cell in cells} - {None}),
        n_seeds=len({cell.seed for cell in cells}),
        n_merged=plan.n_merged,
        pipelines=rows,
        splits=_splits(plan, n_of_cell),
        cost_seconds=plan.cost_seconds,
        wall_seconds=_wall_seconds(plan, costs, draft.n_workers),
        n_workers=draft.n_workers,
        n_measured=experience.n_tasks,
        disk_bytes=plan.n_tasks * RESULT_BYTES + 220 * len(plan.candidates),
        worker_bytes=_worker_bytes(draft, profiles),
        warnings=tuple(plan.warnings),
        first=first,
        accuracy=experience.accuracy,
        alone_seconds=plan.alone_seconds,
        fusion=fusion_of(plan.totals),
    )


def _wall_seconds(plan: Plan, units: Sequence[float], n_workers: int) -> float:
    """Return when the last worker ends: units of tasks that share nothing are divided when it gets late."""
    even = plan.cost_seconds / max(1, n_workers)
    if plan.sharing is not None:
        return max(even, makespan(units, n_workers)[0])
    return max(even, max((max(table.seconds) for table in plan.tasks.values() if len(table)), default=0.0))


def _accuracy(plan: Plan, table: TaskTable, experience: Experience) -> Accuracy | None:
    if not len(table):
        return None
    first = plan.candidates[table.candidates[0]]
    found = experience.seconds.of(first.pipeline, tuple(step.use for step in first.steps))
    return None if found is None else found.accuracy


def _worker_bytes(draft: Draft, profiles: Mapping[str, DataProfile]) -> int:
    """Return the memory of one worker: the largest peak that experience predicts, else a rough sum."""
    rough = RUNNER_BYTES + 3 * max((profile.n_bytes for profile in profiles.values()), default=0)
    return max(draft.header.memory_bytes.values(), default=rough)


def _splits(plan: Plan, n_of_cell: Mapping[int, int]) -> list[SplitSummary]:
    of_split: dict[str, list[int]] = {}
    for position in sorted(n_of_cell):
        of_split.setdefault(plan.cells[position].split, []).append(position)
    return [
        SplitSummary(
            split=split,
            n_tasks=sum(n_of_cell[position] for position in positions),
            n_folds=len({plan.cells[position].fold for position in positions} - {None}),
            whole=any(plan.cells[position].fold is None for position in positions),
            n_train=max(plan.cells[position].n_train for position in positions),
        )
        for split, positions in of_split.items()
    ]


def _first(candidate: Candidate, cell: Cell) -> FirstTask:
    return FirstTask(
        key=task_key(candidate.key, cell.key),
        pipeline=candidate.pipeline,
        params=candidate.label(),
        split=cell.split,
        fold=cell.fold,
        seed=cell.seed,
        held_out=cell.held_out,
    )
