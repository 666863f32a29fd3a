"""
Sequential minimal optimisation of support vector classifiers, compiled by numba.

The algorithm is that of libsvm without its shrinking: R.-E. Fan, P.-H. Chen and C.-J. Lin, Working set
selection using second order information for training support vector machines, JMLR 6 (2005) 1889-1918.
Weights carry the sign of their class here, so that all pairs of rows are treated alike.
"""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np

TINY = 1e-12
"""Curvature assumed between rows that the kernel cannot tell apart, as in libsvm."""


_NO_NAN = {"nnan", "nsz"}
"""Lets the compiler look for maxima of several numbers at once; sums keep their order."""


def _compiled(function: Callable[..., Any]) -> Any:
    """Compile when first called, and keep the result on disk where numba finds a folder to write to."""
    try:
        return numba.njit(cache=True, error_model="numpy", fastmath=_NO_NAN)(function)
    except RuntimeError:  # neither the package's folder nor the user's cache can be written
        return numba.njit(error_model="numpy", fastmath=_NO_NAN)(function)


def _ends(gaps: Any, rising: Any, falling: Any) -> Any:
    """Return the largest gap of a weight that may grow, and the smallest of one that may shrink."""
    best, worst = -np.inf, np.inf
    for t in range(len(gaps)):
        best = max(best, gaps[t] + rising[t])
        worst = min(worst, gaps[t] + falling[t])
    return best, worst


def _gains(gains: Any, best: float, gaps: Any, falling: Any, curves: Any, row: Any) -> Any:
    """Fill in what a step with each weight would gain, and return the most."""
    most = 0.0
    for t in range(len(gaps)):
        gap = max(best - (gaps[t] + falling[t]), 0.0)
        gains[t] = gap * gap / max(curves[t] - 2.0 * row[t], TINY)
        most = max(most, gains[t])
    return most


def _last(values: Any, wanted: float) -> Any:
    """Return the last place of a value, as libsvm decides among equals; -1 where there is none."""
    at = len(values) - 1
    while at >= 0 and values[at] != wanted:
        at -= 1
    return at


ends, gains_of, last = _compiled(_ends), _compiled(_gains), _compiled(_last)


def _pair(
    kernel: Any, diagonal: Any, y: Any, low: Any, high: Any, tolerance: float, max_iter: int, weights: Any
) -> Any:
    """
    Solve for the *weights* (in: zeros; each between *low* and *high*; their sum stays zero).

    *kernel* is symmetric and of single precision, *y* is +1 or -1. Returns the intercept, the number of
    iterations, whether a weight ever was at a bound other than zero, and whether *max_iter* was met.
    """
    n = len(y)
    gaps, gains = y.copy(), np.empty(n)
    rising = np.where(high > 0.0, 0.0, -np.inf)  # 0 where a weight may grow
    falling = np.where(low < 0.0, 0.0, np.inf)  # 0 where a weight may shrink
    n_iter = 0
    touched = stopped = False
    while True:
        best, worst = ends(gaps, rising, falling)
        stopped = n_iter == max_iter
        if stopped or best - worst < tolerance:
            break
        first = last(gaps + rising, best)
        row, own = kernel[first], diagonal[first]
        most = gains_of(gains, best, gaps, falling, own + diagonal, row)
        second = last(gains, most)
        if most == 0.0 or first < 0 or second < 0:
            break
        n_iter += 1
        other = kernel[second]
        step = (best - gaps[second]) / max(own + diagonal[second] - 2.0 * row[second], TINY)
        room, rest = high[first] - weights[first], weights[second] - low[second]
        step = min(step, room, rest)
        weights[first] = high[first] if step == room else weights[first] + step
        weights[second] = low[second] if step == rest else weights[second] - step
        touched = touched or (step == room and high[first] > 0.0) or (step == rest and low[second] < 0.0)
        for t in (first, second):
            rising[t] = 0.0 if weights[t] < high[t] else -np.inf
            falling[t] = 0.0 if weights[t] > low[t] else np.inf
        for t in range(n):
            gaps[t] -= step * (np.float64(row[t]) - np.float64(other[t]))
    free = (rising == 0.0) & (falling == 0.0)
    return (gaps[free].mean() if free.any() else (best + worst) / 2.0), n_iter, touched, stopped


solve_pair = _compiled(_pair)
