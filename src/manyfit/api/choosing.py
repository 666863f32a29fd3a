"""Choosing models of a sweep: the best candidates of its splits or one task, and the fits that stand for each."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from manyfit.api.cells import whole_cell
from manyfit.contracts.store import Store
from manyfit.model.candidate import Candidate, Cell
from manyfit.model.errors import NotFound
from manyfit.model.keys import TaskKey, task_key
from manyfit.model.segment import SegmentHeader
from manyfit.model.unit import Mode
from manyfit.run.control import last_header
from manyfit.run.known import segments_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """
    A candidate on a split, and the fits that are looked at.

    `cells` is the one of the fit on all training rows, or those of the folds where a split has nothing else.
    `validation` is its score by `metric` on the set `set`, by which the sweep ranks it; None without one.
    """

    header: SegmentHeader
    candidate: Candidate
    split: str
    cells: tuple[Cell, ...]
    metric: str
    set: str | None
    validation: float | None


def chosen_models(
    store: Store,
    *,
    top: int | None = 1,
    task: str = "",
    split: str | None = None,
    metric: str | None = None,
    folds: bool = False,
) -> list[Chosen]:
    """
    Return the *top* candidates of each split (None: all with a score), or the one of *task*.

    With *folds* a candidate of a split that has only folds stands for the fits of its folds, with the first seed;
    without, for one fit on all training rows. Raises `NotFound`, `UserError` for a key of several tasks.
    """
    from manyfit.report.frames import ranking_of

    metric = metric or ranking_of(store).rank_by
    if task:
        return [_of_task(store, task, metric)]
    header = last_header(store)
    candidates = {(one.key, one.variant): one for segment in segments_of(store) for one in segment.candidates}
    fits = _Fits(store) if folds else None
    return [
        Chosen(
            header=header,
            candidate=candidates[row["candidate_key"], row["variant"]],
            split=row["split"],
            cells=_cells(store, row, fits),
            metric=metric,
            set=row["set"],
            validation=row["score"],
        )
        for row in _ranked(store, top, split, metric)
    ]


def _ranked(store: Store, top: int | None, split: str | None, metric: str) -> list[dict[str, Any]]:
    from manyfit.fit.metrics import greater_is_better
    from manyfit.report.leaderboard import leaderboard

    board = leaderboard(store, top=top, split=split, metric=metric, greater_is_better=greater_is_better)
    rows = board.filter(board["score"].is_not_null()).to_dicts()
    if not rows:
        raise NotFound("no task has a score yet; look at `manyfit status` and `manyfit failures`")
    return rows


def _cells(store: Store, row: Mapping[str, Any], fits: "_Fits | None") -> tuple[Cell, ...]:
    found = fits.of(row["candidate_key"], row["variant"], row["split"]) if fits is not None else ()
    return found or (whole_cell(store, row["split"], row["variant"], row["candidate_key"]),)


class _Fits:
    """The finished fits of folds, for candidates of splits that have no fit on all training rows."""

    def __init__(self, store: Store) -> None:
        from manyfit.report.results import raw_results

        columns = ("key", "candidate_key", "variant", "split", "fold", "seed", "outcome")
        self._tasks = raw_results(store).select(columns).collect()
        segments = list(segments_of(store))
        self._cells = {cell.key: cell for segment in segments for cell in segment.cells}
        # fits that only keep a model are on all training rows whatever the split has
        planned = {
            segment.cells[at]
            for segment in segments
            for unit in segment.units
            if unit.mode is Mode.FIT
            for at in unit.cells
        }
        self._whole = {(cell.split, cell.variant) for cell in planned if cell.fold is None}

    def of(self, candidate: str, variant: str, split: str) -> tuple[Cell, ...]:
        """Return the cells of the folds, in order; nothing where a fit on all training rows is planned."""
        tasks = self._tasks
        mine = tasks.filter(
            (tasks["candidate_key"] == candidate) & (tasks["variant"] == variant) & (tasks["split"] == split)
        )
        if (split, variant) in self._whole:
            return ()
        mine = mine.filter((mine["outcome"] == "succeeded") & mine["fold"].is_not_null())
        done = mine.filter(mine["seed"] == mine["seed"].min())
        keys = set(done["key"])
        found = [cell for cell in self._cells.values() if task_key(candidate, cell.key) in keys]  # type: ignore[arg-type]
        return tuple(sorted(found, key=lambda cell: cell.fold or 0))


def _of_task(store: Store, beginning: str, metric: str) -> Chosen:
    from manyfit.report.tasks import describe

    view = describe(store, beginning)
    known = dict(_scores(view.result.scores if view.result is not None else {}, metric))
    name = next((name for name in ("cv", "validate", *sorted(known)) if name in known), None)
    return Chosen(
        header=store.segment(view.segment).header,
        candidate=view.candidate,
        split=view.cell.split,
        cells=(view.cell,),
        metric=metric,
        set=name,
        validation=known.get(name) if name else None,
    )


def _scores(scores: Mapping[str, Mapping[str, float | None]], metric: str) -> Iterator[tuple[str, float]]:
    for name, found in scores.items():
        value = found.get(metric)
        if name != "train" and value is not None:
            yield name, value


def task_keys(chosen: Chosen) -> Sequence[TaskKey]:
    """Return the keys of the fits that stand for a model; one may be of no task of the sweep."""
    return [task_key(chosen.candidate.key, cell.key) for cell in chosen.cells]
