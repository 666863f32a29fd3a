"""Boosted trees with fewer stages are answered from those with more: equal to fits alone, bit for bit."""

import numpy as np
import pytest
import scipy.sparse
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from tests.families.fusion.side_by_side import assert_fused_as_alone, batch_of, grid
from threadpoolctl import threadpool_limits

from manyfit.contracts.estimators import FitSize
from manyfit.contracts.fusion import CannotFuse
from manyfit.families.fusion.boosting import RULES
from manyfit.testing.fusion import FusionSuite, Sample

GRADIENT, HISTOGRAM = RULES
SIZE = FitSize(n_rows=100, n_columns=4, n_classes=3)
STAGES = {"n_estimators": [1, 3, 4, 9]}
ITERATIONS = {"max_iter": [1, 3, 4, 9]}
SMALL = {"min_samples_leaf": 3, "max_leaf_nodes": 5}


@pytest.fixture(autouse=True)
def _one_thread():
    """As a runner of manyfit has it; threads that wait for one another make small fits slow."""
    with threadpool_limits(1):
        yield


def flowers():
    X, y = load_iris(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    return X[order[:110]], np.array(["a", "b", "c"])[y[order[:110]]], X[order[110:]]


def patients():
    X, y = load_diabetes(return_X_y=True)
    return X[:160], y[:160], X[160:220]


def params_of(estimator, **changes):
    return {**estimator.get_params(deep=False), "random_state": 0, **changes}


class TestGradientBoosting(FusionSuite):
    rule = GRADIENT
    samples = tuple(
        Sample(path=f"sklearn.ensemble:GradientBoosting{kind}", grid=STAGES, params=params)
        for kind in ("Classifier", "Regressor")
        for params in (
            {},
            {"subsample": 0.6, "max_features": 0.5, "learning_rate": 0.7},
            {"init": "zero", "max_leaf_nodes": 4, "ccp_alpha": 0.01},
        )
    )
    invalid = {"n_estimators": 0}  # noqa: RUF012 - as in the suite


class TestHistogramBoosting(FusionSuite):
    rule = HISTOGRAM
    samples = tuple(
        Sample(path=f"sklearn.ensemble:HistGradientBoosting{kind}", grid=ITERATIONS, params=params)
        for kind in ("Classifier", "Regressor")
        for params in (SMALL, {**SMALL, "max_features": 0.5, "early_stopping": False, "max_bins": 7})
    )
    invalid = {"max_iter": 0}  # noqa: RUF012 - as in the suite


@pytest.mark.parametrize(
    "params",
    [
        {"loss": "huber", "subsample": 0.5},
        {"loss": "quantile", "alpha": 0.3},
        {"loss": "absolute_error", "max_features": 3},
    ],
)
def test_losses_of_gradient_boosting(params):
    """Losses whose leaves are updated after each stage are prefixes too."""
    X, y, other = patients()
    estimators = grid(GradientBoostingRegressor(random_state=0, **params), **STAGES)
    assert len(assert_fused_as_alone(GRADIENT, batch_of(estimators, X, y, other=other))) == 4


@pytest.mark.parametrize(
    "params", [{"loss": "absolute_error"}, {"loss": "quantile", "quantile": 0.7}, {"loss": "poisson"}]
)
def test_losses_of_histogram_boosting(params):
    """Losses with a link, or with leaves that are updated, are prefixes too."""
    X, y, other = patients()
    estimators = grid(HistGradientBoostingRegressor(random_state=0, **SMALL, **params), **ITERATIONS)
    assert len(assert_fused_as_alone(HISTOGRAM, batch_of(estimators, X, y, other=other))) == 4


def test_exponential_loss_of_two_classes():
    """Two classes give one column of decisions, and probabilities of their own."""
    X, y, other = flowers()
    y = np.where(y == "a", "yes", "no")
    estimators = grid(GradientBoostingClassifier(random_state=0, loss="exponential"), **STAGES)
    assert len(assert_fused_as_alone(GRADIENT, batch_of(estimators, X, y, other=other))) == 4


@pytest.mark.parametrize("weights", ["balanced", {0: 2.0, 1: 1.0, 2: 0.5}])
def test_weights_of_classes(weights):
    """Weights of classes give what a fit alone gives."""
    X, y, other = flowers()
    y = np.unique(y, return_inverse=True)[1]
    estimators = grid(HistGradientBoostingClassifier(random_state=0, class_weight=weights, **SMALL), **ITERATIONS)
    assert len(assert_fused_as_alone(HISTOGRAM, batch_of(estimators, X, y, other=other))) == 4


def test_categories():
    """Columns with categories, one of them unseen in the training rows."""
    X, y, other = flowers()
    X, other = np.c_[X, np.arange(len(X)) % 4], np.c_[other, np.arange(len(other)) % 5]
    model = HistGradientBoostingClassifier(random_state=0, categorical_features=[4], **SMALL)
    assert len(assert_fused_as_alone(HISTOGRAM, batch_of(grid(model, **ITERATIONS), X, y, other=other))) == 4


def test_sparse_rows():
    """Gradient boosting takes sparse rows, with the same answers."""
    X, y, other = flowers()
    X, other = scipy.sparse.csr_array(np.where(X > 2, X, 0)), scipy.sparse.csr_array(np.where(other > 2, other, 0))
    batch = batch_of(grid(GradientBoostingClassifier(random_state=0), **STAGES), X, y, other=other)
    assert len(assert_fused_as_alone(GRADIENT, batch)) == 4


def test_sets_that_nobody_asks_about_cost_nothing():
    """A set is first looked at when it is asked about: one that cannot be answered for harms no other."""
    X, y, other = flowers()
    batch = batch_of(grid(GradientBoostingClassifier(random_state=0), **STAGES), X, y, other=other, bad=X[:, :2])
    for position, source in GRADIENT.run(batch):
        alone = batch.estimators[position].fit(X, y)
        assert np.array_equal(source.answer("other", "predict"), alone.predict(other))
        with pytest.raises(ValueError, match="2 features"):
            source.answer("bad", "predict")


def test_answers_belong_to_the_caller():
    """What was answered stays as it was when later stages are added, or when it is asked again."""
    X, y, _ = patients()
    kept = []
    for _, source in GRADIENT.run(batch_of(grid(GradientBoostingRegressor(random_state=0), **STAGES), X, y)):
        first = source.answer("train", "predict")
        before = first.copy()
        first[:] = -1.0
        kept.append((source.answer("train", "predict"), before))
    assert all(np.array_equal(found, expected) for found, expected in kept)


def test_several_targets_are_left_alone():
    """A target with columns is refused, as every fit alone refuses it."""
    X, y, _ = patients()
    with pytest.raises(CannotFuse, match="several columns"):
        list(
            HISTOGRAM.run(
                batch_of(grid(HistGradientBoostingRegressor(random_state=0), **ITERATIONS), X, np.c_[y, y])
            )
        )


@pytest.mark.parametrize(
    ("rule", "changes", "word"),
    [
        (GRADIENT, {"n_iter_no_change": 3}, "n_iter_no_change=3"),
        (GRADIENT, {"warm_start": True}, "warm_start"),
        (GRADIENT, {"init": {"use": "sklearn.dummy:DummyClassifier"}}, "init"),
        (GRADIENT, {"init": GradientBoostingClassifier()}, "init"),
        (GRADIENT, {"random_state": None}, "random_state"),
        (HISTOGRAM, {"early_stopping": True}, "early_stopping=True"),
        (HISTOGRAM, {"warm_start": True}, "warm_start"),
        (HISTOGRAM, {"loss": object()}, "loss"),
        (HISTOGRAM, {"random_state": None}, "random_state"),
    ],
)
def test_refusals_name_what_is_in_the_way(rule, changes, word):
    """Each refusal names the parameter."""
    model = GradientBoostingClassifier() if rule is GRADIENT else HistGradientBoostingClassifier()
    path = f"sklearn.ensemble:{type(model).__name__}"
    assert rule.refuses(path, params_of(model), SIZE) is None
    assert word in rule.refuses(path, params_of(model, **changes), SIZE)


@pytest.mark.parametrize(("n_rows", "refused"), [(10_000, False), (10_001, True)])
def test_auto_stops_early_above_ten_thousand_rows(n_rows, refused):
    """The default of histogram boosting stops early on large tables; an explicit False never does."""
    params = params_of(HistGradientBoostingClassifier())
    size = FitSize(n_rows=n_rows, n_columns=4, n_classes=2)
    path = "sklearn.ensemble:HistGradientBoostingClassifier"
    assert bool(HISTOGRAM.refuses(path, params, size)) is refused
    assert HISTOGRAM.refuses(path, {**params, "early_stopping": False}, size) is None


def test_the_bound_on_rows_is_that_of_the_library():
    """Ten thousand rows are fitted without early stopping, one more with it."""
    rows = np.random.default_rng(0).normal(size=(10_001, 1))
    model = HistGradientBoostingRegressor(max_iter=1, max_leaf_nodes=2)
    assert not model.fit(rows[1:], rows[1:, 0]).do_early_stopping_
    assert model.fit(rows, rows[:, 0]).do_early_stopping_


def test_only_the_number_of_stages_may_differ():
    """Everything else parts a group."""
    path = "sklearn.ensemble:GradientBoostingClassifier"
    one = params_of(GradientBoostingClassifier())
    assert GRADIENT.group(path, one) == GRADIENT.group(path, {**one, "n_estimators": 7})
    for changes in ({"learning_rate": 0.2}, {"max_depth": 2}, {"subsample": 0.5}, {"random_state": 1}):
        assert GRADIENT.group(path, one) != GRADIENT.group(path, {**one, **changes})
