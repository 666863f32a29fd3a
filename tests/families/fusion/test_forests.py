"""Smaller trees and forests are found inside the largest: equal to fits alone, bit for bit."""

import warnings

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier, ExtraTreeRegressor
from tests.families.fusion.side_by_side import assert_fused_as_alone, batch_of, grid

from manyfit.contracts.estimators import FitSize
from manyfit.contracts.fusion import CannotFuse
from manyfit.families.fusion import forests
from manyfit.families.fusion.forests import RULES
from manyfit.testing.fusion import FusionSuite, Sample

FORESTS, TREES = RULES
SIZE = FitSize(n_rows=100, n_columns=4, n_classes=3)
NUMBERS = {"n_estimators": [1, 4, 7], "ccp_alpha": [0.0, 0.01, 0.1]}
LEAVES = {"max_leaf_nodes": [2, 3, 5, 9, 40], "ccp_alpha": [0.0, 0.02, 0.3]}
PATH = "sklearn.ensemble:RandomForestClassifier"


def flowers():
    X, y = load_iris(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    return X[order[:110]], y[order[:110]], X[order[110:]]


def patients():
    X, y = load_diabetes(return_X_y=True)
    return X[:160], y[:160], X[160:220]


def params_of(estimator, **changes):
    return {**estimator.get_params(deep=False), "random_state": 0, **changes}


class TestForests(FusionSuite):
    rule = FORESTS
    samples = tuple(
        Sample(path=f"sklearn.ensemble:{name}", grid=axes, params=params)
        for name in (
            "RandomForestClassifier",
            "RandomForestRegressor",
            "ExtraTreesClassifier",
            "ExtraTreesRegressor",
        )
        for axes, params in (
            (NUMBERS, {}),
            ({**LEAVES, "n_estimators": [1, 3]}, {"bootstrap": True, "max_samples": 0.7}),
            ({"n_estimators": [2, 5]}, {"max_depth": 3, "max_features": 1.0, "min_samples_leaf": 2}),
        )
    )
    refused = (
        (PATH, {"n_jobs": 2, "random_state": 0}),
        (PATH, {"n_jobs": -1, "random_state": 0}),
        (PATH, {"warm_start": True, "random_state": 0}),
        (PATH, {"oob_score": True, "random_state": 0}),
        (PATH, {"random_state": None}),
    )
    invalid = {"n_estimators": 0, "max_leaf_nodes": 1, "ccp_alpha": -1.0}  # noqa: RUF012 - as in the suite


class TestTrees(FusionSuite):
    rule = TREES
    samples = tuple(
        Sample(path=f"sklearn.tree:{name}", grid=axes, params=params)
        for name in (
            "DecisionTreeClassifier",
            "DecisionTreeRegressor",
            "ExtraTreeClassifier",
            "ExtraTreeRegressor",
        )
        for axes, params in (
            (LEAVES, {}),
            ({"ccp_alpha": [0.0, 1e-4, 0.01, 0.05, 0.5]}, {"max_features": "sqrt"}),
            (LEAVES, {"splitter": "random", "min_samples_leaf": 3, "max_depth": 4}),
        )
    )
    refused = (("sklearn.tree:DecisionTreeClassifier", {"random_state": np.random.RandomState(0)}),)
    invalid = {"max_leaf_nodes": 1}  # noqa: RUF012 - as in the suite


@pytest.mark.parametrize("make", [RandomForestClassifier, ExtraTreesClassifier])
@pytest.mark.parametrize("weights", [None, "balanced", {"a": 1.0, "b": 3.0, "c": 0.5}])
def test_classes_with_names_and_weights(make, weights):
    """Texts as classes and weights of classes give what a fit alone gives."""
    X, y, other = flowers()
    named = np.array(["a", "b", "c"])[y]
    estimators = grid(make(random_state=3, class_weight=weights), **LEAVES, n_estimators=[2, 6])
    assert assert_fused_as_alone(FORESTS, batch_of(estimators, X, named, other=other)) == set(
        range(len(estimators))
    )


def test_weights_of_each_sample_of_rows():
    """Weights that each tree computes from its own rows are no obstacle."""
    X, y, other = flowers()
    forest = RandomForestClassifier(random_state=3, class_weight="balanced_subsample", bootstrap=True)
    estimators = grid(forest, n_estimators=[3, 8], ccp_alpha=[0.0, 0.02])
    assert len(assert_fused_as_alone(FORESTS, batch_of(estimators, X, y, other=other))) == len(estimators)


@pytest.mark.parametrize("make", [RandomForestRegressor, ExtraTreesRegressor])
@pytest.mark.parametrize("criterion", ["squared_error", "absolute_error", "poisson"])
def test_every_criterion_of_regressions(make, criterion):
    """Values of nodes that are medians or means are those of the smaller tree."""
    X, y, other = patients()
    estimators = grid(make(random_state=1, criterion=criterion), **LEAVES, n_estimators=[2, 4])
    answered = assert_fused_as_alone(FORESTS, batch_of(estimators, X, y, other=other))
    assert len(answered) == len(estimators)


@pytest.mark.parametrize("make", [DecisionTreeClassifier, ExtraTreeClassifier])
@pytest.mark.parametrize("criterion", ["gini", "entropy"])
def test_pruning_by_every_alpha_of_the_path(make, criterion):
    """An alpha that is exactly one of the pruning path prunes as it does alone, and so do its neighbours."""
    X, y, other = flowers()
    y = np.where(np.random.default_rng(0).random(len(y)) < 0.2, 0, y)
    tree = make(random_state=0, criterion=criterion)
    path = np.maximum(tree.cost_complexity_pruning_path(X, y).ccp_alphas, 0.0)
    alphas = sorted({*path, *np.nextafter(path, 1.0), *np.maximum(np.nextafter(path, -1.0), 0.0)})
    for leaves in ([None], [4, 12]):
        estimators = grid(tree, ccp_alpha=[float(a) for a in alphas], max_leaf_nodes=leaves)
        answered = assert_fused_as_alone(TREES, batch_of(estimators, X, y, other=other))
        assert len(answered) == len(estimators)


def test_monotonic_trees():
    """Bounds from monotonic constraints are those of the smaller tree."""
    X, y, other = patients()
    estimators = grid(DecisionTreeRegressor(random_state=0, monotonic_cst=[1, -1, *[0] * 8]), **LEAVES)
    assert len(assert_fused_as_alone(TREES, batch_of(estimators, X, y, other=other))) == len(estimators)


def test_values_of_zero_keep_their_sign():
    """A single tree answers with its own zeros, not with sums of them."""
    X = np.arange(8.0)[:, None]
    y = np.array([-0.0, -0.0, -0.0, -0.0, 1.0, 1.0, 1.0, 1.0])
    model = ExtraTreeRegressor(random_state=0, criterion="absolute_error")
    assert np.signbit(model.fit(X, y).predict(X)).any()
    batch = batch_of(grid(model, max_leaf_nodes=[2, 4]), X, y)
    for position, source in TREES.run(batch):
        alone = batch.estimators[position].fit(X, y).predict(X)
        assert source.answer("train", "predict").tobytes() == alone.tobytes()


def test_answers_belong_to_the_caller():
    """Writing into the answers of one tree changes those of no other."""
    X, y, _ = patients()
    estimators = grid(DecisionTreeRegressor(random_state=0, max_leaf_nodes=4), ccp_alpha=[0.0, 1e-3, 2e-3])
    expected = DecisionTreeRegressor(random_state=0, max_leaf_nodes=4).fit(X, y).predict(X)
    for _, source in TREES.run(batch_of(estimators, X, y)):
        found = source.answer("train", "predict")
        assert np.array_equal(found, expected)
        found[:] = -1.0


def test_depth_first_and_best_first_trees_are_two_groups():
    """Without max_leaf_nodes a tree draws in another order; forced together, the rule steps back."""
    forest = RandomForestClassifier(random_state=0)
    free, bounded = params_of(forest), params_of(forest, max_leaf_nodes=500)
    assert FORESTS.group(PATH, free) != FORESTS.group(PATH, bounded)
    X, y, _ = flowers()
    with pytest.raises(CannotFuse, match="different orders"):
        list(FORESTS.run(batch_of(grid(forest, max_leaf_nodes=[None, 8]), X, y)))


@pytest.mark.parametrize(
    "changes",
    [{"max_depth": 3}, {"min_samples_leaf": 2}, {"max_features": 1}, {"random_state": 1}, {"bootstrap": False}],
)
def test_what_changes_the_draws_is_another_group(changes):
    """Fits agree in everything but the axes; one column is not all columns."""
    forest = RandomForestClassifier(max_features=1.0)
    assert FORESTS.group(PATH, params_of(forest)) != FORESTS.group(PATH, params_of(forest, **changes))


def test_axes_are_one_group():
    """Numbers of trees, leaves and alphas do not part a group."""
    forest = RandomForestClassifier(max_leaf_nodes=5)
    other = params_of(forest, n_estimators=7, max_leaf_nodes=9, ccp_alpha=0.5)
    assert FORESTS.group(PATH, params_of(forest)) == FORESTS.group(PATH, other)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"n_jobs": 4}, "threads"),
        ({"warm_start": True}, "warm_start"),
        ({"oob_score": True}, "oob_score"),
        ({"random_state": None}, "random_state is None"),
        ({"random_state": np.random.RandomState(0)}, "a RandomState"),
        ({"random_state": True}, "a bool"),
        ({"criterion": object()}, "criterion"),
    ],
)
def test_refusals_name_what_is_in_the_way(changes, word):
    """Each refusal names the parameter."""
    assert word in FORESTS.refuses(PATH, params_of(RandomForestClassifier(), **changes), SIZE)


@pytest.mark.parametrize("n_jobs", [None, 1])
def test_one_job_is_taken(n_jobs):
    """With one job the trees are added in order."""
    assert FORESTS.refuses(PATH, params_of(RandomForestClassifier(), n_jobs=n_jobs), SIZE) is None


def test_several_targets_are_left_alone():
    """A target with columns is refused."""
    X, y, _ = patients()
    with pytest.raises(CannotFuse, match="several columns"):
        list(FORESTS.run(batch_of(grid(RandomForestRegressor(random_state=0), **NUMBERS), X, np.c_[y, y])))


def test_a_set_that_cannot_be_answered_for_is_left_alone():
    """A set with another number of columns has scikit-learn's own error, alone."""
    X, y, _ = flowers()
    with pytest.raises(CannotFuse, match="ValueError"):
        list(FORESTS.run(batch_of(grid(RandomForestClassifier(random_state=0), **NUMBERS), X, y, bad=X[:, :2])))


def test_a_fit_that_fails_is_left_alone():
    """When the largest fit fails, every fit has its own error, alone."""
    X, y, _ = flowers()
    with pytest.raises(CannotFuse, match="negative"):
        list(
            FORESTS.run(
                batch_of(grid(RandomForestRegressor(random_state=0, criterion="poisson"), **NUMBERS), X, y - 1.0)
            )
        )


def test_variants_beyond_the_bound_are_computed_in_parts(monkeypatch):
    """With room for the sums of one variant only, the answers are the same."""
    X, y, other = flowers()
    monkeypatch.setattr(forests, "HELD_BYTES", 1)
    estimators = grid(RandomForestClassifier(random_state=0), **LEAVES, n_estimators=[2, 5])
    assert len(assert_fused_as_alone(FORESTS, batch_of(estimators, X, y, other=other))) == len(estimators)


def test_warnings_of_the_fit_are_given_for_each():
    """What one fit would warn of, each fused fit warns of, in its own step."""
    X, y, _ = flowers()
    estimators = grid(Warning2(random_state=0), n_estimators=[2, 3])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for n_seen, _ in enumerate(FORESTS.run(batch_of(estimators, X, y)), 1):
            assert [str(one.message) for one in caught] == ["look here"] * n_seen


class Warning2(RandomForestClassifier):
    """A forest that warns while it is fitted."""

    def fit(self, X, y):
        warnings.warn("look here", UserWarning, stacklevel=1)
        return super().fit(X, y)


def test_the_estimators_are_not_touched():
    """The unfitted estimators of a batch stay unfitted and unchanged."""
    X, y, _ = flowers()
    estimators = grid(RandomForestClassifier(random_state=0), **NUMBERS)
    before = [each.get_params() for each in estimators]
    list(FORESTS.run(batch_of(estimators, X, y)))
    assert [each.get_params() for each in estimators] == before
    assert not any(hasattr(each, "estimators_") for each in estimators)


def test_pruning_more_costs_little():
    """Many alphas of one forest are predicted to cost a part of what they cost alone, and more than one."""
    members = [params_of(RandomForestClassifier(), ccp_alpha=alpha) for alpha in np.linspace(0, 0.1, 8)]
    alone = [1.0] * 8
    cost = FORESTS.cost_seconds(PATH, members, alone, FitSize(n_rows=2000, n_columns=10, n_classes=2))
    assert 1.0 < cost < 3.0
