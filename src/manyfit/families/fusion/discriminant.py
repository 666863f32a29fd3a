"""
Linear discriminants: the covariance of each class is computed once and shrunk for every fit.

Shrinking, summing and solving are done with scikit-learn's functions in its order, so that answers are
equal bit for bit.
"""

import copy
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import linalg
from scipy.special import expit
from sklearn.base import clone
from sklearn.covariance import empirical_covariance
from sklearn.utils.extmath import softmax
from sklearn.utils.validation import check_array, column_or_1d, validate_data

from manyfit.contracts.estimators import FitSize
from manyfit.contracts.fusion import Batch, CannotFuse, Guarantee, Params, Predicting, Source
from manyfit.families.fusion.demands import memory_refusal
from manyfit.families.fusion.echoes import heard, repeat
from manyfit.families.fusion.sources import ComputedSource, predicted_by_largest
from manyfit.families.fusion.tokens import token

PATH = "sklearn.discriminant_analysis:LinearDiscriminantAnalysis"
LARGEST_BYTES = 512 * 2**20
_SECONDS_A_FIT = 2e-4
_SECONDS_A_PRODUCT = 3e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class ShrinkageRule:
    """
    Fits with the solver svd, which shrinks nothing, with `shrinkage` "auto" or a `covariance_estimator`, with one
    class only, or with covariances of more than 512 MiB are fitted alone.
    """

    name: str = "shrinkage"
    covers: frozenset[str] = frozenset({PATH})
    axes: tuple[str, ...] = ("shrinkage",)
    shares: str = "the means and covariances of the classes"
    guarantee: Guarantee = Guarantee.EXACT
    proven_on: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: {"scikit-learn": ("1.9",)})

    def refuses(self, path: str, params: Params, size: FitSize) -> str | None:
        if params["solver"] == "svd":
            return "solver=svd takes no shrinkage"
        if params["shrinkage"] == "auto":
            return "shrinkage=auto depends on the rows"
        if params["covariance_estimator"] is not None:
            return "covariance_estimator computes the covariance in its own way"
        needed = 8 * max(size.n_classes, 1) * size.n_columns**2
        return memory_refusal("the covariances of all classes", needed, LARGEST_BYTES)

    def group(self, path: str, params: Params) -> Hashable:
        return token(path, params, self.axes)

    def cost_seconds(self, path: str, members: Sequence[Params], alone: Sequence[float], size: FitSize) -> float:
        each = min(_SECONDS_A_FIT + _SECONDS_A_PRODUCT * size.n_columns**3, *alone)
        return max(alone) + each * (len(alone) - 1)

    def run(self, batch: Batch) -> Iterator[tuple[int, Source]]:
        first = clone(batch.estimators[0]).set_params(solver="lsqr", shrinkage=None)
        shared, warned = heard(first.fit, batch.X, batch.y)
        if len(shared.classes_) < 2:
            raise CannotFuse("there is only one class")
        scatter = _Scatter(shared, batch)
        rows = {name: _Rows(shared, given) for name, given in batch.sets.items()}
        for position, estimator in enumerate(batch.estimators):
            if estimator.shrinkage == "auto":
                continue
            solve = _by_eigenvectors if estimator.solver == "eigen" else _by_least_squares
            try:
                line = _solved(shared, scatter, solve, estimator.shrinkage)
            except np.linalg.LinAlgError:  # it is scikit-learn's to raise, in the fit alone
                continue
            repeat(warned)
            yield position, _source(line, rows)


class _Scatter:
    """Covariances of the training rows by class (classes, columns, columns), and of all rows."""

    def __init__(self, shared: Any, batch: Batch) -> None:
        X = validate_data(shared, batch.X, reset=False, dtype=[np.float64, np.float32])
        codes = np.searchsorted(shared.classes_, column_or_1d(batch.y))
        (by_class, of_all), _ = heard(_covariances, X, [codes == at for at in range(len(shared.classes_))])
        self._by_class = _Shrinking(np.stack(by_class))
        self._of_all = _Shrinking(of_all)
        self._priors = shared.priors_

    def within(self, shrinkage: float | None) -> Any:
        covariances = self._by_class.shrunk(shrinkage)
        total = np.zeros(covariances.shape[1:])
        for prior, covariance in zip(self._priors, covariances, strict=True):
            total += prior * covariance
        return total

    def total(self, shrinkage: float | None) -> Any:
        return self._of_all.shrunk(shrinkage)


class _Shrinking:
    """Covariances (..., columns, columns) to be shrunk many times; scikit-learn validates them each time."""

    def __init__(self, covariance: Any) -> None:
        self._covariance = covariance
        self._mean_variance: Any = None

    def shrunk(self, shrinkage: float | None) -> Any:
        """Return what `shrunk_covariance` does, by the same operations; None: nothing is shrunk."""
        if shrinkage is None:
            return self._covariance
        if self._mean_variance is None:
            self._prepare()
        found = (1.0 - shrinkage) * self._covariance
        found += shrinkage * self._mean_variance * np.eye(self._covariance.shape[-1])
        return found

    def _prepare(self) -> None:
        checked = check_array(self._covariance, allow_nd=True)
        mean = np.trace(checked, axis1=-2, axis2=-1) / checked.shape[-1]
        self._mean_variance = np.expand_dims(mean, axis=tuple(range(mean.ndim, checked.ndim)))


def _covariances(X: Any, members: Sequence[Any]) -> tuple[list[Any], Any]:
    return [np.atleast_2d(empirical_covariance(X[mine, :])) for mine in members], empirical_covariance(X)


def _by_least_squares(shared: Any, scatter: _Scatter, shrinkage: float | None) -> Any:
    return linalg.lstsq(scatter.within(shrinkage), shared.means_.T)[0].T


def _by_eigenvectors(shared: Any, scatter: _Scatter, shrinkage: float | None) -> Any:
    within = scatter.within(shrinkage)
    values, vectors = linalg.eigh(scatter.total(shrinkage) - within, within)
    vectors = vectors[:, np.argsort(values)[::-1]]
    return np.dot(shared.means_, vectors).dot(vectors.T)


@dataclass(frozen=True, slots=True)
class _Line:
    """The coefficients and intercepts of a fit; `classes` in order."""

    coefficients: Any
    intercepts: Any
    classes: Any


def _solved(shared: Any, scatter: _Scatter, solve: Any, shrinkage: float | None) -> _Line:
    coefficients = solve(shared, scatter, shrinkage)
    intercepts = -0.5 * np.diag(np.dot(shared.means_, coefficients.T)) + np.log(shared.priors_)
    if len(shared.classes_) == 2:
        kind = shared.means_.dtype  # that of the rows
        coefficients = np.asarray(coefficients[1, :] - coefficients[0, :], dtype=kind).reshape(1, -1)
        intercepts = np.asarray(intercepts[1] - intercepts[0], dtype=kind).reshape(1)
    return _Line(coefficients, intercepts, shared.classes_)


class _Rows:
    """One set of rows, validated once as the methods of a fitted estimator would each time."""

    def __init__(self, shared: Any, given: Any) -> None:
        self._shared = copy.copy(shared)
        self._given = given
        self._checked: Any = None

    @property
    def checked(self) -> Any:
        if self._checked is None:
            self._checked = validate_data(self._shared, self._given, reset=False)
        return self._checked


def _source(line: _Line, rows: Mapping[str, _Rows]) -> Source:
    def decision(name: str) -> Any:
        scores = rows[name].checked @ line.coefficients.T + line.intercepts
        return scores.reshape(-1) if scores.shape[1] == 1 else scores

    def predict(name: str) -> Any:
        scores = decision(name)
        if scores.ndim == 1:
            return line.classes.take((scores > 0).astype(np.intp), axis=0)
        return predicted_by_largest(line.classes, scores)

    def probabilities(name: str) -> Any:
        scores = decision(name)
        if scores.ndim == 1:
            second = expit(scores)
            return np.stack([1 - second, second], axis=1)
        return softmax(scores)

    functions = {"predict": predict, "predict_proba": probabilities, "decision_function": decision}
    return ComputedSource(functions, classes=line.classes)


RULES: tuple[Predicting, ...] = (ShrinkageRule(),)
