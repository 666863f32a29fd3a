"""
Kernel matrices as libsvm computes them, for many kernels from one set of inner products.

Inner products are libsvm's own, so that the kernels which its solver sees (rounded to single precision)
are equal bit for bit to those of a stand-alone fit, and so is everything that it finds. Kernels for
predicting differ from libsvm's by a few roundings, which `rounding` bounds.
"""

import math
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.svm import _libsvm

UNIT = 2.0**-53
"""Largest relative error of one operation in double precision."""

_EPSILON_SVR = 3


@dataclass(frozen=True, slots=True)
class KernelName:
    """One kernel function; `gamma` is resolved."""

    kind: str
    gamma: float = 1.0
    degree: int = 3
    coef0: float = 0.0

    def canonical(self) -> "KernelName":
        """Return the kernel without what its kind ignores."""
        kept = {
            "linear": KernelName("linear"),
            "rbf": KernelName("rbf", self.gamma),
            "sigmoid": KernelName("sigmoid", self.gamma, 3, self.coef0),
        }
        return kept.get(self.kind, self)


def is_alike_here(kernel: KernelName) -> bool:
    """
    Whether this machine's compilers round gamma * product + coef0 as numpy does.

    Elsewhere (ARM) C compilers fuse the multiplication and the addition, and round once.
    """
    return kernel.coef0 == 0 or platform.machine().lower() in ("x86_64", "amd64")


def gamma_of(gamma: Any, X: Any) -> float:
    """Return the number that scikit-learn would use for *gamma* on training rows *X*."""
    if gamma == "scale":
        variance = X.var()
        return float(1.0 / (X.shape[1] * variance)) if variance != 0 else 1.0
    return 1.0 / X.shape[1] if gamma == "auto" else float(gamma)


def products(A: Any, B: Any) -> Any:
    """Return the inner products (rows of A, rows of B) with the bits that libsvm computes."""
    out = np.empty((len(A), len(B)))
    for column in range(len(B)):
        out[:, column] = _products_with(A, B, column)
    return out


def own_products(A: Any) -> Any:
    """Return `products(A, A)` in half the time."""
    out = np.empty((len(A), len(A)))
    for column in range(len(A)):
        out[column:, column] = _products_with(A[column:], A, column)
        out[column, column:] = out[column:, column]
    return out


_ONE, _ZERO, _NONE = np.ones((1, 1)), np.zeros(1), np.empty(0)
_FIRST, _COUNTS = np.zeros(1, dtype=np.int32), np.ones(2, dtype=np.int32)


def _products_with(A: Any, B: Any, row: int) -> Any:
    """Ask libsvm: a regression with one support vector of weight one predicts the kernel itself."""
    vector = B[row : row + 1]
    answer = _libsvm.decision_function(
        A, _FIRST, vector, _COUNTS, _ONE, _ZERO, _NONE, _NONE, svm_type=_EPSILON_SVR, kernel="linear"
    )
    return np.ravel(answer)


@dataclass(slots=True)
class TrainingKernels:
    """Kernels among the training rows, in the order in which they are given."""

    products: Any

    def matrix(self, kernel: KernelName) -> Any:
        """
        Return the matrix with the bits that libsvm's solver sees.

        It rounds all but the diagonal to single precision: there, equal after rounding is enough.
        """
        if kernel.kind == "linear":
            return self.products
        squares = np.diagonal(self.products)
        out = np.empty_like(self.products)
        for start in range(0, len(out), _BLOCK):
            rows, rest = slice(start, start + _BLOCK), slice(start, None)
            inner = self.products[rows, rest]
            block = _solved(kernel, inner, squares[rows, None] + squares[None, rest])
            out[rows, rest] = block
            out[rest, rows] = block.T
        if kernel.kind == "sigmoid":
            inner = kernel.gamma * squares + kernel.coef0
            out[np.diag_indices_from(out)] = [math.tanh(value) for value in inner]
        return out


_BLOCK = 32
"""Rows at a time: what they need stays in the processor's cache."""


def _solved(kernel: KernelName, inner: Any, squares: Any) -> Any:
    if kernel.kind != "rbf":
        return _of_products(inner, kernel, alike=True)
    exponent = squares
    exponent -= 2 * inner
    exponent *= -kernel.gamma
    return _rounded_alike(np.exp(exponent), exponent, math.exp)


@dataclass(slots=True)
class SetKernels:
    """Kernels between the rows of one set and the training rows."""

    rows: Any
    X: Any
    _products: Any = None
    _distances: Any = None
    _known: dict[KernelName, tuple[Any, Any]] = field(default_factory=dict)

    def matrix(self, kernel: KernelName) -> tuple[Any, Any]:
        """
        Return the matrix (rows of the set, training rows) and the largest absolute value of each row.

        The last one is remembered.
        """
        if kernel not in self._known:
            matrix = self._computed(kernel)
            largest = np.maximum(matrix.max(axis=1), -matrix.min(axis=1))
            self._known = {kernel: (matrix, largest)}
        return self._known[kernel]

    def _computed(self, kernel: KernelName) -> Any:
        if kernel.kind == "rbf":
            if self._distances is None:
                self._distances = cdist(self.rows, self.X, "sqeuclidean")
            return np.exp(-kernel.gamma * self._distances)
        if self._products is None:
            self._products = products(self.rows, self.X)
        return _of_products(self._products, kernel)


def rounding(kernel: KernelName, n_columns: int, n_terms: int) -> tuple[float, float]:
    """
    Return how far a sum of *n_terms* weighted kernel values may be from libsvm's own.

    The first number is a share of (sum of absolute weights) x (largest absolute kernel value of the row);
    the second, for distances that are added up in another order, of the sum of absolute weights alone.
    """
    share = 2 * UNIT * (n_terms + 64 + 4 * kernel.degree)
    return share, UNIT * (n_columns + 16) if kernel.kind == "rbf" else 0.0


def _of_products(products: Any, kernel: KernelName, *, alike: bool = False) -> Any:
    if kernel.kind == "linear":
        return products
    inner = kernel.gamma * products + kernel.coef0
    if kernel.kind == "poly":
        return _power(inner, kernel.degree)
    values = np.tanh(inner)
    return _rounded_alike(values, inner, math.tanh) if alike else values


def _power(base: Any, times: int) -> Any:
    """Multiply in libsvm's order."""
    factor, out = base, np.ones_like(base)
    while times > 0:
        if times % 2:
            out = out * factor
        factor = factor * factor
        times //= 2
    return out


def _rounded_alike(values: Any, arguments: Any, exact: Any) -> Any:
    """
    Replace what might round to another single precision number than the C library's function would.

    numpy's own functions differ from the C library's in the last places; the solver sees them rounded.
    """
    doubtful = np.float32(values * (1 - 8 * UNIT)) != np.float32(values * (1 + 8 * UNIT))
    if not doubtful.any():
        return values
    for at in zip(*np.nonzero(doubtful), strict=True):
        values[at] = exact(arguments[at])
    return values


def kernel_of(params: Mapping[str, Any], X: Any) -> KernelName:
    """Return the kernel that an estimator with these parameters uses on training rows *X*."""
    return KernelName(
        str(params["kernel"]), gamma_of(params["gamma"], X), int(params["degree"]), float(params["coef0"])
    ).canonical()
