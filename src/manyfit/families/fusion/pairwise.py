"""Support vector machines in libsvm's own layout, and as put together from the solutions of pairs of classes."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class Solution:
    """What libsvm found, in its own layout; `support` are positions among the training rows as given."""

    support: Any
    n_support: Any
    dual: Any
    intercept: Any
    status: int
    n_iter: Any


@dataclass(frozen=True, slots=True)
class Pairs:
    """The pairs of classes of a batch; rows are sorted by class."""

    starts: Any
    order: Any

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return len(self.starts) - 1

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Yield the classes of every pair in libsvm's order; the first one is the positive one."""
        return ((i, j) for i in range(self.n_classes) for j in range(i + 1, self.n_classes))

    def rows(self, pair: tuple[int, int]) -> Any:
        """Return the rows of a pair, those of the positive class first."""
        return np.concatenate([np.arange(self.starts[each], self.starts[each + 1]) for each in pair])

    def targets(self, pair: tuple[int, int]) -> Any:
        """Return +1 and -1 for the rows of a pair."""
        counts = [self.starts[each + 1] - self.starts[each] for each in pair]
        return np.repeat([1.0, -1.0], counts)

    def weights(self, solution: Solution) -> Any:
        """Return the weights of all rows in libsvm's layout: (classes - 1, rows sorted by class)."""
        place = np.empty(len(self.order), dtype=np.intp)
        place[self.order] = np.arange(len(self.order))
        weights = np.zeros((len(solution.dual), len(self.order)))
        weights[:, place[solution.support]] = solution.dual
        return weights

    def solution(self, weights: Any, intercepts: Any, n_iter: Any, *, stopped: bool) -> Solution:
        """Return the solution with these weights (classes - 1, rows) and intercepts (pairs)."""
        used = np.flatnonzero(weights.any(axis=0))
        n_support = np.diff(np.searchsorted(used, self.starts)).astype(np.int32)
        places = self.order[used].astype(np.int32)
        dual = np.ascontiguousarray(weights[:, used])
        return Solution(places, n_support, dual, intercepts, int(stopped), n_iter)

    def of_pair(self, weights: Any, pair: tuple[int, int]) -> Any:
        """Return the weights of the rows of a pair."""
        i, j = pair
        first, second = (slice(self.starts[each], self.starts[each + 1]) for each in pair)
        return np.concatenate([weights[j - 1, first], weights[i, second]])

    def set_pair(self, weights: Any, pair: tuple[int, int], found: Any) -> None:
        """Fill in the weights of the rows of a pair."""
        i, j = pair
        n_first = self.starts[i + 1] - self.starts[i]
        weights[j - 1, self.starts[i] : self.starts[i + 1]] = found[:n_first]
        weights[i, self.starts[j] : self.starts[j + 1]] = found[n_first:]

    def sums(self, matrix: Any, weights: Any) -> Any:
        """Return the sums of weighted kernel values (rows of the matrix) for all pairs."""
        n_classes = self.n_classes
        out = np.zeros((len(matrix), n_classes * (n_classes - 1) // 2))
        columns = np.zeros((n_classes, n_classes), dtype=np.intp)
        columns[np.triu_indices(n_classes, 1)] = np.arange(out.shape[1])
        columns += columns.T
        for each in range(n_classes):
            rows = slice(self.starts[each], self.starts[each + 1])
            out[:, np.delete(columns[each], each)] += matrix[:, rows] @ weights[:, rows].T
        return out


def pairs_of(targets: Any, order: Any, n_classes: int) -> Pairs:
    """Return the pairs of classes; *targets* are the codes of classes, *order* sorts the rows by class."""
    counts = np.bincount(targets.astype(np.intp), minlength=n_classes)
    return Pairs(np.concatenate([[0], np.cumsum(counts)]), order)
