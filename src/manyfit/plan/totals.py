"""What the tasks of a plan share in all: by pipeline and rule, with what is not shared and why."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from manyfit.contracts.fusion import Rule
from manyfit.plan.choosing import NO_RULE, NOT_WORTH
from manyfit.plan.sharing import ALONE, Begun, Cohort, Sharing, begin
from manyfit.plan.table import TaskTable

SMALLER_PLAN = "this plan has none of the fits that it could share work with"


@dataclass(slots=True, kw_only=True)
class Part:
    """
    Tasks of one pipeline whose steps of the class at `path` are computed in one way.

    With `rule` they are computed together, in `n_cohorts` cohorts; else alone, for `reason`. `last` tells whether
    the step is the last one: then `n_tasks` are tasks and `n_candidates` candidates. Else they count fits of
    different steps and these steps, and the seconds are part of those of `Steps`.
    """

    pipeline: str
    path: str
    rule: Rule | None = None
    reason: str = ""
    last: bool = True
    n_cohorts: int = 0
    n_tasks: int = 0
    n_candidates: int = 0
    alone_seconds: float = 0.0
    seconds: float = 0.0


@dataclass(slots=True, kw_only=True)
class Steps:
    """
    The steps before the last of one pipeline, computed once for each cell instead of once for each task.

    `n_computed` counts how often steps are fitted, `n_alone` how often they would be for every task alone.
    `n_candidates` and `n_tasks` count those that have such steps.
    """

    pipeline: str
    n_candidates: int = 0
    n_tasks: int = 0
    n_computed: int = 0
    n_alone: int = 0
    alone_seconds: float = 0.0
    seconds: float = 0.0


@dataclass(slots=True, kw_only=True)
class Totals:
    """Predicted seconds of a plan in all and by pipeline, and what they are made of (if work is shared)."""

    alone_seconds: float = 0.0
    seconds: float = 0.0
    by_pipeline: dict[str, float] = field(default_factory=dict)
    parts: list[Part] = field(default_factory=list)
    steps: list[Steps] = field(default_factory=list)


def totals_of(sharing: Sharing | None, tasks: Mapping[str, TaskTable]) -> Totals:
    """Return the totals of these tables of tasks."""
    found = Totals()
    for name, table in tasks.items():
        alone = sum(table.seconds)
        seconds = alone
        if sharing is not None:
            counted = _Counted(sharing, name, table)
            counted.count()
            found.parts += counted.told()
            found.steps += [counted.steps] if counted.steps.n_alone else []
            seconds = counted.steps.seconds + sum(part.seconds for part in counted.parts.values() if part.last)
        found.by_pipeline[name] = seconds
        found.alone_seconds += alone
        found.seconds += seconds
    return found


_Key = tuple[str, str, str, bool]
"""Class, rule, reason, whether it is the last step."""


class _Counted:
    """Counts the cohorts of one pipeline."""

    def __init__(self, sharing: Sharing, pipeline: str, table: TaskTable) -> None:
        self._sharing = sharing
        self._table = table
        self.parts: dict[_Key, Part] = {}
        self.steps = Steps(pipeline=pipeline)
        self._seen: dict[_Key, set[int]] = {}
        self._with_steps: set[int] = set()
        self._last: dict[int, tuple[Part, set[int]]] = {}

    def count(self) -> None:
        begun: Begun | None = None
        cell = -1
        for cohort in self._sharing.cohorts(self._table):
            if cohort.cell != cell:
                self._end(begun)
                begun, cell = begin(self._sharing, cohort), cohort.cell
            if begun is not None:
                begun.add(cohort.stage)
            self._steps(cohort)
            self._cohort(cohort)
        self._end(begun)
        self.steps.n_candidates = len(self._with_steps)

    def told(self) -> Iterator[Part]:
        """Yield the parts, those that are shared first, the last step before others."""
        for key, part in sorted(self.parts.items(), key=lambda one: (not one[1].last, one[1].rule is None)):
            part.n_candidates = len(self._seen[key])
            yield part

    def _steps(self, cohort: Cohort) -> None:
        stages = [one for one in self._sharing.chain(cohort.stage) if self._sharing.all_stages[one].step]
        if stages:
            n = len(cohort.rows)
            self.steps.n_tasks += n
            self._with_steps.update(self._table.candidates[row] for row in cohort.rows)
            self.steps.n_alone += len(stages) * n
            self.steps.alone_seconds += n * self._sharing.chain_seconds(cohort.stage, cohort.n_train)

    def _end(self, begun: Begun | None) -> None:
        """Count the stages of a cell that is complete."""
        if begun is None:
            return
        self.steps.seconds += begun.seconds
        self.steps.n_computed += sum(self._sharing.all_stages[one].step is not None for one in begun.stages)
        for (before, group), members in begun.together.items():
            part = self._stages(group, members, begun.n_train)
            part.n_cohorts += 1
            part.seconds += begun.paid[before, group]
        for one in begun.stages:
            group = self._sharing.all_stages[one].groups.get(begun.n_train, ALONE)
            of = self._sharing.all_groups[group]
            if of.rule is None and of.reason not in ("", NO_RULE):
                part = self._stages(group, [one], begun.n_train)
                part.seconds += self._sharing.all_stages[one].seconds[begun.n_train]

    def _stages(self, group: int, members: Sequence[int], n_train: int) -> Part:
        of = self._sharing.all_groups[group]
        part, seen = self._part(of.path, of.rule, of.reason, last=False)
        part.n_tasks += len(members)
        part.alone_seconds += sum(self._sharing.all_stages[one].seconds[n_train] for one in members)
        seen.update(members)
        return part

    def _cohort(self, cohort: Cohort) -> None:
        group = self._sharing.all_groups[cohort.group]
        if group.rule is None:
            self._loose(cohort)
            return
        alone, seconds = (
            self._sharing.alone_seconds(self._table, cohort),
            self._sharing.seconds(self._table, cohort),
        )
        if seconds < alone:
            part, seen = self._part(group.path, group.rule, "")
        else:
            why = NOT_WORTH if len(cohort.rows) > 1 else SMALLER_PLAN
            part, seen = self._part(group.path, None, why)
        part.n_cohorts += 1
        part.n_tasks += len(cohort.rows)
        part.alone_seconds += alone
        part.seconds += seconds
        seen.update(self._table.candidates[row] for row in cohort.rows)

    def _loose(self, cohort: Cohort) -> None:
        grouped, own = self._sharing.grouped[cohort.n_train], self._sharing.own[cohort.n_train]
        for row in cohort.rows:
            candidate = self._table.candidates[row]
            part, seen = self._alone(grouped[candidate])
            part.n_tasks += 1
            part.alone_seconds += own[candidate]
            part.seconds += own[candidate]
            seen.add(candidate)

    def _alone(self, group: int) -> tuple[Part, set[int]]:
        if group not in self._last:
            of = self._sharing.all_groups[group]
            self._last[group] = self._part(of.path, None, of.reason)
        return self._last[group]

    def _part(self, path: str, rule: Rule | None, reason: str, *, last: bool = True) -> tuple[Part, set[int]]:
        key = (path, rule.name if rule else "", reason, last)
        if key not in self.parts:
            pipeline = self.steps.pipeline
            self.parts[key] = Part(pipeline=pipeline, path=path, rule=rule, reason=reason, last=last)
            self._seen[key] = set()
        return self.parts[key], self._seen[key]
