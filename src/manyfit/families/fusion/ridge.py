"""
Ridge regression and classification along alpha.

Rows are validated, centred and multiplied once. The cheapest way, one eigendecomposition for all alphas,
is taken where its bound says that answers agree; other alphas are solved one by one from the shared
products, as scikit-learn does it, bit for bit.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse
from sklearn.base import clone
from sklearn.utils.validation import _check_sample_weight, validate_data

from manyfit.contracts.estimators import FitSize
from manyfit.contracts.fusion import Batch, Guarantee, Params, Predicting, Source
from manyfit.families.fusion.demands import require_dense, require_dense_sets
from manyfit.families.fusion.sources import ComputedSource, FittedSource, predicted_by_largest
from manyfit.families.fusion.spectral import Answers, Path, Spectrum, along, worth_a_spectrum
from manyfit.families.fusion.tokens import token

CLASSIFIER = "sklearn.linear_model:RidgeClassifier"
REGRESSOR = "sklearn.linear_model:Ridge"
DIRECT = ("auto", "cholesky", "svd")
_LARGEST_SHARE = 0.4
LARGEST_ORDER = 4096
"""Of the shared matrix; with its eigenvectors and what the solver needs it takes four times 128 MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """
    What ridge's own fit gives its solver, and what it leaves on the estimator.

    X has n rows and d columns, Y a column a target; both are centred and weighted. `template` carries the
    attributes that do not depend on alpha.
    """

    template: Any
    X: Any
    Y: Any
    offsets: tuple[Any, Any, Any]

    @property
    def way(self) -> str:
        """Which of `SOLVERS` scikit-learn would take."""
        if solver_of(self.template) == "svd":
            return "svd"
        return "wide" if self.X.shape[1] > self.X.shape[0] else "tall"

    def finished(self, estimator: Any, coefficients: Any) -> Any:
        """Return *estimator* as fitted, with the solver's *coefficients* (targets by columns)."""
        fitted = clone(estimator)
        learned = {name: value for name, value in vars(self.template).items() if name not in vars(fitted)}
        vars(fitted).update(learned)
        fitted.coef_ = np.ravel(coefficients) if len(coefficients) == 1 else coefficients
        fitted.n_iter_ = None
        fitted.solver_ = solver_of(estimator)
        fitted._set_intercept(*self.offsets)
        return fitted


@dataclass(frozen=True, slots=True, kw_only=True)
class RidgeRule:
    """
    Predicted classes are equal and numbers agree within 1e-9: what the bound does not promise is solved alone.

    Fits with an iterative solver, with `positive`, with one alpha for each target, on sparse rows, or with more
    than 4,096 rows and columns are fitted alone.
    """

    name: str = "ridge"
    covers: frozenset[str] = frozenset({REGRESSOR, CLASSIFIER})
    axes: tuple[str, ...] = ("alpha",)
    shares: str = "the products of the rows and their decomposition"
    guarantee: Guarantee = Guarantee.CLOSE
    proven_on: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: {"scikit-learn": ("1.9",)})

    def refuses(self, path: str, params: Params, size: FitSize) -> str | None:
        if params.get("solver") not in DIRECT:
            return f"solver={params.get('solver')} goes another way for every alpha"
        if params.get("positive"):
            return "positive=True finds coefficients step by step for every alpha"
        if not isinstance(params.get("alpha"), Real):
            return "alpha is a number for each target"
        if min(size.n_rows, size.n_columns) > LARGEST_ORDER:
            return f"there are more than {LARGEST_ORDER:,} rows and columns"
        return None

    def group(self, path: str, params: Params) -> Hashable:
        return token(path, params, self.axes)

    def cost_seconds(self, path: str, members: Sequence[Params], alone: Sequence[float], size: FitSize) -> float:
        order = min(size.n_rows, size.n_columns)
        targets = size.n_classes if size.n_classes > 2 else 1
        answering = 2e-5 + 5e-10 * size.n_rows * order * (1 + targets)
        others = sum(alone) - max(alone)
        by_spectrum = 1e-9 * order**3 + len(members) * answering
        one_by_one = (len(members) - 1) * (1e-4 + 1e-10 * order**3 + answering)
        return max(alone) + min(by_spectrum, one_by_one, _LARGEST_SHARE * others)

    def run(self, batch: Batch) -> Iterator[tuple[int, Source]]:
        prepared = prepare(batch)
        sets = accepted_sets(prepared.template, batch.sets)
        gram = gram_of(prepared)
        solution_for = SOLVERS[prepared.way](prepared.X, prepared.Y, gram)
        if may_use_a_spectrum(prepared, batch):
            yield from by_spectrum(prepared, batch, path_of(prepared, sets, gram), solution_for)
            return
        for position in range(len(batch.estimators)):
            found = solved(prepared, batch, position, solution_for)
            if found is not None:
                yield position, found


RULES: tuple[Predicting, ...] = (RidgeRule(),)


def solver_of(estimator: Any) -> str:
    """Return what "auto" means for dense rows."""
    return "cholesky" if estimator.solver == "auto" else str(estimator.solver)


def prepare(batch: Batch) -> Prepared:
    """Validate, centre and weight the training rows once, with scikit-learn's own steps in their order."""
    from sklearn.linear_model._base import _preprocess_data, _rescale_data

    require_dense(batch)
    template = clone(batch.estimators[0])
    weights = None
    if batch.path == CLASSIFIER:
        X, _, weights, Y = template._prepare_data(batch.X, batch.y, None, template.solver)
    else:
        X, Y = validate_data(
            template,
            batch.X,
            batch.y,
            dtype=[np.float64, np.float32],
            force_writeable=True,
            multi_output=True,
            y_numeric=True,
        )
    if weights is not None:
        weights = _check_sample_weight(weights, X, dtype=X.dtype)
    X, Y, *offsets, _ = _preprocess_data(
        X, Y, fit_intercept=template.fit_intercept, copy=True, sample_weight=weights, rescale_with_sw=False
    )
    X, Y = np.asarray(X), Y.reshape(-1, 1) if Y.ndim == 1 else Y
    if weights is not None:
        X, Y, _ = _rescale_data(X, Y, _check_sample_weight(weights, X, dtype=X.dtype))
    return Prepared(template=template, X=X, Y=Y, offsets=tuple(offsets))


def accepted_sets(template: Any, sets: Mapping[str, Any]) -> dict[str, Any]:
    """Return the sets as `predict` would take them. Raises what it would raise."""
    require_dense_sets(sets)
    return {name: validate_data(template, rows, reset=False) for name, rows in sets.items()}


def solved(prepared: Prepared, batch: Batch, position: int, solution_for: Any) -> Source | None:
    """
    Return a fit bit for bit as scikit-learn's, from shared products.

    None for an alpha that leaves the matrix singular: scikit-learn turns to other solvers then.
    """
    estimator = batch.estimators[position]
    try:
        coefficients = solution_for(np.asarray(estimator.alpha, dtype=prepared.X.dtype))
    except scipy.linalg.LinAlgError:
        return None
    return FittedSource(prepared.finished(estimator, coefficients), batch.sets)


def _tall(X: Any, Y: Any, gram: Any) -> Any:
    products = X.T @ Y

    def solution_for(alpha: Any) -> Any:
        shifted = gram.copy()
        shifted.flat[:: len(gram) + 1] += alpha
        return scipy.linalg.solve(shifted, products, assume_a="pos", overwrite_a=True).T

    return solution_for


def _wide(X: Any, Y: Any, gram: Any) -> Any:
    from sklearn.linear_model._ridge import _solve_cholesky_kernel

    return lambda alpha: (X.T @ _solve_cholesky_kernel(gram, Y, alpha, copy=True)).T


def _svd(X: Any, Y: Any, gram: Any) -> Any:
    left, lengths, right = np.linalg.svd(X, full_matrices=False)
    inside = lengths > 1e-15
    products = left.T @ Y

    def solution_for(alpha: Any) -> Any:
        shrinking = np.zeros((len(lengths), Y.shape[1]), dtype=X.dtype)
        kept = lengths[inside][:, None]
        shrinking[inside] = kept / (kept**2 + np.full(Y.shape[1], alpha, dtype=X.dtype))
        return (right.T @ (shrinking * products)).T

    return solution_for


SOLVERS = {"tall": _tall, "wide": _wide, "svd": _svd}


def may_use_a_spectrum(prepared: Prepared, batch: Batch) -> bool:
    """Whether one eigendecomposition is cheaper, and its answers are those of one label in 64 bits."""
    if prepared.X.dtype != np.float64 or prepared.way == "svd":
        return False
    if batch.path == CLASSIFIER and prepared.template._label_binarizer.y_type_.startswith("multilabel"):
        return False
    return worth_a_spectrum(batch.estimators, min(prepared.X.shape))


def by_spectrum(prepared: Prepared, batch: Batch, path: Path, solution_for: Any) -> Iterator[tuple[int, Source]]:
    """Yield fits from one spectrum where they are close, and the classes certain."""
    is_classifier = batch.path == CLASSIFIER
    method = "decision_function" if is_classifier else "predict"

    def exact(position: int) -> tuple[Source, Answers] | None:
        source = solved(prepared, batch, position, solution_for)
        if source is None:
            return None
        lengths = {name: len(rows) for name, rows in path.rotated.items()}
        return source, {name: source.answer(name, method).reshape(n, -1) for name, n in lengths.items()}

    def close(answers: Answers, margin: float) -> Source | None:
        flat = {name: shaped(values) for name, values in answers.items()}
        if is_classifier and not all(certain(values, margin) for values in flat.values()):
            return None
        return source_of(flat, prepared.template)

    alphas = np.array([float(estimator.alpha) for estimator in batch.estimators])
    spread = 1.0 if is_classifier else target_spread(prepared)
    yield from along(path, alphas, spread=spread, exact=exact, close=close)


def gram_of(prepared: Prepared) -> Any:
    """Return the smaller product of the rows with themselves, None where the solver takes none."""
    X = prepared.X
    if prepared.way == "svd":
        return None
    return X @ X.T if prepared.way == "wide" else X.T @ X


def path_of(prepared: Prepared, sets: Mapping[str, Any], gram: Any) -> Path:
    """Return the spectrum of the product of the rows, and the sets in its basis."""
    X, Y = prepared.X, prepared.Y
    is_wide = prepared.way == "wide"
    spectrum = Spectrum.of(gram, Y if is_wide else X.T @ Y, grows=int(is_wide))
    basis = X.T @ spectrum.vectors if is_wide else spectrum.vectors
    offset, constant, _ = prepared.offsets
    beyond = float(np.linalg.norm(offset))
    return Path(
        spectrum=spectrum,
        rotated={name: (rows - offset) @ basis for name, rows in sets.items()},
        longest={
            name: beyond + float(np.linalg.norm(rows, axis=1).max(initial=0.0)) for name, rows in sets.items()
        },
        constant=constant,
    )


def target_spread(prepared: Prepared) -> float:
    """Return the standard deviation of the target that varies least."""
    return float(np.sqrt((prepared.Y**2).mean(axis=0)).min())


def shaped(values: Any) -> Any:
    """Return answers with one column as ridge gives them: flat."""
    return values[:, 0] if values.shape[1] == 1 else values


def certain(values: Any, bound: float) -> bool:
    """Whether no class can change when every decision value moves by *bound*."""
    if values.ndim == 1:
        return bool((np.abs(values) > bound).all())
    if not values.size:
        return True
    best = np.partition(values, -2, axis=1)
    return bool((best[:, -1] - best[:, -2] > 2 * bound).all())


def source_of(answers: Mapping[str, Any], template: Any) -> Source:
    """Return the answers of a regression, or of a classifier where the template has classes."""
    classes = getattr(template, "classes_", None)
    if classes is None:
        return ComputedSource({"predict": answers.__getitem__})

    def predict(name: str) -> Any:
        values = answers[name]
        if values.ndim == 1:
            return classes.take((values > 0).astype(np.intp))
        return predicted_by_largest(classes, values)

    return ComputedSource({"predict": predict, "decision_function": answers.__getitem__}, classes=classes)
