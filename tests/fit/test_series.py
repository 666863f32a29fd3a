"""What fitted estimators tell of their training is kept, and no rule takes their place."""

from types import MappingProxyType

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.ensemble import AdaBoostClassifier, GradientBoostingClassifier
from sklearn.neural_network import MLPClassifier
from tests.fit.sweeps import ArrayRows, bodies, candidate, cell, executor, work

from manyfit.families.fusion.catalog import FusionCatalog
from manyfit.families.telling import REFUSAL, TELLING, TellingAlone
from manyfit.fit.rounds import MOST
from manyfit.fit.series import LONGEST, details_of, series_of
from manyfit.model.series import steps_of
from manyfit.model.sweep import Keep

X, y = load_iris(return_X_y=True)
GB = "sklearn.ensemble:GradientBoostingClassifier"
SERIES = Keep(series=True)


def rows():
    return ArrayRows(X.copy(), y.copy(), classes=("a", "b", "c"))


def fitted(*steps, **changes):
    """The bodies of one candidate for each last step, on one fold."""
    unit = work([(candidate(*prefix, last), cell()) for prefix, last in steps])
    return list(bodies(executor(rows(), metrics=("accuracy",), **changes), unit).values())


def test_a_loss_curve_is_told_as_the_estimator_has_it():
    """Names lose their last underscore; numbers are those of the estimator."""
    net = MLPClassifier(max_iter=7, random_state=0)
    with pytest.warns(UserWarning, match="Stochastic"):
        net.fit(X, y)
    found = series_of(net)
    assert found["loss_curve"] == pytest.approx(net.loss_curve_)
    assert found["n_iter"] == [7.0]


def test_ensembles_tell_of_each_round():
    """Losses and out-of-bag improvements of boosting, errors of AdaBoost."""
    boosted = GradientBoostingClassifier(n_estimators=6, subsample=0.5, random_state=0).fit(X, y)
    assert {name: len(values) for name, values in series_of(boosted).items()} == {
        "train_score": 6,
        "oob_improvement": 6,
        "oob_scores": 6,
    }
    assert len(series_of(AdaBoostClassifier(n_estimators=4).fit(X, y))["estimator_errors"]) == 4


def test_recorded_histories_are_series_by_set_and_metric():
    """Those of boosting libraries are nested; one that raises tells nothing."""

    class Boosted:
        def evals_result(self):
            return {"validation_0": {"rmse": [3.0, 2.0]}, "validation_1": {"rmse": [4.0], "mae": [1]}}

    class Mute:
        def evals_result(self):
            raise RuntimeError("no evaluation")

    assert series_of(Boosted()) == {
        "validation_0:rmse": [3.0, 2.0],
        "validation_1:rmse": [4.0],
        "validation_1:mae": [1.0],
    }
    assert series_of(Mute()) == {}


def test_what_is_no_series_is_left_out():
    """Texts, matrices and None in the place of a series cost nothing."""

    class Odd:
        loss_curve_ = "long"
        train_score_ = np.zeros((2, 2))
        scores_ = MappingProxyType({"a": 1})
        n_iter_ = None

    assert series_of(Odd()) == {}


def test_long_series_are_thinned_evenly_and_say_so():
    """The first and the last number stay, and the length that it had is kept."""

    class Long:
        loss_curve_ = tuple(range(12_345))

    found = details_of(Long())
    kept = found["series"]["loss_curve"]
    assert (len(kept), kept[0], kept[-1]) == (LONGEST, 0, 12_344)
    assert found["n_values"] == {"loss_curve": 12_345}
    assert kept == steps_of(12_345, LONGEST)
    assert set(np.diff(kept)) <= {24, 25}
    assert steps_of(LONGEST, LONGEST) == list(range(LONGEST))


def test_results_have_series_where_the_sweep_keeps_them():
    """Beside the confusion matrix of the training rows; without the wish there are none."""
    step = ((), (GB, {"n_estimators": 3}))
    (kept,) = fitted(step, keep=SERIES)
    (plain,) = fitted(step)
    assert len(kept["details"]["train"]["series"]["train_score"]) == 3
    assert kept["details"]["train"]["confusion_matrix"] == plain["details"]["train"]["confusion_matrix"]
    assert "series" not in plain["details"]["train"]
    (bare,) = fitted(step, keep=SERIES, score_train=False)
    assert set(bare["details"]["train"]) == {"series"}


BOOSTERS = [
    (GB, {"n_estimators": 6, "subsample": 0.5}),
    ("sklearn.ensemble:HistGradientBoostingClassifier", {"max_iter": 6, "early_stopping": False}),
    ("sklearn.ensemble:AdaBoostClassifier", {"n_estimators": 6}),
    ("lightgbm:LGBMClassifier", {"n_estimators": 6, "min_child_samples": 3, "verbose": -1}),
    ("xgboost:XGBClassifier", {"n_estimators": 6}),
    ("manyfit.models.gbt:GbtClassifier", {"n_estimators": 6, "library": "lightgbm"}),
    ("manyfit.models.gbt:GbtClassifier", {"n_estimators": 6, "library": "xgboost"}),
]
NUMBERS = [
    ("sklearn.ensemble:GradientBoostingRegressor", {"n_estimators": 6}),
    ("sklearn.ensemble:HistGradientBoostingRegressor", {"max_iter": 6, "early_stopping": False}),
    ("lightgbm:LGBMRegressor", {"n_estimators": 6, "verbose": -1}),
    ("xgboost:XGBRegressor", {"n_estimators": 6}),
    ("manyfit.models.gbt:GbtRegressor", {"n_estimators": 6, "library": "lightgbm"}),
    ("manyfit.models.gbt:GbtRegressor", {"n_estimators": 6, "library": "xgboost"}),
]


def library_of(step):
    named = step[1].get("library") or step[0].partition(":")[0]
    return named if named in ("lightgbm", "xgboost") else "sklearn"


@pytest.mark.parametrize("step", BOOSTERS, ids=lambda step: step[0].partition(":")[2] + library_of(step))
@pytest.mark.parametrize("metric", ["log_loss", "roc_auc_ovr"])
def test_boosters_are_scored_round_by_round(step, metric):
    """After the last round it is the very score of the fit, and the fit is the same as without the wish."""
    pytest.importorskip(library_of(step))
    changes = {"metrics": (metric,), "keep": SERIES}
    unit = work([(candidate(("sklearn.preprocessing:StandardScaler", {}), step), cell())])
    (told,) = bodies(executor(rows(), **changes), unit).values()
    (plain,) = bodies(executor(rows(), metrics=(metric,)), unit).values()
    series = told["details"]["train"]["series"]
    for name in ("cv", "train"):
        values = series[f"{name} {metric}"]
        assert len(values) == 6
        assert values[-1] == told["scores"][name][metric]
    assert series[f"train {metric}"][0] != series[f"train {metric}"][-1]
    assert told["scores"] == plain["scores"]
    assert "n_values" not in told["details"]["train"]


@pytest.mark.parametrize("step", NUMBERS, ids=lambda step: step[0].partition(":")[2] + library_of(step))
def test_boosters_of_numbers_are_scored_round_by_round(step):
    """Errors after each round, the last one that of the fit; the first ones are those of shorter fits."""
    pytest.importorskip(library_of(step))
    numbers = ArrayRows(X[:, :3].copy(), X[:, 3].copy())
    first, whole = (
        {**step[1], name: n} for n in (2, 6) for name in step[1] if name in ("n_estimators", "max_iter")
    )
    unit = work([(candidate((step[0], params)), cell()) for params in (first, whole)])
    short, long = bodies(executor(numbers, metrics=("rmse",), keep=SERIES), unit).values()
    values = long["details"]["train"]["series"]["cv rmse"]
    assert (values[1], values[-1]) == (short["scores"]["cv"]["rmse"], long["scores"]["cv"]["rmse"])
    assert values[0] > values[-1]


def test_many_rounds_are_scored_at_a_few_of_them():
    """Evenly spread, with the first and the last; the number of rounds is kept, so that steps are known."""
    (body,) = fitted(((), (GB, {"n_estimators": 120, "max_depth": 1})), keep=SERIES)
    train = body["details"]["train"]
    assert len(train["series"]["cv accuracy"]) == MOST
    assert train["n_values"] == {"cv accuracy": 120, "train accuracy": 120}
    assert len(train["series"]["train_score"]) == 120


def test_what_cannot_be_asked_round_by_round_tells_what_it_has():
    """Boosters whose rounds change earlier ones, one round, other estimators: no series of scores, no failure."""
    pytest.importorskip("xgboost")
    pytest.importorskip("lightgbm")
    linear = ("xgboost:XGBClassifier", {"n_estimators": 4, "booster": "gblinear"})
    dropping = ("lightgbm:LGBMClassifier", {"n_estimators": 4, "boosting_type": "dart", "verbose": -1})
    alias = ("lightgbm:LGBMClassifier", {"n_estimators": 4, "boosting": "dart", "verbose": -1})
    forest = ("sklearn.ensemble:RandomForestClassifier", {})
    for step in (linear, dropping, alias, (GB, {"n_estimators": 1}), forest):
        (body,) = fitted(((), step), keep=SERIES)
        assert "scores" in body
        assert "cv accuracy" not in body["details"]["train"].get("series", {})


def test_a_metric_without_a_value_is_no_series():
    """Half a series would be taken for training that ran away."""
    (body,) = fitted(((), (GB, {"n_estimators": 3})), keep=SERIES, rank_by="roc_auc")
    assert set(body["details"]["train"]["series"]) == {"train_score"}


def test_estimators_with_a_curve_are_not_fused_away():
    """Fits that a rule would answer are fitted alone, with equal scores; steps before them are shared still."""
    scaled = (("sklearn.preprocessing:StandardScaler", {}),)
    steps = [(scaled, (GB, {"n_estimators": n})) for n in (2, 4)]
    fused = fitted(*steps)
    told = fitted(*steps, keep=SERIES)
    assert {body["fusion"]["rule"] for body in fused} != {"shared-steps"}, "a rule has to be there to be refused"
    assert {body["fusion"]["rule"] for body in told} == {"shared-steps"}
    assert [len(body["details"]["train"]["series"]["train_score"]) for body in told] == [2, 4]
    assert [body["scores"] for body in told] == [body["scores"] for body in fused]


def test_estimators_without_a_curve_are_fused_as_ever():
    """Keeping series costs nothing where there are none."""
    knn = [((), ("sklearn.neighbors:KNeighborsClassifier", {"n_neighbors": n})) for n in (1, 3)]
    assert {body["fusion"]["rule"] for body in fitted(*knn, keep=SERIES)} == {"neighbors"}


def test_every_class_that_tells_is_refused_with_a_reason():
    """Whatever rules cover it; others keep their rules as they are."""
    rules = FusionCatalog()
    for path in sorted(TELLING):
        refusals = {rule.refuses(path, {}, None) for rule in TellingAlone(rules).of(path)}
        assert refusals == ({REFUSAL} if rules.of(path) else set()), path
    assert list(TellingAlone(rules).of("sklearn.svm:SVC")) == list(rules.of("sklearn.svm:SVC"))
    assert TellingAlone(rules).names() == rules.names()
