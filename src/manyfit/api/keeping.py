"""Keeping fitted models: the best candidates are fitted once more on all training rows and stored."""

from dataclasses import replace

from manyfit.contracts.store import Store
from manyfit.model.candidate import Candidate, Cell
from manyfit.model.errors import NotFound, PositionTaken
from manyfit.model.keys import CandidateKey, CellKey, TaskKey, content_key, task_key
from manyfit.model.lease import TaskMark
from manyfit.model.unit import Mode
from manyfit.plan.difference import KnownTask
from manyfit.plan.units import Draft
from manyfit.run.control import last_header, plan_of
from manyfit.run.known import known_tasks, segments_of


def keep_best(store: Store, n_best: int, *, per_pipeline: bool = False) -> int:
    """
    Submit the fits whose models are to be kept, and return how many; 0 when all are kept already.

    For each split, with *per_pipeline* for each pipeline and split, the *n_best* candidates of the
    leaderboard are fitted on all training rows. Where the sweep had that very task, it runs in a new
    generation and gives the same scores.
    """
    while True:
        position = len(store.entries())
        wanted = _wanted(store, n_best, per_pipeline=per_pipeline)
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


def _best(store: Store, n_best: int, pipeline: str | None) -> list[tuple[CandidateKey, str, str]]:
    """Return candidate, variant and split of the best of each split, of one pipeline where it is named."""
    from manyfit.fit.metrics import greater_is_better
    from manyfit.report.leaderboard import leaderboard

    board = leaderboard(store, top=n_best, pipeline=pipeline, greater_is_better=greater_is_better)
    rows = board.filter(board["score"].is_not_null()).iter_rows(named=True)
    return [(CandidateKey(row["candidate_key"]), row["variant"], row["split"]) for row in rows]


def _wanted(store: Store, n_best: int, *, per_pipeline: bool) -> list[tuple[Candidate, Cell]]:
    """Return the fits of the best candidates that no segment keeps yet."""
    known = known_tasks(store)
    named = sorted({task.pipeline for task in known.values() if task.active}) if per_pipeline else [None]
    chosen = [one for pipeline in named for one in _best(store, n_best, pipeline)]
    candidates = {
        (candidate.key, candidate.variant): candidate
        for segment in segments_of(store)
        for candidate in segment.candidates
    }
    kept = _kept_keys(store)
    wanted = []
    for key, variant, split in chosen:
        cell = whole_cell(store, split, variant, key)
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


def whole_cell(store: Store, split: str, variant: str, candidate: str = "") -> Cell:
    """
    Return the cell that fits on all training rows of *split*, with the first seed.

    Cells on which *candidate* (a key) has tasks come first: candidates that use no seed have cells of their
    own. Where the sweep only has folds, it is made from one of them: its key names that cell and says
    "all". Raises `NotFound` for a split without tasks.
    """
    cells = _own_cells(store, split, variant, candidate) or _cells(store, split, variant)
    if not cells:
        raise NotFound(f'no task has the split "{split}"')
    whole = sorted((cell for cell in cells if cell.fold is None), key=lambda cell: cell.seed)
    if whole:
        return whole[0]
    first = min(cells, key=lambda cell: (cell.seed, cell.fold or 0, cell.key))
    return replace(first, key=CellKey(content_key({"all": first.key})), fold=None)


def _cells(store: Store, split: str, variant: str) -> list[Cell]:
    return [
        cell
        for segment in segments_of(store)
        for cell in segment.cells
        if cell.split == split and cell.variant == variant
    ]


def _own_cells(store: Store, split: str, variant: str, candidate: str) -> list[Cell]:
    """Return the cells of the tasks of *candidate*."""
    found: dict[CellKey, Cell] = {}
    for segment in segments_of(store) if candidate else ():
        mine = {at for at, one in enumerate(segment.candidates) if (one.key, one.variant) == (candidate, variant)}
        for unit in segment.units if mine else ():
            for at, place in zip(unit.candidates, unit.cells, strict=True):
                cell = segment.cells[place]
                if at in mine and cell.split == split:
                    found[cell.key] = cell
    return list(found.values())
