"""
Scoring answers as scikit-learn scores estimators.

The two scores that nearly every search asks for have functions of their own here: with scikit-learn's, the
validation of labels takes longer than many fits.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.metrics import accuracy_score, r2_score
from sklearn.metrics._scorer import _MultimetricScorer, _PassthroughScorer, _Scorer
from sklearn.neighbors import KNeighborsClassifier, RadiusNeighborsClassifier

from manyfit.fit.responses import BlockResponses, Responses
from manyfit.search import metrics
from manyfit.search.metrics import Answers, Metric, Target, metric_of

Scoring = Callable[[Responses, Any, Any], Any]
"""Returns the score, or the scores by name, of answers for rows `X` with the target `y`."""

_COUNTED = frozenset("biuU")
"""Kinds of labels that are classes whatever their values are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Many:
    """The scores of many fits by metric ("": there is but one), and for which fits scikit-learn gives the same."""

    values: Mapping[str, NDArray[np.floating]]
    sure: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """
    How answers are scored: as a scorer of scikit-learn scores the estimator that gave them.

    `asked` is scikit-learn's own way. `metrics` are those that can be computed for many fits at once, by name
    ("" for a score without a name); `others` are the scorers of all other metrics, and `names` all of them in
    order. `quick` is the shortest way for one fit, on targets that are plain.
    """

    asked: Scoring
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    others: Mapping[str, Any] = field(default_factory=dict)
    names: Sequence[str] = ("",)
    quick: Scoring | None = None

    def one(self, responses: Responses, X: Any, target: Target) -> Any:
        """Return the score, or the scores by name, of one fit. Raises what the scorer raises."""
        if self.quick is not None and (not self.metrics or _is_plain(target, responses)):
            return self.quick(responses, X, target.y)
        if self.metrics and _is_plain(target, responses):
            many = self._measured(Answers(target, 1, lambda method: _alone(responses.raw(method))))
            if many.sure[0]:
                return self._named(many, responses, X, target)
        return self.asked(responses, X, target.given)

    def many(self, responses: BlockResponses, target: Target) -> Many | None:
        """Return the scores of all fits of a block; None when they have to be scored one by one."""
        if self.others or not self.metrics or not _is_plain(target, responses):
            return None
        return self._measured(Answers(target, len(responses), responses.raw))

    def _measured(self, answers: Answers) -> Many:
        found = {name: metric(answers) for name, metric in self.metrics.items()}
        sure = np.logical_and.reduce([sure for _, sure in found.values()])
        return Many(values={name: values for name, (values, _) in found.items()}, sure=sure)

    def _named(self, many: Many, responses: Responses, X: Any, target: Target) -> Any:
        stand_in = responses.scored_by() if self.others else None
        found = {
            name: float(many.values[name][0])
            if name in many.values
            else self.others[name](stand_in, X, target.given)
            for name in self.names
        }
        return found.get("", found)


def _is_plain(target: Target, responses: Responses | BlockResponses) -> bool:
    return target.is_plain and responses.classes is not None


def _alone(answer: Any) -> Any:
    """Return the answer of one fit as that of a block of one."""
    return answer[np.newaxis] if type(answer) is np.ndarray else None


def score_of(scorer: Any, final: Any) -> Score | None:
    """
    Return how answers are scored as *scorer* scores the estimator that gave them.

    None when only the estimator itself will do. *final* is the unfitted step that predicts.
    """
    if type(scorer) is _PassthroughScorer:
        return _OWN.get(type(final).score)
    if type(scorer) is _MultimetricScorer:
        known = all(type(one) is _Scorer for one in scorer._scorers.values())
        return _applied(scorer, scorer._scorers) if known else None
    if type(scorer) is not _Scorer:
        return None
    plain = scorer._sign == 1 and not scorer._kwargs and scorer._response_method == "predict"
    if plain and scorer._score_func is r2_score:
        return _R2
    return _ACCURACY if plain and scorer._score_func is accuracy_score else _applied(scorer, {"": scorer})


def _applied(scorer: Any, scorers: Mapping[str, Any]) -> Score:
    def asked(responses: Responses, X: Any, y: Any) -> Any:
        return scorer(responses.scored_by(), X, y)

    known = {name: metric for name, one in scorers.items() if (metric := metric_of(one)) is not None}
    others = {name: one for name, one in scorers.items() if name not in known}
    return Score(asked=asked, metrics=known, others=others, names=tuple(scorers))


def _asked_accuracy(responses: Responses, X: Any, y: Any) -> float:
    return float(accuracy_score(y, responses.raw("predict")))


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


_ACCURACY = Score(asked=_asked_accuracy, metrics={"": metrics.accuracy}, quick=accuracy)
_R2 = Score(asked=r2, quick=r2)
_OWN: Mapping[Any, Score] = {
    ClassifierMixin.score: _ACCURACY,
    KNeighborsClassifier.score: _ACCURACY,
    RadiusNeighborsClassifier.score: _ACCURACY,
    RegressorMixin.score: _R2,
}
"""What `score` methods come to that need nothing but predictions."""
