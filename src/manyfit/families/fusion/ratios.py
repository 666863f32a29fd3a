"""Sums over few columns, column by column: the bits of NumPy's sum along rows at a fraction of its time."""

from functools import cache
from typing import Any

import numpy as np

MOST_COLUMNS = 15
"""Up to this many, whole columns are added faster than short rows."""
_AT_ONCE = 8


def sums_of_ratios(numerators: Any, denominators: Any) -> Any:
    """
    Return the sums over columns of numerators (rows, columns) divided by denominators (fits, columns).

    The result (fits, rows) equals `np.sum(numerators / one_of_the_denominators, axis=1)` bit for bit;
    numerators are contiguous by row.
    """
    n_columns = numerators.shape[1]
    if n_columns > MOST_COLUMNS or not adds_alike(n_columns, numerators.dtype):
        return np.sum(numerators[np.newaxis] / denominators[:, np.newaxis, :], axis=2)
    columns = np.ascontiguousarray(numerators.T)
    return _added([columns[at] / denominators[:, at, np.newaxis] for at in range(n_columns)])


@cache
def adds_alike(n_columns: int, dtype: Any) -> bool:
    """Whether the NumPy in use adds rows of this length in the order that is used here."""
    sample = np.random.default_rng(0).normal(size=(64, n_columns)) * np.logspace(-6, 6, 64)[:, np.newaxis]
    sample = (sample * np.linspace(1.0, 3e3, n_columns)).astype(dtype)
    return bool(np.array_equal(_added(list(sample.T)), np.sum(sample, axis=1)))


def _added(parts: list[Any]) -> Any:
    """Add the parts as NumPy adds the numbers of a short row: eight as a tree, the others one by one."""
    if len(parts) < _AT_ONCE:
        total, rest = parts[0].copy(), parts[1:]
    else:
        total = _tree(parts[:_AT_ONCE])
        rest = parts[_AT_ONCE:]
    for part in rest:
        total += part
    return total


def _tree(parts: list[Any]) -> Any:
    while len(parts) > 1:
        parts = [left + right for left, right in zip(parts[::2], parts[1::2], strict=True)]
    return parts[0]
