"""
Anomaly detectors as classifiers of two classes, so that a sweep fits, scores and keeps them as any other model.

The detectors are scikit-learn's. They learn from the rows alone: labels only say how to name the two answers
and how good the answers are. Sources: Liu, Ting and Zhou, "Isolation forest", 2008; Breunig et al., "LOF:
identifying density-based local outliers", 2000; Schölkopf et al., "Estimating the support of a
high-dimensional distribution", 2001; Rousseeuw and Van Driessen, "A fast algorithm for the minimum
covariance determinant estimator", 1999.

X has shape (n_rows, n_columns). y, if given, has at most two classes: the one that sorts last is the
anomaly, as scikit-learn's positive class is. Nothing else of y is used. Without y, or with normal rows
only (all 0), the classes are 0 (normal) and 1 (anomaly). `decision_function` has shape (n_rows,): larger
is more anomalous, and what is above 0 is flagged.
"""

from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.covariance import EllipticEnvelope
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import LocalOutlierFactor
from sklearn.svm import OneClassSVM
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_is_fitted, validate_data

Floats = NDArray[np.floating]

_CONTAMINATION: Mapping[str, Any] = {
    "contamination": [Interval(Real, 0, 0.5, closed="right"), StrOptions({"auto"})],
}
_SEED: Mapping[str, Any] = {"random_state": ["random_state"]}


class _Detector(ClassifierMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn ships no types
    """
    What the detectors have in common; `_detector` makes the one of scikit-learn that does the work.

    Fitted attributes: `classes_`, `detector_`, `threshold_` (the anomaly score above which a row is flagged)
    and `flagged_`, the share of the training rows that are.
    """

    contamination: float | str

    def _detector(self) -> Any:
        raise NotImplementedError

    def fit(self, X: Any, y: Any = None) -> "_Detector":
        """Learn what is usual. Raises ValueError for more than two classes."""
        self._validate_params()
        if y is None:
            X = validate_data(self, X, dtype=np.float64, ensure_min_samples=2)
        else:
            X, y = validate_data(self, X, y, dtype=np.float64, ensure_min_samples=2)
        self.classes_ = _two_classes(y)
        self.detector_ = self._detector().fit(X)
        scores = _training_scores(self.detector_, X)
        if self.contamination == "auto":
            self.threshold_ = -float(np.ravel(self.detector_.offset_)[0])
        else:
            self.threshold_ = -float(np.percentile(-scores, 100.0 * float(self.contamination)))
        self.flagged_ = float((scores > self.threshold_).mean())
        return self

    def decision_function(self, X: Any) -> Floats:
        """Return for each row how far its anomaly score is above the threshold; shape (n_rows,)."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        found: Floats = -self.detector_.score_samples(X) - self.threshold_
        return found

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the class of each row: the second of `classes_` for an anomaly."""
        flagged = self.decision_function(X) > 0
        chosen: NDArray[Any] = self.classes_[flagged.astype(np.int64)]
        return chosen

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.classifier_tags.poor_score = True  # it never learns from labels
        tags.target_tags.required = False
        return tags


def _training_scores(detector: Any, X: Floats) -> Floats:
    """Return anomaly scores of the training rows; a row is no neighbour of itself."""
    if hasattr(detector, "negative_outlier_factor_"):
        return np.asarray(-detector.negative_outlier_factor_)
    return np.asarray(-detector.score_samples(X))


def _two_classes(y: Any) -> NDArray[Any]:
    """Return the normal class and that of anomalies."""
    if y is None:
        return np.array([0, 1])
    check_classification_targets(y)
    classes = np.unique(y)
    if len(classes) > 2:
        raise ValueError(
            "Only binary classification is supported. The type of the target is "
            f"{type_of_target(y)}: a detector has two classes, normal and anomaly, and y has {len(classes)}"
        )
    if len(classes) == 2:
        return classes
    if classes.dtype.kind in "iub" and classes[0] == 0:
        return np.array([0, 1])
    raise ValueError(f"all rows are of one class, {classes[0]!r}; call normal rows 0, or leave y out")


class AnomalyForest(_Detector):
    """
    Isolation forest: rows that few random cuts set apart from the others are anomalies.

    Parameters
    ----------
    n_estimators : int
        Trees.
    max_samples : "auto", int or float
        Rows that each tree sees; "auto" is 256 at most.
    max_features : int or float
        Columns that each tree sees.
    contamination : float or "auto"
        The share of the training rows that is flagged; "auto" leaves the threshold to scikit-learn.
    random_state : int, RandomState or None
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "max_samples": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
            Interval(Real, 0, 1, closed="right"),
        ],
        "max_features": [Interval(Integral, 1, None, closed="left"), Interval(Real, 0, 1, closed="right")],
        **_CONTAMINATION,
        **_SEED,
    }

    def __init__(
        self,
        *,
        n_estimators: int = 100,
        max_samples: Any = "auto",
        max_features: Any = 1.0,
        contamination: float | str = 0.1,
        random_state: Any = None,
    ) -> None:
        self.n_estimators = n_estimators
        self.max_samples = max_samples
        self.max_features = max_features
        self.contamination = contamination
        self.random_state = random_state

    def _detector(self) -> Any:
        return IsolationForest(
            n_estimators=self.n_estimators,
            max_samples=self.max_samples,
            max_features=self.max_features,
            random_state=self.random_state,
        )


class AnomalyNeighbors(_Detector):
    """
    Local outlier factor: rows in places less dense than those of their neighbours are anomalies.

    Parameters
    ----------
    n_neighbors : int
        Neighbours whose density is compared; at most the number of training rows less one.
    metric : {"euclidean", "manhattan", "chebyshev", "cosine"}
    contamination : float or "auto"
        The share of the training rows that is flagged; "auto" leaves the threshold to scikit-learn.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "metric": [StrOptions({"euclidean", "manhattan", "chebyshev", "cosine"})],
        **_CONTAMINATION,
    }

    def __init__(
        self, *, n_neighbors: int = 20, metric: str = "euclidean", contamination: float | str = 0.1
    ) -> None:
        self.n_neighbors = n_neighbors
        self.metric = metric
        self.contamination = contamination

    def _detector(self) -> Any:
        return _Neighbors(self.n_neighbors, self.metric)


class _Neighbors:
    """Makes the local outlier factor once the number of rows is known, which bounds the neighbours."""

    def __init__(self, n_neighbors: int, metric: str) -> None:
        self._n_neighbors = n_neighbors
        self._metric = metric

    def fit(self, X: Floats) -> Any:
        n_neighbors = max(1, min(self._n_neighbors, len(X) - 1))
        return LocalOutlierFactor(n_neighbors=n_neighbors, metric=self._metric, novelty=True).fit(X)


class AnomalySvm(_Detector):
    """
    One-class support vector machine: rows outside a tight region around the others are anomalies.

    Time grows with the square of the rows: take some thousands at most.

    Parameters
    ----------
    kernel : {"rbf", "linear", "poly", "sigmoid"}
    gamma : "scale", "auto" or float
    nu : float
        Share of the training rows that may lie outside while learning.
    contamination : float or "auto"
        The share of the training rows that is flagged in the end; "auto" is about `nu`.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "kernel": [StrOptions({"rbf", "linear", "poly", "sigmoid"})],
        "gamma": [StrOptions({"scale", "auto"}), Interval(Real, 0, None, closed="neither")],
        "nu": [Interval(Real, 0, 1, closed="right")],
        **_CONTAMINATION,
    }

    def __init__(
        self, *, kernel: str = "rbf", gamma: Any = "scale", nu: float = 0.1, contamination: float | str = 0.1
    ) -> None:
        self.kernel = kernel
        self.gamma = gamma
        self.nu = nu
        self.contamination = contamination

    def _detector(self) -> Any:
        return OneClassSVM(kernel=self.kernel, gamma=self.gamma, nu=self.nu)


class AnomalyEnvelope(_Detector):
    """
    Elliptic envelope: rows far from the centre of a robust Gaussian are anomalies.

    Wants more rows than columns, several times as many.

    Parameters
    ----------
    support_fraction : float or None
        Share of the rows that the robust estimate rests on; None takes a little more than half.
    contamination : float or "auto"
        The share of the training rows that is flagged; "auto" is 0.1.
    random_state : int, RandomState or None
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "support_fraction": [Interval(Real, 0, 1, closed="right"), None],
        **_CONTAMINATION,
        **_SEED,
    }

    def __init__(
        self,
        *,
        support_fraction: float | None = None,
        contamination: float | str = 0.1,
        random_state: Any = None,
    ) -> None:
        self.support_fraction = support_fraction
        self.contamination = contamination
        self.random_state = random_state

    def _detector(self) -> Any:
        return EllipticEnvelope(support_fraction=self.support_fraction, random_state=self.random_state)
