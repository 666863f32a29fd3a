"""Features that are distances to typical series of each class."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from manyfit.models.signals.likeness import DTW, METRICS, distances
from manyfit.models.signals.series import Floats, NamesOf, as_series, listed
from manyfit.models.signals.warping import require


class ReferenceDistances(TransformerMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn ships no types
    """
    Distances of every row to reference rows of each class: one column for each metric and reference.

    `metrics` is a name or a list: l1, l2, cosine, correlation, and dtw (`pip install 'manyfit[signals]'`),
    whose path leaves the diagonal by at most `window` samples (None: as far as it wants). cosine and
    correlation are 1 where one of the two is 0, or constant.

    Each class gives `n_references` of its training rows. The first is its medoid, the row with the least sum
    of distances to its class by `selection_metric`; further ones are those that bring the class nearest to
    its references ("medoid"), or the row farthest from the ones before it ("farthest"). A class with fewer
    different rows gives all of them. Which rows are chosen does not depend on their order: among equals, and
    where a class has more than `max_candidates` rows to look at, hashes of their content decide.

    Columns are called METRIC_CLASS, or METRIC_CLASS_NUMBER with several references. A training row that is a
    reference has the distance 0 to itself.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "metrics": [NamesOf(set(METRICS))],
        "n_references": [Interval(Integral, 1, None, closed="left")],
        "selection": [StrOptions({"medoid", "farthest"})],
        "selection_metric": [StrOptions(set(METRICS))],
        "window": [Interval(Integral, 0, None, closed="left"), None],
        "max_candidates": [Interval(Integral, 1, None, closed="left"), None],
        "n_channels": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        metrics: str | Sequence[str] = ("l1", "l2", "cosine", "correlation", "dtw"),
        *,
        n_references: int = 1,
        selection: str = "medoid",
        selection_metric: str = "l2",
        window: int | None = None,
        max_candidates: int | None = 256,
        n_channels: int = 1,
    ) -> None:
        self.metrics = metrics
        self.n_references = n_references
        self.selection = selection
        self.selection_metric = selection_metric
        self.window = window
        self.max_candidates = max_candidates
        self.n_channels = n_channels

    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def fit(self, X: Any, y: Any) -> "ReferenceDistances":
        """Choose the references. Raises `MissingExtra`, and ValueError where rows are no series."""
        X, y = validate_data(self, X, y, dtype=np.float64, ensure_all_finite="allow-nan")
        check_classification_targets(y)
        if DTW in (*self._metrics(), self.selection_metric):
            require()
        as_series(X, self.n_channels)
        self.classes_, codes = np.unique(y, return_inverse=True)
        chosen = [self._of_class(X[codes == code]) for code in range(len(self.classes_))]
        self.references_ = np.concatenate(chosen)
        self.reference_classes_ = np.repeat(self.classes_, [len(rows) for rows in chosen])
        return self

    def transform(self, X: Any) -> Floats:
        """Return the distances of each row, metric after metric."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=False)
        rows, references = as_series(X, self.n_channels), as_series(self.references_, self.n_channels)
        parts = [distances(metric, rows, references, self.window) for metric in self._metrics()]
        return np.concatenate(parts, axis=1)

    def get_feature_names_out(self, input_features: Any = None) -> Any:
        """Return the names of the distances; *input_features* are not needed."""
        check_is_fitted(self)
        numbers: dict[Any, int] = {}
        labels: list[str] = []
        for label in self.reference_classes_:
            numbers[label] = numbers.get(label, -1) + 1
            labels.append(str(label) if self.n_references == 1 else f"{label}_{numbers[label]}")
        return np.asarray([f"{metric}_{label}" for metric in self._metrics() for label in labels], dtype=object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.target_tags.required = True
        return tags

    def _metrics(self) -> list[str]:
        return listed(self.metrics, METRICS)

    def _of_class(self, X: Floats) -> Floats:
        """Return the references among the rows of one class."""
        rows, counts = _canonical(X)
        if self.max_candidates is not None:
            rows, counts = rows[: self.max_candidates], counts[: self.max_candidates]
        series = as_series(rows, self.n_channels)
        apart = distances(self.selection_metric, series, series, self.window)
        return rows[chosen_rows(apart, counts, self.n_references, self.selection)]


def _canonical(X: Floats) -> tuple[Floats, Floats]:
    """
    Return the different rows in an order that only their content decides, and how often each is there.

    Hashes are of the numbers in single precision, so that what rounding differs between machines seldom
    changes the order.
    """
    plain = np.where(np.isnan(X), np.nan, X + 0.0)  # one zero and one NaN
    counts = Counter(row.tobytes() for row in plain.astype("<f8"))
    with np.errstate(over="ignore"):
        ordered = sorted((_digest(np.frombuffer(row, "<f8").astype("<f4")), row) for row in counts)
    rows = np.stack([np.frombuffer(row, "<f8") for _, row in ordered]).astype(np.float64)
    return rows, np.array([counts[row] for _, row in ordered], dtype=np.float64)


def _digest(row: npt.NDArray[np.float32]) -> bytes:
    return hashlib.blake2b(row.tobytes(), digest_size=16).digest()


def chosen_rows(apart: Floats, counts: Floats, n: int, selection: str) -> list[int]:
    """
    Return the positions of *n* references among rows with the distances *apart*, the medoid first.

    *counts* says how often each row is there. Of equally good ones the first is taken.
    """
    chosen = [int((counts @ apart).argmin())]
    while len(chosen) < min(n, len(apart)):
        nearest = apart[:, chosen].min(axis=1)
        costs = -nearest if selection == "farthest" else counts @ np.minimum(nearest[:, None], apart)
        costs[chosen] = np.inf
        chosen.append(int(costs.argmin()))
    return chosen
