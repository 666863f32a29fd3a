"""Metrics of probabilities and decision values: areas under curves and log loss."""

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.integer]
Values = NDArray[np.floating]


def binary_areas(positive: NDArray[np.bool_], scores: Values) -> tuple[float, float] | None:
    """
    Return the areas under the ROC curve and (as average precision) under the precision-recall curve.

    None when one of the two classes is missing or a score is not finite: the areas are not defined then.
    Rows with equal scores enter the curves together.
    """
    n_positive = int(positive.sum())
    n_negative = len(positive) - n_positive
    if n_positive == 0 or n_negative == 0 or not np.isfinite(scores).all():
        return None
    order = np.argsort(scores, kind="stable")[::-1]
    ranked = scores[order]
    ends = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1)
    hits = np.cumsum(positive[order])[ends]
    chosen = ends + 1
    misses = chosen - hits
    new_hits, new_misses = np.diff(hits, prepend=0), np.diff(misses, prepend=0)
    # counted in halves of a pair of rows, the area is a whole number: nothing is rounded before the division
    pairs = int((new_misses * (2 * hits - new_hits)).sum())
    roc = pairs / (2 * n_positive * n_negative)
    precision = float((new_hits * (hits / chosen)).sum()) / n_positive
    return roc, precision


def ovr_areas(y: Codes, scores: Values) -> tuple[float, float] | None:
    """Return the unweighted means of both areas over the classes, each against the rest; see `binary_areas`."""
    each = [binary_areas(y == code, scores[:, code]) for code in range(scores.shape[1])]
    defined = [areas for areas in each if areas is not None]
    if len(defined) < len(each):
        return None
    return float(np.mean([roc for roc, _ in defined])), float(np.mean([pr for _, pr in defined]))


def log_loss(y: Codes, proba: Values) -> float | None:
    """Return the mean negative log probability of the true classes, clipped as scikit-learn clips it."""
    if not len(y) or not np.isfinite(proba).all():
        return None
    eps = np.finfo(proba.dtype).eps
    return float(-np.mean(np.log(np.clip(proba[np.arange(len(y)), y], eps, 1 - eps))))
