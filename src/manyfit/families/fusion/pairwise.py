"""Support vector classifiers put together from the solutions of pairs of classes, in libsvm's own layout."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from manyfit.families.fusion.svm import Solution, Training


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

    def solution(self, weights: Any, intercepts: Any, n_iter: Any, *, stopped: bool) -> Solution:
        """Return the solution with these weights (rows, pairs) and intercepts (pairs)."""
        used = np.flatnonzero(weights.any(axis=1))
        ends = np.searchsorted(used, self.starts)
        of = [slice(*ends[each : each + 2]) for each in range(self.n_classes)]
        dual = np.zeros((self.n_classes - 1, len(used)))
        for column, (i, j) in enumerate(self):
            dual[j - 1, of[i]] = weights[used[of[i]], column]
            dual[i, of[j]] = weights[used[of[j]], column]
        n_support = np.diff(ends).astype(np.int32)
        places = self.order[used].astype(np.int32)
        return Solution(places, n_support, dual, intercepts, int(stopped), n_iter)


def pairs_of(training: Training) -> Pairs:
    """Return the pairs of classes of a batch."""
    counts = np.bincount(training.targets.astype(np.intp), minlength=len(training.probe.classes_))
    return Pairs(np.concatenate([[0], np.cumsum(counts)]), training.order)
