"""What fitted models answer for rows that they never saw, and what these answers are worth."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from manyfit.fit import confusion
from manyfit.fit.responses import KeptResponses, Responses
from manyfit.fit.scoring import Scores, Scoring, category_view
from manyfit.fit.trained import PROBABILITY, Trained
from manyfit.model.sweep import DataSpec, Problem
from manyfit.model.verification import Figures, GroupScores, Rates

ALWAYS: Mapping[Problem, tuple[str, ...]] = {
    Problem.CLASSIFICATION: ("accuracy", "balanced_accuracy", "f1_macro"),
    Problem.REGRESSION: ("mae", "rmse", "r2"),
}
"""Metrics that a verification has whatever the sweep names."""

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What the answers of one sweep's models are held against; `metrics` are scored beside `ALWAYS`."""

    problem: Problem
    classes: tuple[str, ...]
    data: DataSpec
    metrics: tuple[str, ...]

    def shown(self) -> tuple[str, ...]:
        """Return the names of the classes as people read them."""
        return tuple(self.data.labels.get(text, text) for text in self.classes)


def answers_of(trained: Trained, frame: pl.DataFrame) -> dict[str, NDArray[Any]]:
    """Return what a model answers for the rows of *frame*, by method. Raises `SchemaMismatch`, `UserError`."""
    X = trained.matrix(frame, by_name=True)
    with trained.naming_gaps(X):
        return Responses(trained.estimator, X, len(trained.classes)).arrays()


def joined(parts: Sequence[Arrays]) -> dict[str, NDArray[Any]]:
    """Return the answers of several models, one after the other, as far as all of them have them."""
    methods = [name for name in parts[0] if all(name in part for part in parts)]
    return {name: np.concatenate([part[name] for part in parts]) for name in methods}


def row_table(setting: Setting, answers: Arrays, target: NDArray[Any]) -> pl.DataFrame:
    """
    Return one row for each answer: `true`, `predicted`, and by kind of problem what else there is.

    Classes stand as they are shown, with `confidence` (the probability of the predicted class, null without
    probabilities), `correct` and `p:<class>`; numbers with their `error`.
    """
    predicted = answers["predict"]
    if setting.problem is Problem.REGRESSION:
        numbers = np.asarray(predicted, dtype=np.float64)
        return pl.DataFrame({"true": target, "predicted": numbers, "error": numbers - target})
    names = np.array(setting.shown(), dtype=object)
    codes = np.asarray(predicted, dtype=np.int64)
    proba = answers.get("predict_proba")
    chances = (
        {f"{PROBABILITY}{name}": proba[:, code] for code, name in enumerate(names)} if proba is not None else {}
    )
    sure = proba[np.arange(len(codes)), codes].tolist() if proba is not None else [None] * len(codes)
    return pl.DataFrame(
        {
            "true": pl.Series(names[target].tolist(), dtype=pl.String),
            "predicted": pl.Series(names[codes].tolist(), dtype=pl.String),
            "confidence": pl.Series(sure, dtype=pl.Float64),
            "correct": codes == target,
            **chances,
        }
    )


def figures(
    setting: Setting, answers: Arrays, target: NDArray[Any], groups: Sequence[str | None] | None
) -> Figures:
    """Return what answers are worth: scores, and by class, group and category."""
    names = tuple(dict.fromkeys((*setting.metrics, *ALWAYS[setting.problem])))
    view = category_view(setting.data, setting.classes)
    scoring = Scoring(names, setting.problem, len(setting.classes), view)
    responses = KeptResponses(answers, len(setting.classes))
    scores, _ = scoring.score(responses, target)
    by_group = None if groups is None else _by_group(setting, responses.predicted, target, groups)
    if setting.problem is Problem.REGRESSION:
        return Figures(n_rows=len(target), scores=scores, groups=by_group)
    matrix = confusion.confusion_matrix(target, responses.predicted, len(setting.classes))
    coarse = None if view is None else view.collapse(matrix)
    return Figures(
        n_rows=len(target),
        scores=scores,
        groups=by_group,
        confusion_matrix=_counts(matrix),
        classes=_rates(matrix, setting.shown()),
        category_confusion_matrix=None if coarse is None else _counts(coarse),
        categories=None if coarse is None or view is None else _rates(coarse, view.names),
    )


def _counts(matrix: confusion.Matrix) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(row) for row in matrix.tolist())


def _rates(matrix: confusion.Matrix, names: Sequence[str]) -> tuple[Rates, ...]:
    """Return the shares of each class or category."""
    return tuple(
        Rates(
            name=name,
            support=true,
            n_predicted=predicted,
            precision=shares["precision"],
            recall=shares["recall"],
            f1=shares["f1"],
            specificity=shares["specificity"],
        )
        for name, (true, predicted, shares) in zip(names, confusion.class_shares(matrix), strict=True)
    )


def _by_name(groups: Sequence[str | None]) -> Callable[[str | None], tuple[bool, float, str]]:
    """Return what sorts groups; rows without one come last."""
    try:
        numbers = {group: float(group) for group in set(groups) if group is not None}
    except ValueError:
        numbers = {}
    return lambda group: (group is None, numbers.get(group or "", 0.0), group or "")


def _by_group(
    setting: Setting, predicted: NDArray[Any], target: NDArray[Any], groups: Sequence[str | None]
) -> tuple[GroupScores, ...]:
    """Return the scores of each group, in the order of their names, or of their numbers where all are numbers."""
    metrics = ALWAYS[setting.problem] if setting.problem is Problem.REGRESSION else ("accuracy",)
    scoring = Scoring(metrics, setting.problem, len(setting.classes), None)
    found = []
    for group in sorted(set(groups), key=_by_name(groups)):
        mine = np.array([one == group for one in groups], dtype=bool)
        part = KeptResponses({"predict": predicted[mine]}, len(setting.classes))
        scores: Scores = scoring.score(part, target[mine])[0]
        found.append(GroupScores(group=group, n_rows=int(mine.sum()), scores=scores))
    return tuple(found)
