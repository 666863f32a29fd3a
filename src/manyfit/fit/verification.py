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
) -> dict[str, Any]:
    """
    Return what answers are worth, as JSON values: scores, and by class, group and category.

    A share of nothing is None. Confusion matrices have the true classes as rows, in the order of `classes`.
    """
    names = tuple(dict.fromkeys((*setting.metrics, *ALWAYS[setting.problem])))
    view = category_view(setting.data, setting.classes)
    scoring = Scoring(names, setting.problem, len(setting.classes), view)
    responses = KeptResponses(answers, len(setting.classes))
    scores, _ = scoring.score(responses, target)
    found: dict[str, Any] = {"n_rows": len(target), "scores": scores}
    if groups is not None:
        found["groups"] = _by_group(setting, responses.predicted, target, groups)
    if setting.problem is Problem.REGRESSION:
        return found
    matrix = confusion.confusion_matrix(target, responses.predicted, len(setting.classes))
    found["confusion_matrix"] = matrix.tolist()
    found["classes"] = _shares(matrix, setting.shown(), "class")
    if view is not None:
        coarse = view.collapse(matrix)
        found["category_confusion_matrix"] = coarse.tolist()
        found["categories"] = _shares(coarse, view.names, "category")
    return found


def _shares(matrix: confusion.Matrix, names: Sequence[str], what: str) -> list[dict[str, Any]]:
    """Return the shares of each class or category as JSON values."""
    return [
        {what: name, "support": true, "n_predicted": predicted, **shares}
        for name, (true, predicted, shares) in zip(names, confusion.class_shares(matrix), strict=True)
    ]


def _by_name(groups: Sequence[str | None]) -> Callable[[str | None], tuple[bool, float, str]]:
    """Return what sorts groups; rows without one come last."""
    try:
        numbers = {group: float(group) for group in set(groups) if group is not None}
    except ValueError:
        numbers = {}
    return lambda group: (group is None, numbers.get(group or "", 0.0), group or "")


def _by_group(
    setting: Setting, predicted: NDArray[Any], target: NDArray[Any], groups: Sequence[str | None]
) -> list[dict[str, Any]]:
    """Return the scores of each group, in the order of their names, or of their numbers where all are numbers."""
    metrics = ALWAYS[setting.problem] if setting.problem is Problem.REGRESSION else ("accuracy",)
    scoring = Scoring(metrics, setting.problem, len(setting.classes), None)
    found = []
    for group in sorted(set(groups), key=_by_name(groups)):
        mine = np.array([one == group for one in groups], dtype=bool)
        part = KeptResponses({"predict": predicted[mine]}, len(setting.classes))
        scores: Scores = scoring.score(part, target[mine])[0]
        found.append({"group": group, "n_rows": int(mine.sum()), **scores})
    return found
