"""Keeping fitted models: what a sweep wants to have kept is fitted once more and stored."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import assert_never

from manyfit.contracts.store import Store
from manyfit.model.candidate import Candidate, Cell
from manyfit.model.errors import NotFound, PositionTaken
from manyfit.model.keys import CandidateKey, CellKey, TaskKey, content_key, task_key
from manyfit.model.lease import TaskMark
from manyfit.model.segment import SegmentHeader
from manyfit.model.sweep import Keep, Models
from manyfit.model.unit import Mode
from manyfit.plan.difference import KnownTask
from manyfit.plan.units import Draft
from manyfit.run.control import last_header, plan_of
from manyfit.run.known import find_tasks, known_tasks, segments_of

Tasks = list[tuple[Candidate, Cell]]


def keep_models(store: Store, keep: Keep) -> int:
    """Submit the fits of the models that *keep* wants and the store has not; return how many."""
    match keep.models:
        case Models.NONE:
            return 0
        case Models.BEST:
            return keep_best(store, keep.n_best, per_pipeline=keep.per_pipeline)
        case Models.ALL:
            return keep_all(store)
        case _:
            assert_never(keep.models)


def keep_best(store: Store, n_best: int, *, per_pipeline: bool = False) -> int:
    """
    Submit the fits whose models are to be kept, and return how many; 0 when all are kept already.

    For each split, with *per_pipeline* for each pipeline and split, the *n_best* candidates of the
    leaderboard are fitted on all training rows. Where the sweep had that very task, it runs in a new
    generation and gives the same scores. What was kept in another format or calibrated in another way
    than the sweep says now is kept anew, and so is what was fitted again since without being kept.
    """
    return _keep(store, lambda: _best_unkept(store, n_best, per_pipeline=per_pipeline))


def keep_all(store: Store) -> int:
    """Submit the fits of all tasks that are done and not kept as the sweep says now, and return how many."""
    return _keep(store, lambda: _done_unkept(store))


def _keep(store: Store, unkept: Callable[[], Tasks]) -> int:
    while True:
        position = len(store.entries())
        wanted = unkept()
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


def _best(store: Store, n_best: int, pipeline: str | None) -> list[tuple[CandidateKey, str, str]]:
    """Return candidate, variant and split of the best of each split, of one pipeline where it is named."""
    from manyfit.fit.metrics import greater_is_better
    from manyfit.report.leaderboard import leaderboard

    board = leaderboard(store, top=n_best, pipeline=pipeline, greater_is_better=greater_is_better)
    rows = board.filter(board["score"].is_not_null()).iter_rows(named=True)
    return [(CandidateKey(row["candidate_key"]), row["variant"], row["split"]) for row in rows]


def _best_unkept(store: Store, n_best: int, *, per_pipeline: bool) -> Tasks:
    """Return the fits of the best candidates that are not kept."""
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


def _done_unkept(store: Store) -> Tasks:
    """Return the tasks of the sweep that are done and not kept."""
    kept = _kept_keys(store)
    done = {key for key, task in known_tasks(store).items() if task.active and task.mark is TaskMark.DONE}
    return list(find_tasks(store, frozenset(done - kept)).values())


def _kept_keys(store: Store) -> set[TaskKey]:
    """
    Return the tasks whose latest fit was made to keep the model, as the sweep wants models to be now.

    Whether it could be kept is another matter: a model that cannot be written is not tried again.
    """
    wish = _wish(last_header(store))
    kept: set[TaskKey] = set()
    for segment in segments_of(store):
        fits = _wish(segment.header) == wish
        for unit in segment.units:
            if unit.mode is Mode.SCORE:
                continue  # scores alone are made again; the model stays with the result
            keys = {
                task_key(segment.candidates[candidate].key, segment.cells[cell].key)
                for candidate, cell in zip(unit.candidates, unit.cells, strict=True)
            }
            if fits and unit.mode is Mode.KEEP:
                kept |= keys
            else:
                kept -= keys
    return kept


def _wish(header: SegmentHeader) -> tuple[str, str]:
    """Return the format and the calibration of the models that a segment keeps."""
    keep = header.spec.get("keep", {})
    return str(keep.get("format", "skops")), str(keep.get("calibrate", "none"))


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
