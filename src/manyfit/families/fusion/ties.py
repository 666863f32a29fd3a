"""Equally near neighbours: for which rows does an answer depend on how a search breaks ties?"""

from typing import Any

import numpy as np


class Ties:
    """
    Runs of (nearly) equal distances in sorted neighbours (m rows, q neighbours), and what they are labelled.

    `targets` are the class codes or values of the neighbours (m, q). `slack` (m, q - 1) is the difference of
    neighbouring distances up to which they count as equal. `complete` says that all rows there are were
    found, so that no run goes on beyond the last neighbour.
    """

    def __init__(self, distances: Any, targets: Any, slack: Any, complete: bool) -> None:
        steps = np.diff(distances, axis=1)
        tied = steps <= slack
        self.rows = np.flatnonzero(tied.any(axis=1))
        self._n_found = distances.shape[1]
        self._complete = complete
        self._tied = tied[self.rows]
        differ = targets[self.rows, 1:] != targets[self.rows, :-1]
        self._mixed = _counted(self._tied & differ)
        self._unequal = _counted(self._tied & (steps[self.rows] != 0))
        self._first, self._last = _runs(self._tied)

    def at_boundary(self, k: int, *, weighted: bool) -> tuple[Any, Any]:
        """
        Return the rows whose votes depend on the choice among the ties at *k*, and how many votes do.

        Such ties have unlike targets, go on beyond what was found, or, `weighted`, unlike distances. *k* is
        less than the number of neighbours found, or all rows were found.
        """
        if k >= self._n_found:
            return np.empty(0, dtype=np.intp), np.empty(0, dtype=np.intp)
        cut = np.flatnonzero(self._tied[:, k - 1])
        first, last = self._first[cut, k - 1], self._last[cut, k - 1]
        doubtful = self._mixed[cut, last] > self._mixed[cut, first]
        if not self._complete:
            doubtful |= last == self._n_found - 1
        if weighted:
            doubtful |= self._unequal[cut, last] > self._unequal[cut, first]
        return self.rows[cut[doubtful]], (k - first)[doubtful]

    def within(self, k: int) -> Any:
        """Return the rows whose *k* nearest have ties with unlike targets: their order is not certain."""
        return self.rows[self._mixed[:, min(k, self._n_found) - 1] > 0]


def _counted(flags: Any) -> Any:
    """Return how many flags (m, q - 1) stand before each of q positions."""
    counts = np.zeros((flags.shape[0], flags.shape[1] + 1), dtype=np.int32)
    np.cumsum(flags, axis=1, out=counts[:, 1:])
    return counts


def _runs(tied: Any) -> tuple[Any, Any]:
    """Return the first and the last position of the run that each position belongs to."""
    n_found = tied.shape[1] + 1
    positions = np.arange(n_found)
    begins = np.ones((tied.shape[0], n_found), dtype=bool)
    begins[:, 1:] = ~tied
    ends = np.ones_like(begins)
    ends[:, :-1] = ~tied
    first = np.maximum.accumulate(np.where(begins, positions, 0), axis=1)
    last = np.minimum.accumulate(np.where(ends, positions, n_found - 1)[:, ::-1], axis=1)[:, ::-1]
    return first, last
