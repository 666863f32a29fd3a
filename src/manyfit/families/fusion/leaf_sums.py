"""
LightGBM's answers after more and more rounds, where each costs no more than its own rounds.

The library always adds up from the first tree. But it tells which leaf of each tree a row falls into, and a
prediction is the sum of their values in the order of the trees, in double precision, before the link of the
objective: the same additions and the same link are made here. The first rows of each answer are asked of the
library as well. Should they not be equal bit for bit, or should anything fail here, it is asked for all of them.
"""

import ctypes
import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from manyfit.families.fusion.sources import classes_of, methods_of

PROBED_ROWS = 16
"""Rows of each answer that the library is asked for, too."""

LEAF_BYTES = 32 * 2**20
"""Leaves of rows and trees that are held at once."""

VALUE_BYTES = 128 * 2**20
"""Values of the leaves of all trees that are held; beyond that the library is asked."""

LARGEST_POWER = math.log(sys.float_info.max)

Ask = Callable[..., Any]
"""The `predict` of a booster for rows and parameters that are bound already."""


@dataclass(slots=True)
class Climb:
    """The sums of one set after so many rounds."""

    n_rounds: int = 0
    raw: Any = None


@dataclass(slots=True)
class LeafSums:
    """
    Stands for a booster where its class asks it to predict.

    `name` is the set that is asked about at present: the rows that arrive here cannot tell, since the class may
    have converted them on their way. `values` are those of the leaves (n trees, most leaves of a tree), NaN where
    they have not been needed yet.
    """

    booster: Any
    objective: Any
    name: str = ""
    values: Any = None
    climbs: dict[str, Climb] = field(default_factory=dict)
    trusted: bool = True

    def predict(self, X: Any, *, num_iteration: int, **asked: Any) -> Any:
        """Return what the booster would for the set `name`."""
        if self.trusted and self.objective in LINKS and isinstance(X, np.ndarray):
            try:
                found = self._summed(X, num_iteration, asked)
            except Exception:  # noqa: BLE001 - the library may have changed, or memory be short: it answers itself
                found = None
            if found is not None:
                wanted = self.booster.predict(X[:PROBED_ROWS], num_iteration=num_iteration, **asked)
                if found[:PROBED_ROWS].tobytes() == wanted.tobytes():
                    return found
            self.trusted, self.values = False, None
            self.climbs.clear()
        return self.booster.predict(X, num_iteration=num_iteration, **asked)

    def _summed(self, X: Any, num_iteration: int, asked: Mapping[str, Any]) -> Any:
        """Return the answer from the values of leaves."""
        climb = self.climbs.setdefault(self.name, Climb())
        if climb.n_rounds > num_iteration:
            climb = self.climbs[self.name] = Climb()
        self._go_on(climb, num_iteration, lambda **more: self.booster.predict(X, **{**asked, **more}))
        return LINKS[self.objective](climb.raw)

    def _go_on(self, climb: Climb, n_rounds: int, ask: Ask) -> None:
        """Add the values of the leaves of rounds that were not asked for before."""
        n_each = self.booster.num_model_per_iteration()
        while climb.n_rounds < n_rounds:
            n_rows = 1 if climb.raw is None else len(climb.raw)
            step = min(n_rounds - climb.n_rounds, max(1, LEAF_BYTES // (8 * n_each * n_rows)))
            step = 1 if climb.raw is None else step  # the first one tells how many rows there are
            leaves = ask(pred_leaf=True, start_iteration=climb.n_rounds, num_iteration=step)
            leaves = leaves.reshape(len(leaves), -1)
            if climb.raw is None:
                climb.raw = np.zeros((len(leaves), n_each))
            found = self._of_leaves(leaves, climb.n_rounds * n_each)
            for first in range(0, found.shape[1], n_each):
                climb.raw += found[:, first : first + n_each]
            climb.n_rounds += step

    def _of_leaves(self, leaves: Any, first_tree: int) -> Any:
        """Return the values of leaves (n rows, one column a tree from *first_tree* on)."""
        width = int(leaves.max(initial=0)) + 1
        if self.values is None or self.values.shape[1] < width:
            self._widen(width)
        rows = self.values[first_tree : first_tree + leaves.shape[1]].ravel()
        places = leaves + np.arange(leaves.shape[1]) * self.values.shape[1]
        needed = np.zeros(len(rows), dtype=bool)
        needed[places] = True
        unknown = np.flatnonzero(needed & np.isnan(rows))
        if len(unknown):
            trees, own = np.divmod(unknown, self.values.shape[1])
            rows[unknown] = _leaf_values(self.booster, trees + first_tree, own)
            self.values[first_tree : first_tree + leaves.shape[1]] = rows.reshape(leaves.shape[1], -1)
        return rows.take(places)

    def _widen(self, width: int) -> None:
        """Make room for leaves up to a number; raises `OverflowError` where that is more than may be held."""
        known, n_trees = self.values, self.booster.num_trees()
        if 8 * n_trees * width > VALUE_BYTES:
            raise OverflowError(f"the values of {n_trees:,} trees with {width:,} leaves are not held")
        self.values = np.full((n_trees, width), np.nan)
        if known is not None:
            self.values[:, : known.shape[1]] = known


def _leaf_values(booster: Any, trees: Any, leaves: Any) -> list[float]:
    """Return the values of some leaves; `Booster.get_leaf_output` takes three times as long for each."""
    from lightgbm.basic import _LIB, _safe_call  # type: ignore[attr-defined]

    found = ctypes.c_double(0.0)
    ask, handle, place = _LIB.LGBM_BoosterGetLeafValue, booster._handle, ctypes.byref(found)
    values = []
    for tree, leaf in zip(trees.tolist(), leaves.tolist(), strict=True):
        _safe_call(ask(handle, tree, leaf, place))
        values.append(found.value)
    return values


@dataclass(frozen=True, slots=True)
class LeafSource:
    """The answers of the first rounds of a fitted estimator whose booster `sums` stands for."""

    estimator: Any
    sums: LeafSums
    sets: Mapping[str, Any]
    n_rounds: int

    @property
    def classes(self) -> Any:
        return classes_of(self.estimator)

    @property
    def methods(self) -> Any:
        return methods_of(self.estimator)

    def answer(self, name: str, method: str) -> Any:
        self.sums.name = name
        return getattr(self.estimator, method)(self.sets[name], num_iteration=self.n_rounds)


def _softmax(raw: Any) -> Any:
    powers = _exponentials(raw - raw.max(axis=1, keepdims=True))
    total = powers[:, 0].copy()
    for column in range(1, powers.shape[1]):
        total += powers[:, column]  # in the order of the library, which no sum of an axis promises
    return powers / total[:, None]


def _logistic(raw: Any) -> Any:
    return 1.0 / (1.0 + _exponentials(-raw[:, 0]))


def _exponentials(values: Any) -> Any:
    """Return exponentials by the function of the C library: NumPy's own may differ in the last bit."""
    finite = np.where(values > LARGEST_POWER, 0.0, values)  # math.exp raises where C gives infinity
    powers = np.array([*map(math.exp, finite.ravel().tolist())]).reshape(values.shape)
    powers[values > LARGEST_POWER] = math.inf
    return powers


LINKS: Mapping[Any, Callable[[Any], Any]] = {
    "multiclass": _softmax,
    "binary": _logistic,
    "regression": lambda raw: raw[:, 0].copy(),
}
"""From sums to answers, by objective: others are left to the library."""
