"""The conformance suite for fusion rules: fits that share work are held against the same fits made alone."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import ParameterGrid
from threadpoolctl import threadpool_limits

from manyfit.contracts.fusion import CLOSE_ENOUGH, Fuse, Guarantee, Rule
from manyfit.families.catalog import FamilyCatalog
from manyfit.families.estimators import SklearnCatalog
from manyfit.fit.fusing import Begun, BlockEvent, Broken, Fit, Fitted, Fitter, Table, Together
from manyfit.testing.tables import KINDS, make_table

_USUAL: Mapping[str, Sequence[Any]] = {
    "learning_rate": [0.05, 0.3],
    "max_depth": [1, 3],
    "max_features": [2, 4],
    "fit_intercept": [True, False],
    "p": [1, 2],
    "epsilon": [0.05, 0.5],
    "class_weight": [None, "balanced"],
    "whiten": [False, True],
    "scale": [True, False],
    "num_leaves": [4, 10],
    "min_samples_leaf": [1, 5],
    "gamma": [0.1, 1.0],
    "tol": [1e-3, 1e-5],
}
"""Values of parameters that many classes have, to tell groups apart by."""

_METHODS = ("predict", "predict_proba", "decision_function")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """
    Fits that the rule shall share: a class, fixed parameters, and a grid of values for the axes.

    `beside` are values of other parameters, in which fits of different groups differ. `labels` says whether
    targets may be texts (False for classes that take codes only).
    """

    path: str
    grid: Mapping[str, Sequence[Any]]
    params: Mapping[str, Any] = field(default_factory=dict)
    beside: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    labels: bool = True


@dataclass(frozen=True, slots=True)
class Made:
    """What came of one fit: the answers by set and method, or the error; with what else must agree."""

    answers: Mapping[tuple[str, str], Any]
    error: str
    classes: Any
    converged: bool
    rule: str


class FusionSuite:
    """
    Holds a fusion rule to its promise; a subclass gives the rule and samples of grids.

    `refused` are classes with parameters that the rule must refuse on ordinary data, `invalid` a value of
    an axis that scikit-learn does not accept. A rule with `Guarantee.TOLERANCE` or `STATISTICAL` gives
    `tolerance`, the largest difference of a number, and `agreement`, the smallest share of equal classes.
    `kinds` are the kinds of tables to try (see `manyfit.testing.tables`). A transforming rule is followed
    by a plain model.
    """

    rule: Rule
    samples: Sequence[Sample]
    refused: Sequence[tuple[str, Mapping[str, Any]]] = ()
    invalid: Mapping[str, Any] = {}
    kinds: Sequence[str] = KINDS
    tolerance: float = CLOSE_ENOUGH
    agreement: float = 1.0
    catalog = SklearnCatalog()

    # -- equality ------------------------------------------------------------------------------------

    # every subclass runs it: what hypothesis takes for differing executors is the purpose
    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
    @given(data=st.data())
    def test_fused_equals_alone(self, data: st.DataObject) -> None:
        """Whatever the data and whichever part of a grid: every answer and every error is that of a fit alone."""
        sample = data.draw(st.sampled_from(list(self.samples)))
        table = data.draw(self._tables(sample))
        every = list(ParameterGrid(dict(sample.grid)))
        chosen = data.draw(st.lists(st.sampled_from(every), min_size=2, max_size=8, unique_by=repr))
        self._compare(sample, chosen, table)

    def test_the_whole_grid_is_shared(self) -> None:
        """On ordinary data every candidate of every sample comes from the rule, and equals its fit alone."""
        for sample in self.samples:
            table = make_table("plain", self.catalog.resolve(sample.path).kind, seed=1, n=60)
            made = self._compare(sample, list(ParameterGrid(dict(sample.grid))), table)
            left_out = [index for index, one in made.items() if self.rule.name not in one.rule.split("+")]
            assert not left_out, f"{sample.path}: candidates {left_out} were fitted alone"

    def test_groups_are_kept_apart(self) -> None:
        """Fits that differ in more than the axes are never taken for one group."""
        for sample in self.samples:
            table = make_table("plain", self.catalog.resolve(sample.path).kind, seed=6, n=50)
            few = {name: list(values)[:2] for name, values in sample.grid.items()}
            self._compare(sample, list(ParameterGrid({**few, **self._beside(sample)})), table)

    def _beside(self, sample: Sample) -> dict[str, Sequence[Any]]:
        """Return values of at most two parameters that are no axes."""
        known = self.catalog.resolve(sample.path).defaults.keys() - {*self.rule.axes, *sample.params}
        usual = {name: values for name, values in _USUAL.items() if name in known}
        return dict([*sample.beside.items(), *usual.items()][:2])

    def test_order_does_not_matter(self) -> None:
        """The answers for a candidate are the same whatever stands before it."""
        for sample in self.samples:
            table = make_table("plain", self.catalog.resolve(sample.path).kind, seed=2, n=40)
            chosen = list(ParameterGrid(dict(sample.grid)))[:6]
            forth = self._run(sample, chosen, table, self._fuse())
            back = self._run(sample, chosen[::-1], table, self._fuse())
            for index, one in forth.items():
                other = back[len(chosen) - 1 - index]
                for key, values in one.answers.items():
                    assert np.array_equal(values, other.answers[key], equal_nan=True), (sample.path, chosen[index])

    # -- refusals ------------------------------------------------------------------------------------

    def test_refusals_are_told_in_words(self) -> None:
        """A refusal is a phrase that a table can show, and what is refused is fitted alone."""
        for path, params in self.refused:
            table = make_table("plain", self.catalog.resolve(path).kind, seed=3, n=40)
            full = {**self.catalog.resolve(path).defaults, **params}
            reason = self.rule.refuses(path, full, table.size)
            assert reason, f"{path} {dict(params)} is not refused"
            assert not reason.endswith(".")
            assert "\n" not in reason

    def test_samples_are_not_refused(self) -> None:
        """The rule takes the samples."""
        for sample in self.samples:
            table = make_table("plain", self.catalog.resolve(sample.path).kind, seed=3, n=40)
            for params in ParameterGrid(dict(sample.grid)):
                full = self._full(sample, params)
                assert self.rule.refuses(sample.path, full, table.size) is None, full

    def test_a_value_that_is_not_allowed_fails_as_it_does_alone(self) -> None:
        """One bad candidate in a group has scikit-learn's own error; the others have their results."""
        if not self.invalid:
            pytest.skip("every value of the axes is allowed")
        for sample in self.samples:
            grid = {name: value for name, value in self.invalid.items() if name in sample.grid}
            if grid:
                table = make_table("plain", self.catalog.resolve(sample.path).kind, seed=4, n=40)
                good = list(ParameterGrid(dict(sample.grid)))[:2]
                made = self._compare(sample, [*good, {**good[0], **grid}], table)
                assert made[2].error, f"{grid} was accepted"
                assert not made[0].error

    # -- planning ------------------------------------------------------------------------------------

    def test_axes_are_parameters(self) -> None:
        """The axes are parameters of each class, and candidates that differ in nothing else are one group."""
        for sample in self.samples:
            known = self.catalog.resolve(sample.path).defaults
            assert set(self.rule.axes) & set(known), sample.path
            assert set(sample.grid) <= {*self.rule.axes}, f"{sample.path}: the grid varies more than the axes"
            assert self.catalog.resolve(sample.path).path in self.rule.covers

    def test_every_class_has_a_sample(self) -> None:
        """No class is covered without being tried."""
        assert {sample.path for sample in self.samples} == set(self.rule.covers)

    def test_costs(self) -> None:
        """Together costs something, at most as much as alone, and not less with more candidates."""
        families = FamilyCatalog()
        for sample in self.samples:
            size = make_table("plain", self.catalog.resolve(sample.path).kind, seed=5, n=200).size
            params = [self._full(sample, one) for one in ParameterGrid(dict(sample.grid))]
            alone = [families.of(sample.path).cost_seconds(sample.path, one, size) for one in params]
            whole = self.rule.cost_seconds(sample.path, params, alone, size)
            part = self.rule.cost_seconds(sample.path, params[:-1], alone[:-1], size)
            assert 0 < part <= whole
            assert whole < sum(alone), f"{sample.path}: {whole} s together, {sum(alone)} s alone"

    # -- how -----------------------------------------------------------------------------------------

    def suited(self, table: Table) -> Table:
        """Return a table as the rule's classes take it; a hook for classes that do not take every number."""
        return table

    def _fuse(self) -> Fuse:
        return Fuse(also=() if self.rule.guarantee.is_default else (self.rule.name,))

    def _tables(self, sample: Sample) -> st.SearchStrategy[Table]:
        kind = self.catalog.resolve(sample.path).kind
        kinds = [name for name in self.kinds if sample.labels or name != "texts"]
        return st.builds(
            make_table,
            st.sampled_from(kinds),
            st.just(kind),
            seed=st.integers(0, 10_000),
            n=st.integers(12, 60),
        )

    def _full(self, sample: Sample, params: Mapping[str, Any]) -> dict[str, Any]:
        defaults = self.catalog.resolve(sample.path).defaults
        seed = {"random_state": 0} if "random_state" in defaults else {}
        return {**defaults, **seed, **sample.params, **params}

    def _compare(self, sample: Sample, chosen: Sequence[Mapping[str, Any]], table: Table) -> dict[int, Made]:
        alone = self._run(sample, chosen, table, Fuse(exact=False))
        fused = self._run(sample, chosen, table, self._fuse())
        assert fused.keys() == alone.keys()
        for index, expected in alone.items():
            self._agree(expected, fused[index], f"{sample.path} {dict(sample.params)} {chosen[index]}")
        return fused

    def _run(
        self, sample: Sample, chosen: Sequence[Mapping[str, Any]], table: Table, fuse: Fuse
    ) -> dict[int, Made]:
        fits = [self._wanted(sample, index, params) for index, params in enumerate(chosen)]
        made: dict[int, Made] = {}
        with threadpool_limits(1):
            fitter = Fitter(_Only(self.rule), FamilyCatalog(), fuse)
            for event in fitter.fit_in_blocks(fits, self.suited(table)):
                for one in _singles(event):
                    assert one.index not in made, "a fit ended twice"
                    made[one.index] = _made(one)
        return made

    def _wanted(self, sample: Sample, index: int, params: Mapping[str, Any]) -> Fit:
        own = {name: value for name, value in self._full(sample, params).items() if value is not None}
        known = {**sample.params, **params} | {name: own[name] for name in ("random_state",) if name in own}
        estimator = self.catalog.make(sample.path, known)
        steps, paths = [("own", estimator)], [sample.path]
        if self.catalog.resolve(sample.path).kind == "transformer":
            steps.append(("model", self.catalog.make("sklearn.naive_bayes:GaussianNB", {})))
            paths.append("sklearn.naive_bayes:GaussianNB")
        return Fit(
            index=index, steps=steps, paths=paths, tokens=[f"{sample.path} {known!r}", "model"][: len(steps)]
        )

    def _agree(self, expected: Made, found: Made, what: str) -> None:
        assert found.error == expected.error, what
        assert found.answers.keys() == expected.answers.keys(), what
        assert np.array_equal(found.classes, expected.classes), what
        if self.rule.guarantee is not Guarantee.STATISTICAL:
            assert found.converged == expected.converged, f"{what}: warnings of convergence differ"
        for key, values in expected.answers.items():
            self._equal(np.asarray(values), np.asarray(found.answers[key]), f"{what} {key}")

    def _equal(self, expected: np.ndarray[Any, Any], found: np.ndarray[Any, Any], what: str) -> None:
        assert (found.shape, found.dtype) == (expected.shape, expected.dtype), what
        numbers = expected.dtype.kind == "f"
        if self.rule.guarantee is Guarantee.EXACT:
            assert np.array_equal(found, expected, equal_nan=numbers), what
        elif numbers:
            scale = max(1.0, float(np.max(np.abs(expected), initial=0.0)))
            assert np.allclose(found, expected, rtol=0.0, atol=self.tolerance * scale, equal_nan=True), what
        else:
            assert np.mean(found == expected) >= self.agreement, what


class _Only:
    """The rules of a suite: the one that it is about."""

    def __init__(self, rule: Rule) -> None:
        self._rule = rule

    def of(self, path: str) -> Sequence[Rule]:
        return (self._rule,) if path in self._rule.covers else ()

    def names(self) -> Mapping[str, Guarantee]:
        return {self._rule.name: self._rule.guarantee}


def _singles(event: BlockEvent) -> Sequence[Fitted | Broken]:
    """Return the fits that have ended, one by one; a block answers the very same as its fits."""
    if isinstance(event, Begun):
        return []
    if not isinstance(event, Together):
        return [event]
    singles = [event.one(place) for place in range(len(event.indices))]
    for name, responses in event.answers.items():
        for method in _METHODS:
            try:
                found = responses.raw(method)
            except Exception:  # noqa: BLE001 - each of its fits raises it again, and is held against a fit alone
                continue
            for place, one in enumerate(singles):
                values = one.answers[name].raw(method)
                assert (values is None) == (found is None)
                if found is not None:
                    assert found[place].dtype == values.dtype
                    assert np.array_equal(found[place], values, equal_nan=values.dtype.kind == "f"), (name, method)
    return singles


def _made(event: Fitted | Broken) -> Made:
    """Ask a fit everything, as a consumer would: before the next event is requested."""
    if isinstance(event, Broken):
        return Made({}, f"{type(event.error).__name__}: {event.error}", None, True, "")
    answers = {}
    converged = not any(issubclass(one.category, ConvergenceWarning) for one in event.caught)
    error = ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for name, method, values in _asked(event):
                answers[name, method] = values
        except Exception as raised:  # noqa: BLE001 - whatever an estimator raises, alone and fused agree in it
            error = f"{type(raised).__name__}: {raised}"
    classes = next(iter(event.answers.values())).scored_by().classes if event.answers else None
    return Made(answers, error, classes, converged, str(event.fusion.get("rule", "")))


def _asked(event: Fitted) -> Iterator[tuple[str, str, Any]]:
    for name, responses in event.answers.items():
        for method in _METHODS:
            values = responses.raw(method)
            if values is not None:
                yield name, method, np.array(values)
