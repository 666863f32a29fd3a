"""
Gradient-boosted trees with one contract over LightGBM and XGBoost.

Source of the methods: Ke et al., "LightGBM: A highly efficient gradient boosting decision tree", 2017; Chen
and Guestrin, "XGBoost: A scalable tree boosting system", 2016. Both are asked for trees that grow leaf by
leaf on histograms, so that a parameter means the same in either; their scores are near each other and not equal.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from manyfit.model.errors import MissingExtra

Floats = NDArray[np.floating]

_EVERY_DEPTH = 0
_TREE: Mapping[str, Any] = {
    "library": [StrOptions({"lightgbm", "xgboost"})],
    "n_estimators": [Interval(Integral, 1, None, closed="left")],
    "learning_rate": [Interval(Real, 0, None, closed="neither")],
    "max_leaves": [Interval(Integral, 2, None, closed="left")],
    "max_depth": [Interval(Integral, 1, None, closed="left"), None],
    "min_child_weight": [Interval(Real, 0, None, closed="left")],
    "subsample": [Interval(Real, 0, 1, closed="right")],
    "colsample": [Interval(Real, 0, 1, closed="right")],
    "reg_alpha": [Interval(Real, 0, None, closed="left")],
    "reg_lambda": [Interval(Real, 0, None, closed="left")],
    "max_bins": [Interval(Integral, 2, 65535, closed="both")],
    "n_jobs": [Interval(Integral, 1, None, closed="left"), None],
    "random_state": ["random_state"],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """What the trees are asked for: `n_outputs` is 1 for a regression and for two classes."""

    X: Floats
    y: NDArray[Any]
    classifies: bool
    weight: Floats | None = None
    n_classes: int = 0


class GbtClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn ships no types
    """
    Gradient-boosted trees that tell classes apart, by LightGBM or by XGBoost.

    X has shape (n_rows, n_columns), missing values are NaN and go to the side of a split that fits better; y
    holds class codes or texts. `predict_proba` returns (n_rows, n_classes), columns as in `classes_`.

    Parameters
    ----------
    library : {"lightgbm", "xgboost"}
        What grows the trees. Raises `MissingExtra` in `fit` where it is not installed.
    n_estimators : int
        Rounds. With more than two classes each round grows a tree for every class.
    learning_rate : float
        By how much each tree counts.
    max_leaves : int
        Leaves of a tree at most.
    max_depth : int or None
        Depth of a tree at most; None for no limit but `max_leaves`.
    min_child_weight : float
        Sum of second derivatives in a leaf at least. For squares that is a number of rows; for classes a row
        counts 1/4 at most.
    subsample, colsample : float
        Share of the rows and of the columns that each tree sees, drawn by `random_state`.
    reg_alpha, reg_lambda : float
        L1 and L2 penalty of the values in leaves.
    max_bins : int
        Bins of a histogram at most.
    class_weight : dict, "balanced" or None
        Weights by class; "balanced" gives each class the same sum.
    n_jobs : int or None
        Threads; None means one. The same number gives the same trees bit for bit.
    random_state : int, RandomState or None
        Matters with `subsample` or `colsample` below one only.

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
    booster_ : the library's own booster
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **_TREE,
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

    def __init__(
        self,
        *,
        library: str = "lightgbm",
        n_estimators: int = 100,
        learning_rate: float = 0.1,
        max_leaves: int = 31,
        max_depth: int | None = None,
        min_child_weight: float = 1.0,
        subsample: float = 1.0,
        colsample: float = 1.0,
        reg_alpha: float = 0.0,
        reg_lambda: float = 1.0,
        max_bins: int = 255,
        class_weight: Any = None,
        n_jobs: int | None = None,
        random_state: Any = None,
    ) -> None:
        self.library = library
        self.n_estimators = n_estimators
        self.learning_rate = learning_rate
        self.max_leaves = max_leaves
        self.max_depth = max_depth
        self.min_child_weight = min_child_weight
        self.subsample = subsample
        self.colsample = colsample
        self.reg_alpha = reg_alpha
        self.reg_lambda = reg_lambda
        self.max_bins = max_bins
        self.class_weight = class_weight
        self.n_jobs = n_jobs
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> "GbtClassifier":
        """Grow the trees. Raises ValueError for one class only, `MissingExtra` without the library."""
        self._validate_params()
        X, y = validate_data(self, X, y, dtype=np.float64, ensure_all_finite="allow-nan")
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        weight = None if self.class_weight is None else compute_sample_weight(self.class_weight, y)
        if len(self.classes_) < 2:
            raise ValueError("gradient boosting needs rows of two classes or more, and there is one class only")
        task = _Task(X=X, y=codes, weight=weight, classifies=True, n_classes=len(self.classes_))
        self.booster_ = _LIBRARIES[self.library](self, task)
        return self

    def predict_proba(self, X: Any) -> Floats:
        """Return probabilities of shape (n_rows, n_classes)."""
        found = _predicted(self, X)
        return np.column_stack([1 - found, found]) if found.ndim == 1 else found

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the class of the largest probability for each row."""
        proba = self.predict_proba(X)
        chosen: NDArray[Any] = self.classes_[np.argmax(proba, axis=1)]
        return chosen

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


class GbtRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn ships no types
    """
    Gradient-boosted trees that predict numbers by least squares, by LightGBM or by XGBoost.

    X has shape (n_rows, n_columns), missing values are NaN; y holds numbers. The parameters are those of
    `GbtClassifier` without `class_weight`; `booster_` is the library's own booster.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = dict(_TREE)

    def __init__(
        self,
        *,
        library: str = "lightgbm",
        n_estimators: int = 100,
        learning_rate: float = 0.1,
        max_leaves: int = 31,
        max_depth: int | None = None,
        min_child_weight: float = 1.0,
        subsample: float = 1.0,
        colsample: float = 1.0,
        reg_alpha: float = 0.0,
        reg_lambda: float = 1.0,
        max_bins: int = 255,
        n_jobs: int | None = None,
        random_state: Any = None,
    ) -> None:
        self.library = library
        self.n_estimators = n_estimators
        self.learning_rate = learning_rate
        self.max_leaves = max_leaves
        self.max_depth = max_depth
        self.min_child_weight = min_child_weight
        self.subsample = subsample
        self.colsample = colsample
        self.reg_alpha = reg_alpha
        self.reg_lambda = reg_lambda
        self.max_bins = max_bins
        self.n_jobs = n_jobs
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> "GbtRegressor":
        """Grow the trees. Raises `MissingExtra` without the library."""
        self._validate_params()
        X, y = validate_data(self, X, y, dtype=np.float64, ensure_all_finite="allow-nan", y_numeric=True)
        target = np.asarray(y, dtype=np.float64)
        task = _Task(X=X, y=target, classifies=False)
        self.booster_ = _LIBRARIES[self.library](self, task)
        return self

    def predict(self, X: Any) -> Floats:
        """Return one number for each row."""
        return _predicted(self, X)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def _predicted(model: Any, X: Any) -> Floats:
    check_is_fitted(model)
    X = validate_data(model, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=False)
    found: Floats
    if hasattr(model.booster_, "inplace_predict"):
        found = model.booster_.inplace_predict(X, validate_features=False)
    else:
        found = model.booster_.predict(X, num_threads=model.n_jobs or 1)
    return np.asarray(found, dtype=np.float64)


def _seed(model: Any) -> int:
    return int(check_random_state(model.random_state).randint(np.iinfo(np.int32).max))


def _grow_lightgbm(model: Any, task: _Task) -> Any:
    lightgbm = _library("lightgbm")
    objective = {0: "regression", 2: "binary"}.get(task.n_classes, "multiclass")
    params = {
        "objective": objective,
        "learning_rate": model.learning_rate,
        "num_leaves": model.max_leaves,
        "max_depth": model.max_depth or -1,
        "min_sum_hessian_in_leaf": model.min_child_weight,
        "min_data_in_leaf": 1,  # the weight is the only limit, as in XGBoost
        "min_data_in_bin": 1,
        "bagging_fraction": model.subsample,
        "bagging_freq": 1 if model.subsample < 1 else 0,
        "feature_fraction": model.colsample,
        "lambda_l1": model.reg_alpha,
        "lambda_l2": model.reg_lambda,
        "max_bin": model.max_bins,
        "bin_construct_sample_cnt": max(len(task.X), 2),  # bins by all rows: a seed draws none
        "num_threads": model.n_jobs or 1,
        "seed": _seed(model),
        "deterministic": True,
        "force_col_wise": True,  # otherwise it measures which layout is quicker, and sums may differ
        "verbosity": -1,
        **({"num_class": task.n_classes} if objective == "multiclass" else {}),
    }
    table = lightgbm.Dataset(task.X, label=task.y, weight=task.weight, params=params)
    booster = lightgbm.train(params, table, num_boost_round=model.n_estimators)
    return booster.free_dataset()


def _grow_xgboost(model: Any, task: _Task) -> Any:
    xgboost = _library("xgboost")
    many = {"objective": "multi:softprob", "num_class": task.n_classes}
    two = {"objective": "binary:logistic"}
    numbers = {"objective": "reg:squarederror"}
    params = {
        **(numbers if not task.classifies else two if task.n_classes == 2 else many),
        "tree_method": "hist",
        "grow_policy": "lossguide",
        "learning_rate": model.learning_rate,
        "max_leaves": model.max_leaves,
        "max_depth": model.max_depth or _EVERY_DEPTH,
        "min_child_weight": model.min_child_weight,
        "subsample": model.subsample,
        "colsample_bytree": model.colsample,
        "reg_alpha": model.reg_alpha,
        "reg_lambda": model.reg_lambda,
        "max_bin": model.max_bins,
        "nthread": model.n_jobs or 1,
        "seed": _seed(model),
    }
    # as a parameter it would silence whatever is fitted later in this process
    with xgboost.config_context(verbosity=0):
        table = xgboost.DMatrix(task.X, label=task.y, weight=task.weight, nthread=model.n_jobs or 1)
        return xgboost.train(params, table, num_boost_round=model.n_estimators)


_LIBRARIES = {"lightgbm": _grow_lightgbm, "xgboost": _grow_xgboost}


def _library(name: str) -> Any:
    try:
        return __import__(name)
    except ModuleNotFoundError as exc:
        if exc.name != name:
            raise
        other = "xgboost" if name == "lightgbm" else "lightgbm"
        raise MissingExtra(
            f'gbt with library = "{name}" needs {name}, which is not installed: pip install'
            f" 'manyfit[boost]', or write library = \"{other}\""
        ) from exc
