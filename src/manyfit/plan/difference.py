"""What a changed sweep means for the tasks that a store already has."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from manyfit.model.keys import CandidateKey, TaskKey
from manyfit.model.lease import TaskMark
from manyfit.plan.tasks import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownTask:
    """
    A task that the store has: its state, its generation, whether it is part of the sweep.

    `metrics` are those that its segment asked for; `predictions` tells whether that segment kept them.
    `pipeline` is what its pipeline was called then. `kept_of` is set for a fit that no declaration asks
    for, made to keep the model of that candidate.
    """

    mark: TaskMark
    generation: int
    active: bool
    metrics: tuple[str, ...] = ()
    predictions: bool = False
    kept_of: CandidateKey | None = None
    pipeline: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rerun:
    """Tasks that run in a new generation; `score_only` when kept predictions suffice."""

    plan: Plan
    generation: int
    score_only: bool
    supersedes: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """
    The change that a plan makes to a store.

    `fresh` are tasks that the store never had. `reruns` are known tasks that run again: they had left
    the sweep, or lack a metric that is asked for now (`n_lacking`, of which `n_rescored` have kept
    predictions). `removed` are tasks that leave the sweep, `n_kept` those that stay as they are. `renamed`
    maps new names of pipelines to those under which the store goes on showing their known tasks.
    """

    fresh: Plan
    reruns: Sequence[Rerun] = ()
    removed: Sequence[TaskKey] = ()
    n_kept: int = 0
    n_readded: int = 0
    n_lacking: int = 0
    n_rescored: int = 0
    lacking: Sequence[str] = ()
    removed_done: int = 0
    renamed: Mapping[str, str] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        return not (self.fresh.n_tasks or self.reruns or self.removed)


@dataclass(slots=True)
class _Sorted:
    """Tasks of the plan by what has to happen to them."""

    fresh: dict[str, list[int]] = field(default_factory=dict)
    again: dict[tuple[int, bool], dict[str, list[int]]] = field(default_factory=dict)
    states: dict[tuple[int, bool], Counter[str]] = field(default_factory=dict)
    lacking: set[str] = field(default_factory=set)
    n_kept: int = 0
    n_readded: int = 0
    n_lacking: int = 0
    n_rescored: int = 0
    renamed: dict[str, str] = field(default_factory=dict)


def difference(
    plan: Plan, known: Mapping[TaskKey, KnownTask], metrics: Sequence[str], *, removing: bool = True
) -> Difference:
    """
    Compare *plan* with the tasks that the store knows.

    With *removing* false (a filtered run) tasks outside the plan stay in the sweep.
    """
    if not known:
        return Difference(fresh=plan)
    found = _Sorted()
    seen: set[TaskKey] = set()
    for pipeline, row, key in _rows(plan):
        task = known.get(key)
        if task is None:
            found.fresh.setdefault(pipeline, []).append(row)
            continue
        seen.add(key)
        _sort(found, pipeline, row, task, metrics)
    removed = _removed(plan, known, seen) if removing else []
    return Difference(
        fresh=_rows_of(plan, found.fresh),
        reruns=[
            Rerun(
                plan=_rows_of(plan, rows),
                generation=generation,
                score_only=score_only,
                supersedes=dict(found.states[generation, score_only]),
            )
            for (generation, score_only), rows in sorted(found.again.items())
        ],
        removed=removed,
        removed_done=sum(known[key].mark is TaskMark.DONE for key in removed),
        n_kept=found.n_kept,
        n_readded=found.n_readded,
        n_lacking=found.n_lacking,
        n_rescored=found.n_rescored,
        lacking=sorted(found.lacking),
        renamed=found.renamed,
    )


def _removed(plan: Plan, known: Mapping[TaskKey, KnownTask], seen: set[TaskKey]) -> list[TaskKey]:
    """Return the tasks that leave the sweep; the model of a candidate leaves with the candidate."""
    candidates = {candidate.key for candidate in plan.candidates}
    return [
        key for key, task in known.items() if task.active and key not in seen and task.kept_of not in candidates
    ]


def _sort(found: _Sorted, pipeline: str, row: int, task: KnownTask, metrics: Sequence[str]) -> None:
    lacking = set(metrics) - set(task.metrics)
    if task.active and not lacking:
        found.n_kept += 1
        if task.pipeline not in ("", pipeline):
            found.renamed[pipeline] = task.pipeline
        return
    score_only = task.active and task.predictions and task.mark is TaskMark.DONE
    if task.active:
        found.lacking |= lacking
        found.n_lacking += 1
        found.n_rescored += score_only
    else:
        found.n_readded += 1
    group = (task.generation + 1, score_only)
    found.again.setdefault(group, {}).setdefault(pipeline, []).append(row)
    if task.active:
        found.states.setdefault(group, Counter())[_STATE[task.mark]] += 1
    else:
        found.states.setdefault(group, Counter())


_STATE = {
    TaskMark.DONE: "done",
    TaskMark.FAILED: "failed",
    TaskMark.CANCELLED: "cancelled",
    TaskMark.LEFT: "pending",
}


def _rows(plan: Plan) -> Iterator[tuple[str, int, TaskKey]]:
    for pipeline, table in plan.tasks.items():
        for row, (candidate, cell) in enumerate(zip(table.candidates, table.cells, strict=True)):
            yield pipeline, row, plan.key(candidate, cell)


def _rows_of(plan: Plan, rows: Mapping[str, Sequence[int]]) -> Plan:
    tables = {name: plan.tasks[name].only(positions) for name, positions in rows.items() if positions}
    return Plan(
        candidates=plan.candidates,
        cells=plan.cells,
        tasks=tables,
        n_merged=plan.n_merged if tables else 0,
        warnings=plan.warnings,
        sharing=plan.sharing,
    )
