"""Which models a sweep wants to have kept and its store has not, and why."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import assert_never

from manyfit.api.cells import whole_cell
from manyfit.contracts.store import Store
from manyfit.model.candidate import Candidate, Cell
from manyfit.model.keys import CandidateKey, TaskKey, task_key
from manyfit.model.lease import TaskMark
from manyfit.model.segment import Segment, SegmentHeader
from manyfit.model.sweep import Keep, Models
from manyfit.model.unit import Mode
from manyfit.plan.difference import Difference, KnownTask
from manyfit.plan.tasks import Plan
from manyfit.run.control import last_header
from manyfit.run.known import find_tasks, known_tasks, segments_of

Wish = tuple[str, str]
"""The format and the calibration of models that are kept."""


class Why(Enum):
    """Why a model is to be kept that the store has not as the sweep wants it."""

    NOT_KEPT = "not_kept"
    OTHERWISE = "kept_otherwise"
    SINCE = "fitted_since"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lacking:
    """A fit that would only be made to keep its model."""

    candidate: Candidate
    cell: Cell
    why: Why


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """
    What a run does only to keep models, when all its tasks are settled.

    With `at_most`, `n_fits` is a bound: scores decide that are not there yet, and `why`, which counts fits by
    reason, is empty. `n_without_series` tasks are done without the series that the sweep wants now, and do not run
    again for that.
    """

    n_fits: int
    at_most: bool = False
    why: Mapping[Why, int] = field(default_factory=dict)
    n_without_series: int = 0


def lacking_models(store: Store, keep: Keep, wish: Wish | None = None) -> list[Lacking]:
    """Return the fits whose models *keep* wants and the store has not; *wish* is what its last segment says."""
    wish = wish or wish_of(last_header(store))
    match keep.models:
        case Models.NONE:
            return []
        case Models.BEST:
            return best_unkept(store, keep.n_best, wish, per_pipeline=keep.per_pipeline)
        case Models.ALL:
            return done_unkept(store, wish)
        case _:
            assert_never(keep.models)


def stored_lacking(store: Store) -> list[Lacking]:
    """Return the fits whose models the sweep's last submission wants and the store has not."""
    from manyfit.declare import from_json

    if not asks_for_models(store):
        return []
    return lacking_models(store, from_json(last_header(store).spec).keep)


def asks_for_models(store: Store) -> bool:
    """Whether the sweep's last submission wants models to be kept."""
    # What is no declared sweep, a search for one, keeps nothing, and its specification is of another form.
    wanted = last_header(store).spec.get("keep", {}).get("models", Models.NONE.value)
    return bool(wanted != Models.NONE.value)


def planned_keeping(store: Store | None, keep: Keep, plan: Plan, change: Difference | None) -> Keeping:
    """Return what running *plan* on *store*, which it changes by *change*, would do only to keep models."""
    if store is None or change is None or not store.entries():
        return _bound(keep, plan)
    n_untold = _without_series(store, keep, change)
    settled = change.empty and store.finished()
    if keep.models is Models.BEST and not settled:
        return replace(_bound(keep, plan), n_without_series=n_untold)
    removed = frozenset(change.removed)
    found = [
        one
        for one in lacking_models(store, keep, (keep.format.value, keep.calibrate.value))
        if task_key(one.candidate.key, one.cell.key) not in removed
    ]
    why = {} if change.reruns else dict(Counter(one.why for one in found))
    return Keeping(n_fits=len(found), at_most=bool(change.reruns), why=why, n_without_series=n_untold)


def _bound(keep: Keep, plan: Plan) -> Keeping:
    """Return the most fits that keeping the best of *plan* takes; with `all` tasks keep theirs as they run."""
    if keep.models is not Models.BEST:
        return Keeping(n_fits=0)
    candidates = {
        (pipeline if keep.per_pipeline else "", plan.cells[cell].split, candidate)
        for pipeline, table in plan.tasks.items()
        for candidate, cell in zip(table.candidates, table.cells, strict=True)
    }
    contests = Counter((pipeline, split) for pipeline, split, _ in candidates)
    return Keeping(n_fits=sum(min(keep.n_best, n) for n in contests.values()), at_most=True)


def _without_series(store: Store, keep: Keep, change: Difference) -> int:
    """Return how many tasks are done without the series that *keep* wants, and stay as they are."""
    if not keep.series or not change.n_kept:
        return 0
    removed = frozenset(change.removed)
    told: dict[TaskKey, bool] = {}
    for segment in segments_of(store):
        asked = bool(segment.header.spec.get("keep", {}).get("series"))
        told |= {key: asked for mode, key in _tasks(segment) if mode is not Mode.SCORE}
    known = known_tasks(store)
    done = (key for key, task in known.items() if _done(task) and task.kept_of is None)
    return sum(not told.get(key, True) for key in done if key not in removed)


# -- what is kept, and what is wanted --------------------------------------------------------------------


def wish_of(header: SegmentHeader) -> Wish:
    """Return the format and the calibration of the models that a segment keeps."""
    keep = header.spec.get("keep", {})
    return str(keep.get("format", "skops")), str(keep.get("calibrate", "none"))


def best_unkept(store: Store, n_best: int, wish: Wish, *, per_pipeline: bool) -> list[Lacking]:
    """Return the fits of the best candidates that are not kept as *wish* says."""
    known = known_tasks(store)
    named = sorted({task.pipeline for task in known.values() if task.active}) if per_pipeline else [None]
    chosen = [one for pipeline in named for one in _best(store, n_best, pipeline)]
    candidates = {
        (candidate.key, candidate.variant): candidate
        for segment in segments_of(store)
        for candidate in segment.candidates
    }
    why = _why(store, wish)
    found = []
    for key, variant, split in chosen:
        cell = whole_cell(store, split, variant, key)
        task = task_key(key, cell.key)
        lacks = why(task)
        if lacks is not None and not _waiting(known.get(task)):
            found.append(Lacking(candidate=candidates[key, variant], cell=cell, why=lacks))
    return found


def done_unkept(store: Store, wish: Wish) -> list[Lacking]:
    """Return the tasks of the sweep that are done and not kept as *wish* says."""
    why = _why(store, wish)
    lacks = {
        key: reason for key, task in known_tasks(store).items() if _done(task) and (reason := why(key)) is not None
    }
    found = find_tasks(store, frozenset(lacks))
    return [Lacking(candidate=candidate, cell=cell, why=lacks[key]) for key, (candidate, cell) in found.items()]


def _best(store: Store, n_best: int, pipeline: str | None) -> list[tuple[CandidateKey, str, str]]:
    """Return candidate, variant and split of the best of each split, of one pipeline where it is named."""
    from manyfit.fit.metrics import greater_is_better
    from manyfit.report.leaderboard import leaderboard

    board = leaderboard(store, top=n_best, pipeline=pipeline, greater_is_better=greater_is_better)
    rows = board.filter(board["score"].is_not_null()).iter_rows(named=True)
    return [(CandidateKey(row["candidate_key"]), row["variant"], row["split"]) for row in rows]


def _done(task: KnownTask) -> bool:
    return task.active and task.mark is TaskMark.DONE


def _waiting(task: KnownTask | None) -> bool:
    return task is not None and task.mark is TaskMark.LEFT


def _why(store: Store, wish: Wish) -> Callable[[TaskKey], Why | None]:
    """
    Return what says of a task why its model is to be kept; None where its latest fit kept it as *wish* says.

    Whether it could be kept is another matter: a model that cannot be written is not tried again.
    """
    latest: dict[TaskKey, Why | None] = {}
    for segment in segments_of(store):
        kept = None if wish_of(segment.header) == wish else Why.OTHERWISE
        for mode, key in _tasks(segment):
            if mode is Mode.KEEP:
                latest[key] = kept
            elif mode is Mode.FIT and key in latest:  # where scores alone are made again, the model stays
                latest[key] = Why.SINCE
    return lambda key: latest.get(key, Why.NOT_KEPT)


def _tasks(segment: Segment) -> Iterator[tuple[Mode, TaskKey]]:
    for unit in segment.units:
        for candidate, cell in zip(unit.candidates, unit.cells, strict=True):
            yield unit.mode, task_key(segment.candidates[candidate].key, segment.cells[cell].key)
