"""
Kernel matrices as libsvm computes them, for many kernels from one set of inner products.

libsvm's solver sees kernels rounded to single precision; those that it sees are equal bit for bit to those of
a stand-alone fit, and so is everything that it finds. Inner products are those of a matrix product, whose last
places differ from libsvm's own. Where they could decide how a kernel is rounded, libsvm is asked for its own.
Kernels for predicting differ from libsvm's by what `SetKernels` bounds.
"""

import math
import platform
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.linalg.blas import ddot
from scipy.spatial.distance import cdist
from sklearn.svm import _libsvm

UNIT = 2.0**-53
"""Largest relative error of one operation in double precision."""

_BLOCK = 32
"""Rows at a time: what they need stays in the processor's cache."""

MOST_IN_DOUBT = 0.02
"""If more of the kernels are in doubt, all inner products are libsvm's own."""

LARGEST_DOUBT = 2.0**-30
"""Relative error of kernels from which so many would be in doubt."""

MOST_COLUMNS = 10_000
"""With more columns, sums of products may be divided between threads."""

FARTHEST = 2.0**-38
"""Error of Gaussian kernels up to which squared distances are put together from inner products."""

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

    rows: Any
    squares: Any = field(init=False)
    _near: tuple[Any, float] | None = None
    _exact: Any = None

    def __post_init__(self) -> None:
        """Compute what kernels between a row and itself need."""
        self.squares = squares_of(self.rows)

    @np.errstate(over="ignore", invalid="ignore")  # what is beyond single precision is infinite in libsvm, too
    def matrix(self, kernel: KernelName, dtype: Any = np.float64) -> Any:
        """
        Return the matrix with the bits that libsvm's solver sees.

        It rounds all but the diagonal to single precision: there, equal after rounding is enough.
        """
        out = np.empty((len(self.rows), len(self.rows)), dtype)
        inner, error = self._products(kernel)
        doubtful = self._fill(out, kernel, inner, error)
        if error and len(doubtful) > MOST_IN_DOUBT * out.size:
            del inner  # it is as large as each of the two that are needed now
            inner, error = self._own(), 0.0
            doubtful = self._fill(out, kernel, inner, error)
        self._correct(out, kernel, doubtful)
        out[np.diag_indices_from(out)] = self.diagonal(kernel)
        return out

    @np.errstate(over="ignore", invalid="ignore")
    def diagonal(self, kernel: KernelName) -> Any:
        """Return the kernel between each row and itself, in double precision as libsvm's solver sees it."""
        if kernel.kind == "rbf":
            return np.ones(len(self.rows))
        if kernel.kind == "sigmoid":
            return np.array([math.tanh(value) for value in kernel.gamma * self.squares + kernel.coef0])
        return _of_products(self.squares, kernel)

    def _products(self, kernel: KernelName) -> tuple[Any, float]:
        """Return inner products, and how far they may be from libsvm's own, as a part of the rows' norms."""
        if self._exact is None and kernel.kind in ("linear", "rbf") and self.rows.shape[1] <= MOST_COLUMNS:
            self._near = self._near or (self.rows @ self.rows.T, _error_of(self.rows))
            reach = 2 * self.squares.max() * kernel.gamma if kernel.kind == "rbf" else 0.0
            if not self._near[1] * reach > LARGEST_DOUBT:
                return self._near
        return self._own(), 0.0

    def _own(self) -> Any:
        """Return the inner products that libsvm computes."""
        if self._exact is None:
            self._near = None
            self._exact = own_products(self.rows)
        return self._exact

    def _fill(self, out: Any, kernel: KernelName, inner: Any, error: float) -> Any:
        """Fill in the matrix, and return the places (pairs of rows) that may be rounded otherwise by libsvm."""
        found = []
        for start in range(0, len(out), _BLOCK):
            rows, rest = slice(start, start + _BLOCK), slice(start, None)
            values, doubtful = self._block(kernel, inner[rows, rest], rows, rest, error)
            out[rows, rest] = values
            out[rest, rows] = out[rows, rest].T
            if doubtful.any():
                found.append(np.argwhere(doubtful) + start)
        return np.concatenate(found) if found else np.empty((0, 2), dtype=np.intp)

    def _block(self, kernel: KernelName, inner: Any, rows: slice, rest: slice, error: float) -> tuple[Any, Any]:
        squares = self.squares[rows, None] + self.squares[None, rest]
        if kernel.kind == "linear":
            return inner, _unsure(inner, error * squares) if error else np.zeros(1, dtype=bool)
        if kernel.kind != "rbf" or not error:
            return _solved(kernel, inner, squares), np.zeros(1, dtype=bool)
        exponent = squares - 2 * inner
        exponent *= -kernel.gamma
        values = np.exp(exponent, out=exponent)
        squares *= 2 * kernel.gamma * error
        squares += 8 * UNIT
        squares *= values
        return values, _unsure(values, squares)

    def _correct(self, out: Any, kernel: KernelName, doubtful: Any) -> None:
        """Compute the kernels at these places from libsvm's own inner products."""
        for column in np.unique(doubtful[:, 1]):
            at = doubtful[doubtful[:, 1] == column, 0]
            inner = _products_with(np.ascontiguousarray(self.rows[at]), self.rows, int(column))
            values = _solved(kernel, inner, self.squares[at] + self.squares[column])
            out[at, column] = out[column, at] = values


def squares_of(rows: Any) -> Any:
    """Return the inner product of each row with itself, with the bits that libsvm computes."""
    if rows.shape[1] > MOST_COLUMNS:
        return np.array([_products_with(row[None], row[None], 0)[0] for row in rows])
    return np.array([ddot(row, row) for row in rows])


def _error_of(rows: Any) -> float:
    """
    Return how far inner products in any order of summation may be apart.

    It is a part of (a.a + b.b) for rows a and b, which is at least twice the sum of the absolute products. Where
    all numbers are whole multiples of a power of two, and not too large, sums are exact in every order.
    """
    n_columns = rows.shape[1]
    largest = np.abs(rows).max()
    if largest == 0:
        return 0.0
    scaled = np.ldexp(rows, (52 - math.frexp(n_columns * largest)[1] - math.frexp(largest)[1]) // 2)
    return 0.0 if (scaled == np.rint(scaled)).all() else 1.01 * (n_columns + 4) * UNIT


def _unsure(values: Any, errors: Any) -> Any:
    """Whether values that are off by at most *errors* may round to another single precision number."""
    return np.float32(values - errors) != np.float32(values + errors)


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
    squares: Any
    """Of the training rows."""

    _near: Any = None
    _products: Any = None
    _distances: Any = None
    _known: dict[Hashable, tuple[Any, Any, Any]] = field(default_factory=dict)

    def matrix(self, kernel: KernelName, *, near: bool = False) -> tuple[Any, Any, Any]:
        """
        Return the matrix (rows of the set, training rows), and for each row of the set its largest absolute
        value and how far its values may be from libsvm's, more than by a few roundings of their own.

        That is more with *near*, which is quicker: enough for signs of sums. The last one is remembered.
        """
        key = kernel, near and kernel.kind in ("linear", "rbf")
        if key not in self._known:
            matrix, error = self._quickly(kernel) if key[1] else self._closely(kernel)
            largest = np.maximum(matrix.max(axis=1), -matrix.min(axis=1))
            self._known = {key: (matrix, largest, np.broadcast_to(error, len(matrix)))}
        return self._known[key]

    def _quickly(self, kernel: KernelName) -> tuple[Any, Any]:
        """Return the matrix from inner products whose last places are not libsvm's, and the error of each row."""
        if self._near is None:
            self._near = self.rows @ self.X.T
        own = np.einsum("ij,ij->i", self.rows, self.rows)
        error = 2 * (self.X.shape[1] + 8) * UNIT * (own + self.squares.max(initial=0.0))
        if kernel.kind == "linear":
            return self._near, error
        if (kernel.gamma * error).max(initial=0.0) > FARTHEST:
            return self._closely(kernel)
        exponent = np.add.outer(own, self.squares)
        exponent -= 2 * self._near
        exponent *= -kernel.gamma
        return np.exp(exponent, out=exponent), 2 * kernel.gamma * error

    def _closely(self, kernel: KernelName) -> tuple[Any, Any]:
        if kernel.kind == "rbf":
            if self._distances is None:
                self._distances = cdist(self.rows, self.X, "sqeuclidean")
            return np.exp(-kernel.gamma * self._distances), UNIT * (self.X.shape[1] + 16)
        if self._products is None:
            self._products = products(self.rows, self.X)
        return _of_products(self._products, kernel), 0.0


def rounding(kernel: KernelName, n_terms: int) -> float:
    """
    Return how far a sum of *n_terms* weighted kernel values may be from libsvm's own by rounding.

    It is a share of (sum of absolute weights) x (largest absolute kernel value of the row).
    """
    return 2 * UNIT * (n_terms + 64 + 4 * kernel.degree)


def _of_products(products: Any, kernel: KernelName, *, alike: bool = False) -> Any:
    """Return kernels that are functions of inner products; *alike* in single precision to the C library's."""
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
