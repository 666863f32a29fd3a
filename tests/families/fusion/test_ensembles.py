"""AdaBoost and bagging with fewer members are answered from those with more, bit for bit."""

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import AdaBoostClassifier, AdaBoostRegressor, BaggingClassifier, BaggingRegressor
from sklearn.linear_model import Ridge, RidgeClassifier
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from tests.families.fusion.side_by_side import assert_fused_as_alone, batch_of, grid

from manyfit.contracts.estimators import FitSize
from manyfit.contracts.fusion import CannotFuse
from manyfit.families.fusion import ensembles
from manyfit.families.fusion.ensembles import RULES
from manyfit.testing.fusion import FusionSuite, Sample

BOOSTED, BAGGED = RULES
SIZE = FitSize(n_rows=100, n_columns=4, n_classes=3)
MEMBERS = {"n_estimators": [1, 2, 5]}


def flowers(n_classes=3):
    X, y = load_iris(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    names = np.array(["a", "b", "c" if n_classes == 3 else "b"])
    return X[order[:110]], names[y[order[:110]]], X[order[110:]]


def patients():
    X, y = load_diabetes(return_X_y=True)
    return X[:160], y[:160], X[160:220]


def params_of(estimator, **changes):
    return {**estimator.get_params(deep=False), "random_state": 0, **changes}


class TestAdaBoost(FusionSuite):
    rule = BOOSTED
    samples = (
        Sample(path="sklearn.ensemble:AdaBoostClassifier", grid=MEMBERS),
        Sample(path="sklearn.ensemble:AdaBoostClassifier", grid=MEMBERS, params={"learning_rate": 0.3}),
        Sample(path="sklearn.ensemble:AdaBoostRegressor", grid=MEMBERS),
        Sample(path="sklearn.ensemble:AdaBoostRegressor", grid=MEMBERS, params={"loss": "exponential"}),
    )
    invalid = {"n_estimators": 0}  # noqa: RUF012 - as in the suite


class TestBagging(FusionSuite):
    rule = BAGGED
    samples = tuple(
        Sample(path=f"sklearn.ensemble:Bagging{kind}", grid=MEMBERS, params=params)
        for kind in ("Classifier", "Regressor")
        for params in ({}, {"max_samples": 0.5, "max_features": 0.5, "bootstrap": False})
    )
    invalid = {"n_estimators": 0}  # noqa: RUF012 - as in the suite


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("depth", [1, 2, 20])
def test_boosted_classes(n_classes, depth):
    """Few and many classes, and members that are perfect at once, so that boosting stops early."""
    X, y, other = flowers(n_classes)
    model = AdaBoostClassifier(DecisionTreeClassifier(max_depth=depth, max_features=2), random_state=0)
    assert len(assert_fused_as_alone(BOOSTED, batch_of(grid(model, **MEMBERS), X, y, other=other))) == 3


@pytest.mark.parametrize("depth", [1, 3, None])
def test_boosted_numbers(depth):
    """Medians of the first members, also where a bad member ends the boosting."""
    X, y, other = patients()
    model = AdaBoostRegressor(DecisionTreeRegressor(max_depth=depth), random_state=0)
    assert len(assert_fused_as_alone(BOOSTED, batch_of(grid(model, **MEMBERS), X, y, other=other))) == 3


@pytest.mark.parametrize("member", [None, SVC(), SVC(decision_function_shape="ovo"), RidgeClassifier()])
def test_bagged_classes(member):
    """Members with probabilities are averaged, members without them vote; some never saw a class."""
    X, y, other = flowers()
    model = BaggingClassifier(member, random_state=0, max_samples=12)
    assert len(assert_fused_as_alone(BAGGED, batch_of(grid(model, **MEMBERS), X, y, other=other))) == 3


def test_bagged_numbers():
    """Members on some of the columns, drawn with replacement."""
    X, y, other = patients()
    model = BaggingRegressor(Ridge(), random_state=0, max_features=0.5, bootstrap_features=True)
    assert len(assert_fused_as_alone(BAGGED, batch_of(grid(model, **MEMBERS), X, y, other=other))) == 3


def test_each_member_is_asked_once_for_a_set(monkeypatch):
    """What a member answered for a set is remembered for the larger ensembles."""
    asked = []
    own = DecisionTreeClassifier.predict_proba
    monkeypatch.setattr(
        DecisionTreeClassifier, "predict_proba", lambda self, X: asked.append(id(self)) or own(self, X)
    )
    X, y, other = flowers()
    for _, source in BAGGED.run(batch_of(grid(BaggingClassifier(random_state=0), **MEMBERS), X, y, other=other)):
        for name in ("train", "other"):
            source.answer(name, "predict_proba")
            source.answer(name, "predict")
    assert len(asked) == 2 * 5


def test_beyond_the_bound_nothing_is_remembered(monkeypatch):
    """Without room to remember, members are asked again, and the answers are the same."""
    monkeypatch.setattr(ensembles, "REMEMBERED_BYTES", 1)
    X, y, other = flowers()
    batch = batch_of(grid(AdaBoostClassifier(random_state=0), **MEMBERS), X, y, other=other)
    assert len(assert_fused_as_alone(BOOSTED, batch)) == 3


def test_members_that_are_like_others_share_a_group():
    """Two nested estimators with equal parameters are one group, with different parameters two."""
    path = "sklearn.ensemble:BaggingClassifier"
    one, like, other = (
        BAGGED.group(path, params_of(BaggingClassifier(DecisionTreeClassifier(max_depth=depth))))
        for depth in (2, 2, 3)
    )
    assert one == like
    assert one != other


@pytest.mark.parametrize(
    ("rule", "model", "changes", "word"),
    [
        (BAGGED, BaggingClassifier(), {"n_jobs": 2}, "n_jobs"),
        (BAGGED, BaggingClassifier(), {"warm_start": True}, "warm_start"),
        (BAGGED, BaggingClassifier(), {"oob_score": True}, "oob_score"),
        (BAGGED, BaggingClassifier(), {"random_state": None}, "random_state"),
        (BOOSTED, AdaBoostClassifier(), {"random_state": None}, "random_state"),
    ],
)
def test_refusals_name_what_is_in_the_way(rule, model, changes, word):
    """Each refusal names the parameter."""
    path = f"sklearn.ensemble:{type(model).__name__}"
    assert rule.refuses(path, params_of(model), SIZE) is None
    assert word in rule.refuses(path, params_of(model, **changes), SIZE)


def test_weights_that_overflow_are_left_alone():
    """The longest fit warns of an iteration that shorter ones never reach: each is fitted alone."""
    X, y, _ = flowers()
    y = np.where(np.random.default_rng(0).random(len(y)) < 0.3, "a", y)
    model = AdaBoostClassifier(random_state=0, learning_rate=400.0)
    with pytest.raises(CannotFuse, match=r"overflow|infinite"):
        list(BOOSTED.run(batch_of(grid(model, n_estimators=[1, 50]), X, y)))


def test_several_targets_are_left_alone():
    """A target with columns is refused."""
    X, y, _ = patients()
    with pytest.raises(CannotFuse, match="several columns"):
        list(BAGGED.run(batch_of(grid(BaggingRegressor(random_state=0), **MEMBERS), X, np.c_[y, y])))
