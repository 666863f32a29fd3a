"""From candidates and cells to the tasks of a sweep."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from manyfit.model.candidate import Candidate, Cell
from manyfit.model.keys import TaskKey, task_key
from manyfit.plan.choosing import Using
from manyfit.plan.costs import CostModel
from manyfit.plan.expand import Expansion
from manyfit.plan.sharing import Sharing, find_sharing
from manyfit.plan.table import TaskTable
from manyfit.plan.totals import Totals, totals_of

__all__ = ["Plan", "TaskTable", "make_plan", "peaks"]


@dataclass(slots=True, kw_only=True)
class Plan:
    """
    Every task of a sweep. `tasks` holds the tasks of each pipeline.

    `n_merged` counts tasks that were planned twice under different names and are one. `sharing` tells which of
    them share work; without it every task is alone. Tasks must not change once totals were asked for.
    """

    candidates: Sequence[Candidate]
    cells: Sequence[Cell]
    tasks: Mapping[str, TaskTable]
    n_merged: int
    warnings: Sequence[str] = ()
    sharing: Sharing | None = None
    portions: Mapping[str, Sequence[Sequence[int]]] | None = None
    _totals: Totals | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def n_tasks(self) -> int:
        return sum(len(table) for table in self.tasks.values())

    @property
    def totals(self) -> Totals:
        """What is shared, what is not, and predicted seconds of both."""
        if self._totals is None:
            self._totals = totals_of(self.sharing, self.tasks)
        return self._totals

    @property
    def cost_seconds(self) -> float:
        """Predicted seconds of one worker, with shared work counted once."""
        return self.totals.seconds

    @property
    def alone_seconds(self) -> float:
        """Predicted seconds of one worker that computes every task alone."""
        return self.totals.alone_seconds

    def key(self, candidate: int, cell: int) -> TaskKey:
        return task_key(self.candidates[candidate].key, self.cells[cell].key)

    def keys(self) -> Iterator[TaskKey]:
        """Yield the key of every task, pipeline by pipeline in planned order."""
        for table in self.tasks.values():
            for candidate, cell in zip(table.candidates, table.cells, strict=True):
                yield self.key(candidate, cell)

    def where(self, wanted: Callable[[int, int], bool]) -> "Plan":
        """Return the plan with only the tasks (candidate, cell) that are wanted."""
        kept = {}
        for name, table in self.tasks.items():
            rows = [t for t in range(len(table)) if wanted(table.candidates[t], table.cells[t])]
            if rows:
                kept[name] = table if len(rows) == len(table) else table.only(rows)
        whole = kept == self.tasks
        return replace(self, tasks=kept, portions=self.portions if whole else None)


def make_plan(expansion: Expansion, costs: CostModel, using: Using | None = None) -> Plan:
    """Combine candidates and cells into tasks that share work by the rules in *using* (None: no work)."""
    candidates: list[Candidate] = []
    cells: dict[str, int] = {}
    table_of_cells: list[Cell] = []
    tasks: dict[str, TaskTable] = {}
    n_merged = 0
    for pipeline, made in expansion.made.items():
        table = tasks.setdefault(pipeline, TaskTable())
        for one in made:
            position = len(candidates)
            candidates.append(one.candidate)
            for group in expansion.groups[one.candidate.variant]:
                merged = not one.seeded and group.unseeded is not None
                n_merged += len(group.cells) - 1 if merged else 0
                for cell in [group.unseeded] if merged and group.unseeded else group.cells:
                    at = cells.setdefault(cell.key, len(cells))
                    if at == len(table_of_cells):
                        table_of_cells.append(cell)
                    table.add(position, at, costs.seconds(one.candidate, cell))
        n_merged += expansion.n_merged.get(pipeline, 0) * _n_cells(expansion)
    return Plan(
        candidates=candidates,
        cells=table_of_cells,
        tasks=tasks,
        n_merged=n_merged,
        warnings=expansion.warnings,
        sharing=None if using is None else find_sharing(candidates, table_of_cells, costs, using),
    )


def peaks(costs: CostModel, plan: Plan) -> dict[str, int]:
    """Return the predicted peak bytes of a runner on the largest task of each pipeline that is known."""
    if not costs.experience.memory:
        return {}
    sizes: dict[str, set[int]] = {}
    for cell in plan.cells:
        sizes.setdefault(cell.variant, set()).add(cell.n_train)
    found = {}
    for name, table in plan.tasks.items():
        made = [plan.candidates[i] for i in set(table.candidates)]
        found[name] = max((costs.memory_bytes(one, n) for one in made for n in sizes[one.variant]), default=0)
    return {name: peak for name, peak in found.items() if peak}


def _n_cells(expansion: Expansion) -> int:
    """Return the number of cells of one data variant: a merged candidate saves that many tasks."""
    return max((sum(len(group.cells) for group in groups) for groups in expansion.groups.values()), default=0)
