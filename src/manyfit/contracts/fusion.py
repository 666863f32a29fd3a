"""
Fusion: related fits are computed together, and every score stays what a stand-alone fit gives.

A rule knows one way to share work among fits of one estimator class on the same rows. Planning asks it
which fits belong together, what they cost, and why it refuses; a runner has it carry them out. What a
rule does not yield is fitted alone, so a rule may always step back, never guess.
"""

import enum
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from manyfit.contracts.estimators import FitSize

Params = Mapping[str, Any]
"""
All parameters of an estimator by name, defaults included.

While a sweep is planned, defaults that are not plain values (a function, an estimator) are missing.
"""

CLOSE_ENOUGH = 1e-9
"""Largest difference of a score under `Guarantee.CLOSE`, and of an answer relative to its size."""


class Guarantee(enum.Enum):
    """What a rule promises of the answers of its fits, compared with stand-alone fits."""

    EXACT = "exact"
    """Every answer is equal bit for bit, and so is every score."""
    CLOSE = "close"
    """Predicted classes are equal; real numbers, and every score, agree within `CLOSE_ENOUGH`."""
    TOLERANCE = "tolerance"
    """Another algorithm for the same model: scores agree within what its documentation says."""
    STATISTICAL = "statistical"
    """Other random or rounding histories: scores agree in distribution only."""

    @property
    def is_default(self) -> bool:
        """Whether rules with this guarantee are used without being asked for."""
        return self in (Guarantee.EXACT, Guarantee.CLOSE)


class CannotFuse(Exception):
    """Raised by a rule that finds while running that it must not be applied; the message is the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """
    Fits that a rule shall carry out together: one class, one group, one set of training rows.

    `path` is the import path of the class as the catalog names it. `estimators` are unfitted, their
    parameters are valid (scikit-learn has checked them) and agree in all but the rule's axes; a rule must
    not change them: it clones what it fits. `X` (n rows, d columns) and `y` are what `fit` would be given,
    shared and read-only. `sets` are rows to answer for, by name; a set of the training rows is the very
    object `X`.
    """

    path: str
    estimators: Sequence[Any]
    X: Any
    y: Any
    sets: Mapping[str, Any]


class Source(Protocol):
    """What a fused fit answers. It is asked only until the next one is requested from the rule."""

    @property
    def classes(self) -> Any:
        """The attribute `classes_` that the fitted estimator would have, None for a regression."""

    @property
    def methods(self) -> Sequence[str]:
        """Which of predict, predict_proba and decision_function the fitted estimator would have."""

    def answer(self, name: str, method: str) -> Any:
        """
        Return what *method* of the fitted estimator would return for the set *name*.

        Raises what the method would raise.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """
    What several fused fits answer at once. It is asked only until the rule is asked for more.

    `positions` are those of its fits in `Batch.estimators`, `classes` what `Source.classes` is for each. `answers`
    has, for each method that the fitted estimators would have, a function that returns what all of them answer
    for the set with a name: an array with the fits in order along its first axis, equal to the answers of
    `source(place)` bit for bit. Warnings given while the block is made are those of each of its fits.
    """

    positions: Sequence[int]
    classes: Any
    answers: Mapping[str, Callable[[str], Any]]
    source: Callable[[int], Source]
    """Returns what answers for the fit at a place in `positions`."""


def one_by_one(yielded: "Iterable[tuple[int, Source] | Block]") -> Iterator[tuple[int, Source]]:
    """Return what a rule yields as (position, answers) of single fits."""
    for item in yielded:
        if isinstance(item, Block):
            yield from ((position, item.source(place)) for place, position in enumerate(item.positions))
        else:
            yield item


class Rule(Protocol):
    """
    One way to share work among fits of one estimator class: `FusionSuite` holds it to what it says.

    It is applied to instances of exactly the classes in `covers`, never to subclasses. Asking for
    refusals, groups and costs is pure: nothing is fitted.
    """

    @property
    def name(self) -> str:
        """The name of the rule in reasons, results and certificates: "neighbors"."""

    @property
    def covers(self) -> frozenset[str]:
        """Import paths of the classes, as `EstimatorCatalog.resolve` gives them."""

    @property
    def axes(self) -> tuple[str, ...]:
        """Parameters that may differ between the fits of one group."""

    @property
    def shares(self) -> str:
        """What is computed once for a group, in words that complete "shares ..."."""

    @property
    def guarantee(self) -> Guarantee:
        """What is promised of the answers."""

    @property
    def proven_on(self) -> Mapping[str, tuple[str, ...]]:
        """The releases ("1.9") of each library that the promise was tested with; others are refused."""

    def refuses(self, path: str, params: Params, size: FitSize) -> str | None:
        """Return why fits with these parameters, on data of this size, must not be fused; None when they may."""

    def group(self, path: str, params: Params) -> Hashable:
        """Return what fits have to agree in to share work. Seeds are set: they are parameters like others."""

    def cost_seconds(self, path: str, members: Sequence[Params], alone: Sequence[float], size: FitSize) -> float:
        """
        Return the predicted seconds of the members together, scoring included.

        `alone` are their predicted stand-alone seconds. Comparing parts with the whole tells whether a group
        may be divided between workers.
        """


class Predicting(Rule, Protocol):
    """A rule for estimators that predict."""

    def run(self, batch: Batch) -> Iterator[tuple[int, Source] | Block]:
        """
        Yield (position in `batch.estimators`, answers) one by one, or blocks of several, in any order.

        What is not yielded is fitted alone. Raises `CannotFuse` with the reason why the rest is not; any
        other exception has the same effect and is reported.
        """


class Transforming(Rule, Protocol):
    """A rule for transformers: the steps before the one that predicts."""

    def run(self, batch: Batch) -> Iterator[tuple[int, Any, Mapping[str, Any]]]:
        """
        Yield (position, transformed training rows, transformed sets) one by one, in any order.

        The rows belong to the caller from then on. What is not yielded is fitted alone.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Fuse:
    """
    Which rules a sweep uses: those that keep scores (`exact`), and others that are asked for by name.

    `without` are rules that an audit has switched off.
    """

    exact: bool = True
    also: tuple[str, ...] = ()
    without: frozenset[str] = field(default=frozenset())

    @property
    def off(self) -> frozenset[str]:
        """The names in `without`, one by one: results of several rules name them with a "+" between."""
        return frozenset(part for name in self.without for part in name.split("+"))

    def admits(self, rule: Rule) -> bool:
        """Whether *rule* may be used at all."""
        asked_for = (self.exact and rule.guarantee.is_default) or rule.name in self.also
        return asked_for and rule.name not in self.off


class Rules(Protocol):
    """Finds the rules for a class."""

    def of(self, path: str) -> Sequence[Rule]:
        """Return the rules for the class at *path*, the most rewarding first; none for most classes."""

    def names(self) -> Mapping[str, Guarantee]:
        """Return the guarantee of every rule there is, by name."""
