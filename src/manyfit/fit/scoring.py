"""Computing metrics from the answers of an estimator: each answer is computed once and used by all."""

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from manyfit.fit import confusion, curves
from manyfit.fit import metrics as names_of
from manyfit.fit.responses import Responses
from manyfit.model.sweep import DataSpec, Problem

Scores = dict[str, float | None]


class Scoring:
    """
    The metrics of one sweep, ready to be applied to any set.

    A metric that is not defined on a set (a class is missing, there are no probabilities) is None.
    """

    def __init__(
        self, names: Sequence[str], problem: Problem, n_classes: int, view: confusion.CategoryView | None
    ) -> None:
        self._names = tuple(names) or names_of.standard_metrics(problem, n_classes, view is not None)
        self._problem = problem
        self._n_classes = n_classes
        self._view = view
        chosen = set(self._names)
        own = {*names_of.FROM_VALUES} if problem is Problem.REGRESSION else _own_classification(n_classes)
        self._areas = bool(chosen & {"roc_auc", "roc_auc_ovr", "average_precision"})
        self._scorers = {name: _scorer(name) for name in self._names if name not in own}

    def ask(self, responses: Responses) -> None:
        """Compute the answers that the metrics need, so that the time for them counts as prediction."""
        _ = responses.raw("predict")
        if self._problem is Problem.REGRESSION:
            return
        proba = responses.raw("predict_proba") if self._areas or "log_loss" in self._names else None
        if self._areas and (proba is None or self._n_classes == 2 or "average_precision" in self._names):
            responses.raw("decision_function")

    def score(self, responses: Responses, y: NDArray[Any]) -> tuple[Scores, dict[str, Any]]:
        """Return the metrics on one set, and what is no number: confusion matrices as lists of rows."""
        details: dict[str, Any] = {}
        predicted = responses.predicted
        if predicted.shape != y.shape:
            wanted = f"one value for each of {len(y)} rows is wanted"
            raise ValueError(f"predict returned an array of shape {predicted.shape}; {wanted}")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # undefined values are None; the warnings would only repeat it
            if self._problem is Problem.REGRESSION:
                found = _regression(y, predicted)
            else:
                found, details = self._classification(responses, y, predicted)
            for name, scorer in self._scorers.items():
                found[name] = _apply(scorer, responses, y)
        return {name: _number(found.get(name)) for name in self._names}, details

    def _classification(
        self, responses: Responses, y: NDArray[Any], predicted: NDArray[Any]
    ) -> tuple[Scores, dict[str, Any]]:
        matrix = confusion.confusion_matrix(y, predicted, self._n_classes)
        details: dict[str, Any] = {"confusion_matrix": matrix.tolist()}
        found = confusion.matrix_scores(matrix)
        if self._n_classes == 2 and len(y):
            found["flagged"] = float(matrix[:, 1].sum() / len(y))
        if self._view is not None:
            coarse = self._view.collapse(matrix)
            found.update(confusion.category_scores(coarse))
            details["category_confusion_matrix"] = coarse.tolist()
            details["categories"] = list(self._view.names)
        if self._areas:
            found.update(self._area_scores(responses, y))
        if "log_loss" in self._names:
            proba = responses.proba
            found["log_loss"] = None if proba is None else curves.log_loss(y, proba)
        return found, details

    def _area_scores(self, responses: Responses, y: NDArray[Any]) -> Scores:
        if self._n_classes == 2:
            values = _binary_scores(responses)
            areas = None if values is None else curves.binary_areas(y == 1, values)
            roc, precision = areas or (None, None)
            return {"roc_auc": roc, "roc_auc_ovr": roc, "average_precision": precision}
        return self._ovr_scores(responses, y)

    def _ovr_scores(self, responses: Responses, y: NDArray[Any]) -> Scores:
        found: Scores = {}
        proba, decision = responses.proba, None
        if proba is None or "average_precision" in self._names:
            decision = responses.decision
        for name, values in (
            ("roc_auc_ovr", proba if proba is not None else decision),
            ("average_precision", decision if decision is not None else proba),
        ):
            if name in self._names and values is not None:
                areas = curves.ovr_areas(y, values)
                found[name] = None if areas is None else areas[name == "average_precision"]
        return found


def category_view(data: DataSpec, classes: Sequence[str]) -> confusion.CategoryView | None:
    """
    Return the categories of the classes, or None when the sweep declares none.

    A category lists classes by their text or by the name that `labels` shows. Classes in no category
    form one more, "other", after the declared ones.
    """
    if not data.categories or not classes:
        return None
    position = {label: at for at, labels in enumerate(data.categories.values()) for label in labels}
    found = [position.get(text, position.get(data.labels.get(text, text))) for text in classes]
    names = tuple(data.categories) + (("other",) if None in found else ())
    return confusion.CategoryView(
        names=names, of_class=tuple(len(data.categories) if at is None else at for at in found)
    )


def _own_classification(n_classes: int) -> set[str]:
    own = {*names_of.FROM_MATRIX, *names_of.FROM_SCORES, *names_of.FROM_FLAGS, *names_of.FROM_CATEGORIES}
    return own if n_classes == 2 else own - {"roc_auc"}


def _binary_scores(responses: Responses) -> NDArray[np.floating] | None:
    decision = responses.decision
    if decision is not None:
        return decision.ravel()
    proba = responses.proba
    return None if proba is None else proba[:, 1]


def _regression(y: NDArray[Any], predicted: NDArray[Any]) -> Scores:
    from sklearn import metrics

    if not len(y):
        return {}
    error = predicted - y
    size = np.abs(error)
    squared = float(np.average(error**2))
    return {
        "r2": float(metrics.r2_score(y, predicted)) if len(y) > 1 else None,
        "mae": float(np.average(size)),
        "mse": squared,
        "rmse": math.sqrt(squared),
        "mape": float(np.average(size / np.maximum(np.abs(y), np.finfo(np.float64).eps))),
        "median_ae": float(np.median(size)),
        "max_error": float(size.max()),
        "explained_variance": float(metrics.explained_variance_score(y, predicted)) if len(y) > 1 else None,
    }


def _scorer(name: str) -> Any:
    from sklearn.metrics import get_scorer

    return None if name == "roc_auc" else get_scorer(name)


def _apply(scorer: Any, responses: Responses, y: NDArray[Any]) -> float | None:
    if scorer is None:
        return None
    try:
        return float(scorer(responses.scored_by(), None, y))
    except (ValueError, AttributeError, TypeError, IndexError):
        return None  # not defined on this set, or not for this estimator


def _number(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
