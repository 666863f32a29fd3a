"""LightGBM with fewer rounds is answered from the fit with the most, bit for bit."""

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from sklearn.datasets import load_diabetes, load_iris
from tests.families.fusion.side_by_side import assert_fused_as_alone, batch_of, grid
from tests.families.libraries import needs

from manyfit.contracts.estimators import FitSize
from manyfit.contracts.fusion import CannotFuse
from manyfit.families.fusion import leaf_sums, lgbm
from manyfit.families.fusion.lgbm import PARAMETERS, RULES
from manyfit.testing.fusion import FusionSuite, Sample

pytestmark = needs("lightgbm")

(RULE,) = RULES
SIZE = FitSize(n_rows=100, n_columns=4, n_classes=3)
ROUNDS = {"n_estimators": [1, 2, 5, 8]}
MANY = {"n_estimators": [1, 2, 3, 5, 10, 20, 40]}
PATH = "lightgbm:LGBMClassifier"
SAMPLED = {"subsample": 0.6, "subsample_freq": 2, "colsample_bytree": 0.6}
QUIET = {"n_jobs": 1, "random_state": 0, "verbosity": -1}


def flowers():
    X, y = load_iris(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    return X[order[:110]], np.array(["a", "b", "c"])[y[order[:110]]], X[order[110:]]


def patients():
    X, y = load_diabetes(return_X_y=True)
    return X[:160], y[:160], X[160:220]


def classifier(**params):
    from lightgbm import LGBMClassifier

    return LGBMClassifier(**QUIET, **params)


def regressor(**params):
    from lightgbm import LGBMRegressor

    return LGBMRegressor(**QUIET, **params)


class TestLightGBM(FusionSuite):
    rule = RULE
    samples = tuple(
        Sample(path=f"lightgbm:{name}", grid=ROUNDS, params={"n_jobs": 1, "min_child_samples": 4, **params})
        for name in ("LGBMClassifier", "LGBMRegressor")
        for params in ({}, SAMPLED)
    )
    refused = ((PATH, {"boosting_type": "dart"}), (PATH, {"boosting_type": "rf"}))
    invalid = {"n_estimators": 0}  # noqa: RUF012 - as in the suite


@pytest.mark.parametrize(
    "params",
    [
        {"boosting_type": "goss", "learning_rate": 0.4},
        {"class_weight": "balanced", **SAMPLED},
        {"class_weight": {"a": 2.0, "b": 1.0, "c": 0.3}},
        {"extra_trees": True, "num_leaves": 4},
        {"objective": "multiclassova"},
        {"max_bin": 5, "min_child_samples": 2},
    ],
)
def test_classes(params):
    """Ways to sample, and weights of classes, with texts as classes."""
    X, y, other = flowers()
    estimators = grid(classifier(**params), **ROUNDS)
    assert len(assert_fused_as_alone(RULE, batch_of(estimators, X, y, other=other))) == 4


@pytest.mark.parametrize("params", [{"scale_pos_weight": 3.0}, {"is_unbalance": True}, SAMPLED])
def test_two_classes(params):
    """Two classes have two columns of probabilities."""
    X, y, other = flowers()
    batch = batch_of(grid(classifier(**params), **ROUNDS), X, np.where(y == "a", "yes", "no"), other=other)
    assert len(assert_fused_as_alone(RULE, batch)) == 4


@pytest.mark.parametrize(
    "params", [{"objective": "mae"}, {"objective": "poisson", **SAMPLED}, {"path_smooth": 1.0}]
)
def test_numbers(params):
    """Objectives that renew their leaves, or have a link."""
    X, y, other = patients()
    estimators = grid(regressor(**params), **ROUNDS)
    assert len(assert_fused_as_alone(RULE, batch_of(estimators, X, y, other=other))) == 4


@pytest.mark.parametrize(
    "params",
    [
        {"colsample_bytree": 0.125, "min_split_gain": 20.0},
        {"colsample_bytree": 0.25, "min_split_gain": 5.0},
        {"subsample": 0.3, "subsample_freq": 1, "min_child_samples": 28},
        {"min_split_gain": 1e6},
    ],
)
def test_rounds_that_find_nothing_leave_no_tree(params):
    """A round without a split adds no tree, and a later one may: there are fewer trees than rounds."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 8))
    y = 3 * (X[:, 0] > 0) + 0.1 * rng.normal(size=200)
    alone = regressor(n_estimators=40, **params).fit(X, y)
    assert alone.booster_.num_trees() < 40, "every round found something"
    assert len(assert_fused_as_alone(RULE, batch_of(grid(regressor(**params), **MANY), X, y))) == 7


def test_columns_that_are_too_small_to_split():
    """With fewer rows than a leaf needs, every number of rounds is the same model."""
    X, y, other = patients()
    batch = batch_of(grid(regressor(min_child_samples=100), **ROUNDS), X, y, other=other)
    assert len(assert_fused_as_alone(RULE, batch)) == 4


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"boosting_type": "dart"}, "rescales"),
        ({"boosting_type": "rf"}, "rf"),
        ({"objective": len}, "objective"),
        ({"n_estimators": 0}, "n_estimators=0 is no"),
        ({"n_estimators": None}, "n_estimators=None is no"),
        ({"random_state": np.random.RandomState(0)}, "random_state"),
        ({"early_stopping_round": 5}, "early_stopping_round"),
        ({"num_iterations": 5}, "num_iterations"),
        ({"boosting": "dart"}, "boosting"),
        ({"callbacks": []}, "callbacks"),
    ],
)
def test_refusals_name_what_is_in_the_way(changes, word):
    """Each refusal names the parameter; other names of the library for the same thing are not overlooked."""
    params = classifier().get_params()
    assert RULE.refuses(PATH, params, SIZE) is None
    assert word in RULE.refuses(PATH, {**params, **changes}, SIZE)


def test_the_parameters_of_the_constructor_are_known():
    """A parameter that a new release adds is refused until it is looked at."""
    assert set(classifier().get_params()) <= PARAMETERS


def test_only_the_number_of_rounds_may_differ():
    """Everything else parts a group, the bins of the data among it."""
    params = classifier().get_params()
    assert RULE.group(PATH, params) == RULE.group(PATH, {**params, "n_estimators": 3})
    for changes in ({"min_child_samples": 5}, {"max_bin": 9}, {"random_state": 1}, {"subsample": 0.5}):
        assert RULE.group(PATH, params) != RULE.group(PATH, {**params, **changes})


def test_what_the_library_says_is_left_to_the_user(capfd):
    """The warnings that the library prints are printed, once for all fits, unless they were switched off."""
    from lightgbm import LGBMRegressor

    X, y, _ = patients()
    for verbosity, printed in ((1, True), (-1, False)):
        model = LGBMRegressor(n_jobs=1, random_state=0, min_split_gain=1e9, verbosity=verbosity)
        list(RULE.run(batch_of(grid(model, **ROUNDS), X, y)))
        assert ("[LightGBM]" in capfd.readouterr().out) is printed


def test_several_targets_are_left_alone():
    """A target with columns is refused."""
    X, y, _ = patients()
    with pytest.raises(CannotFuse, match="several columns"):
        list(RULE.run(batch_of(grid(regressor(), **ROUNDS), X, np.c_[y, y])))


@pytest.mark.parametrize("params", [{}, SAMPLED, {"class_weight": "balanced"}])
def test_the_model_is_the_one_of_the_library(params):
    """The rounds that are called here leave the trees behind that the library's own loop leaves."""
    X, y, _ = flowers()
    trees: list[int] = []
    made = lgbm._grow(classifier(n_estimators=8, **params), 8, trees, X, y)
    alone = classifier(n_estimators=8, **params).fit(X, y)
    assert trees_of(made) == trees_of(alone)
    assert trees == list(range(1, 9))


def trees_of(estimator):
    text = estimator._Booster.model_to_string()
    return text[: text.index("parameters:")]


def test_large_and_missing_and_unusual_values():
    """Values that the training rows do not have go the way that they go alone; so do frames and single rows."""
    X, y, other = patients()
    sets = {
        "missing": np.where(other < 0, np.nan, other),
        "infinite": np.where(other < 0, np.inf, other),
        "short": other.astype(np.float32),
        "whole": (other * 100).astype(int),
        "frame": pd.DataFrame(other),
        "sparse": csr_array(other),
        "one": other[:1],
    }
    assert len(assert_fused_as_alone(RULE, batch_of(grid(regressor(), **ROUNDS), X, y, **sets))) == 4


@pytest.mark.parametrize("target", ["multiclass", "binary", "regression"])
def test_sums_are_trusted(monkeypatch, target):
    """The sums made here stand up to the library, in parts as well: it is not asked for all rows."""
    monkeypatch.setattr(leaf_sums, "LEAF_BYTES", 8 * 300)
    X, y, other = flowers()
    estimator = regressor() if target == "regression" else classifier()
    y = {"multiclass": y, "binary": y == "a", "regression": X[:, 0]}[target]
    batch = batch_of(grid(estimator, n_estimators=[1, 4, 30]), X, y, other=other)
    sources = RULE.run(batch)
    for _, source in sources:
        source.answer("train", "predict")
        assert source.sums.trusted
        assert source.sums.climbs["train"].n_rounds == source.n_rounds
    assert len(assert_fused_as_alone(RULE, batch)) == 3


def test_sums_that_differ_are_left_to_the_library(monkeypatch):
    """Another link than the library's is found out by the first rows, and its own answers are given."""
    monkeypatch.setitem(leaf_sums.LINKS, "regression", lambda raw: np.nextafter(raw[:, 0], np.inf))
    X, y, other = patients()
    assert len(assert_fused_as_alone(RULE, batch_of(grid(regressor(), **ROUNDS), X, y, other=other))) == 4


def _broken(*arguments, **keywords):
    raise RuntimeError("another release")


@pytest.mark.parametrize(
    ("name", "value"), [("_leaf_values", _broken), ("VALUE_BYTES", 8 * 8 * 2), ("LINKS", {"regression": _broken})]
)
def test_sums_that_cannot_be_made_are_left_to_the_library(monkeypatch, name, value):
    """What fails, or would need too much memory, costs no answer, and is not tried again."""
    monkeypatch.setattr(leaf_sums, name, value)
    X, y, other = patients()
    batch = batch_of(grid(regressor(), **ROUNDS), X, y, other=other)
    assert len(assert_fused_as_alone(RULE, batch)) == 4
    for _, source in RULE.run(batch):
        source.answer("other", "predict")
        assert not source.sums.trusted
        assert source.sums.values is None
        assert source.sums.climbs == {}


def test_fewer_rounds_after_more_start_anew():
    """Asking a source of fewer rounds again, after one of more, gives what it gave."""
    X, y, other = patients()
    _, few = next(iter(RULE.run(batch_of(grid(regressor(), **ROUNDS), X, y, other=other))))
    before = few.answer("other", "predict")
    few.sums.predict(other, num_iteration=8)
    assert few.answer("other", "predict").tobytes() == before.tobytes()
    assert few.sums.trusted


def test_exponentials_beyond_the_largest_number():
    """Sums that are very negative have a probability of zero, as in the library."""
    assert leaf_sums.LINKS["binary"](np.array([[-800.0], [0.0], [800.0]])).tolist() == [0.0, 0.5, 1.0]
