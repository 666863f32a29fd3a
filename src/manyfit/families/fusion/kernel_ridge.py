"""
Kernel ridge regression along alpha: one kernel of the training rows, one of each set.

Few alphas are solved one by one, as scikit-learn does, bit for bit; many from one eigendecomposition, where
that is close enough.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from numbers import Real
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.metrics.pairwise import kernel_metrics
from sklearn.utils.validation import validate_data

from manyfit.contracts.estimators import FitSize
from manyfit.contracts.fusion import Batch, Guarantee, Params, Predicting, Source
from manyfit.families.fusion.demands import memory_refusal, require_dense
from manyfit.families.fusion.sources import ComputedSource
from manyfit.families.fusion.spectral import Answers, Path, Spectrum, along, worth_a_spectrum
from manyfit.families.fusion.tokens import token

KERNEL_RIDGE = "sklearn.kernel_ridge:KernelRidge"
LARGEST_BYTES = 512 * 2**20
"""Of the kernel of the training rows; solving takes it twice more."""
LARGEST_SPECTRUM = 4096
"""Rows up to which the eigenvectors, and each set in their basis, are kept beside the kernels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """
    The kernel K of the training rows, and the target as a matrix.

    `kernel_of` returns the kernel between a set and the training rows; it is computed when first asked for.
    """

    template: Any
    K: Any
    Y: Any
    is_flat: bool
    kernel_of: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelRidgeRule:
    """
    Answers agree within 1e-9: an alpha for which the eigendecomposition could not promise that is solved alone.

    Fits with a kernel of the user's own or computed before (`precomputed`), with one alpha for each target,
    on sparse rows, or with a kernel of more than 512 MiB (8,192 rows) are fitted alone.
    """

    name: str = "kernel-ridge"
    covers: frozenset[str] = frozenset({KERNEL_RIDGE})
    axes: tuple[str, ...] = ("alpha",)
    shares: str = "the kernels and their decomposition"
    guarantee: Guarantee = Guarantee.CLOSE
    proven_on: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: {"scikit-learn": ("1.9",)})

    def refuses(self, path: str, params: Params, size: FitSize) -> str | None:
        kernel = params.get("kernel")
        if not isinstance(kernel, str) or kernel not in kernel_metrics():
            return "the kernel is the user's own: only those of scikit-learn are shared"
        if not isinstance(params.get("alpha"), Real):
            return "alpha is a number for each target"
        return memory_refusal(f"the kernel of {size.n_rows:,} rows", 8 * size.n_rows**2, LARGEST_BYTES)

    def group(self, path: str, params: Params) -> Hashable:
        return token(path, params, self.axes)

    def cost_seconds(self, path: str, members: Sequence[Params], alone: Sequence[float], size: FitSize) -> float:
        cubed, squared = float(size.n_rows**3), float(size.n_rows**2)
        one_by_one = (len(members) - 1) * (1e-4 + 2e-11 * cubed + 5e-9 * squared)
        by_spectrum = 1.5e-10 * cubed + 1e-8 * squared + len(members) * (3e-5 + 1e-9 * squared)
        if size.n_rows > LARGEST_SPECTRUM:
            return max(alone) + one_by_one
        return max(alone) + min(one_by_one, by_spectrum)

    def run(self, batch: Batch) -> Iterator[tuple[int, Source]]:
        prepared = prepare(batch)
        fits = prepared.K.dtype == np.float64 and len(prepared.K) <= LARGEST_SPECTRUM
        if fits and worth_a_spectrum(batch.estimators, len(prepared.K)):
            yield from by_spectrum(prepared, batch)
            return
        for position in range(len(batch.estimators)):
            yield position, solved(prepared, batch, position)


RULES: tuple[Predicting, ...] = (KernelRidgeRule(),)


def prepare(batch: Batch) -> Prepared:
    """Validate the training rows and compute their kernel, as scikit-learn's fit does."""
    require_dense(batch)
    template = clone(batch.estimators[0])
    X, y = validate_data(template, batch.X, batch.y, multi_output=True, y_numeric=True)

    @cache
    def kernel_of(name: str) -> Any:
        rows = validate_data(template, batch.sets[name], accept_sparse=("csr", "csc"), reset=False)
        return template._get_kernel(rows, X)

    is_flat = y.ndim == 1
    Y = y.reshape(-1, 1) if is_flat else y
    return Prepared(template=template, K=template._get_kernel(X), Y=Y, is_flat=is_flat, kernel_of=kernel_of)


def solved(prepared: Prepared, batch: Batch, position: int) -> Source:
    """Return a fit bit for bit as scikit-learn's, from shared kernels."""
    from sklearn.linear_model._ridge import _solve_cholesky_kernel

    alpha = np.atleast_1d(batch.estimators[position].alpha)
    found = _solve_cholesky_kernel(prepared.K, prepared.Y, alpha, None, True)
    weights = found.ravel() if prepared.is_flat else found
    return ComputedSource({"predict": lambda name: np.dot(prepared.kernel_of(name), weights)})


def by_spectrum(prepared: Prepared, batch: Batch) -> Iterator[tuple[int, Source]]:
    """Yield fits from one spectrum where they are close."""
    Y = np.asarray(prepared.Y, dtype=np.float64)
    spectrum = Spectrum.of(prepared.K, Y, grows=0)
    kernels = {name: prepared.kernel_of(name) for name in batch.sets}
    path = Path(
        spectrum=spectrum,
        rotated={name: kernel @ spectrum.vectors for name, kernel in kernels.items()},
        longest={name: float(np.linalg.norm(kernel, axis=1).max(initial=0.0)) for name, kernel in kernels.items()},
    )

    def exact(position: int) -> tuple[Source, Answers]:
        source = solved(prepared, batch, position)
        return source, {name: source.answer(name, "predict").reshape(-1, Y.shape[1]) for name in kernels}

    def close(answers: Answers, margin: float) -> Source:
        shaped = {name: values[:, 0] if prepared.is_flat else values for name, values in answers.items()}
        return ComputedSource({"predict": shaped.__getitem__})

    alphas = np.array([float(estimator.alpha) for estimator in batch.estimators])
    spread = float(Y.std(axis=0).min())
    yield from along(path, alphas, spread=spread, exact=exact, close=close)
