"""XGBoost with fewer rounds is answered from the fit with the most, bit for bit."""

import gc
import warnings
import weakref

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from sklearn.datasets import load_diabetes, load_iris
from tests.families.fusion.side_by_side import assert_fused_as_alone, batch_of, grid
from tests.families.libraries import needs

from manyfit.contracts.estimators import FitSize
from manyfit.contracts.fusion import CannotFuse
from manyfit.families.fusion import xgb
from manyfit.families.fusion.xgb import PARAMETERS, RULES
from manyfit.testing.fusion import FusionSuite, Sample

pytestmark = needs("xgboost")

(RULE,) = RULES
SIZE = FitSize(n_rows=100, n_columns=4, n_classes=3)
ROUNDS = {"n_estimators": [1, 2, 5, 8]}
PATH = "xgboost:XGBClassifier"
SAMPLED = {"subsample": 0.6, "colsample_bytree": 0.6, "colsample_bynode": 0.7}


def flowers():
    X, y = load_iris(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    return X[order[:110]], y[order[:110]], X[order[110:]]


def patients():
    X, y = load_diabetes(return_X_y=True)
    return X[:160], y[:160], X[160:220]


def classifier(**params):
    from xgboost import XGBClassifier

    return XGBClassifier(n_jobs=1, random_state=0, **params)


def regressor(**params):
    from xgboost import XGBRegressor

    return XGBRegressor(n_jobs=1, random_state=0, **params)


class TestXGBoost(FusionSuite):
    rule = RULE
    samples = tuple(
        Sample(path=f"xgboost:{name}", grid=ROUNDS, params={"n_jobs": 1, "max_depth": 3, **params}, labels=False)
        for name in ("XGBClassifier", "XGBRegressor")
        for params in ({}, SAMPLED)
    )
    refused = ((PATH, {"booster": "dart"}),)


@pytest.mark.parametrize(
    "params",
    [
        {"tree_method": "exact", "subsample": 0.6, "colsample_bytree": 0.6},
        {"tree_method": "approx", "subsample": 0.5},
        {"num_parallel_tree": 3, **SAMPLED},
        {"grow_policy": "lossguide", "max_leaves": 5},
        {"objective": "multi:softmax"},
        {"base_score": 0.3, "max_bin": 5},
    ],
)
def test_classes(params):
    """Ways to grow and to sample, for three classes and for two."""
    X, y, other = flowers()
    for target in (y, (y == 1).astype(int)):
        if params.get("objective") and target is not y:
            continue
        estimators = grid(classifier(**params), **ROUNDS)
        assert len(assert_fused_as_alone(RULE, batch_of(estimators, X, target, other=other))) == 4


def test_weights_of_the_second_class():
    """The weight of the second of two classes is kept."""
    X, y, other = flowers()
    estimators = grid(classifier(scale_pos_weight=3.0), **ROUNDS)
    assert len(assert_fused_as_alone(RULE, batch_of(estimators, X, (y == 1).astype(int), other=other))) == 4


def test_warnings_of_the_fit_are_given_for_each():
    """The library warns of a parameter that three classes do not use: once for each fit, as it does alone."""
    X, y, _ = flowers()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for n_seen, _ in enumerate(RULE.run(batch_of(grid(classifier(scale_pos_weight=3.0), **ROUNDS), X, y)), 1):
            assert ["scale_pos_weight" in str(one.message) for one in caught] == [True] * n_seen


@pytest.mark.parametrize(
    "params", [{"objective": "reg:absoluteerror"}, {"objective": "count:poisson", **SAMPLED}, {"missing": 0.0}]
)
def test_numbers(params):
    """Objectives with leaves of their own, and zeros that stand for what is missing."""
    X, y, other = patients()
    X, other = np.where(X < 0, 0.0, X), np.where(other < 0, 0.0, other)
    estimators = grid(regressor(**params), **ROUNDS)
    assert len(assert_fused_as_alone(RULE, batch_of(estimators, X, y, other=other))) == 4


def test_no_number_is_the_default_of_the_library():
    """A number of None is the hundred rounds that the library takes."""
    X, y, other = patients()
    estimators = grid(regressor(max_depth=2), n_estimators=[None, 3, 100])
    assert len(assert_fused_as_alone(RULE, batch_of(estimators, X, y, other=other))) == 3


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"booster": "dart"}, "rescales"),
        ({"booster": "gblinear"}, "gblinear"),
        ({"early_stopping_rounds": 5}, "early_stopping_rounds=5"),
        ({"callbacks": []}, "callbacks"),
        ({"device": "cuda"}, "cuda"),
        ({"objective": len}, "objective"),
        ({"eval_metric": len}, "eval_metric"),
        ({"eval_metric": ["rmse", len]}, "eval_metric"),
        ({"n_estimators": 0}, "n_estimators=0 is no"),
        ({"n_estimators": 10.0}, "n_estimators=10.0 is no"),
        ({"n_estimators": True}, "n_estimators=True is no"),
        ({"random_state": np.random.RandomState(0)}, "random_state"),
        ({"num_boost_round": 7}, "num_boost_round"),
        ({"process_type": "update"}, "process_type"),
        ({"rate_drop": 0.5}, "rate_drop"),
    ],
)
def test_refusals_name_what_is_in_the_way(changes, word):
    """Each refusal names the parameter."""
    params = classifier().get_params()
    assert RULE.refuses(PATH, params, SIZE) is None
    assert word in RULE.refuses(PATH, {**params, **changes}, SIZE)


def test_the_parameters_known_are_those_of_the_library():
    """A parameter that a new release adds is refused until it is looked at."""
    assert set(classifier().get_params()) == PARAMETERS


def test_rows_that_miss_values_are_one_group():
    """Two values that are not a number mark missing values alike; another mark is another group."""
    params = classifier().get_params()
    other = {**params, "missing": float("nan"), "n_estimators": 3}
    assert RULE.group(PATH, params) == RULE.group(PATH, other)
    for changes in ({"missing": 0.0}, {"max_depth": 2}, {"random_state": 1}, {"subsample": 0.5}):
        assert RULE.group(PATH, params) != RULE.group(PATH, {**params, **changes})


def test_labels_that_are_no_codes_are_left_alone():
    """The library refuses texts as classes: each fit alone says so."""
    X, y, _ = flowers()
    with pytest.raises(CannotFuse, match="ValueError"):
        list(RULE.run(batch_of(grid(classifier(), **ROUNDS), X, np.array(["a", "b", "c"])[y])))


def test_several_targets_are_left_alone():
    """A target with columns is refused."""
    X, y, _ = patients()
    with pytest.raises(CannotFuse, match="several columns"):
        list(RULE.run(batch_of(grid(regressor(), **ROUNDS), X, np.c_[y, y])))


@pytest.mark.parametrize("params", [{}, SAMPLED, {"tree_method": "approx"}, {"num_parallel_tree": 2}])
def test_the_model_is_the_one_of_the_library(params):
    """The rounds that are called here leave the very bytes behind that the library's own loop leaves."""
    X, y, _ = flowers()
    for target in (y, (y == 1).astype(int)):
        estimator = classifier(max_depth=3, **params)
        made = xgb._grow(classifier(max_depth=3, **params), 8, X, target)
        alone = estimator.set_params(n_estimators=8).fit(X, target)
        assert made.get_booster().save_raw() == alone.get_booster().save_raw()


@pytest.mark.parametrize(
    ("missing", "unusual"), [(np.nan, np.nan), (np.nan, 0.0), (0.0, 0.0), (0.0, 3.0)], ids=repr
)
def test_values_that_are_missing_in_one_set(missing, unusual):
    """What is missing in the rows to answer for goes the way that it goes alone."""
    X, y, other = patients()
    other = np.where(other < 0, unusual, other)
    estimators = grid(regressor(missing=missing), **ROUNDS)
    assert len(assert_fused_as_alone(RULE, batch_of(estimators, X, y, other=other))) == 4


def test_sets_that_are_no_plain_numbers():
    """Infinite and short and whole numbers, frames and sparse rows are answered for as they are alone."""
    X, y, other = patients()
    infinite = np.where(other < 0, np.inf, other)
    sets = {
        "infinite": infinite,
        "short": other.astype(np.float32),
        "whole": (other * 100).astype(int),
        "frame": pd.DataFrame(other),
        "sparse": csr_array(other),
        "one": other[:1],
    }
    assert len(assert_fused_as_alone(RULE, batch_of(grid(regressor(), **ROUNDS), X, y, **sets))) == 4


def test_rounds_are_added_up_once(monkeypatch):
    """Rows that are held as a matrix are given to the library as such, and shorter answers are gone on from."""
    X, y, other = patients()
    asked = []
    original = xgboost_booster().predict

    def predict(booster, data, **keywords):
        asked.append(keywords["iteration_range"])
        return original(booster, data, **keywords)

    monkeypatch.setattr(xgboost_booster(), "predict", predict)
    for _, source in RULE.run(batch_of(grid(regressor(), **ROUNDS), X, y, other=other)):
        source.answer("other", "predict")
    assert asked == [(0, 1), (0, 2), (0, 5), (0, 8)]


def test_large_sets_are_not_held(monkeypatch):
    """They are predicted where they are, and so equal."""
    monkeypatch.setattr(xgb, "LARGEST_SET_BYTES", 8 * 159 * 10)
    X, y, other = patients()
    batch = batch_of(grid(regressor(), **ROUNDS), X, y, other=other)
    held = xgb._matrices(batch.estimators[0], batch)
    assert [*held] == [id(batch.sets["other"])]
    assert len(assert_fused_as_alone(RULE, batch)) == 4


def test_a_batch_leaves_nothing_behind():
    """Booster and matrices are gone with the last answer, not when the collector of cycles comes by."""
    X, y, _ = patients()
    gc.disable()
    try:
        made = xgb._grow(regressor(), 2, X, y)
        seen = weakref.ref(made), weakref.ref(made.get_booster())
        del made
        assert [each() for each in seen] == [None, None]
    finally:
        gc.enable()


def xgboost_booster():
    from xgboost import Booster

    return Booster
