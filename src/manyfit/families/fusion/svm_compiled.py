"""
Sequential minimal optimisation of support vector classifiers, compiled by numba, step by step as libsvm does it.

R.-E. Fan, P.-H. Chen and C.-J. Lin, Working set selection using second order information for training support
vector machines, JMLR 6 (2005) 1889-1918; C.-C. Chang and C.-J. Lin, LIBSVM: a library for support vector
machines, ACM TIST 2 (2011) 27:1-27, with its shrinking (section 5.1). Every operation rounds as libsvm's does,
and among equals the last row in libsvm's order of rows is taken: the results are equal bit for bit.

Here a gap is the gradient times minus the class (+1 or -1), so that rows of both classes are treated alike;
signs do not change how numbers round. Kernels are rounded to single precision, as libsvm holds them; those
between a row and itself are not.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic

from manyfit.families.fusion.kept_code import is_kept as is_kept_in
from manyfit.families.fusion.kept_code import kept_in, made_folder

TINY = 1e-12
"""Curvature assumed between rows that the kernel cannot tell apart."""

MOST_BEFORE_SHRINKING = 1000
"""Iterations, and at most as many as there are rows."""

_NUMBERS = ("nnan", "nsz")
"""Tells the compiler that no number is missing: it may then look for maxima of several numbers at once."""


FOLDER = made_folder(Path(__file__))
"""Where the compiled code is kept, None if nowhere."""


def is_kept() -> bool:
    """Whether the solver was compiled before, and need only be loaded."""
    return is_kept_in(FOLDER, "solve_pairs")


def _compiled(*, within: bool = False, allocates: bool = False) -> Callable[[Callable[..., Any]], Any]:
    """
    Compile when first called, and keep the result on disk where there is a folder to write to.

    *within* puts the code into its callers. What does not allocate need not count who holds which array, which
    takes most of the time otherwise. As in libsvm, other threads of Python go on meanwhile.
    """
    options: dict[str, Any] = {"error_model": "numpy", "forceinline": within, "nogil": True, "_nrt": allocates}

    def compiled(function: Callable[..., Any]) -> Any:
        if FOLDER is None:
            return numba.njit(**options)(function)
        with kept_in(FOLDER):
            return numba.njit(cache=True, **options)(function)

    return compiled


def _extreme(comparison: str) -> Any:
    """Return a function of two numbers that returns the one which compares so with the other."""

    def typed(typing: Any, one: Any, other: Any) -> Any:
        def generated(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            chosen = builder.fcmp_ordered(comparison, *arguments, flags=_NUMBERS)
            return builder.select(chosen, *arguments, flags=_NUMBERS)

        return types.float64(types.float64, types.float64), generated

    return intrinsic(typed)


_larger, _smaller = _extreme(">"), _extreme("<")


@_compiled(within=True)
def _ends(gaps: Any, rising: Any, falling: Any, n: int) -> Any:
    """Return the largest gap of a weight that may grow, and the smallest of one that may shrink."""
    best, worst = -np.inf, np.inf
    for t in range(n):
        best = _larger(best, gaps[t] + rising[t])
        worst = _smaller(worst, gaps[t] + falling[t])
    return best, worst


@_compiled(within=True)
def _moved(
    gaps: Any, rising: Any, falling: Any, row: Any, other: Any, step: float, opposite: float, n: int
) -> Any:
    """Change the gaps as two weights were changed, and return the ends."""
    best, worst = -np.inf, np.inf
    for t in range(n):
        gap = gaps[t] - (row[t] * step + other[t] * opposite)
        gaps[t] = gap
        best = _larger(best, gap + rising[t])
        worst = _smaller(worst, gap + falling[t])
    return best, worst


@_compiled(within=True)
def _gains(gains: Any, best: float, gaps: Any, falling: Any, own: float, diagonal: Any, row: Any, n: int) -> Any:
    """Fill in what a step with each weight would gain, and return the most."""
    most = 0.0
    for t in range(n):
        gap = _larger(best - (gaps[t] + falling[t]), 0.0)
        curvature = own + diagonal[t] - 2.0 * row[t]
        gain = gap * gap / (curvature if curvature > 0.0 else TINY)
        gains[t] = gain
        most = _larger(most, gain)
    return most


@_compiled(within=True)
def _last(values: Any, wanted: float, n: int) -> Any:
    """Return the last place of a value; -1 where there is none."""
    at = -1
    for t in range(n):
        at = max(at, t if values[t] == wanted else -1)
    return at


@_compiled(within=True)
def _last_rising(gaps: Any, rising: Any, best: float, n: int) -> Any:
    """Return the last place of a gap among weights that may grow; -1 where there is none."""
    at = -1
    for t in range(n):
        at = max(at, t if gaps[t] + rising[t] == best else -1)
    return at


@_compiled(within=True)
def _last_lower(gaps: Any, falling: Any, best: float, n: int) -> Any:
    """Return the last place of a weight that may shrink with a gap below the best; -1 where there is none."""
    at = n - 1
    while at >= 0 and not (falling[at] == 0.0 and best - gaps[at] > 0.0):
        at -= 1
    return at


@_compiled(within=True)
def _stepped_apart(own: float, other: float, step: float, bound: float, bound_other: float) -> Any:
    """Return two weights (without signs) of two classes after a step, kept within their bounds as by libsvm."""
    apart = own - other
    own, other = own + step, other + step
    if apart > 0.0:
        if other < 0.0:
            own, other = apart, 0.0
    elif own < 0.0:
        own, other = 0.0, -apart
    if apart > bound - bound_other:
        if own > bound:
            own, other = bound, bound - apart
    elif other > bound_other:
        own, other = bound_other + apart, bound_other
    return own, other


@_compiled(within=True)
def _stepped_alike(own: float, other: float, step: float, bound: float, bound_other: float) -> Any:
    """Return two weights of one class after a step, kept within their bounds as libsvm does it."""
    total = own + other
    own, other = own - step, other + step
    if total > bound:
        if own > bound:
            own, other = bound, total - bound
    elif other < 0.0:
        own, other = total, 0.0
    if total > bound_other:
        if other > bound_other:
            own, other = total - bound_other, bound_other
    elif own < 0.0:
        own, other = 0.0, total
    return own, other


class Rows(NamedTuple):
    """
    The rows of a pair of classes in their present order: those that are still looked at come first.

    `order` are positions in the pair, `places` in the kernel. `rising` is 0 where a weight may grow and
    `falling` where it may shrink, else an infinite number that keeps the row from being chosen.
    """

    order: Any
    places: Any
    signs: Any
    weights: Any
    bounds: Any
    diagonal: Any
    gaps: Any
    rising: Any
    falling: Any
    gains: Any


class Held(NamedTuple):
    """
    Rows of the kernel in the present order of the rows, filled in when they are first needed.

    `stamps` tell for which order each row (by position in the pair) was filled in.
    """

    kernel: Any
    rows: Any
    stamps: Any


class Bounded(NamedTuple):
    """
    What weights at their upper bounds contribute to the gaps, in the first order of the rows.

    It is needed only after rows were left aside, never without shrinking. So changes (`places` of rows, `shares`
    with signs; `n_noted[0]` of them) are noted, and added to `gaps` later, in their order.
    """

    gaps: Any
    restored: Any
    places: Any
    shares: Any
    n_noted: Any


class Pair(NamedTuple):
    """Where the rows of the two classes are: in the order of the kernel, one after the other."""

    first: int
    second: int
    n_first: int
    n_rows: int


@_compiled()
def _begin(rows: Rows, pair: Pair, diagonal: Any, bound: float, bound_second: float) -> Any:
    """Put the rows in their first order, with weights of zero; return whether any is at its upper bound."""
    for t in range(pair.n_rows):
        positive = t < pair.n_first
        rows.order[t] = t
        rows.places[t] = pair.first + t if positive else pair.second + t - pair.n_first
        rows.signs[t] = 1.0 if positive else -1.0
        rows.weights[t] = 0.0
        rows.bounds[t] = bound if positive else bound_second
        rows.diagonal[t] = diagonal[rows.places[t]]
        rows.gaps[t] = rows.signs[t]
        _free(rows, t)
    return bound <= 0.0 or bound_second <= 0.0


@_compiled(within=True)
def _free(rows: Rows, t: int) -> None:
    """Note whether a weight may grow and shrink; one at both of its bounds counts as at the upper one."""
    highest = rows.weights[t] >= rows.bounds[t]
    lowest = not highest and rows.weights[t] <= 0.0
    positive = rows.signs[t] > 0.0
    rows.rising[t] = -np.inf if (highest if positive else lowest) else 0.0
    rows.falling[t] = np.inf if (lowest if positive else highest) else 0.0


@_compiled(within=True)
def _filled(held: Held, rows: Rows, pair: Pair, at: int, n: int, stamp: int, ordered: bool) -> Any:
    """Fill in the kernel between the row at a place and the first *n* rows; return where it is held."""
    own, place = rows.order[at], rows.places[at]
    out = held.rows[own]
    if held.stamps[own] != stamp:
        held.stamps[own] = stamp
        if ordered:
            for t in range(pair.n_first):
                out[t] = held.kernel[place, pair.first + t]
            for t in range(pair.n_rows - pair.n_first):
                out[pair.n_first + t] = held.kernel[place, pair.second + t]
        else:
            for t in range(n):
                out[t] = held.kernel[place, rows.places[t]]
    return own


@_compiled()
def _spread(total: Any, kernel: Any, pair: Pair, place: int, weight: float) -> None:
    """Change gaps, in the first order of the rows, by what a weight contributes."""
    n_first = pair.n_first
    for t in range(n_first):
        total[t] -= weight * kernel[place, pair.first + t]
    for t in range(pair.n_rows - n_first):
        total[n_first + t] -= weight * kernel[place, pair.second + t]


@_compiled()
def _added(bounded: Bounded, pair: Pair, kernel: Any) -> None:
    """Add what was noted."""
    for each in range(bounded.n_noted[0]):
        _spread(bounded.gaps, kernel, pair, bounded.places[each], bounded.shares[each])
    bounded.n_noted[0] = 0


@_compiled()
def _restored(rows: Rows, pair: Pair, kernel: Any, bounded: Bounded, n: int, stamp: int) -> Any:
    """Compute the gaps of the rows that were left aside; return how many rows there are, and the next stamp."""
    _added(bounded, pair, kernel)
    restored = bounded.restored
    for t in range(pair.n_rows):
        restored[t] = bounded.gaps[t] + (1.0 if t < pair.n_first else -1.0)
    for t in range(n):
        if rows.rising[t] == rows.falling[t]:
            _spread(restored, kernel, pair, rows.places[t], rows.signs[t] * rows.weights[t])
    for t in range(n, pair.n_rows):
        rows.gaps[t] = restored[rows.order[t]]
    return pair.n_rows, stamp + 1


@_compiled()
def _settled(rows: Rows, t: int, best: float, worst: float) -> bool:
    """Whether a weight is at a bound, and far from being changed."""
    gap = rows.gaps[t]
    if rows.rising[t] < 0.0:
        return bool(gap > best)
    return bool(rows.falling[t] > 0.0 and gap < worst)


@_compiled()
def _swap(values: Any, one: int, other: int) -> None:
    values[one], values[other] = values[other], values[one]


@_compiled()
def _shrunk(rows: Rows, n: int, stamp: int, best: float, worst: float) -> Any:
    """
    Leave settled rows aside, behind the others.

    Returns how many are left, the next stamp, whether any changed its place, and whether there are fewer.
    """
    t, before, swapped = 0, n, False
    while t < n:
        if _settled(rows, t, best, worst):
            n -= 1
            while n > t and _settled(rows, n, best, worst):
                n -= 1
            if n > t:
                swapped = True
                _swap(rows.order, t, n)
                _swap(rows.places, t, n)
                for values in (rows.signs, rows.weights, rows.bounds, rows.diagonal):
                    _swap(values, t, n)
                for values in (rows.gaps, rows.rising, rows.falling):
                    _swap(values, t, n)
        t += 1
    return n, stamp + swapped, swapped, before > n


@_compiled(within=True)
def _chosen(
    held: Held,
    rows: Rows,
    pair: Pair,
    best: float,
    worst: float,
    tolerance: float,
    n: int,
    stamp: int,
    ordered: bool,
) -> Any:
    """Return the two rows to change, -1 for the second where none is worth it."""
    if best - worst < tolerance:
        return -1, -1
    first = _last_rising(rows.gaps, rows.rising, best, n)
    if first < 0:
        return -1, -1
    row = held.rows[_filled(held, rows, pair, first, n, stamp, ordered)]
    most = _gains(rows.gains, best, rows.gaps, rows.falling, rows.diagonal[first], rows.diagonal, row, n)
    if most == 0.0:
        return first, _last_lower(rows.gaps, rows.falling, best, n)
    return first, _last(rows.gains, most, n)


@_compiled(within=True)
def _changed(rows: Rows, first: int, second: int, between: float) -> Any:
    """Change two weights; return by how much, with signs."""
    curvature = rows.diagonal[first] + rows.diagonal[second] - 2.0 * between
    if curvature <= 0.0:
        curvature = TINY
    sign, alike = rows.signs[first], rows.signs[first] == rows.signs[second]
    step = sign * (rows.gaps[first] - rows.gaps[second]) / curvature
    before, before_second = rows.weights[first], rows.weights[second]
    bound, bound_second = rows.bounds[first], rows.bounds[second]
    if alike:
        weights = _stepped_alike(before, before_second, -step, bound, bound_second)
    else:
        weights = _stepped_apart(before, before_second, step, bound, bound_second)
    rows.weights[first], rows.weights[second] = weights
    change = sign * (rows.weights[first] - before)
    return change, rows.signs[second] * (rows.weights[second] - before_second)


@_compiled(within=True)
def _at_upper(rows: Rows, t: int) -> bool:
    """Whether a weight was at its upper bound when that was last noted."""
    return bool((rows.rising[t] if rows.signs[t] > 0.0 else -rows.falling[t]) < 0.0)


@_compiled(within=True)
def _noted(rows: Rows, pair: Pair, held: Held, bounded: Bounded, t: int) -> bool:
    """Note where a weight has come to; return whether that is its upper bound."""
    before = _at_upper(rows, t)
    _free(rows, t)
    now = bool(_at_upper(rows, t))
    if now != before and len(bounded.places) > 0:
        if bounded.n_noted[0] == len(bounded.places):
            _added(bounded, pair, held.kernel)
        share = rows.signs[t] * rows.bounds[t]
        bounded.places[bounded.n_noted[0]] = rows.places[t]
        bounded.shares[bounded.n_noted[0]] = share if now else -share
        bounded.n_noted[0] += 1
    return now


@_compiled()
def _intercept(rows: Rows, n: int, best: float, worst: float) -> float:
    """Return the mean gap of the weights that are between their bounds, or else the middle of the ends."""
    total, n_free = 0.0, 0
    for t in range(n):
        if rows.rising[t] == rows.falling[t]:
            total += rows.gaps[t]
            n_free += 1
    return (total / n_free if n_free > 0 else (best + worst) / 2.0) + 0.0


@_compiled(within=True)
def _taken(
    held: Held, rows: Rows, pair: Pair, bounded: Bounded, pick: Any, n: int, stamp: int, ordered: bool
) -> Any:
    """Change the two weights that were chosen; return the ends, and whether one is at its upper bound."""
    first, second = pick
    row = held.rows[_filled(held, rows, pair, first, n, stamp, ordered)]
    other = held.rows[_filled(held, rows, pair, second, n, stamp, ordered)]
    change, opposite = _changed(rows, first, second, row[second])
    upper = _noted(rows, pair, held, bounded, first)
    upper_second = _noted(rows, pair, held, bounded, second)
    best, worst = _moved(rows.gaps, rows.rising, rows.falling, row, other, change, opposite, n)
    return best, worst, upper or upper_second


@_compiled()
def _solved(
    held: Held, rows: Rows, pair: Pair, bounded: Bounded, stamp: int, tolerance: float, limits: tuple[bool, int]
) -> Any:
    """
    Solve for one pair of classes; *limits* are whether rows are left aside, and the most iterations.

    Returns the intercept, the number of iterations, whether a weight came to its upper bound, how often rows
    were left aside, and the last stamp.
    """
    shrinking, max_iter = limits
    n, ordered, unshrunk, touched = pair.n_rows, True, False, False
    n_iter = n_shrunk = 0
    left = min(n, MOST_BEFORE_SHRINKING) + 1
    best, worst = _ends(rows.gaps, rows.rising, rows.falling, n)
    while n_iter != max_iter:
        left -= 1
        if left == 0:
            left = min(pair.n_rows, MOST_BEFORE_SHRINKING)
            if shrinking:
                if not unshrunk and best - worst <= tolerance * 10.0:
                    unshrunk = True
                    n, stamp = _restored(rows, pair, held.kernel, bounded, n, stamp)
                n, stamp, swapped, fewer = _shrunk(rows, n, stamp, best, worst)
                n_shrunk, ordered = n_shrunk + fewer, ordered and not swapped
                best, worst = _ends(rows.gaps, rows.rising, rows.falling, n)
        pick = _chosen(held, rows, pair, best, worst, tolerance, n, stamp, ordered)
        if pick[1] < 0:
            if n == pair.n_rows:
                break
            n, stamp = _restored(rows, pair, held.kernel, bounded, n, stamp)
            best, worst = _ends(rows.gaps, rows.rising, rows.falling, n)
            pick = _chosen(held, rows, pair, best, worst, tolerance, n, stamp, ordered)
            if pick[1] < 0:
                break
            left = 1
        n_iter += 1
        best, worst, upper = _taken(held, rows, pair, bounded, pick, n, stamp, ordered)
        touched = touched or upper
    return _intercept(rows, n, best, worst), n_iter, touched, n_shrunk, stamp


@_compiled(allocates=True)
def _rows(n: int) -> Rows:
    """Return room for *n* rows."""
    return Rows(
        np.empty(n, np.int64),
        np.empty(n, np.int64),
        np.empty(n),
        np.empty(n),
        np.empty(n),
        np.empty(n),
        np.empty(n),
        np.empty(n),
        np.empty(n),
        np.empty(n),
    )


@_compiled(allocates=True)
def _bounded(n: int, n_notes: int) -> Bounded:
    """Return room for *n* rows and so many notes, which are added before there are more."""
    return Bounded(np.empty(n), np.empty(n), np.empty(n_notes, np.int64), np.empty(n_notes), np.zeros(1, np.int64))


@_compiled()
def _given(weights: Any, rows: Rows, pair: Pair, i: int, j: int) -> None:
    """Fill in the weights that were found for classes i and j."""
    for t in range(pair.n_rows):
        positive = rows.order[t] < pair.n_first
        weights[j - 1 if positive else i, rows.places[t]] = rows.signs[t] * rows.weights[t]


@_compiled(allocates=True)
def solve_pairs(
    kernel: Any,
    diagonal: Any,
    starts: Any,
    bounds: Any,
    tolerance: float,
    shrinking: bool,
    max_iter: int,
    pairs: Any,
    weights: Any,
    intercepts: Any,
    n_iter: Any,
    touched: Any,
    n_shrunk: Any,
) -> None:
    """
    Solve for the *pairs* (their two classes and their position), and fill in what is found.

    *kernel* (n rows, n rows) is symmetric and of single precision, *diagonal* in double precision; the rows of
    class c begin at starts[c] and their weights lie between zero and bounds[c]. *weights* (classes - 1, rows) are
    in libsvm's layout of dual coefficients. A pair is *touched* when a weight ever was at its upper bound: if
    none was, the solution is the same for every larger bound.
    """
    sizes = starts[1:] - starts[:-1]
    ordered = np.sort(sizes)
    largest = ordered[-1] + ordered[-2]
    rows, stamp = _rows(largest), 0
    held = Held(kernel, np.empty((largest, largest), np.float32), np.full(largest, -1, np.int64))
    bounded = _bounded(largest, 4 * largest if shrinking else 0)
    for each in range(len(pairs)):
        i, j, at = pairs[each]
        pair = Pair(starts[i], starts[j], sizes[i], sizes[i] + sizes[j])
        bounded.gaps[:] = 0.0
        bounded.n_noted[0] = 0
        begun = _begin(rows, pair, diagonal, bounds[i], bounds[j])
        found = _solved(held, rows, pair, bounded, stamp, tolerance, (shrinking, max_iter))
        intercepts[at], n_iter[at], n_shrunk[at] = found[0], found[1], found[3]
        touched[at] = begun or found[2]
        stamp = found[4] + 1
        _given(weights, rows, pair, i, j)
