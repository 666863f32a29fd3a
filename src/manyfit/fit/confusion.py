"""Metrics that a confusion matrix determines, by the definitions of scikit-learn."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.int64]
Vector = NDArray[np.float64]

CLASS_METRICS = ("precision", "recall", "f1", "specificity")
"""Metrics of one class against the others."""


def confusion_matrix(y: NDArray[np.integer], predicted: NDArray[np.integer], n_classes: int) -> Matrix:
    """Return counts by true class (rows) and predicted class (columns); classes are codes from 0."""
    cells = np.asarray(y, dtype=np.int64) * n_classes + np.asarray(predicted, dtype=np.int64)
    return np.bincount(cells, minlength=n_classes * n_classes).reshape(n_classes, n_classes)


def matrix_scores(matrix: Matrix) -> dict[str, float | None]:
    """
    Return every metric of `metrics.FROM_MATRIX`.

    As in scikit-learn, a class takes part when it is true or predicted at least once, and a share of
    nothing is 0. Balanced accuracy is over the true classes. All are None for an empty set.
    """
    n = int(matrix.sum())
    true, predicted, hits = matrix.sum(axis=1), matrix.sum(axis=0), np.diag(matrix)
    there = (true + predicted) > 0
    true, predicted, hits = true[there], predicted[there], hits[there]
    precision, recall = _share(hits, predicted), _share(hits, true)
    f1 = _share(2 * hits, true + predicted)
    scores: dict[str, float | None] = {
        "accuracy": float(hits.sum() / n) if n else None,
        "balanced_accuracy": float(np.mean(hits[true > 0] / true[true > 0])) if n else None,
    }
    for name, values in (("precision", precision), ("recall", recall), ("f1", f1)):
        scores[f"{name}_macro"] = float(np.average(values)) if n else None
        scores[f"{name}_weighted"] = float(np.average(values, weights=true)) if n else None
    return scores


def _share(part: NDArray[np.integer], whole: NDArray[np.integer]) -> Vector:
    out = np.zeros(len(part))
    np.divide(part, whole, out=out, where=whole > 0)
    return out


def class_shares(matrix: Matrix) -> list[tuple[int, int, dict[str, float | None]]]:
    """
    Return for each class against the others how often it is true, how often it is predicted, and `CLASS_METRICS`.

    A share of nothing is None. Recall is also called sensitivity.
    """
    total = int(matrix.sum())
    found = []
    for code in range(len(matrix)):
        hits, true, predicted = int(matrix[code, code]), int(matrix[code].sum()), int(matrix[:, code].sum())
        shares = {
            "precision": (hits, predicted),
            "recall": (hits, true),
            "f1": (2 * hits, true + predicted),
            "specificity": (total - true - predicted + hits, total - true),
        }
        values = {name: part / whole if whole else None for name, (part, whole) in shares.items()}
        found.append((true, predicted, values))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryView:
    """A coarser view of the classes: category names, and the category of each class code."""

    names: tuple[str, ...]
    of_class: tuple[int, ...]

    def collapse(self, matrix: Matrix) -> Matrix:
        """Return the confusion matrix of the categories."""
        n = len(self.names)
        out = np.zeros((n, n), dtype=np.int64)
        index = np.asarray(self.of_class)
        np.add.at(out, (index[:, None], index[None, :]), matrix)
        return out


def category_scores(matrix: Matrix) -> dict[str, float | None]:
    """
    Return every metric of `metrics.FROM_CATEGORIES` from the confusion matrix of the categories.

    Of two categories the first is the positive one, and a share of nothing is None; of more, the means
    over the categories for which the share is defined.
    """
    n = int(matrix.sum())
    hits = np.diag(matrix)
    true, predicted = matrix.sum(axis=1), matrix.sum(axis=0)
    rejected = n - true - predicted + hits
    return {
        "category_accuracy": float(hits.sum() / n) if n else None,
        "category_precision": _first_or_mean(hits, predicted),
        "category_recall": _first_or_mean(hits, true),
        "category_specificity": _first_or_mean(rejected, n - true),
        "category_f1": _first_or_mean(2 * hits, true + predicted),
    }


def _first_or_mean(part: Sequence[int] | Matrix, whole: Sequence[int] | Matrix) -> float | None:
    pairs = list(zip(part, whole, strict=True))
    counted = pairs[:1] if len(pairs) == 2 else pairs
    shares = [int(top) / int(bottom) for top, bottom in counted if bottom]
    return sum(shares) / len(shares) if shares else None
