"""
Metrics of many fits at once, equal to what scikit-learn computes for each of them, bit for bit.

Only what is beyond doubt is answered: where scikit-learn would warn, raise or take another way, a fit is not
`sure`, and its scorer has to be asked.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics

_COUNTED = "biuU"
"""Kinds of labels that are classes whatever their values are: real numbers may be none."""

Found = tuple[NDArray[np.floating], NDArray[np.bool_]]
"""The value for each fit, and for which fits it is sure."""


class Target:
    """
    What the metrics need to know of the target `y` of one set, an array where it can be one.

    `given` is the target as the caller has it, which may be a series: metrics of users may look at its index.
    """

    def __init__(self, y: Any, given: Any = None) -> None:
        self.y = y
        self.given = y if given is None else given

    def __len__(self) -> int:
        return len(self.y)

    @cached_property
    def is_plain(self) -> bool:
        """Whether it is an array of labels that are classes whatever their values are."""
        plain = type(self.y) is np.ndarray and self.y.ndim == 1 and len(self.y) > 0
        return bool(plain and self.y.dtype.kind in _COUNTED)

    @cached_property
    def labels(self) -> NDArray[Any]:
        return np.unique(self.y)

    @cached_property
    def codes(self) -> NDArray[np.intp]:
        """The position of each row's class in `labels`."""
        return np.asarray(np.searchsorted(self.labels, self.y))

    @cached_property
    def counts(self) -> NDArray[np.intp]:
        """The number of rows of each class."""
        return np.bincount(self.codes, minlength=len(self.labels))


class Answers:
    """
    What some fits answer for the rows of a target, and what several metrics need of it.

    *raw* returns the answers by method, with the fits along the first axis, None where there is no such method.
    """

    def __init__(self, target: Target, n_fits: int, raw: Callable[[str], Any]) -> None:
        self.target = target
        self.n_fits = n_fits
        self._raw = raw

    @property
    def nothing(self) -> Found:
        """What a metric returns that is sure of no fit."""
        return np.zeros(self.n_fits), np.zeros(self.n_fits, dtype=bool)

    @cached_property
    def predicted(self) -> NDArray[Any] | None:
        """The predicted labels (fits, rows); None where they are not of the kind of the target."""
        found = self._raw("predict")
        y = self.target.y
        plain = type(found) is np.ndarray and found.shape == (self.n_fits, len(y))
        return found if plain and found.dtype.kind == y.dtype.kind else None

    @cached_property
    def proba(self) -> NDArray[np.floating] | None:
        """The probabilities (fits, rows, classes), None where they are no ordinary numbers."""
        found = self._raw("predict_proba")
        if type(found) is not np.ndarray or found.ndim != 3 or found.dtype not in (np.float64, np.float32):
            return None
        return found if found.shape[:2] == (self.n_fits, len(self.target)) else None

    @cached_property
    def counted(self) -> "Counted | None":
        """The confusion matrices of all fits."""
        return None if self.predicted is None else _counted(self.target, self.predicted)


@dataclass(frozen=True, slots=True)
class Counted:
    """
    Rows of each true class that were predicted right (`hits`) and as each class (`predicted`), by fit and class.

    `sure` are the fits that predict only classes of the target.
    """

    hits: NDArray[np.intp]
    predicted: NDArray[np.intp]
    true: NDArray[np.intp]
    sure: NDArray[np.bool_]


def _counted(target: Target, predicted: NDArray[Any]) -> Counted:
    n_fits, n_classes = len(predicted), len(target.labels)
    codes = np.searchsorted(target.labels, predicted)
    np.minimum(codes, n_classes - 1, out=codes)
    sure = (target.labels[codes] == predicted).all(axis=1)
    cells = codes + (np.arange(n_fits) * n_classes**2)[:, np.newaxis] + target.codes * n_classes
    matrices = np.bincount(cells.ravel(), minlength=n_fits * n_classes**2).reshape(n_fits, n_classes, n_classes)
    hits = np.ascontiguousarray(np.diagonal(matrices, axis1=1, axis2=2))
    return Counted(hits, matrices.sum(axis=1), target.counts, sure)


Metric = Callable[[Answers], Found]


def accuracy(answers: Answers) -> Found:
    """Return the shares of rows that are predicted right."""
    if answers.predicted is None:
        return answers.nothing
    right = np.count_nonzero(answers.predicted == answers.target.y, axis=1)
    return right / len(answers.target), np.ones(answers.n_fits, dtype=bool)


def balanced_accuracy(answers: Answers) -> Found:
    """Return the means of the recalls of all true classes."""
    counted = answers.counted
    if counted is None or len(counted.true) < 2:  # scikit-learn warns of a single label
        return answers.nothing
    return (counted.hits / counted.true).mean(axis=1), counted.sure


def _ratio(answers: Answers, *, of: str, average: str) -> Found:
    """Return precision, recall or F1, averaged over the classes."""
    counted = answers.counted
    if counted is None:
        return answers.nothing
    whole = {
        "precision": counted.predicted,
        "recall": np.broadcast_to(counted.true, counted.hits.shape),
        "f1": counted.true + counted.predicted,
    }[of]
    hits = 2.0 * counted.hits if of == "f1" else counted.hits
    if average == "micro":
        hits, whole = hits.sum(axis=1, keepdims=True), whole.sum(axis=1, keepdims=True)
    elif average == "binary":
        place = _positive(answers.target)
        if place is None:
            return answers.nothing
        hits, whole = hits[:, place : place + 1], whole[:, place : place + 1]
    sure: NDArray[np.bool_] = np.logical_and(counted.sure, np.all(whole > 0, axis=1))
    shares = hits / np.maximum(whole, 1)
    if average != "weighted":
        return shares.mean(axis=1), sure
    weights = counted.true.astype(np.float64)
    return (shares * weights).sum(axis=1) / weights.sum(), sure


def _positive(target: Target) -> int | None:
    """Return the place of the label 1 among two labels."""
    if target.y.dtype.kind not in "iu" or len(target.labels) != 2:
        return None
    place = np.flatnonzero(target.labels == 1)
    return int(place[0]) if len(place) else None


def log_loss(answers: Answers) -> Found:
    """Return the mean negative logarithms of the probabilities of the true classes."""
    proba, target = answers.proba, answers.target
    if proba is None or proba.shape[2] != len(target.labels) or len(target.labels) < 2:
        return answers.nothing
    sure: NDArray[np.bool_] = np.all((proba >= 0) & (proba <= 1), axis=(1, 2))
    eps = np.finfo(proba.dtype).eps
    if len(target.labels) == 2:
        second = proba[:, :, 1]  # scikit-learn's scorers hand on the second column only
        true = np.where(target.codes == 1, second, 1 - second)
    else:
        sure &= (np.abs(proba.sum(axis=2) - 1) < 0.5 * np.sqrt(eps)).all(axis=1)
        true = np.take_along_axis(proba, target.codes[np.newaxis, :, np.newaxis], axis=2)[:, :, 0]
    with np.errstate(all="ignore"):
        return np.mean(-np.log(np.ascontiguousarray(np.clip(true, eps, 1 - eps))), axis=1), sure


_AVERAGED: Mapping[Any, str] = {
    metrics.precision_score: "precision",
    metrics.recall_score: "recall",
    metrics.f1_score: "f1",
}
_PLAIN: Mapping[Any, tuple[str, int, Metric]] = {
    metrics.accuracy_score: ("predict", 1, accuracy),
    metrics.balanced_accuracy_score: ("predict", 1, balanced_accuracy),
    metrics.log_loss: ("predict_proba", -1, log_loss),
}


def metric_of(scorer: Any) -> Metric | None:
    """Return the metric that an ordinary scorer of scikit-learn computes, None where it is not known here."""
    known = _PLAIN.get(scorer._score_func)
    if known is not None and not scorer._kwargs:
        method, sign, metric = known
        if (scorer._response_method, scorer._sign) != (method, sign):
            return None
        return metric if sign == 1 else partial(_negative, metric)
    of = _AVERAGED.get(scorer._score_func)
    kwargs = {"average": "binary", "pos_label": 1, **scorer._kwargs}
    average, label = kwargs.pop("average"), kwargs.pop("pos_label")
    if of is None or kwargs or scorer._sign != 1 or scorer._response_method != "predict":
        return None
    if average == "binary":
        return partial(_ratio, of=of, average=average) if type(label) is int and label == 1 else None
    averaged = average in ("macro", "micro", "weighted") and label in (None, 1)
    return partial(_ratio, of=of, average=average) if averaged else None


def _negative(metric: Metric, answers: Answers) -> Found:
    values, sure = metric(answers)
    return -values, sure
