"""Keeping fitted models: what a sweep wants to have kept is fitted once more and stored."""

from collections import Counter
from dataclasses import replace

from manyfit.api.lacking import lacking_models
from manyfit.contracts.store import Store
from manyfit.model.candidate import Candidate, Cell
from manyfit.model.errors import PositionTaken
from manyfit.model.keys import TaskKey, task_key
from manyfit.model.sweep import Keep
from manyfit.model.unit import Mode
from manyfit.plan.difference import KnownTask
from manyfit.plan.units import Draft
from manyfit.run.control import last_header, plan_of
from manyfit.run.known import known_tasks

Tasks = list[tuple[Candidate, Cell]]


def keep_models(store: Store, keep: Keep) -> int:
    """
    Submit the fits of the models that *keep* wants and the store has not; return how many, 0 when all are kept.

    Of the best, for each split, with `per_pipeline` for each pipeline and split, the first candidates of the
    leaderboard are fitted on all training rows; of all, every task that is done. Where the sweep had that very
    task, it runs in a new generation and gives the same scores. What was kept in another format or calibrated
    in another way than the sweep says now is kept anew, and so is what was fitted again since without being kept.
    """
    while True:
        position = len(store.entries())
        wanted = [(one.candidate, one.cell) for one in lacking_models(store, keep)]
        if not wanted:
            return 0
        try:
            return _submit(store, wanted, position)
        except PositionTaken:
            continue


def _submit(store: Store, wanted: Tasks, position: int) -> int:
    known = known_tasks(store)
    header = last_header(store)
    by_generation: dict[int, Tasks] = {}
    for candidate, cell in wanted:
        task = known.get(task_key(candidate.key, cell.key))
        by_generation.setdefault(0 if task is None else task.generation + 1, []).append((candidate, cell))
    for generation, tasks in sorted(by_generation.items()):
        supersedes = _ended(tasks, known)
        draft = Draft(
            header=replace(header, supersedes=supersedes), n_workers=1, mode=Mode.KEEP, generation=generation
        )
        for segment in draft.segments(plan_of(tasks)):
            position += 1
            store.submit(segment, position=position, n_new=0 if generation else segment.n_tasks)
    return len(wanted)


def _ended(tasks: Tasks, known: dict[TaskKey, KnownTask]) -> dict[str, int]:
    """Return how many of *tasks* the store counts as done, as failed and as cancelled."""
    keys = (task_key(candidate.key, cell.key) for candidate, cell in tasks)
    return dict(Counter(known[key].mark.name.lower() for key in keys if key in known))
