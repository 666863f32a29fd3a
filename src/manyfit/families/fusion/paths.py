"""
Solutions of support vector classifiers for growing C by the compiled solver.

A run that never had a weight at its upper bound is, step by step, the run for every larger C: its solution is
used again, for each pair of classes.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from manyfit.families.fusion.pairwise import Pairs, Solution

LARGEST_PRODUCT = 1e140
"""Of upper bounds, kernel values and rows, so that no gain overflows."""

LARGEST_KERNEL = 1e37
"""So that twice a kernel value is a number of single precision."""


@dataclass(frozen=True, slots=True)
class Found:
    """The solutions of all pairs for one C."""

    weights: Any
    intercepts: Any
    n_iter: Any
    touched: Any
    n_shrunk: Any
    solution: Solution


@dataclass(slots=True)
class Paths:
    """Solves on one kernel (single precision, rows sorted by class; *diagonal* in double precision)."""

    pairs: Pairs
    kernel: Any
    diagonal: Any
    solver: Callable[..., Any]
    last: dict[Hashable, Found] = field(default_factory=dict)
    _largest: float = field(init=False)

    def __post_init__(self) -> None:
        """Find out how large kernel values are."""
        self._largest = max(float(np.abs(self.kernel).max()), float(np.abs(self.diagonal).max()))

    def solve(self, estimator: Any) -> Solution | None:
        """Return the solution, None when numbers may overflow; a larger C must not come before a smaller one."""
        bounds = estimator.C * estimator.class_weight_
        size = self._largest * float(bounds.max()) * len(self.kernel)
        if not (self._largest < LARGEST_KERNEL and size < LARGEST_PRODUCT):
            return None
        key = estimator.tol, estimator.max_iter, estimator.shrinking, estimator.class_weight_.tobytes()
        last = self.last.get(key)
        if last is None or last.touched.any():
            self.last[key] = self._solved(estimator, bounds, last)
        return self.last[key].solution

    def _solved(self, estimator: Any, bounds: Any, last: Found | None) -> Found:
        pairs = self.pairs
        todo = np.array([(i, j, at) for at, (i, j) in enumerate(pairs)], dtype=np.int64)
        n_pairs = len(todo)
        if last is None:
            weights = np.zeros((pairs.n_classes - 1, len(self.kernel)))
            intercepts, n_iter = np.zeros(n_pairs), np.zeros(n_pairs, dtype=np.int32)
            touched, n_shrunk = np.ones(n_pairs, dtype=np.bool_), np.zeros(n_pairs, dtype=np.int32)
        else:
            weights, intercepts, n_iter = last.weights.copy(), last.intercepts.copy(), last.n_iter.copy()
            touched, n_shrunk = last.touched.copy(), last.n_shrunk.copy()
        tol, shrinking, max_iter = float(estimator.tol), bool(estimator.shrinking), int(estimator.max_iter)
        self.solver(
            *(self.kernel, self.diagonal, pairs.starts, bounds, tol, shrinking, max_iter),
            *(todo[touched], weights, intercepts, n_iter, touched, n_shrunk),
        )
        stopped = bool((n_iter == max_iter).any())
        solution = pairs.solution(weights, intercepts, n_iter, stopped=stopped)
        return Found(weights, intercepts, n_iter, touched, n_shrunk, solution)
