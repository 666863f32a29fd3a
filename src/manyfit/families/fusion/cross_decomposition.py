"""Partial least squares: components are found one after the other, so fewer are a prefix of more."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.linalg import pinv
from sklearn.base import clone
from sklearn.utils.validation import validate_data

from manyfit.contracts.estimators import FitSize
from manyfit.contracts.fusion import Batch, CannotFuse, Guarantee, Params, Predicting, Source
from manyfit.families.fusion.echoes import Heard, heard
from manyfit.families.fusion.sources import ComputedSource
from manyfit.families.fusion.tokens import token

PATH = "sklearn.cross_decomposition:PLSRegression"
_NOTHING_LEFT = "y residual is constant"
_SHARE_OF_A_FIT = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class LeastSquaresComponentsRule:
    """
    Exact because a component depends only on those before it.

    Fits with `copy` False, with more components than rows or columns, or beyond a component whose search gave
    a warning are fitted alone.
    """

    name: str = "pls-components"
    covers: frozenset[str] = frozenset({PATH})
    axes: tuple[str, ...] = ("n_components",)
    shares: str = "the fit with the most components"
    guarantee: Guarantee = Guarantee.EXACT
    proven_on: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: {"scikit-learn": ("1.9",)})

    def refuses(self, path: str, params: Params, size: FitSize) -> str | None:
        return None if params["copy"] else "copy=False changes the rows that others need"

    def group(self, path: str, params: Params) -> Hashable:
        return token(path, params, self.axes)

    def cost_seconds(self, path: str, members: Sequence[Params], alone: Sequence[float], size: FitSize) -> float:
        return max(alone) + _SHARE_OF_A_FIT * (sum(alone) - max(alone))

    def run(self, batch: Batch) -> Iterator[tuple[int, Source]]:
        numbers = [estimator.n_components for estimator in batch.estimators]
        possible = [number for number in numbers if number <= min(batch.X.shape)]
        if not possible:
            raise CannotFuse("there are fewer rows or columns than components")
        largest = clone(batch.estimators[0]).set_params(n_components=max(possible))
        fitted, warned = heard(largest.fit, batch.X, batch.y)
        n_found = _n_found(fitted, warned)
        rows = {name: _Centred(fitted, given) for name, given in batch.sets.items()}
        for position, number in enumerate(numbers):
            if number <= n_found:
                yield position, _source(fitted, _coefficients(fitted, number), rows)


def _n_found(fitted: Any, warned: Heard) -> int:
    """Return how many components there are before the target is explained; fits with more warn of it alone."""
    if any(not str(warning.message).startswith(_NOTHING_LEFT) for warning in warned):
        raise CannotFuse("the fit with the most components gives warnings")
    return len(fitted.n_iter_)


def _coefficients(fitted: Any, number: int) -> Any:
    """Return the coefficients (targets, columns) of the first components, computed as scikit-learn does."""
    weights, x_loadings, y_loadings = (
        np.ascontiguousarray(each[:, :number])
        for each in (fitted.x_weights_, fitted.x_loadings_, fitted.y_loadings_)
    )
    rotations = np.dot(weights, pinv(np.dot(x_loadings.T, weights), check_finite=False))
    return (np.dot(rotations, y_loadings.T) * fitted._y_std).T / fitted._x_std


class _Centred:
    """One set of rows, validated and centred once."""

    def __init__(self, fitted: Any, given: Any) -> None:
        self._fitted = fitted
        self._given = given
        self._rows: Any = None

    @property
    def rows(self) -> Any:
        if self._rows is None:
            kinds = (np.float64, np.float32, np.float16)
            rows = validate_data(self._fitted, self._given, copy=True, dtype=kinds, reset=False)
            rows -= self._fitted._x_mean
            self._rows = rows
        return self._rows


def _source(fitted: Any, coefficients: Any, rows: Mapping[str, _Centred]) -> Source:
    def predict(name: str) -> Any:
        answer = rows[name].rows @ coefficients.T + fitted.intercept_
        return answer.ravel() if fitted._predict_1d else answer

    return ComputedSource({"predict": predict})


RULES: tuple[Predicting, ...] = (LeastSquaresComponentsRule(),)
