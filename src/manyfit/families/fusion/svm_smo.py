"""
Support vector classifiers solved on shared kernels by a compiled solver.

It takes libsvm's steps, without its detours for data that does not fit into memory. It stops where libsvm
would stop, at the same tolerance, but rounding may lead it along another path: decision values agree
within about the tolerance (`tol`), predicted classes where the difference does not change a sign.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

import numpy as np

from manyfit.contracts.estimators import FitSize
from manyfit.contracts.fusion import Batch, Guarantee, Params, Predicting, Source
from manyfit.families.fusion.pairwise import Pairs, pairs_of
from manyfit.families.fusion.svm import (
    AXES,
    KernelsRule,
    Solution,
    by_kernel,
    finished,
    training_of,
)

SVC = "sklearn.svm:SVC"
_EXACT = KernelsRule()


@dataclass(frozen=True, slots=True)
class Solved:
    """One pair of classes: weights, intercept, iterations, and whether a weight ever was at its bound."""

    weights: Any
    intercept: float
    n_iter: int
    touched: bool
    stopped: bool


@dataclass(frozen=True, slots=True)
class Block:
    """The kernel of one pair of classes, in single precision but for the diagonal."""

    kernel: Any
    diagonal: Any
    y: Any


def blocks_of(pairs: Pairs, matrix: Any) -> list[Block]:
    """Return the kernels of all pairs."""
    found = []
    for pair in pairs:
        rows = pairs.rows(pair)
        kernel = np.ascontiguousarray(matrix[np.ix_(rows, rows)], dtype=np.float32)
        found.append(Block(kernel, np.diagonal(matrix)[rows].copy(), pairs.targets(pair)))
    return found


@dataclass(slots=True)
class Path:
    """
    The solutions for growing C, everything else being equal.

    A run that never had a weight at its bound is, step by step, the run for every larger C.
    """

    blocks: Sequence[Block]
    last: list[Solved | None] = field(default_factory=list)

    def solve(self, bounds: Sequence[tuple[float, float]], tol: float, max_iter: int) -> list[Solved]:
        """Return the solutions of all pairs; *bounds* are those of the two classes of each pair."""
        self.last = self.last or [None] * len(self.blocks)
        found = [
            last if last is not None and not last.touched else _solved(block, bound, tol, max_iter)
            for block, bound, last in zip(self.blocks, bounds, self.last, strict=True)
        ]
        self.last = list(found)
        return found


def _solved(block: Block, bound: tuple[float, float], tol: float, max_iter: int) -> Solved:
    from manyfit.families.fusion.svm_compiled import solve_pair

    low, high = np.where(block.y > 0, 0.0, -bound[1]), np.where(block.y > 0, bound[0], 0.0)
    weights = np.zeros(len(block.y))
    intercept, n_iter, touched, stopped = solve_pair(
        block.kernel, block.diagonal, block.y, low, high, float(tol), int(max_iter), weights
    )
    return Solved(weights, intercept, n_iter, touched, stopped)


def solution_of(pairs: Pairs, found: Sequence[Solved]) -> Solution:
    """Return the solutions of all pairs in libsvm's layout."""
    weights = np.zeros((int(pairs.starts[-1]), len(found)))
    for column, (pair, solved) in enumerate(zip(pairs, found, strict=True)):
        weights[pairs.rows(pair), column] = solved.weights
    intercepts = np.array([solved.intercept for solved in found])
    n_iter = np.array([solved.n_iter for solved in found], dtype=np.int32)
    return pairs.solution(weights, intercepts, n_iter, stopped=any(solved.stopped for solved in found))


@dataclass(frozen=True, slots=True, kw_only=True)
class SmoRule:
    """
    The rule is used only when it is asked for, and where numba is installed. Fits that `svm-kernel` does not take
    are fitted alone.
    """

    name: str = "svm-smo"
    covers: frozenset[str] = frozenset({SVC})
    axes: tuple[str, ...] = AXES
    shares: str = "the kernels and, where no weight was at its bound, the solutions for larger C"
    guarantee: Guarantee = Guarantee.TOLERANCE
    proven_on: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: {"scikit-learn": ("1.9",)})

    def refuses(self, path: str, params: Params, size: FitSize) -> str | None:
        if find_spec("numba") is None:
            return 'numba, which compiles its solver, is not installed: pip install "manyfit[numba]"'
        return _EXACT.refuses(path, params, size)

    def group(self, path: str, params: Params) -> Hashable:
        return _EXACT.group(path, params)

    def cost_seconds(self, path: str, members: Sequence[Params], alone: Sequence[float], size: FitSize) -> float:
        return 0.6 * _EXACT.cost_seconds(path, members, alone, size)

    def run(self, batch: Batch) -> Iterator[tuple[int, Source]]:
        training = training_of(batch)
        pairs = pairs_of(training)
        for kernel, positions in by_kernel(batch, training):
            matrix = training.kernels.matrix(kernel)
            blocks = blocks_of(pairs, matrix)
            paths: dict[Hashable, Path] = {}
            for position in positions:
                estimator = training.checked(batch.estimators[position])
                key = estimator.tol, estimator.max_iter, repr(estimator.class_weight)
                path = paths.setdefault(key, Path(blocks))
                found = path.solve(_bounds(estimator, pairs), estimator.tol, estimator.max_iter)
                source = finished(estimator, training, kernel, solution_of(pairs, found))
                if source is not None:
                    yield position, source


def _bounds(estimator: Any, pairs: Pairs) -> list[tuple[float, float]]:
    bound = estimator.C * estimator.class_weight_
    return [(float(bound[i]), float(bound[j])) for i, j in pairs]


RULES: tuple[Predicting, ...] = (SmoRule(),)
