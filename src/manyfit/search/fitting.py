"""Carrying out the tasks of an evaluation: together where they share work, else exactly as scikit-learn does."""

import numbers
import random
import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, assert_never

import numpy as np
from sklearn import clone, config_context
from sklearn.base import is_classifier
from sklearn.model_selection._validation import _fit_and_score
from sklearn.utils.metaestimators import _safe_split

from manyfit.contracts.fusion import Fuse
from manyfit.families.catalog import FamilyCatalog
from manyfit.families.estimators import SklearnCatalog
from manyfit.families.fusion.catalog import FusionCatalog
from manyfit.fit.fusing import Begun, Broken, Fitted, Fitter, Table, Together, catching
from manyfit.fit.responses import Responses
from manyfit.model.errors import MissingExtra
from manyfit.search.blueprints import Blueprint, Blueprints
from manyfit.search.evaluation import Evaluation, Scored, ScoredTogether, Scores, Warned
from manyfit.search.metrics import Target
from manyfit.search.scores import Many

TEST, TRAIN = "cv", "train"


@dataclass(frozen=True, slots=True, kw_only=True)
class Began:
    """The tasks with these indices are in progress from now on, together."""

    indices: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A task is over. `error` is what scikit-learn's search would have raised; then there are no scores."""

    index: int
    scored: Scored | None
    error: Exception | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyTogether:
    """Tasks that are over at once."""

    indices: tuple[int, ...]
    scored: ScoredTogether

    def each(self) -> Iterator[Ready]:
        """Return the tasks one by one."""
        for place, index in enumerate(self.indices):
            yield Ready(index=index, scored=self.scored.one(place))


Happening = Began | Ready | ReadyTogether


class Fitting:
    """
    Runs tasks of one evaluation in this process.

    `separate` is True in a runner: warnings are gathered instead of given, and the global random streams
    start anew for each fit.
    """

    def __init__(self, evaluation: Evaluation, *, separate: bool) -> None:
        self._evaluation = evaluation
        self._separate = separate
        self._catalog = SklearnCatalog()
        self.families = FamilyCatalog()
        self.blueprints = Blueprints(evaluation, self._catalog, self.families)
        self.fitter = Fitter(FusionCatalog(), self.families, evaluation.fuse or Fuse(exact=False))
        self._tables: dict[int, Table] = {}
        self._targets: dict[str, Target] = {}

    def run(self, indices: Sequence[int], *, fuse: bool = True) -> Iterator[Happening]:
        """
        Yield `Began` before each task and `Ready` or `ReadyTogether` after it, fold after fold.

        Without *fuse* tasks are carried out one by one.

        Raises nothing but what is no `Exception`, and `MemoryError` while several tasks are in progress.
        """
        n_folds = self._evaluation.n_folds
        by_fold: dict[int, list[int]] = {}
        for index in indices:
            by_fold.setdefault(index % n_folds, []).append(index // n_folds)
        for fold in sorted(by_fold):
            with config_context(**self._evaluation.settings):
                yield from self._run_fold(fold, by_fold[fold], fuse)

    def _run_fold(self, fold: int, candidates: list[int], fuse: bool) -> Iterator[Happening]:
        together = {
            candidate: blueprint
            for candidate in (candidates if fuse else ())
            if (blueprint := self.blueprints.of(candidate)) is not None
        }
        if len(together) > 1:
            yield from self._run_together(fold, together)
        else:
            together = {}
        yield from self._one_by_one(self._tasks((one for one in candidates if one not in together), fold))

    # -- together ------------------------------------------------------------------------------------

    def _run_together(self, fold: int, blueprints: dict[int, Blueprint]) -> Iterator[Happening]:
        left = set(self._tasks(blueprints, fold))
        try:
            table = self._table(fold)
        except Exception:  # noqa: BLE001 - each task has it raised again, as scikit-learn would
            yield from self._one_by_one(sorted(left))
            return
        try:
            for event in self._shared(table, fold, blueprints):
                if isinstance(event, Ready):
                    left.remove(event.index)
                elif isinstance(event, ReadyTogether):
                    left.difference_update(event.indices)
                yield event
        except (MemoryError, MissingExtra) as error:
            if self._separate and isinstance(error, MemoryError):
                raise  # the runner has them run once more, one by one
            yield from self._one_by_one(sorted(left))

    def _one_by_one(self, indices: Iterable[int]) -> Iterator[Happening]:
        for index in indices:
            yield Began(indices=(index,))
            yield self.alone(index)

    def _shared(self, table: Table, fold: int, blueprints: dict[int, Blueprint]) -> Iterator[Happening]:
        fits = [blueprint.fit for blueprint in blueprints.values()]
        for event in self.fitter.fit_in_blocks(fits, table):
            match event:
                case Begun():
                    yield Began(indices=self._tasks(event.indices, fold))
                case Broken():
                    yield self.alone(*self._tasks((event.index,), fold))  # for scikit-learn's own words
                case Together():
                    yield from self._ready_together(event, blueprints, fold)
                case Fitted():
                    yield self._ready(event, blueprints[event.index], fold)
                case _:
                    assert_never(event)

    def _tasks(self, candidates: Iterable[int], fold: int) -> tuple[int, ...]:
        """Return which tasks fit the candidates on the fold."""
        n_folds = self._evaluation.n_folds
        return tuple([candidate * n_folds + fold for candidate in candidates])

    def _ready(self, event: Fitted, blueprint: Blueprint, fold: int) -> Ready:
        (index,) = self._tasks((event.index,), fold)
        scored = self._scored(event, blueprint)
        return Ready(index=index, scored=scored) if scored else self.alone(index)

    def _ready_together(
        self, event: Together, blueprints: dict[int, Blueprint], fold: int
    ) -> Iterator[Ready | ReadyTogether]:
        """Score a block; what cannot be scored at once is scored one by one, or fitted as scikit-learn does."""
        began = time.perf_counter()
        many = self._many(event, blueprints[event.indices[0]])
        if many is None:
            yield from (self.alone(index) for index in self._tasks(event.indices, fold))
            return
        sure = np.flatnonzero(np.logical_and.reduce([one.sure for one in many.values()])) if many else np.array([])
        if len(sure):
            scored = ScoredTogether(
                test=_scores(many[TEST], sure),
                train=_scores(many[TRAIN], sure) if TRAIN in many else None,
                fit_seconds=event.seconds,
                score_seconds=(time.perf_counter() - began) / len(event.indices),
                warned=tuple(_warned(message) for message in event.caught),
                fusion=event.fusion,
            )
            yield ReadyTogether(
                indices=self._tasks([event.indices[place] for place in sure.tolist()], fold), scored=scored
            )
        for place in np.setdiff1d(np.arange(len(event.indices)), sure).tolist():
            yield self._ready(event.one(place), blueprints[event.indices[place]], fold)

    def _many(self, event: Together, blueprint: Blueprint) -> dict[str, Many] | None:
        """
        Return the scores of a block by set, nothing when its fits have to be scored one by one.

        None: answering warned or failed, and only fits made alone can tell for which of them.
        """
        if event.caught and self._makes_errors():
            return None
        try:
            with catching() as caught:
                found = {
                    name: blueprint.score.many(answers, self._targets[name])
                    for name, answers in event.answers.items()
                }
        except Exception:  # noqa: BLE001 - it will come again with the fit that it belongs to
            return None
        if caught:
            return None
        known = {name: many for name, many in found.items() if many is not None}
        return known if len(known) == len(found) else {}

    def _table(self, fold: int) -> Table:
        """Return the rows of a fold; those of the fold before are let go."""
        if fold not in self._tables:
            self._tables.clear()
            evaluation = self._evaluation
            train, test = evaluation.splits[fold]
            X_train, y_train = _split(evaluation, train)
            X_test, y_test = _split(evaluation, test, train)
            sets = {TEST: X_test, TRAIN: X_train} if evaluation.return_train_score else {TEST: X_test}
            given = {TEST: y_test, TRAIN: y_train}
            y_train, y_test = _bare(y_train), _bare(y_test)
            for part in (X_train, X_test, y_train, y_test):
                _protect(part)
            n_classes = len(np.unique(y_train)) if is_classifier(evaluation.estimator) else 0
            self._tables[fold] = Table(X=X_train, y=y_train, sets=sets, n_classes=n_classes)
            self._targets = {TEST: Target(y_test, given[TEST]), TRAIN: Target(y_train, given[TRAIN])}
        return self._tables[fold]

    def _scored(self, event: Fitted, blueprint: Blueprint) -> Scored | None:
        """Return the scores of a fit; None when scikit-learn has to be asked what to make of it."""
        if event.caught and self._makes_errors():
            return None
        began = time.perf_counter()
        try:
            with catching() as caught:
                test = self._score(blueprint, event.answers[TEST], TEST)
                score_seconds = time.perf_counter() - began
                train = self._score(blueprint, event.answers[TRAIN], TRAIN) if TRAIN in event.answers else None
        except Exception:  # noqa: BLE001 - scikit-learn tells of it in its own words
            return None
        if caught and self._makes_errors():
            return None
        return Scored(
            test=test,
            train=train,
            fit_seconds=event.seconds,
            score_seconds=score_seconds,
            warned=tuple(_warned(message) for message in (*event.caught, *caught)),
            fusion=event.fusion,
        )

    def _score(self, blueprint: Blueprint, responses: Responses, name: str) -> Scores:
        table = self._tables[next(iter(self._tables))]
        found = blueprint.score.one(responses, table.sets[name], self._targets[name])
        if isinstance(found, dict):
            return {metric: _number(value) for metric, value in found.items()}
        return _number(found)

    def _makes_errors(self) -> bool:
        """Whether the caller has warnings turned into errors: then a fit that warns may fail."""
        return any(entry[0] == "error" for entry in self._evaluation.filters)

    # -- alone ---------------------------------------------------------------------------------------

    def alone(self, index: int) -> Ready:
        """Run one task exactly as scikit-learn does."""
        if not self._separate:
            return self._alone(index)
        if self._evaluation.seed is not None:
            np.random.seed((self._evaluation.seed + index) % 2**32)
            random.seed(self._evaluation.seed + index)
        with warnings.catch_warnings(record=True) as caught:
            warnings.filters[:] = list(self._evaluation.filters)  # type: ignore[index]
            warnings._filters_mutated()  # type: ignore[attr-defined]
            ready = self._alone(index)
        if ready.scored is None or not caught:
            return ready
        return replace(ready, scored=replace(ready.scored, warned=tuple(_warned(message) for message in caught)))

    def _alone(self, index: int) -> Ready:
        try:
            with config_context(**self._evaluation.settings):
                return Ready(index=index, scored=fit_alone(self._evaluation, index))
        except MemoryError as error:
            return Ready(index=index, scored=None, error=error)
        except Exception as error:  # noqa: BLE001 - the search raises it
            return Ready(index=index, scored=None, error=error)


def fit_alone(evaluation: Evaluation, index: int) -> Scored:
    """Fit and score one task by scikit-learn's own function. Raises what that raises."""
    candidate, fold = evaluation.place(index)
    train, test = evaluation.splits[fold]
    result = _fit_and_score(
        clone(evaluation.estimator),
        evaluation.X,
        evaluation.y,
        scorer=evaluation.scorer,
        train=train,
        test=test,
        verbose=0,
        parameters=evaluation.candidates[candidate],
        fit_params=evaluation.fit_params,
        score_params=evaluation.score_params,
        return_train_score=evaluation.return_train_score,
        return_times=True,
        error_score=evaluation.error_score,
    )
    return Scored(
        # A callable scorer alone knows the names of its scores: the search puts the error score in for them.
        test=result["test_scores"],
        train=result.get("train_scores"),
        fit_seconds=result["fit_time"],
        score_seconds=result["score_time"],
        fit_error=result["fit_error"],
    )


def _split(evaluation: Evaluation, chosen: Any, train: Any = None) -> tuple[Any, Any]:
    """Return the chosen rows and targets as scikit-learn would; for no estimator that takes distances."""
    X, y = evaluation.X, evaluation.y
    plain = all(type(part) is np.ndarray for part in (X, y, chosen)) and chosen.dtype.kind == "i"
    if plain:  # what is left of `_safe_split` then
        return X[chosen], y[chosen]
    return _safe_split(evaluation.estimator, X, y, chosen, train)  # type: ignore[no-any-return]


def _scores(many: Many, places: Any) -> list[Scores]:
    """Return the scores of the fits at these places, as the numbers that a scorer returns."""
    columns = {name: values[places].tolist() for name, values in many.values.items()}
    if "" in columns:
        return list(columns[""])
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _warned(message: warnings.WarningMessage) -> Warned:
    return Warned(
        category=message.category, text=str(message.message), filename=message.filename, lineno=message.lineno
    )


def _number(value: Any) -> float:
    """Return a score as a number. Raises TypeError: scikit-learn says so in its own words."""
    if hasattr(value, "item"):
        with suppress(ValueError):
            value = value.item()
    if not isinstance(value, numbers.Number):
        raise TypeError(f"no number: {value!r:.100}")
    return value  # type: ignore[return-value]


def _bare(target: Any) -> Any:
    """Return the array inside a series, as every estimator would take it out."""
    return (
        target.to_numpy()
        if isinstance(getattr(target, "dtype", None), np.dtype) and hasattr(target, "to_numpy")
        else target
    )


def _protect(rows: Any) -> None:
    """Make the shared rows read-only where they can be; what changes them in place then fits on its own."""
    parts: list[Any] = [rows] if isinstance(rows, np.ndarray) else []
    parts += [
        part for name in ("data", "indices", "indptr") if isinstance(part := getattr(rows, name, None), np.ndarray)
    ]
    for part in parts:
        part.flags.writeable = False
