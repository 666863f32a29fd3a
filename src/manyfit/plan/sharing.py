"""What the tasks of a plan share: the steps before the last, and groups that a fusion rule computes together."""

from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from manyfit.contracts.estimators import FitSize
from manyfit.contracts.fusion import Rule
from manyfit.model.candidate import Candidate, Cell, Params, Step
from manyfit.plan.choosing import SHARED_STEPS, Chosen, Fits, Using, choose, shared_seconds
from manyfit.plan.costs import CostModel
from manyfit.plan.steps import SEED_PARAM
from manyfit.plan.table import TaskTable

OPEN_SEED = 2**31 - 19
"""Stands for the seed of a cell, in which it is the same for all: any number will do that nobody declares."""

ALONE = 0
"""The position of the group that fits are in until they are found to share work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Fits of the class at `path` that `rule` computes together; without a rule, fits alone for this `reason`."""

    path: str = ""
    rule: Rule | None = None
    reason: str = ""


@dataclass(slots=True, kw_only=True)
class Stage:
    """
    A step that transforms, behind the stage `before` it: fits that have it in common compute it once.

    The first stage of a feature set has no step. `size` is what the steps behind it meet. `size`, `formula`,
    `seconds` (predicted, alone) and `groups` are by number of training rows.
    """

    before: int
    step: Step | None = None
    size: dict[int, FitSize] = field(default_factory=dict)
    formula: dict[int, float] = field(default_factory=dict)
    seconds: dict[int, float] = field(default_factory=dict)
    groups: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohort:
    """
    Tasks of one cell behind one stage that are computed together (or, in a group without a rule, each alone).

    `rows` are positions in their table, those with the longest fits first. A group without a rule stands for all
    such groups.
    """

    cell: int
    n_train: int
    stage: int
    group: int
    rows: Sequence[int]


@dataclass(slots=True, kw_only=True)
class Sharing:
    """
    What shares work, by position of candidates and cells in a plan. `find_sharing` makes it.

    `n_trains` are the training rows of each cell. `stages` holds the stage of each candidate; by number of
    training rows, `grouped` holds its group and `own` the predicted seconds of its last step.
    """

    candidates: Sequence[Candidate]
    costs: CostModel
    n_trains: "array[int]"
    all_stages: list[Stage]
    all_groups: list[Group]
    stages: "array[int]"
    grouped: dict[int, "array[int]"]
    own: dict[int, "array[float]"]
    _ranks: dict[int, "array[int]"] = field(default_factory=dict)
    _marks: dict[int, "array[int]"] = field(default_factory=dict)
    _known: dict[tuple[int, int, tuple[int, ...]], float] = field(default_factory=dict)
    _chains: dict[tuple[int, int], float] = field(default_factory=dict)

    def cohorts(self, table: TaskTable, rows: Sequence[int] | None = None) -> Iterator[Cohort]:
        """Yield the cohorts of *table*, or of these *rows* of it: cell by cell, what shares most side by side."""
        cells, candidates = table.cells, table.candidates
        cell, mark, marks = -1, -1, array("Q")
        found: list[int] = []
        for row in self._ordered(table, range(len(table)) if rows is None else rows):
            if cells[row] != cell or marks[candidates[row]] != mark:
                if found:
                    yield self._cohort(cell, mark, found)
                cell, found = cells[row], []
                marks = self._marks_of(self.n_trains[cell])
                mark = marks[candidates[row]]
            found.append(row)
        if found:
            yield self._cohort(cell, mark, found)

    def _cohort(self, cell: int, mark: int, rows: Sequence[int]) -> Cohort:
        stage, group = divmod(mark, len(self.all_groups))
        return Cohort(cell=cell, n_train=self.n_trains[cell], stage=stage, group=group, rows=rows)

    def _marks_of(self, n_train: int) -> "array[int]":
        """Return stage and group of each candidate as one number; groups without a rule are one."""
        if n_train not in self._marks:
            n = len(self.all_groups)
            shared = [at if group.rule else ALONE for at, group in enumerate(self.all_groups)]
            pairs = zip(self.stages, self.grouped[n_train], strict=True)
            self._marks[n_train] = array("Q", (stage * n + shared[group] for stage, group in pairs))
        return self._marks[n_train]

    def matters(self, table: TaskTable) -> bool:
        """Whether any tasks of *table* may share work."""
        candidates = set(table.candidates)
        if any(self.all_stages[stage].step for stage in {self.stages[i] for i in candidates}):
            return True
        groups = {grouped[i] for grouped in self.grouped.values() for i in candidates}
        return any(self.all_groups[group].rule for group in groups)

    def portions(self, table: TaskTable, n: int) -> list[list[int]]:
        """
        Return the rows of *table* in *n* parts of about equal length, in which candidates are whole.

        So are groups, unless that would make a part longer by half.
        """
        rows: dict[int, list[int]] = {}
        for row, candidate in enumerate(table.candidates):
            rows.setdefault(candidate, []).append(row)
        first = self._first_of_group(rows)
        size = len(table) / n
        parts: list[list[int]] = [[] for _ in range(n)]
        at = done = 0
        before = -1
        for candidate in sorted(rows, key=lambda i: (first[i], i)):
            if at < n - 1 and done >= (at + (1.0 if first[candidate] != before else 1.5)) * size:
                at += 1
            before = first[candidate]
            parts[at].extend(rows[candidate])
            done += len(rows[candidate])
        return [sorted(part) for part in parts]

    def _first_of_group(self, candidates: Iterable[int]) -> dict[int, int]:
        """Return for each candidate the first one that is in its group: itself, if no other is."""
        shared = [bool(group.rule) for group in self.all_groups]
        by_size = [grouped for _, grouped in sorted(self.grouped.items(), reverse=True)]
        first: dict[int, int] = {}
        found = {}
        for i in candidates:
            group = next((grouped[i] for grouped in by_size if shared[grouped[i]]), None)
            found[i] = i if group is None else first.setdefault(group, i)
        return found

    def _ordered(self, table: TaskTable, rows: Sequence[int]) -> list[int]:
        n = len(self.candidates)
        cells, candidates = table.cells, table.candidates
        ranks = {cell: self._ranks_of(self.n_trains[cell]) for cell in {cells[row] for row in rows}}
        keys = [cells[row] * n + ranks[cells[row]][candidates[row]] for row in rows]
        return [rows[i] for i in sorted(range(len(rows)), key=keys.__getitem__)]

    def _ranks_of(self, n_train: int) -> "array[int]":
        """Return the place of each candidate in the order in which those with this many rows are run."""
        if n_train not in self._ranks:
            marks, own = self._marks_of(n_train), self.own[n_train]
            stages = self._stage_ranks(n_train)
            order = sorted(
                range(len(self.candidates)), key=lambda i: (stages[self.stages[i]], marks[i], -own[i], i)
            )
            ranks = array("I", bytes(4 * len(order)))
            for rank, i in enumerate(order):
                ranks[i] = rank
            self._ranks[n_train] = ranks
        return self._ranks[n_train]

    def _stage_ranks(self, n_train: int) -> list[int]:
        """Return the place of each stage: those that are computed together, or begin alike, side by side."""
        paths: list[tuple[int, ...]] = []
        for position, stage in enumerate(self.all_stages):
            # A stage never stands before the one that it continues.
            begin = paths[stage.before] if stage.before >= 0 else ()
            paths.append((*begin, stage.groups.get(n_train, ALONE), position))
        order = sorted(range(len(paths)), key=paths.__getitem__)
        return [rank for _, rank in sorted(zip(order, range(len(order)), strict=True))]

    # -- predicted seconds ---------------------------------------------------------------------------

    def alone_seconds(self, table: TaskTable, cohort: Cohort) -> float:
        """Return the predicted seconds of the last steps of a cohort, each computed alone."""
        own = self.own[cohort.n_train]
        return sum(own[table.candidates[row]] for row in cohort.rows)

    def seconds(self, table: TaskTable, cohort: Cohort) -> float:
        """Return the predicted seconds of the last steps of a cohort, computed together if that is shorter."""
        alone = self.alone_seconds(table, cohort)
        rule = self.all_groups[cohort.group].rule
        if rule is None or len(cohort.rows) < 2:
            return alone
        key = (cohort.n_train, cohort.group, tuple(table.candidates[row] for row in cohort.rows))
        if key not in self._known:
            self._known[key] = self._cost(rule, cohort, key[2])
        return min(alone, self._known[key])

    def _cost(self, rule: Rule, cohort: Cohort, members: Sequence[int]) -> float:
        own = self.own[cohort.n_train]
        return shared_seconds(
            rule,
            self.all_groups[cohort.group].path,
            [self.params(self.candidates[i].steps[-1]) for i in members],
            [own[i] for i in members],
            self.all_stages[cohort.stage].size[cohort.n_train],
        )

    def chain(self, stage: int) -> Iterator[int]:
        """Yield the stages that lead to *stage*, the last one first."""
        while stage >= 0:
            yield stage
            stage = self.all_stages[stage].before

    def chain_seconds(self, stage: int, n_train: int) -> float:
        """Return the predicted seconds of all steps up to *stage*."""
        key = (stage, n_train)
        if key not in self._chains:
            self._chains[key] = sum(self.all_stages[one].seconds.get(n_train, 0.0) for one in self.chain(stage))
        return self._chains[key]

    def params(self, step: Step) -> dict[str, Any]:
        """Return all parameters of a step as rules see them: with a seed where the cell gives one."""
        return seeded(self.costs.params(step))


@dataclass(slots=True)
class Begun:
    """
    The stages that one cell computes within one unit, each once, and their predicted `seconds`.

    `together` holds the stages that a rule computes together, by stage before and group; `paid` their seconds.
    """

    sharing: Sharing
    n_train: int
    seconds: float = 0.0
    stages: set[int] = field(default_factory=set)
    together: dict[tuple[int, int], list[int]] = field(default_factory=dict)
    paid: dict[tuple[int, int], float] = field(default_factory=dict)

    def add(self, stage: int) -> float:
        """Add *stage* and those before it; return the predicted seconds that come with them."""
        before = self.seconds
        for one in self.sharing.chain(stage):
            if one in self.stages:
                break
            self.stages.add(one)
            self._add(one)
        return self.seconds - before

    def _add(self, position: int) -> None:
        stage = self.sharing.all_stages[position]
        alone = stage.seconds.get(self.n_train, 0.0)
        group = self.sharing.all_groups[stage.groups.get(self.n_train, ALONE)]
        if group.rule is None:
            self.seconds += alone
            return
        key = (stage.before, stage.groups[self.n_train])
        members = self.together.setdefault(key, [])
        members.append(position)
        paid = self.paid.get(key, 0.0)
        self.paid[key] = alone if len(members) == 1 else min(paid + alone, self._cost(group, members))
        self.seconds += self.paid[key] - paid

    def _cost(self, group: Group, members: Sequence[int]) -> float:
        assert group.rule is not None
        stages = [self.sharing.all_stages[one] for one in members]
        return shared_seconds(
            group.rule,
            group.path,
            [self.sharing.params(stage.step) for stage in stages if stage.step],
            [stage.seconds.get(self.n_train, 0.0) for stage in stages],
            self.sharing.all_stages[stages[0].before].size[self.n_train],
        )


def begin(sharing: Sharing, cohort: Cohort) -> Begun:
    """Return that nothing is computed yet on the cell of *cohort*."""
    return Begun(sharing, cohort.n_train)


def seeded(params: Params) -> dict[str, Any]:
    """Return *params* with a seed in the place of every `random_state` that is left open, nested ones too."""
    made = dict(params)
    # Not `Mapping`, which takes longer than all the rest.
    for name in [name for name, value in params.items() if type(value) is dict]:
        made[name] = seeded(made[name])
    if SEED_PARAM in made and made[SEED_PARAM] is None:
        made[SEED_PARAM] = OPEN_SEED
    return made


def find_sharing(
    candidates: Sequence[Candidate], cells: Sequence[Cell], costs: CostModel, using: Using
) -> Sharing | None:
    """Return what these candidates share on these cells; None when the sweep wants nothing shared."""
    # An audit that found fault with shared steps leaves next to nothing to predict.
    if SHARED_STEPS in using.fuse.off or not (using.fuse.exact or using.fuse.also):
        return None
    return _Finder(candidates, cells, costs, using).find()


class _Finder:
    """Finds stages and groups: tokens are computed once for each candidate, not for each task."""

    def __init__(
        self, candidates: Sequence[Candidate], cells: Sequence[Cell], costs: CostModel, using: Using
    ) -> None:
        self._costs = costs
        self._using = using
        self._cells: defaultdict[str, dict[int, Cell]] = defaultdict(dict)
        for cell in cells:
            self._cells[cell.variant].setdefault(cell.n_train, cell)
        sizes = {cell.n_train for cell in cells}
        self._found = Sharing(
            candidates=candidates,
            costs=costs,
            n_trains=array("I", (cell.n_train for cell in cells)),
            all_stages=[],
            all_groups=[Group()],
            stages=array("I"),
            grouped={n_train: array("I", bytes(4 * len(candidates))) for n_train in sizes},
            own={n_train: array("f", bytes(4 * len(candidates))) for n_train in sizes},
        )
        self._stage_at: dict[tuple[int, str, str], int] = {}
        self._first_of: list[Candidate] = []
        self._reason_at: dict[tuple[str, str], int] = {}

    def find(self) -> Sharing:
        alike: defaultdict[tuple[str, str, str, str], list[int]] = defaultdict(list)
        for i, candidate in enumerate(self._found.candidates):
            stage = self._stage(candidate)
            self._found.stages.append(stage)
            self._divide_cost(i, candidate, stage)
            last = candidate.steps[-1].use if candidate.steps else ""
            alike[candidate.pipeline, candidate.variant, candidate.features, last].append(i)
        for members in alike.values():
            self._group_fits(members)
        self._group_stages()
        return self._found

    def _stage(self, candidate: Candidate) -> int:
        """Return the stage in front of the last step of *candidate*."""
        at = self._position(-1, candidate.variant, candidate.features, None, candidate)
        for step in candidate.steps[:-1]:
            # Parameters are canonical: equal ones are written alike.
            at = self._position(at, step.use, repr(step.params), step, candidate)
        return at

    def _position(self, before: int, use: str, params: str, step: Step | None, candidate: Candidate) -> int:
        key = (before, use, params)
        if key not in self._stage_at:
            self._stage_at[key] = len(self._found.all_stages)
            stage = Stage(before=before, step=step)
            for n_train in self._cells[candidate.variant]:
                if step is None:
                    stage.size[n_train] = self._costs.size(candidate, n_train)
                    continue
                size = self._found.all_stages[before].size[n_train]
                stage.formula[n_train] = self._costs.step_seconds(step, size)
                stage.size[n_train] = self._costs.after(step, size)
            self._found.all_stages.append(stage)
            self._first_of.append(candidate)
        return self._stage_at[key]

    def _divide_cost(self, i: int, candidate: Candidate, stage: int) -> None:
        """Divide the predicted seconds of a candidate between its steps, as their formulas do."""
        chain = [one for one in map(self._found.all_stages.__getitem__, self._found.chain(stage)) if one.step]
        for n_train, cell in self._cells[candidate.variant].items():
            whole = self._costs.seconds(candidate, cell)
            if not chain:
                self._found.own[n_train][i] = whole
                continue
            last = self._costs.step_seconds(candidate.steps[-1], self._found.all_stages[stage].size[n_train])
            formula = last + sum(one.formula[n_train] for one in chain)
            factor = whole / formula if formula > 0 else 0.0
            self._found.own[n_train][i] = last * factor
            for one in chain:
                one.seconds.setdefault(n_train, one.formula[n_train] * factor)

    def _group_fits(self, members: Sequence[int]) -> None:
        found = self._found
        first = found.candidates[members[0]]
        for n_train in self._cells[first.variant] if first.steps else ():
            fits = Fits(
                path=first.steps[-1].use,
                size=found.all_stages[found.stages[members[0]]].size[n_train],
                positions=members,
                params=lambda i: found.params(found.candidates[i].steps[-1]),
                alone=found.own[n_train].__getitem__,
                place=found.stages.__getitem__,
            )
            for i, group in self._groups(fits):
                found.grouped[n_train][i] = group

    def _groups(self, fits: Fits) -> Iterator[tuple[int, int]]:
        """Yield the group of each fit."""
        chosen, reasons = choose(self._using, fits)
        for one in chosen:
            yield from self._of(one, fits.path)
        for position, reason in reasons.items():
            key = (fits.path, reason)
            if key not in self._reason_at:
                self._reason_at[key] = len(self._found.all_groups)
                self._found.all_groups.append(Group(path=fits.path, reason=reason))
            yield position, self._reason_at[key]

    def _of(self, chosen: Chosen, path: str) -> Iterator[tuple[int, int]]:
        at = len(self._found.all_groups)
        self._found.all_groups.append(Group(path=path, rule=chosen.rule))
        for position in chosen.members:
            yield position, at

    def _group_stages(self) -> None:
        """Find which of the stages that continue the same one are computed together."""
        alike: defaultdict[tuple[int, str], list[int]] = defaultdict(list)
        for position, stage in enumerate(self._found.all_stages):
            if stage.step is not None:
                alike[stage.before, stage.step.use].append(position)
        for members in alike.values():
            if len(members) > 1:
                self._group_alike(members, self._first_of[members[0]])

    def _group_alike(self, members: Sequence[int], candidate: Candidate) -> None:
        found = self._found
        step = found.all_stages[members[0]].step
        assert step is not None
        for n_train in self._cells[candidate.variant]:
            fits = Fits(
                path=step.use,
                size=found.all_stages[found.all_stages[members[0]].before].size[n_train],
                positions=members,
                params=lambda i: found.params(found.all_stages[i].step or step),
                alone=lambda i, n_train=n_train: found.all_stages[i].seconds[n_train],  # type: ignore[misc]
                place=lambda i: 0,
            )
            for i, group in self._groups(fits):
                found.all_stages[i].groups[n_train] = group
