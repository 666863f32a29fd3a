"""
AdaBoost and bagging: fewer members are the first ones of many.

A shorter ensemble is a copy of the longest with fewer members, which answers with scikit-learn's own code;
what each member answers for a set is computed once and remembered.
"""

import copy
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from manyfit.contracts.estimators import FitSize
from manyfit.contracts.fusion import Batch, CannotFuse, Guarantee, Params, Predicting, Source
from manyfit.families.fusion.demands import require_one_target, several_jobs_refusal
from manyfit.families.fusion.prefixes import by_length, fitted, prefix_seconds, seed_refusal
from manyfit.families.fusion.sources import METHODS, classes_of, methods_of
from manyfit.families.fusion.tokens import token

REMEMBERED_BYTES = 256 * 2**20
"""Answers of members that are remembered at once; what is beyond is computed again for each ensemble."""

Cut = Callable[[Any, int], None]
"""Leaves an ensemble only its first members, in place; containers that it shares with others stay as they are."""


@dataclass(slots=True)
class Memory:
    """What the members answered for each set: `name` is the set that is asked about at present."""

    name: str = ""
    known: dict[tuple[str, int, str], Any] = field(default_factory=dict)
    n_bytes: int = 0

    def recall(self, member: int, method: str, ask: Callable[[Any], Any], X: Any) -> Any:
        """Return what a member answers, from memory where it is known; the caller must not write into it."""
        key = (self.name, member, method)
        if key in self.known:
            return self.known[key]
        values = ask(X)
        self.n_bytes += getattr(values, "nbytes", 0)
        if self.n_bytes <= REMEMBERED_BYTES:
            self.known[key] = values
        return values


class Member:
    """One fitted member; its answers are remembered, everything else is its own."""

    def __init__(self, fitted_member: Any, number: int, memory: Memory) -> None:
        self._fitted = fitted_member
        self._number = number
        self._memory = memory

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._fitted, name)
        if name not in METHODS:
            return found
        return lambda X: self._memory.recall(self._number, name, found, X)


@dataclass(frozen=True, slots=True)
class MembersSource:
    """The answers of the first members of an ensemble."""

    ensemble: Any
    sets: Mapping[str, Any]
    memory: Memory

    @property
    def classes(self) -> Any:
        return classes_of(self.ensemble)

    @property
    def methods(self) -> Sequence[str]:
        return methods_of(self.ensemble)

    def answer(self, name: str, method: str) -> Any:
        self.memory.name = name
        return getattr(self.ensemble, method)(self.sets[name])


@dataclass(frozen=True, slots=True, kw_only=True)
class MembersRule:
    """
    Ensembles with fewer members are answered for by the first members of the one with the most.

    Exact because members draw from one stream, one after the other, and a member of AdaBoost depends on those
    before it only. Fits with several jobs, `warm_start`, `oob_score`, a random_state that is no whole number,
    several targets, or warnings while the largest ensemble is fitted are fitted alone.
    """

    name: str
    covers: frozenset[str]
    cut: Cut
    axes: tuple[str, ...] = ("n_estimators",)
    shares: str = "the members of the largest ensemble"
    guarantee: Guarantee = Guarantee.EXACT
    proven_on: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: {"scikit-learn": ("1.9",)})

    def refuses(self, path: str, params: Params, size: FitSize) -> str | None:
        if params.get("warm_start"):
            return "warm_start continues an earlier fit"
        if params.get("oob_score"):
            return "oob_score scores each ensemble on the rows that its own members left out"
        return several_jobs_refusal(params, "each job adds up members of its own") or seed_refusal(params)

    def group(self, path: str, params: Params) -> Hashable:
        return token(path, {**params, "estimator": described(params.get("estimator"))}, self.axes)

    def cost_seconds(self, path: str, members: Sequence[Params], alone: Sequence[float], size: FitSize) -> float:
        return prefix_seconds(alone, size)

    def run(self, batch: Batch) -> Iterator[tuple[int, Source]]:
        require_one_target(batch)
        lengths = by_length(batch.estimators, attrgetter("n_estimators"))
        longest = fitted(batch.estimators[0], {"n_estimators": lengths[-1][0]}, batch.X, batch.y)
        if longest.warned:
            raise CannotFuse(
                f"the longest fit gave a warning that shorter ones may not: {longest.warned[0].message}"
            )
        memory = Memory()
        members = [Member(each, number, memory) for number, each in enumerate(longest.estimator.estimators_)]
        for n_members, positions in lengths:
            ensemble = copy.copy(longest.estimator)
            ensemble.n_estimators, ensemble.estimators_ = n_members, members[:n_members]
            self.cut(ensemble, n_members)
            for position in positions:
                yield position, MembersSource(ensemble, batch.sets, memory)


def described(estimator: Any) -> Any:
    """Return a nested estimator as a table of its class and parameters; other values as they are."""
    if not hasattr(estimator, "get_params") or isinstance(estimator, type):
        return estimator
    params = estimator.get_params(deep=False)
    own = {name: described(value) for name, value in params.items()}
    return {"use": f"{type(estimator).__module__}:{type(estimator).__qualname__}", **own}


def _cut_boosted(ensemble: Any, n_members: int) -> None:
    ensemble.estimator_weights_ = ensemble.estimator_weights_[:n_members]
    ensemble.estimator_errors_ = ensemble.estimator_errors_[:n_members]


def _cut_bagged(ensemble: Any, n_members: int) -> None:
    ensemble.estimators_features_ = ensemble.estimators_features_[:n_members]


RULES: tuple[Predicting, ...] = (
    MembersRule(
        name="adaboost",
        covers=frozenset({"sklearn.ensemble:AdaBoostClassifier", "sklearn.ensemble:AdaBoostRegressor"}),
        cut=_cut_boosted,
    ),
    MembersRule(
        name="bagging",
        covers=frozenset({"sklearn.ensemble:BaggingClassifier", "sklearn.ensemble:BaggingRegressor"}),
        cut=_cut_bagged,
    ),
)
