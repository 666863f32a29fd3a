"""Keeping fitted models: the best candidates are fitted once more on all training rows and stored."""

from dataclasses import replace

from manyfit.contracts.store import Store
from manyfit.model.candidate import Candidate, Cell
from manyfit.model.errors import NotFound, PositionTaken
from manyfit.model.keys import CellKey, TaskKey, content_key, task_key
from manyfit.model.lease import TaskMark
from manyfit.model.unit import Mode
from manyfit.plan.difference import KnownTask
from manyfit.plan.units import Draft
from manyfit.run.control import last_header, plan_of
from manyfit.run.known import known_tasks, segments_of


def keep_best(store: Store, n_best: int) -> int:
    """
    Submit the fits whose models are to be kept, and return how many; 0 when all are kept already.

    For each split the *n_best* candidates of the leaderboard are fitted on all training rows. Where the
    sweep had that very task, it runs in a new generation and gives the same scores.
    """
    while True:
        position = len(store.entries())
        wanted = _wanted(store, n_best)
        if not wanted:
            return 0
        try:
            return _submit(store, wanted, position)
        except PositionTaken:
            continue


def _submit(store: Store, wanted: list[tuple[Candidate, Cell]], position: int) -> int:
    known = known_tasks(store)
    header = last_header(store)
    by_generation: dict[int, list[tuple[Candidate, Cell]]] = {}
    for candidate, cell in wanted:
        task = known.get(task_key(candidate.key, cell.key))
        by_generation.setdefault(0 if task is None else task.generation + 1, []).append((candidate, cell))
    for generation, tasks in sorted(by_generation.items()):
        n_known = len(tasks) if generation else 0
        supersedes = {"done": n_known} if n_known else {}
        draft = Draft(
            header=replace(header, supersedes=supersedes), n_workers=1, mode=Mode.KEEP, generation=generation
        )
        for segment in draft.segments(plan_of(tasks)):
            position += 1
            store.submit(segment, position=position, n_new=len(tasks) - n_known)
    return len(wanted)


def _wanted(store: Store, n_best: int) -> list[tuple[Candidate, Cell]]:
    """Return the fits of the best candidates that no segment keeps yet."""
    from manyfit.fit.metrics import greater_is_better
    from manyfit.report.leaderboard import leaderboard

    board = leaderboard(store, top=n_best, greater_is_better=greater_is_better)
    rows = board.filter(board["score"].is_not_null()).iter_rows(named=True)
    chosen = [(row["candidate_key"], row["variant"], row["split"]) for row in rows]
    candidates = {
        (candidate.key, candidate.variant): candidate
        for segment in segments_of(store)
        for candidate in segment.candidates
    }
    kept = _kept_keys(store)
    known = known_tasks(store)
    wanted = []
    for key, variant, split in chosen:
        cell = whole_cell(store, split, variant)
        task = task_key(key, cell.key)
        if task not in kept and not _waiting(known.get(task)):
            wanted.append((candidates[key, variant], cell))
    return wanted


def _waiting(task: KnownTask | None) -> bool:
    return task is not None and task.mark is TaskMark.LEFT


def _kept_keys(store: Store) -> set[TaskKey]:
    return {
        task_key(segment.candidates[candidate].key, segment.cells[cell].key)
        for segment in segments_of(store)
        for unit in segment.units
        if unit.mode is Mode.KEEP
        for candidate, cell in zip(unit.candidates, unit.cells, strict=True)
    }


def whole_cell(store: Store, split: str, variant: str) -> Cell:
    """
    Return the cell that fits on all training rows of *split*, with the first seed.

    Where the sweep only has folds, it is made from one of them: its key names that cell and says "all".
    Raises `NotFound` for a split without tasks.
    """
    cells = [
        cell
        for segment in segments_of(store)
        for cell in segment.cells
        if cell.split == split and cell.variant == variant
    ]
    if not cells:
        raise NotFound(f'no task has the split "{split}"')
    whole = sorted((cell for cell in cells if cell.fold is None), key=lambda cell: cell.seed)
    if whole:
        return whole[0]
    first = min(cells, key=lambda cell: (cell.seed, cell.fold or 0, cell.key))
    return replace(first, key=CellKey(content_key({"all": first.key})), fold=None)
