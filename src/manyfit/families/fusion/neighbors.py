"""
Nearest neighbours: one query with the largest number of neighbours answers for all smaller numbers.

Which of equally near rows is found depends on the number that is asked for, so rows whose answer could
depend on it are asked again of scikit-learn's own estimator, with the number and weights of the fit.
"""

import copy
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.neighbors._base import _get_weights

from manyfit.contracts.estimators import FitSize
from manyfit.contracts.fusion import Batch, Guarantee, Params, Predicting, Source
from manyfit.families.fusion.demands import memory_refusal, require_one_target
from manyfit.families.fusion.queries import Query
from manyfit.families.fusion.sources import ComputedSource, predicted_by_largest
from manyfit.families.fusion.tokens import token

CLASSIFIER = "sklearn.neighbors:KNeighborsClassifier"
REGRESSOR = "sklearn.neighbors:KNeighborsRegressor"
MARGIN = 8
"""Neighbours asked for beyond the largest number, so that ties at it are seen whole."""
LARGEST_BYTES = 512 * 2**20
_BYTES_A_NEIGHBOR = 48
_VOTE_SLACK = 1e-12
_STAKE_SLACK = 1e-9
_EXACT_INTEGERS = 2.0**53
_MOST_COLUMNS_OF_TREES = 15
_SAFE_IN_TREES = frozenset(
    {"minkowski", "p", "euclidean", "l2", "manhattan", "cityblock", "l1", "chebyshev", "infinity"}
)
_SHARE_OF_A_FIT = 0.03


@dataclass(frozen=True, slots=True, kw_only=True)
class NeighborsRule:
    """
    Fits with a metric or weights that are functions, with precomputed distances, with `p` below 1, with a metric
    that a tree rounds more than ties allow, with several targets, or with neighbours of more than 512 MiB are
    fitted alone.
    """

    name: str = "neighbors"
    covers: frozenset[str] = frozenset({CLASSIFIER, REGRESSOR})
    axes: tuple[str, ...] = ("n_neighbors", "weights")
    shares: str = "one query with the largest number of neighbours"
    guarantee: Guarantee = Guarantee.EXACT
    proven_on: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: {"scikit-learn": ("1.9",)})

    def refuses(self, path: str, params: Params, size: FitSize) -> str | None:
        if params["weights"] not in ("uniform", "distance", None):
            return "weights is a function, which may answer otherwise each time"
        if not isinstance(params["metric"], str):
            return "metric is a function, which may answer otherwise each time"
        if params["metric"] == "precomputed":
            return "metric=precomputed takes distances instead of rows"
        if params["n_neighbors"] is None or params["p"] is None:
            return "n_neighbors and p must be numbers"
        if params["metric"] == "minkowski" and params["p"] < 1:
            return f"p={params['p']} is below 1 and gives no distance"
        if params["algorithm"] != "brute" and params["metric"] not in _SAFE_IN_TREES:
            return f"metric={params['metric']} may round more in a tree than ties allow"
        needed = size.n_rows * (params["n_neighbors"] + MARGIN) * _BYTES_A_NEIGHBOR
        return memory_refusal("the neighbours of all rows", needed, LARGEST_BYTES)

    def group(self, path: str, params: Params) -> Hashable:
        return token(path, params, self.axes)

    def cost_seconds(self, path: str, members: Sequence[Params], alone: Sequence[float], size: FitSize) -> float:
        return max(alone) + _SHARE_OF_A_FIT * (sum(alone) - max(alone))

    def run(self, batch: Batch) -> Iterator[tuple[int, Source]]:
        require_one_target(batch)
        for members in _by_method(batch):
            yield from _answers(batch, members)


def _by_method(batch: Batch) -> Iterator[list[int]]:
    """Split positions by the method that algorithm="auto" takes, which depends on the number; leave errors out."""
    n_rows, n_columns = batch.X.shape
    few: list[int] = []
    many: list[int] = []
    for position, estimator in enumerate(batch.estimators):
        if estimator.n_neighbors > n_rows:
            continue
        may_differ = estimator.algorithm == "auto" and n_columns <= _MOST_COLUMNS_OF_TREES
        apart = may_differ and estimator.n_neighbors >= n_rows // 2
        (many if apart else few).append(position)
    for members in (few, many):
        if members:
            yield sorted(members, key=lambda position: batch.estimators[position].n_neighbors)


def _answers(batch: Batch, members: Sequence[int]) -> Iterator[tuple[int, Source]]:
    """Yield the answers of *members*, which are in order of their number of neighbours."""
    fitted = clone(batch.estimators[members[-1]]).fit(batch.X, batch.y)
    n_asked = min(fitted.n_neighbors + MARGIN, fitted.n_samples_fit_)
    queries = {name: Query(fitted, rows, n_asked) for name, rows in batch.sets.items()}
    votes = {
        (name, kind): _Votes(query, kind) for name, query in queries.items() for kind in ("uniform", "distance")
    }
    for position in members:
        estimator = batch.estimators[position]
        alone = copy.copy(fitted)
        alone.n_neighbors, alone.weights = estimator.n_neighbors, estimator.weights
        kind = estimator.weights or "uniform"
        mine = {name: votes[name, kind] for name in queries}
        yield position, (_classified(alone, mine) if batch.path == CLASSIFIER else _regressed(alone, queries))


def _classified(alone: Any, votes: Mapping[str, "_Votes"]) -> Source:
    k = alone.n_neighbors
    functions = {
        "predict": lambda name: votes[name].predicted(alone, k),
        "predict_proba": lambda name: votes[name].probabilities(alone, k),
    }
    return ComputedSource(functions, classes=alone.classes_)


class _Votes:
    """
    The votes of the nearest neighbours of a set for each class, added up neighbour by neighbour.

    They are asked for in rising order of the number of neighbours, and added in the order in which
    scikit-learn adds them, so that sums are equal bit for bit.
    """

    def __init__(self, query: Query, kind: str) -> None:
        self._query = query
        self._weighted = kind == "distance"
        self._n_counted = 0
        self._sums: Any = None
        self._places: Any = None
        self._weights: Any = None

    def predicted(self, alone: Any, k: int) -> Any:
        if not self._query.is_ordered:
            return alone.predict(self._query.rows)
        sums = self._up_to(k)
        answer = predicted_by_largest(alone.classes_, sums)
        doubtful, n_open = self._query.ties.at_boundary(k, weighted=self._weighted)
        doubtful = doubtful[self._may_turn(sums, k, doubtful, n_open)]
        if self._weighted:
            doubtful = np.union1d(doubtful, np.flatnonzero(_leads(sums) <= _VOTE_SLACK * sums.sum(axis=1)))
        return self._query.asked_again(alone.predict, answer, doubtful)

    def probabilities(self, alone: Any, k: int) -> Any:
        if not self._query.is_ordered:
            return alone.predict_proba(self._query.rows)
        sums = self._up_to(k)
        answer = sums / sums.sum(axis=1)[:, np.newaxis]
        doubtful, _ = self._query.ties.at_boundary(k, weighted=self._weighted)
        return self._query.asked_again(alone.predict_proba, answer, doubtful)

    def _may_turn(self, sums: Any, k: int, rows: Any, n_open: Any) -> Any:
        """Return which of *rows* could have another winner if *n_open* of the votes went to other classes."""
        heaviest = 1.0 if self._weights is None else self._weights[k - n_open, rows]
        at_stake = 2.0 * n_open * heaviest * (1.0 + _STAKE_SLACK)
        return _leads(sums[rows]) <= at_stake + _VOTE_SLACK * sums[rows].sum(axis=1)

    def _up_to(self, k: int) -> Any:
        if self._sums is None:
            self._prepare()
        flat = self._sums.ravel()
        for neighbor in range(self._n_counted, k):
            flat[self._places[neighbor]] += 1.0 if self._weights is None else self._weights[neighbor]
        self._n_counted = max(self._n_counted, k)
        return self._sums

    def _prepare(self) -> None:
        codes = self._query.targets
        n_rows, n_classes = codes.shape[0], self._query.n_classes
        self._sums = np.zeros((n_rows, n_classes))
        self._places = np.ascontiguousarray((codes + np.arange(n_rows)[:, np.newaxis] * n_classes).T)
        if self._weighted:
            self._weights = np.ascontiguousarray(_get_weights(self._query.distances, "distance").T)


def _leads(sums: Any) -> Any:
    """Return by how much the class with the most votes leads the next; without bound where there is no other."""
    if sums.shape[1] < 2:
        return np.full(sums.shape[0], np.inf)
    two = np.partition(sums, -2, axis=1)[:, -2:]
    return two[:, 1] - two[:, 0]


def _regressed(alone: Any, queries: Mapping[str, Query]) -> Source:
    return ComputedSource({"predict": lambda name: _means(alone, queries[name])})


def _means(alone: Any, query: Query) -> Any:
    """Return the means of the nearest values, computed as scikit-learn does on arrays of the same layout."""
    if not query.is_ordered:
        return alone.predict(query.rows)
    k, weighted = alone.n_neighbors, alone.weights == "distance"
    values = np.ascontiguousarray(query.targets[:, :k])
    if weighted:
        weights = _get_weights(np.ascontiguousarray(query.distances[:, :k]), "distance")
        answer = np.sum(values * weights, axis=1) / np.sum(weights, axis=1)
    else:
        answer = np.mean(values[:, :, np.newaxis], axis=1).ravel()
    doubtful, _ = query.ties.at_boundary(k, weighted=weighted)
    shuffled = query.ties.within(k)
    if len(shuffled) and (weighted or not _adds_exactly(values[shuffled], k)):
        doubtful = np.union1d(doubtful, shuffled)
    return query.asked_again(alone.predict, answer, doubtful)


def _adds_exactly(values: Any, k: int) -> bool:
    """Whether the order in which *k* values are added cannot matter: they are integers, and not large."""
    if values.dtype.kind in "iub":
        return True
    limit = _EXACT_INTEGERS if values.dtype == np.float64 else 2.0**24
    return bool(np.all(values == np.rint(values)) and np.abs(values).max() * k < limit)


RULES: tuple[Predicting, ...] = (NeighborsRule(),)
