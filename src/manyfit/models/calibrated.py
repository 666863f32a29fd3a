"""A classifier with calibrated probabilities beside its own predictions."""

from collections.abc import Iterator
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from sklearn.svm import LinearSVC
from sklearn.utils import get_tags
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d

Rows = NDArray[np.int64]


def _decides(model: "Calibrated") -> bool:
    return hasattr(model.estimator_ if hasattr(model, "estimator_") else model._wrapped(), "decision_function")


class Calibrated(MetaEstimatorMixin, ClassifierMixin, BaseEstimator):  # type: ignore[misc] # without types
    """
    A classifier fitted on all rows that predicts as it does alone, with probabilities from held-out folds.

    The classifier is fitted on each of `cv` parts of the training rows and its decision values for the rows
    left out are mapped to probabilities (Platt, "Probabilistic outputs for support vector machines", 1999, for
    "sigmoid"; Zadrozny and Elkan, "Transforming classifier scores into accurate multiclass probability
    estimates", 2002, for "isotonic"), by scikit-learn's `CalibratedClassifierCV(ensemble=False)`. `predict` is
    that of the classifier itself, so that scores found without calibration hold; the most probable class can
    differ from it where the two nearly tie.

    Parameters
    ----------
    estimator : classifier with `decision_function` or `predict_proba`, default=None
        None: a `LinearSVC`.
    method : {"sigmoid", "isotonic"}, default="sigmoid"
        Isotonic calibration wants a thousand rows or more.
    cv : int, default=5
        Parts; fewer where a class has fewer rows, and never fewer than 2.

    Attributes
    ----------
    estimator_ : the classifier, fitted on all rows
    classes_ : array of shape (n_classes,)
    by_group_ : whether rows of one group were left out together

    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "estimator": [HasMethods(["fit", "predict"]), None],
        "method": [StrOptions({"sigmoid", "isotonic"})],
        "cv": [Interval(Integral, 2, None, closed="left")],
    }

    def __init__(self, estimator: Any = None, *, method: str = "sigmoid", cv: int = 5) -> None:
        self.estimator = estimator
        self.method = method
        self.cv = cv

    def fit(self, X: Any, y: Any, groups: Any = None) -> "Calibrated":
        """
        Fit the classifier and its calibration.

        *groups* of shape (n_rows,) are left out as a whole where every part of the rows then still has all
        classes. Raises ValueError for a class of a single row.
        """
        self._validate_params()
        y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        check_consistent_length(X, y)
        parts, self.by_group_ = self._parts(y, groups)
        wrapped = CalibratedClassifierCV(self._wrapped(), method=self.method, cv=parts, ensemble=False)
        wrapped.fit(X, y)
        (self.calibrated_,) = wrapped.calibrated_classifiers_
        self.estimator_ = self.calibrated_.estimator
        self.classes_ = wrapped.classes_
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(wrapped, name):
                setattr(self, name, getattr(wrapped, name))
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the classes that the classifier itself predicts, of shape (n_rows,)."""
        check_is_fitted(self)
        found: NDArray[Any] = self.estimator_.predict(X)
        return found

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return calibrated probabilities of shape (n_rows, n_classes)."""
        check_is_fitted(self)
        found: NDArray[np.float64] = self.calibrated_.predict_proba(X)
        return found

    @available_if(_decides)  # type: ignore[untyped-decorator] # without types
    def decision_function(self, X: Any) -> NDArray[Any]:
        """Return the decision values of the classifier itself."""
        check_is_fitted(self)
        found: NDArray[Any] = self.estimator_.decision_function(X)
        return found

    def _wrapped(self) -> Any:
        return LinearSVC(random_state=0) if self.estimator is None else self.estimator

    def _parts(self, y: NDArray[Any], groups: Any) -> tuple[list[tuple[Rows, Rows]], bool]:
        """Return the rows to fit and to leave out of each part, and whether these are whole groups."""
        classes, counts = np.unique(y, return_counts=True)
        least = int(counts.min())
        if least < 2:
            raise ValueError(
                f"class {classes[counts.argmin()]} has 1 sample; calibration leaves rows out and needs two"
            )
        rows = np.zeros(len(y))
        for n in self._numbers(y, groups):
            parts = list(StratifiedGroupKFold(n).split(rows, y, groups))
            if all(len(np.unique(y[kept])) == len(np.unique(y)) for kept, _ in parts):
                return parts, True
        return list(StratifiedKFold(min(self.cv, least)).split(rows, y)), False

    def _numbers(self, y: NDArray[Any], groups: Any) -> Iterator[int]:
        """Yield numbers of parts that whole groups may allow, the largest first."""
        if groups is None:
            return
        fewest = min(len(np.unique(np.asarray(groups)[y == one])) for one in np.unique(y))
        yield from range(min(self.cv, fewest), 1, -1)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        inner = get_tags(self._wrapped())
        tags.input_tags.sparse = inner.input_tags.sparse
        tags.input_tags.allow_nan = inner.input_tags.allow_nan
        tags.input_tags.pairwise = inner.input_tags.pairwise
        return tags
