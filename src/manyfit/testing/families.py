"""The conformance suite for families: what a family claims is proven by fitting."""

import itertools
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from manyfit.contracts.estimators import Family, FitSize, Meets
from manyfit.families.constraints import admits, constraints_of, text_options
from manyfit.families.estimators import SklearnCatalog

Sample = tuple[str, Mapping[str, Any]]
"""An import path and parameters."""

_POOL: tuple[Any, ...] = (True, False, 1, 2, 3, 7, 0.2, 0.7, 2.5, 50, {"gamma": 0.5}, None)
_N_ALTERNATIVES = 2
_ANSWERS = ("predict", "predict_proba", "decision_function", "transform")
SIZES = (30, 100, 1000, 10_000, 100_000)


class FamilySuite:
    """
    Holds a family to its contract: a subclass gives the family and samples of parameters.

    Samples must make every claim of the family arise: each inactive parameter is set to several values
    that scikit-learn allows, and every answer of the fitted estimators must be equal bit for bit.
    `accepted` are values for parameters whose constraints give none.
    """

    family: Family
    samples: Sequence[Sample]
    accepted: Mapping[str, Sequence[Any]] = {}
    catalog = SklearnCatalog()

    def test_covers_are_real_classes(self) -> None:
        """Every covered path is the one import path of an estimator."""
        for path in self.family.covers:
            assert self.catalog.resolve(path).path == path

    def test_every_covered_class_has_a_sample(self) -> None:
        """No class is covered without being tried."""
        assert {path for path, _ in self.samples} == self.family.covers

    def test_inactive_parameters_never_change_an_answer(self) -> None:
        """Dropping an inactive parameter gives the same predictions as any allowed value of it."""
        with threadpool_limits(1):
            for path, params in self.samples:
                for name in sorted(self.family.inactive(path, self._full(path, params))):
                    self._prove(path, params, name)

    def test_inactive_parameters_are_parameters(self) -> None:
        """A family names only parameters that the class has."""
        for path, params in self.samples:
            full = self._full(path, params)
            assert self.family.inactive(path, full) <= full.keys()

    def test_without_a_seed_fits_repeat(self) -> None:
        """Where a family says that the seed is not used, seeds give the same predictions."""
        for path, params in self.samples:
            full = self._full(path, params)
            if "random_state" in full and not self.family.uses_seed(path, full):
                answers = [answers_of(self.catalog, path, {**params, "random_state": seed}) for seed in range(3)]
                assert any(found is not None for found in answers[0]), f"{path} {params} never fits"
                assert same(answers[0], answers[1]), f"the seed matters to {path} {params}"
                assert same(answers[0], answers[2]), f"the seed matters to {path} {params}"

    def test_costs_are_positive_and_grow_with_rows(self) -> None:
        """More rows never cost less."""
        for path, params in self.samples:
            full = self._full(path, params)
            for n_classes, n_columns in itertools.product((0, 2, 10), (2, 100)):
                sizes = [FitSize(n_rows=n, n_columns=n_columns, n_classes=n_classes) for n in SIZES]
                costs = [self.family.cost_seconds(path, full, size) for size in sizes]
                assert costs[0] > 0, path
                assert costs == sorted(costs), f"{path} {params}: {costs}"

    def test_a_step_behind_a_transformer_meets_the_columns_that_it_gives(self) -> None:
        """Fits prove what is told of columns where parameters tell it, on tables with a row for every column."""
        for path, params in self.samples:
            if self.catalog.resolve(path).kind != "transformer":
                continue
            for X, y in tables("classifier"):
                given = _ask_columns(self.catalog, path, params, X, y)
                size = FitSize(n_rows=len(X), n_columns=X.shape[1], n_classes=len(np.unique(y)))
                told = self.family.n_columns(path, self._full(path, params), size)
                assert told >= 1
                if given is not None:
                    assert told == given, f"{path} {params}"

    def test_like_scales_give_no_warning(self) -> None:
        """Columns of one scale, or a scaler before, are never warned of."""
        for path, params in self.samples:
            full = self._full(path, params)
            for spreads, scaled in (([1.0, 2.0], False), ([1.0, 1e9], True)):
                data = Meets(spreads=spreads, scaled=scaled, size=FitSize(n_rows=100, n_columns=2, n_classes=2))
                assert "columns" not in (self.family.warns(path, full, data) or ""), (path, params)

    def _full(self, path: str, params: Mapping[str, Any]) -> dict[str, Any]:
        return {**self.catalog.resolve(path).defaults, **params}

    def _prove(self, path: str, params: Mapping[str, Any], name: str) -> None:
        dropped = {key: value for key, value in params.items() if key != name}
        expected = answers_of(self.catalog, path, dropped)
        proven = 0
        for value in self._alternatives(path, name):
            found = answers_of(self.catalog, path, {**dropped, name: value})
            for left, right in zip(expected, found, strict=True):
                if left is not None and right is not None:
                    assert same([left], [right]), f"{name}={value!r} matters to {path} {dict(dropped)}"
                    proven += 1
        assert proven, f"no other value of {name} could be fitted with {path} {dict(dropped)}"

    def _alternatives(self, path: str, name: str) -> list[Any]:
        default = self.catalog.resolve(path).defaults[name]
        if name in self.accepted:
            return list(self.accepted[name])
        allowed = constraints_of(self.catalog.load(path), name)
        options = [] if allowed is None else sorted(set(text_options(allowed)) - {"deprecated"})
        pool = [value for value in (*_POOL, *options) if admits(allowed, value)]
        if admits(allowed, 2):
            pool = [value for value in pool if not isinstance(value, bool)]  # True would only pass as 1
        return [value for value in pool if not _equal(value, default)][:_N_ALTERNATIVES]


def _equal(left: Any, right: Any) -> bool:
    return type(left) is type(right) and bool(left == right)


def answers_of(
    catalog: SklearnCatalog, path: str, params: Mapping[str, Any]
) -> list[dict[str, np.ndarray[Any, Any]] | None]:
    """Return the answers on each of the suite's tables, None where this combination cannot be fitted."""
    return [_answers(catalog, path, params, *table) for table in tables(catalog.resolve(path).kind)]


def _answers(
    catalog: SklearnCatalog, path: str, params: Mapping[str, Any], X: Any, y: Any
) -> dict[str, np.ndarray[Any, Any]] | None:
    complete = dict(params)
    if "random_state" in catalog.resolve(path).defaults:
        complete.setdefault("random_state", 0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            fitted = catalog.make(path, complete).fit(X[:80].copy(), y[:80].copy())
        except (ValueError, NotImplementedError, TypeError):
            return None  # some tables suit some estimators only: negative counts, more than two classes
        answers = {name: _ask(fitted, name, X.copy()) for name in _ANSWERS}
    return {name: found for name, found in answers.items() if found is not None}


def _ask_columns(catalog: SklearnCatalog, path: str, params: Mapping[str, Any], X: Any, y: Any) -> int | None:
    """Return how many columns a fitted transformer gives, None where it cannot be fitted."""
    answers = _answers(catalog, path, params, X, y)
    return None if answers is None or "transform" not in answers else int(answers["transform"].shape[1])


def _ask(fitted: Any, name: str, X: Any) -> np.ndarray[Any, Any] | None:
    try:
        return np.asarray(getattr(fitted, name)(X))
    except (AttributeError, NotImplementedError):
        return None


def same(left: Sequence[Any], right: Sequence[Any]) -> bool:
    """Whether answers agree bit for bit; a table that only one of them could be fitted on is a difference."""
    for one, other in zip(left, right, strict=True):
        if (one is None) != (other is None):
            return False
        if one is not None and other is not None:
            if one.keys() != other.keys():
                return False
            if not all(np.array_equal(one[name], other[name], equal_nan=True) for name in one):
                return False
    return True


def tables(kind: str) -> Iterator[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
    """Yield the tables: counts with many ties and three classes, real numbers with two."""
    for n_classes, counts in ((3, True), (2, False)):
        rng = np.random.default_rng(n_classes)
        y = rng.integers(0, n_classes, size=110)
        X = rng.normal(size=(110, 5)) + 0.8 * y[:, None] * np.array([1.0, 0.5, 0.0, 0.0, 1.0])
        if counts:
            X = np.clip(np.rint(X + 2), 0, 6)
        if kind == "regressor":
            yield X, X @ np.array([1.0, -2.0, 0.5, 0.0, 1.5]) + rng.normal(size=110)
        else:
            yield X, y
