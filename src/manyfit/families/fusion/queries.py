"""The nearest neighbours of a set, found once, and scikit-learn asked again where they are in doubt."""

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import _safe_indexing
from sklearn.utils._openmp_helpers import _openmp_effective_n_threads

from manyfit.families.fusion.ties import Ties

TREE_SLACK = 1e-12
"""Relative rounding of the bounds by which trees skip branches, with room to spare."""
_PAIR_BY_PAIR = frozenset({"manhattan", "cityblock", "l1", "chebyshev", "infinity", "minkowski"})
_BY_PRODUCTS = frozenset({"euclidean", "l2", "sqeuclidean"})
_EXACT_INTEGERS = 2.0**53
_EXACT_SCALES = (1.0, 16.0, 256.0)
_OFTEN_IN_DOUBT = 0.5


class Query:
    """
    The neighbours of one set of rows among the training rows of a fitted estimator, nearest first.

    Nothing is computed before it is needed. `rows` is what the estimator's methods would be given.
    """

    def __init__(self, fitted: Any, rows: Any, n_asked: int) -> None:
        self._fitted = fitted
        self._rows = rows
        self._n_asked = n_asked

    @cached_property
    def _found(self) -> tuple[Any, Any]:
        found: tuple[Any, Any] = self._fitted.kneighbors(self._rows, n_neighbors=self._n_asked)
        return found

    @cached_property
    def is_ordered(self) -> bool:
        """Whether the distances are numbers, so that they can be compared; otherwise only scikit-learn answers."""
        return bool(np.isfinite(self.distances).all())

    @property
    def rows(self) -> Any:
        return self._rows

    @property
    def distances(self) -> Any:
        return self._found[0]

    @cached_property
    def targets(self) -> Any:
        """The class codes or the values of the neighbours (rows, neighbours)."""
        return self._fitted._y[self._found[1]]

    @property
    def n_classes(self) -> int:
        return len(self._fitted.classes_)

    @cached_property
    def ties(self) -> Ties:
        complete = self._n_asked == self._fitted.n_samples_fit_
        return Ties(self.distances, self.targets, _slack(self._fitted, self.distances), complete)

    def asked_again(self, method: Callable[[Any], Any], answer: Any, doubtful: Any) -> Any:
        """Return *answer* with the *doubtful* rows replaced by what *method* says of them."""
        if len(doubtful) == 0:
            return answer
        if not self._rows_stand_alone or len(doubtful) > _OFTEN_IN_DOUBT * len(answer):
            return method(self._rows)
        answer[doubtful] = method(_safe_indexing(self._rows, doubtful))
        return answer

    @cached_property
    def _rows_stand_alone(self) -> bool:
        """
        Whether a row has the same neighbours in the same order when it is asked for among fewer rows.

        Brute force multiplies blocks of rows, which may round otherwise for other blocks, unless all products
        and sums are exact; and the order of its ties depends on how many rows there are.
        """
        fitted = self._fitted
        if fitted._fit_method != "brute":
            return True
        if not hasattr(fitted, "classes_") or issparse(self._rows) or _openmp_effective_n_threads() > 1:
            return False
        if fitted.effective_metric_ in _PAIR_BY_PAIR:
            return True
        return fitted.effective_metric_ in _BY_PRODUCTS and _multiply_exactly(fitted._fit_X, self._rows)


def _slack(fitted: Any, distances: Any) -> Any:
    """
    Return up to which difference neighbouring distances (rows, neighbours) count as equal.

    Brute force compares the very distances that it returns; a tree may skip a branch when its bound, which
    is rounded, is beyond the farthest neighbour so far.
    """
    farther = distances[:, 1:]
    if fitted._fit_method == "brute":
        return np.zeros_like(farther)
    if fitted._fit_method == "kd_tree":
        return TREE_SLACK * farther
    return TREE_SLACK * (farther + 2 * _widest_radius(fitted._tree))


def _widest_radius(tree: Any) -> float:
    return float(np.asarray(tree.get_arrays()[2])["radius"].max())


def _multiply_exactly(*arrays: Any) -> bool:
    """Whether products of rows are exact in floating point: multiples of a power of two, and not large."""
    matrices = [np.asarray(array, dtype=np.float64) for array in arrays]
    n_columns = matrices[0].shape[1]
    for scale in _EXACT_SCALES:
        scaled = [matrix * scale for matrix in matrices]
        if all(np.array_equal(matrix, np.rint(matrix)) for matrix in scaled):
            largest = max(float(np.abs(matrix).max(initial=0.0)) for matrix in scaled)
            return bool(4.0 * n_columns * largest**2 < _EXACT_INTEGERS)
    return False
