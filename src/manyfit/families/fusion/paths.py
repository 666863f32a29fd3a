"""
Solutions of support vector classifiers for growing C by the compiled solver, and when it is worth its loading.

A run that never had a weight at its upper bound is, step by step, the run for every larger C: its solution is
used again, for each pair of classes.
"""

import platform
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from manyfit.families.fusion.pairwise import Pairs, Solution

SECONDS_TO_LOAD = 0.5
"""Of libsvm's solver in this process before numba is loaded, which takes about as long."""

SECONDS_TO_COMPILE = 12.0
"""The same where the solver was not compiled before, or there is no folder to keep it."""

SECONDS_PER_ROW = 6e-9
"""Of an iteration of libsvm."""

LARGEST_PRODUCT = 1e140
"""Of upper bounds, kernel values and rows, so that no gain overflows."""

LARGEST_KERNEL = 1e37
"""So that twice a kernel value is a number of single precision."""


@dataclass(slots=True)
class Compiled:
    """
    The compiled solver, loaded once libsvm has taken as long in this process as loading takes.

    Where it cannot be loaded, or rounds otherwise, there is none.
    """

    seconds: float = 0.0
    _solver: Callable[..., Any] | None = None
    _failed: bool = False

    def spend(self, starts: Any, n_iter: Any) -> None:
        """Add what libsvm has taken for the pairs of classes whose rows begin at *starts*."""
        sizes = np.diff(starts)
        first, second = np.triu_indices(len(sizes), 1)
        self.seconds += SECONDS_PER_ROW * float(n_iter @ (sizes[first] + sizes[second]))

    def solver(self) -> Callable[..., Any] | None:
        """Return `svm_compiled.solve_pairs` when it is worth its loading."""
        if self._solver is None and not self._failed and self.seconds >= SECONDS_TO_LOAD and is_possible():
            try:
                solver = import_module("manyfit.families.fusion.svm_compiled").solve_pairs
            except Exception:  # noqa: BLE001 - whatever another release of numba raises, libsvm does as well
                self._failed = True
                return None
            if self.seconds >= SECONDS_TO_COMPILE or _is_kept(solver):
                self._solver = solver
        return self._solver


def is_possible() -> bool:
    """Whether numba is installed, and numbers are rounded after each operation as in the compiled libsvm."""
    return platform.machine().lower() in ("x86_64", "amd64") and find_spec("numba") is not None


def _is_kept(solver: Any) -> bool:
    """Whether this version of it was compiled before, and kept on disk."""
    folder, source = solver.stats.cache_path, Path(solver.py_func.__code__.co_filename)
    if folder is None:
        return False
    kept = Path(folder).glob(f"*.{solver.__name__}-*.nbi")
    return any(index.stat().st_mtime >= source.stat().st_mtime for index in kept)


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
