"""Carrying out the tasks of an evaluation: together where they share work, else exactly as scikit-learn does."""

import itertools
import numbers
import random
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn import clone, config_context
from sklearn.base import is_classifier
from sklearn.model_selection._validation import _fit_and_score
from sklearn.utils.metaestimators import _safe_split

from manyfit.families.catalog import FamilyCatalog
from manyfit.families.estimators import SklearnCatalog
from manyfit.families.fusion.catalog import FusionCatalog
from manyfit.fit.fusing import Begun, Broken, Fit, Fitted, Fitter, Table, catching
from manyfit.fit.responses import Responses
from manyfit.model.errors import MissingExtra
from manyfit.search.blueprints import Blueprint, Blueprints
from manyfit.search.evaluation import Evaluation, Scored, Scores, Warned

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
        self._tables: dict[int, Table] = {}

    def run(self, indices: Sequence[int], *, fuse: bool = True) -> Iterator[Began | Ready]:
        """
        Yield `Began` before and `Ready` after each task, fold after fold; without *fuse* one by one.

        Raises nothing but what is no `Exception`, and `MemoryError` while several tasks are in progress.
        """
        in_order = sorted(indices, key=self._fold_of)
        for fold, members in itertools.groupby(in_order, key=self._fold_of):
            with config_context(**self._evaluation.settings):
                yield from self._run_fold(fold, list(members), fuse)

    def _fold_of(self, index: int) -> int:
        return self._evaluation.place(index)[1]

    def _run_fold(self, fold: int, indices: list[int], fuse: bool) -> Iterator[Began | Ready]:
        together = {
            index: blueprint
            for index in (indices if fuse else ())
            if (blueprint := self.blueprints.of(self._evaluation.place(index)[0])) is not None
        }
        if len(together) > 1:
            yield from self._run_together(fold, together)
        else:
            together = {}
        for index in indices:
            if index not in together:
                yield Began(indices=(index,))
                yield self.alone(index)

    # -- together ------------------------------------------------------------------------------------

    def _run_together(self, fold: int, blueprints: dict[int, Blueprint]) -> Iterator[Began | Ready]:
        assert self._evaluation.fuse is not None
        fitter = Fitter(FusionCatalog(), self.families, self._evaluation.fuse)
        try:
            table = self._table(fold)
        except Exception:  # noqa: BLE001 - each task has it raised again, as scikit-learn would
            for index in blueprints:
                yield Began(indices=(index,))
                yield self.alone(index)
            return
        left = dict(blueprints)
        try:
            for event in self._shared(fitter, table, fold, blueprints):
                if isinstance(event, Ready):
                    del left[event.index]
                yield event
        except (MemoryError, MissingExtra) as error:
            if self._separate and isinstance(error, MemoryError):
                raise  # the runner has them run once more, one by one
            for index in left:
                yield Began(indices=(index,))
                yield self.alone(index)

    def _shared(
        self, fitter: Fitter, table: Table, fold: int, blueprints: dict[int, Blueprint]
    ) -> Iterator[Began | Ready]:
        fits = [_fit_of(index, blueprint) for index, blueprint in blueprints.items()]
        for event in fitter.fit(fits, table):
            if isinstance(event, Begun):
                yield Began(indices=event.indices)
            elif isinstance(event, Broken):
                yield self.alone(event.index)  # for scikit-learn's own words
            else:
                scored = self._scored(event, blueprints[event.index], fold)
                yield Ready(index=event.index, scored=scored) if scored else self.alone(event.index)

    def _table(self, fold: int) -> Table:
        """Return the rows of a fold; those of the fold before are let go."""
        if fold not in self._tables:
            self._tables.clear()
            evaluation = self._evaluation
            train, test = evaluation.splits[fold]
            X_train, y_train = _safe_split(evaluation.estimator, evaluation.X, evaluation.y, train)
            X_test, y_test = _safe_split(evaluation.estimator, evaluation.X, evaluation.y, test, train)
            sets = {TEST: X_test, TRAIN: X_train} if evaluation.return_train_score else {TEST: X_test}
            y_train, y_test = _bare(y_train), _bare(y_test)
            for part in (X_train, X_test, y_train, y_test):
                _protect(part)
            n_classes = len(np.unique(y_train)) if is_classifier(evaluation.estimator) else 0
            self._tables[fold] = Table(X=X_train, y=y_train, sets=sets, n_classes=n_classes)
            self._targets = {TEST: y_test, TRAIN: y_train}
        return self._tables[fold]

    def _scored(self, event: Fitted, blueprint: Blueprint, fold: int) -> Scored | None:
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
        found = blueprint.score(responses, table.sets[name], self._targets[name])
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


def _fit_of(index: int, blueprint: Blueprint) -> Fit:
    return Fit(index=index, steps=blueprint.steps(), paths=blueprint.paths, tokens=blueprint.tokens)


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
