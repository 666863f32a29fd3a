"""
Scoring answers as scikit-learn scores estimators.

The two scores that nearly every search asks for have functions of their own here: with scikit-learn's, the
validation of labels takes longer than many fits.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.metrics import accuracy_score, r2_score
from sklearn.metrics._scorer import _MultimetricScorer, _PassthroughScorer, _Scorer
from sklearn.neighbors import KNeighborsClassifier, RadiusNeighborsClassifier

from manyfit.fit.responses import Responses

Score = Callable[[Responses, Any, Any], Any]
"""Returns the score, or the scores by name, of answers for rows `X` with the target `y`."""

_COUNTED = frozenset("biuU")
"""Kinds of labels that are classes whatever their values are."""


def score_of(scorer: Any, final: Any) -> Score | None:
    """
    Return what scores answers as *scorer* scores the estimator that gave them.

    None when only the estimator itself will do. *final* is the unfitted step that predicts.
    """
    if type(scorer) is _PassthroughScorer:
        return _OWN.get(type(final).score)
    if type(scorer) is _MultimetricScorer:
        known = all(type(one) is _Scorer for one in scorer._scorers.values())
        return _applied(scorer) if known else None
    if type(scorer) is not _Scorer:
        return None
    plain = scorer._sign == 1 and not scorer._kwargs and scorer._response_method == "predict"
    if plain and scorer._score_func is accuracy_score:
        return accuracy
    return r2 if plain and scorer._score_func is r2_score else _applied(scorer)


def _applied(scorer: Any) -> Score:
    def score(responses: Responses, X: Any, y: Any) -> Any:
        return scorer(responses.scored_by(), X, y)

    return score


def accuracy(responses: Responses, X: Any, y: Any) -> float:
    """Return what `accuracy_score` returns for the predictions, bit for bit."""
    predicted = responses.raw("predict")
    if _are_arrays(y, predicted) and y.dtype.kind == predicted.dtype.kind and y.dtype.kind in _COUNTED:
        return float(np.count_nonzero(y == predicted) / len(y))
    return float(accuracy_score(y, predicted))


def r2(responses: Responses, X: Any, y: Any) -> float:
    """Return what `r2_score` returns for the predictions, bit for bit."""
    predicted = responses.raw("predict")
    if _are_arrays(y, predicted) and y.dtype == predicted.dtype == np.float64 and len(y) > 1:
        # As columns: numpy adds those up in another order than rows.
        true, answer = y.reshape(-1, 1), predicted.reshape(-1, 1)
        error = np.sum((true - answer) ** 2, axis=0)[0]
        spread = np.sum((true - np.average(true, axis=0)) ** 2, axis=0)[0]
        if np.isfinite(error) and error > 0 and spread > 0:
            return float(1 - error / spread)
    return float(r2_score(y, predicted))


def _are_arrays(y: Any, predicted: Any) -> bool:
    plain = type(y) is np.ndarray and type(predicted) is np.ndarray
    return plain and y.ndim == 1 and y.shape == predicted.shape and len(y) > 0


_OWN: Mapping[Any, Score] = {
    ClassifierMixin.score: accuracy,
    KNeighborsClassifier.score: accuracy,
    RadiusNeighborsClassifier.score: accuracy,
    RegressorMixin.score: r2,
}
"""What `score` methods come to that need nothing but predictions."""
