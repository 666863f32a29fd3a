"""Classifiers with calibrated probabilities beside their own predictions."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer, load_wine, make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.utils.estimator_checks import parametrize_with_checks
from tests.fit.sweeps import Selected

from manyfit.fit.calibrating import calibrated
from manyfit.fit.models import dump_model, foreign_types, model_of
from manyfit.model.sweep import Calibration, Problem
from manyfit.models.calibrated import Calibrated

WINE = load_wine(return_X_y=True)
SCALED_SVC = make_pipeline(StandardScaler(), SVC())


def expected_failures(estimator):
    """Return what SVC(probability=True) fails, too: the likeliest class need not be the predicted one."""
    return {"check_classifiers_train": "predictions are those of the classifier without calibration"}


@parametrize_with_checks([Calibrated()], expected_failed_checks=expected_failures)
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast:RuntimeWarning")
def test_it_is_an_estimator(estimator, check):
    """scikit-learn's checks hold."""
    check(estimator)


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_predictions_are_those_of_the_classifier(method, n_classes):
    """Predictions and decision values stay; probabilities are those of scikit-learn's class."""
    X, y = WINE
    y = np.minimum(y, n_classes - 1)
    alone = clone(SCALED_SVC).fit(X, y)
    model = Calibrated(SCALED_SVC, method=method).fit(X, y)
    theirs = CalibratedClassifierCV(SCALED_SVC, method=method, cv=StratifiedKFold(5), ensemble=False).fit(X, y)
    assert (model.predict(X) == alone.predict(X)).all()
    assert (model.decision_function(X) == alone.decision_function(X)).all()
    assert (model.predict_proba(X) == theirs.predict_proba(X)).all()


def test_probabilities_are_calibrated():
    """On unseen rows the probabilities are nearer to what happens than the mere share of the classes."""
    X, y = load_breast_cancer(return_X_y=True)
    model = Calibrated(SCALED_SVC).fit(X[::2], y[::2])
    found = model.predict_proba(X[1::2])[:, 1]
    assert brier_score_loss(y[1::2], found) < 0.05 < brier_score_loss(y[1::2], np.full(len(found), y.mean()))


def test_groups_are_left_out_as_a_whole():
    """Rows that are copies of each other in one group never stand on both sides of a calibration."""
    X, y = make_classification(60, 5, flip_y=0.4, random_state=0)
    X, y, groups = np.repeat(X, 5, axis=0), np.repeat(y, 5), np.repeat(np.arange(60), 5)
    model = LinearSVC(random_state=0)
    leaking = Calibrated(model).fit(X, y)
    honest = Calibrated(model).fit(X, y, groups=groups)
    parts = list(StratifiedGroupKFold(5).split(X, y, groups))
    theirs = CalibratedClassifierCV(model, cv=parts, ensemble=False).fit(X, y)
    assert honest.by_group_
    assert not leaking.by_group_
    assert (honest.predict_proba(X) == theirs.predict_proba(X)).all()
    assert (honest.predict_proba(X) != leaking.predict_proba(X)).all()


def test_groups_that_are_classes_cannot_be_left_out():
    """Where each class is one group, whole groups would take a class away: rows are left out instead."""
    X, y = WINE
    assert not Calibrated(SCALED_SVC).fit(X, y, groups=y).by_group_


def test_few_rows_mean_fewer_parts():
    """A class with three rows is calibrated in three parts; with one row it is an error that says so."""
    X, y = WINE
    rows = np.r_[np.flatnonzero(y == 0)[:3], np.flatnonzero(y == 1)]
    model = Calibrated(SCALED_SVC).fit(X[rows], y[rows])
    assert model.predict_proba(X[rows]).shape == (len(rows), 2)
    with pytest.raises(ValueError, match="class 0 has 1 sample"):
        Calibrated(SCALED_SVC).fit(X[rows[2:]], y[rows[2:]])


def test_a_model_with_probabilities_is_safe_to_store():
    """It is written and read back without trusting anything further, and answers the same."""
    X, y = WINE
    for method in ("sigmoid", "isotonic"):
        model = Calibrated(SCALED_SVC, method=method).fit(X, y)
        content = dump_model(model)
        assert not foreign_types(content)
        again = model_of(content, "kept")
        assert (again.predict_proba(X) == model.predict_proba(X)).all()
        assert (again.predict(X) == model.predict(X)).all()


def selected(y, groups=None, problem=Problem.CLASSIFICATION):
    """Rows of a cell as the executor has them."""
    X = WINE[0]
    return Selected(
        X={"train": X}, y={"train": y}, classes=("a",), scored=("train",), problem=problem, groups=groups
    )


def test_only_what_lacks_probabilities_is_calibrated():
    """Classifiers with probabilities, regressions and sweeps that do not ask for it stay as they are."""
    X, y = WINE
    plain = LinearSVC(random_state=0).fit(X, y)
    with_probabilities = LogisticRegression(max_iter=5000).fit(X, y)
    assert calibrated(plain, selected(y), Calibration.NONE) is plain
    assert calibrated(with_probabilities, selected(y), Calibration.SIGMOID) is with_probabilities
    assert calibrated(plain, selected(y, problem=Problem.REGRESSION), Calibration.SIGMOID) is plain
    made = calibrated(plain, selected(y, np.arange(len(y)) % 20), Calibration.ISOTONIC)
    assert made.method == "isotonic"
    assert made.by_group_
    assert (made.predict(X) == plain.predict(X)).all()
