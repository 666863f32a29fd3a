"""
Nearest neighbours from few labels: a labeler gives pseudo-labels to the other rows, a final model uses both.

Source of the method: Yarowsky, "Unsupervised word sense disambiguation rivaling supervised methods", 1995, as
in scikit-learn's `SelfTrainingClassifier`, which does the work.
"""

import math
from hashlib import blake2b
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.neighbors import KNeighborsClassifier
from sklearn.semi_supervised import SelfTrainingClassifier
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from manyfit.models.knn import CONSTRAINTS, fit_scaler

Floats = NDArray[np.floating]

UNLABELLED = -1
"""What `SelfTrainingClassifier` takes for a missing label."""

_BITS, _BELOW = 24, 40
"""
Values are hashed to this many binary digits, and to none that stand further below their column's largest
value: the noise of sums, which differs between machines once a step before has scaled the rows, is no change.
"""


class KnnSemiClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn ships no types
    """
    Nearest neighbours that see only some of the labels.

    Of the labels in y a share is kept, chosen by a hash of each row, so that the same row keeps its label
    whatever the order of rows and the machine; the others are treated as unknown. The labeler is fitted on
    the labelled rows and labels the rest; those that it is sure of join the final model. X has shape
    (n_rows, n_columns) without missing values; y holds class codes or texts.

    Parameters
    ----------
    labelled : float
        Share of the labels that is kept, about: each row is in by its own hash. One row of each class always is.
    threshold : float
        Confidence, the share of votes, from which on a pseudo-label is used.
    rounds : int
        How often the rest is labelled; each round's pseudo-labels help in the next.
    stage : {"full", "labeler"}
        What predicts: the final model, or the labeler alone, which is what pseudo-labels are compared with.
    n_neighbors, weights, metric, scale
        As in `KnnClassifier`. The scaler sees all rows: it needs no labels. Scale here rather than in a step
        before, and the hash is of the data as it is.
    random_state : int or None
        Another number keeps other labels; None is 0.

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
    labeler_, final_ : the fitted models; the same where `stage` is "labeler"
    labelled_ : array of bool of shape (n_rows,), the training rows that kept their label
    n_labelled_, n_pseudo_labelled_ : int
    pseudo_accuracy_ : float, the share of pseudo-labels that agree with the labels in y; NaN without any
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "labelled": [Interval(Real, 0, 1, closed="right")],
        "threshold": [Interval(Real, 0, 1, closed="both")],
        "rounds": [Interval(Integral, 1, None, closed="left")],
        "stage": [StrOptions({"full", "labeler"})],
        **CONSTRAINTS,
        "random_state": [Interval(Integral, 0, None, closed="left"), None],
    }

    def __init__(
        self,
        *,
        labelled: float = 0.2,
        threshold: float = 0.6,
        rounds: int = 1,
        stage: str = "full",
        n_neighbors: int = 5,
        weights: str = "uniform",
        metric: str = "euclidean",
        scale: str | None = None,
        random_state: int | None = None,
    ) -> None:
        self.labelled = labelled
        self.threshold = threshold
        self.rounds = rounds
        self.stage = stage
        self.n_neighbors = n_neighbors
        self.weights = weights
        self.metric = metric
        self.scale = scale
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> "KnnSemiClassifier":
        """Choose the labels, fit the labeler, and the final model where it is asked for."""
        self._validate_params()
        X, y = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        self.labelled_ = kept_labels(X, codes, self.labelled, self.random_state or 0)
        self.n_labelled_ = int(self.labelled_.sum())
        self.scaler_, scaled = fit_scaler(self.scale, X)
        self.labeler_ = self._neighbors().fit(scaled[self.labelled_], codes[self.labelled_])
        self.final_, self.n_pseudo_labelled_, self.pseudo_accuracy_ = self.labeler_, 0, math.nan
        if self.stage == "full" and not self.labelled_.all():
            self._train_itself(scaled, codes)
        return self

    def _neighbors(self) -> Any:
        n_neighbors = min(self.n_neighbors, self.n_labelled_)
        return KNeighborsClassifier(n_neighbors=n_neighbors, weights=self.weights, metric=self.metric)

    def _train_itself(self, X: Floats, codes: NDArray[np.int64]) -> None:
        below = math.nextafter(self.threshold, -math.inf)  # it wants more than its threshold; 3 of 5 votes count
        known = np.where(self.labelled_, codes, UNLABELLED)
        trained = SelfTrainingClassifier(
            self._neighbors(), threshold=max(below, 0.0), criterion="threshold", max_iter=self.rounds
        ).fit(X, known)
        added = trained.labeled_iter_ > 0
        self.final_ = trained.estimator_
        self.n_pseudo_labelled_ = int(added.sum())
        if added.any():
            self.pseudo_accuracy_ = float((trained.transduction_[added] == codes[added]).mean())

    def predict_proba(self, X: Any) -> Floats:
        """Return shares of the votes, of shape (n_rows, n_classes)."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        found: Floats = self.final_.predict_proba(X if self.scaler_ is None else self.scaler_.transform(X))
        return found

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the class with the most votes; of equal ones the first in `classes_`."""
        proba = self.predict_proba(X)
        chosen: NDArray[Any] = self.classes_[np.argmax(proba, axis=1)]
        return chosen


def kept_labels(X: Floats, codes: NDArray[np.int64], share: float, seed: int) -> NDArray[np.bool_]:
    """
    Return which rows keep their label: those whose hash, as a number from 0 to 1, is below *share*.

    A class of which no row does keeps the label of its row with the smallest hash.
    """
    hashes = row_hashes(X, seed)
    kept = hashes < share
    for code in np.unique(codes):
        own = np.flatnonzero(codes == code)
        if not kept[own].any():
            kept[own[np.argmin(hashes[own])]] = True
    return kept


def row_hashes(X: Floats, seed: int) -> Floats:
    """
    Return a number from 0 to 1 for each row of *X*, by its values alone: equal rows have equal numbers.

    Values are rounded, see `_BITS`.
    """
    _, column = np.frexp(1.1 * np.abs(X).max(axis=0, initial=0.0))  # 1 here may be 0.9999999 elsewhere
    coarse = np.ldexp(np.rint(np.ldexp(X, _BELOW - column)), column - _BELOW)
    mantissas, exponents = np.frexp(coarse)
    digits = (np.ldexp(np.rint(np.ldexp(mantissas, _BITS)), exponents - _BITS) + 0.0).astype("<f8")
    prefix = f"{seed}:".encode()
    found = [int.from_bytes(blake2b(prefix + row.tobytes(), digest_size=6).digest(), "little") for row in digits]
    return np.asarray(found, dtype=np.float64) / 2.0**48
