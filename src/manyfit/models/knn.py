"""
Nearest neighbours with the scaling that distances need, as one estimator.

Thin over scikit-learn's: `KNeighborsClassifier` behind a scaler of its own. In a pipeline with a separate
scaler step scikit-learn's class can share its work with related fits, which these cannot.
"""

from collections.abc import Mapping
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

Floats = NDArray[np.floating]

SCALERS: Mapping[str, type] = {"standard": StandardScaler, "minmax": MinMaxScaler, "robust": RobustScaler}
METRICS = frozenset({"euclidean", "manhattan", "chebyshev", "cosine", "correlation"})

CONSTRAINTS: Mapping[str, Any] = {
    "n_neighbors": [Interval(Integral, 1, None, closed="left")],
    "weights": [StrOptions({"uniform", "distance"})],
    "metric": [StrOptions(set(METRICS))],
    "scale": [StrOptions(set(SCALERS)), None],
}
"""The parameters that all models of this module have."""


class KnnClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn ships no types
    """
    The classes of the nearest training rows vote.

    X has shape (n_rows, n_columns) without missing values; y holds class codes or texts. `predict_proba`
    returns (n_rows, n_classes).

    Parameters
    ----------
    n_neighbors : int
        How many vote.
    weights : {"uniform", "distance"}
        Whether votes count alike, or by the inverse of the distance.
    metric : str
        The distance: euclidean, manhattan, chebyshev, cosine or correlation.
    scale : {"standard", "minmax", "robust"} or None
        How columns are scaled before distances are taken; None leaves them.

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
    scaler_ : the fitted scaler, or None
    neighbors_ : the fitted `KNeighborsClassifier`
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = dict(CONSTRAINTS)

    def __init__(
        self,
        *,
        n_neighbors: int = 5,
        weights: str = "uniform",
        metric: str = "euclidean",
        scale: str | None = None,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.weights = weights
        self.metric = metric
        self.scale = scale

    def fit(self, X: Any, y: Any) -> "KnnClassifier":
        """Keep the rows, scaled. Raises ValueError for numbers that are no classes."""
        self._validate_params()
        X, y = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(y)
        self.scaler_, scaled = fit_scaler(self.scale, X)
        plain = KNeighborsClassifier(n_neighbors=self.n_neighbors, weights=self.weights, metric=self.metric)
        self.neighbors_ = plain.fit(scaled, y)
        self.classes_ = self.neighbors_.classes_
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the class with the most votes; of equal ones the first in `classes_`."""
        found: NDArray[Any] = _asked(self, X).predict(_scaled(self, X))
        return found

    def predict_proba(self, X: Any) -> Floats:
        """Return shares of the votes, of shape (n_rows, n_classes)."""
        found: Floats = _asked(self, X).predict_proba(_scaled(self, X))
        return found


class KnnRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn ships no types
    """
    The mean of the nearest training rows.

    X has shape (n_rows, n_columns) without missing values; y holds numbers. Parameters and attributes are
    those of `KnnClassifier`.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = dict(CONSTRAINTS)

    def __init__(
        self,
        *,
        n_neighbors: int = 5,
        weights: str = "uniform",
        metric: str = "euclidean",
        scale: str | None = None,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.weights = weights
        self.metric = metric
        self.scale = scale

    def fit(self, X: Any, y: Any) -> "KnnRegressor":
        """Keep the rows, scaled."""
        self._validate_params()
        X, y = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        self.scaler_, scaled = fit_scaler(self.scale, X)
        plain = KNeighborsRegressor(n_neighbors=self.n_neighbors, weights=self.weights, metric=self.metric)
        self.neighbors_ = plain.fit(scaled, y)
        return self

    def predict(self, X: Any) -> Floats:
        """Return one number for each row."""
        found: Floats = _asked(self, X).predict(_scaled(self, X))
        return found


def fit_scaler(scale: str | None, X: Floats) -> tuple[Any, Floats]:
    """Return the scaler that *scale* names, fitted on *X* (None for None), and the scaled rows."""
    if scale is None:
        return None, X
    scaler = SCALERS[scale]()
    return scaler, scaler.fit_transform(X)


def _asked(model: Any, X: Any) -> Any:
    check_is_fitted(model)
    return model.neighbors_


def _scaled(model: Any, X: Any) -> Floats:
    X = validate_data(model, X, dtype=np.float64, reset=False)
    scaled: Floats = X if model.scaler_ is None else model.scaler_.transform(X)
    return scaled
