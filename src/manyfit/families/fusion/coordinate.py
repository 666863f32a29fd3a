"""
Lasso and elastic net along alpha and l1_ratio: every fit starts cold, on rows that are prepared once.

Tall rows are descended on their products X'X, which takes the same steps as on the rows, up to rounding.
Two things could make more of rounding than that: a nearly singular X'X, and a test (converged? column
screened out?) that stands on its edge. Both show when the descent is repeated on slightly other products
with a slightly larger tolerance, so every such fit is repeated, and descended on the rows where the two
differ.
"""

import warnings
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn import config_context
from sklearn.base import clone
from sklearn.utils.validation import check_array, validate_data

from manyfit.contracts.estimators import FitSize
from manyfit.contracts.fusion import CLOSE_ENOUGH, Batch, Guarantee, Params, Predicting, Source
from manyfit.families.fusion.demands import memory_refusal, require_dense, require_dense_sets
from manyfit.families.fusion.sources import ComputedSource, FittedSource
from manyfit.families.fusion.tokens import token

LASSO = "sklearn.linear_model:Lasso"
ELASTIC_NET = "sklearn.linear_model:ElasticNet"
LARGEST_BYTES = 512 * 2**20
TALL = 2
"""Rows for each column from which descending on the products, twice, is cheaper than on the rows."""
NUDGE = 1e-12
"""Of the products in the repeated descent: about a hundred times what rounding does to them."""
EDGE = 1e-6
"""A gap this close to the tolerance, relative to it, might be on the other side of it."""
SMALLEST_TOL = 1e-9
"""Below it rounding decides when a descent has converged."""
_ALLOWED_ROUNDING = CLOSE_ENOUGH / 4
_NEVER_DRAWS = np.random.RandomState(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """
    The rows as scikit-learn's own fit gives them to its descent: validated, centred, in column order.

    `template` carries what a fit leaves on the estimator before it descends. `gram` is X'X where the
    estimator asks for it.
    """

    template: Any
    X: Any
    y: Any
    offsets: tuple[Any, Any, Any]
    gram: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Products:
    """
    X'X, X'y, the same with a nudge, and the sets as `predict` takes them.

    `reach` are the norms of the longest row of the sets, centred and as it is.
    """

    gram: Any
    right: Any
    nudged_gram: Any
    nudged_right: Any
    sets: Mapping[str, Any]
    reach: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class CoordinateRule:
    """
    Answers of fits on the rows themselves are equal bit for bit; those of fits on products agree within 1e-9.

    Fits with `selection` random, with products of the user's own (`precompute`), on sparse rows, or on rows
    of more than 512 MiB are fitted alone.
    """

    name: str = "coordinate"
    covers: frozenset[str] = frozenset({LASSO, ELASTIC_NET})
    axes: tuple[str, ...] = ("alpha", "l1_ratio")
    shares: str = "the centred rows and their products"
    guarantee: Guarantee = Guarantee.CLOSE
    proven_on: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: {"scikit-learn": ("1.9",)})

    def refuses(self, path: str, params: Params, size: FitSize) -> str | None:
        if params.get("selection") == "random":
            return "selection=random draws the order of the coordinates"
        if not isinstance(params.get("precompute"), bool):
            return "precompute is an array of products"
        return memory_refusal("the centred rows", 8 * size.n_rows * size.n_columns, LARGEST_BYTES)

    def group(self, path: str, params: Params) -> Hashable:
        return token(path, params, self.axes)

    def cost_seconds(self, path: str, members: Sequence[Params], alone: Sequence[float], size: FitSize) -> float:
        n, d = size.n_rows, size.n_columns
        on_rows = 0.85 * (sum(alone) - max(alone))
        if n < TALL * d:
            return max(alone) + on_rows
        sweeps = max(alone) / (1e-9 * n * d)
        on_products = 3e-10 * n * d * d + len(members) * (8e-5 + 5e-10 * n * d + 1e-9 * sweeps * d * d)
        return max(alone) + min(on_products, 0.5 * on_rows)

    def run(self, batch: Batch) -> Iterator[tuple[int, Source]]:
        prepared = prepare(batch)
        products = products_of(prepared, batch.sets)
        for position, estimator in enumerate(batch.estimators):
            found = None if products is None else descended(prepared, products, estimator)
            if products is None or found is None:
                yield position, FittedSource(fitted_on_rows(prepared, estimator), batch.sets)
            else:
                yield position, answers_of(prepared, found, products.sets)


RULES: tuple[Predicting, ...] = (CoordinateRule(),)


def prepare(batch: Batch) -> Prepared:
    """Validate and centre the training rows once, with scikit-learn's own steps in their order."""
    from sklearn.linear_model._base import _pre_fit

    require_dense(batch)
    require_dense_sets(batch.sets)
    template = clone(batch.estimators[0])
    X, y = validate_data(
        template,
        batch.X,
        batch.y,
        order="F",
        dtype=[np.float64, np.float32],
        force_writeable=True,
        multi_output=True,
        y_numeric=True,
    )
    y = check_array(y, order="F", copy=False, dtype=X.dtype.type, ensure_2d=False)
    X, y, *offsets, gram, _ = _pre_fit(
        X, y, None, template.precompute, fit_intercept=template.fit_intercept, copy=True, check_gram=False
    )
    return Prepared(
        template=template, X=np.asfortranarray(X), y=np.asfortranarray(y), offsets=tuple(offsets), gram=gram
    )


def fitted_on_rows(prepared: Prepared, estimator: Any) -> Any:
    """Return *estimator* fitted by scikit-learn itself, but for the preparation."""
    fitted = clone(estimator)
    given = fitted.get_params(deep=False)
    precompute = prepared.gram if isinstance(prepared.gram, np.ndarray) else False
    with config_context(skip_parameter_validation=True):
        fitted.set_params(fit_intercept=False, copy_X=False, precompute=precompute)
        fitted.fit(prepared.X, prepared.y, check_input=False)
    fitted.set_params(**given)
    learned = {name: value for name, value in vars(prepared.template).items() if name not in vars(fitted)}
    vars(fitted).update(learned)
    fitted._set_intercept(*prepared.offsets)
    return fitted


def products_of(prepared: Prepared, sets: Mapping[str, Any]) -> Products | None:
    """Return the products of tall rows, None where descending on them is not worth it or not allowed."""
    X, y, template = prepared.X, prepared.y, prepared.template
    if X.dtype != np.float64 or y.ndim != 1 or template.precompute or template.tol < SMALLEST_TOL:
        return None
    if len(X) < TALL * X.shape[1]:
        return None
    accepted = {name: validate_data(template, rows, reset=False) for name, rows in sets.items()}
    gram, right = np.ascontiguousarray(X.T @ X), X.T @ y
    lengths = np.sqrt(np.diag(gram))
    noise = np.random.RandomState(0)
    tilts = noise.uniform(-1, 1, gram.shape)
    return Products(
        gram=gram,
        right=right,
        nudged_gram=gram + NUDGE / 2 * (tilts + tilts.T) * np.outer(lengths, lengths),
        nudged_right=right + NUDGE * noise.uniform(-1, 1, len(right)) * lengths * np.linalg.norm(y),
        sets=accepted,
        reach=(_longest(rows - prepared.offsets[0] for rows in accepted.values()), _longest(accepted.values())),
    )


def descended(prepared: Prepared, products: Products, estimator: Any) -> Any:
    """
    Return the coefficients from a descent on the products, None where a nudge shows in it.

    Emits the warnings of the descent that is returned.
    """
    if not estimator.alpha * estimator.l1_ratio > 0:
        return None
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        found, gap, tolerance, n_sweeps = _descend(
            prepared, products.gram, products.right, estimator, tol=estimator.tol
        )
        own = list(seen)
        nudged, _, _, n_nudged = _descend(
            prepared, products.nudged_gram, products.nudged_right, estimator, tol=estimator.tol * (1 + EDGE)
        )
    if n_sweeps != n_nudged or abs(gap - tolerance) <= EDGE * tolerance:
        return None
    if not _agree(prepared, products, found, nudged):
        return None
    for warning in own:
        warnings.warn(warning.message, warning.category, stacklevel=2)
    return found


def _descend(prepared: Prepared, gram: Any, right: Any, estimator: Any, *, tol: float) -> Any:
    from sklearn.linear_model import _cd_fast

    n_rows, n_columns = prepared.X.shape
    return _cd_fast.enet_coordinate_descent_gram(
        np.zeros(n_columns),
        estimator.alpha * estimator.l1_ratio * n_rows,
        estimator.alpha * (1.0 - estimator.l1_ratio) * n_rows,
        gram,
        right,
        prepared.y,
        estimator.max_iter,
        tol,
        _NEVER_DRAWS,
        False,
        estimator.positive,
        True,
    )


def _agree(prepared: Prepared, products: Products, found: Any, nudged: Any) -> bool:
    centred, as_given = products.reach
    spread = float(np.linalg.norm(prepared.y)) / np.sqrt(len(prepared.y))
    moved = centred * float(np.linalg.norm(found - nudged))
    size = as_given * float(np.linalg.norm(found)) + abs(float(prepared.offsets[1]))
    rounding = 4 * np.finfo(np.float64).eps * np.sqrt(len(found)) * size
    return bool(moved <= CLOSE_ENOUGH * spread and rounding <= _ALLOWED_ROUNDING * spread)


def answers_of(prepared: Prepared, coefficients: Any, sets: Mapping[str, Any]) -> Source:
    """Return predictions from *coefficients* with the intercept that scikit-learn sets."""
    X_offset, y_offset, _ = prepared.offsets
    intercept = y_offset - X_offset @ coefficients if prepared.template.fit_intercept else 0.0

    return ComputedSource({"predict": lambda name: sets[name] @ coefficients + intercept})


def _longest(arrays: Any) -> float:
    return max((float(np.linalg.norm(rows, axis=1).max(initial=0.0)) for rows in arrays), default=0.0)
