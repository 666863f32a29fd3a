"""
Forecasts that need no learning: what every other forecast has to beat.

They read earlier values of the series from columns of X, which `[data.lags]` makes, by their positions.
Source of the methods: Hyndman and Athanasopoulos, "Forecasting: principles and practice", 3rd edition, 5.2.
"""

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted, validate_data

Floats = NDArray[np.floating]

_POSITION = [Interval(Integral, 0, None, closed="left")]


class SeasonalNaive(RegressorMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn ships no types
    """
    The value of one season ago, or any other earlier value: what stands in one column of X.

    X has shape (n_rows, n_columns); missing values there are forecast as the mean of y.

    Parameters
    ----------
    column : int
        Position of the earlier value among the feature columns. The lags of `[data.lags]` stand in the order of
        their numbers, behind the table's own columns.

    Attributes
    ----------
    mean_ : float, the mean of the training target
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {"column": _POSITION}

    def __init__(self, *, column: int = 0) -> None:
        self.column = column

    def fit(self, X: Any, y: Any) -> "SeasonalNaive":
        """Note the mean. Raises ValueError where there is no such column."""
        self._validate_params()
        X, y = validate_data(self, X, y, dtype=np.float64, ensure_all_finite="allow-nan", y_numeric=True)
        _check_columns(X, self.column)
        self.mean_ = float(np.mean(y))
        return self

    def predict(self, X: Any) -> Floats:
        """Return the earlier value of each row."""
        X = _checked(self, X)
        values: Floats = X[:, self.column]
        return np.where(np.isnan(values), self.mean_, values)

    def __sklearn_tags__(self) -> Any:
        return _tags(super().__sklearn_tags__())


class Drift(RegressorMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn ships no types
    """
    A straight line through two earlier values, drawn out to the horizon.

    With r in the column `recent` and e in the column `earlier` the forecast is r + ratio (r - e). X has
    shape (n_rows, n_columns); rows with a missing value there are forecast as the mean of y.

    Parameters
    ----------
    recent, earlier : int
        Positions of the two values among the feature columns.
    ratio : float
        Steps from the recent value to the target, divided by steps between the two values.

    Attributes
    ----------
    mean_ : float, the mean of the training target
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "recent": _POSITION,
        "earlier": _POSITION,
        "ratio": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(self, *, recent: int = 0, earlier: int = 1, ratio: float = 1.0) -> None:
        self.recent = recent
        self.earlier = earlier
        self.ratio = ratio

    def fit(self, X: Any, y: Any) -> "Drift":
        """Note the mean. Raises ValueError where there are no such columns."""
        self._validate_params()
        X, y = validate_data(self, X, y, dtype=np.float64, ensure_all_finite="allow-nan", y_numeric=True)
        _check_columns(X, self.recent)
        _check_columns(X, self.earlier)
        self.mean_ = float(np.mean(y))
        return self

    def predict(self, X: Any) -> Floats:
        """Return the point on the line for each row."""
        X = _checked(self, X)
        recent, earlier = X[:, self.recent], X[:, self.earlier]
        values: Floats = recent + self.ratio * (recent - earlier)
        return np.where(np.isnan(values), self.mean_, values)

    def __sklearn_tags__(self) -> Any:
        return _tags(super().__sklearn_tags__())


def _check_columns(X: Floats, position: int) -> None:
    if position >= X.shape[1]:
        raise ValueError(f"there is no column {position}: X has {X.shape[1]} feature(s), the first is 0")


def _checked(model: Any, X: Any) -> Floats:
    check_is_fitted(model)
    checked: Floats = validate_data(model, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=False)
    return checked


def _tags(tags: Any) -> Any:
    tags.input_tags.allow_nan = True
    tags.regressor_tags.poor_score = True  # only as good as the column that it is pointed to
    return tags
