"""
Support vector classifiers that libsvm cannot finish.

libsvm takes steps of two rows, and with large C or unscaled columns it may need hundreds of millions. It
gets as many as cost about what an interior-point method costs; the pairs of classes that it has not
finished by then are solved by Mehrotra's predictor-corrector method (S. Mehrotra, SIAM J. Optim. 2 (1992)
575-601; for this problem M. C. Ferris and T. S. Munson, SIAM J. Optim. 13 (2002) 783-804). Fits that
libsvm finishes are its own. The others are nearer to the optimum than libsvm stops: single rows may be
classified otherwise.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from manyfit.contracts.estimators import FitSize
from manyfit.contracts.fusion import Batch, Guarantee, Params, Predicting, Source
from manyfit.families.fusion.kernels import KernelName
from manyfit.families.fusion.pairwise import Pairs, Solution
from manyfit.families.fusion.svm import (
    AXES,
    KernelsRule,
    Sums,
    Training,
    by_kernel,
    finished,
    solve,
    training_of,
)

SVC = "sklearn.svm:SVC"
LEAST_ITERATIONS = 20_000
"""Of libsvm, for a pair, before the interior-point method takes over; at least the square of its rows."""

MOST_STEPS = 100
_EXACT = KernelsRule()
_PRECISION = 0.01
"""The interior-point method stops at this part of the estimator's `tol`."""

_AT_BOUND = 1e-4
"""A weight is at a bound when its distance, as a part of the upper bound, is below this part of the slack."""

_BALANCED = 1e-6
"""How much the weights of the two classes may differ, as a part of their sum."""


Newton = Callable[[Any, Any, float], tuple[Any, Any, float]]


@dataclass(frozen=True, slots=True)
class Problem:
    """
    Minimise 1/2 a'Qa - sum(a) with 0 <= a <= upper and y'a = 0.

    `image(a)` is a short form v of Qa and `product(v)` is Qa: v is a variable of its own, for as a sum of
    large terms it would lose what they cancel. `newton(d)` returns a function of (r, s, t) that solves
    product(dv) + d da + y db = r, dv - image(da) = s, y'da = t for (da, dv, db).
    """

    y: Any
    upper: Any
    image: Callable[[Any], Any]
    product: Callable[[Any], Any]
    newton: Callable[[Any], Newton]


def dense(kernel: Any, y: Any, upper: Any) -> Problem:
    """Return the problem of a kernel matrix."""
    Q = kernel * np.multiply.outer(y, y)
    jitter = 1e-13 * max(float(np.trace(Q)) / len(y), 1e-300)

    def newton(diagonal: Any) -> Newton:
        matrix = Q.copy()
        matrix.flat[:: len(y) + 1] += diagonal + jitter
        factor = cho_factor(matrix, lower=True, overwrite_a=True, check_finite=False)
        u = cho_solve(factor, y, check_finite=False)

        def solved(right: Any, moved: Any, balance: float) -> tuple[Any, Any, float]:
            v = cho_solve(factor, right - moved, check_finite=False)
            db = (float(y @ v) - balance) / float(y @ u)
            da = v - u * db
            return da, Q @ da + moved, db

        return solved

    return Problem(y, upper, lambda a: Q @ a, lambda v: v, newton)


def low_rank(X: Any, y: Any, upper: Any) -> Problem:
    """Return the problem of the linear kernel of rows *X* with few columns: v are weights of the columns."""
    V = np.column_stack([X * y[:, None], y])
    n_columns = X.shape[1]

    def newton(diagonal: Any) -> Newton:
        scaled = V / diagonal[:, None]
        matrix = V.T @ scaled
        matrix.flat[: -1 : n_columns + 2] += 1.0
        size = np.sqrt(np.diagonal(matrix))
        factor = cho_factor(matrix / np.multiply.outer(size, size), lower=True, check_finite=False)

        def solved(right: Any, moved: Any, balance: float) -> tuple[Any, Any, float]:
            wanted = scaled.T @ right + np.append(moved, -balance)
            found = cho_solve(factor, wanted / size, check_finite=False) / size
            rest = wanted - matrix @ found
            found += cho_solve(factor, rest / size, check_finite=False) / size
            return (right - V @ found) / diagonal, found[:-1], float(found[-1])

        return solved

    return Problem(y, upper, lambda a: V[:, :-1].T @ a, lambda v: V[:, :-1] @ v, newton)


@dataclass(frozen=True, slots=True)
class Point:
    """Weights, their image, the multiplier of the equation, and the slacks of the lower and the upper bounds."""

    a: Any
    v: Any
    b: float
    z: Any
    w: Any


def interior_point(problem: Problem, tol: float) -> tuple[Any, float, float]:
    """
    Return the weights, the intercept, and how far they are from an optimum: libsvm stops below *tol*.

    Weights as good as at a bound are at it, so that rows without a part in the solution have weight zero.
    """
    upper, y = problem.upper, problem.y
    image = problem.image(upper / 2)
    scale = max(1.0, float(np.abs(problem.product(image)).mean()))
    point = Point(upper / 2, image, 0.0, np.full(len(y), scale), np.full(len(y), scale))
    best = (np.zeros(len(y)), 0.0, np.inf)
    for _ in range(MOST_STEPS):
        weights = _at_bounds(point, upper)
        intercept, violation = _stopping(problem, weights)
        if violation < best[2] and abs(y @ weights) <= _BALANCED * weights.sum():
            best = (weights, intercept, violation)
        if best[2] <= tol * _PRECISION:
            break
        try:
            with np.errstate(all="ignore"):
                point = _stepped(problem, point)
        except LinAlgError:
            break
        if not np.isfinite(point.a).all():
            break
    return best


def _at_bounds(point: Point, upper: Any) -> Any:
    """Return the weights, at their bounds where the slack says that they will end there."""
    share = point.a / upper
    found = np.where(share <= _AT_BOUND * point.z, 0.0, point.a)
    return np.where(1 - share <= _AT_BOUND * point.w, upper, found)


def _stopping(problem: Problem, weights: Any) -> tuple[float, float]:
    """Return the intercept, and by how much the most violating pair of rows violates, as libsvm has them."""
    y, upper = problem.y, problem.upper
    gaps = y * (1 - problem.product(problem.image(weights)))
    grows, shrinks = np.where(y > 0, weights < upper, weights > 0), np.where(y > 0, weights > 0, weights < upper)
    best, worst = gaps[grows].max(initial=-np.inf), gaps[shrinks].min(initial=np.inf)
    free = grows & shrinks
    return float(gaps[free].mean() if free.any() else (best + worst) / 2), float(best - worst)


def _stepped(problem: Problem, point: Point) -> Point:
    """Return the next point: a step without centring tells how far to centre, and what it neglects."""
    y, upper = problem.y, problem.upper
    a, s, z, w = point.a, upper - point.a, point.z, point.w
    dual = problem.product(point.v) - 1 + point.b * y - z + w
    moved, balance = problem.image(a) - point.v, -float(y @ a)
    solved = problem.newton(z / a + w / s)
    mean = float(a @ z + s @ w) / (2 * len(a))

    def direction(centre: float, low: Any, high: Any) -> tuple[Any, Any, float, Any, Any]:
        right = -dual + (centre - low) / a - z - (centre + high) / s + w
        da, dv, db = solved(right, moved, balance)
        return da, dv, db, (centre - low - z * da) / a - z, (centre + high + w * da) / s - w

    da, _, _, dz, dw = direction(0.0, 0.0, 0.0)
    reach = _reach((a, da), (s, -da), (z, dz), (w, dw))
    ahead = float((a + reach * da) @ (z + reach * dz) + (s - reach * da) @ (w + reach * dw)) / (2 * len(a))
    centre = mean * (ahead / mean) ** 3
    da, dv, db, dz, dw = direction(centre, da * dz, da * dw)
    reach = min(1.0, 0.995 * _reach((a, da), (s, -da), (z, dz), (w, dw)))
    return Point(a + reach * da, point.v + reach * dv, point.b + reach * db, z + reach * dz, w + reach * dw)


def _reach(*pairs: tuple[Any, Any]) -> float:
    """Return how far one may go until the first value is zero, at most 1.005."""
    found = 1.0 / 0.995
    for value, change in pairs:
        down = change < 0
        if down.any():
            found = min(found, float((-value[down] / change[down]).min()))
    return found


def budget_of(sizes: Sequence[int]) -> int:
    """Return the iterations of libsvm that cost about what the interior-point method does for the largest pair."""
    return max(LEAST_ITERATIONS, max(sizes) ** 2)


def rescued(estimator: Any, training: Training, kernel: KernelName, matrix: Any) -> Solution:
    """Return libsvm's solution, with those pairs that it did not finish solved by the interior-point method."""
    pairs = training.pairs
    assert pairs is not None
    sizes = [len(pairs.rows(pair)) for pair in pairs]
    budget = budget_of(sizes)
    own = estimator.max_iter
    if 0 <= own <= budget:
        return solve(estimator, training, matrix)
    begun = solve(estimator, training, matrix, max_iter=budget)
    if not begun.status:
        return begun
    weights = pairs.weights(begun)
    intercepts = np.array(begun.intercept)
    stopped = False
    for column in np.flatnonzero(begun.n_iter >= budget):
        pair = list(pairs)[column]
        problem = _problem(estimator, training, pairs, kernel, matrix, pair)
        so_far = np.abs(pairs.of_pair(weights, pair))
        found, intercept, violation = interior_point(problem, estimator.tol)
        if violation < _stopping(problem, so_far)[1]:
            pairs.set_pair(weights, pair, found * pairs.targets(pair))
            intercepts[column] = intercept
        stopped = stopped or violation > estimator.tol
    return pairs.solution(weights, intercepts, begun.n_iter, stopped=stopped)


def _problem(
    estimator: Any, training: Training, pairs: Pairs, kernel: KernelName, matrix: Any, pair: tuple[int, int]
) -> Problem:
    rows, y = pairs.rows(pair), pairs.targets(pair)
    bounds = estimator.C * estimator.class_weight_
    upper = np.where(y > 0, bounds[pair[0]], bounds[pair[1]])
    n_columns = training.X.shape[1]
    if kernel.kind == "linear" and 2 * n_columns < len(rows):
        return low_rank(training.X[training.order][rows], y, upper)
    return dense(matrix[np.ix_(rows, rows)], y, upper)


@dataclass(frozen=True, slots=True, kw_only=True)
class InteriorRule:
    """
    The rule is used only when it is asked for. Fits with the kernel sigmoid, which has no single optimum, and
    those that `svm-kernel` does not take are fitted alone.
    """

    name: str = "svm-interior"
    covers: frozenset[str] = frozenset({SVC})
    axes: tuple[str, ...] = AXES
    shares: str = "each kernel, and bounds the time of fits that libsvm cannot finish"
    guarantee: Guarantee = Guarantee.TOLERANCE
    proven_on: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: {"scikit-learn": ("1.9",)})

    def refuses(self, path: str, params: Params, size: FitSize) -> str | None:
        if params.get("kernel") == "sigmoid":
            return "kernel=sigmoid has no single optimum, which an interior-point method needs"
        return _EXACT.refuses(path, params, size)

    def group(self, path: str, params: Params) -> Hashable:
        return _EXACT.group(path, params)

    def cost_seconds(self, path: str, members: Sequence[Params], alone: Sequence[float], size: FitSize) -> float:
        return _EXACT.cost_seconds(path, members, alone, size)

    def run(self, batch: Batch) -> Iterator[tuple[int, Source]]:
        training = training_of(batch)
        for kernel, positions in by_kernel(batch, training):
            matrix = training.kernels.matrix(kernel)
            for position in positions:
                estimator = training.checked(batch.estimators[position])
                solution = rescued(estimator, training, kernel, matrix)
                source = finished(estimator, Sums(training, solution, kernel))
                if source is not None:
                    yield position, source


RULES: tuple[Predicting, ...] = (InteriorRule(),)
