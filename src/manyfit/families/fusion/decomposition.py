"""Principal components: one complete decomposition holds every smaller number of components."""

import copy
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.base import clone

from manyfit.contracts.estimators import FitSize
from manyfit.contracts.fusion import Batch, Guarantee, Params, Transforming
from manyfit.families.fusion.demands import require_dense
from manyfit.families.fusion.echoes import Heard, heard, repeat
from manyfit.families.fusion.tokens import token

PATH = "sklearn.decomposition:PCA"
COMPLETE = ("full", "covariance_eigh")
"""The solvers that find all components, whatever number is wanted."""
_BY_COMPONENT = ("explained_variance_", "explained_variance_ratio_", "singular_values_")
_SHARE_OF_A_FIT = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentsRule:
    """
    Exact because the solvers full and covariance_eigh find all components, whatever number of them is kept.

    Fits with another solver ("auto" takes randomized for large tables and few components), with
    `n_components` "mle" or a share of the variance, with `copy` False, or on sparse rows are fitted alone.
    """

    name: str = "components"
    covers: frozenset[str] = frozenset({PATH})
    axes: tuple[str, ...] = ("n_components",)
    shares: str = "one decomposition of the rows"
    guarantee: Guarantee = Guarantee.EXACT
    proven_on: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: {"scikit-learn": ("1.9",)})

    def refuses(self, path: str, params: Params, size: FitSize) -> str | None:
        wanted = params["n_components"]
        if wanted == "mle":
            return "n_components=mle depends on the rows"
        if isinstance(wanted, float):
            return "n_components is a share of the variance, which depends on the rows"
        if not params["copy"]:
            return "copy=False changes the rows that others need"
        solver = _solver(params["svd_solver"], wanted, size.n_rows, size.n_columns)
        if solver not in COMPLETE:
            return f"svd_solver={solver} depends on the number of components"
        return None

    def group(self, path: str, params: Params) -> Hashable:
        return token(path, params, self.axes)

    def cost_seconds(self, path: str, members: Sequence[Params], alone: Sequence[float], size: FitSize) -> float:
        return max(alone) + _SHARE_OF_A_FIT * (sum(alone) - max(alone))

    def run(self, batch: Batch) -> Iterator[tuple[int, Any, Mapping[str, Any]]]:
        require_dense(batch)
        for solver in COMPLETE:
            members = [
                at for at, estimator in enumerate(batch.estimators) if _solved_by(estimator, batch.X) == solver
            ]
            if members:
                yield from _transformed(batch, members, solver)


def _solver(asked: str, wanted: Any, n_rows: int, n_columns: int) -> str:
    """Return the solver that scikit-learn takes for a whole number of components."""
    smaller = min(n_rows, n_columns)
    wanted = smaller if wanted is None else wanted
    if asked != "auto":
        return asked
    if n_columns <= 1000 and n_rows >= 10 * n_columns:
        return "covariance_eigh"
    if max(n_rows, n_columns) <= 500 or not 1 <= wanted < 0.8 * smaller:
        return "full"
    return "randomized"


def _solved_by(estimator: Any, X: Any) -> str | None:
    """Return the solver of a member, None for a number of components that is left to fail alone."""
    wanted = estimator.n_components
    if wanted is not None and not 1 <= wanted <= min(X.shape):
        return None
    return _solver(estimator.svd_solver, wanted, *X.shape)


def _transformed(
    batch: Batch, members: Sequence[int], solver: str
) -> Iterator[tuple[int, Any, Mapping[str, Any]]]:
    whole = clone(batch.estimators[members[0]]).set_params(n_components=None, svd_solver=solver)
    rows, warned = heard(whole.fit_transform, batch.X)
    for position in members:
        wanted = batch.estimators[position].n_components
        yield position, *_cut(batch, whole, rows, warned, whole.n_components_ if wanted is None else wanted)


def _cut(batch: Batch, whole: Any, rows: Any, warned: Heard, wanted: int) -> tuple[Any, Mapping[str, Any]]:
    """Return the transformed rows and sets for the first *wanted* components, in scikit-learn's memory order."""
    repeat(warned)
    part = _first(whole, wanted)
    if part._fit_svd_solver == "full":
        kept = np.array(rows[:, :wanted], order="F", copy=True)
    else:
        kept = part.transform(batch.X)
    return kept, {name: part.transform(given) for name, given in batch.sets.items()}


def _first(whole: Any, wanted: int) -> Any:
    part = copy.copy(whole)
    part.components_ = np.array(whole.components_[:wanted], order="K", copy=True)
    for name in _BY_COMPONENT:
        setattr(part, name, getattr(whole, name)[:wanted].copy())
    part.n_components_ = part.n_components = wanted
    return part


RULES: tuple[Transforming, ...] = (ComponentsRule(),)
